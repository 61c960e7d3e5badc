package keys

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/pem"
	"strings"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"github.com/fairlead-go/ssh/wire"
)

const (
	// maxPrivateFile bounds the file of a private key, in bytes, as OpenSSH
	// does.
	maxPrivateFile = 1 << 20
	// maxDER bounds the DER form of a private key, in bytes. An RSA key of
	// MaxRSABits takes 9,300.
	maxDER = 16 << 10
)

// A pemFormat opens the private keys of one type of PEM block.
type pemFormat struct {
	pemType string
	open    func(der, passphrase []byte) (*PrivateKey, error)
}

var pemFormats = []pemFormat{
	{opensshPEMType, parseOpenSSH},
	{"PRIVATE KEY", parsePKCS8},
	{"RSA PRIVATE KEY", parsePKCS1},
	{"EC PRIVATE KEY", parseSEC1},
}

// ParsePrivateKey opens a private key file: OpenSSH's own format, plain or
// encrypted, or a PEM file with an unencrypted key in PKCS #8,
// PKCS #1 (RSA) or SEC 1 (ECDSA). Text may stand before the key but nothing
// after it. The passphrase is not looked at if the key is not encrypted.
//
// If the key is encrypted and passphrase is empty, the error is a
// [*PassphraseNeededError]; if it does not open the key, [ErrWrongPassphrase].
// Other errors are [ErrUnknownFormat], [*UnknownTypeError],
// [*UnsupportedError], [*LimitError] and [*MalformedError].
func ParsePrivateKey(data, passphrase []byte) (*PrivateKey, error) {
	if len(data) > maxPrivateFile {
		return nil, &LimitError{What: "bytes in a private key file", Value: uint64(len(data)), Max: maxPrivateFile}
	}
	block, rest := pem.Decode(data)
	if block != nil && block.Type == "EC PARAMETERS" {
		// OpenSSL writes the curve's name in a block of its own before the key.
		block, rest = pem.Decode(rest)
	}
	if block == nil {
		return nil, ErrUnknownFormat
	}
	defer clear(block.Bytes)
	if len(bytes.TrimSpace(rest)) > 0 {
		return nil, &MalformedError{What: "private key file", Err: wire.ErrTrailing}
	}
	if strings.Contains(block.Headers["Proc-Type"], "ENCRYPTED") || block.Type == "ENCRYPTED PRIVATE KEY" {
		return nil, &UnsupportedError{What: "encryption of a private key in PEM (ssh-keygen -p converts it to OpenSSH's format)"}
	}
	for _, f := range pemFormats {
		if f.pemType == block.Type {
			return f.open(block.Bytes, passphrase)
		}
	}
	return nil, ErrUnknownFormat
}

// checkDER refuses DER that is too long, before anything is computed with its
// numbers, and bytes after it.
func checkDER(what string, der []byte) error {
	if len(der) > maxDER {
		return &LimitError{What: "bytes in the DER form of a private key", Value: uint64(len(der)), Max: maxDER}
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
func parsePKCS1(der, _ []byte) (*PrivateKey, error) {
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
func parseSEC1(der, _ []byte) (*PrivateKey, error) {
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
	if !bytes.Equal(point, want) {
		return ErrKeyMismatch
	}
	return nil
}

// parsePKCS8 opens a PrivateKeyInfo (RFC 5958).
func parsePKCS8(der, _ []byte) (*PrivateKey, error) {
	const what = "PKCS #8 private key"
	if err := checkDER(what, der); err != nil {
		return nil, err
	}
	inner, err := pkcs8Inner(der)
	if err != nil {
		return nil, &MalformedError{What: what, Err: err}
	}
	// For other algorithms than RSA the inner form begins differently.
	if err := checkPKCS1(inner); err != nil {
		return nil, err
	}
	parsed, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, &MalformedError{What: what, Err: err}
	}
	k, ok := parsed.(crypto.Signer)
	if !ok {
		return nil, &UnsupportedError{What: "algorithm of a PKCS #8 private key"}
	}
	if key, ok := k.(*ecdsa.PrivateKey); ok {
		if err := checkSEC1Public(inner, key); err != nil {
			return nil, &MalformedError{What: what, Err: err}
		}
	}
	return NewPrivateKey(k)
}

// pkcs8Inner returns the private key in the algorithm's own form.
func pkcs8Inner(der []byte) ([]byte, error) {
	in := cryptobyte.String(der)
	var seq, private cryptobyte.String
	if !in.ReadASN1(&seq, asn1.SEQUENCE) ||
		!seq.SkipASN1(asn1.INTEGER) || !seq.SkipASN1(asn1.SEQUENCE) ||
		!seq.ReadASN1(&private, asn1.OCTET_STRING) {
		return nil, wire.ErrInvalid
	}
	return private, nil
}
