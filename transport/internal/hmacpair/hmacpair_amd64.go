//go:build !purego

package hmacpair

import (
	"crypto/fips140"
	"crypto/sha256"
	"encoding/binary"

	"golang.org/x/sys/cpu"
)

//go:generate go run -C ../asm ./hmacpair -pkg hmacpair -out ../hmacpair/hmacpair_amd64.s -stubs ../hmacpair/stubs_amd64.go

// accelerated is a variable for tests alone.
var accelerated = cpu.X86.HasAVX2 && leaf7()>>29&1 == 1 && !fips140.Enabled()

const blockSize = sha256.BlockSize

// state is that of SHA-256 between two blocks.
type state = [8]uint32

// initial is FIPS 180-4 section 5.3.3.
var initial = state{
	0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
}

// A pair has the states of the inner and the outer hash after the key.
type pair struct{ inner, outer state }

func newPair(key []byte) (p pair) {
	if !accelerated {
		return p
	}
	if len(key) > blockSize {
		sum := sha256.Sum256(key)
		key = sum[:]
	}
	var ipad, opad [blockSize]byte
	copy(ipad[:], key)
	copy(opad[:], key)
	for i := range blockSize {
		ipad[i] ^= 0x36
		opad[i] ^= 0x5c
	}
	p.inner, p.outer = initial, initial
	blocks(&p.inner, &p.outer, &ipad[0], &opad[0], 1)
	return p
}

// inFirst is how many bytes of Message.Rest are in the block after the key.
const inFirst = blockSize - 4

// tags puts the tags of two messages into tags. It is false, and does nothing,
// where their blocks are not as many, or few.
func (p *pair) tags(tags *[2][Size]byte, a, b Message) bool {
	n := (len(a.Rest) - inFirst) / blockSize
	if n <= 0 || n != (len(b.Rest)-inFirst)/blockSize {
		return false
	}
	whole := inFirst + n*blockSize
	endA := endingOf(a.Rest[whole:], blockSize+4+len(a.Rest))
	endB := endingOf(b.Rest[whole:], blockSize+4+len(b.Rest))
	if endA.n != endB.n {
		return false
	}
	stateA, stateB := p.inner, p.inner
	firstA, firstB := a.firstBlock(), b.firstBlock()
	blocks(&stateA, &stateB, &firstA[0], &firstB[0], 1)
	blocks(&stateA, &stateB, &a.Rest[inFirst], &b.Rest[inFirst], n)
	blocks(&stateA, &stateB, &endA.b[0], &endB.b[0], endA.n)

	digestA, digestB := digest(&stateA), digest(&stateB)
	endA = endingOf(digestA[:], blockSize+Size)
	endB = endingOf(digestB[:], blockSize+Size)
	stateA, stateB = p.outer, p.outer
	blocks(&stateA, &stateB, &endA.b[0], &endB.b[0], 1)
	tags[0], tags[1] = digest(&stateA), digest(&stateB)
	return true
}

func (m *Message) firstBlock() (b [blockSize]byte) {
	binary.BigEndian.PutUint32(b[:], m.First)
	copy(b[4:], m.Rest)
	return b
}

// An ending is the last block of a message, or the last two: what is left of it, a
// bit of 1, zeros, and how many bits the message has (FIPS 180-4 section 5.1.1).
type ending struct {
	b [2 * blockSize]byte
	n int // blocks
}

// endingOf returns the ending of a message of length bytes.
func endingOf(left []byte, length int) (e ending) {
	copy(e.b[:], left)
	e.b[len(left)] = 0x80
	e.n = 1 + (len(left)+8)/blockSize
	binary.BigEndian.PutUint64(e.b[e.n*blockSize-8:], 8*uint64(length))
	return e
}

// digest returns the hash whose last state s is.
func digest(s *state) (d [Size]byte) {
	for i, word := range s {
		binary.BigEndian.PutUint32(d[4*i:], word)
	}
	return d
}
