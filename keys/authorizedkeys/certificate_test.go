package authorizedkeys

import (
	"net/netip"
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
