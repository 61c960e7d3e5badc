package umac

import "encoding/binary"

// The first layer, L1-HASH of RFC 4418 section 5.2: each KiB of the message
// becomes eight bytes.

const (
	chunkSize  = 1024 // bytes of message for each value of the first layer
	chunkWords = chunkSize / 4
	shiftWords = 4  // by which the key of each stream begins later
	nhBlock    = 32 // bytes; the last chunk is padded with zeros to a multiple
)

// An l1Key is that of two streams: the second's begins shiftWords later.
type l1Key [chunkWords + shiftWords]uint32

// nh is NH of RFC 4418 section 5.2.2, for two streams at once, over the first
// words of a chunk, a multiple of eight. The words of the message are
// little-endian: the specification swaps their bytes first.
//
// Fixed sizes leave no bounds to check in the loop.
func nh(key *l1Key, chunk *[chunkSize]byte, words int) (y0, y1 uint64) {
	for i := 0; i < chunkWords && i < words; i += 8 {
		k := (*[12]uint32)(key[i:])
		b := (*[nhBlock]byte)(chunk[4*i:])
		a0, a4 := binary.LittleEndian.Uint32(b[0:]), binary.LittleEndian.Uint32(b[16:])
		y0 += uint64(a0+k[0]) * uint64(a4+k[4])
		y1 += uint64(a0+k[4]) * uint64(a4+k[8])
		a1, a5 := binary.LittleEndian.Uint32(b[4:]), binary.LittleEndian.Uint32(b[20:])
		y0 += uint64(a1+k[1]) * uint64(a5+k[5])
		y1 += uint64(a1+k[5]) * uint64(a5+k[9])
		a2, a6 := binary.LittleEndian.Uint32(b[8:]), binary.LittleEndian.Uint32(b[24:])
		y0 += uint64(a2+k[2]) * uint64(a6+k[6])
		y1 += uint64(a2+k[6]) * uint64(a6+k[10])
		a3, a7 := binary.LittleEndian.Uint32(b[12:]), binary.LittleEndian.Uint32(b[28:])
		y0 += uint64(a3+k[3]) * uint64(a7+k[7])
		y1 += uint64(a3+k[7]) * uint64(a7+k[11])
	}
	return y0, y1
}

// setLast copies the message's last chunk, which is empty only if the message
// is, to where it can be padded. It returns the chunks before it.
func (m *MAC) setLast(message []byte) (chunks []byte) {
	whole := max(len(message)-1, 0) &^ (chunkSize - 1)
	m.lastSize = copy(m.last[:], message[whole:])
	m.lastPadded = max(nhBlock, (m.lastSize+nhBlock-1)&^(nhBlock-1))
	clear(m.last[m.lastSize:m.lastPadded])
	return message[:whole]
}

// hashPair is UHASH of RFC 4418 section 5.1 for streams i and i+1, over chunks
// and then what setLast has set.
func (m *MAC) hashPair(i int, chunks []byte) (uint32, uint32) {
	key := (*l1Key)(m.l1[i*shiftWords:])
	last0, last1 := nh(key, &m.last, m.lastPadded/4)
	last0 += uint64(m.lastSize) * 8
	last1 += uint64(m.lastSize) * 8
	if len(chunks) == 0 { // no second layer
		return m.l3[i].hash(0, last0), m.l3[i+1].hash(0, last1)
	}
	p0, p1 := newPoly(&m.l2[i]), newPoly(&m.l2[i+1])
	for ; len(chunks) >= chunkSize; chunks = chunks[chunkSize:] {
		y0, y1 := nh(key, (*[chunkSize]byte)(chunks), chunkWords)
		p0.add(y0 + chunkSize*8)
		p1.add(y1 + chunkSize*8)
	}
	p0.add(last0)
	p1.add(last1)
	return m.l3[i].hash(p0.sum()), m.l3[i+1].hash(p1.sum())
}
