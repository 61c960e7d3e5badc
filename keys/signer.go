package keys

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"errors"
	"slices"
)

var (
	errFixedSize = errors.New("keys: keys of this type have one size; bits must be 0")
	errOpaque    = errors.New("keys: the private key cannot be written: its signer does not give it out")
	errNoKey     = errors.New("keys: no private key")
)

// A Signer signs with one private key, which may be out of reach in an agent
// or a hardware module. Implementations are safe for use by several
// goroutines.
type Signer interface {
	PublicKey() PublicKey
	// Algorithms returns the signature algorithms that Sign can use, preferred
	// first: some or all of those of the public key.
	Algorithms() []string
	// Sign signs data, which is not hashed yet, with one of Algorithms, whose
	// [SignatureFormat] the result has. A signer that waits for a person or a
	// device gives up when ctx ends.
	Sign(ctx context.Context, algorithm string, data []byte) (*Signature, error)
}

// NewSigner returns a Signer that uses k: an ed25519.PrivateKey, an
// *ecdsa.PrivateKey, an *rsa.PrivateKey, or any other crypto.Signer whose
// Public method returns a public key that [NewPublicKey] takes. k must be safe
// for use by several goroutines, and must not change. Sign cannot interrupt a
// call of k's Sign method when its context ends.
func NewSigner(k crypto.Signer) (Signer, error) {
	s, err := newSigner(k)
	if err != nil {
		return nil, err
	}
	if s.typ.sign == nil {
		return nil, ErrNoAuthenticator
	}
	return s, nil
}

// signer signs with a crypto.Signer. Its fields never change.
type signer struct {
	typ    *keyType
	public PublicKey
	key    crypto.Signer
}

func newSigner(k crypto.Signer) (*signer, error) {
	k, err := checkSigner(k)
	if err != nil {
		return nil, err
	}
	public, err := NewPublicKey(k.Public())
	if err != nil {
		return nil, err
	}
	t := lookupKeyType(public.Type())
	return &signer{typ: t, public: public, key: k}, nil
}

// checkSigner refuses keys of the standard library whose methods would panic
// or whose halves do not match, and prepares RSA keys for fast signing.
func checkSigner(k crypto.Signer) (crypto.Signer, error) {
	switch key := k.(type) {
	case nil:
		return nil, errNoKey
	case *ed25519.PrivateKey:
		if key == nil {
			return nil, errNoKey
		}
		return checkSigner(*key)
	case ed25519.PrivateKey:
		if len(key) != ed25519.PrivateKeySize {
			return nil, errNoKey
		}
		if !key.Equal(ed25519.NewKeyFromSeed(key.Seed())) {
			return nil, &MalformedError{What: KeyEd25519 + " private key", Err: ErrKeyMismatch}
		}
	case *ecdsa.PrivateKey:
		if key == nil || key.D == nil || key.X == nil || key.Y == nil {
			return nil, errNoKey
		}
		if err := checkECDSAHalves(key); err != nil {
			return nil, &MalformedError{What: "ECDSA private key", Err: err}
		}
	case *rsa.PrivateKey:
		if key == nil || key.N == nil || key.D == nil {
			return nil, errNoKey
		}
		if err := checkRSA(key.N, int64(key.E)); err != nil {
			return nil, malformed(KeyRSA+" private key", err)
		}
		// The caller's key may not have the values that make signing fast.
		// They are computed in a copy, as others may be using the key.
		key = &rsa.PrivateKey{PublicKey: key.PublicKey, D: key.D, Primes: key.Primes, Precomputed: key.Precomputed}
		key.Precompute()
		if err := key.Validate(); err != nil {
			return nil, &MalformedError{What: KeyRSA + " private key", Err: err}
		}
		return key, nil
	}
	return k, nil
}

func checkECDSAHalves(k *ecdsa.PrivateKey) error {
	scalar, err := k.Bytes()
	if err != nil {
		return err
	}
	derived, err := ecdsa.ParseRawPrivateKey(k.Curve, scalar)
	if err != nil {
		return err
	}
	if !derived.PublicKey.Equal(&k.PublicKey) {
		return ErrKeyMismatch
	}
	return nil
}

func (s *signer) PublicKey() PublicKey { return s.public }

func (s *signer) Algorithms() []string {
	if s.typ.sign == nil {
		return nil
	}
	return slices.Clone(s.typ.algorithms)
}

func (s *signer) Sign(ctx context.Context, algorithm string, data []byte) (*Signature, error) {
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx)
	}
	if !slices.Contains(s.typ.algorithms, algorithm) {
		return nil, &AlgorithmError{KeyType: s.typ.name, Algorithm: algorithm}
	}
	if s.typ.sign == nil {
		return nil, ErrNoAuthenticator
	}
	blob, err := s.typ.sign(s.key, s.public, algorithm, data)
	if err != nil {
		return nil, err
	}
	return &Signature{Format: algorithm, Blob: blob}, nil
}
