//go:build interop

package interop

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh/keys"
)

func TestExitStatus(t *testing.T) {
	forEachPair(t, func(t *testing.T, p pair) {
		s := p.server(t)
		for _, status := range []int{0, 1, 42, 255} {
			r := ended(t, p.client.command(t, s, options{}, fmt.Sprintf("echo out; echo err >&2; exit %d", status)))
			require.Equal(t, status, r.status, "%v", r)
			require.Equal(t, "out\n", r.stdout)
			require.Contains(t, r.stderr, "err\n")
		}
		r := ended(t, p.client.command(t, s, options{}, "kill -KILL $$"))
		if !p.alwaysContent {
			require.NotZero(t, r.status, "%v", r)
		}
	})
}

// TestStdin sends 10 MB to cat and has them sent back, with new keys after
// each.
func TestStdin(t *testing.T) {
	data := randomBytes(10_000_000)
	forEachPair(t, func(t *testing.T, p pair) {
		s := p.server(t)
		cmd := p.client.command(t, s, options{verbose: true}, "cat")
		cmd.Stdin = bytes.NewReader(data)
		r := succeeds(t, cmd)
		require.Equal(t, sha256.Sum256(data), sha256.Sum256([]byte(r.stdout)), "%d bytes", len(r.stdout))
		require.Greater(t, p.client.keyExchanges(t, s, r), 8, "%s", r.stderr)

		cmd = p.client.command(t, s, options{verbose: true}, "sha256sum; echo done >&2")
		cmd.Stdin = bytes.NewReader(data)
		r = succeeds(t, cmd)
		require.Equal(t, fmt.Sprintf("%x  -\n", sha256.Sum256(data)), r.stdout)
		// A client whose limit is the server's sends on until it hears of it.
		require.Greater(t, p.client.keyExchanges(t, s, r), 2, "%s", r.stderr)
	})
}

// TestTerminal types at a program that runs in a terminal, here and there.
func TestTerminal(t *testing.T) {
	forEachPair(t, func(t *testing.T, p pair) {
		s := p.server(t)
		cmd := p.client.command(t, s, options{tty: true},
			`stty size; tty; while [ "$(stty size)" != "40 120" ]; do sleep 0.1; done; echo is larger; read line; echo "<$line>"; exit 7`)
		screen := onScreen(t, cmd, 33, 101)
		screen.waitFor(t, "33 101\r\n")
		screen.waitFor(t, "/dev/pts/")
		require.NoError(t, pty.Setsize(screen.file, &pty.Winsize{Rows: 40, Cols: 120}))
		screen.waitFor(t, "is larger\r\n")
		screen.write(t, "typex\x7fd\r")
		screen.waitFor(t, "<typed>\r\n")
		screen.close(t, cmd)
		require.Equal(t, 7, cmd.ProcessState.ExitCode(), "%q", screen.seen)
	})
}

// TestShell feeds commands to a login shell without a terminal.
func TestShell(t *testing.T) {
	forEachPair(t, func(t *testing.T, p pair) {
		s := p.server(t)
		cmd := p.client.command(t, s, options{noTTY: true})
		cmd.Stdin = strings.NewReader("cd /\npwd\nexit 5\n")
		r := ended(t, cmd)
		require.Equal(t, 5, r.status, "%v", r)
		require.Contains(t, r.stdout, "/\n")
	})
}

// TestQuestions answers what a client asks on the terminal: whether the host
// is the right one, and for a password.
func TestQuestions(t *testing.T) {
	forEachPair(t, func(t *testing.T, p pair) {
		if _, ok := p.client.(openSSH); !ok {
			return
		}
		s := p.server(t)
		known := filepath.Join(t.TempDir(), "known_hosts")
		ask := []string{
			"StrictHostKeyChecking ask", "UserKnownHostsFile " + known, "HashKnownHosts yes", "HostKeyAlias none.example",
		}
		cmd := p.client.command(t, s, options{password: s.user.password, settings: ask}, "id -un")
		cmd.Env = append(cmd.Env, "SSH_ASKPASS_REQUIRE=never")
		screen := onScreen(t, cmd, 24, 80)
		screen.waitFor(t, keys.FingerprintSHA256(hostKeys(t)[0].key.PublicKey()))
		screen.waitFor(t, "(yes/no/[fingerprint])? ")
		screen.write(t, "yes\r")
		screen.waitFor(t, "assword: ")
		screen.write(t, s.user.password+"\r")
		screen.waitFor(t, "\n"+s.user.name+"\r\n")
		screen.close(t, cmd)
		require.Zero(t, cmd.ProcessState.ExitCode(), "%q", screen.seen)
		require.NotContains(t, string(screen.seen), s.user.password)

		// OpenSSH finds what was learnt, and so do we.
		learnt := []string{"UserKnownHostsFile " + known, "HostKeyAlias none.example"}
		for _, c := range []client{openSSH{peer(t, "ssh")}, openSSH{ourSSH(t)}} {
			succeeds(t, c.command(t, s, options{settings: learnt}, "true"))
		}
	})
}

// A screen is what a program has written to a terminal.
type screen struct {
	file *os.File
	seen []byte
}

// onScreen starts cmd in a terminal of its own.
func onScreen(t testing.TB, cmd *exec.Cmd, rows, cols uint16) *screen {
	t.Helper()
	terminal, err := pty.StartWithAttrs(cmd, &pty.Winsize{Rows: rows, Cols: cols}, &syscall.SysProcAttr{Setsid: true, Setctty: true})
	require.NoError(t, err)
	t.Cleanup(func() {
		kill(cmd)
		terminal.Close()
	})
	return &screen{file: terminal}
}

// waitFor reads until text has come.
func (s *screen) waitFor(t testing.TB, text string) {
	t.Helper()
	require.NoError(t, s.file.SetReadDeadline(time.Now().Add(patience)))
	b := make([]byte, 4096)
	for !bytes.Contains(s.seen, []byte(text)) {
		n, err := s.file.Read(b)
		s.seen = append(s.seen, b[:n]...)
		require.NoError(t, err, "waiting for %q, seen %q", text, s.seen)
	}
}

func (s *screen) write(t testing.TB, text string) {
	t.Helper()
	_, err := s.file.WriteString(text)
	require.NoError(t, err)
}

// close waits until cmd has ended, and reads what it still says.
func (s *screen) close(t testing.TB, cmd *exec.Cmd) {
	t.Helper()
	require.NoError(t, s.file.SetReadDeadline(time.Now().Add(patience)))
	rest, err := io.ReadAll(s.file)
	s.seen = append(s.seen, rest...)
	// Linux says EIO when nobody has the terminal any more.
	require.NotErrorIs(t, err, os.ErrDeadlineExceeded, "it goes on: %q", s.seen)
	_ = cmd.Wait()
}
