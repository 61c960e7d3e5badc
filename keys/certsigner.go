package keys

import (
	"context"
	"errors"
	"slices"
)

// certificateSigner signs for a certificate with the key that it certifies.
type certificateSigner struct {
	certificate *Certificate
	key         Signer
}

// NewCertificateSigner returns a Signer whose public key is the certificate:
// to log in with, or to be a server's host key. key signs, in a file, an agent
// or a device; it is that which is certified, else the error is
// [ErrKeyMismatch].
func NewCertificateSigner(c *Certificate, key Signer) (Signer, error) {
	if c == nil {
		return nil, errors.New("keys: no certificate")
	}
	if key == nil {
		return nil, errNoKey
	}
	if !Equal(c.key, key.PublicKey()) {
		return nil, &MalformedError{What: "certificate for a private key", Err: ErrKeyMismatch}
	}
	return &certificateSigner{certificate: c, key: key}, nil
}

func (s *certificateSigner) PublicKey() PublicKey { return s.certificate }

func (s *certificateSigner) Algorithms() []string { return certificateNames(s.key.Algorithms()) }

func (s *certificateSigner) Sign(ctx context.Context, algorithm string, data []byte) (*Signature, error) {
	if !slices.Contains(s.Algorithms(), algorithm) {
		return nil, &AlgorithmError{KeyType: s.certificate.Type(), Algorithm: algorithm}
	}
	return s.key.Sign(ctx, SignatureFormat(algorithm), data)
}

// SignsAtOnce reports whether s holds its key in memory, as a [*PrivateKey]
// does that is no security key's, and a certificate's signer with one: it asks
// no one and waits for nothing.
func SignsAtOnce(s Signer) bool {
	if c, ok := s.(*certificateSigner); ok {
		s = c.key
	}
	k, ok := s.(*PrivateKey)
	return ok && k.signer != nil && k.signer.typ.sign != nil
}
