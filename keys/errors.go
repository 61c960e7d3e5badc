package keys

import (
	"errors"
	"fmt"

	"github.com/fairlead-go/ssh/wire"
)

var (
	// ErrBadSignature: a signature is well formed and of an algorithm that is
	// allowed, but is not the key's signature of the data.
	ErrBadSignature = errors.New("keys: signature does not verify")
	// ErrUnknownFormat: the bytes are not in any format that is known here.
	ErrUnknownFormat = errors.New("keys: not a key in a known format")
	// ErrWrongPassphrase: the passphrase does not open the private key. In
	// formats with a MAC it may also be that the file was changed.
	ErrWrongPassphrase = errors.New("keys: wrong passphrase for the private key")
	// ErrKeyMismatch: the two halves of a private key do not belong together.
	// It comes wrapped in a [*MalformedError].
	ErrKeyMismatch = errors.New("public and private halves do not match")
)

// PassphraseNeededError is returned for a private key that is encrypted when
// no passphrase was given.
type PassphraseNeededError struct {
	// PublicKey is what the file shows of the key without its passphrase, nil
	// where that is nothing. Nothing has proven that it is the right one.
	PublicKey PublicKey
}

func (e *PassphraseNeededError) Error() string {
	if e.PublicKey == nil {
		return "keys: the private key is encrypted and needs a passphrase"
	}
	return "keys: the private key " + FingerprintSHA256(e.PublicKey) + " is encrypted and needs a passphrase"
}

// UnknownTypeError is returned for a key whose type is not supported.
type UnknownTypeError struct {
	// Type is what the peer sent or the file says, not escaped, or the Go type
	// of a key of the crypto packages.
	Type string
}

func (e *UnknownTypeError) Error() string {
	return "keys: unsupported key type " + quote(e.Type)
}

// AlgorithmError is returned when a signature algorithm is not one that the
// key has, or not the one that was agreed.
type AlgorithmError struct {
	KeyType   string
	Algorithm string // the one refused; it may come from a peer and is not escaped
	// Agreed is the algorithm that should have been used, "" where the one
	// refused is none of the key's.
	Agreed string
}

func (e *AlgorithmError) Error() string {
	if e.Agreed != "" {
		return "keys: signature algorithm is " + quote(e.Algorithm) + " and not " + quote(e.Agreed) + " as agreed"
	}
	return "keys: signature algorithm " + quote(e.Algorithm) + " is not allowed for a key of type " + quote(e.KeyType)
}

// MalformedError is returned for bytes that break the rules of their format.
type MalformedError struct {
	What string // what they should have been, such as "ssh-rsa public key"
	Err  error  // in what way they are not
}

func (e *MalformedError) Error() string { return "keys: malformed " + e.What + ": " + e.Err.Error() }
func (e *MalformedError) Unwrap() error { return e.Err }

// LimitError is returned for a key that would cost too much to work with, or
// protect too little.
type LimitError struct {
	What     string // what is out of bounds and in which unit
	Value    uint64
	Min, Max uint64
}

func (e *LimitError) Error() string {
	return fmt.Sprintf("keys: %s: %d, not between %d and %d", e.What, e.Value, e.Min, e.Max)
}

// UnsupportedError is returned for a file in a known format that uses a part
// of it which is not supported, such as a cipher.
type UnsupportedError struct {
	What string // such as "cipher of a private key"
	Name string // what the file calls it, "" if it has no name; not escaped
}

func (e *UnsupportedError) Error() string {
	if e.Name == "" {
		return "keys: unsupported " + e.What
	}
	return "keys: unsupported " + e.What + ": " + quote(e.Name)
}

// quote escapes text that may come from a peer and cuts it to a length that
// fits an error message.
func quote(s string) string { return wire.Quote(s, 64) }
