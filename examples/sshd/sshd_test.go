package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh"
	"github.com/fairlead-go/ssh/auth"
	"github.com/fairlead-go/ssh/keys"
	"github.com/fairlead-go/ssh/transport"
)

// asProgram makes the test's own binary be the program.
const asProgram = "FAIRLEAD_TEST_SSHD"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" || os.Getenv(roleVariable) != "" {
		os.Exit(run(os.Args[1:]))
	}
	os.Unsetenv("SSH_AUTH_SOCK")
	os.Exit(m.Run())
}

// program returns a command that runs the server.
func program(t *testing.T, args ...string) *exec.Cmd {
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(self, args...)
	cmd.Env = append(os.Environ(), asProgram+"=1")
	return cmd
}

// A buffer collects output and can be read meanwhile.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// wait waits until text has been written.
func (b *buffer) wait(t *testing.T, text string) {
	t.Helper()
	require.Eventually(t, func() bool { return strings.Contains(b.String(), text) }, 20*time.Second, 5*time.Millisecond,
		"%q is not in the log", text)
}

// A site is a folder with all that a server and its client need.
type site struct {
	dir     string
	user    string
	hostKey keys.PublicKey
	key     *keys.PrivateKey // the user's
	args    []string         // of the server
}

func currentUser(t *testing.T) string {
	u, err := user.Current()
	require.NoError(t, err)
	return u.Username
}

func newSite(t *testing.T, options ...string) *site {
	s := &site{dir: t.TempDir(), user: currentUser(t)}
	write := func(name string) *keys.PrivateKey {
		k, err := keys.GenerateKey(keys.KeyEd25519, 0)
		require.NoError(t, err)
		data, err := k.MarshalOpenSSH(keys.MarshalOptions{})
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(s.path(name), data, 0o600))
		return k
	}
	s.hostKey = write("host_key").PublicKey()
	s.key = write("id")
	s.authorize(t, "")
	s.args = []string{"-f", "none", "-h", s.path("host_key")}
	for _, o := range append(options, "AuthorizedKeysFile="+s.path("authorized_keys"), "StrictModes=no", "PidFile="+s.path("pid"),
		"LogLevel=DEBUG1", "PrintMotd=no", "Subsystem=sftp internal-sftp") {
		s.args = append(s.args, "-o", o)
	}
	return s
}

func (s *site) path(name string) string { return filepath.Join(s.dir, name) }

// authorize lets the user's key in, with options before it.
func (s *site) authorize(t *testing.T, options string) {
	line := keys.MarshalAuthorizedKey(s.key.PublicKey(), "test")
	if options != "" {
		line = append([]byte(options+" "), line...)
	}
	require.NoError(t, os.WriteFile(s.path("authorized_keys"), line, 0o600))
}

// A running server.
type running struct {
	*site
	cmd  *exec.Cmd
	addr string
	log  buffer
}

// start runs the server in the foreground until the test ends.
func (s *site) start(t *testing.T) *running {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	r := &running{site: s, addr: l.Addr().String()}
	l.Close()
	r.cmd = program(t, append([]string{"-D", "-e", "-o", "ListenAddress=" + r.addr}, s.args...)...)
	r.cmd.Stderr = &r.log
	r.cmd.WaitDelay = time.Second
	require.NoError(t, r.cmd.Start())
	t.Cleanup(func() {
		_ = r.cmd.Process.Kill()
		_ = r.cmd.Wait()
		if t.Failed() {
			t.Log(r.log.String())
		}
	})
	r.log.wait(t, "Server listening on ")
	return r
}

func (s *site) clientConfig() *ssh.ClientConfig {
	return &ssh.ClientConfig{
		User: s.user,
		Auth: []auth.Method{auth.PublicKeys(s.key)},
		VerifyHostKey: func(_ context.Context, _ string, _ net.Addr, key keys.PublicKey) error {
			if !keys.Equal(key, s.hostKey) {
				return fmt.Errorf("unexpected host key")
			}
			return nil
		},
	}
}

// dial logs in by the library.
func (r *running) dial(t *testing.T) *ssh.Client {
	c, err := ssh.Dial(t.Context(), "tcp", r.addr, r.clientConfig())
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	return c
}

// openssh returns a command of OpenSSH's client programs.
func (r *running) openssh(t *testing.T, name string, args ...string) *exec.Cmd {
	path, err := exec.LookPath(name)
	require.NoError(t, err, "OpenSSH's client is not installed: run make peers")
	host, port, err := net.SplitHostPort(r.addr)
	require.NoError(t, err)
	known := fmt.Sprintf("[%s]:%s %s", host, port, keys.MarshalAuthorizedKey(r.hostKey, ""))
	require.NoError(t, os.WriteFile(r.path("known_hosts"), []byte(known), 0o600))
	return exec.Command(path, append([]string{
		"-F", "none", "-o", "Port=" + port, "-o", "User=" + r.user, "-i", r.path("id"), "-o", "IdentitiesOnly=yes",
		"-o", "BatchMode=yes", "-o", "UserKnownHostsFile=" + r.path("known_hosts"), "-o", "LogLevel=ERROR",
	}, args...)...)
}

func TestExec(t *testing.T) {
	c := newSite(t).start(t).dial(t)
	var out, errOut bytes.Buffer
	cmd := c.Command("echo out; echo err >&2; cat; exit 7")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader("in\n"), &out, &errOut
	var exit *ssh.ExitError
	require.ErrorAs(t, cmd.Run(t.Context()), &exit)
	require.Equal(t, 7, exit.ExitCode())
	require.Equal(t, "out\nin\n", out.String())
	require.Equal(t, "err\n", errOut.String())

	require.ErrorAs(t, c.Command("kill -TERM $$").Run(t.Context()), &exit)
	require.Equal(t, "TERM", exit.Signal)
}

func TestSignal(t *testing.T) {
	c := newSite(t).start(t).dial(t)
	cmd := c.Command("trap 'exit 9' INT; echo ready; while :; do sleep 0.05; done")
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start(t.Context()))
	_, err = io.ReadFull(stdout, make([]byte, 6))
	require.NoError(t, err)
	require.NoError(t, cmd.Signal(t.Context(), "INT"))
	var exit *ssh.ExitError
	require.ErrorAs(t, cmd.Wait(t.Context()), &exit)
	require.Equal(t, 9, exit.ExitCode())
}

func TestEnvironment(t *testing.T) {
	s := newSite(t, "AcceptEnv=LC_*", "SetEnv=FROM_SERVER=1", "PermitUserEnvironment=yes")
	s.authorize(t, `environment="FROM_KEY=2"`)
	r := s.start(t)
	cmd := r.dial(t).Command("env")
	cmd.Env = []string{"LC_TEST=3", "REFUSED=4"}
	out, err := cmd.Output(t.Context())
	require.NoError(t, err)
	lines := strings.Split(string(out), "\n")
	require.Contains(t, lines, "FROM_SERVER=1")
	require.Contains(t, lines, "FROM_KEY=2")
	require.Contains(t, lines, "LC_TEST=3")
	require.Contains(t, lines, "USER="+r.user)
	require.NotContains(t, string(out), "REFUSED")
	require.NotContains(t, string(out), roleVariable)
	require.NotContains(t, string(out), "SSH_TTY")
	require.Regexp(t, `(?m)^SSH_CONNECTION=127\.0\.0\.1 \d+ 127\.0\.0\.1 \d+$`, string(out))
}

func TestTransportLimits(t *testing.T) {
	r := newSite(t, "RekeyLimit=1M", "Ciphers=aes256-ctr", "MACs=hmac-sha2-512", "KexAlgorithms=ecdh-sha2-nistp384",
		"HostKeyAlgorithms=ssh-ed25519", "VersionAddendum=at your service").start(t)
	c := r.dial(t)
	out, err := c.Command("head -c 5000000 /dev/zero").Output(t.Context())
	require.NoError(t, err)
	require.Len(t, out, 5000000)
	state := c.ConnState()
	require.Greater(t, state.KeyExchanges, uint64(3))
	require.Equal(t, "ecdh-sha2-nistp384", state.KeyExchange)
	require.Equal(t, "aes256-ctr", state.In.Cipher)
	require.Equal(t, "hmac-sha2-512", state.In.MAC)
	require.Equal(t, "SSH-2.0-"+transport.DefaultSoftwareVersion+" at your service", state.ServerVersion)
}
