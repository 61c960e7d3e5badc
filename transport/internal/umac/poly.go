package umac

import (
	"encoding/binary"
	"math/bits"
)

// The second layer, L2-HASH of RFC 4418 section 5.3: a polynomial over the
// values of the first, modulo the largest prime below 2^64. From 16 MiB of
// message on, the prime is the largest below 2^128. No SSH packet is that
// long; it is here so that this package is UMAC for every message.

const (
	l2KeySize = 24
	offset64  = 59  // 2^64 - prime(64)
	offset128 = 159 // 2^128 - prime(128)

	// keyMask clears bits of each half of a key, which keeps products short.
	keyMask = 0x01ffffff01ffffff

	poly64Words = 1 << 17 / 8 // values that the smaller prime is used for
)

type l2Key struct {
	k64    uint64
	hi, lo uint64 // for the larger prime
}

func (k *l2Key) set(b []byte) {
	k.k64 = binary.BigEndian.Uint64(b) & keyMask
	k.hi = binary.BigEndian.Uint64(b[8:]) & keyMask
	k.lo = binary.BigEndian.Uint64(b[16:]) & keyMask
}

// poly is the second layer of one stream, for one message.
type poly struct {
	key *l2Key
	n   int    // values so far
	y   uint64 // modulo prime(64), not reduced, up to poly64Words values

	hi, lo uint64 // modulo prime(128), not reduced, from then on
	first  uint64 // first half of a word of which there is only that: n is odd
}

func newPoly(key *l2Key) poly { return poly{key: key, y: 1} }

func (p *poly) add(v uint64) {
	if p.n < poly64Words {
		p.y = step64(p.key.k64, p.y, v)
	} else {
		p.addLong(v)
	}
	p.n++
}

func (p *poly) addLong(v uint64) {
	if p.n == poly64Words {
		// What there is so far is the first word.
		p.hi, p.lo = step128(p.key, 0, 1, 0, reduce64(p.y))
	}
	if p.n%2 == 0 {
		p.first = v
		return
	}
	p.hi, p.lo = step128(p.key, p.hi, p.lo, p.first, v)
}

// sum returns the 16 bytes that the values were hashed to.
func (p *poly) sum() (hi, lo uint64) {
	if p.n <= poly64Words {
		return 0, reduce64(p.y)
	}
	const end = 0x80 << 56 // marks where the values end; zeros follow
	if p.n%2 == 0 {
		return reduce128(step128(p.key, p.hi, p.lo, end, 0))
	}
	return reduce128(step128(p.key, p.hi, p.lo, p.first, end))
}

// step64 is one step of POLY with 64-bit words (RFC 4418 section 5.3.2). A
// word of 2^64-2^32 or more takes a marker first, which is computed for every
// word and then used or not, so that the time does not tell.
func step64(k, y, m uint64) uint64 {
	marked := mulAdd64(k, y, 1<<64-1-offset64) // prime(64) - 1
	large := isLarge(m)
	return mulAdd64(k, y^(y^marked)&large, m-offset64&large)
}

// isLarge returns all ones if the upper 32 bits of x are, otherwise 0.
func isLarge(x uint64) uint64 { return -((^x>>32 - 1) >> 63) }

// mulAdd64 returns a number congruent to k·y+m modulo prime(64). k is below
// 2^57.
func mulAdd64(k, y, m uint64) uint64 {
	hi, lo := bits.Mul64(k, y) // hi is below 2^57
	lo, c0 := bits.Add64(lo, hi*offset64, 0)
	lo, c1 := bits.Add64(lo, m, 0)
	lo, c2 := bits.Add64(lo, (c0+c1)*offset64, 0)
	return lo + c2*offset64 // lo is less than 2·offset64 where c2 is 1
}

// reduce64 returns y modulo prime(64).
func reduce64(y uint64) uint64 {
	less, notBelow := bits.Add64(y, offset64, 0) // y - prime(64)
	return y ^ (y^less)&-notBelow
}

// step128 is step64 with 128-bit words.
func step128(k *l2Key, hi, lo, mhi, mlo uint64) (uint64, uint64) {
	markedHi, markedLo := mulAdd128(k, hi, lo, 1<<64-1, 1<<64-1-offset128) // prime(128) - 1
	large := isLarge(mhi)
	mlo, borrow := bits.Sub64(mlo, offset128&large, 0)
	return mulAdd128(k, hi^(hi^markedHi)&large, lo^(lo^markedLo)&large, mhi-borrow, mlo)
}

// mulAdd128 returns a number congruent to k·y+m modulo prime(128). Both halves
// of k are below 2^57.
func mulAdd128(k *l2Key, yhi, ylo, mhi, mlo uint64) (hi, lo uint64) {
	// r3..r0 = k·y; r3 is below 2^57.
	r1, r0 := bits.Mul64(k.lo, ylo)
	r3, r2 := bits.Mul64(k.hi, yhi)
	h, l := bits.Mul64(k.lo, yhi)
	r1, c := bits.Add64(r1, l, 0)
	r2, c = bits.Add64(r2, h, c)
	r3 += c
	h, l = bits.Mul64(k.hi, ylo)
	r1, c = bits.Add64(r1, l, 0)
	r2, c = bits.Add64(r2, h, c)
	r3 += c

	// r2..r0 = r1,r0 + (r3,r2)·offset + m
	over, l3 := bits.Mul64(r3, offset128)
	h2, l2 := bits.Mul64(r2, offset128)
	r0, c = bits.Add64(r0, l2, 0)
	r1, c = bits.Add64(r1, h2, c)
	over += c
	r1, c = bits.Add64(r1, l3, 0)
	over += c
	r0, c = bits.Add64(r0, mlo, 0)
	r1, c = bits.Add64(r1, mhi, c)
	over += c

	r0, c = bits.Add64(r0, over*offset128, 0)
	r1, c = bits.Add64(r1, 0, c)
	return r1, r0 + c*offset128 // r0 is small where c is 1
}

// reduce128 returns a number modulo prime(128).
func reduce128(hi, lo uint64) (uint64, uint64) {
	lessLo, c := bits.Add64(lo, offset128, 0)
	lessHi, notBelow := bits.Add64(hi, 0, c)
	return hi ^ (hi^lessHi)&-notBelow, lo ^ (lo^lessLo)&-notBelow
}
