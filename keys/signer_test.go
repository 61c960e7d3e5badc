package keys

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"errors"
	"io"
	"math/big"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// module is a crypto.Signer that gives nothing but signatures, as a hardware
// module does.
type module struct {
	key  crypto.Signer
	sign func(sig []byte) ([]byte, error) // changes the signature, if not nil
}

func (m module) Public() crypto.PublicKey { return m.key.Public() }

func (m module) Sign(rand io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	sig, err := m.key.Sign(rand, digest, opts)
	if err != nil || m.sign == nil {
		return sig, err
	}
	return m.sign(sig)
}

func TestNewSigner(t *testing.T) {
	forEachType(t, func(t *testing.T, k *PrivateKey) {
		for _, key := range []crypto.Signer{k.Crypto(), module{key: k.Crypto()}} {
			s, err := NewSigner(key)
			require.NoError(t, err)
			require.True(t, Equal(s.PublicKey(), k.PublicKey()))
			require.Equal(t, k.Algorithms(), s.Algorithms())
			signAndVerify(t, s, k.PublicKey())
		}
		_, err := NewPrivateKey(module{key: k.Crypto()})
		require.ErrorIs(t, err, errOpaque)
	})
	key := generated()[KeyEd25519].Crypto().(ed25519.PrivateKey)
	s, err := NewPrivateKey(&key) // as other libraries hand it out
	require.NoError(t, err)
	require.Equal(t, key, s.Crypto())
}

func TestNewSignerRefuses(t *testing.T) {
	ed := generated()[KeyEd25519].Crypto().(ed25519.PrivateKey)
	mixed := append(ed25519.PrivateKey(nil), ed...)
	mixed[63] ^= 1
	a := *generated()[KeyECDSA256].Crypto().(*ecdsa.PrivateKey)
	other, err := otherKey(KeyECDSA256)
	require.NoError(t, err)
	a.D = other.Crypto().(*ecdsa.PrivateKey).D
	r := *generated()[KeyRSA].Crypto().(*rsa.PrivateKey)
	r.Precomputed = rsa.PrecomputedValues{}
	r.D = new(big.Int).Add(r.D, big.NewInt(2))
	for name, k := range map[string]crypto.Signer{
		"nil":             nil,
		"nil ed25519":     ed25519.PrivateKey(nil),
		"nil pointer":     (*ed25519.PrivateKey)(nil),
		"short ed25519":   ed[:32],
		"mixed ed25519":   mixed,
		"nil ecdsa":       (*ecdsa.PrivateKey)(nil),
		"empty ecdsa":     &ecdsa.PrivateKey{},
		"mixed ecdsa":     &a,
		"nil rsa":         (*rsa.PrivateKey)(nil),
		"empty rsa":       &rsa.PrivateKey{},
		"mixed rsa":       &r,
		"public rsa only": &rsa.PrivateKey{PublicKey: r.PublicKey},
	} {
		_, err := NewSigner(k)
		require.Error(t, err, name)
		_, err = NewPrivateKey(k)
		require.Error(t, err, name)
	}
}

// An RSA key without precomputed values is taken, and not written to.
func TestNewSignerPrecomputesInACopy(t *testing.T) {
	k := *generated()[KeyRSA].Crypto().(*rsa.PrivateKey)
	k.Precomputed = rsa.PrecomputedValues{}
	s, err := NewPrivateKey(&k)
	require.NoError(t, err)
	require.Nil(t, k.Precomputed.Dp)
	require.NotNil(t, s.Crypto().(*rsa.PrivateKey).Precomputed.Dp)
	signAndVerify(t, s, generated()[KeyRSA].PublicKey())
}

func TestSignerThatMisbehaves(t *testing.T) {
	broken := errors.New("module is broken")
	forEachType(t, func(t *testing.T, k *PrivateKey) {
		for name, sign := range map[string]func([]byte) ([]byte, error){
			"error":    func([]byte) ([]byte, error) { return nil, broken },
			"empty":    func([]byte) ([]byte, error) { return nil, nil },
			"too long": func(sig []byte) ([]byte, error) { return append(sig, 0), nil },
		} {
			s, err := NewSigner(module{key: k.Crypto(), sign: sign})
			require.NoError(t, err)
			sig, err := s.Sign(t.Context(), s.Algorithms()[0], []byte("data"))
			require.Error(t, err, name)
			require.Nil(t, sig)
			if name == "error" {
				require.ErrorIs(t, err, broken)
			}
		}
	})
	// A module may leave out the leading zeros of an RSA signature.
	short := func(sig []byte) ([]byte, error) {
		if sig[0] == 0 {
			sig = sig[1:]
		}
		return sig, nil
	}
	s, err := NewSigner(module{key: generated()[KeyRSA].Crypto(), sign: short})
	require.NoError(t, err)
	for i := range 600 {
		sig, err := s.Sign(t.Context(), RSASHA256, []byte{byte(i >> 8), byte(i)})
		require.NoError(t, err)
		require.Len(t, sig.Blob, 256)
	}
}

func TestSignContext(t *testing.T) {
	cause := errors.New("gone")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	forEachType(t, func(t *testing.T, k *PrivateKey) {
		_, err := k.Sign(ctx, k.Algorithms()[0], nil)
		require.ErrorIs(t, err, cause)
	})
}

func TestSignConcurrently(t *testing.T) {
	forEachType(t, func(t *testing.T, k *PrivateKey) {
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				sig, err := k.Sign(t.Context(), k.Algorithms()[0], []byte("data"))
				if err != nil || k.PublicKey().Verify([]byte("data"), sig) != nil {
					t.Error("signature of one goroutine does not verify")
				}
			})
		}
		wg.Wait()
	})
}

func TestMarshalAllocatesNothing(t *testing.T) {
	forEachType(t, func(t *testing.T, k *PrivateKey) {
		p := k.PublicKey()
		require.Zero(t, testing.AllocsPerRun(100, func() { p.Marshal() }))
		require.Zero(t, testing.AllocsPerRun(100, func() { Equal(p, p) }))
	})
}

func BenchmarkSign(b *testing.B) {
	for _, typ := range allTypes {
		k := generated()[typ]
		b.Run(typ, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				k.Sign(b.Context(), k.Algorithms()[0], []byte("data"))
			}
		})
	}
}

func BenchmarkVerify(b *testing.B) {
	for _, typ := range allTypes {
		k := generated()[typ]
		sig, err := k.Sign(b.Context(), k.Algorithms()[0], []byte("data"))
		require.NoError(b, err)
		blob := sig.Marshal()
		b.Run(typ, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Verify(k.PublicKey(), sig.Format, []byte("data"), blob)
			}
		})
	}
}
