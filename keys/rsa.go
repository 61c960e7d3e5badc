package keys

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"math/big"
	"slices"

	"github.com/fairlead-go/ssh/wire"
)

// The bounds of an RSA modulus, in bits. Below MinRSABits a key can be broken;
// it is as low as OpenSSH's default, so that keys in use are not shut out, and
// a verifier may demand more. Above MaxRSABits verifying takes too long.
const (
	MinRSABits = 1024
	MaxRSABits = 16384
)

const (
	defaultRSABits     = 3072
	minGeneratedBits   = 2048
	maxRSAPublicExpLen = 4 // and below 2^31, all that crypto/rsa takes
)

// rsaPublicKey is an ssh-rsa key (RFC 4253 section 6.6).
type rsaPublicKey struct {
	key  *rsa.PublicKey
	blob []byte
}

func newRSAType() *keyType {
	return &keyType{
		name:          KeyRSA,
		algorithms:    []string{RSASHA512, RSASHA256},
		parse:         parseRSA,
		wrap:          wrapRSA,
		sign:          signRSA,
		generate:      generateRSA,
		parsePrivate:  parseRSAPrivate,
		appendPrivate: appendRSAPrivate,
		writable:      writableRSA,
	}
}

// rsaHashes gives the hash of each signature algorithm (RFC 8332 section 3).
var rsaHashes = map[string]crypto.Hash{
	RSASHA256: crypto.SHA256,
	RSASHA512: crypto.SHA512,
}

// checkRSA refuses, before anything costly is done with them, a modulus and an
// exponent out of bounds.
func checkRSA(n *big.Int, e int64) error {
	if bits := n.BitLen(); bits < MinRSABits || bits > MaxRSABits {
		return &LimitError{What: "bits in the RSA modulus", Value: uint64(bits), Min: MinRSABits, Max: MaxRSABits}
	}
	if n.Bit(0) == 0 {
		return errors.New("modulus is even")
	}
	if e < 3 || e > 1<<31-1 || e&1 == 0 {
		return errors.New("public exponent is not an odd number between 3 and 2^31")
	}
	return nil
}

// readRSAPublic makes a key of an exponent and a modulus that were read.
func readRSAPublic(r *wire.Reader, e, n []byte) *rsa.PublicKey {
	if r.Err() != nil {
		return nil
	}
	if len(e) > maxRSAPublicExpLen {
		r.Fail(errors.New("public exponent is not an odd number between 3 and 2^31"))
		return nil
	}
	if len(n) > MaxRSABits/8 {
		r.Fail(&LimitError{What: "bits in the RSA modulus", Value: 8 * uint64(len(n)), Min: MinRSABits, Max: MaxRSABits})
		return nil
	}
	exponent, modulus := new(big.Int).SetBytes(e), new(big.Int).SetBytes(n)
	if err := checkRSA(modulus, exponent.Int64()); err != nil {
		r.Fail(err)
		return nil
	}
	return &rsa.PublicKey{N: modulus, E: int(exponent.Int64())}
}

func newRSAPublicKey(key *rsa.PublicKey) *rsaPublicKey {
	b := make([]byte, 0, 4+len(KeyRSA)+8+5+key.Size()+1)
	b = wire.AppendString(b, KeyRSA)
	b = wire.AppendBigInt(b, big.NewInt(int64(key.E)))
	b = wire.AppendBigInt(b, key.N)
	return &rsaPublicKey{key: key, blob: b}
}

func parseRSA(r *wire.Reader) PublicKey {
	e, n := r.Mpint(), r.Mpint()
	key := readRSAPublic(r, e, n)
	if key == nil {
		return nil
	}
	return newRSAPublicKey(key)
}

func wrapRSA(k crypto.PublicKey) (PublicKey, error) {
	key, ok := k.(*rsa.PublicKey)
	if !ok || key == nil {
		return nil, nil
	}
	err := errors.New("no modulus")
	if key.N != nil {
		err = checkRSA(key.N, int64(key.E))
	}
	if err != nil {
		return nil, malformed(KeyRSA+" public key", err)
	}
	return newRSAPublicKey(&rsa.PublicKey{N: new(big.Int).Set(key.N), E: key.E}), nil
}

func (k *rsaPublicKey) Type() string                      { return KeyRSA }
func (k *rsaPublicKey) Marshal() []byte                   { return slices.Clip(k.blob) }
func (k *rsaPublicKey) Algorithms() []string              { return slices.Clone(rsaType.algorithms) }
func (k *rsaPublicKey) CryptoPublicKey() crypto.PublicKey { return k.key }

// Verify follows RFC 8332 section 3. Some peers drop leading zeros of a
// signature, so a short one is padded; a long one is refused.
func (k *rsaPublicKey) Verify(data []byte, sig *Signature) error {
	if err := rsaType.checkFormat(sig); err != nil {
		return err
	}
	return k.verifyHash(rsaHashes[sig.Format], data, sig)
}

func (k *rsaPublicKey) verifyHash(h crypto.Hash, data []byte, sig *Signature) error {
	size := k.key.Size()
	blob := sig.Blob
	if len(blob) == 0 || len(blob) > size {
		return &MalformedError{What: sig.Format + " signature", Err: fmt.Errorf("%d bytes for a modulus of %d", len(blob), size)}
	}
	if len(blob) < size {
		blob = leftPad(blob, size)
	}
	if rsa.VerifyPKCS1v15(k.key, h, digest(h, data), blob) != nil {
		return ErrBadSignature
	}
	return nil
}

func leftPad(b []byte, size int) []byte {
	padded := make([]byte, size)
	copy(padded[size-len(b):], b)
	return padded
}

func signRSA(k crypto.Signer, public PublicKey, algorithm string, data []byte) ([]byte, error) {
	return signRSAHash(k, public, rsaHashes[algorithm], data)
}

func signRSAHash(k crypto.Signer, public PublicKey, h crypto.Hash, data []byte) ([]byte, error) {
	sig, err := k.Sign(rand.Reader, digest(h, data), h)
	if err != nil {
		return nil, err
	}
	size := public.(*rsaPublicKey).key.Size()
	if len(sig) == 0 || len(sig) > size {
		return nil, fmt.Errorf("keys: signer made an RSA signature of %d bytes for a modulus of %d", len(sig), size)
	}
	return leftPad(sig, size), nil
}

func generateRSA(bits int) (crypto.Signer, error) {
	if bits == 0 {
		bits = defaultRSABits
	}
	if bits < minGeneratedBits || bits > MaxRSABits {
		return nil, &LimitError{What: "bits in a new RSA modulus", Value: uint64(max(bits, 0)), Min: minGeneratedBits, Max: MaxRSABits}
	}
	return rsa.GenerateKey(rand.Reader, bits)
}

// The private fields are n, e, d, q^-1 mod p, p and q.
func parseRSAPrivate(r *wire.Reader) crypto.Signer {
	n, e := r.Mpint(), r.Mpint()
	public := readRSAPublic(r, e, n)
	d, iqmp, p, q := r.Mpint(), r.Mpint(), r.Mpint(), r.Mpint()
	if r.Err() != nil {
		return nil
	}
	if max(len(d), len(iqmp), len(p), len(q)) > len(n) {
		r.Fail(wire.ErrInvalid)
		return nil
	}
	k := &rsa.PrivateKey{
		PublicKey: *public,
		D:         new(big.Int).SetBytes(d),
		Primes:    []*big.Int{new(big.Int).SetBytes(p), new(big.Int).SetBytes(q)},
	}
	one := big.NewInt(1)
	if k.Primes[0].Cmp(one) <= 0 || k.Primes[1].Cmp(one) <= 0 {
		r.Fail(ErrKeyMismatch)
		return nil
	}
	// With these given, Precompute checks them rather than making its own,
	// which is dear for a large key.
	k.Precomputed.Dp = new(big.Int).Mod(k.D, new(big.Int).Sub(k.Primes[0], one))
	k.Precomputed.Dq = new(big.Int).Mod(k.D, new(big.Int).Sub(k.Primes[1], one))
	k.Precomputed.Qinv = new(big.Int).SetBytes(iqmp)
	k.Precompute()
	if err := k.Validate(); err != nil {
		r.Fail(fmt.Errorf("%w: %w", ErrKeyMismatch, err))
		return nil
	}
	return k
}

func writableRSA(k crypto.Signer) error {
	key, ok := k.(*rsa.PrivateKey)
	if !ok {
		return errOpaque
	}
	if len(key.Primes) != 2 {
		return &UnsupportedError{What: "RSA key of more than two primes"}
	}
	return nil
}

func appendRSAPrivate(b []byte, k crypto.Signer) ([]byte, error) {
	if err := writableRSA(k); err != nil {
		return nil, err
	}
	key := k.(*rsa.PrivateKey)
	iqmp := new(big.Int).ModInverse(key.Primes[1], key.Primes[0])
	if iqmp == nil {
		return nil, &MalformedError{What: KeyRSA + " private key", Err: ErrKeyMismatch}
	}
	for _, v := range []*big.Int{key.N, big.NewInt(int64(key.E)), key.D, iqmp, key.Primes[0], key.Primes[1]} {
		b = wire.AppendBigInt(b, v)
	}
	return b, nil
}
