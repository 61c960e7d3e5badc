package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh"
	"github.com/fairlead-go/ssh/auth"
	"github.com/fairlead-go/ssh/channel"
	"github.com/fairlead-go/ssh/keys"
)

// asProgram makes the test binary be the program.
const asProgram = "FAIRLEAD_SSH_TEST_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		os.Exit(run(os.Args[1:]))
	}
	// What starts the tests may ignore SIGHUP, as nohup does. Programs that
	// are started from here on do not.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP)
	os.Exit(m.Run())
}

// patience is how long a test waits for what should come at once.
const patience = 30 * time.Second

// newProgram returns the program with args, ready to be started. It sees no agent.
func newProgram(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, self, args...)
	cmd.Env = append(os.Environ(), asProgram+"=1", "SSH_AUTH_SOCK=", "SSH_ASKPASS=", "DISPLAY=", "TERM=xterm")
	return cmd
}

// result is what a run came to.
type result struct {
	stdout, stderr string
	status         int
}

// execute runs the program with input to its end.
func execute(t *testing.T, input io.Reader, args ...string) result {
	t.Helper()
	cmd := newProgram(t, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = input, &stdout, &stderr
	err := cmd.Run()
	if _, exited := err.(*exec.ExitError); err != nil && !exited {
		require.NoError(t, err)
	}
	return result{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
}

// A site is a server of the library's, and a user's files to go there with.
type site struct {
	t       *testing.T
	dir     string
	user    string
	port    string
	hostKey *keys.PrivateKey
	key     *keys.PrivateKey
	keyFile string
	known   string // the known_hosts file
	options []string

	letsIn *atomic.Pointer[keys.PrivateKey] // key, for the server's goroutines
}

func newKey(t *testing.T) *keys.PrivateKey {
	t.Helper()
	k, err := keys.GenerateKey(keys.KeyEd25519, 0)
	require.NoError(t, err)
	return k
}

func writeKey(t *testing.T, path string, k *keys.PrivateKey, passphrase string) {
	t.Helper()
	data, err := k.MarshalOpenSSH(keys.MarshalOptions{Passphrase: []byte(passphrase), Rounds: 1})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, data, 0o600))
}

// letIn makes k the user's key.
func (s *site) letIn(k *keys.PrivateKey) {
	s.key = k
	s.letsIn.Store(k)
}

// newSite starts a server, which adjust may change first. It is known, and the
// user's key lets in.
func newSite(t *testing.T, adjust func(*ssh.Server)) *site {
	t.Helper()
	dir := t.TempDir()
	s := &site{t: t, dir: dir, user: "ann", hostKey: newKey(t), key: newKey(t), keyFile: filepath.Join(dir, "key"), known: filepath.Join(dir, "known_hosts"), letsIn: new(atomic.Pointer[keys.PrivateKey])}
	s.letIn(s.key)
	writeKey(t, s.keyFile, s.key, "")
	server := &ssh.Server{
		HostKeys: []keys.Signer{s.hostKey},
		Auth: auth.ServerConfig{
			PublicKey: func(_ context.Context, _ *auth.Attempt, k keys.PublicKey) (*auth.Permissions, error) {
				if !keys.Equal(k, s.letsIn.Load().PublicKey()) {
					return nil, os.ErrPermission
				}
				return nil, nil
			},
			FailureDelay: -1,
		},
		AllowPTY: true,
		AllowEnv: func(name, _ string) bool { return strings.HasPrefix(name, "LC_") },
		Forward: channel.ForwardConfig{
			PermitDial:   func(context.Context, channel.TCPIPChannel) bool { return true },
			PermitListen: func(context.Context, string, uint32) bool { return true },
		},
		Handler: ssh.HandlerFunc(shellHandler),
	}
	if adjust != nil {
		adjust(server)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	done := make(chan error, 1)
	go func() { done <- server.Serve(l) }()
	t.Cleanup(func() {
		server.Close()
		require.ErrorIs(t, <-done, ssh.ErrServerClosed)
	})
	_, s.port, err = net.SplitHostPort(l.Addr().String())
	require.NoError(t, err)
	s.learn(s.hostKey.PublicKey())
	s.options = []string{"-F", "none", "-p", s.port, "-o", "UserKnownHostsFile=" + s.known, "-o", "GlobalKnownHostsFile=none"}
	return s
}

// learn makes key the one that the user knows the server by.
func (s *site) learn(key keys.PublicKey) {
	line := fmt.Sprintf("[127.0.0.1]:%s %s", s.port, keys.MarshalAuthorizedKey(key, ""))
	require.NoError(s.t, os.WriteFile(s.known, []byte(line), 0o600))
}

// args are those of a login with the key; more follow the host.
func (s *site) args(more ...string) []string {
	return append(append([]string{"-i", s.keyFile, "-l", s.user}, s.options...), append([]string{"127.0.0.1"}, more...)...)
}

// shellHandler is a small command interpreter; with a terminal, one that reads lines.
func shellHandler(s *ssh.Session) {
	verb, rest, _ := strings.Cut(s.Command(), " ")
	switch verb {
	case "echo":
		fmt.Fprintln(s, rest)
	case "both":
		fmt.Fprint(s, "out")
		fmt.Fprint(s.Stderr(), "err")
		_ = s.Exit(44)
	case "cat":
		_, _ = io.Copy(s, s)
	case "signal":
		_ = s.ExitSignal(channel.ExitSignal{Signal: channel.SIGKILL})
	case "env":
		fmt.Fprint(s, strings.Join(s.Environ(), " "))
	case "yes":
		for {
			if _, err := io.WriteString(s, strings.Repeat("yes\n", 1000)); err != nil {
				return
			}
		}
	case "hangup":
		s.Conn().Close()
	case "wait":
		fmt.Fprintln(s, "waiting")
		<-s.Context().Done()
	case "":
		if s.PTY() != nil {
			terminalHandler(s)
		}
	default:
		_ = s.Exit(127)
	}
}

// terminalHandler tells what it knows of the terminal and obeys a few lines.
func terminalHandler(s *ssh.Session) {
	p := s.PTY()
	echo, _ := p.Modes.Get(channel.ECHO)
	fmt.Fprintf(s, "%s %dx%d echo=%d\r\n> ", p.Term, p.Size.Columns, p.Size.Rows, echo)
	line := ""
	b := make([]byte, 1)
	for {
		if _, err := s.Read(b); err != nil {
			return
		}
		if b[0] != '\r' {
			line += string(b)
			continue
		}
		switch line {
		case "size":
			size := <-s.WindowChanges()
			fmt.Fprintf(s, "now %dx%d\r\n> ", size.Columns, size.Rows)
		case "exit":
			_ = s.Exit(3)
			return
		default:
			fmt.Fprintf(s, "got %q\r\n> ", line)
		}
		line = ""
	}
}
