package wire

import (
	"encoding/binary"
	"math/big"
)

// AppendBool appends a boolean.
func AppendBool(b []byte, v bool) []byte {
	if v {
		return append(b, 1)
	}
	return append(b, 0)
}

// AppendUint32 appends a uint32.
func AppendUint32(b []byte, v uint32) []byte { return binary.BigEndian.AppendUint32(b, v) }

// AppendUint64 appends a uint64.
func AppendUint64(b []byte, v uint64) []byte { return binary.BigEndian.AppendUint64(b, v) }

// AppendString appends a string: its length in four bytes, then its content.
// The content must be shorter than 4 GiB.
func AppendString[T ~string | ~[]byte](b []byte, s T) []byte {
	b = AppendUint32(b, uint32(len(s)))
	return append(b, s...)
}

// AppendMpint appends the non-negative multiple-precision integer whose
// big-endian magnitude is given; leading zeros are dropped.
func AppendMpint(b []byte, magnitude []byte) []byte {
	for len(magnitude) > 0 && magnitude[0] == 0 {
		magnitude = magnitude[1:]
	}
	if len(magnitude) == 0 || magnitude[0]&0x80 == 0 {
		return AppendString(b, magnitude)
	}
	b = AppendUint32(b, uint32(len(magnitude))+1)
	b = append(b, 0)
	return append(b, magnitude...)
}

// AppendBigInt appends a non-negative multiple-precision integer.
func AppendBigInt(b []byte, v *big.Int) []byte { return AppendMpint(b, v.Bytes()) }

// AppendNameList appends a name-list. The names may hold no comma.
func AppendNameList(b []byte, names []string) []byte {
	start := len(b)
	b = append(b, 0, 0, 0, 0)
	for i, name := range names {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, name...)
	}
	binary.BigEndian.PutUint32(b[start:], uint32(len(b)-start-4))
	return b
}
