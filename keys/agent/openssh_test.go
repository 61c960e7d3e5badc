package agent

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh/keys"
)

// startAgent starts ssh-agent for the length of the test.
func startAgent(t *testing.T) (socket string) {
	dir, err := os.MkdirTemp("", "agent") // a socket's path may not be long
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	socket = filepath.Join(dir, "s")
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, "ssh-agent", "-D", "-a", socket)
	require.NoError(t, cmd.Start())
	ended := make(chan struct{})
	go func() { cmd.Wait(); close(ended) }()
	t.Cleanup(func() { cancel(); <-ended })
	require.Eventually(t, func() bool {
		conn, err := net.Dial("unix", socket)
		if err == nil {
			conn.Close()
		}
		return err == nil
	}, 20*time.Second, 10*time.Millisecond)
	return socket
}

func sshAdd(t *testing.T, socket string, stdin string, args ...string) {
	cmd := exec.Command("ssh-add", args...)
	cmd.Env = append(os.Environ(), "SSH_AUTH_SOCK="+socket)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "ssh-add: %s", out)
}

func TestWithSSHAgent(t *testing.T) {
	socket := startAgent(t)
	t.Setenv("SSH_AUTH_SOCK", socket)
	c, err := FromEnvironment(t.Context())
	require.NoError(t, err)
	defer c.Close()
	list, err := c.List(t.Context())
	require.NoError(t, err)
	require.Empty(t, list)

	var want []*keys.PrivateKey
	for _, keyType := range []string{keys.KeyEd25519, keys.KeyECDSA256, keys.KeyECDSA384, keys.KeyECDSA521, keys.KeyRSA} {
		k := generate(t, keyType)
		k.Comment = "my " + keyType
		pem, err := k.MarshalOpenSSH(keys.MarshalOptions{})
		require.NoError(t, err)
		path := filepath.Join(t.TempDir(), "key")
		require.NoError(t, os.WriteFile(path, pem, 0o600))
		sshAdd(t, socket, "", path)
		want = append(want, k)
	}
	list, err = c.List(t.Context())
	require.NoError(t, err)
	require.Len(t, list, len(want))
	var wg sync.WaitGroup
	for i, k := range list {
		require.True(t, keys.Equal(want[i].PublicKey(), k.PublicKey()))
		require.Equal(t, want[i].Comment, k.Comment)
		for _, algorithm := range k.Algorithms() {
			for n := range 20 {
				wg.Go(func() {
					data := fmt.Append(nil, algorithm, n)
					sig, err := k.Sign(t.Context(), algorithm, data)
					if err == nil {
						err = keys.Verify(k.PublicKey(), algorithm, data, sig.Marshal())
					}
					if err != nil {
						t.Errorf("%s: %v", algorithm, err)
					}
				})
			}
		}
	}
	wg.Wait()
	for _, k := range list {
		for _, algorithm := range k.LegacyAlgorithms() {
			sig, err := k.SignLegacy(t.Context(), algorithm, []byte("data"))
			require.NoError(t, err)
			require.NoError(t, keys.VerifyLegacy(k.PublicKey(), algorithm, []byte("data"), sig.Marshal()))
		}
		require.Equal(t, k.PublicKey().Type() == keys.KeyRSA, len(k.LegacyAlgorithms()) > 0)
		_, err := k.SignLegacy(t.Context(), k.Algorithms()[0], []byte("data"))
		require.Error(t, err)
	}

	// Large data, and more than the agent takes.
	sig, err := list[0].Sign(t.Context(), keys.KeyEd25519, make([]byte, 200<<10))
	require.NoError(t, err)
	require.NoError(t, list[0].PublicKey().Verify(make([]byte, 200<<10), sig))

	sshAdd(t, socket, "", "-D")
	_, err = list[0].Sign(t.Context(), keys.KeyEd25519, nil)
	require.ErrorIs(t, err, ErrRefused)
	list, err = c.List(t.Context())
	require.NoError(t, err)
	require.Empty(t, list)
}

// TestCertificateInSSHAgent: ssh-add loads a certificate beside its key, and the
// agent then holds both.
func TestCertificateInSSHAgent(t *testing.T) {
	socket := startAgent(t)
	c, err := Dial(t.Context(), socket)
	require.NoError(t, err)
	defer c.Close()
	ca := generate(t, keys.KeyEd25519)
	for _, keyType := range []string{keys.KeyEd25519, keys.KeyECDSA256, keys.KeyRSA} {
		k := generate(t, keyType)
		pem, err := k.MarshalOpenSSH(keys.MarshalOptions{})
		require.NoError(t, err)
		claims := keys.CertificateClaims{
			Type: keys.UserCertificate, Key: k.PublicKey(), Principals: []string{"alice"}, ValidBefore: keys.Forever,
		}
		certificate, err := claims.Issue(t.Context(), ca)
		require.NoError(t, err)
		path := filepath.Join(t.TempDir(), "key")
		require.NoError(t, os.WriteFile(path, pem, 0o600))
		require.NoError(t, os.WriteFile(path+"-cert.pub", keys.MarshalAuthorizedKey(certificate, ""), 0o600))
		sshAdd(t, socket, "", path)
		list, err := c.List(t.Context())
		require.NoError(t, err)
		require.Len(t, list, 2)
		require.True(t, keys.Equal(k.PublicKey(), list[0].PublicKey()))
		require.True(t, keys.Equal(certificate, list[1].PublicKey()))
		require.Equal(t, certificate.Algorithms(), list[1].Algorithms())
		for _, algorithm := range list[1].Algorithms() {
			sig, err := list[1].Sign(t.Context(), algorithm, []byte("data"))
			require.NoError(t, err)
			require.Equal(t, keys.SignatureFormat(algorithm), sig.Format)
			require.NoError(t, keys.Verify(certificate, algorithm, []byte("data"), sig.Marshal()))
		}
		// The plain key of an agent signs for a certificate in a file, too.
		signer, err := keys.NewCertificateSigner(certificate, list[0])
		require.NoError(t, err)
		sig, err := signer.Sign(t.Context(), signer.Algorithms()[0], []byte("data"))
		require.NoError(t, err)
		require.NoError(t, keys.Verify(certificate, signer.Algorithms()[0], []byte("data"), sig.Marshal()))
		sshAdd(t, socket, "", "-D")
	}
}
