//go:build !race

// Nothing here is concurrent, and the race detector multiplies its time.

package keys

import (
	"bytes"
	"slices"
	"testing"

	"filippo.io/mldsa"
	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh/internal/wycheproof"
	"github.com/fairlead-go/ssh/wire"
)

// judge compares what is made of a signature with what Wycheproof makes of it.
// What is merely acceptable is refused.
func judge(t *testing.T, v *wycheproof.Vector, err error) {
	t.Helper()
	if v.Result == wycheproof.Valid {
		require.NoError(t, err, "%d: %s", v.ID, v.Comment)
	} else {
		require.Error(t, err, "%d: %s %s", v.ID, v.Comment, v.Flags)
	}
}

// wireKey parses the wire form of a key of the type with these fields.
func wireKey(t *testing.T, typ string, fields ...[]byte) PublicKey {
	t.Helper()
	blob := wire.AppendString(nil, typ)
	for _, f := range fields {
		blob = wire.AppendString(blob, f)
	}
	k, err := ParsePublicKey(blob)
	require.NoError(t, err)
	return k
}

func verifyBlob(k PublicKey, algorithm string, data, blob []byte) error {
	sig := &Signature{Format: algorithm, Blob: blob}
	return Verify(k, algorithm, data, sig.Marshal())
}

func TestWycheproofEd25519(t *testing.T) {
	for _, v := range wycheproof.Load(t, "ed25519") {
		k := wireKey(t, KeyEd25519, v.Bytes(t, "public"))
		judge(t, &v, verifyBlob(k, KeyEd25519, v.Bytes(t, "msg"), v.Bytes(t, "sig")))
	}
}

// Wycheproof's r and s in fixed length become SSH's two mpints.
func TestWycheproofECDSA(t *testing.T) {
	for typ, c := range map[string]struct {
		*ecdsaCurve
		file string
	}{
		KeyECDSA256: {nistp256, "ecdsa_secp256r1_sha256_p1363"},
		KeyECDSA384: {nistp384, "ecdsa_secp384r1_sha384_p1363"},
		KeyECDSA521: {nistp521, "ecdsa_secp521r1_sha512_p1363"},
	} {
		t.Run(typ, func(t *testing.T) {
			judged := 0
			for _, v := range wycheproof.Load(t, c.file) {
				sig := v.Bytes(t, "sig")
				if slices.Contains(v.Flags, "SignatureSize") {
					continue // of the form that SSH does not have
				}
				judged++
				k := wireKey(t, typ, []byte(c.identifier), v.Bytes(t, "public"))
				r, s := sig[:len(sig)/2], sig[len(sig)/2:]
				blob := wire.AppendMpint(wire.AppendMpint(nil, r), s)
				judge(t, &v, verifyBlob(k, typ, v.Bytes(t, "msg"), blob))
				// The fixed lengths themselves are no mpints.
				raw := wire.AppendString(wire.AppendString(nil, r), s)
				if !bytes.Equal(raw, blob) {
					require.Error(t, verifyBlob(k, typ, v.Bytes(t, "msg"), raw), "%d: %s", v.ID, v.Comment)
				}
				require.Error(t, verifyBlob(k, typ, v.Bytes(t, "msg"), sig), "%d: %s", v.ID, v.Comment)
			}
			require.Greater(t, judged, 200)
		})
	}
}

// Signatures in DER come from security keys and the signers of others, and
// from nowhere else.
func TestWycheproofECDSAInDER(t *testing.T) {
	refused := 0
	for _, v := range wycheproof.Load(t, "ecdsa_secp256r1_sha256") {
		k := wireKey(t, KeyECDSA256, []byte("nistp256"), v.Bytes(t, "public"))
		blob, err := nistp256.fromDER(v.Bytes(t, "sig"))
		if err != nil {
			refused++
		} else {
			err = verifyBlob(k, KeyECDSA256, v.Bytes(t, "msg"), blob)
		}
		judge(t, &v, err)
	}
	require.Greater(t, refused, 50)
}

func TestWycheproofRSA(t *testing.T) {
	for algorithm, file := range map[string]string{
		RSASHA256: "rsa_signature_2048_sha256",
		RSASHA512: "rsa_signature_2048_sha512",
	} {
		t.Run(algorithm, func(t *testing.T) {
			other := map[string]string{RSASHA256: RSASHA512, RSASHA512: RSASHA256}[algorithm]
			for _, v := range wycheproof.Load(t, file) {
				blob := wire.AppendString(nil, KeyRSA)
				blob = wire.AppendMpint(blob, v.Bytes(t, "exponent"))
				blob = wire.AppendMpint(blob, v.Bytes(t, "modulus"))
				k, err := ParsePublicKey(blob)
				require.NoError(t, err)
				judge(t, &v, verifyBlob(k, algorithm, v.Bytes(t, "msg"), v.Bytes(t, "sig")))
				if v.Result == wycheproof.Valid {
					require.Error(t, verifyBlob(k, other, v.Bytes(t, "msg"), v.Bytes(t, "sig")), "%d: %s", v.ID, v.Comment)
				}
			}
		})
	}
}

// Lengths are ours to check; what ML-DSA makes of the rest is tested as it is
// called, though with the context of each vector.
func TestWycheproofMLDSA(t *testing.T) {
	curve := generated()[KeyEd25519].PublicKey().(*ed25519PublicKey).key
	refused := 0
	for _, v := range wycheproof.Load(t, "mldsa_44_verify") {
		k, err := newCompositePublicKey(append(v.Bytes(t, "public"), curve...))
		if slices.Contains(v.Flags, "IncorrectPublicKeyLength") {
			refused++
			require.Error(t, err, "%d: %s", v.ID, v.Comment)
			continue
		}
		require.NoError(t, err)
		sig := v.Bytes(t, "sig")
		err = k.Verify(v.Bytes(t, "msg"), &Signature{Format: KeyMLDSA44Ed25519, Blob: append(slices.Clone(sig), make([]byte, 64)...)})
		var malformed *MalformedError
		if slices.Contains(v.Flags, "IncorrectSignatureLength") {
			refused++
			require.ErrorAs(t, err, &malformed, "%d: %s", v.ID, v.Comment)
		} else {
			require.ErrorIs(t, err, ErrBadSignature)
		}
		o := new(mldsa.Options)
		if v.Has("ctx") {
			o.Context = string(v.Bytes(t, "ctx"))
		}
		judge(t, &v, mldsa.Verify(k.mldsa, v.Bytes(t, "msg"), sig, o))
	}
	require.Greater(t, refused, 3)
	made := 0
	for _, v := range wycheproof.Load(t, "mldsa_44_sign_seed") {
		seeds := append(v.Bytes(t, "seed"), make([]byte, 32)...)
		k, err := newCompositePrivateKey(seeds)
		if slices.Contains(v.Flags, "IncorrectPrivateKeyLength") {
			require.Error(t, err, "%d: %s", v.ID, v.Comment)
			continue
		}
		require.NoError(t, err)
		made++
		require.Equal(t, v.Bytes(t, "public"), k.public.fields()[:mldsa.MLDSA44PublicKeySize])
	}
	require.Greater(t, made, 10)
}
