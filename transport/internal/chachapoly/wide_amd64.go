//go:build !purego

package chachapoly

import (
	"crypto/subtle"
	"math/bits"

	"golang.org/x/sys/cpu"
)

// wide tells whether there is AVX-512 with IFMA; like accelerated, it is a variable
// for tests alone.
var wide = accelerated && cpu.X86.HasAVX512 && cpu.X86.HasAVX512IFMA

const (
	// wideUnit is how much xorWide works on at a time.
	wideUnit = 2048
	// wideGroup is the same of polyWide.
	wideGroup = 256
	// wideFrom is the length from which on packets are worth the preparations.
	wideFrom = 2048
)

// A wideStream is the key stream of a long packet. As in stream, the Poly1305 key
// is in what is made first.
type wideStream struct {
	state [16]uint32
	first [wideUnit]byte
}

func (w *wideStream) start(c *Cipher, seq uint32) {
	w.state = c.state(seq)
	xorWide(&w.first[0], &w.state, 1)
}

// xor xors the body of the packet.
func (w *wideStream) xor(body []byte) {
	body = body[subtle.XORBytes(body, body, w.first[skipped:]):]
	if n := len(body) / wideUnit; n > 0 {
		xorWide(&body[0], &w.state, n)
		body = body[n*wideUnit:]
	}
	xorRest(&w.state, body)
}

// tag computes the packet's tag.
func (w *wideStream) tag(packet []byte, tag *[TagSize]byte) {
	m := newMAC((*[32]byte)(w.first[:]))
	n := len(packet) / wideGroup
	m.addWide(packet[:n*wideGroup])
	m.finish(packet[n*wideGroup:], tag)
}

func (c *Cipher) sealWide(seq uint32, packet []byte) {
	var w wideStream
	w.start(c, seq)
	w.xor(packet[lengthSize:])
	w.tag(packet, &c.tag)
}

func (c *Cipher) openWide(seq uint32, packet []byte) bool {
	var w wideStream
	w.start(c, seq)
	var tag [TagSize]byte
	w.tag(packet, &tag)
	if subtle.ConstantTimeCompare(tag[:], c.tag[:]) != 1 {
		return false
	}
	w.xor(packet[lengthSize:])
	return true
}

// addWide adds msg, whose length is a multiple of wideGroup and not 0, to a mac
// that has nothing yet.
func (m *mac) addWide(msg []byte) {
	p := powers(m.words[3], m.words[4])
	var sums [3][8]uint64
	polyWide(&msg[0], len(msg)/wideGroup, &p, &sums)
	var h parts
	for i := range h {
		for _, s := range sums[i] {
			h[i] += s
		}
	}
	h[1] += h[0] >> 44
	h[2] += h[1] >> 44
	h[0], h[1] = h[0]&low44, h[1]&low44
	h[0] += h[2] >> 42 * 5 // 2^130
	h[2] &= low42

	var carry uint64
	m.words[0], carry = bits.Add64(h[0], h[1]<<44, 0)
	m.words[1], carry = bits.Add64(h[1]>>20, h[2]<<24, carry)
	m.words[2] = h[2]>>40 + carry
}

// parts are a number modulo 2^130-5, of 44, 44 and 42 bits, or a few more.
type parts [3]uint64

const low44, low42 = 1<<44 - 1, 1<<42 - 1

// times multiplies two numbers.
func (a *parts) times(b *parts) parts {
	s1, s2 := 20*b[1], 20*b[2] // 2^132 is 20
	hi0, lo0 := sum3(a[0], b[0], a[1], s2, a[2], s1)
	hi1, lo1 := sum3(a[0], b[1], a[1], b[0], a[2], s2)
	hi2, lo2 := sum3(a[0], b[2], a[1], b[1], a[2], b[0])

	lo1, carry := bits.Add64(lo1, hi0<<20|lo0>>44, 0)
	hi1 += carry
	lo2, carry = bits.Add64(lo2, hi1<<20|lo1>>44, 0)
	hi2 += carry
	h0 := lo0&low44 + (hi2<<22|lo2>>42)*5 // 2^130
	return parts{h0 & low44, lo1&low44 + h0>>44, lo2 & low42}
}

// sum3 is a·b + c·d + e·f.
func sum3(a, b, c, d, e, f uint64) (hi, lo uint64) {
	hi, lo = bits.Mul64(a, b)
	hi2, lo2 := bits.Mul64(c, d)
	hi3, lo3 := bits.Mul64(e, f)
	lo, carry := bits.Add64(lo, lo2, 0)
	hi += hi2 + carry
	lo, carry = bits.Add64(lo, lo3, 0)
	return hi + hi3 + carry, lo
}

// put puts a as a factor into p, every stride elements.
func (a *parts) put(p []uint64, stride int) {
	p[0], p[stride], p[2*stride] = a[0], a[1], a[2]
	p[3*stride], p[4*stride] = 20*a[1], 20*a[2]
}

// powers are what polyWide multiplies by: r^16, r^8 and, for eight numbers at once,
// r^8, r^4, r^7, r^3, r^6, r^2, r^5 and r, each as its parts and twenty times the last
// two.
func powers(r0, r1 uint64) (p [2*5 + 5*8]uint64) {
	r := parts{r0 & low44, (r0>>44 | r1<<20) & low44, r1 >> 24}
	power := [9]parts{1: r}
	for i := 2; i <= 8; i++ {
		power[i] = power[i/2].times(&power[i-i/2])
	}
	r16 := power[8].times(&power[8])
	r16.put(p[0:], 1)
	power[8].put(p[5:], 1)
	for lane, n := range [8]int{8, 4, 7, 3, 6, 2, 5, 1} {
		power[n].put(p[10+lane:], 8)
	}
	return p
}
