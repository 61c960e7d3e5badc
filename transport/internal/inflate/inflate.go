// Package inflate decompresses a zlib stream (RFC 1950, RFC 1951) that comes in
// pieces, of which each is to be used as soon as it is there.
//
// compress/flate reads from a stream and cannot: where a sender ends a piece
// with a partial flush, as RFC 4253 section 6.2 has it, the last bits of the
// piece are in the next one. A Decoder stops anywhere, at any bit, gives all
// that can be known by then, and goes on with the next piece. It bounds what
// comes out, and between two pieces keeps no more than the last 32 KiB of that,
// less where there was less.
package inflate

import (
	"encoding/binary"
	"errors"
	"sync"
)

var (
	// ErrCorrupt: this is no zlib stream, or it ended.
	ErrCorrupt = errors.New("inflate: data is corrupt")
	// ErrTooLong: more would come out than there is room for.
	ErrTooLong = errors.New("inflate: decompressed data is too long")
)

// A Decoder decompresses one stream. The zero value is ready for its first
// piece.
type Decoder struct {
	next    state
	final   bool // the block is the last one
	history history
	tables  *tables // of the block, nil where it needs none of its own
	left    int     // bytes of a stored block that have not come
	err     error   // the first one, which is final

	bits uint64 // read and not used, next bit lowest; those above n are zero
	n    uint   // how many

	// During a call.
	src []byte // not read
	dst []byte
	out int // bytes of dst that are done
}

// A state is what comes next in the stream.
type state uint8

const (
	atHeader state = iota // of RFC 1950
	atBlock
	atStoredLength
	atStored
	atTables
	atCodeLengths
	atLengths
	atSymbols
	atEnd
)

// steps are what to do in each state. A step that reports false needs more
// than has come: it has used nothing that it will want again.
var steps = [...]func(*Decoder) (bool, error){
	atHeader:       (*Decoder).header,
	atBlock:        (*Decoder).block,
	atStoredLength: (*Decoder).storedLength,
	atStored:       (*Decoder).stored,
	atTables:       (*Decoder).sizes,
	atCodeLengths:  (*Decoder).codeLengths,
	atLengths:      (*Decoder).lengths,
	atSymbols:      (*Decoder).symbols,
	atEnd:          func(*Decoder) (bool, error) { return false, ErrCorrupt },
}

// Decode decompresses the next piece of the stream into dst, and returns how
// many bytes that are. After an error, which is ErrCorrupt or ErrTooLong, dst
// holds what came out before it, and every later call fails.
func (d *Decoder) Decode(dst, piece []byte) (int, error) {
	if d.err != nil {
		return 0, d.err
	}
	d.src, d.dst, d.out = piece, dst, 0
	for more := true; more && d.err == nil; {
		more, d.err = steps[d.next](d)
	}
	d.src, d.dst = nil, nil
	d.history.add(dst[:d.out])
	return d.out, d.err
}

// fill makes sure of at least want bits, up to 48, if they have come.
func (d *Decoder) fill(want uint) bool {
	if d.n >= want {
		return true
	}
	if len(d.src) >= 8 {
		// Bits that do not fit into whole bytes are read again next time.
		d.bits |= binary.LittleEndian.Uint64(d.src) << d.n
		k := (63 - d.n) / 8
		d.src = d.src[k:]
		d.n += 8 * k
		d.bits &= 1<<d.n - 1
		return true
	}
	for d.n <= 48 && len(d.src) > 0 {
		d.bits |= uint64(d.src[0]) << d.n
		d.src = d.src[1:]
		d.n += 8
	}
	return d.n >= want
}

// take uses up k bits and returns them.
func (d *Decoder) take(k uint) int {
	v := d.bits & (1<<k - 1)
	d.bits >>= k
	d.n -= k
	return int(v)
}

// header reads the two bytes of RFC 1950 section 2.2.
func (d *Decoder) header() (bool, error) {
	if !d.fill(16) {
		return false, nil
	}
	cmf, flg := d.take(8), d.take(8)
	const deflate, presetDictionary = 8, 0x20
	if cmf&15 != deflate || cmf>>4 > 7 || flg&presetDictionary != 0 || (cmf<<8|flg)%31 != 0 {
		return false, ErrCorrupt
	}
	d.next = atBlock
	return true, nil
}

// block reads the head of a block (RFC 1951 section 3.2.3).
func (d *Decoder) block() (bool, error) {
	if !d.fill(3) {
		return false, nil
	}
	d.final = d.take(1) == 1
	switch d.take(2) {
	case 0:
		d.take(d.n % 8)
		d.next = atStoredLength
	case 1:
		d.tables = nil
		d.next = atSymbols
	case 2:
		d.tables = pool.Get().(*tables)
		d.next = atTables
	default:
		return false, ErrCorrupt
	}
	return true, nil
}

// endBlock is what follows a block's last byte or symbol.
func (d *Decoder) endBlock() {
	if d.tables != nil {
		pool.Put(d.tables)
		d.tables = nil
	}
	d.next = atBlock
	if d.final {
		d.next = atEnd
	}
}

// storedLength and stored are RFC 1951 section 3.2.4. The bits that are read
// and not used are whole bytes there.
func (d *Decoder) storedLength() (bool, error) {
	if !d.fill(32) {
		return false, nil
	}
	length, complement := d.take(16), d.take(16)
	if length != complement^0xffff {
		return false, ErrCorrupt
	}
	d.left = length
	d.next = atStored
	return true, nil
}

func (d *Decoder) stored() (bool, error) {
	for d.left > 0 && d.n > 0 {
		if d.out == len(d.dst) {
			return false, ErrTooLong
		}
		d.dst[d.out] = byte(d.take(8))
		d.out++
		d.left--
	}
	k := min(d.left, len(d.src))
	if k > len(d.dst)-d.out {
		return false, ErrTooLong
	}
	d.out += copy(d.dst[d.out:], d.src[:k])
	d.src = d.src[k:]
	d.left -= k
	if d.left > 0 {
		return false, nil
	}
	d.endBlock()
	return true, nil
}

// Limits of RFC 1951 section 3.2.7.
const (
	maxLiteral  = 286 // literals and lengths
	maxDistance = 30
)

// tables are the codes of a block that has its own (RFC 1951 section 3.2.7),
// or what is known of them.
type tables struct {
	literals, distances, lengthsCode int // how many lengths there are
	known                            int // how many of those being read
	lengths                          [maxLiteral + maxDistance]uint8

	lengthCode, literal, distance code
}

var pool = sync.Pool{New: func() any { return new(tables) }}

func (d *Decoder) sizes() (bool, error) {
	if !d.fill(14) {
		return false, nil
	}
	t := d.tables
	t.literals, t.distances, t.lengthsCode = d.take(5)+257, d.take(5)+1, d.take(4)+4
	if t.literals > maxLiteral || t.distances > maxDistance {
		return false, ErrCorrupt
	}
	t.known = 0
	clear(t.lengths[:19])
	d.next = atCodeLengths
	return true, nil
}

func (d *Decoder) codeLengths() (bool, error) {
	order := [...]uint8{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}
	t := d.tables
	for t.known < t.lengthsCode {
		if !d.fill(3) {
			return false, nil
		}
		t.lengths[order[t.known]] = uint8(d.take(3))
		t.known++
	}
	if !t.lengthCode.build(t.lengths[:19]) {
		return false, ErrCorrupt
	}
	t.known = 0
	d.next = atLengths
	return true, nil
}

// repeats are the symbols from 16 on of the code for lengths: so many bits
// follow, and say how often beyond a minimum.
var repeats = [...]struct {
	bits    uint
	minimum int
}{{2, 3}, {3, 3}, {7, 11}}

func (d *Decoder) lengths() (bool, error) {
	t := d.tables
	all := t.literals + t.distances
	for t.known < all {
		d.fill(48)
		symbol, used := t.lengthCode.decode(d.bits, d.n)
		if used == 0 {
			return false, t.lengthCode.missing(d.n)
		}
		if symbol < 16 {
			d.take(used)
			t.lengths[t.known] = uint8(symbol)
			t.known++
			continue
		}
		if symbol == 16 && t.known == 0 {
			return false, ErrCorrupt // it repeats the one before
		}
		r := repeats[symbol-16]
		if used+r.bits > d.n {
			return false, nil
		}
		d.take(used)
		times := r.minimum + d.take(r.bits)
		var length uint8
		if symbol == 16 {
			length = t.lengths[t.known-1]
		}
		if times > all-t.known {
			return false, ErrCorrupt
		}
		for range times {
			t.lengths[t.known] = length
			t.known++
		}
	}
	if !t.literal.build(t.lengths[:t.literals]) || !t.distance.build(t.lengths[t.literals:all]) {
		return false, ErrCorrupt
	}
	d.next = atSymbols
	return true, nil
}
