package authorizedkeys

import (
	"bytes"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh/keys"
)

func certificate(t testing.TB, ca *keys.PrivateKey, change func(c *keys.CertificateClaims)) *keys.Certificate {
	t.Helper()
	claims := &keys.CertificateClaims{
		Type: keys.UserCertificate, Key: ed(t, 0), Principals: []string{"alice", "staff"}, ValidBefore: keys.Forever,
	}
	if change != nil {
		change(claims)
	}
	c, err := claims.Issue(t.Context(), ca)
	require.NoError(t, err)
	return c
}

// TestFindAuthority: <CA> stands for the authority, <K> for the key that it
// certifies.
func TestFindAuthority(t *testing.T) {
	ca, err := keys.GenerateKey(keys.KeyEd25519, 0)
	require.NoError(t, err)
	forces := func(c *keys.CertificateClaims) {
		c.CriticalOptions = map[string]string{keys.ForceCommandOption: "ls"}
	}
	for _, test := range []struct {
		file   string
		change func(c *keys.CertificateClaims)
		line   int
		err    error
	}{
		{file: "cert-authority <CA>", line: 1},
		{file: "<CA>", err: ErrNotFound},
		{file: "<K>", err: ErrNotFound},
		{file: "cert-authority <K>", err: ErrNotFound},
		{file: "pty,cert-authority,no-pty <CA>", line: 1},
		{file: "# x\n\n<CA>\ncert-authority <CA>", line: 4},
		{file: "cert-authority <CA>", change: names("bob", "ALICE", "alice*"), err: ErrPrincipal},
		{file: `cert-authority,principals="staff" <CA>`, line: 1},
		{file: `cert-authority,principals="x,staff" <CA>`, line: 1},
		{file: `cert-authority,principals="x" <CA>`, err: ErrPrincipal},
		{file: `cert-authority,principals="" <CA>`, err: ErrPrincipal},
		{file: `cert-authority,principals="x,,staff" <CA>`, err: ErrPrincipal},
		{file: `cert-authority,principals="*" <CA>`, err: ErrPrincipal},
		{file: `cert-authority,principals="bob" <CA>`, change: names("bob"), line: 1},
		{file: `cert-authority,principals="x" <CA>` + "\n" + "cert-authority <CA>", line: 2},
		{file: `cert-authority,from="192.0.2.0/24" <CA>`, line: 1},
		{file: `cert-authority,from="192.0.3.0/24" <CA>`, err: ErrFrom},
		{file: `cert-authority,expiry-time="20200101" <CA>`, err: ErrExpired},
		{file: `cert-authority,command="ls" <CA>`, line: 1},
		{file: `cert-authority,command="ls" <CA>`, change: forces, line: 1},
		{file: `cert-authority,command="df" <CA>`, change: forces, err: ErrCommand},
		{file: `cert-authority,command="" <CA>`, change: forces, err: ErrCommand},
		{file: `cert-authority,command="df" <CA>` + "\n" + `cert-authority,no-pty <CA>`, change: forces, line: 2},
		{
			file: "cert-authority <CA>", err: keys.ErrUnknownOption,
			change: func(c *keys.CertificateClaims) { c.CriticalOptions = map[string]string{"x@example.com": ""} },
		},
	} {
		file := strings.NewReplacer("<CA>", text(ca.PublicKey()), "<K>", text(ed(t, 0))).Replace(test.file)
		entries, _ := Parse([]byte(file))
		entry, err := Find(entries, Login{
			Key: certificate(t, ca, test.change), User: "alice", Remote: netip.MustParseAddr("192.0.2.7"),
		})
		if test.err != nil {
			require.ErrorIs(t, err, test.err, test.file)
			require.Nil(t, entry)
			continue
		}
		require.NoError(t, err, test.file)
		require.Equal(t, test.line, entry.Line, test.file)
	}
	entries, bad := Parse([]byte(text(certificate(t, ca, nil))))
	require.Empty(t, entries, "a certificate is no key of a line")
	require.Len(t, bad, 1)
}

func names(names ...string) func(c *keys.CertificateClaims) {
	return func(c *keys.CertificateClaims) { c.Principals = names }
}

// TestDefect_EmptyUser: no user is named by an empty principal.
func TestDefect_EmptyUser(t *testing.T) {
	for _, o := range []Options{{}, {Principals: []string{""}}, {Principals: []string{}}, {Principals: []string{"", "alice"}}} {
		require.Empty(t, o.CertificatePrincipals(""))
	}
}

func TestPrincipals(t *testing.T) {
	const file = `
# comment
alice
  staff  # may follow
no-pty,command="echo \"a b\"" ops
	from="192.0.2.0/24"	tabs
unknown bad
cert-authority authority
principals="x" principals
command="# hidden" hash
two names
` + "crlf\r\n" + "zero\x00 \n"
	principals, bad := ParsePrincipals([]byte(file))
	var got []string
	for _, p := range principals {
		got = append(got, p.Name)
	}
	require.Equal(t, []string{"alice", "staff", "ops", "tabs", `command="`, "crlf"}, got)
	require.Equal(t, Options{NoPTY: true, Command: `echo "a b"`, HasCommand: true}, principals[2].Options)
	require.Equal(t, []string{"192.0.2.0/24"}, principals[3].Options.From)
	require.Equal(t, 5, principals[2].Line)
	var lines []int
	for _, b := range bad {
		lines = append(lines, b.Line)
	}
	require.Equal(t, []int{7, 8, 9, 11, 13}, lines)

	path := filepath.Join(t.TempDir(), "principals")
	require.NoError(t, os.WriteFile(path, []byte(file), 0o600))
	again, _, err := ReadPrincipalsFile(path)
	require.NoError(t, err)
	require.Equal(t, principals, again)
	_, _, err = ReadPrincipalsFile(path + ".none")
	require.ErrorIs(t, err, fs.ErrNotExist)
	_, _, err = ReadPrincipalsFile(filepath.Dir(path))
	var refused *PermissionError
	require.ErrorAs(t, err, &refused)
	require.NoError(t, os.WriteFile(path, make([]byte, MaxFile+1), 0o600))
	_, _, err = ReadPrincipalsFile(path)
	require.ErrorIs(t, err, ErrTooLarge)
}

func TestFindPrincipal(t *testing.T) {
	ca, err := keys.GenerateKey(keys.KeyEd25519, 0)
	require.NoError(t, err)
	login := Login{Key: certificate(t, ca, nil), User: "root", Remote: netip.MustParseAddr("192.0.2.7")}
	for _, test := range []struct {
		file string
		line int
		err  error
	}{
		{file: "", err: ErrPrincipal},
		{file: "root", err: ErrPrincipal},
		{file: "alice", line: 1},
		{file: "root\nstaff\nalice", line: 2},
		{file: "al*\n*", err: ErrPrincipal},
		{file: `from="192.0.2.0/24" alice`, line: 1},
		{file: `from="192.0.3.0/24" alice`, err: ErrFrom},
		{file: `from="192.0.3.0/24" alice` + "\nstaff", err: ErrFrom},
		{file: `expiry-time="20200101" alice`, err: ErrExpired},
		{file: "unknown alice\nstaff", line: 2},
	} {
		principals, _ := ParsePrincipals([]byte(test.file))
		p, err := FindPrincipal(principals, login)
		if test.err != nil {
			require.ErrorIs(t, err, test.err, test.file)
			require.Nil(t, p)
			continue
		}
		require.NoError(t, err, test.file)
		require.Equal(t, test.line, p.Line, test.file)
	}
	principals, _ := ParsePrincipals([]byte("alice"))
	_, err = FindPrincipal(principals, Login{Key: ed(t, 0), User: "alice"})
	require.ErrorIs(t, err, ErrNotFound, "a plain key has no principals")
	forced := certificate(t, ca, func(c *keys.CertificateClaims) {
		c.CriticalOptions = map[string]string{keys.ForceCommandOption: "ls"}
	})
	principals, _ = ParsePrincipals([]byte(`command="df" alice`))
	_, err = FindPrincipal(principals, Login{Key: forced})
	require.ErrorIs(t, err, ErrCommand)
}

func FuzzParsePrincipals(f *testing.F) {
	for _, seed := range []string{"alice\n", "no-pty,command=\"a b\" staff # x\n", "\t \n#\n", "a\x00b"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		principals, bad := ParsePrincipals(data)
		if lines := bytes.Count(data, []byte{'\n'}) + 1; len(principals)+len(bad) > lines {
			t.Fatalf("%d lines of %d", len(principals)+len(bad), lines)
		}
		for _, p := range principals {
			if p.Name == "" || strings.ContainsAny(p.Name, " \t\n#\x00") || p.Options.CertAuthority {
				t.Fatalf("%+v", p)
			}
		}
		for _, b := range bad {
			_ = b.Error()
		}
	})
}
