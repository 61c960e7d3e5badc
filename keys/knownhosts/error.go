package knownhosts

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/fairlead-go/ssh/keys"
	"github.com/fairlead-go/ssh/wire"
)

// The ways in which a host key can fail to be accepted. Every [KeyError] is
// one of them for errors.Is.
var (
	// ErrUnknownHost: no line of the files gives a key for the host.
	ErrUnknownHost = errors.New("knownhosts: host is not known")
	// ErrHostKeyChanged: the files have keys for the host, but not this one.
	ErrHostKeyChanged = errors.New("knownhosts: host key has changed")
	// ErrRevoked: a line says that the key must not be trusted.
	ErrRevoked = errors.New("knownhosts: host key is revoked")
)

// Known is a key as a line of a file has it.
type Known struct {
	Key  keys.PublicKey
	File string
	Line int // from 1
}

func (k Known) String() string {
	return k.Key.Type() + " " + keys.FingerprintSHA256(k.Key) + " at " + k.File + ":" + strconv.Itoa(k.Line)
}

// A KeyError says why a host key was not accepted.
type KeyError struct {
	Address string         // as given to [DB.Check]
	Got     keys.PublicKey // the key that the host has shown, without its certificate
	Want    []Known        // the keys known for the host, those of Got's type first
	Revoked *Known         // the line that revokes Got or its authority, if there is one

	// Certificate is why Got's certificate was not accepted, a
	// [*keys.CertificateError]; nil where it had none. Authorities are those
	// known for the host.
	Certificate error
	Authorities []Known
}

// Is makes errors.Is tell the three cases apart.
func (e *KeyError) Is(target error) bool {
	switch {
	case e.Revoked != nil:
		return target == ErrRevoked
	case len(e.Want) > 0:
		return target == ErrHostKeyChanged
	default:
		return target == ErrUnknownHost
	}
}

// Error names the host, the key that it has shown, and for a changed or
// revoked key each line that disagrees, with its file, number and fingerprint.
func (e *KeyError) Error() string {
	host := wire.Escape(e.Address, wire.MaxShown)
	got := "none"
	if e.Got != nil {
		got = e.Got.Type() + " " + keys.FingerprintSHA256(e.Got)
	}
	if e.Revoked != nil {
		return fmt.Sprintf("knownhosts: the key of %s is revoked by %s:%d; it has shown %s", host, e.Revoked.File, e.Revoked.Line, got)
	}
	if e.Certificate != nil {
		got += " with a certificate that is not accepted (" + strings.TrimPrefix(e.Certificate.Error(), "keys: ") + ")"
	}
	if len(e.Want) == 0 {
		return fmt.Sprintf("knownhosts: host %s is not known; it has shown %s", host, got)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "knownhosts: the key of %s has changed: it has shown %s, but known is ", host, got)
	for i, k := range e.Want {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(k.String())
	}
	b.WriteString("; either someone is in between, or the host has a new key and those lines are to be removed")
	return b.String()
}
