package keys

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/des"
	"errors"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// A pbe is a private key in DER, encrypted under a passphrase in one of the
// two ways that PEM files have for it. All that can be checked without the
// passphrase has been.
type pbe struct {
	kdf    kdf
	cipher *pbeCipher
	iv     []byte // one block
	data   []byte // at least one block, and whole ones
}

// A pbeCipher is a block cipher in CBC mode, padded as in RFC 8018 section
// 6.1.1.
type pbeCipher struct {
	dek      string // its name in the DEK-Info header
	oid      string // its name in PKCS #8
	keySize  int
	block    int
	newBlock func(key []byte) (cipher.Block, error)
}

var pbeCiphers = []*pbeCipher{
	{"AES-128-CBC", "2.16.840.1.101.3.4.1.2", 16, aes.BlockSize, aes.NewCipher},
	{"AES-192-CBC", "2.16.840.1.101.3.4.1.22", 24, aes.BlockSize, aes.NewCipher},
	{"AES-256-CBC", "2.16.840.1.101.3.4.1.42", 32, aes.BlockSize, aes.NewCipher},
	{"DES-EDE3-CBC", "1.2.840.113549.3.7", 24, des.BlockSize, des.NewTripleDESCipher},
}

var (
	errIV     = errors.New("initialization vector is not a block long")
	errBlocks = errors.New("encrypted data are not whole blocks")
)

func (p *pbe) check(what string) error {
	var err error
	switch {
	case len(p.iv) != p.cipher.block:
		err = errIV
	case len(p.data) == 0 || len(p.data)%p.cipher.block != 0:
		err = errBlocks
	case len(p.data) > maxDER:
		return &LimitError{What: "bytes in the DER form of a key", Value: uint64(len(p.data)), Max: maxDER}
	}
	if err != nil {
		return &MalformedError{What: what, Err: err}
	}
	return nil
}

// open decrypts the key and hands its plain form to parse.
func (p *pbe) open(passphrase []byte, parse derParser) (*PrivateKey, error) {
	der, err := p.decrypt(passphrase)
	if err != nil {
		return nil, err
	}
	defer clear(der)
	return parse(der)
}

// decrypt returns DER. Nothing authenticates it: a passphrase is wrong unless
// padding and a sequence's length come out right, as they do by chance once in
// some 2^24 times.
func (p *pbe) decrypt(passphrase []byte) ([]byte, error) {
	if len(passphrase) == 0 {
		return nil, &PassphraseNeededError{}
	}
	key, err := p.kdf.derive(passphrase, p.cipher.keySize)
	if err != nil {
		return nil, err
	}
	defer clear(key)
	plain, err := cbcOpen(p.cipher.newBlock, key, p.iv, bytes.Clone(p.data))
	if err != nil {
		return nil, err
	}
	padding := int(plain[len(plain)-1])
	if padding < 1 || padding > p.cipher.block || bytes.Count(plain[len(plain)-padding:], plain[len(plain)-1:]) != padding {
		return nil, ErrWrongPassphrase
	}
	der := plain[:len(plain)-padding]
	in := cryptobyte.String(der)
	if !in.SkipASN1(asn1.SEQUENCE) || !in.Empty() {
		return nil, ErrWrongPassphrase
	}
	return der, nil
}
