package ssh_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh"
	"github.com/fairlead-go/ssh/auth"
	"github.com/fairlead-go/ssh/channel"
	"github.com/fairlead-go/ssh/keys"
	"github.com/fairlead-go/ssh/transport"
)

func newKey(t testing.TB) *keys.PrivateKey {
	t.Helper()
	k, err := keys.GenerateKey(keys.KeyEd25519, 0)
	require.NoError(t, err)
	return k
}

// echoHandler is a small command interpreter.
func echoHandler(s *ssh.Session) {
	verb, rest, _ := strings.Cut(s.Command(), " ")
	switch verb {
	case "echo":
		fmt.Fprintln(s, rest)
	case "err":
		fmt.Fprintln(s.Stderr(), rest)
		s.Exit(3)
	case "cat":
		io.Copy(s, s)
	case "signal":
		s.ExitSignal(channel.ExitSignal{Signal: channel.SIGTERM})
	case "panic":
		panic("on purpose")
	case "wait":
		<-s.Context().Done()
	case "env":
		fmt.Fprintln(s, strings.Join(s.Environ(), " "))
	case "":
		if s.PTY() != nil {
			fmt.Fprintf(s, "shell on %s\n", s.PTY().Term)
		}
		io.Copy(s, s)
	default:
		s.Exit(127)
	}
}

// serve starts a server on a free port and returns its address.
func serve(t testing.TB, s *ssh.Server) string {
	t.Helper()
	if s.HostKeys == nil {
		s.HostKeys = []keys.Signer{newKey(t)}
	}
	if s.Handler == nil {
		s.Handler = ssh.HandlerFunc(echoHandler)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	t.Cleanup(func() {
		s.Close()
		require.ErrorIs(t, <-done, ssh.ErrServerClosed)
	})
	return l.Addr().String()
}

func anonymous() auth.ServerConfig { return auth.ServerConfig{None: auth.AllowAnonymous} }

func dial(t testing.TB, addr string, methods ...auth.Method) *ssh.Client {
	t.Helper()
	c, err := ssh.Dial(t.Context(), "tcp", addr, &ssh.ClientConfig{
		User: "alice", Auth: methods, VerifyHostKey: transport.InsecureAcceptAnyHostKey,
	})
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	return c
}

func TestCommands(t *testing.T) {
	c := dial(t, serve(t, &ssh.Server{Auth: anonymous(), AllowPTY: true}))
	ctx := t.Context()

	out, err := c.Command("echo hello").Output(ctx)
	require.NoError(t, err)
	require.Equal(t, "hello\n", string(out))

	_, err = c.Command("err trouble").Output(ctx)
	var exit *ssh.ExitError
	require.ErrorAs(t, err, &exit)
	require.Equal(t, 3, exit.ExitCode())
	require.Equal(t, "trouble\n", string(exit.Stderr))

	require.ErrorAs(t, c.Command("signal").Run(ctx), &exit)
	require.Equal(t, channel.SIGTERM, exit.Signal)
	require.Equal(t, -1, exit.ExitCode())

	require.ErrorAs(t, c.Command("panic").Run(ctx), &exit)
	require.Equal(t, 255, exit.ExitCode())

	big := bytes.Repeat([]byte("0123456789abcdef"), 1<<18)
	cat := c.Command("cat")
	cat.Stdin = bytes.NewReader(big)
	out, err = cat.Output(ctx)
	require.NoError(t, err)
	require.True(t, bytes.Equal(big, out))

	shell := c.Shell()
	shell.PTY = &channel.PTY{Term: "vt100"}
	out, err = shell.Output(ctx)
	require.NoError(t, err)
	require.Equal(t, "shell on vt100\n", string(out))

	var refused *channel.RequestError
	require.ErrorAs(t, c.Subsystem("sftp").Run(ctx), &refused)
}

func TestCommandContext(t *testing.T) {
	c := dial(t, serve(t, &ssh.Server{Auth: anonymous()}))
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, c.Command("wait").Run(ctx), context.DeadlineExceeded)
	out, err := c.Command("echo still here").Output(t.Context())
	require.NoError(t, err)
	require.Equal(t, "still here\n", string(out))
}

func TestTunnels(t *testing.T) {
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "through the tunnel")
	}))
	defer web.Close()
	c := dial(t, serve(t, &ssh.Server{Auth: anonymous(), Forward: channel.ForwardConfig{
		PermitDial:   func(context.Context, channel.TCPIPChannel) bool { return true },
		PermitListen: func(context.Context, string, uint32) bool { return true },
	}}))
	get := func(t *testing.T, url string, dial func(context.Context, string, string) (net.Conn, error)) {
		tr := &http.Transport{DialContext: dial}
		defer tr.CloseIdleConnections()
		resp, err := (&http.Client{Transport: tr}).Get(url)
		require.NoError(t, err)
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.Equal(t, "through the tunnel", string(body))
	}
	get(t, web.URL, c.Dial)

	l, err := c.Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	go http.Serve(l, web.Config.Handler)
	get(t, "http://"+l.Addr().String(), nil)
	require.NoError(t, l.Close())

	_, err = c.Dial(t.Context(), "tcp", "127.0.0.1:1")
	var open *channel.OpenError
	require.ErrorAs(t, err, &open)
	require.Equal(t, channel.ConnectFailed, open.Reason)
}

func TestNothingIsAllowedByDefault(t *testing.T) {
	c := dial(t, serve(t, &ssh.Server{Auth: anonymous()}))
	var open *channel.OpenError
	_, err := c.Dial(t.Context(), "tcp", "127.0.0.1:1")
	require.ErrorAs(t, err, &open)
	require.Equal(t, channel.AdministrativelyProhibited, open.Reason)
	_, err = c.Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.Error(t, err)
	shell := c.Shell()
	shell.PTY = &channel.PTY{Term: "vt100"}
	require.Error(t, shell.Run(t.Context()))
	env := c.Command("env")
	env.Env = []string{"LD_PRELOAD=evil"}
	out, err := env.Output(t.Context())
	require.NoError(t, err)
	require.Equal(t, "\n", string(out))
}

func TestZeroValuesFailClosed(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.ErrorIs(t, (&ssh.Server{Auth: anonymous()}).Serve(l), transport.ErrNoHostKey)
	l, err = net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.Error(t, (&ssh.Server{HostKeys: []keys.Signer{newKey(t)}}).Serve(l))
	addr := serve(t, &ssh.Server{Auth: anonymous()})
	for _, cfg := range []*ssh.ClientConfig{nil, {User: "alice"}} {
		_, err = ssh.Dial(t.Context(), "tcp", addr, cfg)
		require.ErrorIs(t, err, transport.ErrNoVerifier)
	}
}

func TestForcedCommand(t *testing.T) {
	addr := serve(t, &ssh.Server{
		Auth: auth.ServerConfig{None: func(context.Context, *auth.Attempt) (*auth.Permissions, error) {
			return &auth.Permissions{ForceCommand: "echo forced", NoPTY: true}, nil
		}},
		AllowPTY:   true,
		Subsystems: map[string]ssh.Handler{"sftp": ssh.HandlerFunc(func(s *ssh.Session) { io.WriteString(s, "not forced") })},
		Forward:    channel.ForwardConfig{PermitDial: func(context.Context, channel.TCPIPChannel) bool { return true }},
	})
	c := dial(t, addr)
	for name, cmd := range map[string]*ssh.Cmd{
		"exec": c.Command("echo mine"), "shell": c.Shell(), "subsystem": c.Subsystem("sftp"), "unknown": c.Subsystem("x"),
	} {
		out, err := cmd.Output(t.Context())
		require.NoError(t, err, name)
		require.Equal(t, "forced\n", string(out), name)
	}
	shell := c.Shell()
	shell.PTY = &channel.PTY{Term: "vt100"}
	require.Error(t, shell.Run(t.Context()))
	_, err := c.Dial(t.Context(), "tcp", "127.0.0.1:1")
	var open *channel.OpenError
	require.ErrorAs(t, err, &open)
	require.Equal(t, channel.AdministrativelyProhibited, open.Reason)
}

func TestAuthError(t *testing.T) {
	addr := serve(t, &ssh.Server{Auth: auth.ServerConfig{
		Password: func(_ context.Context, a *auth.Attempt, password []byte) (*auth.Permissions, error) {
			if a.User == "alice" && string(password) == "right" {
				return nil, nil
			}
			return nil, errors.New("wrong password")
		},
		FailureDelay: -1,
	}})
	dial(t, addr, auth.Password("right"))
	_, err := ssh.Dial(t.Context(), "tcp", addr, &ssh.ClientConfig{
		User: "alice", Auth: []auth.Method{auth.Password("wrong")}, VerifyHostKey: transport.InsecureAcceptAnyHostKey,
	})
	var denied *auth.Error
	require.ErrorAs(t, err, &denied)
	require.Equal(t, []string{"password"}, denied.Tried)
	require.Equal(t, []string{"password"}, denied.Allowed)
}

func TestShutdownWaitsForSessions(t *testing.T) {
	s := &ssh.Server{Auth: anonymous()}
	addr := serve(t, s)
	busy, idle := dial(t, addr), dial(t, addr)
	cat := busy.Command("cat")
	stdin, err := cat.StdinPipe()
	require.NoError(t, err)
	var out bytes.Buffer
	cat.Stdout = &out
	require.NoError(t, cat.Start(t.Context()))

	done := make(chan error, 1)
	go func() { done <- s.Shutdown(context.Background()) }()
	idle.Wait()
	io.WriteString(stdin, "last words")
	stdin.Close()
	require.NoError(t, cat.Wait(t.Context()))
	require.Equal(t, "last words", out.String())
	require.NoError(t, <-done)
	var de *transport.DisconnectError
	require.ErrorAs(t, busy.Wait(), &de)
	require.True(t, de.Remote)
}

func TestShutdownContext(t *testing.T) {
	s := &ssh.Server{Auth: anonymous()}
	c := dial(t, serve(t, s))
	require.NoError(t, c.Command("wait").Start(t.Context()))
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, s.Shutdown(ctx), context.DeadlineExceeded)
	require.Error(t, c.Wait())
}

// What a client has sent through a tunnel arrives although the client leaves.
func TestTunnelDeliversWhatWasSent(t *testing.T) {
	checkGoroutines(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	c := dial(t, serve(t, &ssh.Server{Auth: anonymous(), Forward: channel.ForwardConfig{
		PermitDial: func(context.Context, channel.TCPIPChannel) bool { return true },
	}}))
	conn, err := c.Dial(t.Context(), "tcp", l.Addr().String())
	require.NoError(t, err)
	far, err := l.Accept()
	require.NoError(t, err)
	defer far.Close()
	const size = 1 << 20
	_, err = conn.Write(make([]byte, size))
	require.NoError(t, err)
	require.NoError(t, conn.Close())
	require.NoError(t, c.Close())
	n, err := io.Copy(io.Discard, far)
	require.NoError(t, err)
	require.EqualValues(t, size, n)
}

// A callback that panics denies, and the process goes on.
func TestDefect_CallbackPanics(t *testing.T) {
	checkGoroutines(t)
	login := func(addr, user string) (*ssh.Client, error) {
		return ssh.Dial(t.Context(), "tcp", addr, &ssh.ClientConfig{User: user, VerifyHostKey: transport.InsecureAcceptAnyHostKey})
	}
	addr := serve(t, &ssh.Server{
		Auth: auth.ServerConfig{None: func(_ context.Context, a *auth.Attempt) (*auth.Permissions, error) {
			if a.User == "mallory" {
				panic("in authentication")
			}
			return nil, nil
		}},
		OnConnect: func(c *ssh.ServerConn) error {
			if c.User() == "eve" {
				panic("in OnConnect")
			}
			return nil
		},
		AllowEnv: func(string, string) bool { panic("in AllowEnv") },
		Forward: channel.ForwardConfig{
			PermitDial:   func(context.Context, channel.TCPIPChannel) bool { panic("in PermitDial") },
			PermitListen: func(context.Context, string, uint32) bool { panic("in PermitListen") },
		},
	})
	_, err := login(addr, "mallory")
	require.Error(t, err)
	if c, err := login(addr, "eve"); err == nil {
		require.Error(t, c.Wait())
	}
	c := dial(t, addr)
	env := c.Command("env")
	env.Env = []string{"A=B"}
	out, err := env.Output(t.Context())
	require.NoError(t, err)
	require.Equal(t, "\n", string(out))
	_, err = c.Dial(t.Context(), "tcp", "127.0.0.1:1")
	require.Error(t, err)
	_, err = c.Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.Error(t, err)
}
