package keys

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSignerRoundTrip(t *testing.T) {
	for _, typ := range []string{KeyEd25519, KeyECDSA256, KeyECDSA384, KeyECDSA521, KeyRSA} {
		t.Run(typ, func(t *testing.T) {
			k, err := GenerateKey(typ, 0)
			require.NoError(t, err)
			p, err := ParsePublicKey(k.PublicKey().Marshal())
			require.NoError(t, err)
			require.True(t, Equal(p, k.PublicKey()))
			for _, alg := range k.Algorithms() {
				sig, err := k.Sign(t.Context(), alg, []byte("data"))
				require.NoError(t, err)
				require.NoError(t, Verify(p, alg, []byte("data"), sig.Marshal()))
				require.ErrorIs(t, Verify(p, alg, []byte("datA"), sig.Marshal()), ErrBadSignature)
			}
		})
	}
}
