package inflate

// The codes of blocks without tables of their own (RFC 1951 section 3.2.6).
var fixedLiteral, fixedDistance = fixedCodes()

func fixedCodes() (literal, distance *code) {
	var lengths [288]uint8
	for i := range lengths {
		switch {
		case i < 144:
			lengths[i] = 8
		case i < 256:
			lengths[i] = 9
		case i < 280:
			lengths[i] = 7
		default:
			lengths[i] = 8
		}
	}
	literal, distance = new(code), new(code)
	literal.build(lengths[:])
	for i := range 32 {
		lengths[i] = 5
	}
	distance.build(lengths[:32])
	return literal, distance
}

// A value is what a symbol for a length or a distance stands for: a number to
// which that of so many further bits is added (RFC 1951 section 3.2.5).
type value struct {
	base uint16
	bits uint8
}

const endOfBlock = 256

var (
	lengthValues   = makeLengths()
	distanceValues = makeDistances()
)

func makeLengths() (values [maxLiteral - endOfBlock - 1]value) {
	base := 3
	for i := range values {
		extra := max(0, i/4-1)
		values[i] = value{uint16(base), uint8(extra)}
		base += 1 << extra
	}
	values[len(values)-1] = value{258, 0}
	return values
}

func makeDistances() (values [maxDistance]value) {
	base := 1
	for i := range values {
		extra := max(0, i/2-1)
		values[i] = value{uint16(base), uint8(extra)}
		base += 1 << extra
	}
	return values
}

// symbols decodes a block's content. A length with its distance has 48 bits at
// most, and is used as a whole or not at all.
func (d *Decoder) symbols() (bool, error) {
	literal, distance := fixedLiteral, fixedDistance
	if d.tables != nil {
		literal, distance = &d.tables.literal, &d.tables.distance
	}
	for {
		d.fill(48)
		symbol, used := literal.decode(d.bits, d.n)
		if used == 0 {
			return false, literal.missing(d.n)
		}
		if symbol < endOfBlock {
			if d.out == len(d.dst) {
				return false, ErrTooLong
			}
			d.dst[d.out] = byte(symbol)
			d.out++
			d.bits >>= used
			d.n -= used
			continue
		}
		if symbol == endOfBlock {
			d.take(used)
			d.endBlock()
			return true, nil
		}
		if symbol >= maxLiteral {
			return false, ErrCorrupt
		}
		length, used, ok := lengthValues[symbol-endOfBlock-1].read(d.bits, d.n, used)
		if !ok {
			return false, nil
		}
		symbol, k := distance.decode(d.bits>>used, d.n-used)
		if k == 0 {
			return false, distance.missing(d.n - used)
		}
		if symbol >= maxDistance {
			return false, ErrCorrupt
		}
		back, used, ok := distanceValues[symbol].read(d.bits, d.n, used+k)
		if !ok {
			return false, nil
		}
		d.bits >>= used
		d.n -= used
		if err := d.repeat(length, back); err != nil {
			return false, err
		}
	}
}

// read returns the number that a symbol and the bits after the used ones of b,
// which has n, stand for, and how many are used then.
func (v value) read(b uint64, n, used uint) (number int, nowUsed uint, ok bool) {
	nowUsed = used + uint(v.bits)
	return int(v.base) + int(b>>used&(1<<v.bits-1)), nowUsed, nowUsed <= n
}

// repeat puts out again length bytes from some way back. They may overlap
// what they become.
func (d *Decoder) repeat(length, back int) error {
	if back > d.out+len(d.history.buf) {
		return ErrCorrupt
	}
	if length > len(d.dst)-d.out {
		return ErrTooLong
	}
	to := d.dst[d.out : d.out+length]
	if before := back - d.out; before > 0 {
		n := d.history.copy(to, before)
		to = to[n:]
		d.out += n
	}
	for len(to) > 0 {
		n := copy(to, d.dst[d.out-back:d.out])
		to = to[n:]
		d.out += n
	}
	return nil
}
