package keys

import (
	"bytes"
	"crypto"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"slices"
	"testing"

	"filippo.io/mldsa"
	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh/wire"
)

// A compositeVector was made by another implementation of ML-DSA, CIRCL
// v1.6.5, without randomness in the signature.
type compositeVector struct{ Seeds, Message, PublicKey, Signature string }

func compositeVectors(t *testing.T) (all []compositeVector) {
	t.Helper()
	require.NoError(t, json.Unmarshal(readFile(t, "testdata/mldsa44-ed25519.json"), &all))
	require.NotEmpty(t, all)
	return all
}

func TestCompositeKnownAnswers(t *testing.T) {
	for _, v := range compositeVectors(t) {
		seeds, err := hex.DecodeString(v.Seeds)
		require.NoError(t, err)
		message, err := hex.DecodeString(v.Message)
		require.NoError(t, err)
		public, err := base64.StdEncoding.DecodeString(v.PublicKey)
		require.NoError(t, err)
		want, err := base64.StdEncoding.DecodeString(v.Signature)
		require.NoError(t, err)

		k, err := newCompositePrivateKey(seeds)
		require.NoError(t, err)
		require.Equal(t, public, k.public.fields())
		m := compositeMessage(message)
		lattice, err := k.mldsa.SignDeterministic(m, compositeOptions)
		require.NoError(t, err)
		require.Equal(t, want[:mldsa.MLDSA44SignatureSize], lattice)
		made, err := k.Sign(nil, message, nil)
		require.NoError(t, err)
		require.Equal(t, want[mldsa.MLDSA44SignatureSize:], made[mldsa.MLDSA44SignatureSize:])
		for _, sig := range [][]byte{want, made} {
			require.NoError(t, k.public.Verify(message, &Signature{Format: KeyMLDSA44Ed25519, Blob: sig}))
		}
		require.ErrorIs(t, k.public.Verify(append(message, 0), &Signature{Format: KeyMLDSA44Ed25519, Blob: want}), ErrBadSignature)
	}
}

func newComposite(t testing.TB) *PrivateKey {
	t.Helper()
	k, err := GenerateKey(KeyMLDSA44Ed25519, 0)
	require.NoError(t, err)
	k.Comment = "a comment"
	return k
}

func TestComposite(t *testing.T) {
	k := newComposite(t)
	blob := bytes.Clone(k.PublicKey().Marshal())
	public, err := ParsePublicKey(blob)
	require.NoError(t, err)
	require.True(t, Equal(public, k.PublicKey()))
	require.Equal(t, blob, public.Marshal())
	clear(blob)
	signAndVerify(t, k, public)
	require.Nil(t, k.Crypto())

	blob = k.PublicKey().Marshal()
	for n := range blob {
		_, err := ParsePublicKey(blob[:n])
		require.Error(t, err, "%d bytes", n)
	}
	_, err = ParsePublicKey(append(bytes.Clone(blob), 0))
	require.ErrorIs(t, err, wire.ErrTrailing)
	for _, size := range []int{0, compositePublicSize - 1, compositePublicSize + 1} {
		b := wire.AppendString(wire.AppendString(nil, KeyMLDSA44Ed25519), make([]byte, size))
		_, err := ParsePublicKey(b)
		require.Error(t, err, "%d bytes", size)
	}
	line := MarshalAuthorizedKey(public, "a comment")
	parsed, comment, err := ParsePublicKeyLine(line)
	require.NoError(t, err)
	require.True(t, Equal(parsed, public))
	require.Equal(t, "a comment", comment)

	_, err = GenerateKey(KeyMLDSA44Ed25519, 44)
	require.ErrorIs(t, err, errFixedSize)
	require.NotContains(t, Algorithms(), KeyMLDSA44Ed25519, "by name only")
	require.Contains(t, SupportedAlgorithms(), KeyMLDSA44Ed25519)
}

// One good half is no signature.
func TestCompositeSignatureStrict(t *testing.T) {
	a, b := newComposite(t), newComposite(t)
	data := []byte("data")
	sign := func(k *PrivateKey, data []byte) []byte {
		sig, err := k.Sign(t.Context(), KeyMLDSA44Ed25519, data)
		require.NoError(t, err)
		return sig.Blob
	}
	verify := func(blob []byte) error {
		sig := Signature{Format: KeyMLDSA44Ed25519, Blob: blob}
		return Verify(a.PublicKey(), KeyMLDSA44Ed25519, data, sig.Marshal())
	}
	good := sign(a, data)
	require.NoError(t, verify(good))
	const half = mldsa.MLDSA44SignatureSize
	for name, blob := range map[string][]byte{
		"Ed25519 of another key":     slices.Concat(good[:half], sign(b, data)[half:]),
		"ML-DSA of another key":      slices.Concat(sign(b, data)[:half], good[half:]),
		"Ed25519 of another message": slices.Concat(good[:half], sign(a, nil)[half:]),
		"ML-DSA of another message":  slices.Concat(sign(a, nil)[:half], good[half:]),
		"no Ed25519":                 slices.Concat(good[:half], make([]byte, 64)),
		"no ML-DSA":                  slices.Concat(make([]byte, half), good[half:]),
	} {
		require.ErrorIs(t, verify(blob), ErrBadSignature, name)
	}
	var malformed *MalformedError
	for _, blob := range [][]byte{nil, good[:half], good[half:], good[:len(good)-1], append(slices.Clone(good), 0), slices.Concat(good[half:], good[:half])[1:]} {
		require.ErrorAs(t, verify(blob), &malformed)
	}
	// Every byte counts, at some places of each half.
	for n := 0; n < len(good); n += 97 {
		require.Error(t, verify(flip(good, n)), "byte %d", n)
	}
	// Both halves have a domain of their own: neither signs the data, nor the
	// message without ML-DSA's context.
	key := a.signer.key.(*compositePrivateKey)
	message := compositeMessage(data)
	bare, err := key.mldsa.Sign(nil, message, nil)
	require.NoError(t, err)
	require.ErrorIs(t, verify(slices.Concat(bare, good[half:])), ErrBadSignature)
	_, err = key.Sign(nil, make([]byte, 64), crypto.SHA512)
	require.Error(t, err)
}

func TestCompositeFile(t *testing.T) {
	k := newComposite(t)
	for _, passphrase := range []string{"", "correct horse"} {
		file, err := k.MarshalOpenSSH(MarshalOptions{Passphrase: []byte(passphrase), Rounds: 2})
		require.NoError(t, err)
		got, err := ParsePrivateKey(file, []byte(passphrase))
		require.NoError(t, err)
		require.Equal(t, k.Comment, got.Comment)
		require.True(t, Equal(k.PublicKey(), got.PublicKey()))
		signAndVerify(t, got, k.PublicKey())
	}
	section, err := k.appendSection(nil, 1) // without padding
	require.NoError(t, err)
	f := &opensshFile{cipher: plainCipher}
	for n := range section {
		_, err := f.parseSection(section[:n], k.PublicKey())
		require.Error(t, err, "%d bytes", n)
	}
	_, err = f.parseSection(section, newComposite(t).PublicKey())
	require.ErrorIs(t, err, ErrKeyMismatch)
	// The seeds are another key's.
	at := len(section) - 4 - len(k.Comment) - compositePrivateSize
	for _, n := range []int{at, at + mldsa.PrivateKeySize} {
		_, err = f.parseSection(flip(section, n), k.PublicKey())
		require.ErrorIs(t, err, ErrKeyMismatch)
	}
	_, err = newCompositePrivateKey(make([]byte, 63))
	require.Error(t, err)
}
