package keys

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/des"
	"crypto/subtle"
	"errors"

	"golang.org/x/crypto/chacha20"
	"golang.org/x/crypto/poly1305"
)

// An opensshCipher is one way to encrypt the private section of an
// openssh-key-v1 file.
type opensshCipher struct {
	name            string
	block           int // the section's length is a multiple of it
	keySize, ivSize int // 0 for no encryption
	tagSize         int // of what stands after the section, 0 for none
	readOnly        bool
	// seal and open work in place where they can. seal returns the section
	// encrypted, with the tag after it; open takes that and returns the
	// section, or errTag.
	seal, open func(key, iv, section []byte) ([]byte, error)
}

// The first is no encryption, the second the default.
var opensshCiphers = []*opensshCipher{
	{name: "none", block: 8},
	{name: "aes256-ctr", block: 16, keySize: 32, ivSize: 16, seal: aesCTR, open: aesCTR},
	{name: "aes192-ctr", block: 16, keySize: 24, ivSize: 16, seal: aesCTR, open: aesCTR},
	{name: "aes128-ctr", block: 16, keySize: 16, ivSize: 16, seal: aesCTR, open: aesCTR},
	{name: "aes256-cbc", block: 16, keySize: 32, ivSize: 16, seal: aesCBCSeal, open: aesCBCOpen},
	{name: "aes192-cbc", block: 16, keySize: 24, ivSize: 16, seal: aesCBCSeal, open: aesCBCOpen},
	{name: "aes128-cbc", block: 16, keySize: 16, ivSize: 16, seal: aesCBCSeal, open: aesCBCOpen},
	{name: "3des-cbc", block: 8, keySize: 24, ivSize: 8, open: tripleDESCBCOpen, readOnly: true},
	{name: "aes256-gcm@openssh.com", block: 16, keySize: 32, ivSize: 12, tagSize: 16, seal: aesGCMSeal, open: aesGCMOpen},
	{name: "aes128-gcm@openssh.com", block: 16, keySize: 16, ivSize: 12, tagSize: 16, seal: aesGCMSeal, open: aesGCMOpen},
	// Of its 64 bytes of key, the second half is for packet lengths.
	{name: "chacha20-poly1305@openssh.com", block: 8, keySize: 64, tagSize: poly1305.TagSize, seal: chachaSeal, open: chachaOpen},
}

var (
	plainCipher   = opensshCiphers[0]
	defaultCipher = opensshCiphers[1]
)

var (
	errTag                     = errors.New("authentication tag is wrong")
	errCipherWithoutPassphrase = errors.New("keys: a cipher is named but there is no passphrase")
)

func lookupOpenSSHCipher(name string) *opensshCipher {
	for _, c := range opensshCiphers {
		if c.name == name {
			return c
		}
	}
	return nil
}

// cipher returns the one to write with.
func (o *MarshalOptions) cipher() (*opensshCipher, error) {
	switch {
	case len(o.Passphrase) == 0 && o.Cipher == "":
		return plainCipher, nil
	case len(o.Passphrase) == 0:
		return nil, errCipherWithoutPassphrase
	case o.Cipher == "":
		return defaultCipher, nil
	}
	if c := lookupOpenSSHCipher(o.Cipher); c != nil && c != plainCipher && !c.readOnly {
		return c, nil
	}
	return nil, &UnsupportedError{What: "cipher to write a private key with", Name: o.Cipher}
}

// encrypt returns section, which it may overwrite, sealed under a passphrase.
func (c *opensshCipher) encrypt(passphrase, salt []byte, rounds int, section []byte) ([]byte, error) {
	secret := bcryptPBKDF(passphrase, salt, rounds, c.keySize+c.ivSize)
	defer clear(secret)
	return c.seal(secret[:c.keySize], secret[c.keySize:], section)
}

// decrypt opens sealed, which it may overwrite. A tag that is wrong is
// [ErrWrongPassphrase], for nothing tells a wrong key from changed bytes.
func (c *opensshCipher) decrypt(passphrase, salt []byte, rounds int, sealed []byte) ([]byte, error) {
	secret := bcryptPBKDF(passphrase, salt, rounds, c.keySize+c.ivSize)
	defer clear(secret)
	section, err := c.open(secret[:c.keySize], secret[c.keySize:], sealed)
	if errors.Is(err, errTag) {
		return nil, ErrWrongPassphrase
	}
	if err != nil {
		return nil, malformedPrivate(err)
	}
	return section, nil
}

func aesCTR(key, iv, section []byte) ([]byte, error) {
	b, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	cipher.NewCTR(b, iv).XORKeyStream(section, section)
	return section, nil
}

func aesCBCSeal(key, iv, section []byte) ([]byte, error) {
	b, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	cipher.NewCBCEncrypter(b, iv).CryptBlocks(section, section)
	return section, nil
}

func aesCBCOpen(key, iv, section []byte) ([]byte, error) {
	return cbcOpen(aes.NewCipher, key, iv, section)
}

func tripleDESCBCOpen(key, iv, section []byte) ([]byte, error) {
	return cbcOpen(des.NewTripleDESCipher, key, iv, section)
}

// cbcOpen decrypts b, which must be of whole blocks, in place.
func cbcOpen(newCipher func(key []byte) (cipher.Block, error), key, iv, b []byte) ([]byte, error) {
	block, err := newCipher(key)
	if err != nil {
		return nil, err
	}
	cipher.NewCBCDecrypter(block, iv).CryptBlocks(b, b)
	return b, nil
}

func newGCM(key []byte) (cipher.AEAD, error) {
	b, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(b)
}

func aesGCMSeal(key, iv, section []byte) ([]byte, error) {
	aead, err := newGCM(key)
	if err != nil {
		return nil, err
	}
	return aead.Seal(nil, iv, section, nil), nil
}

func aesGCMOpen(key, iv, sealed []byte) ([]byte, error) {
	aead, err := newGCM(key)
	if err != nil {
		return nil, err
	}
	section, err := aead.Open(sealed[:0], iv, sealed, nil)
	if err != nil {
		return nil, errTag
	}
	return section, nil
}

// newChaCha returns the stream that encrypts, from its second block on, and
// the authenticator's key, which is its first block: the construction of the
// transport cipher, for a packet of sequence number 0 without its length.
func newChaCha(key []byte) (*chacha20.Cipher, *[32]byte, error) {
	stream, err := chacha20.NewUnauthenticatedCipher(key[:chacha20.KeySize], make([]byte, chacha20.NonceSize))
	if err != nil {
		return nil, nil, err
	}
	var once [32]byte
	stream.XORKeyStream(once[:], once[:])
	stream.SetCounter(1)
	return stream, &once, nil
}

func chachaSeal(key, _, section []byte) ([]byte, error) {
	stream, once, err := newChaCha(key)
	if err != nil {
		return nil, err
	}
	stream.XORKeyStream(section, section)
	var tag [poly1305.TagSize]byte
	poly1305.Sum(&tag, section, once)
	return append(section, tag[:]...), nil
}

func chachaOpen(key, _, sealed []byte) ([]byte, error) {
	stream, once, err := newChaCha(key)
	if err != nil {
		return nil, err
	}
	section, tag := sealed[:len(sealed)-poly1305.TagSize], sealed[len(sealed)-poly1305.TagSize:]
	var want [poly1305.TagSize]byte
	poly1305.Sum(&want, section, once)
	if subtle.ConstantTimeCompare(want[:], tag) != 1 {
		return nil, errTag
	}
	stream.XORKeyStream(section, section)
	return section, nil
}
