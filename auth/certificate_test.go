package auth

import (
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh/keys"
	"github.com/fairlead-go/ssh/wire"
)

// ca certifies keyA in these tests, unless they say otherwise.
var ca = keyECDSA

func userClaims() *keys.CertificateClaims {
	return &keys.CertificateClaims{
		Type: keys.UserCertificate, Key: keyA.PublicKey(), Principals: []string{"bob"}, ValidBefore: keys.Forever,
		CriticalOptions: map[string]string{}, Extensions: keys.StandardExtensions(),
	}
}

// certify returns a signer by keyA or, where claims say so, keyRSA.
func certify(t testing.TB, claims *keys.CertificateClaims, by keys.Signer) keys.Signer {
	t.Helper()
	c, err := claims.Issue(context.Background(), by)
	require.NoError(t, err)
	key := keyA
	if keys.Equal(claims.Key, keyRSA.PublicKey()) {
		key = keyRSA
	}
	s, err := keys.NewCertificateSigner(c, key)
	require.NoError(t, err)
	return s
}

func TestCertificateLogin(t *testing.T) {
	here := &net.TCPAddr{IP: net.IPv4(192, 0, 2, 7), Port: 5}
	errGone := errors.New("it was lost")
	revoke := func(gone keys.PublicKey) func(keys.PublicKey) error {
		return func(k keys.PublicKey) error {
			if keys.Equal(k, gone) {
				return errGone
			}
			return nil
		}
	}
	free := &Permissions{}
	for name, test := range map[string]struct {
		claims func(c *keys.CertificateClaims)
		server func(sc *ServerConfig)
		by     keys.Signer
		remote net.Addr
		want   *Permissions // nil: refused
	}{
		"good":             {want: free},
		"RSA":              {claims: func(c *keys.CertificateClaims) { c.Key = keyRSA.PublicKey() }, want: free},
		"RSA authority":    {by: keyRSA, server: func(sc *ServerConfig) { sc.Certificate = TrustedAuthorities(keyRSA.PublicKey()) }, want: free},
		"no authority":     {server: func(sc *ServerConfig) { sc.Certificate = TrustedAuthorities() }},
		"others authority": {by: keyRSA},
		"its own authority": {
			by: keyA, server: func(sc *ServerConfig) { sc.PublicKey = keyIs(keyA) },
		},
		"other user":     {claims: func(c *keys.CertificateClaims) { c.Principals = []string{"alice", "BOB", "b*"} }},
		"expired":        {claims: func(c *keys.CertificateClaims) { c.ValidBefore = time.Unix(900_000_000, 0) }},
		"not yet valid":  {claims: func(c *keys.CertificateClaims) { c.ValidAfter = time.Unix(4_000_000_000, 0) }},
		"of a host":      {claims: func(c *keys.CertificateClaims) { c.Type, c.CriticalOptions = keys.HostCertificate, nil }},
		"unknown option": {claims: func(c *keys.CertificateClaims) { c.CriticalOptions["x@example.com"] = "" }},
		"from here":      {claims: func(c *keys.CertificateClaims) { c.CriticalOptions[keys.SourceAddressOption] = "192.0.2.0/24" }, want: free},
		"from elsewhere": {claims: func(c *keys.CertificateClaims) { c.CriticalOptions[keys.SourceAddressOption] = "192.0.3.0/24" }},
		"from nowhere": {
			claims: func(c *keys.CertificateClaims) { c.CriticalOptions[keys.SourceAddressOption] = "0.0.0.0/0,::/0" },
			remote: &net.UnixAddr{Name: "192.0.2.7:22", Net: "unix"},
		},
		"algorithm of authority": {server: func(sc *ServerConfig) { sc.CASignatureAlgorithms = []string{keys.KeyEd25519} }},
		"algorithm of key": {
			server: func(sc *ServerConfig) {
				sc.PublicKeyAlgorithms = []string{keys.KeyEd25519, keys.CertificateAlgorithm(keys.RSASHA512)}
			},
		},
		"no certificates":     {server: func(sc *ServerConfig) { sc.Certificate = nil }},
		"revoked certificate": {server: func(sc *ServerConfig) { sc.Revoked = revoke(keyA.PublicKey()) }},
		"revoked authority":   {server: func(sc *ServerConfig) { sc.Revoked = revoke(ca.PublicKey()) }},
		"another revoked":     {server: func(sc *ServerConfig) { sc.Revoked = revoke(keyB.PublicKey()) }, want: free},
		"a callback's error": {server: func(sc *ServerConfig) {
			good := sc.Certificate
			sc.Certificate = func(ctx context.Context, a *Attempt, c *keys.Certificate) (*Authority, error) {
				trust, _ := good(ctx, a, c)
				return trust, errWrong
			}
		}},
		"a callback's nothing": {server: func(sc *ServerConfig) {
			sc.Certificate = func(context.Context, *Attempt, *keys.Certificate) (*Authority, error) { return nil, nil }
		}},
		"no principals": {server: func(sc *ServerConfig) {
			sc.Certificate = func(context.Context, *Attempt, *keys.Certificate) (*Authority, error) {
				return &Authority{Keys: []keys.PublicKey{ca.PublicKey()}}, nil
			}
		}},
		"other principals": {
			claims: func(c *keys.CertificateClaims) { c.Principals = []string{"operators"} },
			server: func(sc *ServerConfig) {
				sc.Certificate = func(context.Context, *Attempt, *keys.Certificate) (*Authority, error) {
					return &Authority{Keys: []keys.PublicKey{ca.PublicKey()}, Principals: []string{"operators"}, Permissions: &Permissions{NoPTY: true}}, nil
				}
			},
			want: &Permissions{NoPTY: true},
		},
		"no extensions": {
			claims: func(c *keys.CertificateClaims) { c.Extensions = nil },
			want:   &Permissions{NoPTY: true, NoPortForwarding: true, NoAgentForwarding: true, NoX11Forwarding: true, NoUserRC: true},
		},
		"options": {
			claims: func(c *keys.CertificateClaims) {
				c.CriticalOptions = map[string]string{keys.ForceCommandOption: "ls", keys.VerifyRequiredOption: ""}
				c.Extensions[keys.NoTouchRequired] = ""
			},
			want: &Permissions{ForceCommand: "ls", VerifyRequired: true, NoTouchRequired: true},
		},
		"empty command": {
			claims: func(c *keys.CertificateClaims) { c.CriticalOptions[keys.ForceCommandOption] = "" },
			want:   &Permissions{ForceCommand: EmptyCommand},
		},
		"the same command twice": {
			claims: func(c *keys.CertificateClaims) { c.CriticalOptions[keys.ForceCommandOption] = "ls" },
			server: func(sc *ServerConfig) { sc.Certificate = trustedWith(&Permissions{ForceCommand: "ls"}) },
			want:   &Permissions{ForceCommand: "ls"},
		},
		"two commands": {
			claims: func(c *keys.CertificateClaims) { c.CriticalOptions[keys.ForceCommandOption] = "ls" },
			server: func(sc *ServerConfig) { sc.Certificate = trustedWith(&Permissions{ForceCommand: "df"}) },
		},
		"touch required by the authority's line": {
			claims: func(c *keys.CertificateClaims) { c.Extensions[keys.NoTouchRequired] = "" },
			server: func(sc *ServerConfig) { sc.Certificate = trustedWith(&Permissions{}) },
			want:   free,
		},
		"touch required by the certificate": {
			server: func(sc *ServerConfig) { sc.Certificate = trustedWith(&Permissions{NoTouchRequired: true}) },
			want:   free,
		},
	} {
		t.Run(name, func(t *testing.T) {
			claims := userClaims()
			if test.claims != nil {
				test.claims(claims)
			}
			by, remote := test.by, test.remote
			if by == nil {
				by = ca
			}
			if remote == nil {
				remote = here
			}
			signer := certify(t, claims, by)
			for _, s := range []keys.Signer{signer, slowSigner{signer}} {
				synctest.Test(t, func(t *testing.T) {
					sc := &ServerConfig{PublicKey: keyIs(keyB), Certificate: TrustedAuthorities(ca.PublicKey())}
					if test.server != nil {
						test.server(sc)
					}
					r := loginWith(t, 0, &ClientConfig{User: "bob", Methods: []Method{PublicKeys(s)}}, sc,
						&Session{ID: session().ID, RemoteAddr: remote})
					res, id := r.client, r.id
					if test.want == nil {
						var denied *Error
						require.ErrorAs(t, r.clientErr, &denied)
						require.Nil(t, id)
						return
					}
					require.NoError(t, r.clientErr)
					require.Equal(t, test.want, id.Permissions)
					require.True(t, keys.Equal(signer.PublicKey(), id.Methods[0].Key))
					require.True(t, keys.Equal(signer.PublicKey(), res.Key))
					require.Equal(t, signer.Algorithms()[0], id.Methods[0].Algorithm)
				})
			}
		})
	}
}

func trustedWith(p *Permissions) func(context.Context, *Attempt, *keys.Certificate) (*Authority, error) {
	return func(_ context.Context, a *Attempt, _ *keys.Certificate) (*Authority, error) {
		return &Authority{Keys: []keys.PublicKey{ca.PublicKey()}, Principals: []string{a.User}, Permissions: p}, nil
	}
}

// TestDefect_RevokedKey: a key on a list lets nobody in, with a certificate or
// without.
func TestDefect_RevokedKey(t *testing.T) {
	bubble(t, func(t *testing.T, backlog int) {
		sc := &ServerConfig{PublicKey: keyIs(keyA), Revoked: func(keys.PublicKey) error { return errWrong }}
		r := login(t, backlog, &ClientConfig{User: "bob", Methods: []Method{PublicKeys(keyA)}}, sc)
		require.Error(t, r.clientErr)
		require.Nil(t, r.id)
	})
}

// A query about a certificate is no proof, and neither is another's signature.
func TestDefect_CertificateQueryIsNoProof(t *testing.T) {
	mine, others := certify(t, userClaims(), ca), func() keys.Signer {
		claims := userClaims()
		claims.Key = keyB.PublicKey()
		c, err := claims.Issue(t.Context(), ca)
		require.NoError(t, err)
		s, err := keys.NewCertificateSigner(c, keyB)
		require.NoError(t, err)
		return s
	}()
	synctest.Test(t, func(t *testing.T) {
		r, end := serve(t, false, &ServerConfig{Certificate: TrustedAuthorities(ca.PublicKey())})
		r.query(others)
		r.recv(msgUserauthPKOK)
		f := signedFields(t, mine, mine.Algorithms()[0], session().ID, "bob")
		f.blob = others.PublicKey().Marshal()
		r.request(MethodPublicKey, f.append(nil))
		require.False(t, r.failure().partial)
		f = signedFields(t, keyA, keyA.Algorithms()[0], session().ID, "bob") // the plain key, which nobody trusts
		r.request(MethodPublicKey, f.append(nil))
		require.False(t, r.failure().partial)
		f = signedFields(t, mine, mine.Algorithms()[0], session().ID, "bob")
		f.algorithm = keys.KeyEd25519 // the plain algorithm with a certificate
		r.request(MethodPublicKey, f.append(nil))
		require.False(t, r.failure().partial)
		f = signedFields(t, mine, mine.Algorithms()[0], session().ID, "bob")
		r.request(MethodPublicKey, f.append(nil))
		r.recv(wire.MsgUserauthSuccess)
		id, err := end()
		require.NoError(t, err)
		require.Len(t, id.Methods, 1)
		require.True(t, keys.Equal(mine.PublicKey(), id.Methods[0].Key))
	})
}

// TestDefect_OneKeyProvesTwice: a key and its certificate are one key.
func TestDefect_OneKeyProvesTwice(t *testing.T) {
	signer := certify(t, userClaims(), ca)
	synctest.Test(t, func(t *testing.T) {
		r, end := serve(t, false, &ServerConfig{
			PublicKey: keyIs(keyA, keyB), Certificate: TrustedAuthorities(ca.PublicKey()),
			Verified: func(_ context.Context, id *Identity) ([]string, error) {
				if len(id.Methods) < 2 {
					return []string{MethodPublicKey}, nil
				}
				return nil, nil
			},
		})
		r.sign(signer)
		require.True(t, r.failure().partial)
		r.sign(keyA)
		require.False(t, r.failure().partial)
		r.sign(signer)
		require.False(t, r.failure().partial)
		r.sign(keyB)
		r.recv(wire.MsgUserauthSuccess)
		_, err := end()
		require.NoError(t, err)
	})
	bubble(t, func(t *testing.T, backlog int) { // and the client does not try
		tried := 0
		r := login(t, backlog, &ClientConfig{User: "bob", Methods: []Method{PublicKeys(signer, keyA, keyB)}}, &ServerConfig{
			PublicKey: keyIs(keyA, keyB), Certificate: TrustedAuthorities(ca.PublicKey()),
			Log: func(a *Attempt, err error) {
				if a.Method == MethodPublicKey {
					tried++
				}
			},
			Verified: func(_ context.Context, id *Identity) ([]string, error) {
				if len(id.Methods) < 2 {
					return []string{MethodPublicKey}, nil
				}
				return nil, nil
			},
		})
		require.NoError(t, r.clientErr)
		require.Equal(t, 2, tried)
	})
}

// TestDefect_NoCertificatePolicy: certificate algorithms without anyone to say
// whom to trust are a mistake.
func TestDefect_NoCertificatePolicy(t *testing.T) {
	cfg := &ServerConfig{PublicKey: keyIs(keyA), PublicKeyAlgorithms: keys.CertificateAlgorithms()}
	_, err := cfg.withDefaults()
	require.ErrorContains(t, err, "no authority")
	cfg.Certificate = TrustedAuthorities()
	_, err = cfg.withDefaults()
	require.NoError(t, err)
	cfg.CASignatureAlgorithms = []string{"ssh-rsa-sha1"}
	_, err = cfg.withDefaults()
	require.Error(t, err)
}

func TestSignatureAlgorithmsAnnounced(t *testing.T) {
	plain, certified := &ServerConfig{}, &ServerConfig{Certificate: TrustedAuthorities()}
	require.Equal(t, keys.Algorithms(), plain.SignatureAlgorithms())
	require.Equal(t, keys.Algorithms(), certified.SignatureAlgorithms())
	certified.PublicKeyAlgorithms = []string{keys.CertificateAlgorithm(keys.RSASHA512), keys.RSASHA512, keys.KeyEd25519}
	require.Equal(t, []string{keys.RSASHA512, keys.KeyEd25519}, certified.SignatureAlgorithms())
	require.True(t, certified.HasMethod())
	require.False(t, plain.HasMethod())
	require.False(t, (*ServerConfig)(nil).HasMethod())
}

// A client with an RSA certificate goes by what the server announces of keys.
func TestClientChoosesCertificateAlgorithm(t *testing.T) {
	claims := userClaims()
	claims.Key = keyRSA.PublicKey()
	signer := certify(t, claims, ca)
	for _, test := range []struct {
		announced []string
		want      string
	}{
		{nil, keys.CertificateAlgorithm(keys.RSASHA512)},
		{[]string{keys.RSASHA256}, keys.CertificateAlgorithm(keys.RSASHA256)},
		{[]string{keys.KeyEd25519, keys.RSASHA512}, keys.CertificateAlgorithm(keys.RSASHA512)},
		{[]string{keys.KeyEd25519}, ""},
	} {
		c := &client{session: &Session{ServerSigAlgs: func() []string { return test.announced }}}
		require.Equal(t, test.want, c.signatureAlgorithm(signer))
	}
	c := &client{session: &Session{ServerSigAlgs: func() []string { return []string{keys.RSASHA512} }}}
	require.Equal(t, keys.CertificateAlgorithm(keys.KeyEd25519), c.signatureAlgorithm(certify(t, userClaims(), ca)))
	require.True(t, slices.Contains(keys.CertificateAlgorithms(), keys.CertificateAlgorithm(keys.KeyEd25519)))
}

// A connection that ends in the middle leaves nobody behind.
func TestCertificateAbandoned(t *testing.T) {
	signer := certify(t, userClaims(), ca)
	synctest.Test(t, func(t *testing.T) {
		r, end := serve(t, false, &ServerConfig{Certificate: TrustedAuthorities(ca.PublicKey())})
		r.query(signer)
		r.recv(msgUserauthPKOK)
		r.c.Fail(io.EOF)
		id, err := end()
		require.Nil(t, id)
		require.ErrorIs(t, err, io.EOF)
	})
}

func TestRemoteIP(t *testing.T) {
	require.True(t, (&Session{RemoteAddr: &net.TCPAddr{IP: net.ParseIP("::ffff:192.0.2.7")}}).RemoteIP().Is4())
	for _, addr := range []net.Addr{nil, (*net.TCPAddr)(nil), &net.UnixAddr{Name: "192.0.2.7:22"}} {
		require.False(t, (&Session{RemoteAddr: addr}).RemoteIP().IsValid())
	}
}
