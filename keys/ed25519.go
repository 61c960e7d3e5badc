package keys

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"

	"github.com/fairlead-go/ssh/wire"
)

// ed25519PublicKey is an ssh-ed25519 key (RFC 8709 section 4).
type ed25519PublicKey struct {
	key  ed25519.PublicKey
	blob []byte
}

func newEd25519Type() *keyType {
	return &keyType{
		name:          KeyEd25519,
		algorithms:    []string{KeyEd25519},
		parse:         parseEd25519,
		wrap:          wrapEd25519,
		sign:          signEd25519,
		generate:      generateEd25519,
		parsePrivate:  parseEd25519Private,
		appendPrivate: appendEd25519Private,
		writable:      writableEd25519,
	}
}

func newEd25519PublicKey(key ed25519.PublicKey) *ed25519PublicKey {
	b := make([]byte, 0, 4+len(KeyEd25519)+4+ed25519.PublicKeySize)
	b = wire.AppendString(b, KeyEd25519)
	b = wire.AppendString(b, key)
	return &ed25519PublicKey{key: ed25519.PublicKey(b[len(b)-ed25519.PublicKeySize:]), blob: b}
}

func parseEd25519(r *wire.Reader) PublicKey {
	key := r.Bytes()
	if len(key) != ed25519.PublicKeySize {
		r.Fail(fmt.Errorf("key has %d bytes, not %d", len(key), ed25519.PublicKeySize))
		return nil
	}
	return newEd25519PublicKey(key)
}

func wrapEd25519(k crypto.PublicKey) (PublicKey, error) {
	key, ok := k.(ed25519.PublicKey)
	if !ok {
		return nil, nil
	}
	if len(key) != ed25519.PublicKeySize {
		return nil, &MalformedError{What: KeyEd25519 + " public key", Err: errors.New("wrong length")}
	}
	return newEd25519PublicKey(key), nil
}

func (k *ed25519PublicKey) Type() string                      { return KeyEd25519 }
func (k *ed25519PublicKey) Marshal() []byte                   { return slices.Clip(k.blob) }
func (k *ed25519PublicKey) Algorithms() []string              { return slices.Clone(ed25519Type.algorithms) }
func (k *ed25519PublicKey) CryptoPublicKey() crypto.PublicKey { return k.key }

// Verify follows RFC 8709 section 6.
func (k *ed25519PublicKey) Verify(data []byte, sig *Signature) error {
	if err := ed25519Type.checkFormat(sig); err != nil {
		return err
	}
	if len(sig.Blob) != ed25519.SignatureSize {
		return &MalformedError{What: KeyEd25519 + " signature", Err: fmt.Errorf("%d bytes, not %d", len(sig.Blob), ed25519.SignatureSize)}
	}
	if !ed25519.Verify(k.key, data, sig.Blob) {
		return ErrBadSignature
	}
	return nil
}

func signEd25519(k crypto.Signer, _ PublicKey, _ string, data []byte) ([]byte, error) {
	sig, err := k.Sign(rand.Reader, data, crypto.Hash(0))
	if err != nil {
		return nil, err
	}
	if len(sig) != ed25519.SignatureSize {
		return nil, fmt.Errorf("keys: signer made an ssh-ed25519 signature of %d bytes", len(sig))
	}
	return sig, nil
}

func generateEd25519(bits int) (crypto.Signer, error) {
	if bits != 0 {
		return nil, errFixedSize
	}
	_, k, err := ed25519.GenerateKey(nil)
	return k, err
}

// The private fields are the public key, then the seed with the public key
// again after it.
func parseEd25519Private(r *wire.Reader) crypto.Signer {
	public, private := r.Bytes(), r.Bytes()
	if len(public) != ed25519.PublicKeySize || len(private) != ed25519.PrivateKeySize {
		r.Fail(wire.ErrInvalid)
		return nil
	}
	k := ed25519.NewKeyFromSeed(private[:ed25519.SeedSize])
	if !k.Equal(ed25519.PrivateKey(private)) || !k.Public().(ed25519.PublicKey).Equal(ed25519.PublicKey(public)) {
		r.Fail(ErrKeyMismatch)
		return nil
	}
	return k
}

func writableEd25519(k crypto.Signer) error {
	if _, ok := k.(ed25519.PrivateKey); !ok {
		return errOpaque
	}
	return nil
}

func appendEd25519Private(b []byte, k crypto.Signer) ([]byte, error) {
	if err := writableEd25519(k); err != nil {
		return nil, err
	}
	key := k.(ed25519.PrivateKey)
	b = wire.AppendString(b, key[ed25519.SeedSize:])
	return wire.AppendString(b, key), nil
}
