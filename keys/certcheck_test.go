package keys

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh/internal/certtest"
)

func TestCertificateCheck(t *testing.T) {
	errGone := errors.New("it was lost")
	stranger := generated()[KeyRSA].PublicKey()
	revoke := func(gone PublicKey) func(PublicKey) error {
		return func(k PublicKey) error {
			if Equal(PlainKey(k), gone) {
				return errGone
			}
			return nil
		}
	}
	for name, test := range map[string]struct {
		claims func(c *CertificateClaims)
		check  func(w *CertificateCheck)
		err    error
	}{
		"good": {},
		"good at the first second": {
			check: func(w *CertificateCheck) { w.Time = time.Unix(1000, 0) },
		},
		"good at the last second": {
			check: func(w *CertificateCheck) { w.Time = time.Unix(1999, 999_999_999) },
		},
		"too early": {
			check: func(w *CertificateCheck) { w.Time = time.Unix(999, 999_999_999) }, err: ErrNotYetValid,
		},
		"too late": {check: func(w *CertificateCheck) { w.Time = time.Unix(2000, 0) }, err: ErrCertificateExpired},
		"now":      {check: func(w *CertificateCheck) { w.Time = time.Time{} }, err: ErrCertificateExpired},
		"before 1970": {
			check: func(w *CertificateCheck) { w.Time = time.Unix(-5, 0) }, err: ErrNotYetValid,
		},
		"forever": {
			claims: func(c *CertificateClaims) { c.ValidAfter, c.ValidBefore = time.Time{}, Forever },
			check:  func(w *CertificateCheck) { w.Time = time.Time{} },
		},
		"no policy":     {check: func(w *CertificateCheck) { *w = CertificateCheck{} }, err: ErrCertificateType},
		"no type":       {check: func(w *CertificateCheck) { w.Type = 0 }, err: ErrCertificateType},
		"as a host's":   {check: func(w *CertificateCheck) { w.Type = HostCertificate }, err: ErrCertificateType},
		"no authority":  {check: func(w *CertificateCheck) { w.Authorities = nil }, err: ErrUnknownAuthority},
		"nil authority": {check: func(w *CertificateCheck) { w.Authorities = []PublicKey{nil} }, err: ErrUnknownAuthority},
		"other authority": {
			check: func(w *CertificateCheck) { w.Authorities = []PublicKey{stranger} }, err: ErrUnknownAuthority,
		},
		"certified key as authority": {
			check: func(w *CertificateCheck) { w.Authorities = []PublicKey{subject().PublicKey()} }, err: ErrUnknownAuthority,
		},
		"second authority": {
			check: func(w *CertificateCheck) { w.Authorities = append([]PublicKey{stranger}, w.Authorities...) },
		},
		"algorithm not allowed": {
			check: func(w *CertificateCheck) { w.SignatureAlgorithms = []string{RSASHA512} }, err: ErrAuthorityAlgorithm,
		},
		"no algorithm allowed": {
			check: func(w *CertificateCheck) { w.SignatureAlgorithms = []string{} }, err: ErrAuthorityAlgorithm,
		},
		"no name":         {check: func(w *CertificateCheck) { w.Principals = nil }, err: ErrPrincipal},
		"empty name":      {check: func(w *CertificateCheck) { w.Principals = []string{""} }, err: ErrPrincipal},
		"other name":      {check: func(w *CertificateCheck) { w.Principals = []string{"bob"} }, err: ErrPrincipal},
		"other case":      {check: func(w *CertificateCheck) { w.Principals = []string{"Alice"} }, err: ErrPrincipal},
		"users' patterns": {claims: func(c *CertificateClaims) { c.Principals = []string{"*", "al*"} }, err: ErrPrincipal},
		"unknown option": {
			claims: func(c *CertificateClaims) { c.CriticalOptions["new@example.com"] = "" }, err: ErrUnknownOption,
		},
		"extension as option": {
			claims: func(c *CertificateClaims) { c.CriticalOptions[PermitPTY] = "" }, err: ErrUnknownOption,
		},
		"unknown extension": {claims: func(c *CertificateClaims) { c.Extensions["new@example.com"] = "x" }},
		"option as extension": {
			claims: func(c *CertificateClaims) { c.Extensions[SourceAddressOption] = "203.0.113.1" },
		},
		"no address": {check: func(w *CertificateCheck) { w.Address = netip.Addr{} }, err: ErrSourceAddress},
		"other address": {
			check: func(w *CertificateCheck) { w.Address = netip.MustParseAddr("192.0.3.9") }, err: ErrSourceAddress,
		},
		"second address": {check: func(w *CertificateCheck) { w.Address = netip.MustParseAddr("2001:db8::1") }},
		"mapped address": {check: func(w *CertificateCheck) { w.Address = netip.MustParseAddr("::ffff:192.0.2.9") }},
		"any address": {
			claims: func(c *CertificateClaims) { c.CriticalOptions = nil },
			check:  func(w *CertificateCheck) { w.Address = netip.Addr{} },
		},
		"revoked": {
			check: func(w *CertificateCheck) { w.Revoked = revoke(subject().PublicKey()) }, err: errGone,
		},
		"revoked authority": {
			check: func(w *CertificateCheck) { w.Revoked = revoke(authority().PublicKey()) }, err: errGone,
		},
		"another revoked": {check: func(w *CertificateCheck) { w.Revoked = revoke(stranger) }},
	} {
		t.Run(name, func(t *testing.T) {
			claims, check := userClaims(), userCheck()
			if test.claims != nil {
				test.claims(claims)
			}
			if test.check != nil {
				test.check(check)
			}
			err := issue(t, claims).Check(check)
			if test.err == nil {
				require.NoError(t, err)
				return
			}
			require.ErrorIs(t, err, test.err)
			var e *CertificateError
			require.ErrorAs(t, err, &e)
			require.EqualValues(t, 7, e.Serial)
			require.Contains(t, err.Error(), FingerprintSHA256(authority().PublicKey()))
		})
	}
}

func TestDefect_NoPrincipals(t *testing.T) {
	for _, certType := range []CertificateType{UserCertificate, HostCertificate} {
		f := newForge()
		f.Principals, f.Type = nil, uint32(certType)
		c, err := ParseCertificate(f.blob(t))
		require.NoError(t, err)
		for _, name := range []string{"", "alice", "*"} {
			check := userCheck()
			check.Type, check.Principals = certType, []string{name}
			require.ErrorIs(t, c.Check(check), ErrPrincipal)
		}
	}
}

func TestHostCertificateCheck(t *testing.T) {
	for _, test := range []struct {
		principals, name string
		ok               bool
	}{
		{"host.example", "host.example", true},
		{"other.example,host.example", "host.example", true},
		{"*.example", "host.example", true},
		{"h?st.example", "host.example", true},
		{"*", "host.example", true},
		{"host.example", "*.example", false},
		{"host.example", "", false},
		{"!host.example", "host.example", false},
		{"Host.example", "host.example", false},
		{"*.example", "host.example.org", false},
	} {
		claims := userClaims()
		claims.Type, claims.CriticalOptions, claims.Extensions = HostCertificate, nil, nil
		claims.Principals = strings.Split(test.principals, ",")
		check := userCheck()
		check.Type, check.Principals = HostCertificate, []string{test.name}
		err := issue(t, claims).Check(check)
		if test.ok {
			require.NoError(t, err, test)
		} else {
			require.ErrorIs(t, err, ErrPrincipal, test)
		}
		check.Type = UserCertificate
		require.ErrorIs(t, issue(t, claims).Check(check), ErrCertificateType)
	}
}

// TestHostCertificateOptions: OpenSSH knows no critical option of hosts.
func TestHostCertificateOptions(t *testing.T) {
	for _, name := range []string{ForceCommandOption, VerifyRequiredOption, "new@example.com"} {
		f := newForge()
		f.Type, f.Critical = uint32(HostCertificate), certtest.Option(name, nil)
		c, err := ParseCertificate(f.blob(t))
		require.NoError(t, err)
		check := userCheck()
		check.Type = HostCertificate
		require.ErrorIs(t, c.Check(check), ErrUnknownOption)
	}
}

func TestCertificateOptions(t *testing.T) {
	f := newForge()
	f.Critical = slices.Concat(certtest.TextOption(ForceCommandOption, "ls"), certtest.TextOption(SourceAddressOption, "192.0.2.1,::/0,10.0.0.0/8"), certtest.Option(VerifyRequiredOption, nil))
	f.Extensions = slices.Concat(certtest.Option(NoTouchRequired, nil), certtest.Option(PermitUserRC, nil))
	c, err := ParseCertificate(f.blob(t))
	require.NoError(t, err)
	o, err := c.Options()
	require.NoError(t, err)
	require.Equal(t, &CertificateOptions{
		ForceCommand: "ls", HasForceCommand: true, VerifyRequired: true, NoTouchRequired: true, PermitUserRC: true,
		SourceAddresses: []netip.Prefix{
			netip.MustParsePrefix("192.0.2.1/32"), netip.MustParsePrefix("::/0"), netip.MustParsePrefix("10.0.0.0/8"),
		},
	}, o)
	for addr, want := range map[string]bool{"192.0.2.1": true, "192.0.2.2": false, "10.9.8.7": true, "2001:db8::2": true, "fe80::1%eth0": true} {
		require.Equal(t, want, o.AllowsAddress(netip.MustParseAddr(addr)), addr)
	}
	require.False(t, o.AllowsAddress(netip.Addr{}))

	for name, change := range map[string]func(f *forge){
		"flag with value":           func(f *forge) { f.Critical = certtest.TextOption(VerifyRequiredOption, "yes") },
		"extension with value":      func(f *forge) { f.Extensions = certtest.TextOption(PermitPTY, "yes") },
		"command without a string":  func(f *forge) { f.Critical = certtest.Option(ForceCommandOption, nil) },
		"command cut":               func(f *forge) { f.Critical = certtest.Option(ForceCommandOption, []byte{0, 0, 0, 2, 'l'}) },
		"bytes after the command":   func(f *forge) { f.Critical = certtest.Option(ForceCommandOption, []byte{0, 0, 0, 1, 'l', 0}) },
		"zero byte in command":      func(f *forge) { f.Critical = certtest.TextOption(ForceCommandOption, "a\x00b") },
		"no addresses":              func(f *forge) { f.Critical = certtest.Option(SourceAddressOption, nil) },
		"TestDefect_EmptyAddresses": func(f *forge) { f.Critical = certtest.TextOption(SourceAddressOption, "") },
		"empty address":             func(f *forge) { f.Critical = certtest.TextOption(SourceAddressOption, "192.0.2.1,") },
		"host bits":                 func(f *forge) { f.Critical = certtest.TextOption(SourceAddressOption, "192.0.2.1/24") },
		"pattern":                   func(f *forge) { f.Critical = certtest.TextOption(SourceAddressOption, "192.0.2.*") },
		"negation":                  func(f *forge) { f.Critical = certtest.TextOption(SourceAddressOption, "!192.0.2.1") },
		"name":                      func(f *forge) { f.Critical = certtest.TextOption(SourceAddressOption, "localhost") },
	} {
		t.Run(name, func(t *testing.T) {
			f := newForge()
			change(f)
			c, err := ParseCertificate(f.blob(t))
			require.NoError(t, err)
			o, err := c.Options()
			require.Nil(t, o)
			var bad *OptionError
			require.ErrorAs(t, err, &bad)
			require.NotErrorIs(t, err, ErrUnknownOption)
			check := userCheck()
			check.Time = time.Time{}
			require.ErrorAs(t, c.Check(check), &bad)
		})
	}
}

func TestDefect_TerminalEscapes(t *testing.T) {
	claims := userClaims()
	claims.KeyID = "\x1b[2J" + strings.Repeat("x", 1000)
	check := userCheck()
	check.Principals = nil
	err := issue(t, claims).Check(check)
	require.Error(t, err)
	require.NotContains(t, err.Error(), "\x1b")
	require.Less(t, len(err.Error()), 300)
}
