package transport

import (
	"crypto/cipher"
	"encoding/binary"

	"golang.org/x/crypto/chacha20"
	"golang.org/x/crypto/chacha20poly1305"
	//lint:ignore SA1019 OpenSSH's construction is not RFC 8439's: it needs the bare authenticator
	"golang.org/x/crypto/poly1305"
)

// chachaCipher is chacha20-poly1305@openssh.com (OpenSSH's
// PROTOCOL.chacha20poly1305). packet_length is encrypted with a key of its
// own; the tag covers the encrypted length and the ciphertext.
//
// The construction predates RFC 8439: a 64-bit nonce, the sequence number,
// with a 64-bit block counter that gives the Poly1305 key at 0 and the payload
// from 1 on. That is RFC 8439's layout with a nonce of four zero bytes and the
// sequence number in eight, so the payload goes through chacha20poly1305.Seal,
// which has assembly where chacha20 has none. Its tag is dropped: Seal is
// used as the stream cipher, in both directions.
type chachaCipher struct {
	payload cipher.AEAD
	// key[0] is for the payload (K_2), key[1] for the length (K_1).
	payloadKey, lengthKey [chacha20.KeySize]byte

	// Scratch space, here because what crosses an interface escapes.
	nonce   [chacha20.NonceSize]byte
	polyKey [32]byte
	tag     [poly1305.TagSize]byte
	sealed  [lengthSize]byte
}

func newChaCha20Poly1305(key, _ []byte) (packetCipher, error) {
	c := new(chachaCipher)
	copy(c.payloadKey[:], key[:32])
	copy(c.lengthKey[:], key[32:64])
	aead, err := chacha20poly1305.New(c.payloadKey[:])
	if err != nil {
		return nil, err
	}
	c.payload = aead
	return c, nil
}

func (c *chachaCipher) geometry() geometry {
	return geometry{align: 8, clearLength: lengthSize, headSize: lengthSize, tagSize: poly1305.TagSize}
}

// setNonce makes seq the nonce, and derives the packet's Poly1305 key.
func (c *chachaCipher) setNonce(seq uint32) {
	binary.BigEndian.PutUint32(c.nonce[8:], seq)
	clear(c.polyKey[:])
	xorKeyStream(&c.payloadKey, &c.nonce, c.polyKey[:])
}

// cryptLength encrypts or decrypts packet_length.
func (c *chachaCipher) cryptLength(seq uint32, length []byte) {
	binary.BigEndian.PutUint32(c.nonce[8:], seq)
	xorKeyStream(&c.lengthKey, &c.nonce, length)
}

func xorKeyStream(key *[chacha20.KeySize]byte, nonce *[chacha20.NonceSize]byte, b []byte) {
	// Cannot fail: both sizes are right by type.
	s, err := chacha20.NewUnauthenticatedCipher(key[:], nonce[:])
	if err != nil {
		panic("transport: " + err.Error())
	}
	s.XORKeyStream(b, b)
}

func (c *chachaCipher) seal(seq uint32, packet []byte) {
	c.cryptLength(seq, packet[:lengthSize])
	c.setNonce(seq)
	end := len(packet) - poly1305.TagSize
	body := packet[lengthSize:end]
	c.payload.Seal(body[:0], c.nonce[:], body, nil)
	poly1305.Sum(&c.tag, packet[:end], &c.polyKey)
	copy(packet[end:], c.tag[:])
}

func (c *chachaCipher) openLength(seq uint32, head []byte) uint32 {
	// The tag covers the encrypted length, so head stays as it is.
	copy(c.sealed[:], head)
	c.cryptLength(seq, c.sealed[:])
	return binary.BigEndian.Uint32(c.sealed[:])
}

func (c *chachaCipher) open(seq uint32, packet []byte) bool {
	c.setNonce(seq)
	end := len(packet) - poly1305.TagSize
	copy(c.tag[:], packet[end:])
	if !poly1305.Verify(&c.tag, packet[:end], &c.polyKey) {
		return false
	}
	body := packet[lengthSize:end]
	// The stream cipher is its own inverse; Seal's tag lands on the one that
	// was just verified.
	c.payload.Seal(body[:0], c.nonce[:], body, nil)
	return true
}
