package umac

import "encoding/binary"

// The third layer, L3-HASH of RFC 4418 section 5.4: sixteen bytes become four,
// by an inner product modulo the largest prime below 2^36.

const (
	l3KeySize = 64
	prime36   = 1<<36 - 5
)

type l3Key struct {
	k    [8]uint64 // below prime36
	mask uint32
}

func (k *l3Key) set(b, mask []byte) {
	for i := range k.k {
		k.k[i] = reduce36(binary.BigEndian.Uint64(b[8*i:]))
	}
	k.mask = binary.BigEndian.Uint32(mask)
}

// hash returns the third layer of the 16 bytes hi ‖ lo.
func (k *l3Key) hash(hi, lo uint64) uint32 {
	y := hi>>48*k.k[0] + hi>>32&0xffff*k.k[1] + hi>>16&0xffff*k.k[2] + hi&0xffff*k.k[3] +
		lo>>48*k.k[4] + lo>>32&0xffff*k.k[5] + lo>>16&0xffff*k.k[6] + lo&0xffff*k.k[7]
	return uint32(reduce36(y)) ^ k.mask
}

// reduce36 returns x modulo prime36. There is no division here: it takes a
// time of its own for each operand.
func reduce36(x uint64) uint64 {
	const low = 1<<36 - 1
	x = x&low + x>>36*5
	x = x&low + x>>36*5 // below 2^36 now
	x -= prime36
	return x + prime36&-(x>>63)
}
