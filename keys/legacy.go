package keys

import (
	"context"
	"crypto"
	_ "crypto/sha1" // links crypto.SHA1
	"slices"

	"github.com/fairlead-go/ssh/wire"
)

// RSASHA1 is the signature algorithm of RFC 4253 section 6.6, of the same name
// as the keys that it signs with. It uses SHA-1, for which two texts of the same
// hash can be made at a price (RFC 8332 section 5.1).
const RSASHA1 = "ssh-rsa"

// LegacyAlgorithms returns the signature algorithms for peers that have
// nothing better: RSASHA1. No key's Algorithms and no default has them, and
// Verify refuses them.
func LegacyAlgorithms() []string { return []string{RSASHA1} }

// LegacyAlgorithmsOf returns those of LegacyAlgorithms that are key's.
func LegacyAlgorithmsOf(key PublicKey) []string {
	if _, ok := key.(*rsaPublicKey); ok {
		return LegacyAlgorithms()
	}
	return nil
}

// A LegacySigner can also sign with algorithms that Algorithms keeps back.
// [PrivateKey] is one.
type LegacySigner interface {
	Signer
	// LegacyAlgorithms returns those that SignLegacy can use, some or all of
	// LegacyAlgorithmsOf the public key.
	LegacyAlgorithms() []string
	// SignLegacy is Sign with one of LegacyAlgorithms.
	SignLegacy(ctx context.Context, algorithm string, data []byte) (*Signature, error)
}

var _ LegacySigner = (*PrivateKey)(nil)

// LegacyAlgorithms implements [LegacySigner].
func (k *PrivateKey) LegacyAlgorithms() []string { return LegacyAlgorithmsOf(k.PublicKey()) }

// SignLegacy implements [LegacySigner].
func (k *PrivateKey) SignLegacy(ctx context.Context, algorithm string, data []byte) (*Signature, error) {
	if k.signer == nil {
		return nil, errNoKey
	}
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx)
	}
	if !slices.Contains(k.LegacyAlgorithms(), algorithm) {
		return nil, &AlgorithmError{KeyType: k.signer.typ.name, Algorithm: algorithm}
	}
	blob, err := signRSAHash(k.signer.key, k.signer.public, crypto.SHA1, data)
	if err != nil {
		return nil, err
	}
	return &Signature{Format: algorithm, Blob: blob}, nil
}

// VerifyLegacy is [Verify] for the algorithms that [LegacyAlgorithms] returns
// and no others.
func VerifyLegacy(key PublicKey, algorithm string, data, signature []byte) error {
	k, ok := key.(*rsaPublicKey)
	if !ok || algorithm != RSASHA1 {
		keyType := ""
		if key != nil {
			keyType = key.Type()
		}
		return &AlgorithmError{KeyType: keyType, Algorithm: algorithm}
	}
	sig, err := ParseSignature(signature)
	if err != nil {
		return err
	}
	if sig.Format != algorithm {
		return &AlgorithmError{KeyType: key.Type(), Algorithm: sig.Format, Agreed: algorithm}
	}
	if len(sig.Rest) > 0 {
		return &MalformedError{What: "signature", Err: wire.ErrTrailing}
	}
	return k.verifyHash(crypto.SHA1, data, sig)
}
