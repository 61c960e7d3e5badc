package chachapoly

import (
	"encoding/binary"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh/internal/wycheproof"
)

// TestWycheproof: OpenSSH's construction has the ciphertext of RFC 8439, for a
// nonce that is a sequence number, and a tag of its own. So Wycheproof's tags
// are all wrong.
func TestWycheproof(t *testing.T) {
	for _, v := range wycheproof.Load(t, "chacha20_poly1305") {
		key, nonce, msg := v.Bytes(t, "key"), v.Bytes(t, "iv"), v.Bytes(t, "msg")
		newCipher := func() *Cipher {
			c := New((*[KeySize]byte)(key))
			copy(c.nonce[:8], nonce) // of which a sequence number has zeros
			return c
		}
		seq := binary.BigEndian.Uint32(nonce[8:])
		end := lengthSize + len(msg)
		sealed := slices.Concat(make([]byte, lengthSize), msg, make([]byte, TagSize))
		newCipher().Seal(seq, sealed)
		if v.Result == wycheproof.Valid {
			require.Equal(t, v.Bytes(t, "ct"), sealed[lengthSize:end], "%d: %s", v.ID, v.Comment)
		}
		opened := slices.Clone(sealed)
		require.True(t, newCipher().Open(seq, opened), "%d: %s", v.ID, v.Comment)
		require.Equal(t, msg, opened[lengthSize:end], "%d: %s", v.ID, v.Comment)
		forged := slices.Concat(sealed[:end], v.Bytes(t, "tag"))
		require.False(t, newCipher().Open(seq, forged), "%d: %s", v.ID, v.Comment)
		require.Equal(t, sealed[:end], forged[:end], "%d: %s", v.ID, v.Comment)
	}
}
