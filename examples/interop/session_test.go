//go:build interop

package interop

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/stretchr/testify/require"
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
// every one of them.
func TestStdin(t *testing.T) {
	data := randomBytes(10_000_000)
	forEachPair(t, func(t *testing.T, p pair) {
		s := p.server(t)
		cmd := p.client.command(t, s, options{}, "cat")
		cmd.Stdin = bytes.NewReader(data)
		r := succeeds(t, cmd)
		require.Equal(t, sha256.Sum256(data), sha256.Sum256([]byte(r.stdout)), "%d bytes", len(r.stdout))

		cmd = p.client.command(t, s, options{}, "sha256sum; echo done >&2")
		cmd.Stdin = bytes.NewReader(data)
		r = succeeds(t, cmd)
		require.Equal(t, fmt.Sprintf("%x  -\n", sha256.Sum256(data)), r.stdout)
	})
}

// TestTerminal types at a program that runs in a terminal, here and there.
func TestTerminal(t *testing.T) {
	forEachPair(t, func(t *testing.T, p pair) {
		s := p.server(t)
		cmd := p.client.command(t, s, options{tty: true},
			`stty size; tty; while [ "$(stty size)" != "40 120" ]; do sleep 0.1; done; echo is larger; read line; echo "<$line>"; exit 7`)
		terminal, err := pty.StartWithAttrs(cmd, &pty.Winsize{Rows: 33, Cols: 101}, &syscall.SysProcAttr{Setsid: true, Setctty: true})
		require.NoError(t, err)
		defer terminal.Close()
		defer kill(cmd)
		screen := &screen{file: terminal}
		screen.waitFor(t, "33 101\r\n")
		screen.waitFor(t, "/dev/pts/")
		require.NoError(t, pty.Setsize(terminal, &pty.Winsize{Rows: 40, Cols: 120}))
		screen.waitFor(t, "is larger\r\n")
		_, err = terminal.WriteString("typex\x7fd\r")
		require.NoError(t, err)
		screen.waitFor(t, "<typed>\r\n")
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			_ = cmd.Wait()
		}()
		select {
		case <-ended:
		case <-time.After(patience):
			t.Fatalf("it goes on: %q", screen.seen)
		}
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

// A screen is what a program has written to a terminal.
type screen struct {
	file *os.File
	seen []byte
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
