// Package chachapoly encrypts and authenticates the packets of
// chacha20-poly1305@openssh.com (OpenSSH's PROTOCOL.chacha20poly1305), all but
// their lengths.
//
// The construction predates RFC 8439: a 64-bit nonce, the packet's sequence
// number, with a 64-bit block counter that gives the Poly1305 key at 0 and the
// key stream from 1 on. That is RFC 8439's layout with a nonce of four zero bytes
// and the sequence number in eight. But the tag covers the encrypted
// packet_length and the ciphertext, one after the other, and nothing else.
//
// On amd64 there is assembly (../asm/chachapoly): with AVX2 and BMI2 it computes
// both at once, with AVX-512 and IFMA one after the other where a packet is long,
// which is twice as fast. Build tag purego leaves it out. Elsewhere it is
// golang.org/x/crypto's ChaCha20 and then its Poly1305.
//
// No way has a branch or an index that depends on a secret.
package chachapoly

import (
	"encoding/binary"

	"golang.org/x/crypto/chacha20"
	//lint:ignore SA1019 the construction is not RFC 8439's: it needs the bare authenticator
	"golang.org/x/crypto/poly1305"
)

const (
	// KeySize is the size of a key, in bytes.
	KeySize = chacha20.KeySize
	// TagSize is the size of a tag, in bytes.
	TagSize = poly1305.TagSize
	// lengthSize is how much of a packet is encrypted already.
	lengthSize = 4
)

// A Cipher seals and opens packets. It is for one goroutine at a time.
type Cipher struct {
	key [KeySize]byte

	nonce [chacha20.NonceSize]byte // zeros, then the packet's sequence number

	// Scratch space, here so that nothing is allocated for it.
	polyKey [32]byte
	tag     [TagSize]byte
}

// New returns a Cipher.
func New(key *[KeySize]byte) *Cipher { return &Cipher{key: *key} }

// Seal encrypts a packet in place. Its first four bytes, the length, are sealed
// already; its last TagSize bytes are room for the tag.
func (c *Cipher) Seal(seq uint32, packet []byte) {
	end := len(packet) - TagSize
	if accelerated {
		c.sealFast(seq, packet[:end])
	} else {
		s := c.start(seq)
		s.XORKeyStream(packet[lengthSize:end], packet[lengthSize:end])
		poly1305.Sum(&c.tag, packet[:end], &c.polyKey)
	}
	copy(packet[end:], c.tag[:])
}

// Open verifies a sealed packet and then decrypts it in place. When it returns
// false nothing was decrypted.
func (c *Cipher) Open(seq uint32, packet []byte) bool {
	end := len(packet) - TagSize
	copy(c.tag[:], packet[end:])
	if accelerated {
		return c.openFast(seq, packet[:end])
	}
	s := c.start(seq)
	if !poly1305.Verify(&c.tag, packet[:end], &c.polyKey) {
		return false
	}
	s.XORKeyStream(packet[lengthSize:end], packet[lengthSize:end])
	return true
}

// start derives the packet's Poly1305 key, and returns the cipher for its body.
func (c *Cipher) start(seq uint32) chacha20.Cipher {
	binary.BigEndian.PutUint32(c.nonce[8:], seq)
	s := newStream(&c.key, &c.nonce)
	clear(c.polyKey[:])
	s.XORKeyStream(c.polyKey[:], c.polyKey[:])
	s.SetCounter(1)
	return s
}

// XORKeyStream encrypts b, which is short, with ChaCha20 from block 0 on.
func XORKeyStream(key *[KeySize]byte, nonce *[chacha20.NonceSize]byte, b []byte) {
	s := newStream(key, nonce)
	s.XORKeyStream(b, b)
}

func newStream(key *[KeySize]byte, nonce *[chacha20.NonceSize]byte) chacha20.Cipher {
	// It cannot fail: both sizes are right by type.
	s, err := chacha20.NewUnauthenticatedCipher(key[:], nonce[:])
	if err != nil {
		panic("chachapoly: " + err.Error())
	}
	return *s // a pointer would be allocated
}
