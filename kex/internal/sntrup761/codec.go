package sntrup761

import (
	"math"
	"math/bits"
)

// smallSize is the length of an encoded small polynomial: four coefficients a
// byte, and one left over.
const smallSize = (p + 3) / 4

// appendSmall appends the encoding of a: each coefficient plus one, in two
// bits, from the low end of each byte.
func appendSmall(b []byte, a *small) []byte {
	for i := 0; i+4 <= p; i += 4 {
		b = append(b, byte(a[i]+1)|byte(a[i+1]+1)<<2|byte(a[i+2]+1)<<4|byte(a[i+3]+1)<<6)
	}
	return append(b, byte(a[p-1]+1))
}

func decodeSmall(b []byte) (a small) {
	for i := range a {
		a[i] = int8(b[i/4]>>(i%4*2)&3) - 1
	}
	return a
}

// A level is one step of a radix code. The code writes n numbers, all below m
// but the last, which is below last, by joining them in pairs: x + y*m, which is
// below m*m. Its low bytes are written out until what remains is below
// 2^14, and what remains makes up the next level. A last number without a
// partner goes to the next level as it is. On the level of one number all
// its bytes are written.
type level struct {
	n         int
	m, last   uint32
	bytes     int // written for each pair; on the level of one number, for it
	lastBytes int // written for the last pair, where n is even
	at        int // where the bytes of this level begin
}

const radixLimit = 1 << 14

// radixLevels returns the levels of a code for p numbers below m.
func radixLevels(m uint32) []level {
	var levels []level
	l := level{n: p, m: m, last: m}
	for ; l.n > 1; l.n = (l.n + 1) / 2 {
		pair, lastPair := l.m*l.m, l.m*l.last
		l.bytes, l.lastBytes = 0, 0
		for ; pair >= radixLimit; pair = (pair + 255) >> 8 {
			l.bytes++
		}
		for ; lastPair >= radixLimit; lastPair = (lastPair + 255) >> 8 {
			l.lastBytes++
		}
		levels = append(levels, l)
		l.at += (l.n/2 - 1) * l.bytes
		if l.n%2 == 0 {
			l.at += l.lastBytes
			l.last = lastPair
		} else {
			l.at += l.bytes
		}
		l.m = pair
	}
	l.bytes = 0
	for m := l.last; m > 1; m = (m + 255) >> 8 {
		l.bytes++
	}
	return append(levels, l)
}

var (
	ringLevels    = radixLevels(q)
	roundedLevels = radixLevels((q + 2) / 3)
)

// pairBytes returns how many bytes are written for pair i.
func (l *level) pairBytes(i int) int {
	if 2*i+2 == l.n {
		return l.lastBytes
	}
	return l.bytes
}

// encodeRadix writes numbers, which it changes.
func encodeRadix(b []byte, levels []level, numbers *[p]uint32) {
	for li := range levels {
		l := &levels[li]
		out := b[l.at:]
		if l.n == 1 {
			for i := range l.bytes {
				out[i] = byte(numbers[0] >> (8 * i))
			}
			return
		}
		for i := range l.n / 2 {
			x := numbers[2*i] + numbers[2*i+1]*l.m
			k := l.pairBytes(i)
			for j := range k {
				out[j] = byte(x >> (8 * j))
			}
			out = out[k:]
			numbers[i] = x >> (8 * k)
		}
		if l.n%2 == 1 {
			numbers[l.n/2] = numbers[l.n-1]
		}
	}
}

// decodeRadix is the inverse of encodeRadix. Of a string that encodeRadix does
// not write, too large numbers are reduced modulo their bounds.
func decodeRadix(b []byte, levels []level) (numbers [p]uint32) {
	for li := len(levels) - 1; li >= 0; li-- {
		l := &levels[li]
		if l.n == 1 {
			x := uint32(0)
			for i := range l.bytes {
				x |= uint32(b[l.at+i]) << (8 * i)
			}
			_, numbers[0] = newDivisor(l.last).div(x)
			continue
		}
		// From the end, since a pair takes the room of two numbers.
		end := l.at + (l.n/2-1)*l.bytes + l.pairBytes(l.n/2-1)
		if l.n%2 == 1 {
			numbers[l.n-1] = numbers[l.n/2]
		}
		by, byLast := newDivisor(l.m), newDivisor(l.last)
		for i := l.n/2 - 1; i >= 0; i-- {
			k := l.pairBytes(i)
			end -= k
			x := numbers[i]
			for j := k - 1; j >= 0; j-- {
				x = x<<8 | uint32(b[end+j])
			}
			y, low := by.div(x)
			d := by
			if 2*i+2 == l.n { // the position
				d = byLast
			}
			_, y = d.div(y)
			numbers[2*i], numbers[2*i+1] = low, y
		}
	}
	return numbers
}

// A divisor divides by a public number without the division instruction,
// whose time depends on its operands.
type divisor struct {
	m       uint32
	inverse uint64 // of m, in units of 2^-64, rounded up
}

func newDivisor(m uint32) divisor { return divisor{m, math.MaxUint64/uint64(m) + 1} }

// div returns quotient and remainder. They are exact, since x times the error
// of the inverse is below 2^64: both are below 2^32.
func (d divisor) div(x uint32) (quotient, remainder uint32) {
	high, _ := bits.Mul64(d.inverse, uint64(x))
	quotient = uint32(high)
	return quotient, x - quotient*d.m
}

func encodeRing(b []byte, a *ringQ) {
	var numbers [p]uint32
	for i, x := range a {
		numbers[i] = uint32(int32(x) + q/2)
	}
	encodeRadix(b, ringLevels, &numbers)
}

func decodeRing(b []byte) (a ringQ) {
	for i, x := range decodeRadix(b, ringLevels) {
		a[i] = int16(int32(x) - q/2)
	}
	return a
}

// encodeRounded writes a with every coefficient rounded to a multiple of 3.
func encodeRounded(b []byte, a *ringQ) {
	var numbers [p]uint32
	for i, x := range a {
		rounded := int32(x) - int32(mod3(int32(x)))
		numbers[i] = uint32((rounded+q/2)*10923) >> 15 // a third, exact below 2^14
	}
	encodeRadix(b, roundedLevels, &numbers)
}

func decodeRounded(b []byte) (a ringQ) {
	for i, x := range decodeRadix(b, roundedLevels) {
		a[i] = int16(int32(x)*3 - q/2)
	}
	return a
}
