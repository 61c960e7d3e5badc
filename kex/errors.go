package kex

import (
	"errors"
	"fmt"
)

// What can be wrong with a step of an exchange. A message that does not parse
// has [wire.ErrTruncated] or [wire.ErrTrailing] instead.
var (
	// ErrPublicValue: the peer's public value has the wrong length, is no
	// element of the group, or leads to a shared secret that it dictates.
	ErrPublicValue = errors.New("public value is not valid")
	// ErrGroup: in a group exchange, the server's group is not one to compute
	// in, or the client asked for sizes that the server has none of.
	ErrGroup = errors.New("group is not acceptable")
	// ErrUnexpectedMessage: the message is not the one that comes next.
	ErrUnexpectedMessage = errors.New("unexpected message")
	// ErrHostKey: the server's host key or its signature is empty.
	ErrHostKey = errors.New("host key or signature is empty")
	// ErrSign: this server's own host key did not sign.
	ErrSign = errors.New("host key did not sign")
	// ErrFinished: the exchange was complete already.
	ErrFinished = errors.New("exchange is complete already")
)

// An Error is the failure of one exchange. All of them are fatal to the
// connection.
type Error struct {
	Method string // the method's name
	Err    error
}

func (e *Error) Error() string { return "kex: " + e.Method + ": " + e.Err.Error() }

// Unwrap returns e.Err.
func (e *Error) Unwrap() error { return e.Err }

// An UnknownMethodError is returned for a method that this package lacks.
type UnknownMethodError struct {
	Method string
}

func (e *UnknownMethodError) Error() string {
	return fmt.Sprintf("kex: unknown method %q", e.Method)
}
