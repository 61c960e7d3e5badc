package keys

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"slices"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"github.com/fairlead-go/ssh/wire"
)

const (
	pkixPEMType  = "PUBLIC KEY"
	pkcs1PEMType = "RSA PUBLIC KEY"
)

// A publicPEM parses the public keys of one type of PEM block.
type publicPEM struct {
	pemType string
	parse   func(der []byte) (PublicKey, error)
}

var publicPEMs = []publicPEM{
	{pkixPEMType, parsePKIX},
	{pkcs1PEMType, parsePKCS1Public},
	{opensshPEMType, parseOpenSSHPublic},
}

// ParsePublicKeyFile parses a file with one public key in any of these
// formats:
//
//   - the line of a .pub file, as [ParsePublicKeyLine] does, among blank and
//     comment lines;
//   - RFC 4716, as SSH implementations other than OpenSSH write it;
//   - PKIX or PKCS #1 (RSA) in PEM;
//   - a private key in OpenSSH's or PuTTY's format, whose public half can be
//     read without a passphrase. Nothing has proven that it is the right one.
//
// The comment is "" where the format has none. A certificate is an
// [*UnknownTypeError]; in PuTTY's format, whose keys may have one, it is the key
// that is returned.
// Other errors are [ErrUnknownFormat], [*UnsupportedError], [*LimitError] and
// [*MalformedError].
func ParsePublicKeyFile(data []byte) (key PublicKey, comment string, err error) {
	if len(data) > maxPrivateFile {
		return nil, "", &LimitError{What: "bytes in a public key file", Value: uint64(len(data)), Max: maxPrivateFile}
	}
	switch {
	case bytes.HasPrefix(bytes.TrimSpace(data), []byte(rfc4716Begin)):
		return parseRFC4716(data)
	case bytes.HasPrefix(data, []byte(puttyMagic)):
		f, err := parsePuttyPublic(&puttyLines{rest: data})
		if err != nil {
			return nil, "", err
		}
		return PlainKey(f.key), string(f.comment), nil
	case bytes.Contains(data, []byte("-----BEGIN ")):
		key, err = parsePublicPEM(data)
		return key, "", err
	}
	var line []byte
	for l := range bytes.Lines(data) {
		if l = bytes.TrimSpace(l); len(l) == 0 || l[0] == '#' {
			continue
		}
		if line != nil {
			return nil, "", &MalformedError{What: "public key file", Err: wire.ErrTrailing}
		}
		line = l
	}
	return ParsePublicKeyLine(line)
}

func parsePublicPEM(data []byte) (PublicKey, error) {
	block, rest := pem.Decode(data)
	if block == nil {
		return nil, &MalformedError{What: "public key file", Err: errPEM}
	}
	for _, f := range publicPEMs {
		if f.pemType != block.Type {
			continue
		}
		if len(bytes.TrimSpace(rest)) > 0 {
			return nil, &MalformedError{What: "public key file", Err: wire.ErrTrailing}
		}
		if len(block.Headers) > 0 {
			return nil, &MalformedError{What: "public key file", Err: errHeaders}
		}
		return f.parse(block.Bytes)
	}
	return nil, ErrUnknownFormat
}

// parsePKIX parses a SubjectPublicKeyInfo (RFC 5280 section 4.1).
func parsePKIX(der []byte) (PublicKey, error) {
	const what = "PKIX public key"
	if err := checkDER(what, der); err != nil {
		return nil, err
	}
	in := cryptobyte.String(der)
	var seq cryptobyte.String
	if !in.ReadASN1(&seq, asn1.SEQUENCE) {
		return nil, &MalformedError{What: what, Err: wire.ErrInvalid}
	}
	algorithm, _, ok := readAlgorithm(&seq)
	if !ok {
		return nil, &MalformedError{What: what, Err: wire.ErrInvalid}
	}
	if !slices.Contains(derAlgorithms, algorithm) {
		return nil, &UnsupportedError{What: "algorithm of a " + what, Name: algorithm}
	}
	k, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return nil, &MalformedError{What: what, Err: err}
	}
	return NewPublicKey(k)
}

// parsePKCS1Public parses an RSAPublicKey (RFC 8017 appendix A.1.1).
func parsePKCS1Public(der []byte) (PublicKey, error) {
	const what = "PKCS #1 public key"
	if err := checkDER(what, der); err != nil {
		return nil, err
	}
	k, err := x509.ParsePKCS1PublicKey(der)
	if err != nil {
		return nil, &MalformedError{What: what, Err: err}
	}
	return NewPublicKey(k)
}

// parseOpenSSHPublic returns the public half of an openssh-key-v1 file.
func parseOpenSSHPublic(data []byte) (PublicKey, error) {
	f, err := parseOpenSSHFile(data)
	if err != nil {
		return nil, err
	}
	return ParsePublicKey(f.public)
}

// MarshalPKIX returns the key in PEM as most programs outside of SSH want it,
// a SubjectPublicKeyInfo (RFC 5280 section 4.1). A key that has no form in the
// crypto packages, such as a certificate or a security key, is an
// [*UnknownTypeError].
func MarshalPKIX(k PublicKey) ([]byte, error) {
	c, ok := k.(CryptoPublicKey)
	if !ok {
		return nil, noForm(k)
	}
	der, err := x509.MarshalPKIXPublicKey(c.CryptoPublicKey())
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: pkixPEMType, Bytes: der}), nil
}

// MarshalPKCS1 returns an RSA key in PEM as old programs want it, an
// RSAPublicKey (RFC 8017 appendix A.1.1). Any other key is an
// [*UnknownTypeError].
func MarshalPKCS1(k PublicKey) ([]byte, error) {
	var key crypto.PublicKey
	if c, ok := k.(CryptoPublicKey); ok {
		key = c.CryptoPublicKey()
	}
	r, ok := key.(*rsa.PublicKey)
	if !ok {
		return nil, noForm(k)
	}
	return pem.EncodeToMemory(&pem.Block{Type: pkcs1PEMType, Bytes: x509.MarshalPKCS1PublicKey(r)}), nil
}

func noForm(k PublicKey) error {
	if k == nil {
		return &UnknownTypeError{}
	}
	return &UnknownTypeError{Type: k.Type()}
}
