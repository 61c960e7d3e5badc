package transport

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/des"
	"crypto/hmac"
	"crypto/md5"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/binary"
	"encoding/hex"
	"hash"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/chacha20"
	"golang.org/x/crypto/poly1305"

	"github.com/fairlead-go/ssh/transport/internal/umac"
)

// The tests here build each construction a second time, from its description
// and with other functions, and compare.

func plainPacket(n, pad, tag int) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(1+n+pad))
	b = append(b, byte(pad))
	b = append(b, data(n)...)
	b = append(b, make([]byte, pad+tag)...)
	rand.Read(b[headerSize+n : headerSize+n+pad])
	return b
}

// referenceChaCha is chacha20-poly1305@openssh.com by OpenSSH's
// PROTOCOL.chacha20poly1305, with plain ChaCha20 and its block counter.
func referenceChaCha(key []byte, seq uint32, plain []byte) []byte {
	nonce := make([]byte, 12)
	binary.BigEndian.PutUint64(nonce[4:], uint64(seq))
	k2, _ := chacha20.NewUnauthenticatedCipher(key[:32], nonce)
	k1, _ := chacha20.NewUnauthenticatedCipher(key[32:], nonce)
	out := make([]byte, len(plain), len(plain)+16)
	k1.XORKeyStream(out[:4], plain[:4])
	var polyKey [32]byte
	k2.XORKeyStream(polyKey[:], polyKey[:])
	k2.SetCounter(1)
	k2.XORKeyStream(out[4:], plain[4:])
	var tag [16]byte
	poly1305.Sum(&tag, out, &polyKey)
	return append(out, tag[:]...)
}

func referenceGCM(key, iv []byte, seq uint32, plain []byte) []byte {
	block, _ := aes.NewCipher(key)
	gcm, _ := cipher.NewGCM(block)
	nonce := bytes.Clone(iv)
	for range seq {
		for i := 11; i >= 4; i-- {
			if nonce[i]++; nonce[i] != 0 {
				break
			}
		}
	}
	return gcm.Seal(bytes.Clone(plain[:4]), nonce, plain[4:], plain[:4])
}

// referenceEncryption continues from call to call.
func referenceEncryption(t *testing.T, name string, key, iv []byte) func(b []byte) {
	newBlock := aes.NewCipher
	if name == "3des-cbc" {
		newBlock = des.NewTripleDESCipher
	}
	block, err := newBlock(key)
	require.NoError(t, err)
	if strings.HasSuffix(name, "-ctr") {
		stream := cipher.NewCTR(block, iv)
		return func(b []byte) { stream.XORKeyStream(b, b) }
	}
	last := bytes.Clone(iv)
	return func(b []byte) {
		for size := block.BlockSize(); len(b) > 0; b = b[size:] {
			subtle.XORBytes(b[:size], b[:size], last)
			block.Encrypt(b[:size], b[:size])
			copy(last, b[:size])
		}
	}
}

// referenceMAC is the MAC of that name under test keys. UMAC itself is tested
// where it is written; what is tested here is what goes into it.
func referenceMAC(name string) func(seq uint32, packet []byte) []byte {
	name = strings.TrimSuffix(strings.TrimSuffix(name, "@openssh.com"), "-etm")
	overSequence := func(mac hash.Hash) func(uint32, []byte) []byte {
		return func(seq uint32, packet []byte) []byte {
			mac.Reset()
			mac.Write(append(binary.BigEndian.AppendUint32(nil, seq), packet...))
			return mac.Sum(nil)
		}
	}
	name, short := strings.CutSuffix(name, "-96")
	size := 1000
	if short {
		size = 12
	}
	mac := map[string]func(uint32, []byte) []byte{
		"hmac-sha1":     overSequence(hmac.New(sha1.New, testKeys('E', 20))),
		"hmac-md5":      overSequence(hmac.New(md5.New, testKeys('E', 16))),
		"hmac-sha2-256": overSequence(hmac.New(sha256.New, testKeys('E', 32))),
		"hmac-sha2-512": overSequence(hmac.New(sha512.New, testKeys('E', 64))),
		"umac-64": func(seq uint32, packet []byte) []byte {
			return umac.New64((*[16]byte)(testKeys('E', 16))).Append(nil, uint64(seq), packet)
		},
		"umac-128": func(seq uint32, packet []byte) []byte {
			return umac.New128((*[16]byte)(testKeys('E', 16))).Append(nil, uint64(seq), packet)
		},
	}[name]
	return func(seq uint32, packet []byte) []byte {
		sum := mac(seq, packet)
		return sum[:min(size, len(sum))]
	}
}

func TestConstructions(t *testing.T) {
	for _, d := range append(testSuites(), legacySuites()...) {
		t.Run(d.String(), func(t *testing.T) {
			c := newTestCipher(t, d)
			geo := c.geometry()
			tagSize := geo.tagSize
			key, iv := testKeys('C', d.cipher.keySize), testKeys('A', d.cipher.ivSize)
			var encrypt func(b []byte)
			var mac func(seq uint32, packet []byte) []byte
			if d.mac != nil {
				encrypt = referenceEncryption(t, d.cipher.name, key, iv)
				mac = referenceMAC(d.mac.name)
			}
			for seq := range uint32(300) {
				b := plainPacket(int(seq)+1, geo.padding(int(seq)+1), tagSize)
				plain := bytes.Clone(b[:len(b)-tagSize])
				c.seal(seq, b)
				var want []byte
				switch {
				case d.cipher.name == "chacha20-poly1305@openssh.com":
					want = referenceChaCha(key, seq, plain)
				case d.mac == nil:
					want = referenceGCM(key, iv, seq, plain)
				default:
					want = bytes.Clone(plain)
					if d.mac.etm {
						encrypt(want[4:])
						want = append(want, mac(seq, want)...)
					} else {
						sum := mac(seq, want)
						encrypt(want)
						want = append(want, sum...)
					}
				}
				require.Equal(t, want, b, seq)
			}
		})
	}
}

// TestSequenceNumberInTag: high sequence numbers enter the nonce or the MAC as
// 32 bits, big-endian.
func TestSequenceNumberInTag(t *testing.T) {
	for _, d := range testSuites() {
		if d.mac == nil && d.cipher.ivSize > 0 {
			continue // GCM counts for itself
		}
		for _, seq := range []uint32{1 << 31, 1<<32 - 1, 0x01020304} {
			c, other := newTestCipher(t, d), newTestCipher(t, d)
			geo := c.geometry()
			b := plainPacket(40, geo.padding(40), geo.tagSize)
			c.seal(seq, b)
			other.openLength(seq, b[:geo.headSize])
			require.True(t, other.open(seq, b))
		}
	}
	key := testKeys('C', 64)
	c, err := newChaCha20Poly1305(key, nil)
	require.NoError(t, err)
	b := plainPacket(40, 11, 16)
	want := referenceChaCha(key, 1<<32-1, b[:len(b)-16])
	c.seal(1<<32-1, b)
	require.Equal(t, want, b)
}

// TestCipherOrder: AES-GCM first where the CPU has AES; the ciphers that need a
// MAC last.
func TestCipherOrder(t *testing.T) {
	chacha, gcm := []string{"chacha20-poly1305@openssh.com"}, []string{"aes128-gcm@openssh.com", "aes256-gcm@openssh.com"}
	ctr := []string{"aes128-ctr", "aes192-ctr", "aes256-ctr"}
	require.Equal(t, slices.Concat(chacha, gcm, ctr), cipherNames(false))
	require.Equal(t, slices.Concat(gcm, chacha, ctr), cipherNames(true))
	require.Equal(t, cipherNames(hasAES()), Ciphers())
}

// TestMACOrder: the default proposal is OpenSSH's, as far as it goes.
func TestMACOrder(t *testing.T) {
	require.Equal(t, []string{
		"umac-64-etm@openssh.com", "umac-128-etm@openssh.com", "hmac-sha2-256-etm@openssh.com", "hmac-sha2-512-etm@openssh.com",
		"umac-64@openssh.com", "umac-128@openssh.com", "hmac-sha2-256", "hmac-sha2-512",
	}, MACs())
	for _, m := range macs {
		require.Len(t, m.new(testKeys('E', m.keySize)).tag(1, data(100)), m.size, m.name)
	}
}

// TestGCMNonce: only its last eight bytes count, and a carry stays in them
// (RFC 5647 section 7.1).
func TestGCMNonce(t *testing.T) {
	c := &gcmCipher{}
	copy(c.nonce[:], bytes.Repeat([]byte{0xff}, 12))
	c.nextNonce()
	require.Equal(t, "ffffffff0000000000000000", hex.EncodeToString(c.nonce[:]))
	c.nextNonce()
	require.Equal(t, "ffffffff0000000000000001", hex.EncodeToString(c.nonce[:]))
}

// TestPublishedVectors are those of the primitives as this package calls them:
// NIST SP 800-38A F.5.1 (CTR-AES128), the GCM specification's test case 2
// (AES-128, zero key and nonce, one zero block) and RFC 4231's test case 2.
func TestPublishedVectors(t *testing.T) {
	unhex := func(s string) []byte {
		b, err := hex.DecodeString(s)
		require.NoError(t, err)
		return b
	}
	block, err := newAES(unhex("2b7e151628aed2a6abf7158809cf4f3c"))
	require.NoError(t, err)
	s := newCTR(block, unhex("f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff"))
	b := unhex("6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51")
	s.encrypt(b)
	require.Equal(t, "874d6191b620e3261bef6864990db6ce9806f66b7970fdff8617187bb9fffdff", hex.EncodeToString(b))

	c, err := newGCM(make([]byte, 16), make([]byte, 12))
	require.NoError(t, err)
	sealed := c.(*gcmCipher).aead.Seal(nil, make([]byte, 12), make([]byte, 16), nil)
	require.Equal(t, "0388dace60b6a392f328c2b971b2fe78ab6e47d42cec13bdf53a67b21257bddf", hex.EncodeToString(sealed))

	// The message begins with what stands for the sequence number here.
	m := macByName("hmac-sha2-256").new([]byte("Jefe"))
	seq, rest := binary.BigEndian.Uint32([]byte("what")), []byte(" do ya want for nothing?")
	require.Equal(t, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843", hex.EncodeToString(m.tag(seq, rest)))
	m = macByName("hmac-sha2-512").new([]byte("Jefe"))
	require.Equal(t, "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554"+
		"9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737", hex.EncodeToString(m.tag(seq, rest)))
}
