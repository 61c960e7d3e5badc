package krl

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/fairlead-go/ssh/keys"
)

var (
	// ErrRevoked: the key or certificate is on the list. Every [*RevokedError]
	// is this for errors.Is.
	ErrRevoked = errors.New("krl: key is revoked")
	// ErrFormat: the bytes are not a list in either form.
	ErrFormat = errors.New("krl: malformed list")
	// ErrUnsupported: the list uses a part of the format that is not known
	// here and may not be passed over, such as a critical extension.
	ErrUnsupported = errors.New("krl: unsupported list")
	// ErrTooLarge: the list is larger than [MaxSize], or it names more than
	// [MaxRanges] ranges of serial numbers.
	ErrTooLarge = errors.New("krl: list is too large")
	// ErrSerial: a range of serial numbers is empty, or has number 0, which is
	// that of certificates without one.
	ErrSerial = errors.New("krl: not a range of serial numbers above 0")

	errNilKey  = errors.New("krl: no key to look for")
	errNilList = errors.New("krl: no list to look in")
)

// By says what of a key or certificate is on a list.
type By string

const (
	ByKey       By = "key"
	BySHA1      By = "SHA-1 of the key"
	BySHA256    By = "SHA-256 of the key"
	BySerial    By = "serial number"
	ByKeyID     By = "key ID"
	ByAuthority By = "key as an authority"
)

// A RevokedError says which key is revoked, and by what.
type RevokedError struct {
	Key  keys.PublicKey // or certificate, or the certificate's key or authority
	By   By
	File string // the list's file, empty where there is none
}

func (e *RevokedError) Error() string {
	from := ""
	if e.File != "" {
		from = " in " + e.File
	}
	return fmt.Sprintf("krl: %s %s is revoked%s, by its %s", e.Key.Type(), keys.FingerprintSHA256(keys.PlainKey(e.Key)), from, e.By)
}

func (e *RevokedError) Unwrap() error { return ErrRevoked }

// A LineError is the line of a plain file that is not a key.
type LineError struct {
	Line int // from 1
	Err  error
}

func (e *LineError) Error() string {
	return "krl: line " + strconv.Itoa(e.Line) + ": " + e.Err.Error()
}

// Unwrap makes it an ErrFormat as well.
func (e *LineError) Unwrap() []error { return []error{ErrFormat, e.Err} }
