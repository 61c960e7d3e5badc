package sntrup761

import "encoding/binary"

func randomWords(random source) (words [p]uint32) {
	var b [4 * p]byte
	random(b[:])
	for i := range words {
		words[i] = binary.LittleEndian.Uint32(b[4*i:])
	}
	clear(b[:])
	return words
}

// randomSmall returns a small polynomial, each coefficient by itself.
func randomSmall(random source) (a small) {
	for i, x := range randomWords(random) {
		a[i] = int8((x&0x3fffffff)*3>>30) - 1
	}
	return a
}

// randomShort returns a small polynomial of weight w: w random words that are
// even and p-w that are 1 modulo 4, in the order that sorting puts them. The
// two low bits less one are the coefficients.
func randomShort(random source) (a small) {
	words := randomWords(random)
	for i := range words {
		if i < w {
			words[i] &^= 1
		} else {
			words[i] = words[i]&^2 | 1
		}
	}
	sort(&words)
	for i, x := range words {
		a[i] = int8(x&3) - 1
	}
	return a
}

// sort sorts by Batcher's merge exchange (Knuth, The Art of Computer
// Programming, volume 3, 5.2.2, Algorithm M): which elements it compares
// depends on their number alone.
func sort(a *[p]uint32) {
	const top = 512 // the largest power of two below p
	for run := top; run > 0; run /= 2 {
		exchange(a, 0, run, run)
		for span := top; span > run; span /= 2 {
			exchange(a, run, run, span-run)
		}
	}
}

// exchange orders each pair of elements that are distance apart and whose
// first has the run bit of its index equal to that of first, which is 0 or run.
func exchange(a *[p]uint32, first, run, distance int) {
	for block := first; block < p-distance; block += 2 * run {
		n := min(run, p-distance-block)
		low := a[block : block+n]
		high := a[block+distance:][:len(low)]
		for i, x := range low {
			y := high[i]
			swap := (x ^ y) & uint32((uint64(y)-uint64(x))>>32) // all ones if y < x
			low[i], high[i] = x^swap, y^swap
		}
	}
}
