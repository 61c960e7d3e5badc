package kex

import (
	"crypto"
	"errors"
	"fmt"

	"github.com/fairlead-go/ssh/wire"
)

// A Role is the side of the connection that an exchange acts for. The zero
// value is no role, and refused.
type Role uint8

const (
	Client Role = 1
	Server Role = 2
)

// A Transcript is what both sides said before the exchange began. It enters
// the exchange hash (RFC 4253 section 8). No part of it may be empty.
type Transcript struct {
	// The identification strings without CR LF.
	ClientVersion, ServerVersion []byte
	// The payloads of both KEXINIT messages, message number included.
	ClientKexInit, ServerKexInit []byte
}

// A HostKey is what a server proves its identity with.
type HostKey struct {
	// Public is the host key as a public key blob, K_S.
	Public []byte
	// Sign returns a signature blob over h, the exchange hash, which it may
	// not change. It is called once, inside Step.
	Sign func(h []byte) (signature []byte, err error)
}

// A Config says which side an exchange acts for, and in which connection.
type Config struct {
	Role       Role
	Transcript Transcript
	HostKey    *HostKey // server only, and then required

	// Offer, of a client, is used where it is one of the method's.
	Offer *Offer

	// GroupBits is the size of group that a client prefers in a group
	// exchange (RFC 4419), within the 2048 to 8192 that it takes. Default: 3072.
	GroupBits int
	// Moduli are the groups that a server has for a group exchange. Default:
	// those of RFC 3526.
	Moduli *Moduli
	// Ahead has a server make its ephemeral key in New, and not when the client's
	// message is there, for methods with X25519 or the NIST curve of 256 bits. The
	// others would have strangers cost too much who have not sent anything.
	Ahead bool
}

// defaultGroupBits is worth 128 bits of strength (NIST SP 800-57 part 1, table
// 2).
const defaultGroupBits = 3072

// An Exchange is one run of a key exchange method. It is for one goroutine.
type Exchange interface {
	// Step takes the peer's next key exchange message, a whole payload with
	// its message number, or nil as a client's first call. It returns the
	// payloads to send, in order, which may be none and which the caller
	// owns, and whether the exchange is complete. It keeps and changes
	// nothing of in. After an error, which is always a [*Error], every later
	// call returns that error; after completion, [ErrFinished].
	Step(in []byte) (out [][]byte, done bool, err error)

	// Result returns what the exchange agreed on, nil unless it is complete.
	Result() *Result
}

// A Result is what a complete exchange agreed on. Its slices are the caller's.
type Result struct {
	Hash crypto.Hash // the method's hash function
	H    []byte      // exchange hash
	// K is the shared secret as it enters hashes: the encoding, mpint or
	// string by the method, with its length prefix. Clear it when all keys
	// are derived.
	K         []byte
	HostKey   []byte // K_S, the server's public key blob
	Signature []byte // the server's signature blob over H, not verified here

	// In a group exchange, the size of group that the client asked for and of
	// the one that the server chose, in bits; else 0.
	GroupAsked, GroupBits int
}

// New begins a key exchange by the method of that name. It keeps nothing of
// cfg.Transcript. The error is a [*UnknownMethodError], or a [*Error] for a
// Config that lacks something.
func New(name string, cfg Config) (Exchange, error) {
	m := lookup(name)
	if m == nil {
		return nil, &UnknownMethodError{Method: name}
	}
	if err := cfg.check(); err != nil {
		return nil, &Error{Method: m.name, Err: err}
	}
	x := &machine{method: m, role: cfg.Role, hash: m.hash.New(), moduli: cfg.Moduli, groupBits: cfg.GroupBits}
	if x.groupBits == 0 {
		x.groupBits = defaultGroupBits
	}
	if cfg.Role == Server {
		x.hostKey = *cfg.HostKey
	}
	if cfg.Offer != nil && cfg.Offer.method == m {
		x.offer = cfg.Offer
	}
	t := &cfg.Transcript
	for _, s := range [][]byte{t.ClientVersion, t.ServerVersion, t.ClientKexInit, t.ServerKexInit} {
		writeString(x.hash, s)
	}
	if err := m.begin(x, cfg.Ahead); err != nil {
		return nil, &Error{m.name, err}
	}
	return x, nil
}

func (c *Config) check() error {
	switch c.Role {
	case Client:
		if c.HostKey != nil {
			return errors.New("a client has no host key")
		}
	case Server:
		if c.Offer != nil {
			return errors.New("a server makes no offer")
		}
		if c.HostKey == nil || len(c.HostKey.Public) == 0 || c.HostKey.Sign == nil {
			return errors.New("a server needs a host key")
		}
	default:
		return fmt.Errorf("role %d is neither client nor server", c.Role)
	}
	if c.GroupBits != 0 && (c.GroupBits < minGroupBits || c.GroupBits > maxGroupBits) {
		return fmt.Errorf("group of %d bits is not between %d and %d", c.GroupBits, minGroupBits, maxGroupBits)
	}
	t := &c.Transcript
	if len(t.ClientVersion) == 0 || len(t.ServerVersion) == 0 {
		return errors.New("an identification string is missing")
	}
	for _, p := range [][]byte{t.ClientKexInit, t.ServerKexInit} {
		if len(p) == 0 || p[0] != wire.MsgKexInit {
			return errors.New("a KEXINIT payload is missing")
		}
	}
	return nil
}

// Methods returns the names of all methods but those of LegacyMethods,
// preferred first. The slice is the caller's.
func Methods() []string { return names(func(m *method) bool { return m.proposed != legacy }) }

// LegacyMethods returns the names of the methods that are there for peers which
// have nothing better, preferred first: they use SHA-1 or a group of 1024 bits
// (RFC 9142 section 4 says that they should not be used). The slice is the
// caller's.
func LegacyMethods() []string { return names(func(m *method) bool { return m.proposed == legacy }) }

// Proposal returns the names of the methods that stand in the default proposal
// of a role, preferred first. It has all that the role needs in order to reach
// peers of today; the others of Methods must be asked for by name. The slice
// is the caller's.
func Proposal(role Role) []string {
	return names(func(m *method) bool { return m.proposed&role != 0 })
}

func names(include func(*method) bool) []string {
	var names []string
	for i := range methods {
		if include(&methods[i]) {
			names = append(names, methods[i].name)
		}
	}
	return names
}

// Supported reports whether New knows the method.
func Supported(method string) bool { return lookup(method) != nil }

// PostQuantum reports whether the method's shared secret is meant to withstand
// an attacker with a quantum computer. It is false for an unknown method.
func PostQuantum(method string) bool {
	m := lookup(method)
	return m != nil && m.postQuantum
}
