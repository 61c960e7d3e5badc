package transport

import (
	"bytes"
	"encoding/binary"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh/internal/wycheproof"
)

// A packet's additional data are its length, of four bytes. No vector has as
// many, so a tag of Wycheproof's is never right here, while the ciphertext has
// to be the same.
func TestWycheproofGCM(t *testing.T) {
	for _, v := range wycheproof.Load(t, "aes_gcm") {
		msg, want := v.Bytes(t, "msg"), v.Bytes(t, "ct")
		require.NotEqual(t, lengthSize, len(v.Bytes(t, "aad")))
		key, iv := v.Bytes(t, "key"), v.Bytes(t, "iv")
		newCipher := func() packetCipher {
			c, err := newGCM(key, iv)
			require.NoError(t, err)
			return c
		}
		sealAndOpen(t, &v, newCipher, 0, msg, want)
	}
}

// sealAndOpen seals msg, compares with Wycheproof's ciphertext where that is
// right, and opens what comes out, with our tag and with Wycheproof's.
func sealAndOpen(t *testing.T, v *wycheproof.Vector, newCipher func() packetCipher, seq uint32, msg, want []byte) {
	t.Helper()
	const tagSize = 16
	packet := binary.BigEndian.AppendUint32(nil, uint32(len(msg)))
	packet = append(packet, msg...)
	sealed := append(bytes.Clone(packet), make([]byte, tagSize)...)
	newCipher().seal(seq, sealed)
	end := len(packet)
	if v.Result == wycheproof.Valid {
		require.Equal(t, want, sealed[lengthSize:end], "%d: %s", v.ID, v.Comment)
	}
	open := func(tag []byte) bool {
		c, p := newCipher(), slices.Concat(sealed[:end], tag)
		require.Equal(t, uint32(len(msg)), c.openLength(seq, p[:lengthSize]))
		ok := c.open(seq, p)
		if ok {
			require.Equal(t, msg, p[lengthSize:end], "%d: %s", v.ID, v.Comment)
		}
		return ok
	}
	require.True(t, open(sealed[end:]), "%d: %s", v.ID, v.Comment)
	require.False(t, open(v.Bytes(t, "tag")), "%d: %s", v.ID, v.Comment)
}

// plain is a cipher that does nothing, which leaves a packet's MAC.
type plain struct{}

func (plain) encrypt([]byte) {}
func (plain) decrypt([]byte) {}

// The sequence number is the beginning of what is authenticated, and the
// packet's length the next bytes of it.
func TestWycheproofHMAC(t *testing.T) {
	for file, method := range map[string]string{"hmac_sha256": "hmac-sha2-256", "hmac_sha512": "hmac-sha2-512"} {
		for _, etm := range []string{"", "-etm@openssh.com"} {
			t.Run(method+etm, func(t *testing.T) {
				m := macByName(method + etm)
				require.NotNil(t, m)
				accepted, refused := 0, 0
				for _, v := range wycheproof.Load(t, file) {
					msg, tag := v.Bytes(t, "msg"), v.Bytes(t, "tag")
					require.Len(t, tag, m.size)
					c := newMACCipher(plain{}, 16, m.new(v.Bytes(t, "key")), m)
					if len(msg) < 4+c.geometry().headSize { // of no packet
						continue
					}
					seq, packet := binary.BigEndian.Uint32(msg), msg[4:]
					sealed := append(bytes.Clone(packet), make([]byte, m.size)...)
					c.seal(seq, sealed)
					c.openLength(seq, packet[:c.geometry().headSize])
					ok := c.open(seq, append(packet, tag...))
					require.Equal(t, v.Result == wycheproof.Valid, ok, "%d: %s", v.ID, v.Comment)
					require.Equal(t, ok, bytes.Equal(tag, sealed[len(packet):]))
					if ok {
						accepted++
					} else {
						refused++
					}
				}
				require.Greater(t, accepted, 10)
				if m.etm { // forged tags are of short messages
					require.Greater(t, refused, 10)
				}
			})
		}
	}
}
