// Package certtest builds certificates that the package keys does not issue,
// for tests: from fields as they are in the wire form (OpenSSH's
// PROTOCOL.certkeys).
package certtest

import "github.com/fairlead-go/ssh/wire"

// Fields are those of a certificate up to its signature.
type Fields struct {
	Name                 string // of the format
	Key                  []byte // the fields of the public key after its name
	Serial               uint64
	Type                 uint32
	KeyID                string
	Principals           []byte // see Names
	After, Before        uint64
	Critical, Extensions []byte // see Option
	Reserved             []byte
	Authority            []byte // public key blob
}

// Unsigned returns what the authority signs.
func (f *Fields) Unsigned() []byte {
	b := wire.AppendString(nil, f.Name)
	b = wire.AppendString(b, "a nonce")
	b = append(b, f.Key...)
	b = wire.AppendUint64(b, f.Serial)
	b = wire.AppendUint32(b, f.Type)
	b = wire.AppendString(b, f.KeyID)
	b = wire.AppendString(b, f.Principals)
	b = wire.AppendUint64(b, f.After)
	b = wire.AppendUint64(b, f.Before)
	b = wire.AppendString(b, f.Critical)
	b = wire.AppendString(b, f.Extensions)
	b = wire.AppendString(b, f.Reserved)
	return wire.AppendString(b, f.Authority)
}

// Names returns a list of principals.
func Names(names ...string) []byte {
	var b []byte
	for _, name := range names {
		b = wire.AppendString(b, name)
	}
	return b
}

// Option returns a critical option or an extension with these data.
func Option(name string, data []byte) []byte {
	return wire.AppendString(wire.AppendString(nil, name), data)
}

// TextOption returns one whose data are a string.
func TextOption(name, value string) []byte { return Option(name, wire.AppendString(nil, value)) }
