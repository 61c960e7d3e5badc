package sntrup761

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRadixSizes(t *testing.T) {
	for _, tc := range []struct {
		levels []level
		size   int
	}{{ringLevels, EncapsulationKeySize}, {roundedLevels, roundedSize}} {
		last := tc.levels[len(tc.levels)-1]
		require.Equal(t, 1, last.n)
		require.Equal(t, tc.size, last.at+last.bytes)
	}
}

func TestCodecsRoundTrip(t *testing.T) {
	r := seeded()
	for n := range 20 {
		a, s := someRing(r), someSmall(r)
		for i := range a {
			switch n {
			case 0:
				a[i], s[i] = q/2, 1
			case 1:
				a[i], s[i] = -q/2, -1
			case 2:
				a[i], s[i] = 0, 0
			}
		}
		b := make([]byte, EncapsulationKeySize)
		encodeRing(b, &a)
		require.Equal(t, a, decodeRing(b))

		rounded := make([]byte, roundedSize)
		encodeRounded(rounded, &a)
		for i, x := range decodeRounded(rounded) {
			require.LessOrEqual(t, max(x-a[i], a[i]-x), int16(1))
			require.Zero(t, x%3)
		}
		require.Equal(t, s, decodeSmall(appendSmall(nil, &s)))
		require.Len(t, appendSmall(nil, &s), smallSize)
	}
}

func TestDivisor(t *testing.T) {
	r := seeded()
	for _, levels := range [][]level{ringLevels, roundedLevels} {
		for _, l := range levels {
			for _, m := range []uint32{l.m, l.last} {
				d := newDivisor(m)
				for range 2000 {
					x := r.Uint32() >> r.IntN(32)
					for _, x := range []uint32{x, x / m * m, x/m*m - 1, 1<<32 - 1} {
						quotient, remainder := d.div(x)
						require.Equal(t, x/m, quotient)
						require.Equal(t, x%m, remainder)
					}
				}
			}
		}
	}
}
