package keys

import (
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	encodingasn1 "encoding/asn1"
	"errors"
	"hash"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"github.com/fairlead-go/ssh/wire"
)

const pkcs8Encrypted = "encrypted PKCS #8 private key"

// The algorithms of PBES2 (RFC 8018 appendix A and B, RFC 7914 section 7).
const (
	oidPBES2  = "1.2.840.113549.1.5.13"
	oidPBKDF2 = "1.2.840.113549.1.5.12"
	oidScrypt = "1.3.6.1.4.1.11591.4.11"
)

const defaultPRF = "1.2.840.113549.2.7"

// pbkdf2Hashes are the hashes of PBKDF2's pseudo-random functions.
var pbkdf2Hashes = map[string]func() hash.Hash{
	defaultPRF:            sha1.New,
	"1.2.840.113549.2.8":  sha256.New224,
	"1.2.840.113549.2.9":  sha256.New,
	"1.2.840.113549.2.10": sha512.New384,
	"1.2.840.113549.2.11": sha512.New,
	"1.2.840.113549.2.12": sha512.New512_224,
	"1.2.840.113549.2.13": sha512.New512_256,
}

var (
	errParameters = errors.New("algorithm has parameters that it does not take")
	errKeyLength  = errors.New("key length is not the cipher's")
)

func parseEncryptedPKCS8(der, passphrase []byte) (*PrivateKey, error) {
	encrypted, err := parsePBES2(der)
	if err != nil {
		return nil, err
	}
	return encrypted.open(passphrase, parsePKCS8)
}

// parsePBES2 reads an EncryptedPrivateKeyInfo (RFC 5958 section 3).
func parsePBES2(der []byte) (*pbe, error) {
	if err := checkDER(pkcs8Encrypted, der); err != nil {
		return nil, err
	}
	malformed := &MalformedError{What: pkcs8Encrypted, Err: wire.ErrInvalid}
	in := cryptobyte.String(der)
	var seq, data cryptobyte.String
	if !in.ReadASN1(&seq, asn1.SEQUENCE) {
		return nil, malformed
	}
	scheme, parameters, ok := readAlgorithm(&seq)
	if !ok || !seq.ReadASN1(&data, asn1.OCTET_STRING) || !seq.Empty() {
		return nil, malformed
	}
	if scheme != oidPBES2 {
		return nil, &UnsupportedError{What: "encryption of a PKCS #8 private key", Name: scheme}
	}
	var both cryptobyte.String
	if !parameters.ReadASN1(&both, asn1.SEQUENCE) || !parameters.Empty() {
		return nil, malformed
	}
	derivation, derivationParameters, ok1 := readAlgorithm(&both)
	encryption, encryptionParameters, ok2 := readAlgorithm(&both)
	if !ok1 || !ok2 || !both.Empty() {
		return nil, malformed
	}

	p := &pbe{data: data}
	for _, c := range pbeCiphers {
		if c.oid == encryption {
			p.cipher = c
		}
	}
	if p.cipher == nil {
		return nil, &UnsupportedError{What: "cipher of a private key", Name: encryption}
	}
	if !encryptionParameters.ReadASN1Bytes(&p.iv, asn1.OCTET_STRING) || !encryptionParameters.Empty() {
		return nil, malformed
	}
	if err := p.check(pkcs8Encrypted); err != nil {
		return nil, err
	}
	read := map[string]func(*cryptobyte.String, int) (kdf, error){oidPBKDF2: readPBKDF2, oidScrypt: readScrypt}[derivation]
	if read == nil {
		return nil, &UnsupportedError{What: "key derivation of a private key", Name: derivation}
	}
	var err error
	p.kdf, err = read(&derivationParameters, p.cipher.keySize)
	if err != nil {
		return nil, err
	}
	return p, nil
}

// readAlgorithm reads an AlgorithmIdentifier: its name and its parameters.
func readAlgorithm(s *cryptobyte.String) (name string, parameters cryptobyte.String, ok bool) {
	var seq cryptobyte.String
	var oid encodingasn1.ObjectIdentifier
	if !s.ReadASN1(&seq, asn1.SEQUENCE) || !seq.ReadASN1ObjectIdentifier(&oid) {
		return "", nil, false
	}
	return oid.String(), seq, true
}

// readKeyLength reads the key length that may be there and must then be
// keySize.
func readKeyLength(seq *cryptobyte.String, keySize int) error {
	if !seq.PeekASN1Tag(asn1.INTEGER) {
		return nil
	}
	var n int
	if !seq.ReadASN1Integer(&n) {
		return wire.ErrInvalid
	}
	if n != keySize {
		return errKeyLength
	}
	return nil
}

// readPBKDF2 reads PBKDF2-params (RFC 8018 appendix A.2).
func readPBKDF2(s *cryptobyte.String, keySize int) (kdf, error) {
	malformed := func(err error) (kdf, error) { return nil, &MalformedError{What: pkcs8Encrypted, Err: err} }
	var seq, salt cryptobyte.String
	var rounds uint64
	if !s.ReadASN1(&seq, asn1.SEQUENCE) || !s.Empty() ||
		!seq.ReadASN1(&salt, asn1.OCTET_STRING) || !seq.ReadASN1Integer(&rounds) {
		return malformed(wire.ErrInvalid)
	}
	if err := readKeyLength(&seq, keySize); err != nil {
		return malformed(err)
	}
	prf := defaultPRF
	if !seq.Empty() {
		var parameters cryptobyte.String
		var ok bool
		if prf, parameters, ok = readAlgorithm(&seq); !ok || !seq.Empty() {
			return malformed(wire.ErrInvalid)
		}
		if !parameters.Empty() && (!parameters.SkipASN1(asn1.NULL) || !parameters.Empty()) {
			return malformed(errParameters)
		}
	}
	h := pbkdf2Hashes[prf]
	if h == nil {
		return nil, &UnsupportedError{What: "PBKDF2 function of a private key", Name: prf}
	}
	return newPBKDF2(salt, rounds, h)
}

// readScrypt reads scrypt-params (RFC 7914 section 7.1).
func readScrypt(s *cryptobyte.String, keySize int) (kdf, error) {
	malformed := func(err error) (kdf, error) { return nil, &MalformedError{What: pkcs8Encrypted, Err: err} }
	var seq, salt cryptobyte.String
	var n, r, p uint64
	if !s.ReadASN1(&seq, asn1.SEQUENCE) || !s.Empty() ||
		!seq.ReadASN1(&salt, asn1.OCTET_STRING) ||
		!seq.ReadASN1Integer(&n) || !seq.ReadASN1Integer(&r) || !seq.ReadASN1Integer(&p) {
		return malformed(wire.ErrInvalid)
	}
	if err := readKeyLength(&seq, keySize); err != nil {
		return malformed(err)
	}
	if !seq.Empty() {
		return malformed(wire.ErrTrailing)
	}
	return newScrypt(salt, n, r, p)
}
