package sshsig

import (
	"bytes"
	"encoding/base64"
	"fmt"

	"github.com/fairlead-go/ssh/keys"
	"github.com/fairlead-go/ssh/wire"
)

// magic is what a signature and what it signs begin with.
const magic = "SSHSIG"

const version = 1

// A Signature is a key's signature of a message.
type Signature struct {
	// Key is the key that has signed, or its certificate. Nothing says that it
	// is anyone's: see [Verifier].
	Key keys.PublicKey
	// Namespace is what the signature is for. It is text of its author's.
	Namespace string
	// Hash is [SHA512] or [SHA256].
	Hash string
	// Signature is by Key, under the plain key's algorithm.
	Signature *keys.Signature
}

// Marshal returns the signature in wire form, without armor.
func (s *Signature) Marshal() []byte {
	b := wire.AppendUint32([]byte(magic), version)
	b = wire.AppendString(b, s.Key.Marshal())
	b = wire.AppendString(b, s.Namespace)
	b = wire.AppendString(b, "") // reserved
	b = wire.AppendString(b, s.Hash)
	return wire.AppendString(b, s.Signature.Marshal())
}

// Parse parses a signature in wire form. It verifies nothing but the authority's
// signature of a certificate. Errors are [ErrFormat], [ErrUnsupported], or those
// of [keys.ParseKeyOrCertificate].
func Parse(b []byte) (*Signature, error) {
	if !bytes.HasPrefix(b, []byte(magic)) {
		return nil, ErrFormat
	}
	r := wire.NewReader(b[len(magic):])
	if v := r.Uint32(); v != version && r.Err() == nil {
		return nil, fmt.Errorf("%w: version %d", ErrUnsupported, v)
	}
	key := r.Bytes()
	s := &Signature{Namespace: r.Text()}
	r.Bytes() // reserved, which is to be ignored
	s.Hash = r.Text()
	signature := bytes.Clone(r.Bytes())
	if err := r.End(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	if s.Namespace == "" {
		return nil, fmt.Errorf("%w: no namespace", ErrFormat)
	}
	if hashes[s.Hash] == nil {
		return nil, fmt.Errorf("%w: hash %s", ErrUnsupported, wire.Quote(s.Hash, wire.MaxShown))
	}
	var err error
	if s.Key, err = keys.ParseKeyOrCertificate(key); err != nil {
		return nil, fmt.Errorf("sshsig: %w", err)
	}
	if s.Signature, err = keys.ParseSignature(signature); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	return s, nil
}

const (
	header = "-----BEGIN SSH SIGNATURE-----"
	footer = "-----END SSH SIGNATURE-----"
	// lineLength is how long ssh-keygen makes lines.
	lineLength = 70
)

// Armor returns the signature as text, as ssh-keygen writes it to a .sig file.
func (s *Signature) Armor() []byte {
	encoded := base64.StdEncoding.AppendEncode(nil, s.Marshal())
	b := []byte(header + "\n")
	for len(encoded) > 0 {
		n := min(len(encoded), lineLength)
		b = append(b, encoded[:n]...)
		b = append(b, '\n')
		encoded = encoded[n:]
	}
	return append(b, footer+"\n"...)
}

// ParseArmored parses a signature as [Signature.Armor] returns it, with lines of
// any length that end in LF or CR LF. The header must stand first, and nothing
// but blanks after the footer. Errors are those of [Parse].
func ParseArmored(b []byte) (*Signature, error) {
	rest, ok := bytes.CutPrefix(b, []byte(header))
	if !ok {
		return nil, fmt.Errorf("%w: no header", ErrFormat)
	}
	body, ok := bytes.CutSuffix(bytes.TrimRight(rest, " \t\r\n"), []byte("\n"+footer))
	if !ok || len(body) > 0 && body[0] != '\n' && !bytes.HasPrefix(body, []byte("\r\n")) {
		return nil, fmt.Errorf("%w: no footer, or no line of its own for the header", ErrFormat)
	}
	blob, err := base64.StdEncoding.Strict().AppendDecode(nil, body) // it skips line ends
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	return Parse(blob)
}
