//go:build !purego

package chachapoly

import (
	"crypto/subtle"
	"encoding/binary"
	"math/bits"
	"sync"

	"golang.org/x/sys/cpu"
)

//go:generate go run -C ../asm ./chachapoly -pkg chachapoly -out ../chachapoly/chachapoly_amd64.s -stubs ../chachapoly/stubs_amd64.go

// accelerated is a variable for tests alone.
var accelerated = cpu.X86.HasAVX2 && cpu.X86.HasBMI2

// unit is how much the assembly works on at a time.
const unit = 512

// A mac is Poly1305 (RFC 8439 section 2.5).
type mac struct {
	// h, which is less than 2^130 and a little, in three parts; r in two, and
	// r[1]*5/4, all for the assembly.
	words [6]uint64
	s     [2]uint64
}

func newMAC(key *[32]byte) (m mac) {
	r0 := binary.LittleEndian.Uint64(key[0:]) & 0x0FFFFFFC0FFFFFFF
	r1 := binary.LittleEndian.Uint64(key[8:]) & 0x0FFFFFFC0FFFFFFC
	m.words = [6]uint64{3: r0, r1, r1 + r1>>2}
	m.s = [2]uint64{binary.LittleEndian.Uint64(key[16:]), binary.LittleEndian.Uint64(key[24:])}
	return m
}

// finish adds the rest of the message and puts the tag into tag.
func (m *mac) finish(rest []byte, tag *[TagSize]byte) {
	if n := len(rest) / 16; n > 0 {
		poly(&rest[0], n, &m.words)
		rest = rest[16*n:]
	}
	if len(rest) > 0 {
		// A short block ends in a 1 where others have it at 2^128. What poly
		// puts there is taken away beforehand.
		var last [16]byte
		copy(last[:], rest)
		last[len(rest)] = 1
		m.words[2]--
		poly(&last[0], 1, &m.words)
	}
	h0, h1, h2 := m.words[0], m.words[1], m.words[2]

	// h - (2^130-5), if that is not negative.
	t0, borrow := bits.Sub64(h0, 1<<64-5, 0)
	t1, borrow := bits.Sub64(h1, 1<<64-1, borrow)
	_, borrow = bits.Sub64(h2, 3, borrow)
	keep := -borrow
	h0 = h0&keep | t0&^keep
	h1 = h1&keep | t1&^keep

	h0, carry := bits.Add64(h0, m.s[0], 0)
	h1, _ = bits.Add64(h1, m.s[1], carry)
	binary.LittleEndian.PutUint64(tag[0:], h0)
	binary.LittleEndian.PutUint64(tag[8:], h1)
}

// A stream is the key stream of a packet. The first unit is made at once, since
// the Poly1305 key is in it (block 0); the rest of it is for the body.
type stream struct {
	state [16]uint32 // RFC 8439 section 2.3
	first [unit]byte
}

// skipped is where in the first unit the body's part begins.
const skipped = 64

func (c *Cipher) stream(seq uint32) (s stream) {
	s.state = c.state(seq)
	xor(&s.first[0], &s.state, 1)
	return s
}

// state is that of a packet's first block.
func (c *Cipher) state(seq uint32) [16]uint32 {
	binary.BigEndian.PutUint32(c.nonce[8:], seq)
	state := [16]uint32{0x61707865, 0x3320646e, 0x79622d32, 0x6b206574}
	for i := range 8 {
		state[4+i] = binary.LittleEndian.Uint32(c.key[4*i:])
	}
	for i := range 3 {
		state[13+i] = binary.LittleEndian.Uint32(c.nonce[4*i:])
	}
	return state
}

func (s *stream) mac() mac { return newMAC((*[32]byte)(s.first[:])) }

// xorFirst xors the beginning of body and returns the rest.
func (s *stream) xorFirst(body []byte) []byte {
	n := subtle.XORBytes(body, body, s.first[skipped:])
	return body[n:]
}

// xorRest xors b, the rest of a packet, with the key stream.
func xorRest(state *[16]uint32, b []byte) {
	if n := len(b) / unit; n > 0 {
		xor(&b[0], state, n)
		b = b[n*unit:]
	}
	if len(b) > 0 {
		var last [unit]byte
		copy(last[:], b)
		xor(&last[0], state, 1)
		copy(b, last[:])
	}
}

// sealFast encrypts a packet without room for a tag, and computes the tag.
func (c *Cipher) sealFast(seq uint32, packet []byte) {
	if wide && len(packet) >= wideFrom {
		c.sealWide(seq, packet)
	} else {
		c.sealInterleaved(seq, packet)
	}
}

// openFast verifies a packet without its tag and then decrypts it.
func (c *Cipher) openFast(seq uint32, packet []byte) bool {
	if wide && len(packet) >= wideFrom {
		return c.openWide(seq, packet)
	}
	return c.openInterleaved(seq, packet)
}

// sealInterleaved does both at once: what is authenticated is behind what is
// encrypted by more than a unit.
func (c *Cipher) sealInterleaved(seq uint32, packet []byte) {
	s := c.stream(seq)
	m := s.mac()
	rest := s.xorFirst(packet[lengthSize:])
	if n := len(rest)/unit - 1; n > 0 {
		xor(&rest[0], &s.state, 1)
		xorPoly(&rest[unit], &s.state, n, &packet[0], &m.words)
		packet, rest = packet[n*unit:], rest[unit+n*unit:]
	}
	xorRest(&s.state, rest)
	m.finish(packet, &c.tag)
}

// ahead is how much of the key stream openInterleaved makes while it authenticates.
// It suffices for packets of the usual size.
const ahead = 64 * unit

var streams = sync.Pool{New: func() any { return new([ahead]byte) }}

// openInterleaved only makes the key stream while it authenticates, and puts that
// to use when the tag is known to be right.
func (c *Cipher) openInterleaved(seq uint32, packet []byte) bool {
	s := c.stream(seq)
	m := s.mac()
	body := packet[lengthSize:]
	n := min((len(body)-min(len(body), unit-skipped))/unit, ahead/unit)
	var made *[ahead]byte
	if n > 0 {
		made = streams.Get().(*[ahead]byte)
		defer streams.Put(made)
		streamPoly(&made[0], &s.state, n, &packet[0], &m.words)
	}
	var tag [TagSize]byte
	m.finish(packet[n*unit:], &tag)
	if subtle.ConstantTimeCompare(tag[:], c.tag[:]) != 1 {
		return false
	}
	rest := s.xorFirst(body)
	if n > 0 {
		mix(&rest[0], &made[0], n)
		rest = rest[n*unit:]
	}
	xorRest(&s.state, rest)
	return true
}
