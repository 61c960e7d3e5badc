package keys

import (
	"crypto/aes"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"strings"
)

const legacyPEM = "encrypted PEM private key"

var errProcType = errors.New("Proc-Type is not 4,ENCRYPTED")

// parseLegacyPEM reads the headers that OpenSSL writes in the manner of RFC 1421
// section 4.6.1: the cipher and, in hexadecimal, its initialization vector,
// which is the salt of its key too.
func parseLegacyPEM(block *pem.Block) (*pbe, error) {
	if len(block.Headers) > 2 {
		return nil, &MalformedError{What: legacyPEM, Err: errHeaders}
	}
	if version, kind, _ := strings.Cut(block.Headers["Proc-Type"], ","); strings.TrimSpace(version) != "4" || strings.TrimSpace(kind) != "ENCRYPTED" {
		return nil, &MalformedError{What: legacyPEM, Err: errProcType}
	}
	name, text, _ := strings.Cut(block.Headers["DEK-Info"], ",")
	p := &pbe{data: block.Bytes}
	for _, c := range pbeCiphers {
		if c.dek == name {
			p.cipher = c
		}
	}
	if p.cipher == nil {
		return nil, &UnsupportedError{What: "cipher of a private key", Name: name}
	}
	if len(text) > 2*aes.BlockSize {
		return nil, &MalformedError{What: legacyPEM, Err: errIV}
	}
	var err error
	if p.iv, err = hex.DecodeString(text); err != nil {
		return nil, &MalformedError{What: legacyPEM, Err: err}
	}
	if err := p.check(legacyPEM); err != nil {
		return nil, err
	}
	const salt = 8 // bytes, whatever the cipher's block
	p.kdf = &md5KDF{salt: p.iv[:salt]}
	return p, nil
}
