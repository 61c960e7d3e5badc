package kex

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/big"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
)

func modulus(size int, g string, p *big.Int) string {
	return fmt.Sprintf("20220714110357 2 6 100 %d %s %X\n", size, g, p)
}

func TestParseModuli(t *testing.T) {
	p, q := group14().p, group15().p
	good := modulus(2047, "2", p)
	even := new(big.Int).Add(p, big.NewInt(1))
	for name, tc := range map[string]struct {
		file  string
		sizes []int
	}{
		"one":                   {good, []int{2048}},
		"no newline":            {strings.TrimSuffix(good, "\n"), []int{2048}},
		"comments and blanks":   {"# Time Type Tests Tries Size Generator Modulus\n\n" + good + "\n  \n#", []int{2048}},
		"sorted":                {modulus(3071, "5", q) + good, []int{2048, 3072}},
		"CR LF, tabs":           {strings.ReplaceAll(strings.TrimSpace(good), " ", "\t") + "\r\n", []int{2048}},
		"lower case":            {strings.ToLower(good), []int{2048}},
		"size off by one":       {modulus(2048, "2", p) + good, []int{2048}},
		"type 4":                {strings.Replace(good, " 2 6 ", " 4 6 ", 1) + good, []int{2048}},
		"untested":              {strings.Replace(good, " 2 6 ", " 2 0 ", 1) + good, []int{2048}},
		"composite":             {strings.Replace(good, " 2 6 ", " 2 7 ", 1) + good, []int{2048}},
		"no tries":              {strings.Replace(good, " 100 ", " 0 ", 1) + good, []int{2048}},
		"negative":              {strings.Replace(good, " 100 ", " -1 ", 1) + good, []int{2048}},
		"number overflows":      {strings.Replace(good, " 100 ", " 99999999999999999999 ", 1) + good, []int{2048}},
		"g is 1":                {modulus(2047, "1", p) + good, []int{2048}},
		"g is empty":            {modulus(2047, "", p) + good, []int{2048}},
		"g is no number":        {modulus(2047, "x", p) + good, []int{2048}},
		"even":                  {modulus(2047, "2", even) + good, []int{2048}},
		"no hexadecimal digits": {strings.Replace(good, "FFFF", "FFGF", 1) + good, []int{2048}},
		"leading zeros":         {strings.Replace(good, "FFFF", "0000FFFF", 1), []int{2048}},
		"eight fields":          {strings.TrimSpace(good) + " x\n" + good, []int{2048}},
		"six fields":            {"1 2 6 100 2047 2\n" + good, []int{2048}},
		"too small":             {modulus(1023, "2", new(big.Int).Rsh(p, 1024)) + good, []int{2048}},
		"too large":             {modulus(8192, "2", new(big.Int).SetBit(big.NewInt(1), 8192, 1)) + good, []int{2048}},
		"long line":             {good[:50] + strings.Repeat("F", 1<<20) + "\n" + good, []int{2048}},
		"long line looks good":  {strings.Repeat("x", maxModuliLine) + good + good, []int{2048}},
		"a long line alone":     {strings.Repeat("x ", 1<<20), nil},
		"nothing":               {"", nil},
		"garbage":               {"\x00\xff\n\x00 1 2 3 4 5 6 7\n", nil},
	} {
		m, err := ParseModuli(iotest.OneByteReader(strings.NewReader(tc.file)))
		if tc.sizes == nil {
			require.ErrorIs(t, err, ErrNoModuli, name)
			require.Nil(t, m)
			continue
		}
		require.NoError(t, err, name)
		var sizes []int
		for _, g := range m.groups {
			sizes = append(sizes, g.p.BitLen())
		}
		require.Equal(t, tc.sizes, sizes, name)
	}
	broken := errors.New("broken")
	_, err := ParseModuli(io.MultiReader(strings.NewReader(good), iotest.ErrReader(broken)))
	require.ErrorIs(t, err, broken)
}

func TestModuliAreBounded(t *testing.T) {
	line := modulus(2047, "2", group14().p)
	m, err := ParseModuli(io.MultiReader(strings.NewReader(strings.Repeat(line, maxModuli)), iotest.ErrReader(errors.New("read on"))))
	require.NoError(t, err)
	require.Len(t, m.groups, maxModuli)
}

// Of the groups of one size each is chosen at some time, and no other.
func TestChoose(t *testing.T) {
	var file strings.Builder
	primes := make(map[string]int)
	for i := range 3 {
		p := new(big.Int).Sub(group15().p, big.NewInt(int64(2*i))) // prime enough for a choice
		file.WriteString(modulus(3071, "2", p))
		primes[p.String()] = 0
	}
	file.WriteString(modulus(2047, "2", group14().p))
	m, err := ParseModuli(strings.NewReader(file.String()))
	require.NoError(t, err)
	for range 1000 {
		p := m.choose(2048, 2500, 8192).p.String()
		require.Contains(t, primes, p)
		primes[p]++
	}
	for _, n := range primes {
		require.NotZero(t, n)
	}
	require.Equal(t, 2048, m.choose(0, 0, 1<<32-1).p.BitLen())
	require.Equal(t, 3072, m.choose(2048, 8192, 8192).p.BitLen(), "the largest there is")
	require.Equal(t, 4096, m.choose(4000, 4000, 5000).p.BitLen(), "of RFC 3526, where the file has none")
	require.Nil(t, m.choose(5000, 5000, 5000))
}

func FuzzParseModuli(f *testing.F) {
	f.Add([]byte(modulus(2047, "2", group14().p)))
	f.Add([]byte("# comment\n1 2 6 100 2047 2 FF\n"))
	f.Add([]byte("1 2 6 100 2047 2"))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := ParseModuli(bytes.NewReader(b))
		if err != nil {
			require.ErrorIs(t, err, ErrNoModuli)
			return
		}
		for _, d := range m.groups {
			require.NotZero(t, d.p.Bit(0))
			require.GreaterOrEqual(t, d.p.BitLen(), minGroupBits)
			require.LessOrEqual(t, d.p.BitLen(), maxGroupBits)
			require.False(t, d.outside(d.g))
		}
	})
}
