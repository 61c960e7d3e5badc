package transport

import (
	"encoding/binary"

	"golang.org/x/crypto/chacha20"

	"github.com/fairlead-go/ssh/transport/internal/chachapoly"
)

// chachaCipher is chacha20-poly1305@openssh.com (OpenSSH's
// PROTOCOL.chacha20poly1305). packet_length is encrypted with a key of its
// own; the tag covers the encrypted length and the ciphertext.
type chachaCipher struct {
	payload   *chachapoly.Cipher       // K_2
	lengthKey [chachapoly.KeySize]byte // K_1

	// Scratch space, here because what crosses an interface escapes.
	nonce  [chacha20.NonceSize]byte
	sealed [lengthSize]byte
}

func newChaCha20Poly1305(key, _ []byte) (packetCipher, error) {
	return &chachaCipher{
		payload:   chachapoly.New((*[chachapoly.KeySize]byte)(key[:32])),
		lengthKey: [chachapoly.KeySize]byte(key[32:64]),
	}, nil
}

func (c *chachaCipher) geometry() geometry {
	return geometry{align: 8, clearLength: lengthSize, headSize: lengthSize, tagSize: chachapoly.TagSize}
}

// cryptLength encrypts or decrypts packet_length.
func (c *chachaCipher) cryptLength(seq uint32, length []byte) {
	binary.BigEndian.PutUint32(c.nonce[8:], seq)
	chachapoly.XORKeyStream(&c.lengthKey, &c.nonce, length)
}

func (c *chachaCipher) seal(seq uint32, packet []byte) {
	c.cryptLength(seq, packet[:lengthSize])
	c.payload.Seal(seq, packet)
}

func (c *chachaCipher) openLength(seq uint32, head []byte) uint32 {
	// The tag covers the encrypted length, so head stays as it is.
	copy(c.sealed[:], head)
	c.cryptLength(seq, c.sealed[:])
	return binary.BigEndian.Uint32(c.sealed[:])
}

func (c *chachaCipher) open(seq uint32, packet []byte) bool {
	return c.payload.Open(seq, packet)
}
