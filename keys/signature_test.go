package keys

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"math/big"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh/wire"
)

func TestSignatureRoundTrip(t *testing.T) {
	for _, s := range []*Signature{
		{Format: KeyEd25519, Blob: make([]byte, 64)},
		{Format: KeyEd25519, Blob: []byte{}},
		{Format: "sk-ssh-ed25519@openssh.com", Blob: make([]byte, 64), Rest: []byte{1, 0, 0, 0, 9}},
	} {
		b := s.Marshal()
		got, err := ParseSignature(b)
		require.NoError(t, err)
		require.Equal(t, s, got)
		require.Equal(t, b, got.Marshal())
		for n := range len(b) - len(s.Rest) {
			_, err := ParseSignature(b[:n])
			require.ErrorIs(t, err, wire.ErrTruncated)
		}
	}
	for _, format := range []string{"", "a,b", "a b", "a\x00", "\xe9", string(bytes.Repeat([]byte("a"), 65))} {
		_, err := ParseSignature((&Signature{Format: format, Blob: []byte{1}}).Marshal())
		require.ErrorIs(t, err, wire.ErrInvalid, "%q", format)
	}
}

func TestSignVerify(t *testing.T) {
	forEachType(t, func(t *testing.T, k *PrivateKey) {
		signAndVerify(t, k, k.PublicKey())
		data := []byte("data")
		for _, algorithm := range k.Algorithms() {
			sig, err := k.Sign(t.Context(), algorithm, data)
			require.NoError(t, err)
			require.ErrorIs(t, Verify(k.PublicKey(), algorithm, []byte("Data"), sig.Marshal()), ErrBadSignature)

			other, err := otherKey(k.PublicKey().Type())
			require.NoError(t, err)
			require.Error(t, Verify(other.PublicKey(), algorithm, data, sig.Marshal()))
		}
	})
}

// otherKey makes a key of the type that is not the one in generated.
func otherKey(typ string) (*PrivateKey, error) {
	if typ == KeyRSA {
		return GenerateKey(typ, 2048)
	}
	return GenerateKey(typ, 0)
}

// The signature must be of the algorithm that was agreed, and that one of the
// key's, whatever else would verify.
func TestDefect_SignatureAlgorithmMismatch(t *testing.T) {
	data := []byte("data")
	k := generated()[KeyRSA]
	sig, err := k.Sign(t.Context(), RSASHA256, data)
	require.NoError(t, err)
	var refused *AlgorithmError
	require.ErrorAs(t, Verify(k.PublicKey(), RSASHA512, data, sig.Marshal()), &refused)
	require.Equal(t, RSASHA256, refused.Algorithm)
	require.Equal(t, RSASHA512, refused.Agreed)
	// A valid signature under another name.
	sig.Format = RSASHA512
	require.ErrorIs(t, Verify(k.PublicKey(), RSASHA512, data, sig.Marshal()), ErrBadSignature)
	// SHA-1 is asked for by the key type's name.
	sig.Format = KeyRSA
	require.ErrorAs(t, Verify(k.PublicKey(), KeyRSA, data, sig.Marshal()), &refused)
	require.ErrorAs(t, k.PublicKey().Verify(data, sig), &refused)

	forEachType(t, func(t *testing.T, k *PrivateKey) {
		for _, algorithm := range []string{"", KeyRSA, "ssh-dss", "none", "\x1b[2J"} {
			_, err := k.Sign(t.Context(), algorithm, data)
			require.ErrorAs(t, err, &refused)
			require.NotContains(t, err.Error(), "\x1b")
		}
		for _, typ := range allTypes {
			if typ == k.PublicKey().Type() {
				continue
			}
			other := generated()[typ]
			algorithm := other.Algorithms()[0]
			sig, err := other.Sign(t.Context(), algorithm, data)
			require.NoError(t, err)
			require.ErrorAs(t, Verify(k.PublicKey(), algorithm, data, sig.Marshal()), &refused)
			require.Error(t, Verify(k.PublicKey(), k.Algorithms()[0], data, sig.Marshal()))
		}
	})
	require.Error(t, Verify(nil, KeyEd25519, data, sig.Marshal()))
}

func TestVerifyRefusesRest(t *testing.T) {
	forEachType(t, func(t *testing.T, k *PrivateKey) {
		sig, err := k.Sign(t.Context(), k.Algorithms()[0], nil)
		require.NoError(t, err)
		require.NoError(t, k.PublicKey().Verify(nil, sig))
		sig.Rest = []byte{0}
		require.ErrorIs(t, k.PublicKey().Verify(nil, sig), wire.ErrTrailing)
		require.Error(t, k.PublicKey().Verify(nil, nil))
		require.Error(t, k.PublicKey().Verify(nil, &Signature{}))
	})
}

// Each bit of the wire form counts: of the lengths, the name and the blob. In
// short mode one bit of each byte is flipped: P-521 takes ten milliseconds each.
func TestVerifyEveryBitFlipped(t *testing.T) {
	data := []byte("data")
	forEachType(t, func(t *testing.T, k *PrivateKey) {
		for _, algorithm := range k.Algorithms() {
			sig, err := k.Sign(t.Context(), algorithm, data)
			require.NoError(t, err)
			b := sig.Marshal()
			for i := range 8 * len(b) {
				if raceEnabled && i%8 != i/8%8 {
					continue // one bit of each byte
				}
				b[i/8] ^= 1 << (i % 8)
				if err := Verify(k.PublicKey(), algorithm, data, b); err == nil {
					t.Fatalf("%s verifies with bit %d flipped", algorithm, i)
				}
				b[i/8] ^= 1 << (i % 8)
			}
			require.NoError(t, Verify(k.PublicKey(), algorithm, data, b))
			for n := range b {
				require.Error(t, Verify(k.PublicKey(), algorithm, data, b[:n]))
			}
			require.Error(t, Verify(k.PublicKey(), algorithm, data, append(b, 0)))
		}
	})
}

// What is signed here verifies by the standard library, from the numbers in the
// blob, and the other way round.
func TestStandardLibraryAgrees(t *testing.T) {
	data := []byte("data")
	sum256, sum384, sum512 := sha256.Sum256(data), sha512.Sum384(data), sha512.Sum512(data)
	sign := func(typ, algorithm string) []byte {
		sig, err := generated()[typ].Sign(t.Context(), algorithm, data)
		require.NoError(t, err)
		return sig.Blob
	}
	verify := func(typ, algorithm string, blob []byte) {
		require.NoError(t, generated()[typ].PublicKey().Verify(data, &Signature{Format: algorithm, Blob: blob}), algorithm)
	}

	ed := generated()[KeyEd25519].Crypto().(ed25519.PrivateKey)
	require.True(t, ed25519.Verify(ed.Public().(ed25519.PublicKey), data, sign(KeyEd25519, KeyEd25519)))
	verify(KeyEd25519, KeyEd25519, ed25519.Sign(ed, data))

	rsaKey := generated()[KeyRSA].Crypto().(*rsa.PrivateKey)
	require.NoError(t, rsa.VerifyPKCS1v15(&rsaKey.PublicKey, crypto.SHA256, sum256[:], sign(KeyRSA, RSASHA256)))
	require.NoError(t, rsa.VerifyPKCS1v15(&rsaKey.PublicKey, crypto.SHA512, sum512[:], sign(KeyRSA, RSASHA512)))
	for algorithm, h := range map[string]crypto.Hash{RSASHA256: crypto.SHA256, RSASHA512: crypto.SHA512} {
		blob, err := rsa.SignPKCS1v15(nil, rsaKey, h, digest(h, data))
		require.NoError(t, err)
		verify(KeyRSA, algorithm, blob)
	}

	for typ, sum := range map[string][]byte{KeyECDSA256: sum256[:], KeyECDSA384: sum384[:], KeyECDSA521: sum512[:]} {
		k := generated()[typ].Crypto().(*ecdsa.PrivateKey)
		r := wire.NewReader(sign(typ, typ))
		require.True(t, ecdsa.Verify(&k.PublicKey, sum, r.BigInt(), r.BigInt()))
		require.NoError(t, r.End())
		rr, ss, err := ecdsa.Sign(rand.Reader, k, sum)
		require.NoError(t, err)
		verify(typ, typ, wire.AppendBigInt(wire.AppendBigInt(nil, rr), ss))
	}
}

func TestECDSASignatureStrict(t *testing.T) {
	data := []byte("data")
	for _, typ := range allTypes[1:4] {
		k := generated()[typ]
		key := k.Crypto().(*ecdsa.PrivateKey)
		sig, err := k.Sign(t.Context(), typ, data)
		require.NoError(t, err)
		f := fields(t, sig.Blob)
		require.Len(t, f, 2)
		order := key.Curve.Params().N
		plusOrder := func(b []byte) []byte { // the same value modulo the order
			return wire.AppendBigInt(nil, new(big.Int).Add(new(big.Int).SetBytes(b), order))[4:]
		}
		asn1 := func() []byte {
			der, err := key.Sign(rand.Reader, digest(crypto.SHA256, data), crypto.SHA256)
			require.NoError(t, err)
			return der
		}
		for name, blob := range map[string][]byte{
			"empty":        {},
			"one number":   joinStrings(f[0]),
			"three":        joinStrings(f[0], f[1], []byte{1}),
			"trailing":     append(bytes.Clone(sig.Blob), 0),
			"swapped":      joinStrings(f[1], f[0]),
			"zero r":       joinStrings(nil, f[1]),
			"zero s":       joinStrings(f[0], nil),
			"both zero":    joinStrings(nil, nil),
			"both one":     joinStrings([]byte{1}, []byte{1}),
			"padded r":     joinStrings(append([]byte{0, 0}, f[0]...), f[1]),
			"negative r":   joinStrings(append([]byte{0xff}, f[0]...), f[1]),
			"r plus order": joinStrings(plusOrder(f[0]), f[1]),
			"s plus order": joinStrings(f[0], plusOrder(f[1])),
			"huge r":       joinStrings(bytes.Repeat([]byte{1}, 1<<16), f[1]),
			"ASN.1":        asn1(),
			"fixed width":  append(bytes.Clone(f[0]), f[1]...),
		} {
			require.Error(t, k.PublicKey().Verify(data, &Signature{Format: typ, Blob: blob}), "%s %s", typ, name)
		}
		require.NoError(t, k.PublicKey().Verify(data, sig))
	}
}

// Peers may leave out leading zeros of an RSA signature; more bytes than the
// modulus has are never right, even if they are zeros.
func TestRSASignatureLength(t *testing.T) {
	k := generated()[KeyRSA]
	var data []byte
	var sig *Signature
	for i := 0; sig == nil || sig.Blob[0] != 0; i++ {
		require.Less(t, i, 1<<14)
		var err error
		data = []byte{byte(i >> 8), byte(i)}
		sig, err = k.Sign(t.Context(), RSASHA512, data)
		require.NoError(t, err)
		require.Len(t, sig.Blob, 256)
	}
	verify := func(blob []byte) error {
		return k.PublicKey().Verify(data, &Signature{Format: RSASHA512, Blob: blob})
	}
	require.NoError(t, verify(sig.Blob))
	require.NoError(t, verify(bytes.TrimLeft(sig.Blob, "\x00")))
	var malformed *MalformedError
	require.ErrorAs(t, verify(append([]byte{0}, sig.Blob...)), &malformed)
	require.ErrorAs(t, verify(append(bytes.Clone(sig.Blob), 0)), &malformed)
	require.ErrorAs(t, verify(nil), &malformed)
	require.ErrorIs(t, verify(sig.Blob[:255]), ErrBadSignature)
	require.ErrorIs(t, verify([]byte{0}), ErrBadSignature)
	require.ErrorIs(t, verify([]byte{1}), ErrBadSignature)
	// The same value plus the modulus, which fits in as many bytes.
	n := k.Crypto().(*rsa.PrivateKey).N
	sum := new(big.Int).Add(n, new(big.Int).SetBytes(sig.Blob))
	if sum.BitLen() <= 2048 {
		require.ErrorIs(t, verify(sum.Bytes()), ErrBadSignature)
	}
	require.ErrorIs(t, verify(bytes.Repeat([]byte{0xff}, 256)), ErrBadSignature)
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	require.NoError(t, err)
	return b
}

// RFC 8032 section 7.1, tests 1 to 3.
func TestEd25519KnownAnswers(t *testing.T) {
	for _, v := range []struct{ seed, public, message, signature string }{
		{
			"9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
			"d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
			"",
			"e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
		},
		{
			"4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
			"3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
			"72",
			"92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
		},
		{
			"c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
			"fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
			"af82",
			"6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
		},
	} {
		k, err := NewPrivateKey(ed25519.NewKeyFromSeed(unhex(t, v.seed)))
		require.NoError(t, err)
		require.Equal(t, joinStrings([]byte(KeyEd25519), unhex(t, v.public)), k.PublicKey().Marshal())
		sig, err := k.Sign(t.Context(), KeyEd25519, unhex(t, v.message))
		require.NoError(t, err)
		require.Equal(t, v.signature, hex.EncodeToString(sig.Blob))
		require.NoError(t, k.PublicKey().Verify(unhex(t, v.message), sig))
	}
}

// RFC 6979 appendix A.2.5 to A.2.7, message "sample".
func TestECDSAKnownAnswers(t *testing.T) {
	for _, v := range []struct {
		typ     string
		curve   elliptic.Curve
		x, r, s string
	}{
		{
			KeyECDSA256, elliptic.P256(),
			"c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721",
			"efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716",
			"f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8",
		},
		{
			KeyECDSA384, elliptic.P384(),
			"6b9d3dad2e1b8c1c05b19875b6659f4de23c3b667bf297ba9aa47740787137d896d5724e4c70a825f872c9ea60d2edf5",
			"94edbb92a5ecb8aad4736e56c691916b3f88140666ce9fa73d64c4ea95ad133c81a648152e44acf96e36dd1e80fabe46",
			"99ef4aeb15f178cea1fe40db2603138f130e740a19624526203b6351d0a3a94fa329c145786e679e7b82c71a38628ac8",
		},
		{
			KeyECDSA521, elliptic.P521(),
			"00fad06daa62ba3b25d2fb40133da757205de67f5bb0018fee8c86e1b68c7e75caa896eb32f1f47c70855836a6d16fcc1466f6d8fbec67db89ec0c08b0e996b83538",
			"00c328fafcbd79dd77850370c46325d987cb525569fb63c5d3bc53950e6d4c5f174e25a1ee9017b5d450606add152b534931d7d4e8455cc91f9b15bf05ec36e377fa",
			"00617cce7cf5064806c467f678d3b4080d6f1cc50af26ca209417308281b68af282623eaa63e5b5c0723d8b8c37ff0777b1a20f8ccb1dccc43997f1ee0e44da4a67a",
		},
	} {
		key, err := ecdsa.ParseRawPrivateKey(v.curve, unhex(t, v.x))
		require.NoError(t, err)
		k, err := NewPrivateKey(key)
		require.NoError(t, err)
		blob := wire.AppendMpint(wire.AppendMpint(nil, unhex(t, v.r)), unhex(t, v.s))
		require.NoError(t, k.PublicKey().Verify([]byte("sample"), &Signature{Format: v.typ, Blob: blob}), v.typ)
		require.ErrorIs(t, k.PublicKey().Verify([]byte("Sample"), &Signature{Format: v.typ, Blob: blob}), ErrBadSignature)
	}
}

// RFC 7515 appendix A.2: RSASSA-PKCS1-v1_5 with SHA-256.
func TestRSAKnownAnswer(t *testing.T) {
	decode := func(s string) []byte {
		b, err := base64.RawURLEncoding.DecodeString(s)
		require.NoError(t, err)
		return b
	}
	number := func(s string) *big.Int { return new(big.Int).SetBytes(decode(s)) }
	key := &rsa.PrivateKey{
		PublicKey: rsa.PublicKey{E: 65537, N: number("ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ")},
		D:         number("Eq5xpGnNCivDflJsRQBXHx1hdR1k6Ulwe2JZD50LpXyWPEAeP88vLNO97IjlA7_GQ5sLKMgvfTeXZx9SE-7YwVol2NXOoAJe46sui395IW_GO-pWJ1O0BkTGoVEn2bKVRUCgu-GjBVaYLU6f3l9kJfFNS3E0QbVdxzubSu3Mkqzjkn439X0M_V51gfpRLI9JYanrC4D4qAdGcopV_0ZHHzQlBjudU2QvXt4ehNYTCBr6XCLQUShb1juUO1ZdiYoFaFQT5Tw8bGUl_x_jTj3ccPDVZFD9pIuhLhBOneufuBiB4cS98l2SR_RQyGWSeWjnczT0QU91p1DhOVRuOopznQ"),
		Primes: []*big.Int{
			number("4BzEEOtIpmVdVEZNCqS7baC4crd0pqnRH_5IB3jw3bcxGn6QLvnEtfdUdiYrqBdss1l58BQ3KhooKeQTa9AB0Hw_Py5PJdTJNPY8cQn7ouZ2KKDcmnPGBY5t7yLc1QlQ5xHdwW1VhvKn-nXqhJTBgIPgtldC-KDV5z-y2XDwGUc"),
			number("uQPEfgmVtjL0Uyyx88GZFF1fOunH3-7cepKmtH4pxhtCoHqpWmT8YAmZxaewHgHAjLYsp1ZSe7zFYHj7C6ul7TjeLQeZD_YwD66t62wDmpe_HlB-TnBA-njbglfIsRLtXlnDzQkv5dTltRJ11BKBBypeeF6689rjcJIDEz9RWdc"),
		},
	}
	k, err := NewPrivateKey(key)
	require.NoError(t, err)
	data := []byte("eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ")
	want := decode("cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw")
	sig, err := k.Sign(t.Context(), RSASHA256, data)
	require.NoError(t, err)
	require.Equal(t, want, sig.Blob)
	require.NoError(t, k.PublicKey().Verify(data, sig))
}
