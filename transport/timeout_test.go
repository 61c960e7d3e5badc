package transport

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh/kex"
	"github.com/fairlead-go/ssh/keys"
	"github.com/fairlead-go/ssh/wire"
)

// pipePeers is begin over net.Pipe, for a synctest bubble.
func pipePeers(t *testing.T, role kex.Role, cc *ClientConfig, sc *ServerConfig) (*tested, *rawPeer) {
	a, b := net.Pipe()
	c := &tested{done: make(chan struct{})}
	go func() {
		defer close(c.done)
		if role == kex.Client {
			c.Conn, c.err = Client(t.Context(), a, cc)
		} else {
			c.Conn, c.err = Server(t.Context(), a, sc)
		}
	}()
	return c, newRawPeer(t, b, otherRole(role), Config{})
}

// silence reads and says nothing.
func (p *rawPeer) silence() {
	p.nc.SetDeadline(time.Time{})
	go io.Copy(io.Discard, p.nc)
}

// stages are the points of a handshake at which a peer can fall silent.
var stages = []struct {
	name string
	run  func(p *rawPeer)
}{
	{"at once", func(p *rawPeer) {}},
	{"in its identification", func(p *rawPeer) { p.sendBytes([]byte("SSH-2.0-slow")) }},
	{"identified", func(p *rawPeer) { p.identify() }},
	{"in its KEXINIT", func(p *rawPeer) {
		p.identify()
		p.expectKexInit()
		b := p.sealed(p.settings.proposal(true).marshal(nil))
		p.sendBytes(b[:len(b)/2])
	}},
	{"KEXINIT sent", exchangeKexInits},
	{"before NEWKEYS", exchangeButNewKeys},
}

// Over net.Pipe a write waits for the reader, who may be writing itself.
func exchangeKexInits(p *rawPeer) {
	p.identify()
	p.expectKexInit()
	p.sendKexInit()
}

func exchangeButNewKeys(p *rawPeer) {
	exchangeKexInits(p)
	p.startKex()
	for p.x.Result() == nil {
		payload, err := p.recv()
		require.NoError(p.t, err)
		p.kexStep(payload)
	}
}

func TestHandshakeTimeout(t *testing.T) {
	forRoles(t, func(t *testing.T, role kex.Role) {
		for _, stage := range stages {
			for _, reads := range []bool{true, false} {
				t.Run(stage.name, func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						start := time.Now()
						c, p := pipePeers(t, role, clientConfig(Config{}), serverConfig(Config{}))
						stage.run(p)
						if reads {
							p.silence()
						}
						<-c.done
						require.ErrorIs(t, c.err, os.ErrDeadlineExceeded)
						require.GreaterOrEqual(t, time.Since(start), DefaultHandshakeTimeout)
						require.LessOrEqual(t, time.Since(start), DefaultHandshakeTimeout+shortLinger)
						p.nc.Close()
					})
				})
			}
		}
	})
}

// TestSlowDripEndsAtTheTimeout: bytes that trickle in gain no time.
func TestSlowDripEndsAtTheTimeout(t *testing.T) {
	forRoles(t, func(t *testing.T, role kex.Role) {
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			c, p := pipePeers(t, role, clientConfig(Config{}), serverConfig(Config{}))
			p.silence()
			dripped := make(chan struct{})
			go func() {
				defer close(dripped)
				for i := 0; ; i++ {
					if _, err := p.nc.Write([]byte{"SSH-2.0-"[min(i, 7)]}); err != nil {
						return
					}
					time.Sleep(time.Second)
				}
			}()
			<-c.done
			require.ErrorIs(t, c.err, os.ErrDeadlineExceeded)
			require.LessOrEqual(t, time.Since(start), DefaultHandshakeTimeout+shortLinger)
			p.nc.Close()
			<-dripped
		})
	})
}

// TestVerifierTakesItsTime: what VerifyHostKey takes does not count, and what
// was left before is what is left after.
func TestVerifierTakesItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cc := clientConfig(Config{})
		var verified time.Time
		cc.VerifyHostKey = func(ctx context.Context, address string, _ net.Addr, key keys.PublicKey) error {
			require.Equal(t, "test:22", address)
			require.Equal(t, testHostKey.PublicKey().Marshal(), key.Marshal())
			time.Sleep(time.Hour)
			verified = time.Now()
			return ctx.Err()
		}
		c, p := pipePeers(t, kex.Client, cc, nil)
		p.identify()
		p.expectKexInit()
		time.Sleep(20 * time.Second)
		p.sendKexInit()
		p.startKex()
		payload, err := p.recv()
		require.NoError(t, err)
		p.kexStep(payload)
		p.silence()
		<-c.done
		require.ErrorIs(t, c.err, os.ErrDeadlineExceeded)
		require.Greater(t, time.Since(verified), 9*time.Second)
		require.Less(t, time.Since(verified), 11*time.Second)
		p.nc.Close()
	})
}

// TestVerifierIsCanceled: who gives up connecting need not answer the question.
func TestVerifierIsCanceled(t *testing.T) {
	noLeaks(t)
	a, b := socketPair(t)
	p := newRawPeer(t, b, kex.Server, Config{})
	cc := clientConfig(Config{})
	asked := make(chan struct{})
	cc.VerifyHostKey = func(ctx context.Context, _ string, _ net.Addr, _ keys.PublicKey) error {
		close(asked)
		<-ctx.Done()
		return ctx.Err()
	}
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		exchangeButNewKeys(p)
		<-asked
		cancel()
	}()
	_, err := Client(ctx, a, cc)
	require.ErrorIs(t, err, context.Canceled)
}

func TestRekeyTimeout(t *testing.T) {
	forRoles(t, func(t *testing.T, role kex.Role) {
		for _, answer := range []bool{true, false} {
			synctest.Test(t, func(t *testing.T) {
				c, p := pipePeers(t, role, clientConfig(Config{}), serverConfig(Config{}))
				pipeHandshake(p)
				<-c.done
				require.NoError(t, c.err)
				c.SetAuthenticated()
				got := readAll(c.Conn)
				start := time.Now()
				rekeyed := make(chan error, 1)
				go func() { rekeyed <- c.Rekey(t.Context()) }()
				p.expectKexInit()
				if answer {
					p.sendKexInit()
				}
				p.silence()
				require.ErrorIs(t, <-rekeyed, os.ErrDeadlineExceeded)
				require.Equal(t, DefaultRekeyTimeout, time.Since(start))
				p.nc.Close()
				for range got {
				}
			})
		}
	})
}

// pipeHandshake is handshake in the order that net.Pipe needs.
func pipeHandshake(p *rawPeer) {
	exchangeKexInits(p)
	p.startKex()
	for p.x.Result() == nil {
		payload, err := p.recv()
		require.NoError(p.t, err)
		p.kexStep(payload)
	}
	p.expectNewKeys()
	go p.expect(wire.MsgExtInfo)
	synctest.Wait()
	p.sendNewKeys()
	synctest.Wait()
}

// bare hides everything of a net.Conn but reading, writing and closing.
type bare struct{ io.ReadWriteCloser }

func TestWriteTimeout(t *testing.T) {
	connected := func(t *testing.T, hide bool) (client, server *Conn, pipe net.Conn) {
		a, b := net.Pipe()
		var rwc io.ReadWriteCloser = a
		if hide {
			rwc = bare{a}
		}
		client, server = authenticated(t, rwc, b, clientConfig(Config{RekeyInterval: -1}), serverConfig(Config{RekeyInterval: -1}))
		synctest.Wait()
		return client, server, b
	}
	for _, hide := range []bool{false, true} {
		name := "net.Conn"
		if hide {
			name = "io.ReadWriteCloser"
		}
		t.Run(name+" stuck", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client, server, _ := connected(t, hide)
				got := readAll(client)
				start := time.Now()
				var err error
				for n := 0; err == nil; n++ {
					require.Less(t, n, 1000)
					err = client.WritePacket(nil, data(10000), nil)
				}
				require.ErrorIs(t, err, os.ErrDeadlineExceeded)
				require.GreaterOrEqual(t, time.Since(start), DefaultWriteTimeout*3/4)
				require.LessOrEqual(t, time.Since(start), 2*DefaultWriteTimeout)
				<-client.flushed
				server.Fail(nil)
				for range got {
				}
			})
		})
		t.Run(name+" slow", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client, server, pipe := connected(t, hide)
				got := readAll(client)
				for range 20 { // 200 kB
					require.NoError(t, client.WritePacket(nil, data(10000), nil))
				}
				buf := make([]byte, 10000)
				for range 20 { // twenty minutes
					_, err := io.ReadFull(pipe, buf)
					require.NoError(t, err)
					time.Sleep(time.Minute)
					require.NoError(t, client.Err())
				}
				client.Fail(nil)
				server.Fail(nil)
				for range got {
				}
			})
		})
	}
}

// TestRekeyInterval: a connection that nothing goes over gets new keys all the
// same, whichever side keeps the time.
func TestRekeyInterval(t *testing.T) {
	forRoles(t, func(t *testing.T, role kex.Role) {
		synctest.Test(t, func(t *testing.T) {
			a, b := net.Pipe()
			timed, still := Config{RekeyInterval: time.Minute}, Config{RekeyInterval: -1}
			if role == kex.Server {
				timed, still = still, timed
			}
			client, server := authenticated(t, a, b, clientConfig(timed), serverConfig(still))
			ends := []chan []byte{readAll(client), readAll(server)}
			time.Sleep(3*time.Minute + 30*time.Second)
			require.EqualValues(t, 4, client.State().KeyExchanges)
			require.EqualValues(t, 4, server.State().KeyExchanges)
			client.Close()
			for _, end := range ends {
				for range end {
				}
			}
			server.Close()
		})
	})
}

// TestLinger: a peer that takes nothing cannot hold up Close for long.
func TestLinger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := net.Pipe()
		client, server := authenticated(t, a, b, clientConfig(Config{}), serverConfig(Config{}))
		synctest.Wait()
		start := time.Now()
		require.NoError(t, client.Close())
		require.Equal(t, lingerTimeout, time.Since(start))
		server.Fail(nil)
	})
}

// TestNoTimerAfterTheEnd: NEWKEYS that come as the connection ends begin no
// new interval.
func TestNoTimerAfterTheEnd(t *testing.T) {
	var c *tested
	var fail bool
	cfg := Config{Trace: &Trace{PacketReceived: func(m byte, _ int) {
		if m == wire.MsgNewKeys && fail {
			c.Fail(errors.New("now"))
		}
	}}}
	c, p := keyed(t, kex.Server, cfg, nil)
	fail = true
	c.SetAuthenticated()
	got := readAll(c.Conn)
	done := make(chan error, 1)
	go func() { done <- c.Rekey(t.Context()) }()
	p.answerRekey()
	require.EqualError(t, <-done, "now")
	for range got {
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	require.False(t, c.interval.Stop())
}
