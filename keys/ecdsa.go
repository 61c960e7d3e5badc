package keys

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"math/big"
	"slices"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"github.com/fairlead-go/ssh/wire"
)

// An ecdsaCurve is a required curve of RFC 5656 section 10.1 with the hash
// that section 6.2.1 gives it.
type ecdsaCurve struct {
	keyType    string
	identifier string // of the curve, within the key
	curve      elliptic.Curve
	hash       crypto.Hash
}

var (
	nistp256 = &ecdsaCurve{KeyECDSA256, "nistp256", elliptic.P256(), crypto.SHA256}
	nistp384 = &ecdsaCurve{KeyECDSA384, "nistp384", elliptic.P384(), crypto.SHA384}
	nistp521 = &ecdsaCurve{KeyECDSA521, "nistp521", elliptic.P521(), crypto.SHA512}
)

var errCurve = errors.New("curve identifier is not the key type's")

// ecdsaPublicKey is an ecdsa-sha2-* key (RFC 5656 section 3.1).
type ecdsaPublicKey struct {
	curve *ecdsaCurve
	typ   *keyType
	key   *ecdsa.PublicKey
	blob  []byte
}

func newECDSAType(c *ecdsaCurve) *keyType {
	t := &keyType{name: c.keyType, algorithms: []string{c.keyType}}
	t.parse = func(r *wire.Reader) PublicKey {
		key, point := c.readPublic(r)
		if key == nil {
			return nil
		}
		return c.newPublicKey(t, key, point)
	}
	t.wrap = func(k crypto.PublicKey) (PublicKey, error) {
		key, ok := k.(*ecdsa.PublicKey)
		if !ok || key == nil || key.X == nil || key.Y == nil || key.Curve != c.curve {
			return nil, nil
		}
		point, err := key.Bytes() // which checks that it is on the curve
		if err != nil {
			return nil, &MalformedError{What: c.keyType + " public key", Err: err}
		}
		key, err = ecdsa.ParseUncompressedPublicKey(c.curve, point)
		if err != nil {
			return nil, &MalformedError{What: c.keyType + " public key", Err: err}
		}
		return c.newPublicKey(t, key, point), nil
	}
	t.sign = c.sign
	t.generate = func(bits int) (crypto.Signer, error) {
		if bits != 0 {
			return nil, errFixedSize
		}
		return ecdsa.GenerateKey(c.curve, rand.Reader)
	}
	t.parsePrivate = c.parsePrivate
	t.appendPrivate = c.appendPrivate
	t.writable = writableECDSA
	return t
}

// size returns the number of bytes in a coordinate or a scalar.
func (c *ecdsaCurve) size() int { return (c.curve.Params().BitSize + 7) / 8 }

// readPublic reads the curve's identifier and a point, which it checks to be
// on the curve and not at infinity. Only uncompressed points are taken: RFC
// 5656 section 3.1 leaves compressed ones to choice, and nobody sends them.
func (c *ecdsaCurve) readPublic(r *wire.Reader) (*ecdsa.PublicKey, []byte) {
	identifier, point := r.Bytes(), r.Bytes()
	if r.Err() != nil {
		return nil, nil
	}
	if string(identifier) != c.identifier {
		r.Fail(errCurve)
		return nil, nil
	}
	key, err := ecdsa.ParseUncompressedPublicKey(c.curve, point)
	if err != nil {
		r.Fail(err)
		return nil, nil
	}
	return key, point
}

func (c *ecdsaCurve) newPublicKey(t *keyType, key *ecdsa.PublicKey, point []byte) *ecdsaPublicKey {
	b := make([]byte, 0, 12+len(c.keyType)+len(c.identifier)+len(point))
	b = wire.AppendString(b, c.keyType)
	b = wire.AppendString(b, c.identifier)
	b = wire.AppendString(b, point)
	return &ecdsaPublicKey{curve: c, typ: t, key: key, blob: b}
}

func (k *ecdsaPublicKey) Type() string                      { return k.curve.keyType }
func (k *ecdsaPublicKey) Marshal() []byte                   { return slices.Clip(k.blob) }
func (k *ecdsaPublicKey) Algorithms() []string              { return slices.Clone(k.typ.algorithms) }
func (k *ecdsaPublicKey) CryptoPublicKey() crypto.PublicKey { return k.key }

// Verify follows RFC 5656 section 3.1.2: the blob holds r and s as two mpints.
func (k *ecdsaPublicKey) Verify(data []byte, sig *Signature) error {
	if err := k.typ.checkFormat(sig); err != nil {
		return err
	}
	rd := wire.NewReader(sig.Blob)
	r, s := rd.Mpint(), rd.Mpint()
	err := rd.End()
	if err == nil && (len(r) > k.curve.size() || len(s) > k.curve.size()) {
		err = wire.ErrInvalid
	}
	if err != nil {
		return &MalformedError{What: k.curve.keyType + " signature", Err: err}
	}
	// ecdsa.Verify refuses an r or s that is zero or not below the order.
	if !ecdsa.Verify(k.key, digest(k.curve.hash, data), new(big.Int).SetBytes(r), new(big.Int).SetBytes(s)) {
		return ErrBadSignature
	}
	return nil
}

func (c *ecdsaCurve) sign(k crypto.Signer, _ PublicKey, _ string, data []byte) ([]byte, error) {
	der, err := k.Sign(rand.Reader, digest(c.hash, data), c.hash)
	if err != nil {
		return nil, err
	}
	return c.fromDER(der)
}

// fromDER returns the blob for an ECDSA-Sig-Value (RFC 3279 section 2.2.3),
// which is what a crypto.Signer or a security key makes.
func (c *ecdsaCurve) fromDER(der []byte) ([]byte, error) {
	var r, s []byte
	var seq cryptobyte.String
	in := cryptobyte.String(der)
	if !in.ReadASN1(&seq, asn1.SEQUENCE) || !in.Empty() ||
		!seq.ReadASN1Integer(&r) || !seq.ReadASN1Integer(&s) || !seq.Empty() ||
		len(r) > c.size() || len(s) > c.size() {
		return nil, errors.New("keys: signer made a malformed ECDSA signature")
	}
	b := make([]byte, 0, 10+2*c.size())
	b = wire.AppendMpint(b, r)
	return wire.AppendMpint(b, s), nil
}

// The private fields are those of the public key, then the scalar.
func (c *ecdsaCurve) parsePrivate(r *wire.Reader) crypto.Signer {
	public, _ := c.readPublic(r)
	scalar := r.Mpint()
	if r.Err() != nil {
		return nil
	}
	if len(scalar) > c.size() {
		r.Fail(wire.ErrInvalid)
		return nil
	}
	fixed := make([]byte, c.size())
	copy(fixed[len(fixed)-len(scalar):], scalar)
	k, err := ecdsa.ParseRawPrivateKey(c.curve, fixed)
	if err != nil {
		r.Fail(err)
		return nil
	}
	if !k.PublicKey.Equal(public) {
		r.Fail(ErrKeyMismatch)
		return nil
	}
	return k
}

func writableECDSA(k crypto.Signer) error {
	if _, ok := k.(*ecdsa.PrivateKey); !ok {
		return errOpaque
	}
	return nil
}

func (c *ecdsaCurve) appendPrivate(b []byte, k crypto.Signer) ([]byte, error) {
	if err := writableECDSA(k); err != nil {
		return nil, err
	}
	key := k.(*ecdsa.PrivateKey)
	point, err := key.PublicKey.Bytes()
	if err != nil {
		return nil, err
	}
	scalar, err := key.Bytes()
	if err != nil {
		return nil, err
	}
	b = wire.AppendString(b, c.identifier)
	b = wire.AppendString(b, point)
	return wire.AppendMpint(b, scalar), nil
}
