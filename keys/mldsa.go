package keys

import (
	"crypto"
	"crypto/ed25519"
	"crypto/sha512"
	"errors"
	"fmt"
	"io"
	"slices"

	"filippo.io/mldsa"

	"github.com/fairlead-go/ssh/wire"
)

// The composite of ML-DSA-44 and Ed25519: MLDSA44-Ed25519-SHA512 of
// draft-ietf-lamps-pq-composite-sigs, with an empty context, as
// draft-miller-sshm-mldsa44-ed25519-composite-sigs puts it into SSH. Whoever
// forges its signatures has to forge both.

const (
	compositePublicSize    = mldsa.MLDSA44PublicKeySize + ed25519.PublicKeySize
	compositePrivateSize   = mldsa.PrivateKeySize + ed25519.SeedSize
	compositeSignatureSize = mldsa.MLDSA44SignatureSize + ed25519.SignatureSize

	compositePrefix = "CompositeAlgorithmSignatures2025"
	compositeLabel  = "COMPSIG-MLDSA44-Ed25519-SHA512"
)

// compositeOptions keep an ML-DSA signature from serving in another place.
var compositeOptions = &mldsa.Options{Context: compositeLabel}

// compositeMessage returns what both signatures are of. The zero byte is the
// length of the context.
func compositeMessage(data []byte) []byte {
	digest := sha512.Sum512(data)
	b := append([]byte(compositePrefix+compositeLabel), 0)
	return append(b, digest[:]...)
}

func newCompositeType() *keyType {
	return &keyType{
		name:       KeyMLDSA44Ed25519,
		algorithms: []string{KeyMLDSA44Ed25519},
		byName:     true,
		parse:      parseComposite,
		wrap: func(k crypto.PublicKey) (PublicKey, error) {
			if k, ok := k.(*compositePublicKey); ok {
				return k, nil
			}
			return nil, nil
		},
		sign: func(k crypto.Signer, _ PublicKey, _ string, data []byte) ([]byte, error) {
			return k.Sign(nil, data, crypto.Hash(0))
		},
		generate:      generateComposite,
		parsePrivate:  parseCompositePrivate,
		appendPrivate: appendCompositePrivate,
		writable: func(k crypto.Signer) error {
			if _, ok := k.(*compositePrivateKey); !ok {
				return errOpaque
			}
			return nil
		},
	}
}

// compositePublicKey is an ssh-mldsa44-ed25519@openssh.com key.
type compositePublicKey struct {
	mldsa   *mldsa.PublicKey
	ed25519 ed25519.PublicKey
	blob    []byte
}

func newCompositePublicKey(public []byte) (*compositePublicKey, error) {
	if len(public) != compositePublicSize {
		return nil, fmt.Errorf("key has %d bytes, not %d", len(public), compositePublicSize)
	}
	b := wire.AppendString(nil, KeyMLDSA44Ed25519)
	b = wire.AppendString(b, public)
	public = b[len(b)-compositePublicSize:]
	lattice, err := mldsa.NewPublicKey(mldsa.MLDSA44(), public[:mldsa.MLDSA44PublicKeySize])
	if err != nil {
		return nil, err
	}
	return &compositePublicKey{mldsa: lattice, ed25519: public[mldsa.MLDSA44PublicKeySize:], blob: b}, nil
}

func parseComposite(r *wire.Reader) PublicKey {
	public := r.Bytes()
	if r.Err() != nil {
		return nil
	}
	k, err := newCompositePublicKey(public)
	if err != nil {
		r.Fail(err)
		return nil
	}
	return k
}

func (k *compositePublicKey) Type() string         { return KeyMLDSA44Ed25519 }
func (k *compositePublicKey) Marshal() []byte      { return slices.Clip(k.blob) }
func (k *compositePublicKey) Algorithms() []string { return slices.Clone(compositeType.algorithms) }

// Verify asks for both signatures.
func (k *compositePublicKey) Verify(data []byte, sig *Signature) error {
	if err := compositeType.checkFormat(sig); err != nil {
		return err
	}
	if len(sig.Blob) != compositeSignatureSize {
		return &MalformedError{What: KeyMLDSA44Ed25519 + " signature", Err: fmt.Errorf("%d bytes, not %d", len(sig.Blob), compositeSignatureSize)}
	}
	message := compositeMessage(data)
	if mldsa.Verify(k.mldsa, message, sig.Blob[:mldsa.MLDSA44SignatureSize], compositeOptions) != nil ||
		!ed25519.Verify(k.ed25519, message, sig.Blob[mldsa.MLDSA44SignatureSize:]) {
		return ErrBadSignature
	}
	return nil
}

// compositePrivateKey is made of two seeds, in a form that the crypto packages
// do not have.
type compositePrivateKey struct {
	mldsa   *mldsa.PrivateKey
	ed25519 ed25519.PrivateKey
	public  *compositePublicKey
}

// newCompositePrivateKey expands the two seeds, ML-DSA's first.
func newCompositePrivateKey(seeds []byte) (*compositePrivateKey, error) {
	if len(seeds) != compositePrivateSize {
		return nil, fmt.Errorf("private key has %d bytes, not %d", len(seeds), compositePrivateSize)
	}
	lattice, err := mldsa.NewPrivateKey(mldsa.MLDSA44(), seeds[:mldsa.PrivateKeySize])
	if err != nil {
		return nil, err
	}
	curve := ed25519.NewKeyFromSeed(seeds[mldsa.PrivateKeySize:])
	public, err := newCompositePublicKey(append(lattice.PublicKey().Bytes(), curve[ed25519.SeedSize:]...))
	if err != nil {
		return nil, err
	}
	return &compositePrivateKey{mldsa: lattice, ed25519: curve, public: public}, nil
}

func (k *compositePrivateKey) Public() crypto.PublicKey { return k.public }

// Sign implements crypto.Signer. message is not hashed.
func (k *compositePrivateKey) Sign(_ io.Reader, message []byte, o crypto.SignerOpts) ([]byte, error) {
	if o != nil && o.HashFunc() != 0 {
		return nil, errors.New("keys: " + KeyMLDSA44Ed25519 + " signs messages that are not hashed")
	}
	message = compositeMessage(message)
	sig, err := k.mldsa.Sign(nil, message, compositeOptions)
	if err != nil {
		return nil, err
	}
	return append(sig, ed25519.Sign(k.ed25519, message)...), nil
}

func generateComposite(bits int) (crypto.Signer, error) {
	if bits != 0 {
		return nil, errFixedSize
	}
	lattice, err := mldsa.GenerateKey(mldsa.MLDSA44())
	if err != nil {
		return nil, err
	}
	_, curve, err := ed25519.GenerateKey(nil)
	if err != nil {
		return nil, err
	}
	return newCompositePrivateKey(append(lattice.Bytes(), curve.Seed()...))
}

// The private fields are the public key, then both seeds.
func parseCompositePrivate(r *wire.Reader) crypto.Signer {
	public, seeds := r.Bytes(), r.Bytes()
	if r.Err() != nil {
		return nil
	}
	k, err := newCompositePrivateKey(seeds)
	if err != nil {
		r.Fail(err)
		return nil
	}
	if string(k.public.fields()) != string(public) {
		r.Fail(ErrKeyMismatch)
		return nil
	}
	return k
}

// fields returns the key without its type and length.
func (k *compositePublicKey) fields() []byte { return k.blob[len(k.blob)-compositePublicSize:] }

func appendCompositePrivate(b []byte, k crypto.Signer) ([]byte, error) {
	key, ok := k.(*compositePrivateKey)
	if !ok {
		return nil, errOpaque
	}
	b = wire.AppendString(b, key.public.fields())
	return wire.AppendString(b, slices.Concat(key.mldsa.Bytes(), key.ed25519.Seed())), nil
}
