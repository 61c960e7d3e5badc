package knownhosts

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh/keys"
)

// What ssh thinks of a server's key, by a part of its output.
var sshVerdicts = []struct {
	output string
	err    error
}{
	{"REVOKED HOST KEY DETECTED", ErrRevoked},
	{"REMOTE HOST IDENTIFICATION HAS CHANGED", ErrHostKeyChanged},
	{"host key is known for", ErrUnknownHost},
	{"Permission denied", nil}, // it went on to log in
}

// ssh and we come to the same verdict on a live server's key, which is not on
// port 22. <N> is the server's name, <K> its key, <O> another, <R> an RSA key.
func TestVerdictsOfSSH(t *testing.T) {
	dir := t.TempDir()
	hostKey, err := keys.GenerateKey(keys.KeyEd25519, 0)
	require.NoError(t, err)
	pem, err := hostKey.MarshalOpenSSH(keys.MarshalOptions{})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "host_key"), pem, 0o600))
	port := startSSHD(t, dir)
	r := strings.NewReplacer("<N>", "[127.0.0.1]:"+port, "<K>", text(hostKey.PublicKey()), "<O>", text(ed(t, 0)),
		"<R>", text(generate(t, keys.KeyRSA, 0)), "<HASH>", newHashedName("[127.0.0.1]:"+port).String())
	for _, c := range []struct {
		file string
		want error
	}{
		{"", ErrUnknownHost},
		{"<N> <K>", nil},
		{"<HASH> <K>", nil},
		{"<N> <O>", ErrHostKeyChanged},
		{"<N> <R>", ErrHostKeyChanged},
		{"<N> <R>\n<N> <O>\n<N> <K>", nil},
		{"127.0.0.1 <K>", nil},
		{"127.0.0.1 <O>", ErrUnknownHost},
		{"127.0.0.1 <K>\n<N> <O>", ErrHostKeyChanged},
		{"* <K>", nil},
		{"*,!<N> <K>", nil}, // the name without the port still matches
		{"*,!<N>,!127.0.0.1 <K>", ErrUnknownHost},
		{"@revoked <N> <K>", ErrRevoked},
		{"<N> <K>\n@revoked * <K>", ErrRevoked},
		{"<N> <O>\n@revoked * <K>", ErrRevoked},
		{"<N> <K>\n@revoked * <O>", nil},
		{"@cert-authority <N> <K>", ErrUnknownHost},
		{"@cert-authority <N> <O>\n<N> <K>", nil},
	} {
		path := write(t, r.Replace(c.file)+"\n")
		out, _ := exec.Command("ssh", "-F", "none", "-p", port, "-o", "StrictHostKeyChecking=yes", "-o", "UserKnownHostsFile="+path,
			"-o", "GlobalKnownHostsFile=/dev/null", "-o", "PreferredAuthentications=none", "-o", "HostKeyAlgorithms=ssh-ed25519",
			"-o", "LogLevel=INFO", "nobody@127.0.0.1", "true").CombinedOutput()
		known := false
		for _, v := range sshVerdicts {
			if known = strings.Contains(string(out), v.output); known {
				require.Equal(t, c.want, v.err, "%s: %s", c.file, out)
				break
			}
		}
		require.True(t, known, "%s: %s", c.file, out)
		err := open(t, path).Check("127.0.0.1:"+port, nil, hostKey.PublicKey())
		require.True(t, errors.Is(err, c.want), "%s: %v", c.file, err)
	}
}

// startSSHD starts sshd for the length of the test and returns its port.
func startSSHD(t *testing.T, dir string) string {
	config := filepath.Join(dir, "sshd_config")
	require.NoError(t, os.WriteFile(config, []byte("HostKey "+dir+"/host_key\nPidFile none\nUsePAM no\nPasswordAuthentication no\nLogLevel ERROR\nMaxStartups 100\n"), 0o600))
	if os.Getuid() == 0 {
		require.NoError(t, os.MkdirAll("/run/sshd", 0o755)) // where sshd empties its root
	}
	for range 10 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		address := l.Addr().String()
		require.NoError(t, l.Close())
		ctx, cancel := context.WithCancel(context.Background())
		cmd := exec.CommandContext(ctx, "/usr/sbin/sshd", "-D", "-e", "-f", config, "-o", "ListenAddress="+address)
		var log bytes.Buffer
		cmd.Stderr = &log
		cmd.WaitDelay = time.Second
		require.NoError(t, cmd.Start())
		ended := make(chan struct{})
		go func() { cmd.Wait(); close(ended) }()
		t.Cleanup(func() { cancel(); <-ended })
		for running := true; running; {
			conn, err := net.Dial("tcp", address)
			if err == nil {
				conn.Close()
				_, port, _ := net.SplitHostPort(address)
				return port
			}
			select {
			case <-ended: // another process may have taken the port
				running = false
				t.Logf("sshd: %s", log.String())
			case <-time.After(25 * time.Millisecond):
			}
		}
	}
	require.Fail(t, "sshd does not start")
	return ""
}
