package login

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh/examples/internal/account"
	"github.com/fairlead-go/ssh/examples/internal/terminal"
)

// What starts the tests may ignore SIGHUP, as nohup does. Programs that are
// started from here do not.
func TestMain(m *testing.M) {
	signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP)
	os.Exit(m.Run())
}

func me(t *testing.T) *account.User {
	t.Helper()
	u, err := account.Current(t.Context())
	require.NoError(t, err)
	u.Shell, u.Home = "/bin/sh", t.TempDir()
	return u
}

// buffer is a bytes.Buffer for one writer and one reader at a time.
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

type result struct {
	out, err buffer
	status   Status
}

func run(t *testing.T, cfg Config) *result {
	t.Helper()
	if cfg.User == nil {
		cfg.User = me(t)
	}
	if cfg.Env == nil {
		cfg.Env = (&Environment{User: cfg.User}).Build()
	}
	r := new(result)
	cfg.Stdout, cfg.Stderr = &r.out, &r.err
	p, err := Start(cfg)
	require.NoError(t, err)
	r.status, err = p.Wait(t.Context())
	require.NoError(t, err)
	require.NoError(t, p.Signal("TERM"), "after the end a signal goes nowhere")
	return r
}

func TestCommand(t *testing.T) {
	r := run(t, Config{Command: "echo out; echo err >&2; cat; exit 7", Stdin: strings.NewReader("in\n")})
	require.Equal(t, "out\nin\n", r.out.String())
	require.Equal(t, "err\n", r.err.String())
	require.Equal(t, Status{Code: 7}, r.status)
}

func TestDirectoryAndEnvironment(t *testing.T) {
	u := me(t)
	r := run(t, Config{User: u, Command: "pwd; echo $HOME $USER $0"})
	require.Equal(t, u.Home+"\n"+u.Home+" "+u.Name+" sh\n", r.out.String())
	require.Empty(t, r.err.String())

	u.Home = "/nonexistent/home"
	r = run(t, Config{User: u, Command: "pwd"})
	require.Equal(t, "/\n", r.out.String())
	require.Equal(t, "Could not chdir to home directory /nonexistent/home: no such file or directory\r\n", r.err.String())
}

// Without a command it is a login shell, which reads its commands.
func TestShell(t *testing.T) {
	r := run(t, Config{Stdin: strings.NewReader("echo $0\nexit 3\n")})
	require.Equal(t, "-sh\n", r.out.String())
	require.Equal(t, 3, r.status.Code)
}

func TestArgv(t *testing.T) {
	r := run(t, Config{Argv: []string{"/bin/echo", "$HOME", "a b"}})
	require.Equal(t, "$HOME a b\n", r.out.String())
}

func TestSignals(t *testing.T) {
	for name := range signals {
		r := run(t, Config{Command: "ulimit -c 0; kill -" + name + " $$; sleep 10"})
		require.Equal(t, name, r.status.Signal)
		require.Zero(t, r.status.Code)
	}
	require.Equal(t, "XCPU@fairlead-go.github.io", SignalName(syscall.SIGXCPU))
	require.Equal(t, "UNKNOWN@fairlead-go.github.io", SignalName(200))

	// From the client, to the whole group.
	var out buffer
	p, err := Start(Config{User: me(t), Command: "echo go; sleep 100 & wait", Stdout: &out, Stderr: &out})
	require.NoError(t, err)
	require.Eventually(t, func() bool { return out.String() == "go\n" }, 10*time.Second, time.Millisecond)
	require.Error(t, p.Signal("STOP"))
	require.Error(t, p.Signal(""))
	require.NoError(t, p.Signal("TERM"))
	s, err := p.Wait(t.Context())
	require.NoError(t, err)
	require.Equal(t, Status{Signal: "TERM"}, s)
}

func TestBinaryBothWays(t *testing.T) {
	data := make([]byte, 3<<20)
	_, _ = rand.Read(data)
	r := run(t, Config{Command: "cat; cat </dev/null >&2", Stdin: bytes.NewReader(data)})
	require.True(t, bytes.Equal(data, r.out.b.Bytes()))
}

// slowWriter is a client whose window opens slowly.
type slowWriter struct {
	w io.Writer
	d time.Duration
}

func (s slowWriter) Write(p []byte) (int, error) { time.Sleep(s.d); return s.w.Write(p) }

// What was written before the end arrives, however slowly the client reads
// and however short the quiet time is.
func TestOutputIsNeverLost(t *testing.T) {
	for _, tty := range []*TTY{nil, {}} {
		var out buffer
		u := me(t)
		p, err := Start(Config{User: u, TTY: tty, Command: "stty raw 2>/dev/null; head -c 200000 /dev/zero | tr '\\0' x; sleep 100 >/dev/null 2>&1 </dev/null &",
			Stdout: slowWriter{&out, 10 * time.Millisecond}, Stderr: io.Discard, Quiet: time.Millisecond})
		require.NoError(t, err)
		s, err := p.Wait(t.Context())
		require.NoError(t, err)
		require.Zero(t, s.Code)
		require.Len(t, out.String(), 200000)
		_ = syscall.Kill(-p.PID(), syscall.SIGKILL)
	}
}

// A process in the background that holds the output open ends the session
// late, but it ends; what it writes meanwhile arrives.
func TestBackgroundHolder(t *testing.T) {
	start := time.Now()
	var out buffer
	p, err := Start(Config{User: me(t), Command: "(sleep 0.2; echo late; sleep 100) & echo early", Stdout: &out, Stderr: io.Discard, Quiet: time.Second})
	require.NoError(t, err)
	<-p.Exited()
	s, err := p.Wait(t.Context())
	require.NoError(t, err)
	require.Zero(t, s.Code)
	require.Equal(t, "early\nlate\n", out.String())
	require.Less(t, time.Since(start), 50*time.Second)
	_ = syscall.Kill(-p.PID(), syscall.SIGKILL)
}

// yes | head: the writer of a closed channel fails, and the command with it.
func TestClientGone(t *testing.T) {
	p, err := Start(Config{User: me(t), Command: "exec yes", Stdout: failingWriter{}, Stderr: io.Discard})
	require.NoError(t, err)
	s, err := p.Wait(t.Context())
	require.NoError(t, err)
	require.Equal(t, "PIPE", s.Signal)
}

type failingWriter struct{}

func (failingWriter) Write([]byte) (int, error) { return 0, errors.New("closed") }

func TestWaitContext(t *testing.T) {
	p, err := Start(Config{User: me(t), Command: "sleep 100", Stdout: io.Discard, Stderr: io.Discard})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = p.Wait(ctx)
	require.ErrorIs(t, err, context.Canceled)
	require.NoError(t, p.Signal("KILL"))
	_, err = p.Wait(t.Context())
	require.NoError(t, err)
}

func TestTTY(t *testing.T) {
	u := me(t)
	stdin, keys := io.Pipe()
	defer keys.Close()
	var out buffer
	p, err := Start(Config{User: u, Env: (&Environment{User: u, Term: "vt100"}).Build(), Stdin: stdin, Stdout: &out,
		TTY: &TTY{Size: terminal.Size{Columns: 91, Rows: 33}, Modes: []terminal.Mode{{Opcode: 53, Value: 0}}}}) // no echo
	require.NoError(t, err)
	type_ := func(s string) { _, err := io.WriteString(keys, s); require.NoError(t, err) }
	sees := func(s string) {
		t.Helper()
		require.Eventually(t, func() bool { return strings.Contains(out.String(), s) }, 10*time.Second, time.Millisecond, "%q in %q", s, &out)
	}
	type_("PS1=; stty size; tty; echo [$SSH_TTY] $TERM; stty -a | grep -o -- -echo' '\n")
	sees("33 91\r\n" + p.TTYName() + "\r\n[" + p.TTYName() + "] vt100\r\n")
	sees("-echo ")
	require.NoError(t, p.Resize(terminal.Size{Columns: 120, Rows: 40}))
	type_("stty size\n")
	sees("40 120\r\n")
	type_("trap 'echo interrupted' INT; echo ready\n")
	sees("ready\r\n")
	type_("sleep 100\n")
	time.Sleep(50 * time.Millisecond) // not needed for what follows to be right, only for ^C to meet the sleep
	type_("\x03")
	sees("interrupted\r\n")
	type_("exit 5\n")
	s, err := p.Wait(t.Context())
	require.NoError(t, err)
	require.Equal(t, Status{Code: 5}, s)
}

// The client leaves: whatever runs on the terminal gets SIGHUP.
func TestHangup(t *testing.T) {
	var out buffer
	p, err := Start(Config{User: me(t), Command: "echo up; exec sleep 100", TTY: &TTY{}, Stdout: &out})
	require.NoError(t, err)
	require.Eventually(t, func() bool { return strings.Contains(out.String(), "up") }, 10*time.Second, time.Millisecond)
	p.Hangup()
	s, err := p.Wait(t.Context())
	require.NoError(t, err)
	require.Equal(t, "HUP", s.Signal)
}

func TestStartFails(t *testing.T) {
	u := me(t)
	before, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	u.Shell = "/nonexistent/shell"
	for _, tty := range []*TTY{nil, {}} {
		_, err := Start(Config{User: u, Command: "true", TTY: tty, Stdout: io.Discard, Stderr: io.Discard})
		require.ErrorIs(t, err, os.ErrNotExist)
	}
	after, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	require.LessOrEqual(t, len(after), len(before), "descriptors are left open")
}

// Root runs commands as the user and in their groups only; others run them
// for themselves alone.
func TestIdentity(t *testing.T) {
	u, err := account.Lookup(t.Context(), "nobody")
	require.NoError(t, err)
	u.Shell, u.Home = "/bin/sh", "/root/not for nobody"
	cfg := Config{User: u, Command: "id -u; id -G; pwd", Stdout: io.Discard, Stderr: io.Discard}
	if os.Geteuid() != 0 {
		_, err := Start(cfg)
		require.ErrorIs(t, err, ErrNotRoot)
		return
	}
	want, err := exec.Command("id", "-G", "nobody").Output()
	require.NoError(t, err)
	r := run(t, cfg)
	require.Equal(t, "65534\n"+string(want)+"/\n", r.out.String())

	// A home that root may enter but the user may not.
	u.Home = t.TempDir()
	require.NoError(t, os.Chmod(u.Home, 0o700))
	r = run(t, cfg)
	require.Equal(t, "65534\n"+string(want)+"/\n", r.out.String())
	require.Contains(t, r.err.String(), "Could not chdir")

	cfg.TTY = &TTY{}
	cfg.Command = "stat -c %U $SSH_TTY; echo hello >$SSH_TTY"
	r = run(t, cfg)
	require.Contains(t, r.out.String(), "nobody\r\nhello\r\n")
}

func TestEnvironment(t *testing.T) {
	u := &account.User{Name: "ann", UID: 1000, Home: "/home/ann", Shell: "/bin/zsh"}
	t.Setenv("TZ", "UTC")
	e := &Environment{
		User: u, Client: []string{"LANG=C", "HOME=/evil", "SSH_CLIENT=evil", "bad", "=x", "N\x00UL=1", "A=client"},
		Key: []string{"A=key", "K=1"}, File: []string{"K=2"}, Server: []string{"PATH=/only"},
		Remote: netip.MustParseAddrPort("[::ffff:10.0.0.9]:4711"), Local: netip.MustParseAddrPort("10.0.0.1:22"),
		Term: "xterm", Agent: "/tmp/agent", Forced: true, Original: "ls -l",
	}
	require.ElementsMatch(t, []string{
		"LANG=C", "HOME=/home/ann", "A=key", "K=2", "USER=ann", "LOGNAME=ann", "PATH=/only", "MAIL=/var/mail/ann",
		"SHELL=/bin/zsh", "TZ=UTC", "SSH_CLIENT=10.0.0.9 4711 22", "SSH_CONNECTION=10.0.0.9 4711 10.0.0.1 22",
		"TERM=xterm", "SSH_AUTH_SOCK=/tmp/agent", "SSH_ORIGINAL_COMMAND=ls -l",
	}, e.Build())

	pipes := (&Environment{User: u}).Build()
	require.Contains(t, pipes, "SSH_CONNECTION=UNKNOWN 65535 UNKNOWN 65535")
	require.Contains(t, pipes, "SSH_CLIENT=UNKNOWN 65535 65535")
	require.Contains(t, pipes, "PATH="+userPath)
	require.False(t, slices.ContainsFunc(pipes, func(s string) bool { return strings.HasPrefix(s, "SSH_ORIGINAL") }))
	u.UID = 0
	require.Contains(t, (&Environment{User: u}).Build(), "PATH="+rootPath)
}

func TestReadEnvironment(t *testing.T) {
	data := "# comment\nA=1\n  B=two words \r\nnothing\n=x\nLD_PRELOAD=evil\nC=\n"
	got := ReadEnvironment([]byte(data), func(n string) bool { return !strings.HasPrefix(n, "LD_") })
	require.Equal(t, []string{"A=1", "B=two words ", "C="}, got)
}
