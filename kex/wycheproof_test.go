//go:build !race

// Nothing here is concurrent, and the race detector multiplies its time.

package kex

import (
	"bytes"
	"crypto"
	"crypto/mlkem"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh/internal/wycheproof"
	"github.com/fairlead-go/ssh/wire"
)

// A result of zero is refused (RFC 8731 section 3), whatever else a public
// value may be. The others that Wycheproof would rather see refused are not
// canonical or on the twist, which RFC 7748 section 5 says to take.
func TestWycheproofX25519(t *testing.T) {
	zero := 0
	for _, v := range wycheproof.Load(t, "x25519") {
		key, err := x25519.NewPrivateKey(v.Bytes(t, "private"))
		require.NoError(t, err)
		secret, err := x25519.agree(key, v.Bytes(t, "public"))
		if shared := v.Bytes(t, "shared"); !bytes.Equal(shared, make([]byte, 32)) {
			require.NoError(t, err, "%d: %s", v.ID, v.Comment)
			require.Equal(t, shared, secret, "%d: %s", v.ID, v.Comment)
			require.NotContains(t, v.Flags, "LowOrderPublic")
			continue
		}
		zero++
		require.NotEqual(t, wycheproof.Valid, v.Result)
		require.ErrorIs(t, err, ErrPublicValue, "%d: %s", v.ID, v.Comment)
		require.Nil(t, secret)
		requireRefused(t, "curve25519-sha256", v.Bytes(t, "public"), v.ID, v.Comment)
	}
	require.Greater(t, zero, 10)
}

// Points that are compressed, though RFC 5656 section 4 allows them, are
// refused along with those that are not on the curve.
func TestWycheproofECDH(t *testing.T) {
	for method, c := range map[string]struct {
		curve
		file string
	}{
		"ecdh-sha2-nistp256": {p256, "ecdh_secp256r1_ecpoint"},
		"ecdh-sha2-nistp384": {p384, "ecdh_secp384r1_ecpoint"},
		"ecdh-sha2-nistp521": {p521, "ecdh_secp521r1_ecpoint"},
	} {
		t.Run(method, func(t *testing.T) {
			size := (c.publicSize - 1) / 2
			refused := 0
			for _, v := range wycheproof.Load(t, c.file) {
				private := v.Bytes(t, "private") // without leading zeros, or with one
				private = private[max(0, len(private)-size):]
				key, err := c.NewPrivateKey(append(make([]byte, size-len(private)), private...))
				require.NoError(t, err)
				secret, err := c.agree(key, v.Bytes(t, "public"))
				if v.Result == wycheproof.Valid && !slices.Contains(v.Flags, "CompressedPoint") {
					require.NoError(t, err, "%d: %s", v.ID, v.Comment)
					require.Equal(t, v.Bytes(t, "shared"), secret, "%d: %s", v.ID, v.Comment)
					continue
				}
				refused++
				require.ErrorIs(t, err, ErrPublicValue, "%d: %s", v.ID, v.Comment)
				requireRefused(t, method, v.Bytes(t, "public"), v.ID, v.Comment)
			}
			require.Greater(t, refused, 10)
		})
	}
}

// The KEM's half of a hybrid method, beside a good value of its curve.
func TestWycheproofMLKEM(t *testing.T) {
	key768 := func(seed []byte) (crypto.Decapsulator, error) { return mlkem.NewDecapsulationKey768(seed) }
	key1024 := func(seed []byte) (crypto.Decapsulator, error) { return mlkem.NewDecapsulationKey1024(seed) }
	for method, y := range map[string]struct {
		hybrid
		file    string
		fromKey func(seed []byte) (crypto.Decapsulator, error)
	}{
		"mlkem768x25519-sha256":    {hybrid{mlkem768, x25519, crypto.SHA256}, "mlkem_768", key768},
		"mlkem768nistp256-sha256":  {hybrid{mlkem768, p256, crypto.SHA256}, "mlkem_768", key768},
		"mlkem1024nistp384-sha384": {hybrid{mlkem1024, p384, crypto.SHA384}, "mlkem_1024", key1024},
	} {
		t.Run(method, func(t *testing.T) {
			ours, agree, err := y.curve.offer()
			require.NoError(t, err)
			accepted, refused := 0, 0
			for _, v := range wycheproof.Load(t, y.file) {
				key, err := y.fromKey(v.Bytes(t, "seed"))
				require.NoError(t, err)
				theirs, classical, err := respondTo(t, y.curve, ours)
				require.NoError(t, err)
				secret, err := y.agree(key, agree, append(v.Bytes(t, "c"), theirs...))
				if v.Result != wycheproof.Valid {
					refused++
					require.ErrorIs(t, err, ErrPublicValue, "%d: %s", v.ID, v.Comment)
					continue
				}
				accepted++
				require.NoError(t, err, "%d: %s", v.ID, v.Comment)
				h := y.hash.New()
				h.Write(v.Bytes(t, "K"))
				h.Write(classical)
				require.Equal(t, h.Sum(nil), secret, "%d: %s", v.ID, v.Comment)
			}
			for _, v := range wycheproof.Load(t, y.file+"_encaps") {
				require.Equal(t, wycheproof.Invalid, v.Result)
				refused++
				init := wire.AppendString([]byte{msgECDHInit}, append(v.Bytes(t, "ek"), ours...))
				requireFailed(t, newServer(t, method), init, ErrPublicValue, v.ID, v.Comment)
			}
			require.Greater(t, accepted, 10)
			require.Greater(t, refused, 30)
		})
	}
}
