package transport

import (
	"crypto/rand"
	"net"
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
			server.BeforeRead(func() { told <- struct{}{} })
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
