package umac

import "encoding/binary"

// The first layer, L1-HASH of RFC 4418 section 5.2: each KiB of the message
// becomes eight bytes.

const (
	chunkSize  = 1024 // bytes of message for each value of the first layer
	chunkWords = chunkSize / 4
	shiftWords = 4  // by which the key of each stream begins later
	nhBlock    = 32 // bytes; a chunk is padded with zeros to a multiple
)

// nh is NH of RFC 4418 section 5.2.2 for two streams at once, over whole
// blocks of at most a chunk. The words of the message are little-endian: the
// specification swaps them first. Stream 0 uses the key from its first word
// on, stream 1 from its fifth.
func nh(key *[chunkWords + shiftWords]uint32, m []byte) (y0, y1 uint64) {
	for i := 0; len(m) >= nhBlock && i <= chunkWords-8; i += 8 {
		k := (*[12]uint32)(key[i:])
		b := (*[nhBlock]byte)(m)
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
		m = m[nhBlock:]
	}
	return y0, y1
}

// l1Last hashes the message's last chunk, which may be short or empty.
func l1Last(key *[chunkWords + shiftWords]uint32, m []byte) (y0, y1 uint64) {
	bits := uint64(len(m)) * 8
	whole := len(m) &^ (nhBlock - 1)
	if whole > 0 {
		y0, y1 = nh(key, m[:whole])
	}
	if whole == len(m) && whole > 0 {
		return y0 + bits, y1 + bits
	}
	// ZEROPAD gives a block even to an empty message.
	var last [nhBlock]byte
	copy(last[:], m[whole:])
	k := key[whole/4:]
	for i := range 4 {
		a, b := binary.LittleEndian.Uint32(last[4*i:]), binary.LittleEndian.Uint32(last[4*i+16:])
		y0 += uint64(a+k[i]) * uint64(b+k[i+4])
		y1 += uint64(a+k[i+4]) * uint64(b+k[i+8])
	}
	return y0 + bits, y1 + bits
}

// hashPair is UHASH of RFC 4418 section 5.1 for streams i and i+1.
func (m *MAC) hashPair(i int, message []byte) (uint32, uint32) {
	key := (*[chunkWords + shiftWords]uint32)(m.l1[i*shiftWords:])
	if len(message) <= chunkSize { // no second layer
		y0, y1 := l1Last(key, message)
		return m.l3[i].hash(0, y0), m.l3[i+1].hash(0, y1)
	}
	p0, p1 := newPoly(&m.l2[i]), newPoly(&m.l2[i+1])
	for len(message) > chunkSize {
		y0, y1 := nh(key, message[:chunkSize])
		p0.add(y0 + chunkSize*8)
		p1.add(y1 + chunkSize*8)
		message = message[chunkSize:]
	}
	y0, y1 := l1Last(key, message)
	p0.add(y0)
	p1.add(y1)
	hi0, lo0 := p0.sum()
	hi1, lo1 := p1.sum()
	return m.l3[i].hash(hi0, lo0), m.l3[i+1].hash(hi1, lo1)
}
