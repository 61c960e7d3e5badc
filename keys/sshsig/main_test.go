package sshsig

import (
	"crypto/ed25519"
	"crypto/sha256"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh/keys"
)

var keyTypes = []string{keys.KeyEd25519, keys.KeyECDSA256, keys.KeyECDSA384, keys.KeyECDSA521, keys.KeyRSA}

// generated holds a key of each type, and of ssh-rsa a small one.
var generated = sync.OnceValue(func() map[string]*keys.PrivateKey {
	m := map[string]*keys.PrivateKey{}
	for _, typ := range keyTypes {
		bits := 0
		if typ == keys.KeyRSA {
			bits = 2048
		}
		k, err := keys.GenerateKey(typ, bits)
		if err != nil {
			panic(err)
		}
		m[typ] = k
	}
	return m
})

// ed returns an ed25519 key, the same for the same number.
func ed(t testing.TB, n byte) *keys.PrivateKey {
	t.Helper()
	seed := sha256.Sum256([]byte{n})
	k, err := keys.NewPrivateKey(ed25519.NewKeyFromSeed(seed[:]))
	require.NoError(t, err)
	return k
}

func public(t testing.TB, n byte) keys.PublicKey { return ed(t, n).PublicKey() }

func line(k keys.PublicKey) string {
	return strings.TrimSpace(string(keys.MarshalAuthorizedKey(k, "")))
}

// certify returns a certificate for a key, and what signs by it.
func certify(t testing.TB, key keys.Signer, authority byte, change func(*keys.CertificateClaims)) (*keys.Certificate, keys.Signer) {
	t.Helper()
	claims := &keys.CertificateClaims{
		Type: keys.UserCertificate, Key: key.PublicKey(), KeyID: "test", Serial: 7,
		Principals: []string{"alice", "alice@example.com"}, ValidBefore: keys.Forever,
	}
	if change != nil {
		change(claims)
	}
	c, err := claims.Issue(t.Context(), ed(t, authority))
	require.NoError(t, err)
	s, err := keys.NewCertificateSigner(c, key)
	require.NoError(t, err)
	return c, s
}

func sign(t testing.TB, signer keys.Signer, namespace, message string) *Signature {
	t.Helper()
	s, err := Sign(t.Context(), signer, namespace, strings.NewReader(message), SignOptions{})
	require.NoError(t, err)
	return s
}

func signers(t testing.TB, lines ...string) AllowedSigners {
	t.Helper()
	a, bad, err := ReadAllowedSigners(strings.NewReader(strings.Join(lines, "\n")))
	require.NoError(t, err)
	require.Empty(t, bad)
	return a
}

func writeFile(t testing.TB, path string, data []byte) string {
	t.Helper()
	require.NoError(t, os.WriteFile(path, data, 0o600))
	return path
}

// writeKey writes a private key and its public half, and returns the path.
func writeKey(t testing.TB, dir string, k *keys.PrivateKey) string {
	t.Helper()
	private, err := k.MarshalOpenSSH(keys.MarshalOptions{})
	require.NoError(t, err)
	path := writeFile(t, filepath.Join(dir, "key"), private)
	writeFile(t, path+".pub", keys.MarshalAuthorizedKey(k.PublicKey(), ""))
	return path
}

// sshKeygen runs ssh-keygen, which must be there, with message as its input,
// and returns what it writes to its output.
func sshKeygen(t testing.TB, message string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.Command("ssh-keygen", args...)
	cmd.Stdin = strings.NewReader(message)
	var diagnostics strings.Builder
	cmd.Stderr = &diagnostics
	out, err := cmd.Output()
	if _, ran := err.(*exec.ExitError); err != nil && !ran {
		require.NoError(t, err)
	}
	t.Logf("ssh-keygen %q: %v %s", args, err, diagnostics.String())
	return string(out), err
}
