package keys

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"slices"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"github.com/fairlead-go/ssh/wire"
)

// checkDER refuses DER that is too long, before anything is computed with its
// numbers, and bytes after it.
func checkDER(what string, der []byte) error {
	if len(der) > maxDER {
		return &LimitError{What: "bytes in the DER form of a key", Value: uint64(len(der)), Max: maxDER}
	}
	in := cryptobyte.String(der)
	var seq cryptobyte.String
	if !in.ReadASN1(&seq, asn1.SEQUENCE) {
		return &MalformedError{What: what, Err: wire.ErrTruncated}
	}
	if !in.Empty() {
		return &MalformedError{What: what, Err: wire.ErrTrailing}
	}
	return nil
}

// checkPKCS1 refuses an RSAPrivateKey with a number longer than the largest
// modulus, as crypto/rsa would spend seconds on it. What else may be wrong is
// left to crypto/x509 to find.
func checkPKCS1(der []byte) error {
	in := cryptobyte.String(der)
	var seq, number cryptobyte.String
	if !in.ReadASN1(&seq, asn1.SEQUENCE) {
		return nil
	}
	for seq.ReadASN1(&number, asn1.INTEGER) {
		if len(number) > MaxRSABits/8+1 {
			return &LimitError{What: "bits in a number of an RSA private key", Value: 8 * uint64(len(number)-1), Max: MaxRSABits}
		}
	}
	return nil
}

// parsePKCS1 opens an RSAPrivateKey (RFC 8017 appendix A.1.2).
func parsePKCS1(der []byte) (*PrivateKey, error) {
	const what = "PKCS #1 private key"
	if err := checkDER(what, der); err != nil {
		return nil, err
	}
	if err := checkPKCS1(der); err != nil {
		return nil, err
	}
	k, err := x509.ParsePKCS1PrivateKey(der)
	if err != nil {
		return nil, &MalformedError{What: what, Err: err}
	}
	return NewPrivateKey(k)
}

// parseSEC1 opens an ECPrivateKey (RFC 5915).
func parseSEC1(der []byte) (*PrivateKey, error) {
	const what = "SEC 1 private key"
	if err := checkDER(what, der); err != nil {
		return nil, err
	}
	k, err := x509.ParseECPrivateKey(der)
	if err != nil {
		return nil, &MalformedError{What: what, Err: err}
	}
	if err := checkSEC1Public(der, k); err != nil {
		return nil, &MalformedError{What: what, Err: err}
	}
	return NewPrivateKey(k)
}

// checkSEC1Public compares the public key in an ECPrivateKey, which crypto/x509
// leaves unread, with the private one. It may be missing.
func checkSEC1Public(der []byte, k *ecdsa.PrivateKey) error {
	in := cryptobyte.String(der)
	var seq, public cryptobyte.String
	var present bool
	var point []byte
	if !in.ReadASN1(&seq, asn1.SEQUENCE) ||
		!seq.SkipASN1(asn1.INTEGER) || !seq.SkipASN1(asn1.OCTET_STRING) ||
		!seq.SkipOptionalASN1(asn1.Tag(0).ContextSpecific().Constructed()) ||
		!seq.ReadOptionalASN1(&public, &present, asn1.Tag(1).ContextSpecific().Constructed()) || !seq.Empty() {
		return wire.ErrInvalid
	}
	if !present {
		return nil
	}
	if !public.ReadASN1BitStringAsBytes(&point) || !public.Empty() {
		return wire.ErrInvalid
	}
	want, err := k.PublicKey.Bytes()
	if err != nil {
		return err
	}
	if !bytes.Equal(point, want) && !bytes.Equal(point, compressed(want)) {
		return ErrKeyMismatch
	}
	return nil
}

// compressed returns the short form of an uncompressed point (SEC 1 section
// 2.3.3), which some files have.
func compressed(point []byte) []byte {
	return append([]byte{2 | point[len(point)-1]&1}, point[1:1+len(point)/2]...)
}

// The algorithms of keys in PKCS #8 and PKIX: RFC 8017 appendix A.1, RFC 5480 section
// 2.1.1 and RFC 8410 section 3.
var derAlgorithms = []string{"1.2.840.113549.1.1.1", "1.2.840.10045.2.1", "1.3.101.112"}

// parsePKCS8 opens a OneAsymmetricKey (RFC 5958), which PKCS #8 calls
// PrivateKeyInfo where it does not hold the public key.
func parsePKCS8(der []byte) (*PrivateKey, error) {
	const what = "PKCS #8 private key"
	if err := checkDER(what, der); err != nil {
		return nil, err
	}
	algorithm, inner, public, err := pkcs8Fields(der)
	if err != nil {
		return nil, &MalformedError{What: what, Err: err}
	}
	if !slices.Contains(derAlgorithms, algorithm) {
		return nil, &UnsupportedError{What: "algorithm of a PKCS #8 private key", Name: algorithm}
	}
	// For other algorithms than RSA the inner form begins differently.
	if err := checkPKCS1(inner); err != nil {
		return nil, err
	}
	parsed, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, &MalformedError{What: what, Err: err}
	}
	switch k := parsed.(type) {
	case *ecdsa.PrivateKey:
		err = checkSEC1Public(inner, k)
	case crypto.Signer:
	default:
		return nil, &UnsupportedError{What: "algorithm of a PKCS #8 private key", Name: algorithm}
	}
	if err == nil && public != nil {
		err = checkPKCS8Public(public, parsed.(crypto.Signer))
	}
	if err != nil {
		return nil, &MalformedError{What: what, Err: err}
	}
	return NewPrivateKey(parsed.(crypto.Signer))
}

// pkcs8Fields returns the name of the algorithm, the private key in the
// algorithm's own form, and the public key, nil where there is none.
func pkcs8Fields(der []byte) (algorithm string, inner, public []byte, err error) {
	in := cryptobyte.String(der)
	var seq, private cryptobyte.String
	var version int
	if !in.ReadASN1(&seq, asn1.SEQUENCE) || !seq.ReadASN1Integer(&version) || version < 0 || version > 1 {
		return "", nil, nil, wire.ErrInvalid
	}
	algorithm, _, ok := readAlgorithm(&seq)
	if !ok || !seq.ReadASN1(&private, asn1.OCTET_STRING) ||
		!seq.SkipOptionalASN1(asn1.Tag(0).ContextSpecific().Constructed()) {
		return "", nil, nil, wire.ErrInvalid
	}
	if version == 1 && !seq.Empty() {
		var bits cryptobyte.String
		if !seq.ReadASN1(&bits, asn1.Tag(1).ContextSpecific()) || len(bits) < 2 || bits[0] != 0 {
			return "", nil, nil, wire.ErrInvalid
		}
		public = bits[1:]
	}
	element := private
	var skipped cryptobyte.String
	if !seq.Empty() || !element.ReadAnyASN1Element(&skipped, nil) || !element.Empty() {
		return "", nil, nil, wire.ErrTrailing
	}
	return algorithm, private, public, nil
}

// checkPKCS8Public compares a public key in its algorithm's own form with the
// private key.
func checkPKCS8Public(public []byte, k crypto.Signer) error {
	var want []byte
	var err error
	switch k := k.Public().(type) {
	case *rsa.PublicKey:
		want = x509.MarshalPKCS1PublicKey(k)
	case *ecdsa.PublicKey:
		want, err = k.Bytes()
		if err == nil && len(public) < len(want) {
			want = compressed(want)
		}
	case ed25519.PublicKey:
		want = k
	}
	if err == nil && !bytes.Equal(public, want) {
		err = ErrKeyMismatch
	}
	return err
}
