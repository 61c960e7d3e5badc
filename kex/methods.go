package kex

import (
	"crypto"
	"crypto/ecdh"
	_ "crypto/sha1"   // links crypto.SHA1
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
	proposed     Role      // whose default proposal it stands in; Client and Server are bits here
	agreement    agreement // nil for group exchange, which agrees on one first
}

// The values of method.proposed.
const (
	byName  Role = 0 // nobody's: it must be asked for
	clients      = Client
	both         = Client | Server
	legacy  Role = 4 // nobody's, and not one of Methods
)

// methods are all that this package knows, preferred first.
var methods = []method{
	{"mlkem768x25519-sha256", crypto.SHA256, asString, true, both, hybrid{mlkem768, x25519, crypto.SHA256}},
	{"sntrup761x25519-sha512", crypto.SHA512, asString, true, both, hybrid{sntrup, x25519, crypto.SHA512}},
	{"sntrup761x25519-sha512@openssh.com", crypto.SHA512, asString, true, both, hybrid{sntrup, x25519, crypto.SHA512}},
	{"curve25519-sha256", crypto.SHA256, wire.AppendMpint, false, both, x25519},
	{"curve25519-sha256@libssh.org", crypto.SHA256, wire.AppendMpint, false, both, x25519},
	{"ecdh-sha2-nistp256", crypto.SHA256, wire.AppendMpint, false, both, p256},
	{"ecdh-sha2-nistp384", crypto.SHA384, wire.AppendMpint, false, both, p384},
	{"ecdh-sha2-nistp521", crypto.SHA512, wire.AppendMpint, false, both, p521},
	{"diffie-hellman-group-exchange-sha256", crypto.SHA256, wire.AppendMpint, false, clients, nil},
	{"diffie-hellman-group16-sha512", crypto.SHA512, wire.AppendMpint, false, clients, group16},
	{"diffie-hellman-group18-sha512", crypto.SHA512, wire.AppendMpint, false, clients, group18},
	{"diffie-hellman-group14-sha256", crypto.SHA256, wire.AppendMpint, false, clients, group14},
	{"mlkem768nistp256-sha256", crypto.SHA256, asString, true, byName, hybrid{mlkem768, p256, crypto.SHA256}},
	{"mlkem1024nistp384-sha384", crypto.SHA384, asString, true, byName, hybrid{mlkem1024, p384, crypto.SHA384}},
	{"diffie-hellman-group-exchange-sha1", crypto.SHA1, wire.AppendMpint, false, legacy, nil},
	{"diffie-hellman-group14-sha1", crypto.SHA1, wire.AppendMpint, false, legacy, group14},
	{"diffie-hellman-group1-sha1", crypto.SHA1, wire.AppendMpint, false, legacy, group1},
}

var (
	x25519 = curve{ecdh.X25519(), 32, true}
	p256   = curve{ecdh.P256(), 65, true}
	p384   = curve{ecdh.P384(), 97, false}
	p521   = curve{ecdh.P521(), 133, false}
)

func asString(b, secret []byte) []byte { return wire.AppendString(b, secret) }

func lookup(name string) *method {
	for i := range methods {
		if methods[i].name == name {
			return &methods[i]
		}
	}
	return nil
}
