package sshsig

import (
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"fmt"
	"hash"
	"io"
	"slices"

	"github.com/fairlead-go/ssh/keys"
	"github.com/fairlead-go/ssh/wire"
)

// The names of the hashes that a message may be hashed with.
const (
	SHA512 = "sha512"
	SHA256 = "sha256"
)

var hashes = map[string]func() hash.Hash{SHA512: sha512.New, SHA256: sha256.New}

// SignOptions say how to sign. The zero value is the default.
type SignOptions struct {
	// Hash is [SHA512] or [SHA256]. Empty: SHA512.
	Hash string
}

// Sign reads message to its end and signs it with signer, for a namespace that
// is not empty: "file" for files, "git" for what git signs, and by custom
// name@domain for one's own. The signer may be an agent's key, or one that shows
// a certificate. An RSA key signs with rsa-sha2-512 if its signer can.
func Sign(ctx context.Context, signer keys.Signer, namespace string, message io.Reader, o SignOptions) (*Signature, error) {
	if signer == nil || signer.PublicKey() == nil {
		return nil, errNoSigner
	}
	if namespace == "" {
		return nil, fmt.Errorf("%w: it is empty", ErrNamespace)
	}
	s := &Signature{Key: signer.PublicKey(), Namespace: namespace, Hash: o.Hash}
	if s.Hash == "" {
		s.Hash = SHA512
	}
	data, err := s.signedData(message)
	if err != nil {
		return nil, err
	}
	algorithm := ""
	for _, a := range signer.Algorithms() {
		format := keys.SignatureFormat(a)
		if allowed(s.Key, format) && (algorithm == "" || format == keys.RSASHA512) {
			algorithm = a
		}
	}
	if algorithm == "" {
		return nil, fmt.Errorf("%w: the signer has no algorithm for it", ErrUnsupported)
	}
	if s.Signature, err = signer.Sign(ctx, algorithm, data); err != nil {
		return nil, fmt.Errorf("sshsig: %w", err)
	}
	return s, nil
}

// allowed reports whether key may have made a signature of this format: one of
// its own, but not with SHA-1.
func allowed(key keys.PublicKey, format string) bool {
	plain := keys.PlainKey(key)
	if plain.Type() == keys.KeyRSA {
		return format == keys.RSASHA512 || format == keys.RSASHA256
	}
	return slices.Contains(plain.Algorithms(), format)
}

// signedData reads the message and returns what is signed for it. The reserved
// field is empty there whatever the signature has in it, as with OpenSSH.
func (s *Signature) signedData(message io.Reader) ([]byte, error) {
	newHash := hashes[s.Hash]
	if newHash == nil {
		return nil, fmt.Errorf("%w: hash %s", ErrUnsupported, wire.Quote(s.Hash, wire.MaxShown))
	}
	h := newHash()
	if _, err := io.Copy(h, message); err != nil {
		return nil, fmt.Errorf("sshsig: cannot read the message: %w", err)
	}
	b := wire.AppendString([]byte(magic), s.Namespace)
	b = wire.AppendString(b, "") // reserved
	b = wire.AppendString(b, s.Hash)
	return wire.AppendString(b, h.Sum(nil)), nil
}

// CheckSignature returns nil as its error only if the signature is Key's, of
// this message for this namespace. It does not say who has Key: that is
// ssh-keygen -Y check-novalidate, and [Verifier.Verify] is what accepts a
// signature. If Key is a security key's, the Assertion is what it has said; no
// touch is asked for.
func (s *Signature) CheckSignature(namespace string, message io.Reader) (*keys.Assertion, error) {
	if s == nil || s.Key == nil || s.Signature == nil {
		return nil, ErrFormat
	}
	if namespace == "" || s.Namespace != namespace {
		return nil, fmt.Errorf("%w: the signature is for %s, not %s", ErrNamespace, wire.Quote(s.Namespace, wire.MaxShown), wire.Quote(namespace, wire.MaxShown))
	}
	if !allowed(s.Key, s.Signature.Format) {
		return nil, fmt.Errorf("%w: algorithm %s for a key of type %s", ErrUnsupported, wire.Quote(s.Signature.Format, wire.MaxShown), s.Key.Type())
	}
	data, err := s.signedData(message)
	if err != nil {
		return nil, err
	}
	return keys.VerifyAssertion(keys.PlainKey(s.Key), s.Signature.Format, data, s.Signature.Marshal())
}
