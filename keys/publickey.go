package keys

import (
	"bytes"
	"crypto"
	"errors"
	"fmt"
	"slices"

	"github.com/fairlead-go/ssh/wire"
)

// A PublicKey is one public key. Implementations are immutable and safe for
// use by several goroutines.
type PublicKey interface {
	// Type returns the name of the key's format, such as [KeyEd25519].
	Type() string
	// Marshal returns the key's wire form, the public key blob of RFC 4253
	// section 6.6. The caller must not change it.
	Marshal() []byte
	// Algorithms returns the names of the signature algorithms that Verify
	// takes, preferred first.
	Algorithms() []string
	// Verify returns nil only if sig is the key's signature of data, and the
	// user touched the key if it is a security key's. sig.Format must be the
	// [SignatureFormat] of one of Algorithms; a caller that agreed on one uses
	// the function [Verify], which holds the signature to it.
	Verify(data []byte, sig *Signature) error
}

// CryptoPublicKey is implemented by public keys that have a form in the crypto
// packages: ed25519.PublicKey, *ecdsa.PublicKey or *rsa.PublicKey. The caller
// must not change what it returns.
type CryptoPublicKey interface {
	CryptoPublicKey() crypto.PublicKey
}

// ParsePublicKey parses a public key blob (RFC 4253 section 6.6). It keeps no
// reference to blob. A type that is not supported is an [*UnknownTypeError],
// an RSA modulus out of bounds a [*LimitError], anything else that is wrong a
// [*MalformedError]. A certificate is of a type that is not supported here: see
// [ParseKeyOrCertificate].
func ParsePublicKey(blob []byte) (PublicKey, error) {
	r := wire.NewReader(blob)
	name := r.Bytes()
	if err := r.Err(); err != nil {
		return nil, &MalformedError{What: "public key", Err: err}
	}
	t := lookupKeyType(name)
	if t == nil {
		return nil, &UnknownTypeError{Type: string(name)}
	}
	k := t.parse(&r)
	if err := r.End(); err != nil {
		return nil, malformed(t.name+" public key", err)
	}
	if k == nil {
		return nil, malformed(t.name+" public key", wire.ErrInvalid)
	}
	return k, nil
}

// malformed wraps err, unless it is an error of this package that says enough.
func malformed(what string, err error) error {
	if limit, ok := errors.AsType[*LimitError](err); ok {
		return limit
	}
	return &MalformedError{What: what, Err: err}
}

// NewPublicKey returns the PublicKey for a key of the crypto packages: an
// ed25519.PublicKey, *ecdsa.PublicKey on P-256, P-384 or P-521, or
// *rsa.PublicKey within the bounds of [ParsePublicKey].
func NewPublicKey(k crypto.PublicKey) (PublicKey, error) {
	for _, t := range keyTypes {
		if t.wrap == nil {
			continue
		}
		if p, err := t.wrap(k); p != nil || err != nil {
			return p, err
		}
	}
	return nil, &UnknownTypeError{Type: fmt.Sprintf("%T", k)}
}

// Equal reports whether a and b are the same key of the same type. A nil key
// equals none.
func Equal(a, b PublicKey) bool {
	return a != nil && b != nil && a.Type() == b.Type() && bytes.Equal(a.Marshal(), b.Marshal())
}

// Verify returns nil only if signature, in wire form (RFC 4253 section 6.6),
// is key's signature of data made with algorithm. It refuses a signature that
// was made with another algorithm than that, even if key has it too. If key is
// a security key's, its user must have touched it.
func Verify(key PublicKey, algorithm string, data, signature []byte) error {
	a, err := VerifyAssertion(key, algorithm, data, signature)
	if err != nil {
		return err
	}
	return SKPolicy{}.Check(a)
}

// VerifyAssertion is [Verify] without the question whether a security key was
// touched, which the caller settles with an [SKPolicy]. It returns what the
// security key says, nil if key is not one.
func VerifyAssertion(key PublicKey, algorithm string, data, signature []byte) (*Assertion, error) {
	if key == nil {
		return nil, errors.New("keys: no public key to verify with")
	}
	if !slices.Contains(key.Algorithms(), algorithm) {
		return nil, &AlgorithmError{KeyType: key.Type(), Algorithm: algorithm}
	}
	sig, err := ParseSignature(signature)
	if err != nil {
		return nil, err
	}
	if sig.Format != SignatureFormat(algorithm) {
		return nil, &AlgorithmError{KeyType: key.Type(), Algorithm: sig.Format, Agreed: algorithm}
	}
	return verifyAssertion(key, data, sig)
}

// checkAlgorithm refuses a signature of an algorithm that is not the type's.
func (t *keyType) checkAlgorithm(sig *Signature) error {
	if sig == nil {
		return &MalformedError{What: "signature", Err: wire.ErrTruncated}
	}
	if !slices.Contains(t.algorithms, sig.Format) {
		return &AlgorithmError{KeyType: t.name, Algorithm: sig.Format}
	}
	return nil
}

// checkFormat refuses what no plain key's signature may have: an algorithm
// that is not the type's, or bytes after the blob.
func (t *keyType) checkFormat(sig *Signature) error {
	if err := t.checkAlgorithm(sig); err != nil {
		return err
	}
	if len(sig.Rest) > 0 {
		return &MalformedError{What: "signature", Err: wire.ErrTrailing}
	}
	return nil
}
