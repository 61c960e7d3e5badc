package kex

import (
	"crypto"
	"crypto/ecdh"
	_ "crypto/sha256" // links crypto.SHA256
	_ "crypto/sha512" // links crypto.SHA384 and crypto.SHA512

	"github.com/fairlead-go/ssh/wire"
)

// A method is what tells one key exchange method from another.
type method struct {
	name         string
	hash         crypto.Hash                   // of the exchange hash and of key derivation
	appendSecret func(b, secret []byte) []byte // K, as it enters hashes
	postQuantum  bool
	start        func(x *machine) // sets x.next to the first step of x.role
}

// methods is the default proposal, preferred first.
var methods = []method{
	{"mlkem768x25519-sha256", crypto.SHA256, asString, true, ecdhShaped(hybrid{mlkem768, x25519, crypto.SHA256})},
	{"curve25519-sha256", crypto.SHA256, wire.AppendMpint, false, ecdhShaped(x25519)},
	{"curve25519-sha256@libssh.org", crypto.SHA256, wire.AppendMpint, false, ecdhShaped(x25519)},
	{"ecdh-sha2-nistp256", crypto.SHA256, wire.AppendMpint, false, ecdhShaped(curve{ecdh.P256(), 65})},
	{"ecdh-sha2-nistp384", crypto.SHA384, wire.AppendMpint, false, ecdhShaped(curve{ecdh.P384(), 97})},
	{"ecdh-sha2-nistp521", crypto.SHA512, wire.AppendMpint, false, ecdhShaped(curve{ecdh.P521(), 133})},
}

var x25519 = curve{ecdh.X25519(), 32}

func asString(b, secret []byte) []byte { return wire.AppendString(b, secret) }

func lookup(name string) *method {
	for i := range methods {
		if methods[i].name == name {
			return &methods[i]
		}
	}
	return nil
}
