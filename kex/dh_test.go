package kex

import (
	"bytes"
	"math/big"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh/wire"
)

// badPublic are public values, as contents of mpints, that no group with the
// prime p takes.
func badPublic(p *big.Int) map[string][]byte {
	one := big.NewInt(1)
	plus := func(n int64) []byte { return mpintContent(new(big.Int).Add(p, big.NewInt(n))) }
	power := func(bits ...uint) []byte {
		v := new(big.Int)
		for _, n := range bits {
			v.SetBit(v, int(n), 1)
		}
		return mpintContent(v)
	}
	ordinary := new(big.Int).Rsh(p, 1)
	return map[string][]byte{
		"0":                       {},
		"0 as a byte":             {0},
		"1":                       {1},
		"p-1":                     plus(-1),
		"p":                       plus(0),
		"p+1":                     plus(1),
		"p+2":                     plus(2),
		"2p":                      mpintContent(new(big.Int).Lsh(p, 1)),
		"p-1 + p":                 mpintContent(new(big.Int).Add(p, new(big.Int).Sub(p, one))),
		"-1":                      {0xff},
		"negative":                append([]byte{0x80}, make([]byte, len(p.Bytes())-1)...),
		"negative, longer than p": append([]byte{0x80}, make([]byte, len(p.Bytes()))...),
		"not minimal":             append([]byte{0}, mpintContent(ordinary)...),
		"padded to length":        append(make([]byte, len(p.Bytes())), 9),
		"one bit":                 power(1),
		"one high bit":            power(uint(p.BitLen() - 2)),
		"two bits":                power(3, 1000),
		"three bits":              power(1, 2, 2000),
		"much longer than p":      bytes.Repeat([]byte{0x55}, 100000),
	}
}

func TestDefect_DiffieHellmanPublicValues(t *testing.T) {
	for method, m := range map[string]modp{
		"diffie-hellman-group14-sha256": group14,
		"diffie-hellman-group16-sha512": group16,
		"diffie-hellman-group18-sha512": group18,
		"diffie-hellman-group1-sha1":    group1,
	} {
		fixed := fixOffer(t, method)
		for name, value := range badPublic(m().p) {
			requireFailed(t, newServer(t, method), wire.AppendString([]byte{msgECDHInit}, value), ErrPublicValue, name)
			client := fixed.begin(t, method)
			requireFailed(t, client, reply([]byte("key"), value, []byte("signature")), ErrPublicValue, name)
		}
		// Next to the refused ones there are some that are fine.
		p := m().p
		for _, v := range []*big.Int{big.NewInt(15), new(big.Int).Sub(p, big.NewInt(2))} {
			server := newServer(t, method)
			_, done, err := server.Step(wire.AppendString([]byte{msgECDHInit}, mpintContent(v)))
			require.NoError(t, err)
			require.True(t, done)
		}
	}
}

func TestExponents(t *testing.T) {
	for _, tc := range []struct {
		group *group
		bits  int
	}{{group14(), 512}, {group16(), 512}, {group17(), 640}, {group18(), 640}} {
		x, public, err := tc.group.generate()
		require.NoError(t, err)
		require.Equal(t, tc.bits, x.BitLen())
		require.Zero(t, public.Cmp(new(big.Int).Exp(tc.group.g, x, tc.group.p)))
		y, _, err := tc.group.generate()
		require.NoError(t, err)
		require.NotZero(t, x.Cmp(y))
	}
}

// A shared secret with leading zeros is an mpint without them.
func TestSmallSharedSecret(t *testing.T) {
	d := group14()
	x := new(big.Int).SetBit(new(big.Int), 0, 1) // an exponent of 1: the secret is the peer's value
	secret, err := d.agree(x, big.NewInt(0x80f0))
	require.NoError(t, err)
	require.Len(t, secret, 256)
	require.Equal(t, []byte{0, 0, 0, 3, 0, 0x80, 0xf0}, lookup("diffie-hellman-group14-sha256").appendSecret(nil, secret))
}

func TestExponentIsCleared(t *testing.T) {
	d := group14()
	x, _, err := d.generate()
	require.NoError(t, err)
	words := x.Bits()
	_, err = d.agree(x, big.NewInt(0x1234567))
	require.NoError(t, err)
	require.Equal(t, make([]big.Word, len(words)), []big.Word(words))
}
