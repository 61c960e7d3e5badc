package fuzz

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"net"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/fairlead-go/ssh"
	"github.com/fairlead-go/ssh/auth"
	"github.com/fairlead-go/ssh/channel"
	"github.com/fairlead-go/ssh/keys"
	"github.com/fairlead-go/ssh/transport"
	"github.com/fairlead-go/ssh/wire"
)

var hostKey = func() *keys.PrivateKey {
	k, err := keys.GenerateKey(keys.KeyEd25519, 0)
	if err != nil {
		panic(err)
	}
	return k
}()

func newServer() *ssh.Server {
	return &ssh.Server{
		HostKeys: []keys.Signer{hostKey},
		Auth: auth.ServerConfig{
			None: auth.AllowAnonymous,
			PublicKey: func(context.Context, *auth.Attempt, keys.PublicKey) (*auth.Permissions, error) {
				return nil, nil
			},
			KeyboardInteractive: func(ctx context.Context, _ *auth.Attempt, ask func(context.Context, *auth.Challenge) ([]string, error)) (*auth.Permissions, error) {
				_, err := ask(ctx, &auth.Challenge{Questions: []auth.Question{{Prompt: "?"}}})
				return nil, err
			},
			FailureDelay: -1,
		},
		Handler:  ssh.HandlerFunc(func(s *ssh.Session) { io.Copy(s, s) }),
		AllowPTY: true,
		AllowEnv: func(string, string) bool { return true },
		Forward: channel.ForwardConfig{
			PermitDial:   func(context.Context, channel.TCPIPChannel) bool { return true },
			Dial:         func(context.Context, string, string) (net.Conn, error) { a, b := net.Pipe(); b.Close(); return a, nil },
			PermitListen: func(context.Context, string, uint32) bool { return true },
			Listen:       func(context.Context, string, string) (net.Listener, error) { return nil, io.ErrClosedPipe },
		},
	}
}

func clientConfig() *ssh.ClientConfig {
	return &ssh.ClientConfig{
		User: "fuzz", Auth: []auth.Method{auth.PublicKeys(hostKey), auth.Password("secret")},
		VerifyHostKey: transport.InsecureAcceptAnyHostKey,
	}
}

// checkGoroutines fails the test where there are more goroutines than before.
func checkGoroutines(t *testing.T, before int) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for runtime.NumGoroutine() > before {
		if time.Now().After(deadline) {
			stacks := make([]byte, 1<<20)
			t.Fatalf("goroutines left:\n%s", stacks[:runtime.Stack(stacks, true)])
		}
		time.Sleep(time.Millisecond)
	}
}

// A recorder keeps what is written to a connection.
type recorder struct {
	net.Conn
	mu  sync.Mutex
	log []byte
}

func (r *recorder) Write(b []byte) (int, error) {
	r.mu.Lock()
	r.log = append(r.log, b...)
	r.mu.Unlock()
	return r.Conn.Write(b)
}

// record returns what each side of an ordinary connection sends.
func record(f *testing.F) (client, server []byte) {
	a, b := net.Pipe()
	ra, rb := &recorder{Conn: a}, &recorder{Conn: b}
	done := make(chan struct{})
	go func() {
		defer close(done)
		newServer().ServeConn(context.Background(), rb)
	}()
	c, err := ssh.NewClient(context.Background(), ra, "fuzz:22", clientConfig())
	if err != nil {
		f.Fatal(err)
	}
	if err := c.Command("true").Run(context.Background()); err != nil {
		f.Fatal(err)
	}
	c.Close()
	<-done
	return ra.log, rb.log
}

// feed writes bytes to the far end of a connection whose answers it drops.
func feed(conn net.Conn, data []byte) {
	go io.Copy(io.Discard, conn)
	conn.SetWriteDeadline(time.Now().Add(5 * time.Second))
	conn.Write(data)
	conn.Close()
}

// FuzzServerBytes gives a server whatever bytes.
func FuzzServerBytes(f *testing.F) {
	seed, _ := record(f)
	f.Add(seed)
	f.Add(seed[:len(seed)/2])
	f.Add([]byte("SSH-2.0-x\r\n\x00\x00\x00\x0c\x0a\x14"))
	f.Add([]byte("GET / HTTP/1.0\r\n\r\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		before := runtime.NumGoroutine()
		a, b := net.Pipe()
		go feed(a, data)
		if err := newServer().ServeConn(context.Background(), b); err == nil {
			t.Fatal("a connection ended without a reason")
		}
		checkGoroutines(t, before)
	})
}

// FuzzClientBytes gives a client whatever bytes.
func FuzzClientBytes(f *testing.F) {
	_, seed := record(f)
	f.Add(seed)
	f.Add(append([]byte("welcome\r\n"), seed[:len(seed)/2]...))
	f.Add([]byte("SSH-1.99-x\n\x00\x00\x00\x0c\x0a\x14"))
	f.Fuzz(func(t *testing.T, data []byte) {
		before := runtime.NumGoroutine()
		a, b := net.Pipe()
		go feed(a, data)
		if c, err := ssh.NewClient(context.Background(), b, "fuzz:22", clientConfig()); err == nil {
			c.Close()
			t.Fatal("logged in at a server that cannot have answered")
		}
		checkGoroutines(t, before)
	})
}

// packets cuts fuzz data into payloads: a length in two bytes, then as much.
func packets(data []byte) [][]byte {
	var all [][]byte
	for len(data) > 2 && len(all) < 200 {
		n := int(binary.BigEndian.Uint16(data))
		data = data[2:]
		n = min(max(n, 1), len(data))
		all = append(all, data[:n])
		data = data[n:]
	}
	return all
}

func join(payloads ...[]byte) []byte {
	var b []byte
	for _, p := range payloads {
		b = binary.BigEndian.AppendUint16(b, uint16(len(p)))
		b = append(b, p...)
	}
	return b
}

// sendAll sends payloads over an established transport and drops what comes.
func sendAll(c *transport.Conn, payloads [][]byte) {
	reading := make(chan struct{})
	go func() {
		defer close(reading)
		for {
			if _, err := c.ReadPacket(); err != nil {
				return
			}
		}
	}()
	timeout := make(chan struct{})
	timer := time.AfterFunc(5*time.Second, func() { close(timeout) })
	defer timer.Stop()
	for _, p := range payloads {
		if c.WritePacket(timeout, p, nil) != nil {
			break
		}
	}
	c.Close()
	<-reading
}

func message(number byte, fields ...any) []byte {
	b := []byte{number}
	for _, f := range fields {
		switch v := f.(type) {
		case string:
			b = wire.AppendString(b, v)
		case bool:
			b = wire.AppendBool(b, v)
		case int:
			b = wire.AppendUint32(b, uint32(v))
		}
	}
	return b
}

// FuzzServerPackets gives a server whatever packets over a good transport.
func FuzzServerPackets(f *testing.F) {
	service := message(wire.MsgServiceRequest, "ssh-userauth")
	login := message(wire.MsgUserauthRequest, "fuzz", "ssh-connection", "none")
	open := message(wire.MsgChannelOpen, "session", 0, 1<<20, 32768)
	f.Add(join(service, login, open,
		message(wire.MsgChannelRequest, 0, "pty-req", true, "vt100", 80, 24, 0, 0, "\x35\x00\x00\x00\x00\x00"),
		message(wire.MsgChannelRequest, 0, "env", true, "A", "B"),
		message(wire.MsgChannelRequest, 0, "shell", true),
		message(wire.MsgChannelData, 0, "hello"),
		message(wire.MsgChannelRequest, 0, "window-change", false, 80, 24, 0, 0),
		message(wire.MsgChannelRequest, 0, "signal", false, "INT"),
		message(wire.MsgChannelWindowAdjust, 0, 1000),
		message(wire.MsgChannelEOF, 0), message(wire.MsgChannelClose, 0)))
	f.Add(join(service, login,
		message(wire.MsgChannelOpen, "direct-tcpip", 0, 1<<20, 32768, "localhost", 80, "127.0.0.1", 1),
		message(wire.MsgGlobalRequest, "tcpip-forward", true, "", 0),
		message(wire.MsgGlobalRequest, "cancel-tcpip-forward", true, "", 80),
		message(wire.MsgGlobalRequest, "keepalive@openssh.com", true)))
	f.Add(join(service, message(wire.MsgUserauthRequest, "fuzz", "ssh-connection", "publickey", false, "ssh-ed25519", string(hostKey.PublicKey().Marshal()))))
	f.Add(join(service, message(wire.MsgUserauthRequest, "fuzz", "ssh-connection", "keyboard-interactive", "", ""), message(61, 1, "answer")))
	f.Add(join(message(wire.MsgPing, "x"), message(wire.MsgExtInfo, 1, "a", "b"), message(wire.MsgKexInit)))
	f.Fuzz(func(t *testing.T, data []byte) {
		before := runtime.NumGoroutine()
		a, b := net.Pipe()
		done := make(chan struct{})
		go func() {
			defer close(done)
			newServer().ServeConn(context.Background(), b)
		}()
		c, err := transport.Client(context.Background(), a, &transport.ClientConfig{VerifyHostKey: transport.InsecureAcceptAnyHostKey})
		if err != nil {
			t.Fatal(err)
		}
		sendAll(c, packets(data))
		<-done
		checkGoroutines(t, before)
	})
}

// FuzzClientPackets gives a client whatever packets over a good transport,
// while it logs in and runs a command.
func FuzzClientPackets(f *testing.F) {
	accept := message(wire.MsgServiceAccept, "ssh-userauth")
	success := message(wire.MsgUserauthSuccess)
	confirm := message(wire.MsgChannelOpenConfirmation, 0, 0, 1<<20, 32768)
	f.Add(join(accept, success, confirm, message(wire.MsgChannelSuccess, 0),
		message(wire.MsgChannelData, 0, "hello"), message(wire.MsgChannelExtendedData, 0, 1, "oops"),
		message(wire.MsgChannelRequest, 0, "exit-status", false, 3),
		message(wire.MsgChannelEOF, 0), message(wire.MsgChannelClose, 0)))
	f.Add(join(accept, message(wire.MsgUserauthBanner, "hi", ""), message(wire.MsgUserauthFailure, "publickey,password", false), message(60, "ssh-ed25519", string(hostKey.PublicKey().Marshal())), success))
	f.Add(join(accept, success, message(wire.MsgChannelOpenFailure, 0, 1, "no", ""), message(wire.MsgGlobalRequest, "hostkeys-00@openssh.com", false)))
	f.Add(join(accept, success, confirm, message(wire.MsgChannelSuccess, 0), message(wire.MsgChannelRequest, 0, "exit-signal", false, "TERM", false, "", "")))
	f.Fuzz(func(t *testing.T, data []byte) {
		before := runtime.NumGoroutine()
		a, b := net.Pipe()
		done := make(chan struct{})
		go func() {
			defer close(done)
			c, err := ssh.NewClient(context.Background(), b, "fuzz:22", clientConfig())
			if err != nil {
				return
			}
			cmd := c.Command("true")
			cmd.Stdin = bytes.NewReader([]byte("input"))
			cmd.Output(context.Background())
			c.Close()
		}()
		s, err := transport.Server(context.Background(), a, &transport.ServerConfig{HostKeys: []keys.Signer{hostKey}})
		if err != nil {
			t.Fatal(err)
		}
		s.SetAuthenticated()
		sendAll(s, packets(data))
		<-done
		checkGoroutines(t, before)
	})
}
