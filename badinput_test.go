package ssh_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh"
	"github.com/fairlead-go/ssh/auth"
	"github.com/fairlead-go/ssh/keys"
	"github.com/fairlead-go/ssh/transport"
)

// checkGoroutines fails a test that leaves goroutines behind. It is called
// first, so that its check runs last.
func checkGoroutines(t *testing.T) {
	before := runtime.NumGoroutine()
	t.Cleanup(func() {
		for deadline := time.Now().Add(10 * time.Second); runtime.NumGoroutine() > before; time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				stacks := make([]byte, 1<<20)
				t.Fatalf("goroutines are left:\n%s", stacks[:runtime.Stack(stacks, true)])
			}
		}
	})
}

// bystander logs in and, at the end of the test, shows that its connection
// has not noticed whatever happened to others.
func bystander(t *testing.T, addr string, methods ...auth.Method) {
	c := dial(t, addr, methods...)
	t.Cleanup(func() {
		out, err := c.Command("echo fine").Output(context.Background())
		require.NoError(t, err)
		require.Equal(t, "fine\n", string(out))
	})
}

func TestUnknownKey(t *testing.T) {
	checkGoroutines(t)
	known := newKey(t)
	addr := serve(t, &ssh.Server{Auth: auth.ServerConfig{
		PublicKey: func(_ context.Context, _ *auth.Attempt, key keys.PublicKey) (*auth.Permissions, error) {
			if keys.Equal(key, known.PublicKey()) {
				return nil, nil
			}
			return nil, errors.New("unknown key")
		},
		FailureDelay: -1,
	}})
	bystander(t, addr, auth.PublicKeys(known))
	_, err := ssh.Dial(t.Context(), "tcp", addr, &ssh.ClientConfig{
		User: "alice", Auth: []auth.Method{auth.PublicKeys(newKey(t))}, VerifyHostKey: transport.InsecureAcceptAnyHostKey,
	})
	var denied *auth.Error
	require.ErrorAs(t, err, &denied)
	require.ErrorContains(t, err, "publickey")
}

func TestHostKeyRefused(t *testing.T) {
	checkGoroutines(t)
	var attempts atomic.Int32
	addr := serve(t, &ssh.Server{Auth: auth.ServerConfig{None: func(context.Context, *auth.Attempt) (*auth.Permissions, error) {
		attempts.Add(1)
		return nil, nil
	}}})
	no := errors.New("not that one")
	_, err := ssh.Dial(t.Context(), "tcp", addr, &ssh.ClientConfig{
		User: "alice", Auth: []auth.Method{auth.Password("secret")},
		VerifyHostKey: func(context.Context, string, net.Addr, keys.PublicKey) error { return no },
	})
	var refused *transport.HostKeyError
	require.ErrorAs(t, err, &refused)
	require.ErrorIs(t, err, no)
	require.Equal(t, addr, refused.Address)
	require.Zero(t, attempts.Load(), "nothing of the user is sent to a server that was refused")
}

func TestNoCommonAlgorithm(t *testing.T) {
	checkGoroutines(t)
	addr := serve(t, &ssh.Server{Auth: anonymous(), Transport: transport.Config{Ciphers: []string{"aes256-ctr"}}})
	_, err := ssh.Dial(t.Context(), "tcp", addr, &ssh.ClientConfig{
		User: "alice", VerifyHostKey: transport.InsecureAcceptAnyHostKey,
		Transport: transport.Config{Ciphers: []string{"aes128-gcm@openssh.com"}},
	})
	var negotiation *transport.NegotiationError
	require.ErrorAs(t, err, &negotiation)
	require.Equal(t, "cipher client to server", negotiation.Kind)
	require.Equal(t, []string{"aes128-gcm@openssh.com"}, negotiation.Ours)
	require.Equal(t, []string{"aes256-ctr"}, negotiation.Theirs)
}

func TestGarbageInsteadOfAVersion(t *testing.T) {
	checkGoroutines(t)
	addr := serve(t, &ssh.Server{Auth: anonymous()})
	bystander(t, addr)
	conn, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	io.WriteString(conn, "GET / HTTP/1.1\r\nHost: example\r\n\r\n")
	answer, err := io.ReadAll(conn)
	require.NoError(t, err)
	require.Contains(t, string(answer), "This is an SSH server, and that was no SSH identification.\r\n")
	conn.Close()

	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	go func() {
		c, err := l.Accept()
		if err == nil {
			io.WriteString(c, "220 mail.example ESMTP\r\n"+string(bytes.Repeat([]byte("x"), 9000)))
			io.Copy(io.Discard, c)
			c.Close()
		}
	}()
	_, err = ssh.Dial(t.Context(), "tcp", l.Addr().String(), &ssh.ClientConfig{
		User: "alice", VerifyHostKey: transport.InsecureAcceptAnyHostKey,
	})
	var version *transport.VersionError
	require.ErrorAs(t, err, &version)
}

// A staller passes a number of bytes each way and then nothing more.
type staller struct {
	net.Conn
	left atomic.Int64
	done chan struct{}
}

func (s *staller) Read(b []byte) (int, error) {
	left := s.left.Load()
	if left <= 0 {
		<-s.done
		return 0, net.ErrClosed
	}
	n, err := s.Conn.Read(b[:min(int64(len(b)), left)])
	s.left.Add(-int64(n))
	return n, err
}

func (s *staller) Close() error {
	select {
	case <-s.done:
	default:
		close(s.done)
	}
	return s.Conn.Close()
}

// TestHangAnywhere has the peer fall silent after each number of bytes up to a
// login, in steps, and both a client's context and a timeout end the wait.
func TestHangAnywhere(t *testing.T) {
	checkGoroutines(t)
	addr := serve(t, &ssh.Server{Auth: anonymous(), Transport: transport.Config{HandshakeTimeout: 5 * time.Second}})
	const plenty = 1 << 30
	whole := &staller{done: make(chan struct{})}
	whole.left.Store(plenty)
	conn, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	whole.Conn = conn
	c, err := ssh.NewClient(t.Context(), whole, addr, &ssh.ClientConfig{User: "alice", VerifyHostKey: transport.InsecureAcceptAnyHostKey})
	require.NoError(t, err)
	login := plenty - whole.left.Load()
	require.NoError(t, c.Close())

	for after := int64(0); after < login; after += login / 12 {
		conn, err := net.Dial("tcp", addr)
		require.NoError(t, err)
		s := &staller{Conn: conn, done: make(chan struct{})}
		s.left.Store(after)
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
		_, err = ssh.NewClient(ctx, s, addr, &ssh.ClientConfig{User: "alice", VerifyHostKey: transport.InsecureAcceptAnyHostKey})
		cancel()
		require.ErrorIs(t, err, context.DeadlineExceeded, after)
	}
	conn, err = net.Dial("tcp", addr)
	require.NoError(t, err)
	s := &staller{Conn: conn, done: make(chan struct{})}
	_, err = ssh.NewClient(t.Context(), s, addr, &ssh.ClientConfig{
		User: "alice", VerifyHostKey: transport.InsecureAcceptAnyHostKey,
		Transport: transport.Config{HandshakeTimeout: 20 * time.Millisecond},
	})
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
}

// A flipper changes one bit of what is read, once, after a number of bytes.
type flipper struct {
	net.Conn
	armed atomic.Bool
}

func (f *flipper) Read(b []byte) (int, error) {
	n, err := f.Conn.Read(b)
	if n > 0 && f.armed.CompareAndSwap(true, false) {
		b[n/2] ^= 1
	}
	return n, err
}

func TestCorruptedPacket(t *testing.T) {
	checkGoroutines(t)
	addr := serve(t, &ssh.Server{Auth: anonymous()})
	bystander(t, addr)
	for _, cipher := range transport.Ciphers() {
		conn, err := net.Dial("tcp", addr)
		require.NoError(t, err)
		f := &flipper{Conn: conn}
		c, err := ssh.NewClient(t.Context(), f, addr, &ssh.ClientConfig{
			User: "alice", VerifyHostKey: transport.InsecureAcceptAnyHostKey,
			Transport: transport.Config{Ciphers: []string{cipher}},
		})
		require.NoError(t, err)
		f.armed.Store(true)
		_, err = c.Command("echo x").Output(t.Context())
		var pe *transport.ProtocolError
		require.ErrorAs(t, err, &pe, cipher)
		require.Error(t, c.Close())
	}
}

func TestPeerVanishes(t *testing.T) {
	checkGoroutines(t)
	addr := serve(t, &ssh.Server{Auth: anonymous()})
	bystander(t, addr)
	conn, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	c, err := ssh.NewClient(t.Context(), conn, addr, &ssh.ClientConfig{User: "alice", VerifyHostKey: transport.InsecureAcceptAnyHostKey})
	require.NoError(t, err)
	cat := c.Command("cat")
	stdin, err := cat.StdinPipe()
	require.NoError(t, err)
	stdout, err := cat.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cat.Start(t.Context()))
	go func() {
		for {
			if _, err := stdin.Write(make([]byte, 32<<10)); err != nil {
				return
			}
		}
	}()
	_, err = io.CopyN(io.Discard, stdout, 1<<20)
	require.NoError(t, err)
	conn.Close() // the network is gone
	_, err = io.Copy(io.Discard, stdout)
	var lost *transport.ConnectionError
	require.ErrorAs(t, err, &lost)
	require.ErrorAs(t, cat.Wait(t.Context()), &lost)
	require.ErrorAs(t, c.Wait(), &lost)
}

// TestSilentPeer has keep-alives find out that nobody is there any more.
func TestSilentPeer(t *testing.T) {
	checkGoroutines(t)
	addr := serve(t, &ssh.Server{Auth: anonymous()})
	conn, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	s := &staller{Conn: conn, done: make(chan struct{})}
	s.left.Store(1 << 30)
	c, err := ssh.NewClient(t.Context(), s, addr, &ssh.ClientConfig{
		User: "alice", VerifyHostKey: transport.InsecureAcceptAnyHostKey,
		KeepAlive: ssh.KeepAlive{Interval: 10 * time.Millisecond, Count: 2},
	})
	require.NoError(t, err)
	time.Sleep(50 * time.Millisecond)
	require.NoError(t, c.Command("echo alive").Run(t.Context()), "an idle connection is kept")
	s.left.Store(0)
	err = c.Wait()
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	require.ErrorContains(t, err, "keep-alive")
}

func TestMaxStartups(t *testing.T) {
	checkGoroutines(t)
	addr := serve(t, &ssh.Server{Auth: anonymous(), MaxStartups: 1})
	first, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	_, err = first.Read(make([]byte, 1))
	require.NoError(t, err)
	second, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	_, err = io.ReadAll(second)
	require.NoError(t, err)
	second.Close()
	first.Close()
	require.Eventually(t, func() bool {
		c, err := ssh.Dial(t.Context(), "tcp", addr, &ssh.ClientConfig{User: "a", VerifyHostKey: transport.InsecureAcceptAnyHostKey})
		if err == nil {
			c.Close()
		}
		return err == nil
	}, 10*time.Second, 10*time.Millisecond)
}
