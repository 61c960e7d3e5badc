package ssh_test

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh"
	"github.com/fairlead-go/ssh/auth"
	"github.com/fairlead-go/ssh/keys"
	"github.com/fairlead-go/ssh/keys/knownhosts"
	"github.com/fairlead-go/ssh/transport"
)

// sha1Signature is a signature of an authority that still uses SHA-1.
func sha1Signature(t *testing.T, k *keys.PrivateKey, data []byte) []byte {
	t.Helper()
	sum := sha1.Sum(data)
	blob, err := rsa.SignPKCS1v15(rand.Reader, k.Crypto().(*rsa.PrivateKey), crypto.SHA1, sum[:])
	require.NoError(t, err)
	return (&keys.Signature{Format: "ssh-rsa", Blob: blob}).Marshal()
}

// certified returns a signer of a certificate for key.
func certified(t *testing.T, ca, key *keys.PrivateKey, claims keys.CertificateClaims) keys.Signer {
	t.Helper()
	claims.Key, claims.ValidBefore = key.PublicKey(), keys.Forever
	c, err := claims.Issue(t.Context(), ca)
	require.NoError(t, err)
	s, err := keys.NewCertificateSigner(c, key)
	require.NoError(t, err)
	return s
}

// TestCertificates: a user and a server that know nothing of each other but
// the authority.
func TestCertificates(t *testing.T) {
	checkGoroutines(t)
	ca, userKey, hostKey := newKey(t), newKey(t), newKey(t)
	addr := serve(t, &ssh.Server{
		HostKeys: []keys.Signer{
			certified(t, ca, hostKey, keys.CertificateClaims{Type: keys.HostCertificate, Principals: []string{"127.0.0.*"}}), hostKey,
		},
		Auth: auth.ServerConfig{Certificate: auth.TrustedAuthorities(ca.PublicKey()), FailureDelay: -1},
	})
	file := filepath.Join(t.TempDir(), "known_hosts")
	require.NoError(t, os.WriteFile(file, append([]byte("@cert-authority * "), keys.MarshalAuthorizedKey(ca.PublicKey(), "")...), 0o600))
	hosts, err := knownhosts.Open(file)
	require.NoError(t, err)
	user := certified(t, ca, userKey, keys.CertificateClaims{
		Type: keys.UserCertificate, Principals: []string{"alice"}, CriticalOptions: map[string]string{keys.ForceCommandOption: "echo forced"},
	})
	connect := func(user string, signers ...keys.Signer) (*ssh.Client, error) {
		return ssh.Dial(t.Context(), "tcp", addr, &ssh.ClientConfig{
			User: user, Auth: []auth.Method{auth.PublicKeys(signers...)},
			VerifyHostKey: hosts.Verify, HostKeyAlgorithms: hosts.HostKeyAlgorithms(addr, nil, nil),
		})
	}
	c, err := connect("alice", user, userKey)
	require.NoError(t, err)
	defer c.Close()
	require.Equal(t, keys.CertificateAlgorithm(keys.KeyEd25519), c.ConnState().HostKeyAlgorithm)
	require.True(t, keys.Equal(user.PublicKey(), c.Login().Key))
	out, err := c.Command("echo free").Output(t.Context())
	require.NoError(t, err)
	require.Equal(t, "forced\n", string(out))

	var denied *auth.Error
	_, err = connect("alice", userKey)
	require.ErrorAs(t, err, &denied, "the key without its certificate")
	_, err = connect("bob", user)
	require.ErrorAs(t, err, &denied, "another user")

	require.NoError(t, os.WriteFile(file, append([]byte("@cert-authority * "), keys.MarshalAuthorizedKey(userKey.PublicKey(), "")...), 0o600))
	_, err = connect("alice", user)
	var unknown *transport.HostKeyError
	require.ErrorAs(t, err, &unknown)
	require.ErrorIs(t, err, knownhosts.ErrUnknownHost)
}
