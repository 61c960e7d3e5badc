package sshsig

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh/keys"
	"github.com/fairlead-go/ssh/keys/krl"
	"github.com/fairlead-go/ssh/wire"
)

const message = "a message\n"

func TestRoundTrip(t *testing.T) {
	for _, typ := range keyTypes {
		for _, hash := range []string{"", SHA256, SHA512} {
			t.Run(typ+" "+hash, func(t *testing.T) {
				k := generated()[typ]
				s, err := Sign(t.Context(), k, "file", iotest.OneByteReader(strings.NewReader(message)), SignOptions{Hash: hash})
				require.NoError(t, err)
				if typ == keys.KeyRSA {
					require.Equal(t, keys.RSASHA512, s.Signature.Format)
				}
				armored := s.Armor()
				got, err := ParseArmored(armored)
				require.NoError(t, err)
				require.Equal(t, s.Marshal(), got.Marshal())
				require.True(t, keys.Equal(k.PublicKey(), got.Key))
				require.Equal(t, "file", got.Namespace)

				check := func(namespace, message string) error {
					_, err := got.CheckSignature(namespace, strings.NewReader(message))
					return err
				}
				require.NoError(t, check("file", message))
				require.ErrorIs(t, check("file", "another message"), keys.ErrBadSignature)
				require.ErrorIs(t, check("file", ""), keys.ErrBadSignature)
				require.ErrorIs(t, check("email", message), ErrNamespace)
				require.ErrorIs(t, check("", message), ErrNamespace)
				require.ErrorIs(t, check("file ", message), ErrNamespace)
			})
		}
	}
}

// The namespace, the hash and the key that a signature names are signed, or
// what they are follows from the key.
func TestChangedFields(t *testing.T) {
	s := sign(t, ed(t, 0), "file", message)
	for name, change := range map[string]func(s *Signature){
		"namespace": func(s *Signature) { s.Namespace = "git" },
		"hash":      func(s *Signature) { s.Hash = SHA256 },
		"key":       func(s *Signature) { s.Key = public(t, 1) },
	} {
		changed := *s
		change(&changed)
		_, err := changed.CheckSignature(changed.Namespace, strings.NewReader(message))
		require.ErrorIs(t, err, keys.ErrBadSignature, name)
	}
	for _, incomplete := range []Signature{{}, {Key: s.Key, Namespace: "file", Hash: SHA512}, {Namespace: "file", Hash: SHA512, Signature: s.Signature}, {Key: s.Key, Namespace: "file", Signature: s.Signature}} {
		_, err := incomplete.CheckSignature("file", strings.NewReader(message))
		require.Error(t, err)
	}
}

func TestMessageFails(t *testing.T) {
	cause := errors.New("disk on fire")
	half := io.MultiReader(strings.NewReader(message), iotest.ErrReader(cause))
	_, err := Sign(t.Context(), ed(t, 0), "file", half, SignOptions{})
	require.ErrorIs(t, err, cause)
	s := sign(t, ed(t, 0), "file", message)
	half = io.MultiReader(strings.NewReader(message), iotest.ErrReader(cause))
	_, err = s.CheckSignature("file", half)
	require.ErrorIs(t, err, cause)
}

// signer signs with the algorithms that it is given.
type signer struct {
	keys.Signer
	algorithms []string
	used       string
}

func (s *signer) Algorithms() []string { return s.algorithms }
func (s *signer) Sign(ctx context.Context, algorithm string, data []byte) (*keys.Signature, error) {
	s.used = algorithm
	return s.Signer.Sign(ctx, algorithm, data)
}

func TestSignAlgorithm(t *testing.T) {
	rsa := generated()[keys.KeyRSA]
	for _, c := range []struct {
		algorithms []string
		used       string // empty: an error
	}{
		{[]string{keys.RSASHA512, keys.RSASHA256}, keys.RSASHA512},
		{[]string{keys.RSASHA256, keys.RSASHA512}, keys.RSASHA512},
		{[]string{"ssh-rsa", keys.RSASHA256}, keys.RSASHA256},
		{[]string{"ssh-rsa"}, ""},
		{nil, ""},
	} {
		s := &signer{Signer: rsa, algorithms: c.algorithms}
		_, err := Sign(t.Context(), s, "file", strings.NewReader(message), SignOptions{})
		require.Equal(t, c.used, s.used)
		if c.used == "" {
			require.ErrorIs(t, err, ErrUnsupported)
			continue
		}
		require.NoError(t, err)
	}
	_, err := Sign(t.Context(), nil, "file", strings.NewReader(message), SignOptions{})
	require.Error(t, err)
	_, err = Sign(t.Context(), ed(t, 0), "", strings.NewReader(message), SignOptions{})
	require.ErrorIs(t, err, ErrNamespace)
	_, err = Sign(t.Context(), ed(t, 0), "file", strings.NewReader(message), SignOptions{Hash: "sha1"})
	require.ErrorIs(t, err, ErrUnsupported)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = Sign(ended, ed(t, 0), "file", strings.NewReader(message), SignOptions{})
	require.ErrorIs(t, err, context.Canceled)
}

// A signature with SHA-1 is refused, even where it would verify.
func TestDefect_NoSHA1(t *testing.T) {
	s := sign(t, generated()[keys.KeyRSA], "file", message)
	s.Signature.Format = "ssh-rsa"
	_, err := s.CheckSignature("file", strings.NewReader(message))
	require.ErrorIs(t, err, ErrUnsupported)
}

func TestParseRefuses(t *testing.T) {
	good := sign(t, ed(t, 0), "file", message)
	build := func(version uint32, namespace, reserved, hash string, key, signature []byte) []byte {
		b := wire.AppendUint32([]byte(magic), version)
		b = wire.AppendString(b, key)
		for _, s := range []string{namespace, reserved, hash} {
			b = wire.AppendString(b, s)
		}
		return wire.AppendString(b, signature)
	}
	key, signature := good.Key.Marshal(), good.Signature.Marshal()
	s, err := Parse(build(1, "file", "reserved", SHA512, key, signature))
	require.NoError(t, err)
	_, err = s.CheckSignature("file", strings.NewReader(message))
	require.NoError(t, err, "what is reserved is ignored")
	for name, b := range map[string][]byte{
		"version 0":     build(0, "file", "", SHA512, key, signature),
		"version 2":     build(2, "file", "", SHA512, key, signature),
		"hash":          build(1, "file", "", "sha1", key, signature),
		"no hash":       build(1, "file", "", "", key, signature),
		"no namespace":  build(1, "", "", SHA512, key, signature),
		"key":           build(1, "file", "", SHA512, key[:20], signature),
		"no key":        build(1, "file", "", SHA512, nil, signature),
		"signature":     build(1, "file", "", SHA512, key, signature[:8]),
		"no signature":  build(1, "file", "", SHA512, key, nil),
		"trailing":      append(good.Marshal(), 0),
		"another magic": append([]byte("SSHSIX"), good.Marshal()[6:]...),
		"nothing":       nil,
	} {
		s, err := Parse(b)
		require.Error(t, err, name)
		require.Nil(t, s, name)
	}
	for n := range good.Marshal() {
		s, err := Parse(good.Marshal()[:n])
		require.Error(t, err, "%d bytes", n)
		require.Nil(t, s)
	}
}

func TestParseArmored(t *testing.T) {
	good := sign(t, ed(t, 0), "file", message).Armor()
	body := bytes.ReplaceAll(bytes.TrimSuffix(bytes.TrimPrefix(good, []byte(header+"\n")), []byte("\n"+footer+"\n")), []byte("\n"), nil)
	for name, armored := range map[string]string{
		"CR LF":      strings.ReplaceAll(string(good), "\n", "\r\n"),
		"no last LF": strings.TrimSpace(string(good)),
		"blanks":     string(good) + "\n \n",
		"one line":   header + "\n" + string(body) + "\n" + footer,
	} {
		_, err := ParseArmored([]byte(armored))
		require.NoError(t, err, name)
	}
	for name, armored := range map[string]string{
		"before it":        "\n" + string(good),
		"after it":         string(good) + "x",
		"twice":            string(good) + string(good),
		"header's line":    header + string(body) + "\n" + footer,
		"footer's line":    header + "\n" + string(body) + footer,
		"no header":        string(body) + "\n" + footer,
		"another header":   strings.ReplaceAll(string(good), "SSH SIGNATURE", "PGP SIGNATURE"),
		"no base64":        header + "\n!" + string(body) + "\n" + footer,
		"nothing in it":    header + "\n" + footer,
		"an empty line":    header + "\n\n" + footer,
		"header, no line":  header,
		"header and so on": header + " x\n" + string(body) + "\n" + footer,
	} {
		s, err := ParseArmored([]byte(armored))
		require.ErrorIs(t, err, ErrFormat, name)
		require.Nil(t, s, name)
	}
	for n := range bytes.TrimSpace(good) {
		_, err := ParseArmored(good[:n])
		require.Error(t, err, "%d bytes", n)
	}
}

func TestAllowedSignersOptions(t *testing.T) {
	k := line(public(t, 0))
	utc := func(y, m, d int) time.Time { return time.Date(y, time.Month(m), d, 0, 0, 0, 0, time.UTC) }
	for text, want := range map[string]AllowedSigner{
		"a " + k:                         {Principals: "a"},
		" a,*@b,!c " + k + " and so on":  {Principals: "a,*@b,!c"},
		`"a b" ` + k:                     {Principals: "a b"},
		"a cert-authority " + k:          {Principals: "a", CertAuthority: true},
		`a NameSpaces="git,file" ` + k:   {Principals: "a", HasNamespaces: true, Namespaces: "git,file"},
		`a namespaces="" ` + k:           {Principals: "a", HasNamespaces: true},
		`a valid-after="20200102Z" ` + k: {Principals: "a", ValidAfter: utc(2020, 1, 2)},
		`a valid-after="20200102Z",valid-before="20210102Z",cert-authority ` + k: {Principals: "a", CertAuthority: true, ValidAfter: utc(2020, 1, 2), ValidBefore: utc(2021, 1, 2)},
	} {
		got := signers(t, "# comment", "", text)
		require.Len(t, got, 1)
		want.Line, want.Key = 3, public(t, 0)
		require.Equal(t, want, got[0], text)
	}
	for _, text := range []string{
		"a", k, "a x " + k, "a cert-authority=\"x\" " + k, "a namespaces " + k, "a namespaces=x " + k, "a namespaces=\"x " + k,
		`a namespaces="x",namespaces="y" ` + k, `a valid-after="x" ` + k, `a valid-after="" ` + k, `a valid-after="20200102",valid-after="20200102" ` + k,
		`a valid-after="20210102Z",valid-before="20200102Z" ` + k, `a valid-after="20210102Z",valid-before="20210102Z" ` + k,
		`"a b ` + k, `"a b",c ` + k, "a ssh-ed25519 AAAA", "a\x00 " + k, "a " + strings.Repeat("x", 70000) + k, "a no-pty " + k,
	} {
		got, bad, err := ReadAllowedSigners(strings.NewReader("\n" + text + "\nb " + k))
		require.NoError(t, err)
		require.Len(t, bad, 1, text)
		require.Equal(t, 2, bad[0].Line)
		require.NotEmpty(t, bad[0].Error())
		require.Len(t, got, 1, "the other line counts")
		require.Equal(t, "b", got[0].Principals)
	}
	cause := errors.New("disk on fire")
	got, bad, err := ReadAllowedSigners(io.MultiReader(strings.NewReader("a "+k+"\n"), iotest.ErrReader(cause)))
	require.ErrorIs(t, err, cause)
	require.Nil(t, got)
	require.Nil(t, bad)
	_, _, err = ReadAllowedSigners(strings.NewReader(strings.Repeat("#"+strings.Repeat("x", 65535)+"\n", MaxFile>>16+1)))
	require.ErrorContains(t, err, "larger")
}

func TestVerify(t *testing.T) {
	k := line(public(t, 0))
	at := time.Date(2020, 6, 1, 0, 0, 0, 0, time.UTC)
	plain := sign(t, ed(t, 0), "file", message)
	_, certified := certify(t, ed(t, 1), 100, nil)
	byCertificate := sign(t, certified, "file", message)
	authority := line(public(t, 100))
	revoked := new(krl.List)
	revoked.RevokeKey(public(t, 0))
	revoked.RevokeKey(public(t, 100))

	for name, c := range map[string]struct {
		line      string
		principal string
		signature *Signature
		change    func(v *Verifier)
		want      error
	}{
		"allowed":                {"alice " + k, "alice", plain, nil, nil},
		"by a pattern":           {"*@example.com " + k, "alice@example.com", plain, nil, nil},
		"excluded":               {"*@example.com,!alice@* " + k, "alice@example.com", plain, nil, ErrNotAllowed},
		"another case":           {"Alice " + k, "alice", plain, nil, ErrNotAllowed},
		"another principal":      {"bob " + k, "alice", plain, nil, ErrNotAllowed},
		"no principal":           {"* " + k, "", plain, nil, ErrNotAllowed},
		"another key":            {"alice " + line(public(t, 9)), "alice", plain, nil, ErrNotAllowed},
		"nothing allowed":        {"", "alice", plain, nil, ErrNotAllowed},
		"namespace":              {`alice namespaces="git,f*" ` + k, "alice", plain, nil, nil},
		"another namespace":      {`alice namespaces="git" ` + k, "alice", plain, nil, ErrNamespace},
		"no namespace":           {`alice namespaces="" ` + k, "alice", plain, nil, ErrNamespace},
		"namespace on a second":  {`alice namespaces="git" ` + k + "\nalice " + k, "alice", plain, nil, nil},
		"in time":                {`alice valid-after="20200601Z",valid-before="20200602Z" ` + k, "alice", plain, nil, nil},
		"in time, last second":   {`alice valid-before="20200601Z" ` + k, "alice", plain, nil, nil},
		"too early":              {`alice valid-after="20200602Z" ` + k, "alice", plain, nil, ErrNotYetValid},
		"too late":               {`alice valid-before="20200531Z" ` + k, "alice", plain, nil, ErrExpired},
		"now":                    {`alice valid-before="20200602Z" ` + k, "alice", plain, func(v *Verifier) { v.Time = time.Time{} }, ErrExpired},
		"authority's own key":    {"alice cert-authority " + k, "alice", plain, nil, ErrNotAllowed},
		"certificate":            {"alice cert-authority " + authority, "alice", byCertificate, nil, nil},
		"certificate, pattern":   {"*@example.com cert-authority " + authority, "alice@example.com", byCertificate, nil, nil},
		"certificate of another": {"* cert-authority " + authority, "bob", byCertificate, nil, keys.ErrPrincipal},
		"no authority":           {"alice " + authority, "alice", byCertificate, nil, ErrNotAllowed},
		"certified key alone":    {"alice " + line(public(t, 1)), "alice", byCertificate, nil, ErrNotAllowed},
		"revoked":                {"alice " + k, "alice", plain, func(v *Verifier) { v.Revoked = revoked.Check }, krl.ErrRevoked},
		"authority revoked":      {"alice cert-authority " + authority, "alice", byCertificate, func(v *Verifier) { v.Revoked = revoked.Check }, krl.ErrRevoked},
		"authority refused": {"alice cert-authority " + authority, "alice", byCertificate, func(v *Verifier) {
			v.Revoked = func(k keys.PublicKey) error {
				if keys.Equal(k, public(t, 100)) {
					return krl.ErrRevoked
				}
				return nil
			}
		}, krl.ErrRevoked},
		"not revoked":              {"alice " + k, "alice", plain, func(v *Verifier) { v.Revoked = new(krl.List).Check }, nil},
		"revocation cannot be had": {"alice " + k, "alice", plain, func(v *Verifier) { v.Revoked = (*krl.List)(nil).Check }, errAny},
	} {
		t.Run(name, func(t *testing.T) {
			v := &Verifier{Allowed: signers(t, c.line), Time: at}
			if c.change != nil {
				c.change(v)
			}
			err := v.Verify(c.principal, "file", strings.NewReader(message), c.signature)
			switch c.want {
			case nil:
				require.NoError(t, err)
				require.ErrorIs(t, v.Verify(c.principal, "file", strings.NewReader("another"), c.signature), keys.ErrBadSignature)
				require.ErrorIs(t, v.Verify(c.principal, "git", strings.NewReader(message), c.signature), ErrNamespace)
			case errAny:
				require.Error(t, err)
			default:
				require.ErrorIs(t, err, c.want)
				require.NotEmpty(t, err.Error())
			}
		})
	}
	require.ErrorIs(t, new(Verifier).Verify("alice", "file", strings.NewReader(message), plain), ErrNotAllowed)
	require.ErrorIs(t, new(Verifier).Verify("alice", "file", strings.NewReader(message), nil), ErrFormat)
	var refused *RefusedError
	err := (&Verifier{Allowed: signers(t, "", `alice namespaces="git" `+k)}).Verify("alice", "file", strings.NewReader(message), plain)
	require.ErrorAs(t, err, &refused)
	require.Equal(t, 2, refused.Line)
	require.ErrorIs(t, err, ErrNotAllowed)
}

var errAny = errors.New("any error")

func TestVerifyCertificate(t *testing.T) {
	allowed := signers(t, "alice cert-authority "+line(public(t, 100)))
	for name, c := range map[string]struct {
		change func(*keys.CertificateClaims)
		want   error
	}{
		"good":     {nil, nil},
		"expired":  {func(c *keys.CertificateClaims) { c.ValidBefore = time.Unix(1000, 0) }, keys.ErrCertificateExpired},
		"early":    {func(c *keys.CertificateClaims) { c.ValidAfter = time.Now().Add(time.Hour) }, keys.ErrNotYetValid},
		"a host's": {func(c *keys.CertificateClaims) { c.Type = keys.HostCertificate }, keys.ErrCertificateType},
		"from an address": {func(c *keys.CertificateClaims) {
			c.CriticalOptions = map[string]string{keys.SourceAddressOption: "192.0.2.0/24"}
		}, keys.ErrSourceAddress},
	} {
		_, certified := certify(t, ed(t, 1), 100, c.change)
		s := sign(t, certified, "file", message)
		err := (&Verifier{Allowed: allowed}).Verify("alice", "file", strings.NewReader(message), s)
		if c.want == nil {
			require.NoError(t, err, name)
			continue
		}
		require.ErrorIs(t, err, c.want, name)
		require.ErrorIs(t, err, ErrNotAllowed, name)
	}
}

func TestPrincipals(t *testing.T) {
	k, authority := line(public(t, 0)), line(public(t, 100))
	allowed := signers(t,
		`late valid-after="20990101Z" `+k,
		"ca cert-authority "+k,
		"alice,*@example.com namespaces=\"git\" "+k,
		"bob "+k,
		"nobody cert-authority "+authority,
		"alice,al*@example.com cert-authority "+authority,
	)
	c, _ := certify(t, ed(t, 1), 100, nil)
	early, _ := certify(t, ed(t, 1), 100, func(c *keys.CertificateClaims) { c.ValidAfter = time.Now().Add(time.Hour) })
	require.Equal(t, []string{"alice", "*@example.com"}, allowed.FindPrincipals(public(t, 0), time.Time{}))
	require.Equal(t, []string{"late"}, allowed.FindPrincipals(public(t, 0), time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC)))
	require.Equal(t, []string{"alice", "alice@example.com"}, allowed.FindPrincipals(c, time.Time{}))
	require.Nil(t, allowed.FindPrincipals(early, time.Time{}))
	require.Nil(t, allowed.FindPrincipals(public(t, 1), time.Time{}))
	require.Nil(t, allowed.FindPrincipals(nil, time.Time{}))

	require.Equal(t, []string{"alice,*@example.com", "alice,al*@example.com"}, allowed.MatchPrincipals("alice@example.com"))
	require.Nil(t, allowed.MatchPrincipals("ALICE"))
}
