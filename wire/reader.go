package wire

import (
	"encoding/binary"
	"errors"
	"math/big"
	"strings"
)

// The ways in which bytes can fail to be the message that they should be.
// All decoding errors of this module wrap one of them.
var (
	// ErrTruncated: a field runs past the end of the message.
	ErrTruncated = errors.New("wire: message is truncated")
	// ErrTrailing: bytes are left over after the last field.
	ErrTrailing = errors.New("wire: trailing bytes after the message")
	// ErrInvalid: a field breaks the rules of its type (RFC 4251 section 5):
	// an mpint that is negative or not minimal, or an empty or non-printable
	// name in a name-list.
	ErrInvalid = errors.New("wire: field is not valid")
)

// A Reader decodes the fields of one message in order. The first failure
// sticks: every later call returns a zero value, so a decoder reads all its
// fields and checks [Reader.End] once.
//
// A Reader is a value and is kept on the stack. Slices that it returns alias
// the message; copy what must outlive it.
type Reader struct {
	rest []byte
	err  error
}

// NewReader returns a Reader over message, which it never changes.
func NewReader(message []byte) Reader { return Reader{rest: message} }

// Err returns the first failure, or nil.
func (r *Reader) Err() error { return r.err }

// End returns the first failure, or [ErrTrailing] where bytes are left.
func (r *Reader) End() error {
	if r.err == nil && len(r.rest) > 0 {
		r.Fail(ErrTrailing)
	}
	return r.err
}

// Len returns the number of bytes not yet read, 0 after a failure.
func (r *Reader) Len() int { return len(r.rest) }

// Rest returns all bytes not yet read and consumes them.
func (r *Reader) Rest() []byte {
	b := r.rest
	r.rest = nil
	return b
}

// Fail makes err the Reader's sticky error, unless it has one already. A
// decoder calls it for a value that is well formed but not allowed.
func (r *Reader) Fail(err error) {
	if r.err == nil {
		r.err = err
	}
	r.rest = nil
}

// Raw returns the next n bytes, as an alias.
func (r *Reader) Raw(n int) []byte {
	if n < 0 || n > len(r.rest) {
		r.Fail(ErrTruncated)
		return nil
	}
	b := r.rest[:n:n]
	r.rest = r.rest[n:]
	return b
}

// Byte reads a byte.
func (r *Reader) Byte() byte {
	if len(r.rest) < 1 {
		r.Fail(ErrTruncated)
		return 0
	}
	b := r.rest[0]
	r.rest = r.rest[1:]
	return b
}

// Bool reads a boolean. Every non-zero value is true (RFC 4251 section 5).
func (r *Reader) Bool() bool { return r.Byte() != 0 }

// Uint32 reads a uint32.
func (r *Reader) Uint32() uint32 {
	if len(r.rest) < 4 {
		r.Fail(ErrTruncated)
		return 0
	}
	v := binary.BigEndian.Uint32(r.rest)
	r.rest = r.rest[4:]
	return v
}

// Uint64 reads a uint64.
func (r *Reader) Uint64() uint64 {
	if len(r.rest) < 8 {
		r.Fail(ErrTruncated)
		return 0
	}
	v := binary.BigEndian.Uint64(r.rest)
	r.rest = r.rest[8:]
	return v
}

// Bytes reads a string, as an alias of its content.
func (r *Reader) Bytes() []byte {
	n := r.Uint32()
	if uint64(n) > uint64(len(r.rest)) {
		r.Fail(ErrTruncated)
		return nil
	}
	return r.Raw(int(n))
}

// Text reads a string as a Go string. Its bytes are the peer's and need not be
// UTF-8: escape them before they reach a terminal.
func (r *Reader) Text() string { return string(r.Bytes()) }

// Mpint reads a multiple-precision integer that may not be negative, and
// returns its magnitude, big-endian without leading zeros, as an alias. Zero
// is an empty slice. Encodings longer than need be are refused.
func (r *Reader) Mpint() []byte {
	b := r.Bytes()
	if len(b) == 0 {
		return b
	}
	if b[0]&0x80 != 0 {
		r.Fail(ErrInvalid) // negative
		return nil
	}
	if b[0] != 0 {
		return b
	}
	if len(b) == 1 || b[1]&0x80 == 0 {
		r.Fail(ErrInvalid) // not minimal
		return nil
	}
	return b[1:]
}

// BigInt reads a multiple-precision integer by the rules of [Reader.Mpint].
func (r *Reader) BigInt() *big.Int { return new(big.Int).SetBytes(r.Mpint()) }

// NameList reads a name-list. A name is one or more printable US-ASCII
// characters other than the comma.
func (r *Reader) NameList() []string {
	b := r.Bytes()
	if len(b) == 0 {
		return nil
	}
	for _, c := range b {
		if c <= ' ' || c > '~' {
			r.Fail(ErrInvalid)
			return nil
		}
	}
	names := strings.Split(string(b), ",")
	for _, name := range names {
		if name == "" {
			r.Fail(ErrInvalid)
			return nil
		}
	}
	return names
}
