package transport

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
)

// gcmCipher is aes128-gcm@openssh.com and aes256-gcm@openssh.com: RFC 5647 as
// OpenSSH's PROTOCOL section 1.6 adapts it. packet_length travels in the
// clear as additional data. The nonce is the 12-byte derived IV, whose last 8
// bytes count packets (RFC 5647 section 7.1); rekeying long before 2^64
// packets keeps it unique.
type gcmCipher struct {
	aead  cipher.AEAD
	nonce [12]byte
}

func newGCM(key, iv []byte) (packetCipher, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	c := &gcmCipher{aead: aead}
	copy(c.nonce[:], iv)
	return c, nil
}

func (c *gcmCipher) geometry() geometry {
	return geometry{align: aes.BlockSize, clearLength: lengthSize, headSize: lengthSize, tagSize: 16}
}

func (c *gcmCipher) nextNonce() {
	counter := c.nonce[4:]
	binary.BigEndian.PutUint64(counter, binary.BigEndian.Uint64(counter)+1)
}

func (c *gcmCipher) seal(_ uint32, packet []byte) {
	body := packet[lengthSize : len(packet)-16]
	c.aead.Seal(body[:0], c.nonce[:], body, packet[:lengthSize])
	c.nextNonce()
}

func (c *gcmCipher) openLength(_ uint32, head []byte) uint32 {
	return binary.BigEndian.Uint32(head)
}

func (c *gcmCipher) open(_ uint32, packet []byte) bool {
	body := packet[lengthSize:]
	_, err := c.aead.Open(body[:0], c.nonce[:], body, packet[:lengthSize])
	c.nextNonce()
	return err == nil
}
