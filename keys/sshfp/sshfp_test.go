package sshfp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh/keys"
)

var keyTypes = []string{keys.KeyEd25519, keys.KeyECDSA256, keys.KeyECDSA384, keys.KeyECDSA521, keys.KeyRSA}

func generate(t testing.TB, typ string) *keys.PrivateKey {
	t.Helper()
	bits := 0
	if typ == keys.KeyRSA {
		bits = 2048
	}
	k, err := keys.GenerateKey(typ, bits)
	require.NoError(t, err)
	return k
}

// The records are those of ssh-keygen -r, also in the form for unknown types.
func TestKeygenRecords(t *testing.T) {
	for _, typ := range keyTypes {
		k := generate(t, typ).PublicKey()
		path := filepath.Join(t.TempDir(), "key.pub")
		require.NoError(t, os.WriteFile(path, keys.MarshalAuthorizedKey(k, ""), 0o600))
		records, err := Records(k)
		require.NoError(t, err)

		var lines strings.Builder
		for _, r := range records {
			fmt.Fprintf(&lines, "host.example IN SSHFP %s\n", r)
		}
		out, err := exec.Command("ssh-keygen", "-r", "host.example", "-f", path).Output()
		require.NoError(t, err)
		require.Equal(t, string(out), lines.String())

		generic, err := exec.Command("ssh-keygen", "-g", "-r", "host.example", "-f", path).Output()
		require.NoError(t, err)
		for i, line := range strings.Split(strings.TrimSpace(string(generic)), "\n") {
			data, ok := strings.CutPrefix(line, fmt.Sprintf("host.example IN TYPE%d ", Type))
			require.True(t, ok, line)
			r, err := ParseText(data)
			require.NoError(t, err)
			require.Equal(t, records[i], r)
		}
	}
}

func TestRecord(t *testing.T) {
	k, other := generate(t, keys.KeyEd25519).PublicKey(), generate(t, keys.KeyEd25519).PublicKey()
	records, err := Records(k)
	require.NoError(t, err)
	for _, r := range records {
		require.True(t, r.Matches(k))
		require.False(t, r.Matches(other))
		got, err := Parse(r.Marshal())
		require.NoError(t, err)
		require.Equal(t, r, got)
		got, err = ParseText(strings.ToUpper(r.String()[:20]) + " \t" + r.String()[20:] + "\n")
		require.NoError(t, err)
		require.Equal(t, r, got)
		for n := range r.Marshal() {
			_, err := Parse(r.Marshal()[:n])
			require.ErrorIs(t, err, ErrFormat)
		}
		_, err = Parse(append(r.Marshal(), 0))
		require.ErrorIs(t, err, ErrFormat)
		wrong := r
		wrong.Algorithm = RSA
		require.False(t, wrong.Matches(k))
		wrong = r
		wrong.Hash = 3
		require.False(t, wrong.Matches(k))
	}
	unknown, err := Parse([]byte{9, 9, 1, 2, 3})
	require.NoError(t, err)
	require.Equal(t, "9 9 010203", unknown.String())
	require.False(t, unknown.Matches(k))
	for _, s := range []string{"", "4", "4 2", "4 2 00", "4 2 0", "256 2 00", "4 256 00", "-4 9 00", "4 9 0x00", "4 9 zz", `\# 3 040900`[:8], `\# 4 040900`, `\# x 040900`, `\#`, "4 9 " + strings.Repeat("00", 300)} {
		_, err := ParseText(s)
		require.ErrorIs(t, err, ErrFormat, s)
	}
	claims := &keys.CertificateClaims{Type: keys.HostCertificate, Key: k, KeyID: "x", Principals: []string{"x"}, ValidBefore: keys.Forever}
	c, err := claims.Issue(t.Context(), generate(t, keys.KeyEd25519))
	require.NoError(t, err)
	_, err = Records(c)
	require.ErrorIs(t, err, ErrKeyType)
	require.False(t, records[0].Matches(c))
}

func TestCompare(t *testing.T) {
	k, other, ecdsa := generate(t, keys.KeyEd25519).PublicKey(), generate(t, keys.KeyEd25519).PublicKey(), generate(t, keys.KeyECDSA256).PublicKey()
	of := func(k keys.PublicKey, hashes ...Hash) (records []Record) {
		all, err := Records(k)
		require.NoError(t, err)
		for _, r := range all {
			for _, h := range hashes {
				if r.Hash == h {
					records = append(records, r)
				}
			}
		}
		return records
	}
	join := func(lists ...[]Record) (all []Record) {
		for _, l := range lists {
			all = append(all, l...)
		}
		return all
	}
	unknown := []Record{{Algorithm: Ed25519, Hash: 3, Fingerprint: []byte{1}}}
	for name, c := range map[string]struct {
		records []Record
		want    Verdict
	}{
		"none":                        {nil, NoRecord},
		"another type":                {of(ecdsa, SHA1, SHA256), NoRecord},
		"unknown hash":                {unknown, NoRecord},
		"SHA-1":                       {of(k, SHA1), Match},
		"SHA-256":                     {of(k, SHA256), Match},
		"both":                        {of(k, SHA1, SHA256), Match},
		"other":                       {of(other, SHA1, SHA256), Mismatch},
		"old and new":                 {join(of(other, SHA1, SHA256), of(k, SHA1, SHA256)), Match},
		"new and old":                 {join(of(k, SHA1, SHA256), of(other, SHA1, SHA256)), Match},
		"SHA-1 good, SHA-256 not":     {join(of(k, SHA1), of(other, SHA256)), Mismatch},
		"SHA-256 not, SHA-1 good":     {join(of(other, SHA256), of(k, SHA1)), Mismatch},
		"SHA-1 not, SHA-256 good":     {join(of(other, SHA1), of(k, SHA256)), Match},
		"beside what is not known":    {join(unknown, of(k, SHA256), unknown), Match},
		"beside those of another key": {join(of(ecdsa, SHA256), of(k, SHA1)), Match},
	} {
		require.Equal(t, c.want, Compare(c.records, k), name)
	}
}

// dns is a Resolver of one host.
type dns struct {
	host      string
	records   []Record
	validated bool
	err       error
	asked     int
}

func (d *dns) LookupSSHFP(_ context.Context, host string) ([]Record, bool, error) {
	d.asked++
	if host != d.host {
		return nil, false, fmt.Errorf("asked for %q", host)
	}
	return d.records, d.validated, d.err
}

func TestVerifyHostKey(t *testing.T) {
	k, other := generate(t, keys.KeyEd25519).PublicKey(), generate(t, keys.KeyEd25519).PublicKey()
	records, err := Records(k)
	require.NoError(t, err)
	errNext := errors.New("next was asked")
	for name, c := range map[string]struct {
		dns     dns
		address string
		key     keys.PublicKey
		want    error
		asked   int
	}{
		"match":                   {dns{"host", records, true, nil, 0}, "host:22", k, nil, 1},
		"no port":                 {dns{"host", records, true, nil, 0}, "host", k, nil, 1},
		"mismatch":                {dns{"host", records, true, nil, 0}, "host:22", other, ErrMismatch, 1},
		"not validated":           {dns{"host", records, false, nil, 0}, "host:22", k, errNext, 1},
		"mismatch, not validated": {dns{"host", records, false, nil, 0}, "host:22", other, errNext, 1},
		"nothing":                 {dns{"host", nil, true, nil, 0}, "host:22", k, errNext, 1},
		"failure":                 {dns{"host", records, true, errors.New("no network"), 0}, "host:22", k, errNext, 1},
		"IPv4":                    {dns{"192.0.2.1", records, true, nil, 0}, "192.0.2.1:22", k, errNext, 0},
		"IPv6":                    {dns{"::1", records, true, nil, 0}, "[::1]:22", k, errNext, 0},
		"IPv6, no port":           {dns{"::1", records, true, nil, 0}, "[::1]", k, errNext, 0},
		"no name":                 {dns{"", records, true, nil, 0}, ":22", k, errNext, 0},
	} {
		t.Run(name, func(t *testing.T) {
			next := func(_ context.Context, address string, _ net.Addr, key keys.PublicKey) error {
				require.Equal(t, c.address, address)
				require.True(t, keys.Equal(c.key, key))
				return errNext
			}
			err := VerifyHostKey(&c.dns, next)(t.Context(), c.address, nil, c.key)
			require.ErrorIs(t, err, c.want)
			require.Equal(t, c.asked, c.dns.asked)
			if c.want == errNext {
				require.ErrorIs(t, VerifyHostKey(&c.dns, nil)(t.Context(), c.address, nil, c.key), ErrNotVerified)
			}
		})
	}
	require.Error(t, VerifyHostKey(&dns{}, nil)(t.Context(), "host:22", nil, nil))
	require.ErrorContains(t, &MismatchError{Host: "h\x1b", Key: k}, `"h\x1b"`)
}

func FuzzParse(f *testing.F) {
	f.Add([]byte{4, 2, 1, 2, 3})
	records, err := Records(generate(f, keys.KeyEd25519).PublicKey())
	require.NoError(f, err)
	for _, r := range records {
		f.Add(r.Marshal())
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := Parse(b)
		if err != nil {
			return
		}
		require.Equal(t, b, r.Marshal())
		again, err := ParseText(r.String())
		require.NoError(t, err)
		require.Equal(t, r, again)
	})
}

func FuzzParseText(f *testing.F) {
	for _, s := range []string{"4 9 00 01 02", `\# 5 0409 000102`, "1 1 "} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := ParseText(s)
		if err != nil {
			return
		}
		again, err := Parse(r.Marshal())
		require.NoError(t, err)
		require.Equal(t, r, again)
	})
}
