package keys

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh/internal/certtest"
	"github.com/fairlead-go/ssh/wire"
)

// authority signs what the tests issue.

func authority() *PrivateKey { return generated()[KeyEd25519] }

// subject is the key that most of the tests certify.

func subject() *PrivateKey { return generated()[KeyECDSA256] }

// userClaims are claims that [userCheck] accepts.

func userClaims() *CertificateClaims {
	return &CertificateClaims{
		Type: UserCertificate, Key: subject().PublicKey(), KeyID: "alice's laptop", Serial: 7,
		Principals: []string{"alice", "staff"}, ValidAfter: time.Unix(1000, 0), ValidBefore: time.Unix(2000, 0),
		CriticalOptions: map[string]string{SourceAddressOption: "192.0.2.0/24,2001:db8::1"},
		Extensions:      StandardExtensions(),
	}
}

func userCheck() *CertificateCheck {
	return &CertificateCheck{
		Type: UserCertificate, Authorities: []PublicKey{authority().PublicKey()}, Principals: []string{"bob", "alice"},
		Address: netip.MustParseAddr("192.0.2.9"), Time: time.Unix(1500, 0),
	}
}

func issue(t testing.TB, claims *CertificateClaims) *Certificate {
	t.Helper()
	c, err := claims.Issue(context.Background(), authority())
	require.NoError(t, err)
	return c
}

func TestCertificateRoundTrip(t *testing.T) {
	forEachType(t, func(t *testing.T, k *PrivateKey) {
		for _, ca := range generated() {
			claims := userClaims()
			claims.Key = k.PublicKey()
			c, err := claims.Issue(t.Context(), ca)
			require.NoError(t, err)
			require.True(t, Equal(k.PublicKey(), c.Key()))
			require.True(t, Equal(ca.PublicKey(), c.Authority()))
			require.Equal(t, ca.Algorithms()[0], c.SignatureAlgorithm())
			require.Equal(t, "alice's laptop", c.KeyID())
			require.EqualValues(t, 7, c.Serial())
			require.Equal(t, UserCertificate, c.CertificateType())
			require.Equal(t, []string{"alice", "staff"}, c.Principals())
			require.Equal(t, FingerprintSHA256(k.PublicKey()), FingerprintSHA256(c))
			require.Equal(t, FingerprintMD5(k.PublicKey()), FingerprintMD5(c))

			again, err := ParseCertificate(c.Marshal())
			require.NoError(t, err)
			require.True(t, Equal(c, again))
			got := again.Claims()
			require.Equal(t, claims.CriticalOptions, got.CriticalOptions)
			require.Equal(t, claims.Extensions, got.Extensions)
			require.True(t, claims.ValidAfter.Equal(got.ValidAfter))
			require.True(t, claims.ValidBefore.Equal(got.ValidBefore))

			line := MarshalAuthorizedKey(c, "a comment")
			fromLine, comment, err := ParseCertificateLine(line)
			require.NoError(t, err)
			require.Equal(t, "a comment", comment)
			require.True(t, Equal(c, fromLine))
			_, _, err = ParsePublicKeyLine(line)
			var unknown *UnknownTypeError
			require.ErrorAs(t, err, &unknown, "a certificate is no plain key")
			_, err = ParsePublicKey(c.Marshal())
			require.ErrorAs(t, err, &unknown)
			_, _, err = ParseCertificateLine(MarshalAuthorizedKey(k.PublicKey(), ""))
			require.ErrorAs(t, err, &unknown, "a plain key is no certificate")

			for _, blob := range [][]byte{c.Marshal(), k.PublicKey().Marshal()} {
				either, err := ParseKeyOrCertificate(blob)
				require.NoError(t, err)
				require.Equal(t, blob, either.Marshal())
				require.True(t, Equal(k.PublicKey(), PlainKey(either)))
			}
		}
	})
}

func TestCertificatePrefixesAndTrailing(t *testing.T) {
	blob := issue(t, userClaims()).Marshal()
	for n := range len(blob) {
		c, err := ParseCertificate(blob[:n])
		require.Error(t, err, "%d of %d bytes", n, len(blob))
		require.Nil(t, c)
		_, err = ParseKeyOrCertificate(blob[:n])
		require.Error(t, err)
	}
	_, err := ParseCertificate(append(bytes.Clone(blob), 0))
	require.ErrorIs(t, err, wire.ErrTrailing)
}

// TestCertificateBitFlips: the signature covers every byte before it, and no

// other signature will do.

func TestCertificateBitFlips(t *testing.T) {
	blob := issue(t, userClaims()).Marshal()
	for i := range blob {
		changed := bytes.Clone(blob)
		changed[i] ^= 1
		_, err := ParseCertificate(changed)
		require.Error(t, err, "byte %d", i)
	}
}

func TestCertificateNames(t *testing.T) {
	for plain, want := range map[string]string{
		KeyEd25519:                           "ssh-ed25519-cert-v01@openssh.com",
		KeyECDSA521:                          "ecdsa-sha2-nistp521-cert-v01@openssh.com",
		KeyRSA:                               "ssh-rsa-cert-v01@openssh.com",
		RSASHA512:                            "rsa-sha2-512-cert-v01@openssh.com",
		"sk-ssh-ed25519@openssh.com":         "sk-ssh-ed25519-cert-v01@openssh.com",
		"sk-ecdsa-sha2-nistp256@openssh.com": "sk-ecdsa-sha2-nistp256-cert-v01@openssh.com",
	} {
		require.Equal(t, want, certificateName(plain))
	}
	require.Equal(t, len(Algorithms()), len(CertificateAlgorithms()))
	for i, name := range Algorithms() {
		require.Equal(t, name, SignatureFormat(name))
		require.Equal(t, name, SignatureFormat(CertificateAlgorithms()[i]))
	}
	for _, typ := range allTypes {
		require.Same(t, lookupKeyType(typ), lookupCertificateType(certificateName(typ)))
		require.Nil(t, lookupCertificateType(typ))
	}
	for _, name := range []string{"", "x", certificateVersion + openSSHDomain, "none-cert-v01@openssh.com"} {
		require.Nil(t, lookupCertificateType(name))
		require.Equal(t, name, SignatureFormat(name))
	}
}

// A forge builds certificates that Issue does not issue. newForge has the
// fields of a good one.
type forge struct {
	certtest.Fields
	signer    Signer
	algorithm string
	signature []byte // if not nil: in place of the signer's
}

func newForge() *forge {
	key := wire.NewReader(subject().PublicKey().Marshal())
	name := key.Text()
	return &forge{
		Fields: certtest.Fields{
			Name: certificateName(name), Key: key.Rest(), Type: uint32(UserCertificate), KeyID: "id",
			Principals: certtest.Names("alice"), Before: math.MaxUint64, Authority: authority().PublicKey().Marshal(),
		},
		signer: authority(), algorithm: KeyEd25519,
	}
}

func (f *forge) blob(t testing.TB) []byte {
	b := f.Unsigned()
	signature := f.signature
	if signature == nil {
		sig, err := f.signer.Sign(context.Background(), f.algorithm, b)
		require.NoError(t, err)
		signature = sig.Marshal()
	}
	return wire.AppendString(b, signature)
}

func TestCertificateMalformed(t *testing.T) {
	manyOptions, manyPrincipals := []byte(nil), []byte(nil)
	for i := range maxCertificateOptions + 1 {
		manyOptions = append(manyOptions, certtest.Option(fmt.Sprintf("o%d", i), nil)...)
		manyPrincipals = wire.AppendString(manyPrincipals, fmt.Sprint(i))
	}
	for name, change := range map[string]func(f *forge){
		"type 0":                   func(f *forge) { f.Type = 0 },
		"type 3":                   func(f *forge) { f.Type = 3 },
		"zero byte in key ID":      func(f *forge) { f.KeyID = "a\x00b" },
		"zero byte in principal":   func(f *forge) { f.Principals = wire.AppendString(nil, "a\x00") },
		"principals cut":           func(f *forge) { f.Principals = []byte{0, 0, 0, 9, 'a'} },
		"too many principals":      func(f *forge) { f.Principals = manyPrincipals },
		"option cut":               func(f *forge) { f.Critical = wire.AppendString(nil, "name") },
		"option twice":             func(f *forge) { f.Critical = append(certtest.Option("a", nil), certtest.Option("a", nil)...) },
		"extension cut":            func(f *forge) { f.Extensions = []byte{0, 0} },
		"extension twice":          func(f *forge) { f.Extensions = append(certtest.Option("a", nil), certtest.Option("a", nil)...) },
		"zero byte in option name": func(f *forge) { f.Critical = certtest.Option("a\x00", nil) },
		"too many options":         func(f *forge) { f.Critical = manyOptions },
		"too many extensions":      func(f *forge) { f.Extensions = manyOptions },
		"another type's key":       func(f *forge) { f.Name = certificateName(KeyECDSA384) },
		"unknown type":             func(f *forge) { f.Name = "ssh-dss-cert-v01@openssh.com" },
		"plain type":               func(f *forge) { f.Name = KeyECDSA256 },
		"no authority":             func(f *forge) { f.Authority = nil },
		"bytes after authority":    func(f *forge) { f.Authority = append(bytes.Clone(f.Authority), 0) },
		"another authority":        func(f *forge) { f.Authority = subject().PublicKey().Marshal() },
		"no signature":             func(f *forge) { f.signature = []byte{} },
		"signature of algorithm":   func(f *forge) { f.signature = (&Signature{Format: "ssh-rsa", Blob: []byte{1}}).Marshal() },
		"signature of certificate": func(f *forge) {
			s, err := f.signer.Sign(context.Background(), KeyEd25519, nil)
			require.NoError(t, err)
			s.Format = certificateName(KeyEd25519)
			f.signature = s.Marshal()
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newForge()
			change(f)
			c, err := ParseCertificate(f.blob(t))
			require.Error(t, err)
			require.Nil(t, c)
		})
	}
	// What is reserved may hold anything, and options may stand in any order.
	f := newForge()
	f.Reserved = []byte{1}
	f.Extensions = append(certtest.Option(PermitPTY, nil), certtest.Option("a", []byte("odd"))...)
	c, err := ParseCertificate(f.blob(t))
	require.NoError(t, err)
	require.Equal(t, map[string]string{PermitPTY: "", "a": "odd"}, c.Claims().Extensions)
	require.True(t, c.Claims().ValidBefore.Equal(Forever))
}

// TestDefect_NestedCertificate: a certificate as an authority would let a chain

// grow, and its own restrictions would count for nothing.

func TestDefect_NestedCertificate(t *testing.T) {
	inner := userClaims()
	inner.Key = authority().PublicKey()
	blob := issue(t, inner).Marshal()
	for range 3 {
		f := newForge()
		f.Authority = blob
		blob = f.blob(t)
		_, err := ParseCertificate(blob)
		var unknown *UnknownTypeError
		require.ErrorAs(t, err, &unknown)
	}
	signer, err := NewCertificateSigner(issue(t, inner), authority())
	require.NoError(t, err)
	_, err = userClaims().Issue(t.Context(), signer)
	require.ErrorContains(t, err, "certificate itself")
	claims := userClaims()
	claims.Key = issue(t, inner)
	_, err = claims.Issue(t.Context(), authority())
	require.Error(t, err)
}

// TestDefect_NoPrincipals: OpenSSH took a certificate without principals for

// one of everybody.

// lyingSigner signs something else than it is asked to.

// TestDefect_TerminalEscapes: an authority's text reaches logs.

// FuzzCertificateBody signs the fuzzer's bytes, which it could not do itself.

// shortName is what ssh-keygen calls a key's type.

// TestCertificateKeepsNoReference: a certificate says the same once the packet
// that it came in has made room for the next.
func TestCertificateKeepsNoReference(t *testing.T) {
	claims := userClaims()
	claims.CriticalOptions = map[string]string{ForceCommandOption: "true", SourceAddressOption: "192.0.2.0/24"}
	issued := issue(t, claims)
	packet := bytes.Clone(issued.Marshal())
	c, err := ParseCertificate(packet)
	require.NoError(t, err)
	for i := range packet {
		packet[i] ^= 0xff
	}
	require.Equal(t, issued.Claims(), c.Claims())
	require.Equal(t, issued.Marshal(), c.Marshal())
	require.True(t, Equal(issued.Authority(), c.Authority()))
}
