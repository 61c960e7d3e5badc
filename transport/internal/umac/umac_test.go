package umac

import (
	"bytes"
	"crypto/aes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"math/big"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var (
	rfcKey   = [KeySize]byte([]byte("abcdefghijklmnop"))
	rfcNonce = binary.BigEndian.Uint64([]byte("bcdefghi"))
)

// TestVectors are those of RFC 4418's appendix, for 64 and for 96 bits; a tag of
// 96 bits is the beginning of the one of 128. The RFC's row for 2^25 bytes is
// wrong as printed and right in its erratum 3507. The RFC has no tags of 128
// bits: the last four bytes, and the row past 2^24 bytes, are GNU Nettle's.
func TestVectors(t *testing.T) {
	for _, v := range []struct {
		part   string
		n      int
		tag64  string
		tag128 string
	}{
		{"", 0, "6E155FAD26900BE1", "32FEDB100C79AD58F07FF764" + "3cc60465"},
		{"a", 3, "44B5CB542F220104", "185E4FE905CBA7BD85E4C2DC" + "3d117d8d"},
		{"a", 1 << 10, "26BF2F5D60118BD9", "7A54ABE04AF82D60FB298C3C" + "bd195bcb"},
		{"a", 1 << 15, "27F8EF643B0D118D", "7B136BD911E4B734286EF2BE" + "501f2c3c"},
		{"a", 1 << 20, "A4477E87E9F55853", "F8ACFA3AC31CFEEA047F7B11" + "5b03bef5"},
		{"a", 1<<24 + 1, "13ae3f7a2d2255b8", "4f45bbc707cbf301094b6f7a" + "9950e945"},
		{"a", 1 << 25, "FACA46F856E9B45F", "A621C2457C0012E64F3FDAE9" + "e7e1870c"},
		{"abc", 1, "D4D7B9F6BD4FBFCF", "883C3D4B97A61976FFCF2323" + "08cba5a5"},
		{"abc", 500, "D4CF26DDEFD5C01A", "8824A260C53C66A36C9260A6" + "2cb83aa1"},
	} {
		message := []byte(strings.Repeat(v.part, v.n))
		name := v.part + "*" + strconv.Itoa(v.n)
		require.Equal(t, strings.ToLower(v.tag64), hex.EncodeToString(New64(&rfcKey).Append(nil, rfcNonce, message)), name)
		require.Equal(t, strings.ToLower(v.tag128), hex.EncodeToString(New128(&rfcKey).Append(nil, rfcNonce, message)), name)
	}
}

// A reference is UMAC as RFC 4418 writes it down, line by line, with numbers of
// any size modulo the primes and no care for time.
type reference struct {
	key  []byte
	size int
}

func refAES(key, in []byte) []byte {
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err)
	}
	out := make([]byte, 16)
	block.Encrypt(out, in)
	return out
}

func refUint(b []byte) *big.Int { return new(big.Int).SetBytes(b) }

func refBytes(x *big.Int, n int) []byte { return x.FillBytes(make([]byte, n)) }

func refPrime(bits uint) *big.Int {
	offset := map[uint]int64{36: 5, 64: 59, 128: 159}[bits]
	return new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), bits), big.NewInt(offset))
}

func (r *reference) kdf(index byte, n int) []byte {
	var y []byte
	for i := 1; len(y) < n; i++ {
		in := make([]byte, 16)
		in[7] = index
		in[14], in[15] = byte(i>>8), byte(i)
		y = append(y, refAES(r.key, in)...)
	}
	return y[:n]
}

func (r *reference) pdf(nonce []byte) []byte {
	in := make([]byte, 16)
	copy(in, nonce)
	index := 0
	if r.size == 8 {
		index = int(in[len(nonce)-1] & 1)
		in[len(nonce)-1] ^= byte(index)
	}
	return refAES(r.kdf(0, 16), in)[index*r.size:][:r.size]
}

func refNH(k, m []byte, bits int) []byte {
	y := uint64(bits)
	for i := 0; i < len(m); i += 32 {
		for j := i; j < i+16; j += 4 {
			a := binary.LittleEndian.Uint32(m[j:]) + binary.BigEndian.Uint32(k[j:])
			b := binary.LittleEndian.Uint32(m[j+16:]) + binary.BigEndian.Uint32(k[j+16:])
			y += uint64(a) * uint64(b)
		}
	}
	return binary.BigEndian.AppendUint64(nil, y)
}

func refL1(k, m []byte) []byte {
	var y []byte
	for len(m) > 1024 {
		y = append(y, refNH(k, m[:1024], 1024*8)...)
		m = m[1024:]
	}
	last := bytes.Clone(m)
	for len(last) == 0 || len(last)%32 != 0 {
		last = append(last, 0)
	}
	return append(y, refNH(k, last, len(m)*8)...)
}

func refPoly(bits uint, maxWord *big.Int, k *big.Int, m []byte) *big.Int {
	p := refPrime(bits)
	offset := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), bits), p)
	marker := new(big.Int).Sub(p, big.NewInt(1))
	y := big.NewInt(1)
	step := func(m *big.Int) { y.Mod(y.Add(y.Mul(y, k), m), p) }
	for ; len(m) > 0; m = m[bits/8:] {
		word := refUint(m[:bits/8])
		if word.Cmp(maxWord) >= 0 {
			step(marker)
			step(word.Sub(word, offset))
		} else {
			step(word)
		}
	}
	return y
}

func refMaxWord(bits uint) *big.Int {
	one := big.NewInt(1)
	return new(big.Int).Sub(new(big.Int).Lsh(one, bits), new(big.Int).Lsh(one, bits-32))
}

func refL2(key, m []byte) []byte {
	mask := refUint(bytes.Repeat([]byte{1, 255, 255, 255}, 4))
	mask64 := refUint(bytes.Repeat([]byte{1, 255, 255, 255}, 2))
	k64 := mask64.And(mask64, refUint(key[:8]))
	k128 := mask.And(mask, refUint(key[8:24]))
	if len(m) <= 1<<17 {
		return refBytes(refPoly(64, refMaxWord(64), k64, m), 16)
	}
	y := refPoly(64, refMaxWord(64), k64, m[:1<<17])
	rest := append(bytes.Clone(m[1<<17:]), 0x80)
	for len(rest)%16 != 0 {
		rest = append(rest, 0)
	}
	return refBytes(refPoly(128, refMaxWord(128), k128, append(refBytes(y, 16), rest...)), 16)
}

func refL3(k1, k2, m []byte) []byte {
	p := refPrime(36)
	y := new(big.Int)
	for i := range 8 {
		k := refUint(k1[8*i : 8*i+8])
		y.Add(y, k.Mul(k.Mod(k, p), refUint(m[2*i:2*i+2])))
	}
	y.And(y.Mod(y, p), big.NewInt(1<<32-1))
	return refBytes(y.Xor(y, refUint(k2)), 4)
}

func (r *reference) tag(nonce uint64, m []byte) []byte {
	iterations := r.size / 4
	l1 := r.kdf(1, 1024+(iterations-1)*16)
	l2 := r.kdf(2, iterations*24)
	l3 := r.kdf(3, iterations*64)
	l3Mask := r.kdf(4, iterations*4)
	tag := r.pdf(binary.BigEndian.AppendUint64(nil, nonce))
	for i := range iterations {
		b := refL1(l1[i*16:][:1024], m)
		if len(m) <= 1024 {
			b = append(make([]byte, 8), b...)
		} else {
			b = refL2(l2[i*24:][:24], b)
		}
		for j, x := range refL3(l3[i*64:][:64], l3Mask[i*4:][:4], b) {
			tag[4*i+j] ^= x
		}
	}
	return tag
}

func random(seed byte, n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{seed}).Read(b)
	return b
}

// both calls f for either variant under key.
func both(t *testing.T, key [KeySize]byte, f func(t *testing.T, m *MAC, r *reference)) {
	for _, m := range []*MAC{New64(&key), New128(&key)} {
		t.Run(strconv.Itoa(m.Size()*8), func(t *testing.T) { f(t, m, &reference{key[:], m.Size()}) })
	}
}

func TestReferenceVector(t *testing.T) {
	r := &reference{rfcKey[:], 8}
	require.Equal(t, "d4cf26ddefd5c01a", hex.EncodeToString(r.tag(rfcNonce, bytes.Repeat([]byte("abc"), 500))))
}

// TestLengths: every length up to 5000, which has chunks whole and short and
// blocks whole and short, at odd addresses, under consecutive nonces.
func TestLengths(t *testing.T) {
	both(t, [KeySize]byte(random(1, KeySize)), func(t *testing.T, m *MAC, r *reference) {
		data := random(2, 5000+7)
		step := 1
		if testing.Short() {
			step = 13
		}
		for n := 0; n <= 5000; n += step {
			message := data[n%7:][:n]
			require.Equal(t, r.tag(uint64(n), message), m.Append(nil, uint64(n), message), n)
		}
	})
}

// TestExtremes: messages and nonces whose bits are all ones carry furthest.
func TestExtremes(t *testing.T) {
	for seed := range byte(20) {
		both(t, [KeySize]byte(random(seed, KeySize)), func(t *testing.T, m *MAC, r *reference) {
			for _, fill := range []byte{0, 0x80, 0xff} {
				message := bytes.Repeat([]byte{fill}, 33333)
				for _, nonce := range []uint64{0, 1, 1<<32 - 1, 1 << 32, 1<<64 - 2, 1<<64 - 1} {
					require.Equal(t, r.tag(nonce, message[:2000]), m.Append(nil, nonce, message[:2000]))
				}
				require.Equal(t, r.tag(5, message), m.Append(nil, 5, message))
			}
		})
	}
}

// TestPoly: words at the edges of what POLY treats differently, which no
// message leads to in a time that a test has.
func TestPoly(t *testing.T) {
	edges := []uint64{0, 1, 58, 59, 60, 159, 1<<32 - 1, 1 << 32, 1<<63 - 1, 1 << 63, 1<<64 - 1<<32 - 1, 1<<64 - 1<<32,
		1<<64 - 1<<32 + 1, 1<<64 - 161, 1<<64 - 160, 1<<64 - 159, 1<<64 - 60, 1<<64 - 59, 1<<64 - 58, 1<<64 - 1}
	keys := [][]byte{make([]byte, 24), bytes.Repeat([]byte{255}, 24), random(3, 24), random(4, 24)}
	for _, raw := range keys {
		var key l2Key
		key.set(raw)
		k64, k128 := new(big.Int).SetUint64(key.k64), refUint(binary.BigEndian.AppendUint64(
			binary.BigEndian.AppendUint64(nil, key.hi), key.lo))
		for _, a := range edges {
			for _, b := range edges {
				words := binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, a), b)
				got := reduce64(step64(key.k64, step64(key.k64, 1, a), b))
				require.Equal(t, refPoly(64, refMaxWord(64), k64, words).Uint64(), got, "%x", words)
				for _, c := range edges {
					two := append(bytes.Clone(words), binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, c), a)...)
					hi, lo := step128(&key, 0, 1, a, b)
					hi, lo = reduce128(step128(&key, hi, lo, c, a))
					want := refBytes(refPoly(128, refMaxWord(128), k128, two), 16)
					require.Equal(t, want, binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, hi), lo), "%x", two)
				}
			}
		}
	}
	for _, y := range edges {
		want := new(big.Int).Mod(new(big.Int).SetUint64(y), refPrime(64))
		require.Equal(t, want.Uint64(), reduce64(y))
		want.Mod(want.SetUint64(y), refPrime(36))
		require.Equal(t, want.Uint64(), reduce36(y))
		for _, x := range edges {
			hi, lo := reduce128(y, x)
			want := refUint(binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, y), x))
			require.Equal(t, refBytes(want.Mod(want, refPrime(128)), 16),
				binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, hi), lo))
		}
	}
	for x := uint64(prime36 - 10); x < prime36+20; x++ {
		require.Equal(t, x%prime36, reduce36(x))
		require.Equal(t, (x<<20)%prime36, reduce36(x<<20))
	}
}

// TestManyValues feeds the second layer past its change of primes, with
// values that take two steps among them.
func TestManyValues(t *testing.T) {
	raw := random(6, 24)
	var key l2Key
	key.set(raw)
	data := random(7, (poly64Words+9)*8)
	for i := 0; i < len(data); i += 40 {
		binary.BigEndian.PutUint32(data[i:], 1<<32-1)
	}
	for n := poly64Words - 3; n <= poly64Words+9; n++ {
		p := newPoly(&key)
		for i := range n {
			p.add(binary.BigEndian.Uint64(data[8*i:]))
		}
		hi, lo := p.sum()
		require.Equal(t, refL2(raw, data[:8*n]), binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, hi), lo), n)
	}
}

// TestTagDepends: on every bit of the message, the nonce and the key.
func TestTagDepends(t *testing.T) {
	key := [KeySize]byte(random(8, KeySize))
	both(t, key, func(t *testing.T, m *MAC, r *reference) {
		newMAC := New64
		if m.Size() == Size128 {
			newMAC = New128
		}
		for _, n := range []int{0, 1, 31, 32, 100, 1024, 1025} {
			message := random(9, n)
			const nonce = 0x0123456789abcdef
			want := m.Append(nil, nonce, message)
			require.Len(t, want, m.Size())
			for bit := range n * 8 {
				message[bit/8] ^= 1 << (bit % 8)
				require.NotEqual(t, want, m.Append(nil, nonce, message))
				message[bit/8] ^= 1 << (bit % 8)
			}
			require.NotEqual(t, want, m.Append(nil, nonce, append(bytes.Clone(message), 0)))
			for bit := range 64 {
				require.NotEqual(t, want, m.Append(nil, nonce^1<<bit, message))
			}
			for bit := range KeySize * 8 {
				other := key
				other[bit/8] ^= 1 << (bit % 8)
				require.NotEqual(t, want, newMAC(&other).Append(nil, nonce, message))
			}
			require.Equal(t, want, m.Append(nil, nonce, message))
		}
	})
}

// TestNonces: pads are kept for the next packet, so nonces in any order must
// give what each gives alone.
func TestNonces(t *testing.T) {
	both(t, rfcKey, func(t *testing.T, m *MAC, r *reference) {
		for _, nonce := range []uint64{0, 0, 1, 2, 1, 3, 1<<32 - 1, 0, 1 << 63, 1<<63 + 1, 1} {
			require.Equal(t, r.tag(nonce, []byte("x")), m.Append(nil, nonce, []byte("x")), nonce)
		}
	})
}

func TestAppend(t *testing.T) {
	both(t, rfcKey, func(t *testing.T, m *MAC, r *reference) {
		want := r.tag(7, []byte("abc"))
		require.Equal(t, append([]byte("before"), want...), m.Append([]byte("before"), 7, []byte("abc")))
		packet := make([]byte, 3+m.Size())
		copy(packet, "abc")
		m.Append(packet[:3], 7, packet[:3])
		require.Equal(t, want, packet[3:])
	})
}

func TestAllocs(t *testing.T) {
	both(t, rfcKey, func(t *testing.T, m *MAC, _ *reference) {
		dst := make([]byte, 0, m.Size())
		for _, n := range []int{0, 64, 1024, 32768, 1<<24 + 2048} {
			runs := 10
			if n > 1<<20 {
				runs = 1
			}
			message := make([]byte, n)
			nonce := uint64(0)
			require.Zero(t, testing.AllocsPerRun(runs, func() {
				m.Append(dst, nonce, message)
				nonce++
			}))
		}
	})
}

func FuzzMAC(f *testing.F) {
	f.Add([]byte("abcdefghijklmnop"), uint64(1), []byte("abc"), uint16(500))
	f.Add(make([]byte, 16), uint64(0), []byte{}, uint16(0))
	f.Add(bytes.Repeat([]byte{255}, 16), uint64(1<<64-1), []byte{255}, uint16(1025))
	f.Fuzz(func(t *testing.T, key []byte, nonce uint64, part []byte, times uint16) {
		if len(key) != KeySize || len(part)*int(times) > 1<<16 {
			return
		}
		message := bytes.Repeat(part, int(times))
		k := [KeySize]byte(key)
		require.Equal(t, (&reference{key, 8}).tag(nonce, message), New64(&k).Append(nil, nonce, message))
		require.Equal(t, (&reference{key, 16}).tag(nonce, message), New128(&k).Append(nil, nonce, message))
	})
}

var benchSizes = []struct {
	name string
	n    int
}{{"64B", 64}, {"1500B", 1500}, {"32KiB", 32 << 10}}

func benchmark(b *testing.B, tag func(nonce uint64, dst, message []byte)) {
	for _, size := range benchSizes {
		b.Run(size.name, func(b *testing.B) {
			message := make([]byte, size.n)
			dst := make([]byte, 0, 32)
			b.SetBytes(int64(size.n))
			b.ReportAllocs()
			nonce := uint64(0)
			for b.Loop() {
				tag(nonce, dst, message)
				nonce++
			}
		})
	}
}

func BenchmarkUMAC64(b *testing.B) {
	m := New64(&rfcKey)
	benchmark(b, func(nonce uint64, dst, message []byte) { m.Append(dst, nonce, message) })
}

func BenchmarkUMAC128(b *testing.B) {
	m := New128(&rfcKey)
	benchmark(b, func(nonce uint64, dst, message []byte) { m.Append(dst, nonce, message) })
}

// BenchmarkHMACSHA256 is what the others are to be compared with.
func BenchmarkHMACSHA256(b *testing.B) {
	m := hmac.New(sha256.New, make([]byte, 32))
	var seq [4]byte
	benchmark(b, func(nonce uint64, dst, message []byte) {
		binary.BigEndian.PutUint32(seq[:], uint32(nonce))
		m.Reset()
		m.Write(seq[:])
		m.Write(message)
		m.Sum(dst)
	})
}
