package knownhosts

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh/keys"
)

// testCA certifies ed(t, 0) for host h in these tests.
var testCA = func() *keys.PrivateKey {
	k, err := keys.GenerateKey(keys.KeyEd25519, 0)
	if err != nil {
		panic(err)
	}
	return k
}()

func hostClaims(t testing.TB) *keys.CertificateClaims {
	return &keys.CertificateClaims{
		Type: keys.HostCertificate, Key: ed(t, 0), Principals: []string{"h"}, ValidBefore: keys.Forever,
	}
}

// TestCertificates: <CA> stands for the authority, <K> for the host's key, <O>
// for another.
func TestCertificates(t *testing.T) {
	const ca, known, changed = "@cert-authority h <CA>\n", "h <K>\n", "h <O>\n"
	for name, c := range map[string]struct {
		file, address string
		claims        func(c *keys.CertificateClaims)
		algorithms    []string
		want, why     error
	}{
		"good":                   {file: ca},
		"good, other key known":  {file: ca + changed},
		"good, on another port":  {file: ca, address: "h:2222"},
		"good, in capitals":      {file: "@cert-authority H <CA>", address: "H:22"},
		"good, by wildcard":      {file: "@cert-authority *.example,h* <CA>"},
		"good, other authority":  {file: "@cert-authority h <O>\n" + ca},
		"good, pattern":          {file: ca, claims: func(c *keys.CertificateClaims) { c.Principals = []string{"g", "?"} }},
		"port's authority":       {file: "@cert-authority [h]:2222 <CA>", address: "h:2222"},
		"nothing known":          {want: ErrUnknownHost, why: keys.ErrUnknownAuthority},
		"another host's":         {file: "@cert-authority g <CA>", want: ErrUnknownHost, why: keys.ErrUnknownAuthority},
		"another authority":      {file: "@cert-authority h <O>", want: ErrUnknownHost, why: keys.ErrUnknownAuthority},
		"authority as a key":     {file: "h <CA>", want: ErrHostKeyChanged, why: keys.ErrUnknownAuthority},
		"key as authority":       {file: "@cert-authority h <K>", want: ErrUnknownHost, why: keys.ErrUnknownAuthority},
		"no authority, key":      {file: known},
		"no authority, other":    {file: changed, want: ErrHostKeyChanged, why: keys.ErrUnknownAuthority},
		"not among principals":   {file: ca, address: "[h]:22", claims: principals("g", "H", "h.example"), want: ErrUnknownHost, why: keys.ErrPrincipal},
		"principal with port":    {file: ca, address: "h:2222", claims: principals("[h]:2222", "h:2222"), want: ErrUnknownHost, why: keys.ErrPrincipal},
		"wrong, but key known":   {file: ca + known, claims: principals("g")},
		"wrong, other key known": {file: ca + changed, claims: principals("g"), want: ErrHostKeyChanged, why: keys.ErrPrincipal},
		"expired": {
			file: ca, claims: func(c *keys.CertificateClaims) { c.ValidBefore = time.Now().Add(-time.Hour) },
			want: ErrUnknownHost, why: keys.ErrCertificateExpired,
		},
		"not yet valid": {
			file: ca, claims: func(c *keys.CertificateClaims) { c.ValidAfter = time.Now().Add(time.Hour) },
			want: ErrUnknownHost, why: keys.ErrNotYetValid,
		},
		"TestDefect_UserCertificateAsHost": {
			file: ca, claims: func(c *keys.CertificateClaims) { c.Type = keys.UserCertificate },
			want: ErrUnknownHost, why: keys.ErrCertificateType,
		},
		"authority's algorithm": {file: ca, algorithms: []string{keys.RSASHA512}, want: ErrUnknownHost, why: keys.ErrAuthorityAlgorithm},
		"revoked key":           {file: ca + known + "@revoked h <K>", want: ErrRevoked},
		"revoked authority":     {file: ca + known + "@revoked * <CA>", want: ErrRevoked},
		"revoked elsewhere":     {file: ca + "@revoked g <CA>\n@revoked g <K>"},
		"revoked without port":  {file: ca + "@revoked h <CA>", address: "h:2222", want: ErrRevoked},
	} {
		t.Run(name, func(t *testing.T) {
			claims := hostClaims(t)
			if c.claims != nil {
				c.claims(claims)
			}
			certificate, err := claims.Issue(t.Context(), testCA)
			require.NoError(t, err)
			db := open(t, write(t, strings.NewReplacer("<CA>", text(testCA.PublicKey()), "<K>", text(ed(t, 0)), "<O>", text(ed(t, 1))).Replace(c.file)))
			db.CASignatureAlgorithms = c.algorithms
			address := c.address
			if address == "" {
				address = "h:22"
			}
			err = db.Verify(t.Context(), address, somewhere, certificate)
			if c.want == nil {
				require.NoError(t, err)
				return
			}
			require.ErrorIs(t, err, c.want)
			var e *KeyError
			require.ErrorAs(t, err, &e)
			require.True(t, keys.Equal(ed(t, 0), e.Got))
			if c.why != nil {
				require.ErrorIs(t, e.Certificate, c.why)
				require.Contains(t, err.Error(), c.why.Error())
			}
		})
	}
}

func principals(names ...string) func(c *keys.CertificateClaims) {
	return func(c *keys.CertificateClaims) { c.Principals = names }
}

// An authority is never a host's own key, and a certificate's line none at all.
func TestCertificateLines(t *testing.T) {
	certificate, err := hostClaims(t).Issue(t.Context(), testCA)
	require.NoError(t, err)
	db := open(t, write(t, "@cert-authority h "+text(testCA.PublicKey())+"\nh "+text(certificate)))
	require.ErrorIs(t, db.Check("h", nil, testCA.PublicKey()), ErrUnknownHost)
	require.ErrorIs(t, db.Check("h", nil, ed(t, 0)), ErrUnknownHost)
	bad, err := db.BadLines()
	require.NoError(t, err)
	require.Len(t, bad, 1)
	require.NoError(t, db.Check("h", nil, certificate))
}

// TestFirstUseOfCertificate: a certificate's key is learned without it, and not
// without asking where an authority should have certified it.
func TestFirstUseOfCertificate(t *testing.T) {
	certificate, err := hostClaims(t).Issue(t.Context(), testCA)
	require.NoError(t, err)
	path := write(t, "")
	verify := open(t, path).TrustOnFirstUse(AddOptions{}, nil)
	require.NoError(t, verify(t.Context(), "h:22", nil, certificate))
	require.Equal(t, "h "+text(ed(t, 0))+"\n", read(t, path))
	require.NoError(t, verify(t.Context(), "h:22", nil, ed(t, 0)))

	path = write(t, "@cert-authority h "+text(testCA.PublicKey())+"\n")
	before := read(t, path)
	verify = open(t, path).TrustOnFirstUse(AddOptions{}, nil)
	require.ErrorIs(t, verify(t.Context(), "h:22", nil, ed(t, 1)), ErrUnknownHost)
	require.Equal(t, before, read(t, path))
	asked := open(t, path).TrustOnFirstUse(AddOptions{}, func(_ context.Context, _ string, key keys.PublicKey) (bool, error) {
		require.True(t, keys.Equal(ed(t, 1), key))
		return true, nil
	})
	require.NoError(t, asked(t.Context(), "h:22", nil, ed(t, 1)))
	require.Equal(t, before+"h "+text(ed(t, 1))+"\n", read(t, path))
}

func TestCertificateAlgorithms(t *testing.T) {
	const e, p, r5 = keys.KeyEd25519, keys.KeyECDSA256, keys.RSASHA512
	ce, cp, cr5 := keys.CertificateAlgorithm(e), keys.CertificateAlgorithm(p), keys.CertificateAlgorithm(r5)
	certificatesFirst, certificatesLast := []string{ce, cp, cr5, e, p, r5}, []string{e, p, r5, ce, cp, cr5}
	for _, c := range []struct {
		name, file      string
		preferred, want []string
	}{
		{"nothing known", "", certificatesFirst, certificatesFirst},
		{"nothing known", "", certificatesLast, certificatesLast},
		{"authority", "@cert-authority h P", certificatesFirst, certificatesFirst},
		{"authority", "@cert-authority h P", certificatesLast, []string{ce, cp, cr5, e, p, r5}},
		{"authority of another", "@cert-authority g P", certificatesLast, certificatesLast},
		{"authority and key", "@cert-authority h P\nh E", certificatesLast, []string{ce, cp, cr5, e, p, r5}},
		{"authority and later key", "@cert-authority h P\nh R", certificatesLast, []string{ce, cp, cr5, r5, e, p}},
		{"revoked authority", "@cert-authority h P\n@revoked h P", certificatesLast, certificatesLast},
		{"first key", "h E", certificatesFirst, certificatesFirst},
		{"first key", "h E", certificatesLast, certificatesLast},
		{"later key", "h P", certificatesFirst, []string{cp, p, ce, cr5, e, r5}},
		{"later key", "h P", certificatesLast, []string{p, cp, e, r5, ce, cr5}},
		{"authority, no certificates", "@cert-authority h P\nh R", []string{e, r5}, []string{r5, e}},
		{"authority, no certificates, first key", "@cert-authority h P\nh E", []string{e, r5}, []string{e, r5}},
	} {
		t.Run(c.name, func(t *testing.T) {
			db := open(t, write(t, strings.NewReplacer(" E", " "+text(ed(t, 0)), " P", " "+text(generate(t, p, 0)), " R", " "+text(generate(t, keys.KeyRSA, 0))).Replace(c.file)))
			require.Equal(t, c.want, db.HostKeyAlgorithms("h:22", nil, c.preferred))
		})
	}
}
