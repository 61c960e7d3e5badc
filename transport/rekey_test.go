package transport

import (
	"bytes"
	"context"
	"errors"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh/kex"
	"github.com/fairlead-go/ssh/keys"
	"github.com/fairlead-go/ssh/wire"
)

// dribble is a net.Conn that takes and gives a few bytes at a time.
type dribble struct {
	net.Conn
	size int
}

func (d dribble) Write(b []byte) (int, error) {
	n := 0
	for len(b) > 0 {
		m, err := d.Conn.Write(b[:min(d.size, len(b))])
		n += m
		if err != nil {
			return n, err
		}
		b = b[m:]
	}
	return n, nil
}

func (d dribble) Read(b []byte) (int, error) { return d.Conn.Read(b[:min(d.size, len(b))]) }

// exchangeData sends packets each way at once and checks that all arrive as
// they were sent, in order. Who sends to a side is told by want.
func exchangeData(t *testing.T, client, server *Conn, toServer, toClient, size int) {
	t.Helper()
	var wg sync.WaitGroup
	fail := make(chan error, 4)
	stop := make(chan struct{})
	send := func(c *Conn, n int) {
		for i := range n {
			b := data(size)
			b[1], b[2] = byte(i), byte(i>>8)
			if err := c.WritePacket(nil, b[:5], b[5:]); err != nil {
				fail <- err
				return
			}
		}
	}
	var received sync.WaitGroup
	recv := func(c *Conn, n int) {
		for i := range n {
			want := data(size)
			want[1], want[2] = byte(i), byte(i>>8)
			got, err := c.ReadPacket()
			if err == nil && !bytes.Equal(got, want) {
				err = errors.New("other data than was sent")
			}
			if err != nil {
				fail <- err
				received.Done()
				return
			}
		}
		received.Done()
		for { // what is left of a key exchange
			if _, err := c.ReadPacket(); err != nil {
				return
			}
		}
	}
	received.Add(2)
	wg.Go(func() { send(client, toServer) })
	wg.Go(func() { send(server, toClient) })
	go recv(server, toServer)
	go recv(client, toClient)
	go func() { wg.Wait(); received.Wait(); close(stop) }()
	select {
	case err := <-fail:
		require.NoError(t, err)
	case <-stop:
	case <-time.After(60 * time.Second):
		require.FailNow(t, "deadlock")
	}
	select {
	case err := <-fail:
		require.NoError(t, err)
	default:
	}
}

func TestDefect_RekeyTriggers(t *testing.T) {
	const size = 1000
	never := Config{}
	byBytes := Config{RekeyBytes: 64 << 10}
	byPackets := Config{RekeyPackets: 50}
	always := Config{RekeyBytes: 1}
	tests := []struct {
		name               string
		client, server     Config
		toServer, toClient int
		dribble            int
		least              uint64 // key exchanges
	}{
		{"both by bytes, full duplex", byBytes, byBytes, 2000, 2000, 0, 20},
		{"client by bytes, sends only", byBytes, never, 1000, 0, 0, 10},
		{"client by bytes, reads only", byBytes, never, 0, 2000, 0, 2},
		{"server by bytes, sends only", never, byBytes, 0, 1000, 0, 10},
		{"server by bytes, reads only", never, byBytes, 2000, 0, 0, 2},
		{"client by packets", byPackets, never, 1000, 1000, 0, 15},
		{"server by packets, reads only", never, byPackets, 2000, 0, 0, 2},
		{"absurdly often", always, always, 60, 60, 0, 3},
		{"few bytes a write", byBytes, byBytes, 300, 300, 7, 3},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			noLeaks(t)
			a, b := socketPair(t)
			if tt.dribble > 0 {
				a, b = dribble{a, tt.dribble}, dribble{b, tt.dribble + 4}
			}
			client, server := authenticated(t, a, b, clientConfig(tt.client), serverConfig(tt.server))
			id := client.SessionID()
			exchangeData(t, client, server, tt.toServer, tt.toClient, size)
			// A read-only side cannot say when: the peer sends on until it knows,
			// which may be when all is sent.
			require.Eventually(t, func() bool { return client.State().KeyExchanges >= tt.least }, 10*time.Second, time.Millisecond)
			require.Equal(t, id, client.State().SessionID)
			require.Equal(t, id, server.State().SessionID)
			require.NotEmpty(t, id)
		})
	}
}

// TestDefect_BothSidesStartAtOnce has Rekey called on both sides at the same
// moment, again and again, with data in between.
func TestDefect_BothSidesStartAtOnce(t *testing.T) {
	noLeaks(t)
	a, b := socketPair(t)
	client, server := authenticated(t, a, b, clientConfig(Config{}), serverConfig(Config{}))
	ends := []chan []byte{readAll(client), readAll(server)}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for range 50 {
		var wg sync.WaitGroup
		for _, c := range []*Conn{client, server} {
			wg.Go(func() {
				if err := c.Rekey(ctx); err != nil {
					t.Error(err)
				}
			})
			wg.Go(func() {
				if err := c.WritePacket(nil, data(100), nil); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		<-ends[0]
		<-ends[1]
	}
	require.GreaterOrEqual(t, client.State().KeyExchanges, uint64(51))
	require.LessOrEqual(t, client.State().KeyExchanges, uint64(101))
}

func TestRekeyBeforeAuthentication(t *testing.T) {
	c, p := keyed(t, kex.Client, Config{}, nil)
	require.ErrorIs(t, c.Rekey(t.Context()), ErrRekeyTooEarly)
	// The peer may.
	got := readAll(c.Conn)
	p.rekey()
	p.send([]byte{wire.MsgUserauthFailure, 0})
	require.Equal(t, byte(wire.MsgUserauthFailure), (<-got)[0])
	require.EqualValues(t, 2, c.State().KeyExchanges)
}

// TestDefect_KeyExchangesBeforeAuthentication: each costs a server a signature,
// so an unauthenticated peer gets few.
func TestDefect_KeyExchangesBeforeAuthentication(t *testing.T) {
	forRoles(t, func(t *testing.T, role kex.Role) {
		c, p := keyed(t, role, Config{}, nil)
		readAll(c.Conn)
		for range maxPreAuthExchanges - 1 {
			p.rekey()
		}
		p.sendKexInit()
		p.expectDisconnect()
		require.ErrorContains(t, c.Err(), "too many key exchanges")
	})
}

// TestWritersGoOnAfterNewKeys: who crossed the limits of new keys before the
// peer's NEWKEYS waits for those, and goes on where no exchange follows.
func TestWritersGoOnAfterNewKeys(t *testing.T) {
	c, p := keyed(t, kex.Client, Config{RekeyBytes: 1}, nil)
	got := readAll(c.Conn)
	p.sendKexInit()
	p.expectKexInit()
	p.startKex()
	payload, err := p.recv()
	require.NoError(t, err)
	p.kexStep(payload)
	p.expectNewKeys()
	written := make(chan error, 2)
	go func() {
		for range 2 {
			written <- c.WritePacket(nil, []byte{wire.MsgUserauthRequest}, nil)
		}
	}()
	p.expect(wire.MsgUserauthRequest)
	require.NoError(t, <-written)
	require.Never(t, func() bool { return len(written) > 0 }, 20*time.Millisecond, 5*time.Millisecond)
	p.sendNewKeys()
	p.expect(wire.MsgUserauthRequest)
	require.NoError(t, <-written)
	p.nc.Close()
	for range got {
	}
}

func TestRekeyIsCanceled(t *testing.T) {
	c, p, _ := loggedIn(t, kex.Server, Config{}, nil)
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("no time")
	cancel(why)
	require.ErrorIs(t, c.Rekey(ctx), why)
	require.NoError(t, c.Err()) // the exchange goes on
	p.answerRekey()
}

// TestDefect_PeerStallsMidExchange has a peer begin a key exchange and not
// finish it, ping without end, and never read, while many write: what waits
// does not grow past its bounds, writers wait and can be cancelled, and the
// connection ends by the bound on unread replies.
func TestDefect_PeerStallsMidExchange(t *testing.T) {
	forRoles(t, func(t *testing.T, role kex.Role) {
		noLeaks(t)
		c, p, _ := loggedIn(t, role, Config{}, nil)
		p.sendKexInit()
		p.expectKexInit()
		cancel := make(chan struct{})
		var wg sync.WaitGroup
		const writers = 20
		canceled := make(chan error, writers)
		for range writers {
			wg.Go(func() { canceled <- c.WritePacket(cancel, data(32<<10), nil) })
		}
		time.Sleep(10 * time.Millisecond)
		require.Empty(t, canceled)
		close(cancel)
		for range writers {
			require.ErrorIs(t, <-canceled, wire.ErrCanceled)
		}
		for range writers {
			wg.Go(func() { canceled <- c.WritePacket(nil, data(32<<10), nil) })
		}
		ping := wire.AppendString([]byte{wire.MsgPing}, make([]byte, 10000))
		for range 200 {
			if _, err := p.nc.Write(p.sealed(ping)); err != nil {
				break
			}
			c.mu.Lock()
			held := cap(c.out.pending) + cap(c.out.deferred)
			c.mu.Unlock()
			require.Less(t, held, 2*maxBacklog+highWater)
		}
		<-c.Done()
		require.ErrorIs(t, c.Err(), errBacklog)
		wg.Wait()
		for range writers {
			require.ErrorIs(t, <-canceled, errBacklog)
		}
		p.expectDisconnect()
	})
}

// TestDataBetweenKexInitAndNewKeys: packets that were on their way when we
// began an exchange, or that a peer lets slip through, reach the layer above.
func TestDataBetweenKexInitAndNewKeys(t *testing.T) {
	forRoles(t, func(t *testing.T, role kex.Role) {
		c, p, got := loggedIn(t, role, Config{}, nil)
		done := make(chan error, 1)
		go func() { done <- c.Rekey(t.Context()) }()
		p.expectKexInit()
		p.send(data(10))
		p.sendKexInit()
		p.send(data(20))
		p.startKex()
		p.send(data(30))
		for p.x.Result() == nil {
			payload, err := p.recv()
			require.NoError(t, err)
			p.kexStep(payload)
		}
		p.send(data(40))
		p.sendNewKeys()
		p.send(data(50))
		for i := range 5 {
			require.Equal(t, data(10*(i+1)), <-got)
		}
		require.NoError(t, <-done)
	})
}

// TestRepliesAreDeferred: what the reader queues during an exchange goes out
// after our NEWKEYS, in order, and not before.
func TestRepliesAreDeferred(t *testing.T) {
	c, p, _ := loggedIn(t, kex.Client, Config{}, nil)
	p.sendKexInit()
	p.expectKexInit()
	for i := range 10 {
		require.NoError(t, c.QueuePacket([]byte{wire.MsgChannelData, byte(i)}))
	}
	p.finishKex()
	for i := range 10 {
		require.Equal(t, []byte{wire.MsgChannelData, byte(i)}, p.expect(wire.MsgChannelData))
	}
}

// slowSigner signs the first exchange at once and then waits to be told.
type slowSigner struct {
	*keys.PrivateKey
	calls   int
	signing chan struct{} // closed when the second signature is asked for
	sign    chan struct{}
	ended   chan error
}

func (s *slowSigner) Sign(ctx context.Context, algorithm string, data []byte) (*keys.Signature, error) {
	if s.calls++; s.calls > 1 {
		close(s.signing)
		select {
		case <-s.sign:
		case <-ctx.Done():
			s.ended <- ctx.Err()
			return nil, ctx.Err()
		}
	}
	return s.PrivateKey.Sign(ctx, algorithm, data)
}

// TestSlowSigner: while a token signs for a later exchange, what the peer sends
// is read; when the connection ends, the token is told.
func TestSlowSigner(t *testing.T) {
	for _, finish := range []bool{true, false} {
		noLeaks(t)
		a, b := socketPair(t)
		signer := &slowSigner{PrivateKey: testHostKey, signing: make(chan struct{}), sign: make(chan struct{}), ended: make(chan error, 1)}
		sc := serverConfig(Config{})
		sc.HostKeys = []keys.Signer{signer}
		p := newRawPeer(t, b, kex.Client, Config{})
		served := make(chan *Conn, 1)
		go func() {
			c, err := Server(context.Background(), a, sc)
			if err != nil {
				t.Error(err)
			}
			served <- c
		}()
		p.handshake()
		p.expect(wire.MsgExtInfo)
		c := <-served
		c.SetAuthenticated()
		got := readAll(c)
		p.sendKexInit()
		p.expectKexInit()
		p.startKex()
		<-signer.signing
		p.send(data(10))
		require.Equal(t, data(10), <-got)
		if finish {
			close(signer.sign)
			payload, err := p.recv()
			require.NoError(t, err)
			p.kexStep(payload)
			p.expectNewKeys()
			p.sendNewKeys()
			p.send(data(11))
			require.Equal(t, data(11), <-got)
		} else {
			p.send([]byte{31}) // no second message while the first is worked on
			require.EqualValues(t, wire.DisconnectProtocolError, p.expectDisconnect().Reason)
			require.ErrorIs(t, <-signer.ended, context.Canceled)
		}
		c.Fail(nil)
		p.nc.Close()
		for range got {
		}
	}
}

func TestDefect_HostKeyChangesAtRekey(t *testing.T) {
	for _, begins := range []string{"server", "client"} {
		c, p, got := loggedIn(t, kex.Client, Config{}, nil)
		p.settings.server.HostKeys = []keys.Signer{otherHostKey}
		if begins == "server" {
			p.sendKexInit()
			p.expectKexInit()
		} else {
			go c.Rekey(context.Background())
			p.expectKexInit()
			p.sendKexInit()
		}
		p.startKex()
		payload, err := p.recv()
		require.NoError(t, err)
		p.kexStep(payload)
		for range got {
		}
		var he *HostKeyError
		require.ErrorAs(t, c.Err(), &he)
		require.EqualValues(t, wire.DisconnectHostKeyNotVerifiable, p.expectDisconnect().Reason)
	}
}

// TestVerifierIsAskedOnce: later exchanges call no user code.
func TestVerifierIsAskedOnce(t *testing.T) {
	asked := 0
	cc := clientConfig(Config{})
	cc.VerifyHostKey = func(context.Context, string, net.Addr, keys.PublicKey) error { asked++; return nil }
	a, b := socketPair(t)
	client, server := authenticated(t, a, b, cc, serverConfig(Config{}))
	readAll(client)
	readAll(server)
	for range 3 {
		require.NoError(t, client.Rekey(t.Context()))
	}
	require.Equal(t, 1, asked)
}

// TestAlgorithmsChangeAtRekey: an exchange may agree on other ciphers, whose
// packets have another geometry.
func TestAlgorithmsChangeAtRekey(t *testing.T) {
	c, p, got := loggedIn(t, kex.Server, Config{}, nil)
	for _, cipher := range slices.Concat(Ciphers(), Ciphers()) {
		for _, mac := range MACs() {
			p.settings.Ciphers, p.settings.MACs = []string{cipher}, []string{mac}
			p.rekey()
			p.send(data(100))
			require.Equal(t, data(100), <-got)
			require.NoError(t, c.QueuePacket(data(99)))
			require.Equal(t, data(99), p.expect(wire.MsgChannelData))
			require.Equal(t, cipher, c.State().In.Cipher)
		}
	}
}

// TestWritersAreCanceledAndWoken runs many writers, some of which give up, and
// checks that no wake-up is lost: all others get through.
func TestWritersAreCanceledAndWoken(t *testing.T) {
	noLeaks(t)
	a, b := socketPair(t)
	client, server := authenticated(t, a, b, clientConfig(Config{RekeyBytes: 1 << 20}), serverConfig(Config{}))
	go func() {
		for {
			if _, err := server.ReadPacket(); err != nil {
				return
			}
		}
	}()
	go func() {
		for {
			if _, err := client.ReadPacket(); err != nil {
				return
			}
		}
	}()
	var wg sync.WaitGroup
	for i := range 32 {
		wg.Go(func() {
			for range 100 {
				var cancel chan struct{}
				if i%2 == 0 {
					cancel = make(chan struct{})
					time.AfterFunc(time.Duration(i)*20*time.Microsecond, func() { close(cancel) })
				}
				err := client.WritePacket(cancel, data(20000), nil)
				if err != nil && !(i%2 == 0 && err == wire.ErrCanceled) {
					t.Error(err)
					return
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(60 * time.Second):
		require.FailNow(t, "a writer sleeps on")
	}
}
