package chachapoly

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/chacha20"
	"golang.org/x/crypto/poly1305"
)

// reference seals with the two algorithms as they are.
func reference(key *[KeySize]byte, seq uint32, packet []byte) {
	nonce := [chacha20.NonceSize]byte{8: byte(seq >> 24), byte(seq >> 16), byte(seq >> 8), byte(seq)}
	s, _ := chacha20.NewUnauthenticatedCipher(key[:], nonce[:])
	var polyKey [32]byte
	s.XORKeyStream(polyKey[:], polyKey[:])
	end := len(packet) - TagSize
	s.SetCounter(1)
	s.XORKeyStream(packet[lengthSize:end], packet[lengthSize:end])
	var tag [TagSize]byte
	poly1305.Sum(&tag, packet[:end], &polyKey)
	copy(packet[end:], tag[:])
}

func randomKey() *[KeySize]byte { return (*[KeySize]byte)(random(KeySize)) }

func random(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}

// sizes are of bodies: all small ones, and those about where code changes.
func sizes() []int {
	var all []int
	for n := range 2600 {
		all = append(all, n)
	}
	for _, about := range []int{4 << 10, 6 << 10, 8 << 10, 32 << 10, 32784, 33 << 10, 64 << 10, 100_000, 256 << 10} {
		for n := about - 20; n < about+20; n++ {
			all = append(all, n)
		}
	}
	return all
}

func TestSealAndOpen(t *testing.T) {
	key := randomKey()
	c := New(key)
	for i, n := range sizes() {
		seq := uint32(i) * 0x01010101
		plain := random(lengthSize + n + TagSize)
		want, got := bytes.Clone(plain), bytes.Clone(plain)
		reference(key, seq, want)
		c.Seal(seq, got)
		if !bytes.Equal(want, got) {
			require.Equal(t, want, got, "%d bytes", n)
		}
		end := len(got) - TagSize
		require.True(t, c.Open(seq, got), "%d bytes", n)
		require.True(t, bytes.Equal(plain[lengthSize:end], got[lengthSize:end]), "%d bytes", n)
	}
}

// TestForged: whatever bit is wrong, nothing is decrypted.
func TestForged(t *testing.T) {
	c := New(randomKey())
	for _, n := range []int{8, 1024, 1500, 5000, 32784, 70_000} {
		sealed := random(lengthSize + n + TagSize)
		c.Seal(7, sealed)
		require.False(t, c.Open(8, bytes.Clone(sealed)), "another sequence number")
		end := len(sealed) - TagSize
		for at := 0; at < len(sealed); at++ {
			if at < end && at%(1+end/100) != 0 {
				continue // all of the tag, but not of what it covers
			}
			forged := bytes.Clone(sealed)
			forged[at] ^= 1 << (at % 8)
			given := bytes.Clone(forged)
			require.False(t, c.Open(7, forged), "byte %d of %d", at, n)
			require.True(t, bytes.Equal(given, forged), "decrypted before it was verified")
		}
	}
}

func TestNoAllocations(t *testing.T) {
	c := New(randomKey())
	for _, n := range []int{1500, 32784} {
		packet := random(lengthSize + n + TagSize)
		allocations := testing.AllocsPerRun(100, func() {
			c.Seal(1, packet)
			if !c.Open(1, packet) {
				t.Error("does not open")
			}
		})
		if !raceEnabled { // it empties pools at random
			require.Zero(t, allocations)
		}
	}
}

func FuzzSealAndOpen(f *testing.F) {
	f.Add([]byte("key"), uint32(5), []byte("length and body"))
	f.Add([]byte{}, uint32(1<<31), make([]byte, 3000))
	f.Fuzz(func(t *testing.T, k []byte, seq uint32, packet []byte) {
		if len(packet) < lengthSize {
			return
		}
		var key [KeySize]byte
		copy(key[:], k)
		c := New(&key)
		want := append(bytes.Clone(packet), make([]byte, TagSize)...)
		got := bytes.Clone(want)
		reference(&key, seq, want)
		c.Seal(seq, got)
		require.Equal(t, want, got)
		require.True(t, c.Open(seq, got))
		require.Equal(t, packet[lengthSize:], got[lengthSize:len(packet)])
	})
}

func BenchmarkSeal(b *testing.B) {
	for _, n := range []int{64, 1 << 10, 32 << 10} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			c := New(randomKey())
			packet := random(lengthSize + n + TagSize)
			b.SetBytes(int64(n))
			for b.Loop() {
				c.Seal(1, packet)
			}
		})
	}
}

func BenchmarkOpen(b *testing.B) {
	for _, n := range []int{64, 1 << 10, 32 << 10} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			c := New(randomKey())
			sealed := random(lengthSize + n + TagSize)
			c.Seal(1, sealed)
			packet := bytes.Clone(sealed)
			b.SetBytes(int64(n))
			for b.Loop() {
				copy(packet, sealed)
				if !c.Open(1, packet) {
					b.Fatal("does not open")
				}
			}
		})
	}
}
