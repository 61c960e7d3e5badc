package sshfp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"

	"github.com/fairlead-go/ssh/keys"
	"github.com/fairlead-go/ssh/wire"
)

// A Resolver looks up SSHFP records.
type Resolver interface {
	// LookupSSHFP returns the records of a host, whose name is as the user gave
	// it, without a port. validated says that DNSSEC has validated the answer,
	// by a resolver and over a way to it that are trusted with that. A host
	// without records is no error.
	LookupSSHFP(ctx context.Context, host string) (records []Record, validated bool, err error)
}

// A Verdict is what the records of a host say about a key.
type Verdict int

const (
	NoRecord Verdict = iota // no record is for keys of this type
	Match
	Mismatch
)

// Compare compares a key with all records of its host. Only those for its
// algorithm count, and of them those with SHA-256 if there are any (RFC 6594
// section 4.1). One that matches is enough: a host that changes its key has
// records of two for a while.
func Compare(records []Record, k keys.PublicKey) Verdict {
	verdict, strongest := NoRecord, Hash(0)
	for _, r := range records {
		if !r.isFor(k) || hashes[r.Hash] == nil || r.Hash < strongest {
			continue
		}
		if r.Hash > strongest {
			verdict, strongest = Mismatch, r.Hash
		}
		if r.Matches(k) {
			verdict = Match
		}
	}
	return verdict
}

// ErrMismatch: the DNS says that the host has other keys. It comes in a
// [*MismatchError].
var ErrMismatch = errors.New("sshfp: host key differs from the DNS")

// ErrNotVerified: the DNS does not vouch for the key, and nothing else was there
// to ask.
var ErrNotVerified = errors.New("sshfp: the DNS does not vouch for the host key")

// A MismatchError says which key a host has shown that its validated records
// do not have.
type MismatchError struct {
	Host string // as given to the verifier
	Key  keys.PublicKey
}

func (e *MismatchError) Error() string {
	return fmt.Sprintf("sshfp: host %s has shown %s %s, but the DNS has other keys for it",
		wire.Quote(e.Host, wire.MaxShown), e.Key.Type(), keys.FingerprintSHA256(e.Key))
}

func (e *MismatchError) Unwrap() error { return ErrMismatch }

// A HostKeyVerifier decides on the key of a server, as a client is given it.
type HostKeyVerifier = func(ctx context.Context, address string, remote net.Addr, key keys.PublicKey) error

// VerifyHostKey returns a HostKeyVerifier that accepts a key which validated
// records have, and refuses, with a [*MismatchError], one that they do not have
// while they have others of its algorithm. Wherever the DNS does not decide,
// next does: if the look-up fails, or finds nothing for the key, or was not
// validated; for an address without a name; and for certificates. A nil next
// refuses with [ErrNotVerified].
//
// Next is not asked about a key that the DNS has. Whoever has lists of revoked
// keys asks them first.
func VerifyHostKey(r Resolver, next HostKeyVerifier) HostKeyVerifier {
	return func(ctx context.Context, address string, remote net.Addr, key keys.PublicKey) error {
		if key == nil {
			return ErrNotVerified
		}
		switch host := hostOf(address); lookUp(ctx, r, host, key) {
		case Match:
			return nil
		case Mismatch:
			return &MismatchError{Host: host, Key: key}
		}
		if next == nil {
			return ErrNotVerified
		}
		return next(ctx, address, remote, key)
	}
}

// lookUp returns what validated records say.
func lookUp(ctx context.Context, r Resolver, host string, key keys.PublicKey) Verdict {
	if _, err := netip.ParseAddr(host); err == nil || host == "" {
		return NoRecord
	}
	if _, ok := algorithms[key.Type()]; !ok {
		return NoRecord
	}
	records, validated, err := r.LookupSSHFP(ctx, host)
	if err != nil || !validated {
		return NoRecord
	}
	return Compare(records, key)
}

// hostOf returns the host of "host:port", and what has no port as it is.
func hostOf(address string) string {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		host = strings.TrimSuffix(strings.TrimPrefix(address, "["), "]")
	}
	return host
}
