package transport

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
	"encoding/binary"
)

// A blockCipher encrypts or decrypts whole blocks, one after the other through
// all packets of a direction.
type blockCipher interface {
	encrypt(b []byte)
	decrypt(b []byte)
}

// macCipher pairs a cipher (aes*-ctr, RFC 4344 section 4; CBC, RFC 4253 section
// 6.3) with a MAC, in one of two orders:
//
//   - encrypt-and-MAC (RFC 4253 section 6.4): everything is encrypted, and the
//     MAC covers the plaintext.
//   - encrypt-then-MAC (OpenSSH's PROTOCOL section 1.5): packet_length stays
//     in the clear, and the MAC covers the length and the ciphertext, so it is
//     verified before anything is decrypted.
type macCipher struct {
	blocks blockCipher
	mac    packetMAC
	geo    geometry
}

// newMACCipher pairs a cipher whose blocks have so many bytes with a MAC.
func newMACCipher(blocks blockCipher, blockSize int, mac packetMAC, method *macMethod) packetCipher {
	_, cbc := blocks.(*cbcCipher)
	geo := geometry{align: blockSize, headSize: blockSize, tagSize: method.size, conceal: cbc}
	if method.etm {
		geo = geometry{align: blockSize, headSize: lengthSize, clearLength: lengthSize, tagSize: method.size}
		if m, ok := mac.(sha256MAC); ok {
			return &pairedCipher{blocks: blocks, mac: m.MAC, geo: geo}
		}
	}
	return &macCipher{blocks: blocks, mac: mac, geo: geo}
}

type ctrCipher struct{ cipher.Stream }

func (c ctrCipher) encrypt(b []byte) { c.XORKeyStream(b, b) }
func (c ctrCipher) decrypt(b []byte) { c.XORKeyStream(b, b) }

func newCTR(block cipher.Block, iv []byte) blockCipher { return ctrCipher{cipher.NewCTR(block, iv)} }

func newAES(key []byte) (cipher.Block, error) { return aes.NewCipher(key) }

func (c *macCipher) geometry() geometry { return c.geo }

// tag is the MAC, as much of it as is sent.
func (c *macCipher) tag(seq uint32, packet []byte) []byte {
	return c.mac.tag(seq, packet)[:c.geo.tagSize]
}

func (c *macCipher) seal(seq uint32, packet []byte) {
	end := len(packet) - c.geo.tagSize
	if c.geo.clearLength > 0 {
		c.blocks.encrypt(packet[lengthSize:end])
		copy(packet[end:], c.tag(seq, packet[:end]))
		return
	}
	copy(packet[end:], c.tag(seq, packet[:end]))
	c.blocks.encrypt(packet[:end])
}

func (c *macCipher) openLength(_ uint32, head []byte) uint32 {
	if c.geo.clearLength == 0 {
		c.blocks.decrypt(head)
	}
	return binary.BigEndian.Uint32(head)
}

func (c *macCipher) open(seq uint32, packet []byte) bool {
	end := len(packet) - c.geo.tagSize
	if c.geo.clearLength > 0 {
		if subtle.ConstantTimeCompare(c.tag(seq, packet[:end]), packet[end:]) != 1 {
			return false
		}
		c.blocks.decrypt(packet[lengthSize:end])
		return true
	}
	c.blocks.decrypt(packet[c.geo.headSize:end])
	return subtle.ConstantTimeCompare(c.tag(seq, packet[:end]), packet[end:]) == 1
}

// spend takes the time that open takes for so many bytes. It ruins them.
func (c *macCipher) spend(b []byte) {
	c.blocks.decrypt(b[:len(b)/c.geo.align*c.geo.align])
	c.mac.tag(0, b)
}
