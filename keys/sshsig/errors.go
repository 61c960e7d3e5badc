package sshsig

import (
	"errors"
	"fmt"
	"strconv"
)

var (
	// ErrFormat: the bytes are not a signature in this format.
	ErrFormat = errors.New("sshsig: malformed signature")
	// ErrUnsupported: the signature is of a later version of the format, or
	// uses an algorithm that is not known or not allowed.
	ErrUnsupported = errors.New("sshsig: unsupported signature")
	// ErrNamespace: the signature, or the line that allows its key, is for
	// another namespace, or none was given.
	ErrNamespace = errors.New("sshsig: not for this namespace")
	// ErrNotAllowed: no line of the allowed_signers file lets the key sign for
	// the principal.
	ErrNotAllowed = errors.New("sshsig: key is not allowed to sign for this principal")
	// ErrNotYetValid and ErrExpired: it does so at another time.
	ErrNotYetValid = errors.New("sshsig: key is not valid yet")
	ErrExpired     = errors.New("sshsig: key has expired")

	errNoSigner = errors.New("sshsig: no key to sign with")
)

// A RefusedError is returned where a line of an allowed_signers file has the
// key for the principal, but does not let it sign.
type RefusedError struct {
	Line int // from 1
	// Reason is [ErrNamespace], [ErrNotYetValid], [ErrExpired] or, where the
	// line is that of an authority, a [*keys.CertificateError].
	Reason error
}

func (e *RefusedError) Error() string {
	return fmt.Sprintf("%v (line %d of the allowed signers)", e.Reason, e.Line)
}

// Unwrap makes it an ErrNotAllowed as well.
func (e *RefusedError) Unwrap() []error { return []error{ErrNotAllowed, e.Reason} }

// A LineError is a line that was passed over, because it cannot be read or has
// an option that is not known.
type LineError struct {
	Line int // from 1
	Err  error
}

func (e *LineError) Error() string {
	return "sshsig: allowed signers: line " + strconv.Itoa(e.Line) + ": " + e.Err.Error()
}

func (e *LineError) Unwrap() error { return e.Err }
