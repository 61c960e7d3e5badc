package keys

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestLegacySignatures(t *testing.T) {
	data := []byte("what is signed")
	for _, k := range generated() {
		require.NotContains(t, k.Algorithms(), RSASHA1)
		require.NotContains(t, k.PublicKey().Algorithms(), RSASHA1)
		for _, algorithm := range append(k.Algorithms(), "ssh-dss", "") {
			_, err := k.SignLegacy(t.Context(), algorithm, data)
			var refused *AlgorithmError
			require.ErrorAs(t, err, &refused)
			require.ErrorAs(t, VerifyLegacy(k.PublicKey(), algorithm, data, nil), &refused)
		}
		if k.PublicKey().Type() != KeyRSA {
			require.Empty(t, k.LegacyAlgorithms())
			_, err := k.SignLegacy(t.Context(), RSASHA1, data)
			require.Error(t, err)
			require.Error(t, VerifyLegacy(k.PublicKey(), RSASHA1, data, nil))
		}
	}
	k := generated()[KeyRSA]
	_, err := k.Sign(t.Context(), RSASHA1, data)
	require.Error(t, err)
	require.Equal(t, LegacyAlgorithms(), k.LegacyAlgorithms())
	sig, err := k.SignLegacy(t.Context(), RSASHA1, data)
	require.NoError(t, err)
	require.Equal(t, RSASHA1, sig.Format)
	blob := sig.Marshal()
	require.NoError(t, VerifyLegacy(k.PublicKey(), RSASHA1, data, blob))
	require.ErrorIs(t, VerifyLegacy(k.PublicKey(), RSASHA1, data[1:], blob), ErrBadSignature)
	for n := range blob {
		require.Error(t, VerifyLegacy(k.PublicKey(), RSASHA1, data, blob[:n]))
	}
	require.Error(t, VerifyLegacy(k.PublicKey(), RSASHA1, data, append(blob, 0)))
	// A signature of one kind is none of another.
	for _, algorithm := range []string{RSASHA1, RSASHA256, RSASHA512} {
		require.Error(t, Verify(k.PublicKey(), algorithm, data, blob))
		sig.Format = algorithm
		require.Error(t, Verify(k.PublicKey(), algorithm, data, sig.Marshal()))
	}
	sig, err = k.Sign(t.Context(), RSASHA256, data)
	require.NoError(t, err)
	require.Error(t, VerifyLegacy(k.PublicKey(), RSASHA1, data, sig.Marshal()))
	sig.Format = RSASHA1
	require.ErrorIs(t, VerifyLegacy(k.PublicKey(), RSASHA1, data, sig.Marshal()), ErrBadSignature)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = k.SignLegacy(ctx, RSASHA1, data)
	require.ErrorIs(t, err, context.Canceled)
	_, err = new(PrivateKey).SignLegacy(t.Context(), RSASHA1, data)
	require.Error(t, err)
	require.Error(t, VerifyLegacy(nil, RSASHA1, data, blob))
}
