package sntrup761

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

var (
	_ crypto.Decapsulator = (*DecapsulationKey)(nil)
	_ crypto.Encapsulator = (*EncapsulationKey)(nil)
)

func TestSizes(t *testing.T) {
	require.Equal(t, 1763, DecapsulationKeySize)
	require.Equal(t, 1039, CiphertextSize)
	key := GenerateKey()
	require.Len(t, key.Bytes(), DecapsulationKeySize)
	require.Len(t, key.EncapsulationKey().Bytes(), EncapsulationKeySize)
	shared, ciphertext := key.Encapsulator().Encapsulate()
	require.Len(t, shared, SharedKeySize)
	require.Len(t, ciphertext, CiphertextSize)
}

func TestKeysRoundTrip(t *testing.T) {
	for range 5 {
		key := GenerateKey()
		private, err := NewDecapsulationKey(key.Bytes())
		require.NoError(t, err)
		require.Equal(t, key, private)
		public, err := NewEncapsulationKey(key.EncapsulationKey().Bytes())
		require.NoError(t, err)
		require.Equal(t, key.EncapsulationKey(), public)

		seen := map[string]bool{}
		for range 10 {
			shared, ciphertext := public.Encapsulate()
			got, err := private.Decapsulate(ciphertext)
			require.NoError(t, err)
			require.Equal(t, shared, got)
			require.False(t, seen[string(shared)])
			seen[string(shared)] = true
		}
	}
}

func TestLengthsAreChecked(t *testing.T) {
	key := GenerateKey()
	_, ciphertext := key.public.Encapsulate()
	for _, change := range []func([]byte) []byte{
		func([]byte) []byte { return nil },
		func(b []byte) []byte { return b[1:] },
		func(b []byte) []byte { return append(bytes.Clone(b), 0) },
	} {
		_, err := NewEncapsulationKey(change(key.public.Bytes()))
		require.Error(t, err)
		_, err = NewDecapsulationKey(change(key.Bytes()))
		require.Error(t, err)
		shared, err := key.Decapsulate(change(ciphertext))
		require.Error(t, err)
		require.Nil(t, shared)
	}
}

// A ciphertext that was changed gives a key that depends on rho and the
// ciphertext, and on nothing else.
func TestImplicitRejection(t *testing.T) {
	key := GenerateKey()
	shared, ciphertext := key.public.Encapsulate()
	rhoHash := hash(prefixInput, key.rho[:])
	seen := map[string]bool{string(shared): true}
	try := func(ciphertext []byte) {
		t.Helper()
		want := hash(prefixReject, rhoHash[:], ciphertext)
		got, err := key.Decapsulate(ciphertext)
		require.NoError(t, err)
		require.Equal(t, want[:], got)
		require.False(t, seen[string(got)])
		seen[string(got)] = true
	}
	for i := 0; i < CiphertextSize; i += 7 {
		changed := bytes.Clone(ciphertext)
		changed[i] ^= 1 << (i % 8)
		try(changed)
	}
	try(make([]byte, CiphertextSize))
	try(bytes.Repeat([]byte{0xff}, CiphertextSize))
	_, other := GenerateKey().public.Encapsulate()
	try(other)

	// Right for a lenient decoder: the last number, below 3475, is written in two
	// bytes, and one more than it must be is the same modulo that.
	changed := bytes.Clone(ciphertext)
	last := int(changed[1005]) | int(changed[1006])<<8
	last += 3475
	changed[1005], changed[1006] = byte(last), byte(last>>8)
	require.Equal(t, decodeRounded(ciphertext[:roundedSize]), decodeRounded(changed[:roundedSize]))
	try(changed)

	// An input of another weight is encrypted as if it were proper.
	var heavy small
	for i := range heavy {
		heavy[i] = int8(i % 2)
	}
	inputHash := hash(prefixInput, appendSmall(nil, &heavy))
	try(key.public.hide(&heavy, inputHash[:]))
}

// Any bytes of the right length are a public key; none makes it panic.
func TestAnyPublicKey(t *testing.T) {
	keys := [][]byte{make([]byte, EncapsulationKeySize), bytes.Repeat([]byte{0xff}, EncapsulationKeySize)}
	for range 20 {
		b := make([]byte, EncapsulationKeySize)
		rand.Read(b)
		keys = append(keys, b)
	}
	for _, b := range keys {
		key, err := NewEncapsulationKey(b)
		require.NoError(t, err)
		canonical(t, (*[p]int16)(&key.h), q)
		shared, ciphertext := key.Encapsulate()
		require.Len(t, shared, SharedKeySize)
		require.Len(t, ciphertext, CiphertextSize)
		require.Equal(t, b, key.Bytes())
	}
}

func TestConcurrentUse(t *testing.T) {
	key := GenerateKey()
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 5 {
				shared, ciphertext := key.public.Encapsulate()
				got, err := key.Decapsulate(ciphertext)
				if err != nil || !bytes.Equal(shared, got) {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

func FuzzDecapsulate(f *testing.F) {
	key := generate(words32(seeded()))
	_, ciphertext := key.public.encapsulate(words32(seeded()))
	f.Add(ciphertext)
	f.Add(make([]byte, CiphertextSize))
	f.Fuzz(func(t *testing.T, b []byte) {
		shared, err := key.Decapsulate(b)
		require.Equal(t, len(b) != CiphertextSize, err != nil)
		if err == nil {
			require.Len(t, shared, SharedKeySize)
		}
	})
}
