package hmacpair

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"testing"

	"github.com/stretchr/testify/require"
)

func random(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}

// want is the standard library's HMAC.
func want(key []byte, m Message) (tag [Size]byte) {
	h := hmac.New(sha256.New, key)
	h.Write(binary.BigEndian.AppendUint32(nil, m.First))
	h.Write(m.Rest)
	return [Size]byte(h.Sum(nil))
}

// TestTags: of any two lengths, the tags are those of the messages.
func TestTags(t *testing.T) {
	lengths := []int{2048, 32768, 32800, 35000, 262144}
	for n := range 330 {
		lengths = append(lengths, n)
	}
	for _, keySize := range []int{0, 1, 32, 63, 64, 65, 200} {
		key := random(keySize)
		m := New(key)
		for _, n := range lengths {
			a := Message{0xfffffffe, random(n)}
			require.Equal(t, want(key, a), *m.Tag(a), "a key of %d bytes and a message of %d", keySize, n)
			for _, other := range []int{n, n + 1, max(n-1, 0), n + 7, n + 64, 100} {
				b := Message{0xffffffff, random(other)}
				require.Equal(t, [2][Size]byte{want(key, a), want(key, b)}, *m.Tags(a, b),
					"a key of %d bytes and messages of %d and %d", keySize, n, other)
			}
		}
	}
}

// TestVectors is test case 7 of RFC 4231, the one that is long enough for a pair.
func TestVectors(t *testing.T) {
	key := make([]byte, 131)
	for i := range key {
		key[i] = 0xaa
	}
	text := "This is a test using a larger than block-size key and a larger than block-size data. " +
		"The key needs to be hashed before being used by the HMAC algorithm."
	m := Message{binary.BigEndian.Uint32([]byte(text)), []byte(text[4:])}
	tags := New(key).Tags(m, m)
	for _, tag := range tags {
		require.Equal(t, "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2", hex.EncodeToString(tag[:]))
	}
}

// TestUntouched: the messages stay as they are.
func TestUntouched(t *testing.T) {
	a, b := random(1000), random(1000)
	was := [2][]byte{append([]byte(nil), a...), append([]byte(nil), b...)}
	New(random(32)).Tags(Message{1, a}, Message{2, b})
	require.Equal(t, was, [2][]byte{a, b})
}

func TestAllocations(t *testing.T) {
	if raceEnabled {
		return // it allocates by itself
	}
	m := New(random(32))
	a, b := Message{1, random(32768)}, Message{2, random(32768)}
	require.Zero(t, testing.AllocsPerRun(100, func() { m.Tags(a, b); m.Tag(a) }))
}

func FuzzTags(f *testing.F) {
	f.Add([]byte("key"), []byte("message"), []byte("another"))
	f.Add(random(32), random(300), random(310))
	f.Add(random(65), random(1000), random(1000))
	f.Fuzz(func(t *testing.T, key, a, b []byte) {
		m := New(key)
		x, y := Message{7, a}, Message{8, b}
		require.Equal(t, [2][Size]byte{want(key, x), want(key, y)}, *m.Tags(x, y))
	})
}

func BenchmarkTags(b *testing.B) {
	m := New(random(32))
	x, y := Message{1, random(32768)}, Message{2, random(32768)}
	b.Run("two", func(b *testing.B) {
		b.SetBytes(2 * 32768)
		for b.Loop() {
			m.Tags(x, y)
		}
	})
	b.Run("one by one", func(b *testing.B) {
		b.SetBytes(2 * 32768)
		for b.Loop() {
			m.Tag(x)
			m.Tag(y)
		}
	})
}
