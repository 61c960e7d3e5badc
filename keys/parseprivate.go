package keys

import (
	"bytes"
	"encoding/pem"
	"errors"

	"github.com/fairlead-go/ssh/wire"
)

const (
	// maxPrivateFile bounds the file of a private key, in bytes, as OpenSSH
	// does.
	maxPrivateFile = 1 << 20
	// maxDER bounds the DER form of a key, in bytes. A private RSA key of
	// MaxRSABits takes 9,300.
	maxDER = 16 << 10
)

// A pemFormat opens the private keys of one type of PEM block.
type pemFormat struct {
	pemType string
	open    blockOpener
}

var pemFormats = []pemFormat{
	{opensshPEMType, withoutHeaders(parseOpenSSH)},
	{"PRIVATE KEY", withoutHeaders(unencrypted(parsePKCS8))},
	{"ENCRYPTED PRIVATE KEY", withoutHeaders(parseEncryptedPKCS8)},
	{"RSA PRIVATE KEY", maybeEncrypted(parsePKCS1)},
	{"EC PRIVATE KEY", maybeEncrypted(parseSEC1)},
}

var (
	errPEM     = errors.New("incomplete or damaged PEM")
	errHeaders = errors.New("unexpected headers in PEM")
)

// ParsePrivateKey opens a private key file of any of these formats:
//
//   - OpenSSH's own, plain or encrypted with any of its ciphers;
//   - PKCS #8 in PEM, plain or encrypted (PBES2 with PBKDF2 or scrypt, and AES
//     or triple DES in CBC mode);
//   - PKCS #1 (RSA) and SEC 1 (ECDSA) in PEM, plain or encrypted as OpenSSL
//     does it (AES or triple DES in CBC mode);
//   - PuTTY's .ppk of version 2 or 3, plain or encrypted, but not by Argon2d.
//
// Text may stand before the key but nothing after it. The passphrase is not
// looked at if the key is not encrypted.
//
// If the key is encrypted and passphrase is empty, the error is a
// [*PassphraseNeededError]; if it does not open the key, [ErrWrongPassphrase].
// Other errors are [ErrUnknownFormat], [*UnknownTypeError],
// [*UnsupportedError], [*LimitError] and [*MalformedError].
//
// What a file asks for to make guesses at its passphrase dear is bounded: the
// dearest that is taken costs some ten seconds of a processor and 256 MiB.
func ParsePrivateKey(data, passphrase []byte) (*PrivateKey, error) {
	if len(data) > maxPrivateFile {
		return nil, &LimitError{What: "bytes in a private key file", Value: uint64(len(data)), Max: maxPrivateFile}
	}
	if bytes.HasPrefix(data, []byte(puttyMagic)) {
		return parsePutty(data, passphrase)
	}
	block, rest := pem.Decode(data)
	if block != nil && block.Type == "EC PARAMETERS" {
		// OpenSSL writes the curve's name in a block of its own before the key.
		data = rest
		block, rest = pem.Decode(data)
	}
	if block == nil && bytes.Contains(data, []byte("-----BEGIN ")) {
		return nil, &MalformedError{What: "private key file", Err: errPEM}
	}
	if block == nil {
		return nil, ErrUnknownFormat
	}
	defer clear(block.Bytes)
	for _, f := range pemFormats {
		if f.pemType != block.Type {
			continue
		}
		if len(bytes.TrimSpace(rest)) > 0 {
			return nil, &MalformedError{What: "private key file", Err: wire.ErrTrailing}
		}
		return f.open(block, passphrase)
	}
	return nil, ErrUnknownFormat
}

type (
	blockOpener func(b *pem.Block, passphrase []byte) (*PrivateKey, error)
	bytesOpener func(der, passphrase []byte) (*PrivateKey, error)
	derParser   func(der []byte) (*PrivateKey, error)
)

func withoutHeaders(open bytesOpener) blockOpener {
	return func(b *pem.Block, passphrase []byte) (*PrivateKey, error) {
		if len(b.Headers) > 0 {
			return nil, &MalformedError{What: "private key file", Err: errHeaders}
		}
		return open(b.Bytes, passphrase)
	}
}

func unencrypted(parse derParser) bytesOpener {
	return func(der, _ []byte) (*PrivateKey, error) { return parse(der) }
}

// maybeEncrypted opens what is encrypted if its headers say so.
func maybeEncrypted(parse derParser) blockOpener {
	return func(b *pem.Block, passphrase []byte) (*PrivateKey, error) {
		if len(b.Headers) == 0 {
			return parse(b.Bytes)
		}
		encrypted, err := parseLegacyPEM(b)
		if err != nil {
			return nil, err
		}
		return encrypted.open(passphrase, parse)
	}
}
