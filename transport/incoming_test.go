package transport

import (
	"crypto/rand"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh/wire"
)

// TestBeforeRead: whoever puts work off until nothing more is at hand is told
// before every wait, whatever the transport keeps to itself in between.
func TestBeforeRead(t *testing.T) {
	pairs := map[string]func(testing.TB) (net.Conn, net.Conn){
		"socket": tcpPair,
		"pipe":   func(testing.TB) (net.Conn, net.Conn) { return net.Pipe() },
	}
	for name, pair := range pairs {
		t.Run(name, func(t *testing.T) {
			x, y := pair(t)
			client, server := authenticated(t, x, y, clientConfig(Config{}), serverConfig(Config{}))
			told := make(chan struct{}, 100)
			server.BeforeRead(func() bool { told <- struct{}{}; return true })
			go client.ReadPacket()
			got := make(chan byte)
			go func() {
				defer close(got)
				for {
					p, err := server.ReadPacket()
					if err != nil {
						return
					}
					got <- p[1]
				}
			}()
			client.mu.Lock()
			for i := range byte(3) { // together
				client.seal([]byte{wire.MsgChannelData, i}, nil)
			}
			client.seal([]byte{wire.MsgIgnore, 0, 0, 0, 0}, nil)
			client.mu.Unlock()
			require.NoError(t, client.QueuePacket([]byte{wire.MsgChannelData, 3}))
			for i := range byte(4) {
				require.Equal(t, i, <-got)
			}
			for len(told) > 0 {
				<-told
			}
			require.NoError(t, client.QueuePacket([]byte{wire.MsgIgnore, 0, 0, 0, 0}))
			<-told // after the message that nobody above sees
			client.Close()
			_, more := <-got
			require.False(t, more)
		})
	}
}

// TestWaitHoldsLittle: what is kept while little of a packet is there is little.
func TestWaitHoldsLittle(t *testing.T) {
	for _, test := range []struct{ have, want, buffer int }{
		{0, 4, 0},
		{1, 4, smallBuffer},
		{20, smallBuffer, smallBuffer},
		{20, smallBuffer + 1, bigBuffer},
		{smallBuffer + 1, smallBuffer + 2, bigBuffer},
	} {
		in := incoming{buf: getBigBuffer(), r: 100, w: 100 + test.have}
		want := make([]byte, test.have)
		rand.Read(want)
		copy(in.buf[in.r:], want)
		in.shrink(test.want)
		require.Len(t, in.buf, test.buffer)
		require.Equal(t, want, append([]byte{}, in.buf[in.r:in.w]...))
	}
}

// TestInterrupt: a read can be put off at any byte of a packet, and goes on
// where it was.
func TestInterrupt(t *testing.T) {
	for _, cipher := range Ciphers() {
		t.Run(cipher, func(t *testing.T) {
			a, b := tcpPair(t)
			cfg := Config{Ciphers: []string{cipher}}
			client, server := authenticated(t, a, b, clientConfig(cfg), serverConfig(cfg))
			defer drop(client, server)
			require.True(t, server.Interruptible())
			var goOn atomic.Bool
			server.BeforeRead(goOn.Load)
			_, err := server.ReadPacket()
			require.Equal(t, wire.ErrPutOff, err)

			type packet struct {
				payload []byte
				err     error
			}
			read := func() chan packet {
				c := make(chan packet, 1)
				go func() {
					p, err := server.ReadPacket()
					c <- packet{p, err}
				}()
				return c
			}
			client.mu.Lock()
			require.Empty(t, client.out.pending)
			client.seal(data(20), nil)
			sealed := slices.Clone(client.out.pending)
			client.out.pending = nil
			client.mu.Unlock()
			for i := range sealed {
				goOn.Store(true)
				got := read()
				if i%5 == 0 {
					server.Interrupt() // for nothing: it reads on
				}
				_, err := a.Write(sealed[i : i+1])
				require.NoError(t, err)
				if i == len(sealed)-1 {
					p := <-got
					require.NoError(t, p.err)
					require.Equal(t, data(20), p.payload)
					break
				}
				goOn.Store(false)
				server.Interrupt()
				require.Equal(t, wire.ErrPutOff, (<-got).err)
			}
		})
	}
}

// TestInterruptsAtOnce: several who interrupt at the same moment, such as the
// two deadlines that Close ends, do not make the read fail.
func TestInterruptsAtOnce(t *testing.T) {
	a, b := tcpPair(t)
	client, server := authenticated(t, a, b, clientConfig(Config{}), serverConfig(Config{}))
	defer drop(client, server)
	server.BeforeRead(func() bool { return true })
	got := readAll(server)
	var interrupters sync.WaitGroup
	for range 4 {
		interrupters.Go(func() {
			for range 5000 {
				server.Interrupt()
			}
		})
	}
	interrupters.Wait()
	require.NoError(t, client.QueuePacket(data(20)))
	require.Equal(t, data(20), <-got)
}
