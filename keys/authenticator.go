package keys

import (
	"context"
	"crypto"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/fairlead-go/ssh/wire"
)

// ErrNoAuthenticator: the private key is a security key's, whose file does not
// hold what it signs with. [NewSecurityKeySigner] makes it sign.
var ErrNoAuthenticator = errors.New("keys: a security key signs with an authenticator only")

// A SecurityKey is what the private key file of a security key holds: how to
// ask the device for a signature, and nothing that would do in its place.
type SecurityKey struct {
	PublicKey PublicKey // of type [KeySKEd25519] or [KeySKECDSA256]
	// Flags are what the device was asked for when it made the key, such as
	// [SKUserPresence]. Those two that are about the user are asked for with
	// each signature.
	Flags uint8
	// KeyHandle is the device's name for the key, and often the key itself,
	// encrypted.
	KeyHandle []byte
	Reserved  []byte // empty so far
}

// skPrivateKey is a SecurityKey in the form that private keys have here.
type skPrivateKey struct{ key *SecurityKey }

func (k *skPrivateKey) Public() crypto.PublicKey { return k.key.PublicKey }

func (*skPrivateKey) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	return nil, ErrNoAuthenticator
}

func skPrivate(k crypto.Signer) (*SecurityKey, error) {
	private, ok := k.(*skPrivateKey)
	if !ok {
		return nil, errOpaque
	}
	return private.key, nil
}

// The private fields are those of the public key, then flags, key handle and
// what is reserved (PROTOCOL.u2f, "SSH U2F Key formats").
func (t *keyType) parseSKPrivate(r *wire.Reader) crypto.Signer {
	public := t.parse(r)
	flags, handle, reserved := r.Byte(), r.Bytes(), r.Bytes()
	if public == nil || r.Err() != nil {
		return nil
	}
	return &skPrivateKey{&SecurityKey{PublicKey: public, Flags: flags, KeyHandle: slices.Clone(handle), Reserved: slices.Clone(reserved)}}
}

func appendSKPrivate(b []byte, k crypto.Signer) ([]byte, error) {
	key, err := skPrivate(k)
	if err != nil {
		return nil, err
	}
	b = append(b, key.PublicKey.Marshal()[4+len(key.PublicKey.Type()):]...)
	b = append(b, key.Flags)
	b = wire.AppendString(b, key.KeyHandle)
	return wire.AppendString(b, key.Reserved), nil
}

func (k *SecurityKey) clone() *SecurityKey {
	c := *k
	c.KeyHandle, c.Reserved = slices.Clone(k.KeyHandle), slices.Clone(k.Reserved)
	return &c
}

// NewSecurityKey returns a PrivateKey that can be written to a file. Its Sign
// fails with [ErrNoAuthenticator].
func NewSecurityKey(k *SecurityKey) (*PrivateKey, error) {
	if k == nil {
		return nil, errNoKey
	}
	public, ok := k.PublicKey.(*skPublicKey)
	if !ok {
		return nil, errNotSecurityKey
	}
	return &PrivateKey{signer: &signer{typ: public.typ, public: public, key: &skPrivateKey{k.clone()}}}, nil
}

var errNotSecurityKey = errors.New("keys: not a security key")

// SecurityKey returns a copy of what the file of a security key holds, nil if
// k is another key.
func (k *PrivateKey) SecurityKey() *SecurityKey {
	if k.signer == nil {
		return nil
	}
	private, err := skPrivate(k.signer.key)
	if err != nil {
		return nil
	}
	return private.clone()
}

// An Authenticator is a FIDO device, or software that reaches one.
type Authenticator interface {
	// Assert has the device sign. It may wait for the user, and gives up when
	// ctx ends. It must not keep or change the request. It may be called by
	// several goroutines at once.
	Assert(ctx context.Context, request *AssertionRequest) (*AssertionResponse, error)
}

// An AssertionRequest asks for a signature of a security key.
type AssertionRequest struct {
	// Algorithm is [KeySKEd25519] or [KeySKECDSA256], or [SKWebAuthnECDSA256]
	// of an Authenticator that was said to have it.
	Algorithm   string
	Application string
	KeyHandle   []byte
	// Flags are those of the SecurityKey. [SKUserPresence] asks for a touch,
	// [SKUserVerification] for a PIN or the like.
	Flags uint8
	// Hash is the SHA-256 of Data: what a device calls its challenge, or the
	// hash of the client data. WebAuthn takes Data itself for its challenge.
	Hash [sha256.Size]byte
	Data []byte
}

// An AssertionResponse is a device's signature and what it says with it.
type AssertionResponse struct {
	Flags   uint8
	Counter uint32
	// Signature is as devices give it: 64 bytes for Ed25519, and an
	// ECDSA-Sig-Value (RFC 3279 section 2.2.3) in DER for ECDSA.
	Signature []byte

	// The rest is for [SKWebAuthnECDSA256] only: the page's origin, what the
	// browser signed, and the extensions in it.
	Origin     string
	ClientData []byte
	Extensions []byte
}

// NewSecurityKeySigner returns a Signer for k, the private key of a security
// key, that asks a for each signature. The algorithms are those that a signs
// with, preferred first: none means the one with the name of the key's type.
// A browser in the place of a device has [SKWebAuthnECDSA256].
//
// A signature that does not verify, or that lacks a flag which the key has, is
// not handed out.
func NewSecurityKeySigner(k *PrivateKey, a Authenticator, algorithms ...string) (Signer, error) {
	if k == nil || k.SecurityKey() == nil {
		return nil, errNotSecurityKey
	}
	if a == nil {
		return nil, ErrNoAuthenticator
	}
	public := k.PublicKey().(*skPublicKey)
	if len(algorithms) == 0 {
		algorithms = public.typ.algorithms[:1]
	}
	for _, algorithm := range algorithms {
		if !slices.Contains(public.typ.algorithms, algorithm) {
			return nil, &AlgorithmError{KeyType: public.typ.name, Algorithm: algorithm}
		}
	}
	return &skSigner{public: public, key: k.SecurityKey(), authenticator: a, algorithms: slices.Clone(algorithms)}, nil
}

// skSigner signs with an Authenticator. Its fields never change.
type skSigner struct {
	public        *skPublicKey
	key           *SecurityKey
	authenticator Authenticator
	algorithms    []string
}

func (s *skSigner) PublicKey() PublicKey { return s.public }
func (s *skSigner) Algorithms() []string { return slices.Clone(s.algorithms) }

func (s *skSigner) Sign(ctx context.Context, algorithm string, data []byte) (*Signature, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if !slices.Contains(s.algorithms, algorithm) {
		return nil, &AlgorithmError{KeyType: s.public.typ.name, Algorithm: algorithm}
	}
	response, err := s.authenticator.Assert(ctx, &AssertionRequest{
		Algorithm:   algorithm,
		Application: s.public.application,
		KeyHandle:   slices.Clone(s.key.KeyHandle),
		Flags:       s.key.Flags,
		Hash:        sha256.Sum256(data),
		Data:        data,
	})
	if err != nil {
		return nil, err
	}
	if response == nil {
		return nil, errors.New("keys: authenticator gave no answer")
	}
	sig := &Signature{Format: algorithm, Blob: response.Signature, Rest: response.appendRest(nil, algorithm)}
	if k, ok := s.public.plain.(*ecdsaPublicKey); ok {
		if sig.Blob, err = k.curve.fromDER(response.Signature); err != nil {
			return nil, err
		}
	}
	a, err := s.public.verifyAssertion(data, sig)
	if err != nil {
		return nil, fmt.Errorf("keys: authenticator made a signature that is not good: %w", err)
	}
	policy := SKPolicy{NoTouchRequired: s.key.Flags&SKUserPresence == 0, VerifyRequired: s.key.Flags&SKUserVerification != 0}
	if err := policy.Check(a); err != nil {
		return nil, err
	}
	return sig, nil
}

// appendRest appends what follows the blob of a signature.
func (r *AssertionResponse) appendRest(b []byte, algorithm string) []byte {
	b = wire.AppendUint32(append(b, r.Flags), r.Counter)
	if algorithm == SKWebAuthnECDSA256 {
		b = wire.AppendString(b, r.Origin)
		b = wire.AppendString(b, r.ClientData)
		b = wire.AppendString(b, r.Extensions)
	}
	return b
}
