package channel

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh/wire"
)

var forwardAll = ForwardConfig{
	PermitDial:   func(context.Context, TCPIPChannel) bool { return true },
	PermitListen: func(context.Context, string, uint32) bool { return true },
}

// A forwardLink is a connection whose server forwards, and whose client takes
// what is forwarded to it.
type forwardLink struct {
	*testLink
	forwards *RemoteForwards
	server   *ForwardServer
}

func withForwards(t *testing.T, cfg ForwardConfig, test func(t *testing.T, l *forwardLink)) {
	for _, backlog := range []int{0, 1} {
		t.Run(fmt.Sprintf("backlog %d", backlog), func(t *testing.T) {
			noLeaks(t)
			l := newForwardLink(backlog, cfg)
			t.Cleanup(l.end)
			test(t, l)
		})
	}
}

func newForwardLink(backlog int, cfg ForwardConfig) *forwardLink {
	l := new(forwardLink)
	l.testLink = newTestLink(backlog, Config{}, Config{
		GlobalRequest: func(ctx context.Context, r *Request) { l.server.HandleRequest(ctx, r) },
	})
	l.server = NewForwardServer(l.testLink.server, cfg)
	l.forwards = NewRemoteForwards(l.client)
	l.run()
	acceptAll(l.testLink.server, func(nc *NewChannel) {
		if !l.server.HandleChannel(nc) {
			nc.Reject(UnknownChannelType, "")
		}
	})
	acceptAll(l.client, func(nc *NewChannel) {
		if !l.forwards.HandleChannel(nc) {
			nc.Reject(UnknownChannelType, "")
		}
	})
	return l
}

// tcpListener listens on a free port of 127.0.0.1 until the test ends.
func tcpListener(t *testing.T) (l net.Listener, port uint32) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	return l, uint32(l.Addr().(*net.TCPAddr).Port)
}

// serveOne has serve talk to the next connection.
func serveOne(l net.Listener, serve func(net.Conn)) {
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		serve(c)
	}()
}

// freePort returns a port that nobody listens on.
func freePort(t *testing.T) uint32 {
	l, port := tcpListener(t)
	l.Close()
	return port
}

func local(port uint32) string {
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(int(port)))
}

func openReason(t *testing.T, err error) OpenReason {
	t.Helper()
	var open *OpenError
	require.ErrorAs(t, err, &open)
	return open.Reason
}

const forwardSize = 3 << 20 // more than a window

// Each direction ends by itself: EOF one way does not cut the other.
func TestDialTCPHalfClose(t *testing.T) {
	for _, first := range []string{"client", "server"} {
		t.Run(first, func(t *testing.T) {
			withForwards(t, forwardAll, func(t *testing.T, l *forwardLink) {
				tcp, port := tcpListener(t)
				served := make(chan error, 1)
				clientSent := make(chan struct{})
				serverEnded := make(chan struct{})
				serveOne(tcp, func(c net.Conn) {
					var err error
					if first == "server" {
						err = errors.Join(writePattern(c, 2, forwardSize, 9000), c.(*net.TCPConn).CloseWrite())
						close(serverEnded)
					}
					err = errors.Join(err, checkPattern(c, 1, forwardSize, 5000))
					if n, eof := c.Read(make([]byte, 1)); n != 0 || eof != io.EOF {
						err = errors.Join(err, fmt.Errorf("%d, %v in place of EOF", n, eof))
					}
					<-clientSent
					if first == "client" {
						err = errors.Join(err, writePattern(c, 2, forwardSize, 9000))
					}
					served <- err
				})
				c, err := DialTCP(testContext(t), l.client, "127.0.0.1", port, nil)
				require.NoError(t, err)
				require.Equal(t, local(port), c.RemoteAddr().String())
				send := func() {
					require.NoError(t, writePattern(c, 1, forwardSize, 9000))
					require.NoError(t, c.CloseWrite())
					close(clientSent)
				}
				receive := func() {
					require.NoError(t, checkPattern(c, 2, forwardSize, 5000))
					n, err := c.Read(make([]byte, 1))
					require.Zero(t, n)
					require.Equal(t, io.EOF, err)
				}
				if first == "client" {
					send()
					receive()
				} else {
					receive()
					<-serverEnded
					send()
				}
				require.NoError(t, <-served)
				require.NoError(t, c.Close())
			})
		})
	}
}

func TestDialTCPPassesAddresses(t *testing.T) {
	var got atomic.Pointer[TCPIPChannel]
	cfg := forwardAll
	cfg.PermitDial = func(_ context.Context, to TCPIPChannel) bool { got.Store(&to); return false }
	withForwards(t, cfg, func(t *testing.T, l *forwardLink) {
		from := &net.TCPAddr{IP: net.IPv4(192, 0, 2, 7), Port: 4000}
		_, err := DialTCP(testContext(t), l.client, "db.internal", 5432, from)
		require.Equal(t, AdministrativelyProhibited, openReason(t, err))
		require.Equal(t, TCPIPChannel{"db.internal", 5432, "192.0.2.7", 4000}, *got.Load())
	})
}

func TestDialTCPFailures(t *testing.T) {
	withForwards(t, forwardAll, func(t *testing.T, l *forwardLink) {
		_, err := DialTCP(testContext(t), l.client, "127.0.0.1", freePort(t), nil)
		require.Equal(t, ConnectFailed, openReason(t, err))
		require.ErrorContains(t, err, "connection refused")
		for _, host := range []string{"a b", "\x1b[2J", "a\x00b"} {
			_, err = DialTCP(testContext(t), l.client, host, 80, nil)
			require.ErrorIs(t, err, wire.ErrInvalid)
		}
		_, err = DialTCP(testContext(t), l.client, "127.0.0.1", 65536, nil)
		require.ErrorIs(t, err, wire.ErrInvalid)
	})
	cfg := forwardAll
	cfg.Dial = func(context.Context, string, string) (net.Conn, error) { panic("dialled") }
	withForwards(t, cfg, func(t *testing.T, l *forwardLink) {
		for _, extra := range [][]byte{nil, append(tcpipChannelSeed[:len(tcpipChannelSeed):len(tcpipChannelSeed)], 0),
			TCPIPChannel{Port: 80}.Append(nil), TCPIPChannel{Host: "127.0.0.1"}.Append(nil), TCPIPChannel{Host: "a", Port: 1 << 16}.Append(nil)} {
			_, err := l.client.Open(testContext(t), "direct-tcpip", extra, OpenOptions{})
			require.Equal(t, ConnectFailed, openReason(t, err))
		}
	})
}

func TestDialFailureTellsLittle(t *testing.T) {
	tests := map[string]error{
		"the name cannot be resolved": &net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host", Name: "secret.internal"}},
		"connection timed out":        fmt.Errorf("dial 10.1.2.3: %w", context.DeadlineExceeded),
		"connection refused":          &net.OpError{Op: "dial", Addr: Addr{"tcp", "10.1.2.3:1"}, Err: syscall.ECONNREFUSED},
		"connection failed":           errors.New("proxy secret.internal says no"),
	}
	for want, err := range tests {
		require.Equal(t, want, dialFailure(err))
	}
}

func TestDialTimeout(t *testing.T) {
	forBacklogs(t, func(t *testing.T, backlog int) {
		cfg := forwardAll
		cfg.Dial = func(ctx context.Context, _, _ string) (net.Conn, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		l := newForwardLink(backlog, cfg)
		defer l.end()
		start := time.Now()
		_, err := DialTCP(t.Context(), l.client, "192.0.2.1", 80, nil)
		require.Equal(t, ConnectFailed, openReason(t, err))
		require.Equal(t, DefaultDialTimeout, time.Since(start))

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = DialTCP(ctx, l.client, "192.0.2.1", 80, nil)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		// The connection ends while the server still dials: nothing remains.
	})
}

func TestForwardedConnectionsAreBounded(t *testing.T) {
	cfg := forwardAll
	cfg.MaxConns = 2
	withForwards(t, cfg, func(t *testing.T, l *forwardLink) {
		tcp, port := tcpListener(t)
		var conns []net.Conn
		for range cfg.MaxConns {
			c, err := DialTCP(testContext(t), l.client, "127.0.0.1", port, nil)
			require.NoError(t, err)
			conns = append(conns, c)
		}
		_, err := DialTCP(testContext(t), l.client, "127.0.0.1", port, nil)
		require.Equal(t, ResourceShortage, openReason(t, err))
		for _, c := range conns {
			c.Close()
			far, err := tcp.Accept()
			require.NoError(t, err)
			far.Close()
		}
		require.Eventually(t, func() bool {
			c, err := DialTCP(testContext(t), l.client, "127.0.0.1", port, nil)
			if err == nil {
				c.Close()
			}
			return err == nil
		}, testTimeout, time.Millisecond)
	})
}

func TestListenTCP(t *testing.T) {
	withForwards(t, forwardAll, func(t *testing.T, l *forwardLink) {
		listener, err := l.forwards.ListenTCP(testContext(t), "127.0.0.1", 0)
		require.NoError(t, err)
		require.NotZero(t, listener.Port())
		require.Equal(t, local(listener.Port()), listener.Addr().String())

		from, err := net.Dial("tcp", listener.Addr().String())
		require.NoError(t, err)
		defer from.Close()
		c, err := listener.Accept()
		require.NoError(t, err)
		require.Equal(t, from.LocalAddr().String(), c.RemoteAddr().String())
		require.Equal(t, from.RemoteAddr().String(), c.LocalAddr().String())

		served := make(chan error, 1)
		go func() {
			err := errors.Join(writePattern(c, 1, forwardSize, 9000), c.(*StreamConn).CloseWrite())
			served <- errors.Join(err, checkPattern(c, 2, forwardSize, 5000), c.Close())
		}()
		require.NoError(t, checkPattern(from, 1, forwardSize, 5000))
		_, err = from.Read(make([]byte, 1))
		require.Equal(t, io.EOF, err)
		require.NoError(t, writePattern(from, 2, forwardSize, 9000))
		require.NoError(t, <-served)

		require.NoError(t, listener.Close())
		_, err = net.Dial("tcp", listener.Addr().String())
		require.ErrorIs(t, err, syscall.ECONNREFUSED, "the server listens no more")
		_, err = listener.Accept()
		require.ErrorIs(t, err, net.ErrClosed)
		require.ErrorIs(t, listener.Close(), net.ErrClosed)

		again, err := l.forwards.ListenTCP(testContext(t), "127.0.0.1", listener.Port())
		require.NoError(t, err, "the port is free again")
		require.Equal(t, listener.Port(), again.Port())
	})
}

// Connections go on when their listener closes, and those that wait are refused.
func TestListenTCPClose(t *testing.T) {
	withForwards(t, forwardAll, func(t *testing.T, l *forwardLink) {
		listener, err := l.forwards.ListenTCP(testContext(t), "localhost", 0)
		require.NoError(t, err)
		require.Equal(t, Addr{"tcp", fmt.Sprint("localhost:", listener.Port())}, listener.Addr())
		from, err := net.Dial("tcp", local(listener.Port()))
		require.NoError(t, err)
		defer from.Close()
		c, err := listener.Accept()
		require.NoError(t, err)
		waits, err := net.Dial("tcp", local(listener.Port()))
		require.NoError(t, err)
		defer waits.Close()
		require.Eventually(t, func() bool {
			listener.mu.Lock()
			defer listener.mu.Unlock()
			return len(listener.pending) == 1
		}, testTimeout, time.Millisecond)

		accepting := make(chan error, 1)
		other, err := l.forwards.ListenTCP(testContext(t), "localhost", 0)
		require.NoError(t, err)
		go func() {
			_, err := other.Accept()
			accepting <- err
		}()
		require.NoError(t, other.Close())
		require.ErrorIs(t, <-accepting, net.ErrClosed)

		require.NoError(t, listener.Close())
		_, err = waits.Read(make([]byte, 1))
		require.Error(t, err)
		_, err = io.WriteString(c, "still here")
		require.NoError(t, err)
		got := make([]byte, 10)
		_, err = io.ReadFull(from, got)
		require.NoError(t, err)
		require.Equal(t, "still here", string(got))
	})
}

func TestListenTCPRefused(t *testing.T) {
	withForwards(t, forwardAll, func(t *testing.T, l *forwardLink) {
		_, port := tcpListener(t)
		var refused *RequestError
		_, err := l.forwards.ListenTCP(testContext(t), "127.0.0.1", port)
		require.ErrorAs(t, err, &refused, "the port is taken")
		require.Equal(t, "tcpip-forward", refused.Type)

		listener, err := l.forwards.ListenTCP(testContext(t), "127.0.0.1", 0)
		require.NoError(t, err)
		_, err = l.forwards.ListenTCP(testContext(t), "127.0.0.1", listener.Port())
		require.ErrorContains(t, err, "already")
		ok, _, err := l.client.SendRequest(testContext(t), "tcpip-forward", true, listener.forward.append(nil))
		require.NoError(t, err)
		require.False(t, ok, "the server refuses a second one too")

		for _, name := range []string{"tcpip-forward", "cancel-tcpip-forward"} {
			for _, payload := range [][]byte{nil, append(tcpipForwardSeed[:len(tcpipForwardSeed):len(tcpipForwardSeed)], 0), tcpipForward{"a", 65536}.append(nil)} {
				ok, _, err := l.client.SendRequest(testContext(t), name, true, payload)
				require.NoError(t, err)
				require.False(t, ok)
			}
		}
		ok, _, err = l.client.SendRequest(testContext(t), "cancel-tcpip-forward", true, tcpipForward{"127.0.0.1", port}.append(nil))
		require.NoError(t, err)
		require.False(t, ok, "nothing to cancel")
		for _, host := range []string{"a b", "\x1b"} {
			_, err = l.forwards.ListenTCP(testContext(t), host, 0)
			require.ErrorIs(t, err, wire.ErrInvalid)
		}
	})
}

func TestListenersAreBounded(t *testing.T) {
	cfg := forwardAll
	cfg.MaxListeners = 3
	withForwards(t, cfg, func(t *testing.T, l *forwardLink) {
		var listeners []*RemoteListener
		for range cfg.MaxListeners {
			listener, err := l.forwards.ListenTCP(testContext(t), "127.0.0.1", 0)
			require.NoError(t, err)
			listeners = append(listeners, listener)
		}
		var refused *RequestError
		_, err := l.forwards.ListenTCP(testContext(t), "127.0.0.1", 0)
		require.ErrorAs(t, err, &refused)
		require.NoError(t, listeners[0].Close())
		_, err = l.forwards.ListenTCP(testContext(t), "127.0.0.1", 0)
		require.NoError(t, err)
	})
}

func TestDefect_ForwardingRefusedByDefault(t *testing.T) {
	noDial := func(context.Context, string, string) (net.Conn, error) { panic("dialled") }
	noListen := func(context.Context, string, string) (net.Listener, error) { panic("bound") }
	deny := ForwardConfig{
		PermitDial:   func(context.Context, TCPIPChannel) bool { return false },
		PermitListen: func(context.Context, string, uint32) bool { return false },
	}
	none := forwardAll
	none.MaxConns, none.MaxListeners = -1, -1
	for name, cfg := range map[string]ForwardConfig{"zero": {}, "denied": deny, "none": none} {
		cfg.Dial, cfg.Listen = noDial, noListen
		t.Run(name, func(t *testing.T) {
			withForwards(t, cfg, func(t *testing.T, l *forwardLink) {
				_, err := DialTCP(testContext(t), l.client, "127.0.0.1", 80, nil)
				require.Contains(t, []OpenReason{AdministrativelyProhibited, ResourceShortage}, openReason(t, err))
				for _, host := range []string{"", "localhost", "127.0.0.1", "0.0.0.0"} {
					var refused *RequestError
					_, err = l.forwards.ListenTCP(testContext(t), host, 0)
					require.ErrorAs(t, err, &refused)
				}
				for _, other := range []string{"direct-streamlocal@openssh.com", "tun@openssh.com", "x11", "forwarded-tcpip"} {
					_, err = l.client.Open(testContext(t), other, nil, OpenOptions{})
					require.Equal(t, UnknownChannelType, openReason(t, err))
				}
			})
		})
	}
}

// A server must not reach the client's listeners' side but through what the
// client asked for.
func TestDefect_UnaskedForwardsRefused(t *testing.T) {
	withForwards(t, forwardAll, func(t *testing.T, l *forwardLink) {
		listener, err := l.forwards.ListenTCP(testContext(t), "127.0.0.1", 0)
		require.NoError(t, err)
		open := func(host string, port uint32) error {
			msg := TCPIPChannel{Host: host, Port: port, Originator: "192.0.2.1", OriginatorPort: 1}
			_, err := l.testLink.server.Open(testContext(t), "forwarded-tcpip", msg.Append(nil), OpenOptions{})
			return err
		}
		require.Equal(t, AdministrativelyProhibited, openReason(t, open("127.0.0.1", listener.Port()^1)))
		require.Equal(t, AdministrativelyProhibited, openReason(t, open("192.0.2.2", listener.Port())))
		require.Equal(t, AdministrativelyProhibited, openReason(t, open("localhost", listener.Port())))
		require.Equal(t, AdministrativelyProhibited, openReason(t, open("", listener.Port())))
		_, err = l.testLink.server.Open(testContext(t), "forwarded-tcpip", []byte{1}, OpenOptions{})
		require.Equal(t, ConnectFailed, openReason(t, err))
		_, err = l.testLink.server.Open(testContext(t), "direct-tcpip", tcpipChannelSeed, OpenOptions{})
		require.Equal(t, UnknownChannelType, openReason(t, err))
		port := listener.Port()
		require.NoError(t, listener.Close())
		require.Equal(t, AdministrativelyProhibited, openReason(t, open("127.0.0.1", port)))
	})
}

func TestRemoteListenerBacklogIsBounded(t *testing.T) {
	forBacklogs(t, func(t *testing.T, backlog int) {
		client, server := muxPair(t, backlog, Config{}, Config{
			GlobalRequest: func(_ context.Context, r *Request) { r.Reply(true, nil) },
		})
		forwards := NewRemoteForwards(client)
		acceptAll(client, func(nc *NewChannel) { forwards.HandleChannel(nc) })
		listener, err := forwards.ListenTCP(t.Context(), "localhost", 80)
		require.NoError(t, err)
		msg := TCPIPChannel{Host: "localhost", Port: 80, Originator: "192.0.2.1"}
		opened := make(chan error, forwardBacklog+1)
		for range forwardBacklog {
			go func() {
				_, err := server.Open(t.Context(), "forwarded-tcpip", msg.Append(nil), OpenOptions{})
				opened <- err
			}()
		}
		synctest.Wait()
		_, err = server.Open(t.Context(), "forwarded-tcpip", msg.Append(nil), OpenOptions{})
		require.Equal(t, ResourceShortage, openReason(t, err))
		for range 2 {
			_, err = listener.Accept()
			require.NoError(t, err)
			require.NoError(t, <-opened)
		}
		require.NoError(t, listener.Close())
		for range forwardBacklog - 2 {
			require.Equal(t, AdministrativelyProhibited, openReason(t, <-opened))
		}
		require.Empty(t, forwards.listeners)
	})
}

// As many Accepts return as there are connections, however close together they
// come.
func TestRemoteListenerWakesEveryAccept(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newRawPeer(t, Config{})
		l := &RemoteListener{f: NewRemoteForwards(p.m), closed: make(chan struct{}), arrived: make(chan struct{}, 1)}
		for range 50 {
			const n = 3
			accepted := make(chan error, n)
			var waiting []*NewChannel
			for range n {
				go func() {
					_, err := l.Accept()
					accepted <- err
				}()
				p.send(channelOpen{channelType: "forwarded-tcpip", sender: rawNumber, window: rawWindow, maxPacket: rawMaxPacket}.append(nil))
				nc, err := p.m.Accept(t.Context())
				require.NoError(t, err)
				waiting = append(waiting, nc)
			}
			synctest.Wait()
			for _, nc := range waiting {
				l.offer(nc, TCPIPChannel{})
			}
			for range n {
				require.NoError(t, <-accepted)
			}
		}
	})
}

// A connection can overtake the reply that tells which port it belongs to.
func TestForwardedBeforeTheReplyIsSeen(t *testing.T) {
	for _, answer := range []string{"this port", "other port", "failure", "no port"} {
		t.Run(answer, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				p := newRawPeer(t, Config{})
				forwards := NewRemoteForwards(p.m)
				acceptAll(p.m, func(nc *NewChannel) { forwards.HandleChannel(nc) })
				type result struct {
					l   *RemoteListener
					err error
				}
				listening := make(chan result, 1)
				go func() {
					l, err := forwards.ListenTCP(t.Context(), "localhost", 0)
					listening <- result{l, err}
				}()
				p.next(wire.MsgGlobalRequest)
				open := func(sender uint32) {
					p.send(channelOpen{channelType: "forwarded-tcpip", sender: sender, window: rawWindow, maxPacket: rawMaxPacket,
						extra: TCPIPChannel{"localhost", 4000, "192.0.2.1", 1}.Append(nil)}.append(nil))
				}
				for i := range forwardUndecided + 1 {
					open(uint32(i))
				}
				failure, err := parseOpenFailure(p.next(wire.MsgChannelOpenFailure))
				require.NoError(t, err)
				require.EqualValues(t, forwardUndecided, failure.recipient, "one too many to wait")
				switch answer {
				case "this port":
					p.send([]byte{wire.MsgRequestSuccess, 0, 0, 0x0f, 0xa0})
				case "other port":
					p.send([]byte{wire.MsgRequestSuccess, 0, 0, 0x0f, 0xa1})
				case "failure":
					p.send([]byte{wire.MsgRequestFailure})
				case "no port":
					p.send([]byte{wire.MsgRequestSuccess})
				}
				got := <-listening
				require.Equal(t, answer == "this port" || answer == "other port", got.err == nil)
				if answer == "this port" {
					c, err := got.l.Accept()
					require.NoError(t, err)
					require.Equal(t, "192.0.2.1:1", c.RemoteAddr().String())
					p.next(wire.MsgChannelOpenConfirmation)
					return
				}
				for range forwardUndecided {
					failure, err := parseOpenFailure(p.next(wire.MsgChannelOpenFailure))
					require.NoError(t, err)
					require.Equal(t, AdministrativelyProhibited, failure.reason)
				}
			})
		})
	}
}

// A listener of a client whose connection is lost says so.
func TestRemoteListenerConnectionLost(t *testing.T) {
	forBacklogs(t, func(t *testing.T, backlog int) {
		l := newForwardLink(backlog, ForwardConfig{
			PermitListen: forwardAll.PermitListen,
			Listen:       func(context.Context, string, string) (net.Listener, error) { return newTestListener(), nil },
		})
		listener, err := l.forwards.ListenTCP(t.Context(), "localhost", 0)
		require.NoError(t, err)
		accepted := make(chan error, 1)
		go func() {
			_, err := listener.Accept()
			accepted <- err
		}()
		l.end()
		require.ErrorIs(t, <-accepted, errLinkOver)
		require.NoError(t, listener.Close())
	})
}

// A testListener is a net.Listener without sockets, that fails as told.
type testListener struct {
	accepts atomic.Int64 // calls of Accept
	closed  chan struct{}
	conns   chan net.Conn
	errs    chan error
}

func newTestListener() *testListener {
	return &testListener{closed: make(chan struct{}), conns: make(chan net.Conn), errs: make(chan error)}
}

func (l *testListener) Accept() (net.Conn, error) {
	l.accepts.Add(1)
	select {
	case c := <-l.conns:
		return c, nil
	case err := <-l.errs:
		return nil, err
	case <-l.closed:
		return nil, errors.New("the listener is gone")
	}
}

func (l *testListener) Close() error {
	select {
	case <-l.closed:
	default:
		close(l.closed)
	}
	return nil
}

func (l *testListener) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 4000} }

// A listener survives errors that pass, and its goroutine ends when it is
// cancelled, whatever its Accept returns then.
func TestForwardListenerErrors(t *testing.T) {
	forBacklogs(t, func(t *testing.T, backlog int) {
		bound := newTestListener()
		cfg := forwardAll
		cfg.Listen = func(context.Context, string, string) (net.Listener, error) { return bound, nil }
		l := newForwardLink(backlog, cfg)
		defer l.end()
		listener, err := l.forwards.ListenTCP(t.Context(), "127.0.0.1", 0)
		require.NoError(t, err)
		require.EqualValues(t, 4000, listener.Port())
		bound.errs <- syscall.EMFILE
		near, far := net.Pipe()
		defer near.Close()
		bound.conns <- far
		c, err := listener.Accept()
		require.NoError(t, err)
		require.Equal(t, "0.0.0.0:0", c.RemoteAddr().String(), "of a pipe there is no address")
		go io.WriteString(c, "x")
		_, err = io.ReadFull(near, make([]byte, 1))
		require.NoError(t, err)
		require.NoError(t, listener.Close())
		time.Sleep(time.Hour)
		require.EqualValues(t, 3, bound.accepts.Load(), "a listener that was cancelled is left alone")
	})
}

func TestDefect_ForwardsEndWithTheConnection(t *testing.T) {
	for _, how := range []string{"connection", "Close"} {
		t.Run(how, func(t *testing.T) {
			withForwards(t, forwardAll, func(t *testing.T, l *forwardLink) {
				tcp, port := tcpListener(t)
				dialled, err := DialTCP(testContext(t), l.client, "127.0.0.1", port, nil)
				require.NoError(t, err)
				far, err := tcp.Accept()
				require.NoError(t, err)
				defer far.Close()
				listener, err := l.forwards.ListenTCP(testContext(t), "", 0)
				require.NoError(t, err)
				from, err := net.Dial("tcp", local(listener.Port()))
				require.NoError(t, err)
				defer from.Close()
				_, err = listener.Accept()
				require.NoError(t, err)

				if how == "connection" {
					l.end()
				} else {
					require.NoError(t, l.server.Close())
					var refused *RequestError
					_, err = l.forwards.ListenTCP(testContext(t), "127.0.0.1", 0)
					require.ErrorAs(t, err, &refused)
					_, err = DialTCP(testContext(t), l.client, "127.0.0.1", port, nil)
					require.Equal(t, ResourceShortage, openReason(t, err))
				}
				for _, c := range []net.Conn{far, from, dialled} {
					_, err = c.Read(make([]byte, 1))
					require.Error(t, err)
				}
				require.Eventually(t, func() bool {
					c, err := net.Dial("tcp", local(listener.Port()))
					if err == nil {
						c.Close()
					}
					return errors.Is(err, syscall.ECONNREFUSED)
				}, testTimeout, time.Millisecond)
			})
		})
	}
}

func TestForwardAddressesCovered(t *testing.T) {
	tests := []struct {
		asked, address string
		want           bool
	}{
		{"localhost", "localhost", true},
		{"LocalHost", "localhost", true},
		{"localhost", "127.0.0.1", true},
		{"localhost", "::1", true},
		{"localhost", "192.0.2.1", false},
		{"localhost", "example.com", false},
		{"", "", true},
		{"", "192.0.2.1", true},
		{"", "2001:db8::1", true},
		{"", "localhost", true},
		{"", "example.com", false},
		{"*", "192.0.2.1", true},
		{"0.0.0.0", "192.0.2.1", true},
		{"0.0.0.0", "::ffff:192.0.2.1", true},
		{"0.0.0.0", "2001:db8::1", false},
		{"0.0.0.0", "", false},
		{"::", "2001:db8::1", true},
		{"::", "192.0.2.1", false},
		{"2001:db8::1", "2001:0db8::1", true},
		{"192.0.2.1", "192.0.2.2", false},
		{"192.0.2.1", "", false},
		{"example.com", "192.0.2.1", false},
	}
	for _, test := range tests {
		require.Equal(t, test.want, covers(test.asked, test.address), "%q, %q", test.asked, test.address)
	}
}

// RFC 4254 section 7.1, and OpenSSH's GatewayPorts.
func TestBindAddresses(t *testing.T) {
	v4, v6 := bindAddress{"tcp4", "127.0.0.1"}, bindAddress{"tcp6", "::1"}
	tests := []struct {
		host    string
		gateway []bindAddress
		without []bindAddress
	}{
		{"", []bindAddress{{"tcp", ""}}, []bindAddress{v4, v6}},
		{"*", []bindAddress{{"tcp", ""}}, []bindAddress{v4, v6}},
		{"localhost", []bindAddress{v4, v6}, []bindAddress{v4, v6}},
		{"127.0.0.1", []bindAddress{v4}, []bindAddress{v4}},
		{"127.0.0.2", []bindAddress{{"tcp4", "127.0.0.2"}}, []bindAddress{{"tcp4", "127.0.0.2"}}},
		{"::1", []bindAddress{v6}, []bindAddress{v6}},
		{"0.0.0.0", []bindAddress{{"tcp4", "0.0.0.0"}}, []bindAddress{v4}},
		{"::", []bindAddress{{"tcp6", "::"}}, []bindAddress{v6}},
		{"192.0.2.1", []bindAddress{{"tcp4", "192.0.2.1"}}, []bindAddress{v4}},
		{"::ffff:192.0.2.1", []bindAddress{{"tcp4", "192.0.2.1"}}, []bindAddress{v4}},
		{"2001:db8::1", []bindAddress{{"tcp6", "2001:db8::1"}}, []bindAddress{v6}},
		{"host.example.com", []bindAddress{{"tcp", "host.example.com"}}, []bindAddress{v4, v6}},
	}
	for _, test := range tests {
		require.Equal(t, test.gateway, bindAddresses(test.host, true), "%q", test.host)
		require.Equal(t, test.without, bindAddresses(test.host, false), "%q", test.host)
	}
}

// Both loopback families get the same port, and one is enough.
func TestBindUsesOnePort(t *testing.T) {
	var asked []string
	f := NewForwardServer(New(nil, Config{}), ForwardConfig{Listen: func(_ context.Context, network, address string) (net.Listener, error) {
		asked = append(asked, network+" "+address)
		if network == "tcp6" {
			return nil, syscall.EADDRNOTAVAIL
		}
		return newTestListener(), nil
	}})
	b, err := f.bind(t.Context(), tcpipForward{"localhost", 0})
	require.NoError(t, err)
	require.Equal(t, []string{"tcp4 127.0.0.1:0", "tcp6 [::1]:4000"}, asked)
	require.Equal(t, tcpipForward{"localhost", 4000}, b.forward)
	require.Len(t, b.listeners, 1)
	_, err = f.bind(t.Context(), tcpipForward{"::1", 1})
	require.ErrorIs(t, err, syscall.EADDRNOTAVAIL)
}
