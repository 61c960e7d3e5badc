package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh"
	"github.com/fairlead-go/ssh/auth"
	"github.com/fairlead-go/ssh/channel"
	"github.com/fairlead-go/ssh/examples/internal/terminal"
	"github.com/fairlead-go/ssh/keys"
)

// A screen is the program on a terminal, and the person before it.
type screen struct {
	t   *testing.T
	cmd *exec.Cmd
	tty *os.File // the person's side

	mu    sync.Mutex
	shown []byte // and not yet seen by expect
	more  chan struct{}
}

func onTerminal(t *testing.T, args ...string) *screen {
	t.Helper()
	return onScreen(t, newProgram(t, args...))
}

func onScreen(t *testing.T, cmd *exec.Cmd) *screen {
	t.Helper()
	tty, err := pty.StartWithSize(cmd, &pty.Winsize{Cols: 101, Rows: 33})
	require.NoError(t, err)
	s := &screen{t: t, cmd: cmd, tty: tty, more: make(chan struct{}, 1)}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		tty.Close()
	})
	go func() {
		buf := make([]byte, 4096)
		for {
			n, err := tty.Read(buf)
			s.mu.Lock()
			s.shown = append(s.shown, buf[:n]...)
			s.mu.Unlock()
			if err != nil {
				close(s.more)
				return
			}
			select {
			case s.more <- struct{}{}:
			default:
			}
		}
	}()
	return s
}

// expect waits until text is shown and returns what stands before it.
func (s *screen) expect(text string) string {
	s.t.Helper()
	deadline := time.After(patience)
	for open := true; ; {
		s.mu.Lock()
		before, after, found := bytes.Cut(s.shown, []byte(text))
		if found {
			s.shown = bytes.Clone(after)
		}
		got := string(before)
		s.mu.Unlock()
		switch {
		case found:
			return got
		case !open:
			s.t.Fatalf("the program has ended; %q was not shown but %q", text, got)
		}
		select {
		case _, open = <-s.more:
		case <-deadline:
			s.t.Fatalf("%q was not shown but %q", text, got)
		}
	}
}

func (s *screen) enter(text string) {
	s.t.Helper()
	_, err := io.WriteString(s.tty, text)
	require.NoError(s.t, err)
}

// status waits for the program's end.
func (s *screen) status() int {
	_ = s.cmd.Wait()
	return s.cmd.ProcessState.ExitCode()
}

func TestInteractive(t *testing.T) {
	s := newSite(t, nil)
	require.NoError(t, os.Remove(s.known))
	p := onTerminal(t, s.args()...)
	require.Equal(t, "The authenticity of host '[127.0.0.1]:"+s.port+" (127.0.0.1)' can't be established.\r\n"+
		"ED25519 key fingerprint is "+keys.FingerprintSHA256(s.hostKey.PublicKey())+".\r\n",
		p.expect("Are you sure you want to continue connecting (yes/no/[fingerprint])? "))
	p.enter("perhaps\r")
	p.expect("Please type 'yes', 'no' or the fingerprint: ")
	p.enter(keys.FingerprintSHA256(s.hostKey.PublicKey()) + "\r")
	p.expect("Warning: Permanently added")
	p.expect("xterm 101x33 echo=1\r\n> ")
	p.enter("hello\x03\r")
	require.Empty(t, p.expect(`got "hello\x03"`+"\r\n> "), "the terminal is raw: no echo, no signals")
	p.enter("size\r")
	require.NoError(t, pty.Setsize(p.tty, &pty.Winsize{Cols: 80, Rows: 24}))
	p.expect("now 80x24\r\n> ")
	p.enter("~?")
	p.expect("~?\r\nSupported escape sequences:\r\n ~.   - terminate connection\r\n")
	p.enter("~~\r")
	p.expect(`got "~"` + "\r\n> ")
	p.enter("a~.\r")
	p.expect(`got "a~."` + "\r\n> ")
	p.enter("~#")
	p.expect("#0 client-session")
	p.enter("~v")
	p.expect("~v [LogLevel VERBOSE]\r\n")
	p.enter("~R~C")
	p.expect("commandline disabled\r\n")
	p.enter("exit\r")
	p.expect("Connection to 127.0.0.1 closed.\r\r\n")
	require.Equal(t, 3, p.status())
}

func TestHostKeyRefusedByUser(t *testing.T) {
	s := newSite(t, nil)
	require.NoError(t, os.Remove(s.known))
	p := onTerminal(t, s.args()...)
	p.expect("[fingerprint])? ")
	p.enter("no\r")
	p.expect("Host key verification failed.")
	require.Equal(t, 255, p.status())
	require.NoFileExists(t, s.known)
}

func TestDisconnectEscape(t *testing.T) {
	s := newSite(t, nil)
	for _, c := range []struct {
		args   []string
		typed  string
		status int
	}{
		{nil, "~.", 255},
		{[]string{"-e", "^A"}, "\x01.", 255},
		{[]string{"-e", "none"}, "~.\rexit\r", 3},
	} {
		p := onTerminal(t, append(c.args, s.args()...)...)
		p.expect("> ")
		p.enter(c.typed)
		p.expect("Connection to 127.0.0.1 closed.")
		require.Equal(t, c.status, p.status())
	}
}

// ~^Z gives the terminal back to the shell, and the session goes on after it.
func TestSuspend(t *testing.T) {
	s := newSite(t, nil)
	p := onTerminal(t, s.args()...)
	p.expect("> ")
	p.enter("~\x1a")
	p.expect("[suspend ssh]\r\n")
	echoes := func() bool {
		modes, err := terminal.Modes(p.tty)
		require.NoError(t, err)
		return slices.Contains(modes, terminal.Mode{Opcode: uint8(channel.ECHO), Value: 1})
	}
	require.Eventually(t, echoes, patience, time.Millisecond)
	// The program leads its session here, so that the kernel does not stop it;
	// a shell would make it go on with the same signal.
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGCONT))
	require.Eventually(t, func() bool { return !echoes() }, patience, time.Millisecond)
	p.enter("on\r")
	p.expect(`got "on"`)
	p.enter("exit\r")
	require.Equal(t, 3, p.status())
}

// The end of the terminal, or a signal, ends the program.
func TestHangup(t *testing.T) {
	s := newSite(t, nil)
	p := onTerminal(t, s.args()...)
	p.expect("> ")
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGHUP))
	require.Equal(t, 255, p.status())
}

func TestPassword(t *testing.T) {
	s := newSite(t, func(srv *ssh.Server) {
		srv.Auth.PublicKey = nil
		srv.Auth.Password = func(_ context.Context, a *auth.Attempt, p []byte) (*auth.Permissions, error) {
			if string(p) != "secret of "+a.User {
				return nil, os.ErrPermission
			}
			return nil, nil
		}
	})
	p := onTerminal(t, s.args("echo", "in")...)
	p.expect("ann@127.0.0.1's password: ")
	p.enter("wrong\r")
	p.expect("Permission denied, please try again.")
	p.expect("ann@127.0.0.1's password: ")
	p.enter("secret of ann\r")
	require.NotContains(t, p.expect("in\r\n"), "secret")
	require.Equal(t, 0, p.status())

	p = onTerminal(t, s.args("-oNumberOfPasswordPrompts=2", "echo")...)
	for range 2 {
		p.expect("password: ")
		p.enter("x\r")
	}
	p.expect("ann@127.0.0.1: Permission denied (password).")
	require.Equal(t, 255, p.status())

	p = onTerminal(t, s.args("echo")...)
	p.expect("password: ")
	p.enter("\x03")
	require.Equal(t, 255, p.status())
}

func TestKeyboardInteractive(t *testing.T) {
	s := newSite(t, func(srv *ssh.Server) {
		srv.Auth.PublicKey = nil
		srv.Auth.KeyboardInteractive = func(ctx context.Context, _ *auth.Attempt, ask func(context.Context, *auth.Challenge) ([]string, error)) (*auth.Permissions, error) {
			answers, err := ask(ctx, &auth.Challenge{Instruction: "Listen\x07 up", Questions: []auth.Question{{Prompt: "Colour: ", Echo: true}, {Prompt: "PIN\x1b: "}}})
			if err != nil || answers[0] != "blue" || answers[1] != "1234" {
				return nil, os.ErrPermission
			}
			return nil, nil
		}
	})
	p := onTerminal(t, s.args("echo", "in")...)
	p.expect("Listen\\007 up\r")
	p.expect("(ann@127.0.0.1) Colour: ")
	p.enter("blue\r")
	require.Equal(t, "blue\r\n", p.expect(`(ann@127.0.0.1) PIN\033: `))
	p.enter("1234\r")
	require.NotContains(t, p.expect("in\r\n"), "1234")
	require.Equal(t, 0, p.status())
}

// The passphrase is asked for when the server would take the key, not before.
func TestPassphrase(t *testing.T) {
	s := newSite(t, nil)
	unwanted, locked := filepath.Join(s.dir, "unwanted"), filepath.Join(s.dir, "locked")
	writeKey(t, unwanted, newKey(t), "other")
	writeKey(t, locked, s.key, "open sesame")
	s.keyFile = locked
	p := onTerminal(t, append([]string{"-i", unwanted}, s.args("echo", "in")...)...)
	p.expect("Enter passphrase for key '" + locked + "': ")
	p.enter("wrong\r")
	p.expect("Enter passphrase for key '" + locked + "': ")
	p.enter("open sesame\r")
	p.expect("in\r\n")
	require.Equal(t, 0, p.status())

	got := execute(t, nil, s.args("-oBatchMode=yes", "echo")...)
	require.Equal(t, 255, got.status)
	require.True(t, strings.HasSuffix(got.stderr, "Permission denied (publickey).\r\n"))
}

// What is typed once the session is over is left for the shell.
func TestTypedAfterwards(t *testing.T) {
	s := newSite(t, nil)
	cmd := newProgram(t, append([]string{"-c", `"$0" "$@"; read x; echo "left: $x"`}, append([]string{os.Args[0]}, s.args()...)...)...)
	cmd.Path, cmd.Args[0] = "/bin/sh", "sh"
	p := onScreen(t, cmd)
	p.expect("> ")
	p.enter("exit\r")
	p.expect("closed.")
	p.enter("typed\r")
	p.expect("left: typed")
	require.Equal(t, 0, p.status())
}
