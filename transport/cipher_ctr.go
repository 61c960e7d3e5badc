package transport

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
	"encoding/binary"
)

// macCipher pairs a stream cipher (aes*-ctr, RFC 4344 section 4) with a MAC,
// in one of two orders:
//
//   - encrypt-and-MAC (RFC 4253 section 6.4): everything is encrypted, and the
//     MAC covers the plaintext.
//   - encrypt-then-MAC (OpenSSH's PROTOCOL section 1.5): packet_length stays
//     in the clear, and the MAC covers the length and the ciphertext, so it is
//     verified before anything is decrypted.
type macCipher struct {
	stream cipher.Stream
	mac    packetMAC
	size   int // of mac's tags
	etm    bool
}

func newCTR(key, iv []byte) (cipher.Stream, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewCTR(block, iv), nil
}

func newMACCipher(stream cipher.Stream, mac packetMAC, size int, etm bool) packetCipher {
	return &macCipher{stream: stream, mac: mac, size: size, etm: etm}
}

func (c *macCipher) geometry() geometry {
	if c.etm {
		return geometry{align: aes.BlockSize, clearLength: lengthSize, headSize: lengthSize, tagSize: c.size}
	}
	return geometry{align: aes.BlockSize, headSize: aes.BlockSize, tagSize: c.size}
}

func (c *macCipher) seal(seq uint32, packet []byte) {
	end := len(packet) - c.size
	if c.etm {
		c.stream.XORKeyStream(packet[lengthSize:end], packet[lengthSize:end])
		copy(packet[end:], c.mac.tag(seq, packet[:end]))
		return
	}
	copy(packet[end:], c.mac.tag(seq, packet[:end]))
	c.stream.XORKeyStream(packet[:end], packet[:end])
}

func (c *macCipher) openLength(_ uint32, head []byte) uint32 {
	if !c.etm {
		c.stream.XORKeyStream(head, head)
	}
	return binary.BigEndian.Uint32(head)
}

func (c *macCipher) open(seq uint32, packet []byte) bool {
	end := len(packet) - c.size
	if c.etm {
		if subtle.ConstantTimeCompare(c.mac.tag(seq, packet[:end]), packet[end:]) != 1 {
			return false
		}
		c.stream.XORKeyStream(packet[lengthSize:end], packet[lengthSize:end])
		return true
	}
	rest := packet[aes.BlockSize:end]
	c.stream.XORKeyStream(rest, rest)
	return subtle.ConstantTimeCompare(c.mac.tag(seq, packet[:end]), packet[end:]) == 1
}
