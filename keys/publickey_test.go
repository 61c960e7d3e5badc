package keys

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"math/big"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh/wire"
)

func TestKeyTypeTable(t *testing.T) {
	var names []string
	for _, typ := range keyTypes {
		names = append(names, typ.name)
		require.Same(t, typ, lookupKeyType(typ.name))
	}
	require.Equal(t, append(slices.Insert(slices.Clone(allTypes), 4, skTypes...), KeyMLDSA44Ed25519), names)
	require.Equal(t, []string{RSASHA512, RSASHA256}, generated()[KeyRSA].Algorithms())
	require.Nil(t, lookupKeyType("ssh-dss"))
}

func TestPublicKeyRoundTrip(t *testing.T) {
	forEachType(t, func(t *testing.T, k *PrivateKey) {
		blob := bytes.Clone(k.PublicKey().Marshal())
		p, err := ParsePublicKey(blob)
		require.NoError(t, err)
		require.Equal(t, k.PublicKey().Type(), p.Type())
		require.Equal(t, blob, p.Marshal())
		require.True(t, Equal(p, k.PublicKey()))
		require.Equal(t, k.Algorithms(), p.Algorithms())

		clear(blob) // the key must not depend on the caller's memory
		require.True(t, Equal(p, k.PublicKey()))
		signAndVerify(t, k, p)

		wrapped, err := NewPublicKey(p.(CryptoPublicKey).CryptoPublicKey())
		require.NoError(t, err)
		require.True(t, Equal(p, wrapped))

		algorithms := p.Algorithms()
		algorithms[0] = "changed"
		require.NotEqual(t, "changed", p.Algorithms()[0])
	})
}

func TestPublicKeyStrict(t *testing.T) {
	forEachType(t, func(t *testing.T, k *PrivateKey) {
		blob := k.PublicKey().Marshal()
		for n := range blob {
			_, err := ParsePublicKey(blob[:n])
			require.Error(t, err, "%d bytes", n)
		}
		_, err := ParsePublicKey(append(bytes.Clone(blob), 0))
		require.ErrorIs(t, err, wire.ErrTrailing)
		var malformed *MalformedError
		require.ErrorAs(t, err, &malformed)
	})
}

func TestEqual(t *testing.T) {
	a, b := generated()[KeyEd25519].PublicKey(), generated()[KeyECDSA256].PublicKey()
	require.True(t, Equal(a, a))
	require.False(t, Equal(a, b))
	require.False(t, Equal(a, nil))
	require.False(t, Equal(nil, nil))
}

func TestUnknownKeyType(t *testing.T) {
	_, err := ParsePublicKey(joinStrings([]byte("ssh-\x1b[2J"), []byte("x")))
	var unknown *UnknownTypeError
	require.ErrorAs(t, err, &unknown)
	require.Equal(t, "ssh-\x1b[2J", unknown.Type)
	require.Equal(t, `keys: unsupported key type "ssh-\x1b[2J"`, err.Error())

	_, err = ParsePublicKey(joinStrings(bytes.Repeat([]byte("a"), 1<<16)))
	require.Less(t, len(err.Error()), 200)

	for _, k := range []crypto.PublicKey{nil, 1, (*rsa.PublicKey)(nil), (*ecdsa.PublicKey)(nil), &ecdsa.PublicKey{}, &ecdsa.PublicKey{Curve: elliptic.P256()}} {
		_, err := NewPublicKey(k)
		require.ErrorAs(t, err, &unknown, "%#v", k)
	}
	p224, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	require.NoError(t, err)
	_, err = NewPublicKey(p224.Public())
	require.ErrorAs(t, err, &unknown)
}

func TestEd25519PublicKeyLength(t *testing.T) {
	for _, n := range []int{0, 31, 33, 64} {
		_, err := ParsePublicKey(joinStrings([]byte(KeyEd25519), make([]byte, n)))
		require.Error(t, err, n)
	}
	_, err := NewPublicKey(ed25519.PublicKey(make([]byte, 31)))
	require.Error(t, err)
}

// The curve within the key must be the one that its type names, however valid
// the rest is.
func TestDefect_ECDSACurveMismatch(t *testing.T) {
	ecdsaTypes := allTypes[1:4]
	for _, typ := range ecdsaTypes {
		for _, other := range ecdsaTypes {
			of := fields(t, generated()[other].PublicKey().Marshal())
			_, err := ParsePublicKey(joinStrings([]byte(typ), of[1], of[2]))
			if typ == other {
				require.NoError(t, err)
				continue
			}
			require.ErrorIs(t, err, errCurve)
			own := fields(t, generated()[typ].PublicKey().Marshal())
			_, err = ParsePublicKey(joinStrings([]byte(typ), own[1], of[2]))
			require.Error(t, err, "%s with a point of %s", typ, other)
		}
	}
}

func TestECDSAPointValidated(t *testing.T) {
	for _, typ := range allTypes[1:4] {
		f := fields(t, generated()[typ].PublicKey().Marshal())
		size := (len(f[2]) - 1) / 2
		change := func(mutate func(p []byte) []byte) []byte { return mutate(bytes.Clone(f[2])) }
		for name, point := range map[string][]byte{
			"empty":      {},
			"infinity":   {0},
			"zero":       append([]byte{4}, make([]byte, 2*size)...),
			"off curve":  change(func(p []byte) []byte { p[len(p)-1] ^= 1; return p }),
			"compressed": change(func(p []byte) []byte { p[0] = 2 + p[len(p)-1]&1; return p[:1+size] }),
			"hybrid":     change(func(p []byte) []byte { p[0] = 6 + p[len(p)-1]&1; return p }),
			"short":      change(func(p []byte) []byte { return p[:len(p)-1] }),
			"long":       change(func(p []byte) []byte { return append(p, 0) }),
			"too large":  append([]byte{4}, bytes.Repeat([]byte{0xff}, 2*size)...),
		} {
			_, err := ParsePublicKey(joinStrings(f[0], f[1], point))
			var malformed *MalformedError
			require.ErrorAs(t, err, &malformed, "%s %s", typ, name)
		}
	}
}

// rsaBlob returns an ssh-rsa blob of any numbers.
func rsaBlob(e, n *big.Int) []byte {
	b := wire.AppendString(nil, KeyRSA)
	b = wire.AppendBigInt(b, e)
	return wire.AppendBigInt(b, n)
}

// oddOfBits returns 2^(bits-1) + 1.
func oddOfBits(bits int) *big.Int {
	n := new(big.Int).Lsh(big.NewInt(1), uint(bits-1))
	return n.SetBit(n, 0, 1)
}

func TestRSABounds(t *testing.T) {
	f4 := big.NewInt(65537)
	for _, bits := range []int{MinRSABits, MinRSABits + 1, 2048, 3072, MaxRSABits} {
		k, err := ParsePublicKey(rsaBlob(f4, oddOfBits(bits)))
		require.NoError(t, err, bits)
		require.Equal(t, rsaBlob(f4, oddOfBits(bits)), k.Marshal())
	}
	for _, bits := range []int{1, 512, MinRSABits - 1, MaxRSABits + 1, MaxRSABits + 8, 1 << 20} {
		_, err := ParsePublicKey(rsaBlob(f4, oddOfBits(bits)))
		var limit *LimitError
		require.ErrorAs(t, err, &limit, bits)
		require.Equal(t, uint64(MaxRSABits), limit.Max)
		_, err = NewPublicKey(&rsa.PublicKey{N: oddOfBits(bits), E: 65537})
		require.ErrorAs(t, err, &limit, bits)
	}
	n := oddOfBits(2048)
	var malformed *MalformedError
	_, err := ParsePublicKey(rsaBlob(f4, new(big.Int).Lsh(big.NewInt(1), 2047)))
	require.ErrorAs(t, err, &malformed, "even modulus")
	for _, e := range []int64{0, 1, 2, 4, 65536, 1<<31 + 1, 1<<32 - 1, 1<<32 + 1, 1<<62 + 1} {
		_, err := ParsePublicKey(rsaBlob(big.NewInt(e), n))
		require.ErrorAs(t, err, &malformed, "exponent %d", e)
	}
	_, err = ParsePublicKey(rsaBlob(oddOfBits(1<<20), n))
	require.ErrorAs(t, err, &malformed, "exponent of a million bits")
	for _, e := range []int64{3, 17, 65537, 1<<31 - 1} {
		_, err := ParsePublicKey(rsaBlob(big.NewInt(e), n))
		require.NoError(t, err, "exponent %d", e)
	}
	for _, k := range []*rsa.PublicKey{{}, {E: 3}, {N: n}, {N: n, E: 4}, {N: big.NewInt(-5), E: 3}} {
		_, err := NewPublicKey(k)
		require.Error(t, err)
	}

	// mpints that are negative or longer than need be (RFC 4251 section 5).
	for name, blob := range map[string][]byte{
		"negative exponent": joinStrings([]byte(KeyRSA), []byte{0x83}, append([]byte{0}, n.Bytes()...)),
		"padded exponent":   joinStrings([]byte(KeyRSA), []byte{0, 3}, append([]byte{0}, n.Bytes()...)),
		"negative modulus":  joinStrings([]byte(KeyRSA), []byte{3}, n.Bytes()),
		"padded modulus":    joinStrings([]byte(KeyRSA), []byte{3}, append([]byte{0, 0}, n.Bytes()...)),
	} {
		_, err := ParsePublicKey(blob)
		require.ErrorIs(t, err, wire.ErrInvalid, name)
	}
}
