package sntrup761

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"testing"

	"github.com/stretchr/testify/require"
)

// A drbg is the CTR_DRBG of NIST SP 800-90A section 10.2.1 with AES-256 and
// without a derivation function, which NIST's test vectors draw their
// randomness from.
type drbg struct {
	block   cipher.Block
	counter [16]byte
}

func newDRBG(seed []byte) *drbg {
	d := new(drbg)
	d.block, _ = aes.NewCipher(make([]byte, 32))
	d.update(seed)
	return d
}

func (d *drbg) blocks(n int) []byte {
	var out []byte
	for len(out) < n {
		low := binary.BigEndian.Uint64(d.counter[8:]) + 1
		binary.BigEndian.PutUint64(d.counter[8:], low)
		if low == 0 {
			binary.BigEndian.PutUint64(d.counter[:], binary.BigEndian.Uint64(d.counter[:])+1)
		}
		out = append(out, make([]byte, 16)...)
		d.block.Encrypt(out[len(out)-16:], d.counter[:])
	}
	return out[:n]
}

func (d *drbg) update(seed []byte) {
	state := d.blocks(48)
	for i := range seed {
		state[i] ^= seed[i]
	}
	d.block, _ = aes.NewCipher(state[:32])
	copy(d.counter[:], state[32:])
}

func (d *drbg) generate(b []byte) {
	copy(b, d.blocks(len(b)))
	d.update(nil)
}

// wordwise draws as the submission's reference implementation does, one 32-bit
// word a request. That counts, since the generator changes its key after each.
func (d *drbg) wordwise(b []byte) {
	if len(b) != 4*p {
		d.generate(b)
		return
	}
	for i := 0; i < len(b); i += 4 {
		d.generate(b[i : i+4])
	}
}

// knownAnswers writes vectors in the form of NIST's files.
func knownAnswers(t *testing.T, out io.Writer, count int, end string, random func(*drbg) source) {
	entropy := make([]byte, 48)
	for i := range entropy {
		entropy[i] = byte(i)
	}
	seeds := newDRBG(entropy)
	for i := range count {
		seed := make([]byte, 48)
		seeds.generate(seed)
		random := random(newDRBG(seed))
		key := generate(random)
		shared, ciphertext := key.public.encapsulate(random)
		fmt.Fprintf(out, "count = %d\nseed = %X\npk = %X\nsk = %X\nct = %X\nss = %X\n%s",
			i, seed, key.public.Bytes(), key.Bytes(), ciphertext, shared, end)

		got, err := key.Decapsulate(ciphertext)
		require.NoError(t, err)
		require.Equal(t, shared, got)
	}
}

// The digest of one vector that PQClean publishes in
// crypto_kem/sntrup761/META.yml and liboqs in tests/KATs/kem/kats.json. These
// draw the words of a polynomial in one request.
func TestKnownAnswer(t *testing.T) {
	h := sha256.New()
	knownAnswers(t, h, 1, "", func(d *drbg) source { return d.generate })
	require.Equal(t, "afc42c3a5b10f4ef69654250097ebda9b9564570f4086744b24a6daf2bd1f89a", hex.EncodeToString(h.Sum(nil)))
}

// The digest of the hundred vectors of the reference implementation, as CIRCL
// publishes it in kem/ntruprime/kat_test.go.
func TestKnownAnswers(t *testing.T) {
	h := sha512.New()
	io.WriteString(h, "# kem/sntrup761\n\n")
	knownAnswers(t, h, 100, "\n", func(d *drbg) source { return d.wordwise })
	require.Equal(t, "1a687f42261c47fe4421b35c5d9faf035433fcb2101458680c66c8d54caafec5"+
		"fb767ea7725d6681ab100912ef06c38d88862a5d2d86786af2989b7dad33813a", hex.EncodeToString(h.Sum(nil)))
}
