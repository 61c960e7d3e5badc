package sntrup761

const (
	p = 761
	q = 4591
	w = 286
)

// A ringQ is an element of R/q, where R is Z[x]/(x^p - x - 1), from the
// constant term up. Coefficients are from -(q-1)/2 to (q-1)/2.
type ringQ [p]int16

// A small is an element of R whose coefficients are -1, 0 and 1; it stands for
// an element of R/3 too.
type small [p]int8

// modQ returns the representative of x of least magnitude. It holds for x
// below 2^27 in magnitude, where the quotient's error is below the distance
// 1/2q that x/q has from what lies halfway between integers.
func modQ(x int32) int16 {
	const shift = 40
	const inverse = (1<<shift + q/2) / q
	return int16(int64(x) - q*((int64(x)*inverse+1<<(shift-1))>>shift))
}

// mod3 returns x modulo 3 as -1, 0 or 1, for x below 2^14 in magnitude.
func mod3(x int32) int8 { return int8(x - 3*((x*10923+1<<14)>>15)) }

// mod3Triple returns 3a, reduced modulo q and then modulo 3.
func mod3Triple(a ringQ) (out small) {
	for i, x := range a {
		out[i] = mod3(int32(modQ(3 * int32(x))))
	}
	return out
}

// Products of polynomials are computed with two coefficients in a word, x +
// y*2^21: a sum of products of such words holds the three sums of products that
// it is made of, as long as each is below 2^20 in magnitude. Sums in
// between may overflow, since all is exact modulo 2^64.
const (
	slot  = 21
	words = 384 // (p+1)/2, rounded up to 24 times a power of two
)

type (
	packed  [words]uint64
	product [2 * words]uint64
)

func pack[T int8 | int16](a *[p]T) (out packed) {
	for i := range p / 2 {
		out[i] = uint64(int64(a[2*i]) + int64(a[2*i+1])<<slot)
	}
	out[p/2] = uint64(int64(a[p-1]))
	return out
}

// mulPacked returns a times b, modulo x^p - x - 1, with coefficients that are
// not reduced.
func mulPacked(a, b *packed) (out [p]int32) {
	var ab product
	var scratch [4 * words]uint64
	karatsuba(ab[:], a[:], b[:], scratch[:])
	var c [2*p + 3]int32
	for i, x := range ab[:p] {
		even := int64(x) << (64 - slot) >> (64 - slot)
		rest := (int64(x) - even) >> slot
		odd := rest << (64 - slot) >> (64 - slot)
		c[2*i] += int32(even)
		c[2*i+1] = int32(odd)
		c[2*i+2] = int32((rest - odd) >> slot)
	}
	copy(out[:], c[:p])
	for i, x := range c[p : 2*p-1] { // x^p is x + 1
		out[i] += x
		out[i+1] += x
	}
	return out
}

// mulShort returns a*b, where b has at most 2^20/(q/2) = 456 coefficients that
// are not zero.
func mulShort(a *ringQ, b *small) (out ringQ) {
	pa, pb := pack((*[p]int16)(a)), pack((*[p]int8)(b))
	for i, x := range mulPacked(&pa, &pb) {
		out[i] = modQ(x)
	}
	return out
}

// mulDense returns a*b. It multiplies by the halves of b, which are short.
func mulDense(a *ringQ, b *small) (out ringQ) {
	var low, high small
	copy(low[:p/2], b[:])
	copy(high[p/2:], b[p/2:])
	x, y := mulShort(a, &low), mulShort(a, &high)
	for i := range out {
		out[i] = modQ(int32(x[i]) + int32(y[i]))
	}
	return out
}

// mul3 returns a*b in R/3.
func mul3(a, b *small) (out small) {
	pa, pb := pack((*[p]int8)(a)), pack((*[p]int8)(b))
	for i, x := range mulPacked(&pa, &pb) {
		out[i] = mod3(x)
	}
	return out
}

const schoolbookSize = 24

// karatsuba sets out to the product of the polynomials a and b, of equal
// length, modulo 2^64. Scratch is four times as long as a.
func karatsuba(out, a, b, scratch []uint64) {
	n := len(a)
	if n == schoolbookSize {
		schoolbook((*[2 * schoolbookSize]uint64)(out), (*[schoolbookSize]uint64)(a), (*[schoolbookSize]uint64)(b))
		return
	}
	h := n / 2
	sumA, sumB, mid, rest := scratch[:h], scratch[h:n], scratch[n:2*n], scratch[2*n:]
	a0, a1, b0, b1 := a[:h], a[h:n], b[:h], b[h:n]
	for i := range sumA {
		sumA[i] = a0[i] + a1[i]
		sumB[i] = b0[i] + b1[i]
	}
	karatsuba(mid, sumA, sumB, rest)
	karatsuba(out[:n], a0, b0, rest)
	karatsuba(out[n:2*n], a1, b1, rest)
	low, high := out[:n], out[n:2*n]
	for i := range mid {
		mid[i] -= low[i] + high[i]
	}
	to := out[h:][:len(mid)]
	for i, x := range mid {
		to[i] += x
	}
}

// schoolbook sets out to a*b, four rows at a time.
func schoolbook(out *[2 * schoolbookSize]uint64, a, b *[schoolbookSize]uint64) {
	clear(out[:])
	for i := 0; i < schoolbookSize; i += 4 {
		a0, a1, a2, a3 := a[i], a[i+1], a[i+2], a[i+3]
		var b1, b2, b3 uint64
		row := out[i : i+schoolbookSize+3 : i+schoolbookSize+3]
		for j, b0 := range b {
			row[j] += a0*b0 + a1*b1 + a2*b2 + a3*b3
			b1, b2, b3 = b0, b1, b2
		}
		row[schoolbookSize] += a1*b1 + a2*b2 + a3*b3
		row[schoolbookSize+1] += a2*b1 + a3*b2
		row[schoolbookSize+2] += a3 * b1
	}
}
