package inflate

import "math/bits"

// maxBits is the length of the longest code (RFC 1951 section 3.2.7), fastBits
// that of the longest that is looked up at once.
const (
	maxBits  = 15
	fastBits = 9
)

// A code is a canonical Huffman code (RFC 1951 section 3.2.2).
type code struct {
	longest uint
	count   [maxBits + 1]uint16 // of codes, by their length
	symbols [288]uint16         // in the order of their codes
	// fast has, for the next fastBits bits or the longest code's where that
	// has fewer, symbol<<4 | length, and 0 where the code is longer or there
	// is none.
	fast [1 << fastBits]uint16
}

// build makes the code in which each symbol has the given length, 0 for none.
// It reports whether there is one: complete, or empty, or of one code of one
// bit.
func (c *code) build(lengths []uint8) bool {
	clear(c.count[:])
	c.longest = 0
	for _, l := range lengths {
		c.count[l]++
		c.longest = max(c.longest, uint(l))
	}
	c.count[0] = 0
	if c.longest == 0 {
		clear(c.fast[:1])
		return true
	}
	var nextCode, nextIndex [maxBits + 1]uint16
	left, code, index := 1, uint16(0), uint16(0)
	for l := 1; l <= maxBits; l++ {
		left = left<<1 - int(c.count[l])
		if left < 0 {
			return false
		}
		code <<= 1
		nextCode[l], nextIndex[l] = code, index
		code += c.count[l]
		index += c.count[l]
	}
	if left > 0 && !(c.longest == 1 && c.count[1] == 1) {
		return false
	}
	size := c.fastSize()
	fast := c.fast[:1<<size]
	clear(fast)
	for symbol, l := range lengths {
		if l == 0 {
			continue
		}
		c.symbols[nextIndex[l]] = uint16(symbol)
		nextIndex[l]++
		if uint(l) <= size {
			// Codes come with their first bit lowest.
			start := int(bits.Reverse16(nextCode[l]) >> (16 - l))
			for i := start; i < len(fast); i += 1 << l {
				fast[i] = uint16(symbol)<<4 | uint16(l)
			}
		}
		nextCode[l]++
	}
	return true
}

func (c *code) fastSize() uint { return min(c.longest, fastBits) }

// decode returns the symbol whose code b begins with, and the code's length, 0
// where none of n bits or less is one. Bits of b above n are zero.
func (c *code) decode(b uint64, n uint) (symbol int, length uint) {
	e := c.fast[b&(1<<c.fastSize()-1)]
	length = uint(e & 15)
	if length == 0 {
		return c.decodeLong(b, n)
	}
	if length > n {
		return 0, 0
	}
	return int(e >> 4), length
}

// decodeLong is decode by what makes a code canonical: those of one length are
// consecutive numbers, after those of all shorter lengths.
func (c *code) decodeLong(b uint64, n uint) (symbol int, length uint) {
	code, first, index := 0, 0, 0
	for l := uint(1); l <= min(c.longest, n); l++ {
		code |= int(b & 1)
		b >>= 1
		count := int(c.count[l])
		if code-first < count {
			return int(c.symbols[index+code-first]), l
		}
		index += count
		first = (first + count) << 1
		code <<= 1
	}
	return 0, 0
}

// missing is the error after decode has found nothing in n bits: none where
// more bits can help.
func (c *code) missing(n uint) error {
	if n >= c.longest {
		return ErrCorrupt
	}
	return nil
}
