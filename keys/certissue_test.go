package keys

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestIssueRefuses(t *testing.T) {
	for name, change := range map[string]func(c *CertificateClaims){
		"nothing":           func(c *CertificateClaims) { *c = CertificateClaims{} },
		"no type":           func(c *CertificateClaims) { c.Type = 0 },
		"no key":            func(c *CertificateClaims) { c.Key = nil },
		"no principals":     func(c *CertificateClaims) { c.Principals = nil },
		"empty principal":   func(c *CertificateClaims) { c.Principals = []string{""} },
		"zero in principal": func(c *CertificateClaims) { c.Principals = []string{"a\x00"} },
		"many principals":   func(c *CertificateClaims) { c.Principals = make([]string, maxPrincipals+1) },
		"zero in key ID":    func(c *CertificateClaims) { c.KeyID = "\x00" },
		"no end":            func(c *CertificateClaims) { c.ValidBefore = time.Time{} },
		"end before 1970":   func(c *CertificateClaims) { c.ValidBefore = time.Unix(-1, 0) },
		"begin before 1970": func(c *CertificateClaims) { c.ValidAfter = time.Unix(-1, 0) },
		"end at the begin":  func(c *CertificateClaims) { c.ValidAfter = c.ValidBefore },
		"bad address":       func(c *CertificateClaims) { c.CriticalOptions[SourceAddressOption] = "" },
		"flag with a value": func(c *CertificateClaims) { c.CriticalOptions[VerifyRequiredOption] = "yes" },
		"permit with value": func(c *CertificateClaims) { c.Extensions[PermitPTY] = "yes" },
		"command with zero": func(c *CertificateClaims) { c.CriticalOptions[ForceCommandOption] = "\x00" },
		"zero in a name":    func(c *CertificateClaims) { c.Extensions["\x00"] = "" },
		"host with an option": func(c *CertificateClaims) {
			c.Type, c.CriticalOptions = HostCertificate, map[string]string{ForceCommandOption: ""}
		},
	} {
		t.Run(name, func(t *testing.T) {
			claims := userClaims()
			change(claims)
			_, err := claims.Issue(t.Context(), authority())
			require.Error(t, err)
		})
	}
	_, err := userClaims().Issue(t.Context(), nil)
	require.ErrorIs(t, err, errNoKey)
	_, err = userClaims().Issue(t.Context(), lyingSigner{authority()})
	require.ErrorIs(t, err, ErrBadSignature)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = userClaims().Issue(ctx, authority())
	require.ErrorIs(t, err, context.Canceled)
}

type lyingSigner struct{ Signer }

func (s lyingSigner) Sign(ctx context.Context, algorithm string, data []byte) (*Signature, error) {
	return s.Signer.Sign(ctx, algorithm, []byte("other"))
}

func TestCertificateSigner(t *testing.T) {
	forEachType(t, func(t *testing.T, k *PrivateKey) {
		claims := userClaims()
		claims.Key = k.PublicKey()
		c := issue(t, claims)
		s, err := NewCertificateSigner(c, k)
		require.NoError(t, err)
		require.True(t, SignsAtOnce(s))
		require.False(t, SignsAtOnce(lyingSigner{s}))
		require.True(t, Equal(c, s.PublicKey()))
		require.Len(t, s.Algorithms(), len(k.Algorithms()))
		for i, algorithm := range s.Algorithms() {
			sig, err := s.Sign(t.Context(), algorithm, []byte("data"))
			require.NoError(t, err)
			require.Equal(t, k.Algorithms()[i], sig.Format)
			require.NoError(t, Verify(c, algorithm, []byte("data"), sig.Marshal()))
			require.NoError(t, Verify(k.PublicKey(), sig.Format, []byte("data"), sig.Marshal()))
			require.Error(t, Verify(c, algorithm, []byte("other"), sig.Marshal()))

			var bad *AlgorithmError
			require.ErrorAs(t, Verify(c, sig.Format, []byte("data"), sig.Marshal()), &bad, "the plain algorithm")
			require.ErrorAs(t, Verify(k.PublicKey(), algorithm, []byte("data"), sig.Marshal()), &bad, "the plain key")
			sig.Format = algorithm
			require.ErrorAs(t, Verify(c, algorithm, []byte("data"), sig.Marshal()), &bad, "the certificate's name as format")
			_, err = s.Sign(t.Context(), k.Algorithms()[i], []byte("data"))
			require.ErrorAs(t, err, &bad)
		}
		if algorithms := s.Algorithms(); len(algorithms) > 1 {
			sig, err := s.Sign(t.Context(), algorithms[0], []byte("data"))
			require.NoError(t, err)
			require.Error(t, Verify(c, algorithms[1], []byte("data"), sig.Marshal()), "another algorithm than agreed")
		}
	})
	c := issue(t, userClaims())
	_, err := NewCertificateSigner(c, authority())
	require.ErrorIs(t, err, ErrKeyMismatch)
	_, err = NewCertificateSigner(c, nil)
	require.Error(t, err)
	_, err = NewCertificateSigner(nil, subject())
	require.Error(t, err)
	s, err := NewCertificateSigner(c, subject())
	require.NoError(t, err)
	_, err = NewCertificateSigner(c, s)
	require.ErrorIs(t, err, ErrKeyMismatch, "a certificate's signer is none of the plain key")
}

// TestSecurityKeyCertificates: a security key can be certified, and can certify.
func TestSecurityKeyCertificates(t *testing.T) {
	for _, sk := range skAlgorithms {
		d := newDevice(t, sk.keyType, SKUserPresence)
		signer, err := NewSecurityKeySigner(d.private, d, sk.algorithm)
		require.NoError(t, err)
		require.False(t, SignsAtOnce(d.private))

		c, err := userClaims().Issue(t.Context(), signer)
		require.NoError(t, err)
		require.Equal(t, sk.algorithm, c.SignatureAlgorithm())

		claims := userClaims()
		claims.Key = d.private.PublicKey()
		c = issue(t, claims)
		require.Equal(t, certificateName(sk.keyType), c.Type())
		again, err := ParseCertificate(c.Marshal())
		require.NoError(t, err)
		require.True(t, Equal(c.Key(), again.Key()))
		certified, err := NewCertificateSigner(c, signer)
		require.NoError(t, err)
		algorithm := certificateName(sk.algorithm)
		require.Equal(t, []string{algorithm}, certified.Algorithms())
		sig, err := certified.Sign(t.Context(), algorithm, []byte("data"))
		require.NoError(t, err)
		require.NoError(t, Verify(c, algorithm, []byte("data"), sig.Marshal()))

		untouched := d.sign(t, sk.algorithm, 0, []byte("data"))
		require.ErrorIs(t, Verify(c, algorithm, []byte("data"), untouched), ErrUserPresence)
		a, err := VerifyAssertion(c, algorithm, []byte("data"), untouched)
		require.NoError(t, err)
		require.False(t, a.UserPresent())

		if sk.algorithm != SKWebAuthnECDSA256 {
			out := sshKeygen(t, nil, "-L", "-f", writeFile(t, "k-cert.pub", MarshalAuthorizedKey(c, "")))
			require.Contains(t, out, "Type: "+c.Type()+" user certificate")
		}
	}
}

// TestByNameCertificates: a type that is used only by name has certificates, and
// no default has them.
func TestByNameCertificates(t *testing.T) {
	k, err := GenerateKey(KeyMLDSA44Ed25519, 0)
	require.NoError(t, err)
	name := "ssh-mldsa44-ed25519-cert-v01@openssh.com"
	claims := userClaims()
	claims.Key = k.PublicKey()
	c := issue(t, claims)
	require.Equal(t, name, c.Type())
	signer, err := NewCertificateSigner(c, k)
	require.NoError(t, err)
	sig, err := signer.Sign(t.Context(), name, []byte("data"))
	require.NoError(t, err)
	require.NoError(t, Verify(c, name, []byte("data"), sig.Marshal()))
	require.Contains(t, SupportedCertificateAlgorithms(), name)
	require.NotContains(t, CertificateAlgorithms(), name)
	_, err = userClaims().Issue(t.Context(), k)
	require.Error(t, err, "no authority signs with it")
}
