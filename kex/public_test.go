package kex

import (
	"bytes"
	"crypto/ecdh"
	"crypto/elliptic"
	"crypto/mlkem"
	"encoding/hex"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh/kex/internal/sntrup761"
	"github.com/fairlead-go/ssh/wire"
)

// requireRefused gives a public value to both roles.
func requireRefused(t *testing.T, method string, value []byte, msg ...any) {
	t.Helper()
	requireFailed(t, newServer(t, method), wire.AppendString([]byte{msgECDHInit}, value), ErrPublicValue, msg...)
	client, _ := begin(t, method)
	requireFailed(t, client, reply([]byte("key"), value, []byte("signature")), ErrPublicValue, msg...)
}

// The u-coordinates of small order (RFC 7748 section 6.1), with and without
// the bit that implementations ignore, and those that are not reduced modulo
// 2^255-19. All of them give a shared secret of zero.
var lowOrder = []string{
	"0000000000000000000000000000000000000000000000000000000000000000",
	"0100000000000000000000000000000000000000000000000000000000000000",
	"e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
	"5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
	"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"0000000000000000000000000000000000000000000000000000000000000080",
	"0100000000000000000000000000000000000000000000000000000000000080",
	"e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b880",
	"5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f11d7",
	"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
	"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
	"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
}

func TestDefect_LowOrderX25519(t *testing.T) {
	encapsulations := map[string][]byte{
		"mlkem768x25519-sha256":  mustEncapsulationKey(t),
		"sntrup761x25519-sha512": sntrup761.GenerateKey().EncapsulationKey().Bytes(),
	}
	for _, s := range lowOrder {
		value, err := hex.DecodeString(s)
		require.NoError(t, err)
		require.Len(t, value, 32)
		requireRefused(t, "curve25519-sha256", value, s)
		requireRefused(t, "curve25519-sha256@libssh.org", value, s)

		// As the classical part of a value whose other part is well formed.
		for hybrid, encapsulation := range encapsulations {
			init := wire.AppendString([]byte{msgECDHInit}, append(bytes.Clone(encapsulation), value...))
			requireFailed(t, newServer(t, hybrid), init, ErrPublicValue, s)
			client, init := begin(t, hybrid)
			_, rep := answer(t, hybrid, init)
			_, theirs, _ := splitReply(t, rep)
			copy(theirs[len(theirs)-32:], value) // inside rep
			requireFailed(t, client, rep, ErrPublicValue, s)
		}
	}
}

func TestErrorText(t *testing.T) {
	client, _ := begin(t, "curve25519-sha256")
	_, _, err := client.Step(reply([]byte("key"), make([]byte, 31), []byte("signature")))
	require.EqualError(t, err, "kex: curve25519-sha256: public value is not valid: 31 bytes in place of 32")
	_, _, err = newServer(t, "curve25519-sha256").Step([]byte{94})
	require.EqualError(t, err, "kex: curve25519-sha256: unexpected message: number 94 in place of 30")
}

func mustEncapsulationKey(t testing.TB) []byte {
	key, err := mlkem.GenerateKey768()
	require.NoError(t, err)
	return key.EncapsulationKey().Bytes()
}

func TestX25519Length(t *testing.T) {
	for _, method := range []string{"curve25519-sha256", "curve25519-sha256@libssh.org"} {
		for _, n := range []int{0, 1, 31, 33, 64, 65} {
			requireRefused(t, method, bytes.Repeat([]byte{9}, n), n)
		}
	}
}

// RFC 8731 section 3 takes the value as RFC 7748 does: the top bit is ignored
// in the computation, but part of the exchange hash as sent.
func TestX25519TopBit(t *testing.T) {
	const method = "curve25519-sha256"
	fixed := fixOffer(t, method)
	rep := reply([]byte("key"), append([]byte{9}, make([]byte, 31)...), []byte("signature"))
	plain := fixed.begin(t, method)
	_, _, err := plain.Step(rep)
	require.NoError(t, err)
	_, value, _ := splitReply(t, rep)
	value[31] |= 0x80 // inside rep
	set := fixed.begin(t, method)
	_, _, err = set.Step(rep)
	require.NoError(t, err)
	require.Equal(t, plain.Result().K, set.Result().K)
	require.NotEqual(t, plain.Result().H, set.Result().H)
}

func TestPointsNotOnTheCurve(t *testing.T) {
	for method, params := range map[string]elliptic.Curve{
		"ecdh-sha2-nistp256": elliptic.P256(),
		"ecdh-sha2-nistp384": elliptic.P384(),
		"ecdh-sha2-nistp521": elliptic.P521(),
	} {
		c := handCurve(method)
		key, err := c.GenerateKey(nil)
		require.NoError(t, err)
		point := key.PublicKey().Bytes()
		size := (len(point) - 1) / 2
		x, y := point[1:1+size], point[1+size:]

		offCurve := bytes.Clone(point)
		offCurve[len(offCurve)-1] ^= 1
		withPrefix := func(b byte) []byte {
			v := bytes.Clone(point)
			v[0] = b
			return v
		}
		notReduced := bytes.Clone(point)
		params.Params().P.FillBytes(notReduced[1 : 1+size]) // x = p stands for 0
		other, err := ecdh.P256().GenerateKey(nil)
		require.NoError(t, err)
		if c == ecdh.P256() {
			other, err = ecdh.P384().GenerateKey(nil)
			require.NoError(t, err)
		}

		for name, value := range map[string][]byte{
			"empty":                   {},
			"infinity":                {0},
			"infinity padded":         make([]byte, len(point)),
			"origin":                  append([]byte{4}, make([]byte, 2*size)...),
			"off the curve":           offCurve,
			"x not reduced":           notReduced,
			"all bits":                append([]byte{4}, bytes.Repeat([]byte{0xff}, 2*size)...),
			"coordinates swapped":     append(append([]byte{4}, y...), x...),
			"compressed, even":        append([]byte{2}, x...),
			"compressed, odd":         append([]byte{3}, x...),
			"compressed, full length": withPrefix(2),
			"hybrid form, even":       withPrefix(6),
			"hybrid form, odd":        withPrefix(7),
			"no form":                 withPrefix(0),
			"one byte short":          point[:len(point)-1],
			"one byte long":           append(bytes.Clone(point), 0),
			"x alone":                 x,
			"another curve's":         other.PublicKey().Bytes(),
			"an X25519 value":         append([]byte{9}, make([]byte, 31)...),
		} {
			requireRefused(t, method, value, "%s: %s", method, name)
		}
	}
}

func TestHybridLengths(t *testing.T) {
	for _, tc := range []struct {
		method             string
		public, ciphertext int
	}{
		{"mlkem768x25519-sha256", 1184, 1088},
		{"sntrup761x25519-sha512", 1158, 1039}, // RFC 9941 section 3
		{"sntrup761x25519-sha512@openssh.com", 1158, 1039},
	} {
		_, init := begin(t, tc.method)
		_, rep := answer(t, tc.method, init)
		client, server := init[5:], mustValue(t, tc.method)
		require.Len(t, client, tc.public+32)
		require.Len(t, server, tc.ciphertext+32)

		for _, value := range [][]byte{
			nil, client[:tc.public], client[tc.public:], client[1:], client[:len(client)-1],
			append(bytes.Clone(client), 0), server, append(client[:tc.public:tc.public], make([]byte, 65)...),
		} {
			requireFailed(t, newServer(t, tc.method), wire.AppendString([]byte{msgECDHInit}, value), ErrPublicValue, len(value))
		}
		for _, value := range [][]byte{
			nil, server[:tc.ciphertext], server[tc.ciphertext:], server[1:], server[:len(server)-1],
			append(bytes.Clone(server), 0), client,
		} {
			c, _ := begin(t, tc.method)
			hostKey, _, signature := splitReply(t, rep)
			requireFailed(t, c, reply(hostKey, value, signature), ErrPublicValue, len(value))
		}
	}
}

// FIPS 203 section 7.2: every coefficient of an encapsulation key has to be
// reduced modulo 3329.
func TestMLKEMModulusCheck(t *testing.T) {
	const method = "mlkem768x25519-sha256"
	for _, at := range []int{0, 1, 600, 1150} {
		_, init := begin(t, method)
		// Two coefficients of 12 bits in three bytes: set both to 4095.
		copy(init[5+at/3*3:], "\xff\xff\xff")
		requireFailed(t, newServer(t, method), init, ErrPublicValue, at)
	}
}

// A ciphertext that was changed is no error in ML-KEM and NTRU Prime, which
// answer with another secret; the exchange hash then differs from what the
// server signed.
func TestImplicitRejection(t *testing.T) {
	for method, size := range map[string]int{"mlkem768x25519-sha256": 1088, "sntrup761x25519-sha512": 1039} {
		for _, at := range []int{0, 500, size - 1} {
			client, init := begin(t, method)
			server, rep := answer(t, method, init)
			_, value, _ := splitReply(t, rep)
			value[at] ^= 1 // inside rep
			_, done, err := client.Step(rep)
			require.NoError(t, err)
			require.True(t, done)
			require.NotEqual(t, server.Result().K, client.Result().K)
			require.NotEqual(t, server.Result().H, client.Result().H)
		}
	}
}
