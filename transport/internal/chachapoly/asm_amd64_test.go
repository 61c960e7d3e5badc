//go:build !purego

package chachapoly

import (
	"encoding/hex"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/chacha20"
	"golang.org/x/crypto/poly1305"
)

// TestPortable runs the tests without the assembly, which the machine has.
func TestPortable(t *testing.T) {
	if !accelerated {
		t.Log("there is nothing else here")
	}
	without(t, &accelerated)
}

// TestNarrow runs them without AVX-512.
func TestNarrow(t *testing.T) {
	if !wide {
		t.Log("there is no AVX-512 with IFMA here: what needs that is not tested")
	}
	without(t, &wide)
}

func without(t *testing.T, feature *bool) {
	defer func(was bool) { *feature = was }(*feature)
	*feature = false
	TestSealAndOpen(t)
	TestForged(t)
	TestWycheproof(t)
	TestNoAllocations(t)
}

func unhex(t *testing.T, s string) []byte {
	b, err := hex.DecodeString(s)
	require.NoError(t, err)
	return b
}

// TestPoly1305Vectors are those of RFC 8439 appendix A.3 that try carries and
// the modulus, by way of the assembly.
func TestPoly1305Vectors(t *testing.T) {
	if !accelerated {
		t.Log("there is no such processor here")
		return
	}
	const zero = "00000000000000000000000000000000"
	for _, v := range []struct{ r, s, msg, tag string }{
		{"02000000000000000000000000000000", zero, "ffffffffffffffffffffffffffffffff", "03000000000000000000000000000000"},
		{"02000000000000000000000000000000", "ffffffffffffffffffffffffffffffff", "02000000000000000000000000000000", "03000000000000000000000000000000"},
		{"01000000000000000000000000000000", zero,
			"fffffffffffffffffffffffffffffffff0ffffffffffffffffffffffffffffff11000000000000000000000000000000", "05000000000000000000000000000000"},
		{"01000000000000000000000000000000", zero,
			"fffffffffffffffffffffffffffffffffbfefefefefefefefefefefefefefefe01010101010101010101010101010101", zero},
		{"02000000000000000000000000000000", zero, "fdffffffffffffffffffffffffffffff", "faffffffffffffffffffffffffffffff"},
		{"01000000000000000400000000000000", zero,
			"e33594d7505e43b900000000000000003394d7505e4379cd01000000000000000000000000000000000000000000000001000000000000000000000000000000",
			"14000000000000005500000000000000"},
		{"01000000000000000400000000000000", zero,
			"e33594d7505e43b900000000000000003394d7505e4379cd010000000000000000000000000000000000000000000000", "13000000000000000000000000000000"},
		// RFC 8439 section 2.5.2, whose last block is short.
		{"85d6be7857556d337f4452fe42d506a8", "0103808afb0db2fd4abff6af4149f51b",
			hex.EncodeToString([]byte("Cryptographic Forum Research Group")), "a8061dc1305136c6c22b8baf0c0127a9"},
	} {
		m := newMAC((*[32]byte)(unhex(t, v.r+v.s)))
		var tag [TagSize]byte
		m.finish(unhex(t, v.msg), &tag)
		require.Equal(t, v.tag, hex.EncodeToString(tag[:]))
	}
}

// TestPoly1305Extremes: keys and messages of all ones and zeros, which carry
// the most.
func TestPoly1305Extremes(t *testing.T) {
	if !accelerated {
		t.Log("there is no such processor here")
		return
	}
	fill := func(n int, b byte) []byte {
		s := make([]byte, n)
		for i := range s {
			s[i] = b
		}
		return s
	}
	ends := []byte{0, 1, 0x7f, 0x80, 0xfb, 0xfe, 0xff}
	check := func(key, msg []byte) {
		var want, got [TagSize]byte
		poly1305.Sum(&want, msg, (*[32]byte)(key))
		m := newMAC((*[32]byte)(key))
		rest := msg
		if units := len(msg) / unit; units > 0 { // the interleaved code, too
			s := new(Cipher).stream(0)
			streamPoly(&make([]byte, len(msg))[0], &s.state, units, &msg[0], &m.words)
			rest = msg[units*unit:]
		}
		m.finish(rest, &got)
		require.Equal(t, want, got, "key %x, message %x", key, msg)

		if groups := len(msg) / wideGroup; wide && groups > 0 {
			m := newMAC((*[32]byte)(key))
			m.addWide(msg[:groups*wideGroup])
			m.finish(msg[groups*wideGroup:], &got)
			require.Equal(t, want, got, "key %x, message %x", key, msg)
		}
	}
	for _, k := range ends {
		for _, b := range ends {
			for _, n := range []int{0, 1, 15, 16, 17, 31, 32, 64, 256, 512, 1000, 1024, 5000} {
				check(fill(32, k), fill(n, b))
			}
		}
	}
	for range 2000 { // and each half of a block, and of r, another
		half := func() []byte { return fill(8, ends[rand.IntN(len(ends))]) }
		var msg []byte
		for range 2 * unit / 8 {
			msg = append(msg, half()...)
		}
		check(slices.Concat(half(), half(), half(), half()), msg)
	}
}

// TestStreams: the assembly's key stream is x/crypto's for 32-bit counters
// about to come around, in each of its functions.
func TestStreams(t *testing.T) {
	if !accelerated {
		t.Log("there is no such processor here")
		return
	}
	key := random(KeySize)
	c := New((*[KeySize]byte)(key))
	const n = 8 // a multiple of the wide unit
	for _, counter := range []uint32{0, 1, 7, 1 << 16, 1<<32 - 8*n} {
		s, _ := chacha20.NewUnauthenticatedCipher(key, make([]byte, chacha20.NonceSize))
		s.SetCounter(counter)
		want := make([]byte, n*unit)
		s.XORKeyStream(want, want)
		message := random(n * unit)
		streams := []func(dst []byte, state *[16]uint32){
			func(dst []byte, state *[16]uint32) { xor(&dst[0], state, n) },
			func(dst []byte, state *[16]uint32) { xorPoly(&dst[0], state, n, &message[0], new([6]uint64)) },
			func(dst []byte, state *[16]uint32) { streamPoly(&dst[0], state, n, &message[0], new([6]uint64)) },
		}
		if wide {
			streams = append(streams, func(dst []byte, state *[16]uint32) { xorWide(&dst[0], state, n*unit/wideUnit) })
		}
		for _, f := range streams {
			state := c.stream(0).state
			state[12] = counter
			got := make([]byte, n*unit)
			after := state
			after[12] += 8 * n
			f(got, &state)
			require.Equal(t, want, got)
			require.Equal(t, after, state)
		}
	}
}
