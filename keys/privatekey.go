package keys

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"fmt"
)

// A PrivateKey is a private key in memory and its comment. It is a [Signer].
// Its methods, but not the assignment of Comment, are safe for use by several
// goroutines.
type PrivateKey struct {
	// Comment is what the key's file says about it, usually user@host. It is
	// text of the file's author: escape it before it reaches a terminal.
	Comment string

	signer *signer
}

// NewPrivateKey returns a PrivateKey that holds k: an ed25519.PrivateKey,
// *ecdsa.PrivateKey or *rsa.PrivateKey of two primes, within the bounds of
// [ParsePublicKey]. k must not change afterwards. For a key that cannot be
// read out, use [NewSigner].
func NewPrivateKey(k crypto.Signer) (*PrivateKey, error) {
	s, err := newSigner(k)
	if err != nil {
		return nil, err
	}
	if err := s.typ.writable(s.key); err != nil {
		return nil, err
	}
	return &PrivateKey{signer: s}, nil
}

// GenerateKey makes a key of a type such as [KeyEd25519]. bits is the size of
// an RSA modulus, from 2048 to [MaxRSABits], with 0 for 3072; it must be 0 for
// every other type.
func GenerateKey(keyType string, bits int) (*PrivateKey, error) {
	t := lookupKeyType(keyType)
	if t == nil || t.generate == nil {
		return nil, &UnknownTypeError{Type: keyType}
	}
	k, err := t.generate(bits)
	if err != nil {
		return nil, fmt.Errorf("keys: cannot generate %s key: %w", t.name, err)
	}
	return NewPrivateKey(k)
}

// PublicKey returns the public half.
func (k *PrivateKey) PublicKey() PublicKey {
	if k.signer == nil {
		return nil
	}
	return k.signer.PublicKey()
}

// Algorithms returns the signature algorithms of the key, preferred first. A
// security key's has none; see [NewSecurityKeySigner].
func (k *PrivateKey) Algorithms() []string {
	if k.signer == nil {
		return nil
	}
	return k.signer.Algorithms()
}

// Sign implements [Signer]. It does not wait. A security key's fails with
// [ErrNoAuthenticator].
func (k *PrivateKey) Sign(ctx context.Context, algorithm string, data []byte) (*Signature, error) {
	if k.signer == nil {
		return nil, errNoKey
	}
	return k.signer.Sign(ctx, algorithm, data)
}

// Crypto returns the key as the crypto packages have it: an
// ed25519.PrivateKey, *ecdsa.PrivateKey or *rsa.PrivateKey; nil for one that
// they have no form for. The caller must not change it.
func (k *PrivateKey) Crypto() crypto.Signer {
	if k.signer == nil {
		return nil
	}
	switch k.signer.key.(type) {
	case ed25519.PrivateKey, *ecdsa.PrivateKey, *rsa.PrivateKey:
		return k.signer.key
	}
	return nil
}
