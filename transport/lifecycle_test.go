package transport

import (
	"context"
	"crypto/ed25519"
	"errors"
	"io"
	"net"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh/kex"
	"github.com/fairlead-go/ssh/keys"
	"github.com/fairlead-go/ssh/wire"
)

// noLeaks fails the test when goroutines that it started outlive it. To be
// called first.
func noLeaks(t testing.TB) {
	before := runtime.NumGoroutine()
	t.Cleanup(func() {
		for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
			if runtime.NumGoroutine() <= before {
				return
			}
			if time.Now().After(deadline) {
				buf := make([]byte, 1<<20)
				t.Errorf("goroutines leak:\n%s", buf[:runtime.Stack(buf, true)])
				return
			}
		}
	})
}

func TestNoGoroutineIsLeft(t *testing.T) {
	ends := []struct {
		name string
		end  func(c *tested, p *rawPeer)
	}{
		{"Close", func(c *tested, p *rawPeer) { c.Close() }},
		{"Close unheard", func(c *tested, p *rawPeer) { c.Close() }},
		{"Fail", func(c *tested, p *rawPeer) { c.Fail(errors.New("x")) }},
		{"Fail with nil", func(c *tested, p *rawPeer) { c.Fail(nil); c.Fail(nil) }},
		{"peer vanishes", func(c *tested, p *rawPeer) { p.nc.Close() }},
		{"peer vanishes in a packet", func(c *tested, p *rawPeer) {
			b := p.sealed(data(100))
			p.sendBytes(b[:50])
			p.nc.Close()
		}},
		{"peer disconnects", func(c *tested, p *rawPeer) { p.send(appendDisconnect(nil, 11, "")) }},
		{"corrupt packet", func(c *tested, p *rawPeer) {
			b := p.sealed(data(100))
			b[len(b)-1] ^= 1
			p.sendBytes(b)
		}},
		{"amid a rekey", func(c *tested, p *rawPeer) {
			p.sendKexInit()
			for b := []byte{0}; b[0] != wire.MsgKexInit; {
				b, _ = p.recv()
			}
			c.Fail(errors.New("x"))
		}},
	}
	forRoles(t, func(t *testing.T, role kex.Role) {
		for _, end := range ends {
			t.Run(end.name, func(t *testing.T) {
				noLeaks(t)
				c, p, got := loggedIn(t, role, Config{}, nil)
				// Three that wait: for room, for a rekey, for a pong.
				var wg sync.WaitGroup
				wg.Go(func() {
					for c.WritePacket(nil, data(30000), nil) == nil {
					}
				})
				wg.Go(func() { c.Ping(context.Background()) })
				if end.name != "Close unheard" && end.name != "amid a rekey" {
					wg.Go(func() { io.Copy(io.Discard, p.nc); p.nc.Close() })
				}
				end.end(c, p)
				wg.Wait()
				for range got {
				}
				<-c.Done()
				<-c.flushed
				require.Error(t, c.Err())
				require.Error(t, c.QueuePacket(data(1)))
				require.ErrorIs(t, c.Rekey(context.Background()), c.Err())
				if end.name == "Close" || end.name == "Fail with nil" {
					require.ErrorIs(t, c.Err(), net.ErrClosed)
				}
				_, err := c.ReadPacket()
				require.Equal(t, c.Err(), err)
			})
		}
	})
}

// TestCancelAtEveryStage ends the context of Client and Server wherever a
// handshake can be.
func TestCancelAtEveryStage(t *testing.T) {
	forRoles(t, func(t *testing.T, role kex.Role) {
		for _, stage := range stages {
			t.Run(stage.name, func(t *testing.T) {
				noLeaks(t)
				a, b := socketPair(t)
				p := newRawPeer(t, b, otherRole(role), Config{})
				why := errors.New("not wanted any more")
				ctx, cancel := context.WithCancelCause(context.Background())
				result := make(chan error, 1)
				go func() {
					var err error
					if role == kex.Client {
						_, err = Client(ctx, a, clientConfig(Config{}))
					} else {
						_, err = Server(ctx, a, serverConfig(Config{}))
					}
					result <- err
				}()
				stage.run(p)
				start := time.Now()
				cancel(why)
				require.ErrorIs(t, <-result, why)
				require.Less(t, time.Since(start), lingerTimeout)
			})
		}
	})
}

// TestCancelRace ends the context around the moment at which the handshake
// succeeds: either there is an error, or the connection lives on.
func TestCancelRace(t *testing.T) {
	noLeaks(t)
	for i := range 200 {
		a, b := socketPair(t)
		ctx, cancel := context.WithCancel(context.Background())
		cfg := Config{KeyExchanges: []string{"curve25519-sha256"}}
		cfg.Trace = &Trace{KeyExchanged: func(State) { go cancel() }}
		if i%4 == 0 {
			go func() { time.Sleep(time.Duration(i) * 5 * time.Microsecond); cancel() }()
		}
		done := make(chan *Conn, 1)
		go func() {
			s, err := Server(context.Background(), b, serverConfig(Config{}))
			if err == nil {
				_, err = s.ReadPacket()
				require.Error(t, err)
			}
			done <- s
		}()
		c, err := Client(ctx, a, clientConfig(cfg))
		if err == nil {
			time.Sleep(200 * time.Microsecond)
			require.NoError(t, c.Err(), "a connection was returned, and ctx ended it")
			c.Fail(nil)
			<-c.flushed
		}
		if s := <-done; s != nil {
			s.Fail(nil)
			<-s.flushed
		}
		cancel()
	}
}

type refusing struct{ *keys.PrivateKey }

func (refusing) Sign(context.Context, string, []byte) (*keys.Signature, error) {
	return nil, errors.New("the token is gone")
}

type forging struct{ *keys.PrivateKey }

func (f forging) Sign(ctx context.Context, algorithm string, data []byte) (*keys.Signature, error) {
	return otherHostKey.Sign(ctx, algorithm, data)
}

// TestFailedHandshakes: each kind gives its error on both sides and leaves
// nothing behind.
func TestFailedHandshakes(t *testing.T) {
	refusal := errors.New("never seen this host")
	tests := []struct {
		name           string
		client, server Config
		hostKey        keys.Signer
		verify         HostKeyVerifier
		check          func(t *testing.T, clientErr, serverErr error)
	}{
		{name: "no common cipher", client: Config{Ciphers: []string{"aes128-ctr"}}, server: Config{Ciphers: []string{"aes256-ctr"}},
			check: func(t *testing.T, clientErr, serverErr error) {
				for _, err := range []error{clientErr, serverErr} {
					var ne *NegotiationError
					var de *DisconnectError
					require.True(t, errors.As(err, &ne) || errors.As(err, &de), "%v", err)
				}
			}},
		{name: "host key refused", verify: func(context.Context, string, net.Addr, keys.PublicKey) error { return refusal },
			check: func(t *testing.T, clientErr, serverErr error) {
				var he *HostKeyError
				require.ErrorAs(t, clientErr, &he)
				require.ErrorIs(t, clientErr, refusal)
				var de *DisconnectError
				require.ErrorAs(t, serverErr, &de)
				require.EqualValues(t, wire.DisconnectHostKeyNotVerifiable, de.Reason)
				require.NotContains(t, serverErr.Error(), refusal.Error())
			}},
		{name: "host key forged", hostKey: forging{testHostKey}, check: func(t *testing.T, clientErr, serverErr error) {
			var he *HostKeyError
			require.ErrorAs(t, clientErr, &he)
		}},
		{name: "signer fails", hostKey: refusing{testHostKey}, check: func(t *testing.T, clientErr, serverErr error) {
			require.ErrorContains(t, serverErr, "the token is gone")
			var de *DisconnectError
			require.ErrorAs(t, clientErr, &de)
			require.NotContains(t, clientErr.Error(), "token")
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			noLeaks(t)
			a, b := socketPair(t)
			cc, sc := clientConfig(tt.client), serverConfig(tt.server)
			if tt.verify != nil {
				cc.VerifyHostKey = tt.verify
			}
			if tt.hostKey != nil {
				sc.HostKeys = []keys.Signer{tt.hostKey}
			}
			serverErr := make(chan error, 1)
			go func() {
				_, err := Server(context.Background(), b, sc)
				serverErr <- err
			}()
			_, err := Client(context.Background(), a, cc)
			require.Error(t, err)
			tt.check(t, err, <-serverErr)
		})
	}
}

// TestZeroValuesFailClosed: nothing is sent without a verifier or a host key.
func TestZeroValuesFailClosed(t *testing.T) {
	for _, cc := range []*ClientConfig{nil, {}, {Address: "x"}} {
		a, b := net.Pipe()
		_, err := Client(context.Background(), a, cc)
		require.ErrorIs(t, err, ErrNoVerifier)
		_, err = b.Read(make([]byte, 1))
		require.ErrorIs(t, err, io.EOF)
	}
	public, err := keys.NewSecurityKeyPublic(make(ed25519.PublicKey, ed25519.PublicKeySize), "ssh:")
	require.NoError(t, err)
	mute, err := keys.NewSecurityKey(&keys.SecurityKey{PublicKey: public})
	require.NoError(t, err)
	for _, sc := range []*ServerConfig{nil, {}, {HostKeys: []keys.Signer{mute}}} {
		a, b := net.Pipe()
		_, err := Server(context.Background(), a, sc)
		require.ErrorIs(t, err, ErrNoHostKey)
		_, err = b.Read(make([]byte, 1))
		require.ErrorIs(t, err, io.EOF)
	}
}

func TestConfigIsChecked(t *testing.T) {
	for name, cfg := range map[string]Config{
		"unknown kex":     {KeyExchanges: []string{"rot13"}},
		"unknown cipher":  {Ciphers: []string{"none"}},
		"no kex":          {KeyExchanges: []string{}},
		"no cipher":       {Ciphers: []string{}},
		"no compression":  {Compression: []string{}},
		"repeated cipher": {Ciphers: []string{"aes128-ctr", "aes128-ctr"}},
		"unknown MAC":     {MACs: []string{"none"}},
		"pseudo method":   {KeyExchanges: []string{extInfoClient}},
		"packets":         {RekeyPackets: DefaultRekeyPackets + 1},
		"version":         {SoftwareVersion: "a\nb"},
		"long version":    {SoftwareVersion: string(make([]byte, 300))},
	} {
		_, err := clientConfig(cfg).settings()
		require.Error(t, err, name)
		_, err = serverConfig(cfg).settings()
		require.Error(t, err, name)
	}
	s, err := clientConfig(Config{}).settings()
	require.NoError(t, err)
	require.EqualValues(t, DefaultRekeyBytes, s.RekeyBytes)
	require.Equal(t, DefaultHandshakeTimeout, s.HandshakeTimeout)
}

// TestPacketSizes: what cannot be sent is refused whenever it is asked for.
func TestPacketSizes(t *testing.T) {
	c, p, _ := loggedIn(t, kex.Client, Config{}, nil)
	require.Error(t, c.WritePacket(nil, nil, nil))
	require.ErrorIs(t, c.WritePacket(nil, data(1), make([]byte, maxPayload)), errPacketTooLarge)
	require.NoError(t, c.WritePacket(nil, data(1), make([]byte, maxPayload-1)))
	require.Len(t, p.expect(wire.MsgChannelData), maxPayload)
	require.NoError(t, c.Err())

	// While keys are exchanged nothing slips by.
	p.sendKexInit()
	p.expectKexInit()
	require.ErrorIs(t, c.QueuePacket(make([]byte, maxPayload+1)), errPacketTooLarge)
	require.ErrorIs(t, c.Err(), errPacketTooLarge)
}
