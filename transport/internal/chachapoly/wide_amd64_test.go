//go:build !purego

package chachapoly

import (
	"encoding/binary"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/poly1305"
)

var modulus = new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 130), big.NewInt(5))

func (a parts) number() *big.Int {
	n := new(big.Int)
	for i, part := range a {
		n.Add(n, new(big.Int).Lsh(new(big.Int).SetUint64(part), uint(44*i)))
	}
	return n.Mod(n, modulus)
}

// blockNumber is what a block of a message counts.
func blockNumber(block []byte) *big.Int {
	b := slices.Clone(block[:16])
	slices.Reverse(b)
	n := new(big.Int).SetBytes(b)
	return n.SetBit(n, 128, 1)
}

// mostMiddle is the most that the middle part of a product can be: what comes back
// from over 2^130 is carried to it alone.
const mostMiddle = low44 + 31

// extreme returns a number whose parts are at their ends, or any.
func extreme() parts {
	part := func(most uint64) uint64 {
		return []uint64{0, 1, most - 1, most, most, rand.Uint64N(most)}[rand.IntN(6)]
	}
	return parts{part(low44), part(mostMiddle), part(low42)}
}

// TestParts multiplies numbers modulo 2^130-5 as math/big does.
func TestParts(t *testing.T) {
	for range 10_000 {
		a, b := extreme(), extreme()
		product := a.times(&b)
		want := new(big.Int).Mul(a.number(), b.number())
		require.Zero(t, want.Mod(want, modulus).Cmp(product.number()), "%x · %x", a, b)
		require.LessOrEqual(t, product[0], uint64(low44))
		require.LessOrEqual(t, product[1], uint64(mostMiddle))
		require.LessOrEqual(t, product[2], uint64(low42))
	}
}

// TestPolyWide: each of the eight sums is what its blocks make of it, for powers
// and messages at the ends of their ranges.
func TestPolyWide(t *testing.T) {
	if !wide {
		t.Log("there is no such processor here")
		return
	}
	for range 2000 {
		r16, r8 := extreme(), extreme()
		var last [8]parts
		var factors [2*5 + 5*8]uint64
		r16.put(factors[0:], 1)
		r8.put(factors[5:], 1)
		for lane := range last {
			last[lane] = extreme()
			last[lane].put(factors[10+lane:], 8)
		}
		n := 1 + rand.IntN(3)
		var msg []byte
		for range n * wideGroup / 8 {
			word := []uint64{0, 1<<64 - 1, 1<<64 - 1, rand.Uint64()}[rand.IntN(4)]
			msg = binary.LittleEndian.AppendUint64(msg, word)
		}
		var sums [3][8]uint64
		polyWide(&msg[0], n, &factors, &sums)
		for lane, block := range []int{0, 4, 1, 5, 2, 6, 3, 7} {
			var groups [2]*big.Int
			for g := range groups {
				sum := new(big.Int)
				for i := range n {
					sum.Mul(sum, r16.number())
					sum.Add(sum, blockNumber(msg[wideGroup*i+wideGroup/2*g+16*block:]))
				}
				groups[g] = sum
			}
			want := groups[0].Mul(groups[0], r8.number())
			want.Add(want, groups[1]).Mul(want, last[lane].number()).Mod(want, modulus)
			got := parts{sums[0][lane], sums[1][lane], sums[2][lane]}.number()
			require.Zero(t, want.Cmp(got), "%x, not %x", got, want)
		}
	}
}

// TestSumsAroundModulus: with r = 1 the sum of sixteen blocks is made to end a
// little below or above a multiple of 2^130, where carries go through all of it.
func TestSumsAroundModulus(t *testing.T) {
	if !wide {
		t.Log("there is no such processor here")
		return
	}
	key := [32]byte{1}
	over := 0
	for about := int64(-50); about < 150; about++ {
		sum := new(big.Int).Lsh(big.NewInt(16+8), 128) // each block counts 2^128 more
		sum.Sub(sum, big.NewInt(about))
		msg := make([]byte, 0, wideGroup)
		for last := false; !last; {
			msg = msg[:0]
			left := new(big.Int).Set(sum)
			for range 15 {
				msg = binary.LittleEndian.AppendUint64(msg, rand.Uint64())
				msg = binary.LittleEndian.AppendUint64(msg, rand.Uint64())
				left.Sub(left, blockNumber(msg[len(msg)-16:]))
			}
			left.Sub(left, new(big.Int).Lsh(big.NewInt(1), 128))
			if last = left.Sign() >= 0 && left.BitLen() <= 128; last {
				b := left.FillBytes(make([]byte, 16))
				slices.Reverse(b)
				msg = append(msg, b...)
			}
		}
		var want, got [TagSize]byte
		poly1305.Sum(&want, msg, &key)
		m := newMAC(&key)
		m.addWide(msg)
		if m.words[2] > 3 {
			over++
		}
		m.finish(nil, &got)
		require.Equal(t, want, got, "%d", about)
	}
	require.Positive(t, over, "no sum passed 2^130")
}
