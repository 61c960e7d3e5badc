package sntrup761

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// plainMul multiplies by the definition, modulo m, with results from 0.
func plainMul[T, U int8 | int16](a *[p]T, b *[p]U, m int) (out [p]int) {
	var c [2 * p]int
	for i, x := range a {
		for j, y := range b {
			c[i+j] += int(x) * int(y)
		}
	}
	for i := 2*p - 1; i >= p; i-- {
		c[i-p] += c[i]
		c[i-p+1] += c[i]
	}
	for i := range out {
		out[i] = ((c[i] % m) + m) % m
	}
	return out
}

func canonical[T int8 | int16](t *testing.T, a *[p]T, m int) (out [p]int) {
	for i, x := range a {
		require.LessOrEqual(t, int(x), m/2)
		require.GreaterOrEqual(t, int(x), -(m / 2))
		out[i] = (int(x) + m) % m
	}
	return out
}

func someRing(r *rand.Rand) (a ringQ) {
	for i := range a {
		a[i] = int16(r.IntN(q) - q/2)
	}
	return a
}

func someSmall(r *rand.Rand) (a small) {
	for i := range a {
		a[i] = int8(r.IntN(3) - 1)
	}
	return a
}

func seeded() *rand.Rand { return rand.New(rand.NewPCG(1, 2)) }

func words32(r *rand.Rand) source {
	return func(b []byte) {
		for i := range b {
			b[i] = byte(r.Uint32())
		}
	}
}

// Products of what makes sums largest come with those of random polynomials.
func TestProducts(t *testing.T) {
	r := seeded()
	for n := range 12 {
		a, b, s := someRing(r), someSmall(r), randomShort(words32(r))
		e := someSmall(r)
		if n < 4 { // all signs alike, and all alternating
			for i := range a {
				sign := 1 - 2*(i*(n%2)%2)
				a[i] = int16(q / 2 * sign)
				b[i], e[i] = int8(sign), int8(sign)
				s[i] = 0
				if i >= p-w {
					s[i] = int8(sign * (1 - n/2*2))
				}
			}
		}
		got := mulShort(&a, &s)
		require.Equal(t, plainMul((*[p]int16)(&a), (*[p]int8)(&s), q), canonical(t, (*[p]int16)(&got), q))
		got = mulDense(&a, &b)
		require.Equal(t, plainMul((*[p]int16)(&a), (*[p]int8)(&b), q), canonical(t, (*[p]int16)(&got), q))
		got3 := mul3(&e, &b)
		require.Equal(t, plainMul((*[p]int8)(&e), (*[p]int8)(&b), 3), canonical(t, (*[p]int8)(&got3), 3))
	}
}

func TestReductions(t *testing.T) {
	for x := int32(-1 << 21); x <= 1<<21; x++ {
		got := int32(modQ(x))
		if got < -q/2 || got > q/2 || (x-got)%q != 0 {
			t.Fatal(x, got)
		}
	}
	for _, x := range []int32{1<<27 - 1, -1<<27 + 1, 1 << 26, -1 << 26} {
		for x := x - q; x < x+q && x < 1<<27; x++ {
			got := int32(modQ(x))
			if got < -q/2 || got > q/2 || (x-got)%q != 0 {
				t.Fatal(x, got)
			}
			if x%q == 0 {
				break
			}
		}
	}
	for x := int32(-1<<14 + 1); x < 1<<14; x++ {
		got := int32(mod3(x))
		if got < -1 || got > 1 || (x-got)%3 != 0 {
			t.Fatal(x, got)
		}
	}
	check := func(x uint32) {
		if reduce(x) != x%q {
			t.Fatal(x)
		}
	}
	r := seeded()
	for range 1 << 20 {
		check(r.Uint32() >> 1)
	}
	for k := uint32(0); k < 1<<31-q; k += q { // where floors change
		check(k)
		check(k + q - 1)
	}
	check(1<<31 - 1)
	for range 1 << 20 {
		x := r.Uint64()
		y := reduceLanes(x)
		for _, l := range [][2]uint32{{uint32(x), uint32(y)}, {uint32(x >> 32), uint32(y >> 32)}} {
			if l[0]%q != l[1]%q || l[1] >= 1<<18+5*q {
				t.Fatal(l)
			}
		}
	}
	require.Less(t, uint64(q-1+q)*(1<<18+5*q), uint64(1)<<32, "a division step fits a lane")
	y := reduceLanes(1<<64 - 1)
	require.Equal(t, uint32(1<<32-1)%uint32(q), uint32(y)%q)
	require.Equal(t, uint32(1<<32-1)%uint32(q), uint32(y>>32)%q)
}

func TestScalarInverse(t *testing.T) {
	require.Zero(t, inverse(0))
	for x := uint32(1); x < q; x++ {
		require.Equal(t, uint32(1), x*inverse(x)%q)
	}
}

func TestInverses(t *testing.T) {
	r := seeded()
	one := [p]int{1}
	for range 20 {
		a := someSmall(r)
		inv, ok := invert3(&a)
		require.True(t, ok, "one in 3^19 has none")
		require.Equal(t, one, plainMul((*[p]int8)(&a), (*[p]int8)(&inv), 3))
	}
	// Multiples of the factor of least degree of x^p - x - 1 modulo 3.
	factor := small{1, 1, 0, 1, 1, 1, -1, 1, -1, 1, 0, 1, -1, -1, -1, -1, 1, 0, -1, -1}
	_, ok := invert3(&factor)
	require.False(t, ok)
	for range 5 {
		a := someSmall(r)
		a = mul3(&a, &factor)
		_, ok := invert3(&a)
		require.False(t, ok)
	}

	var zero, constant small
	_, ok = invert3(&zero)
	require.False(t, ok)
	constant[0] = -1
	inv, ok := invert3(&constant)
	require.True(t, ok)
	require.Equal(t, constant, inv)

	for n := range 6 {
		a := randomShort(words32(r))
		switch n {
		case 0:
			a = constant
		case 1: // x to the power of p-1
			a = small{p - 1: 1}
		case 2:
			for i := range a {
				a[i] = 1
			}
		}
		inv := invertTriple(&a)
		canonical(t, (*[p]int16)(&inv), q)
		for i := range a {
			a[i] *= 3
		}
		require.Equal(t, one, plainMul((*[p]int16)(&inv), (*[p]int8)(&a), q), n)
	}
}

func TestSort(t *testing.T) {
	r := seeded()
	for n := range 200 {
		var a [p]uint32
		for i := range a {
			switch n % 4 {
			case 0:
				a[i] = r.Uint32()
			case 1: // zeros and ones, all that a sorting network has to be tried with
				a[i] = r.Uint32N(2) * 0xffffffff
			case 2:
				a[i] = uint32(p-i) << 22
			default:
				a[i] = r.Uint32N(uint32(n))
			}
		}
		want := slices.Sorted(slices.Values(a[:]))
		sort(&a)
		require.Equal(t, want, a[:], n)
	}
}

func TestRandomShort(t *testing.T) {
	r := seeded()
	for range 50 {
		counts := map[int8]int{}
		for _, x := range randomShort(words32(r)) {
			counts[x]++
		}
		require.Equal(t, p-w, counts[0])
		require.Equal(t, w, counts[1]+counts[-1])
		require.Greater(t, min(counts[1], counts[-1]), w/4)
	}
}
