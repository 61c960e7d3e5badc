package transport

import (
	"io"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh/wire"
)

// TestCloseIdle: it does not wait for the peer, who finds our message later, even
// behind data of its own that nobody has read.
func TestCloseIdle(t *testing.T) {
	for _, unread := range []int{0, 1, 5000} {
		noLeaks(t)
		a, b := tcpPair(t)
		client, server := authenticated(t, a, b, clientConfig(Config{}), serverConfig(Config{}))
		for range unread {
			require.NoError(t, server.WritePacket(nil, []byte{wire.MsgGlobalRequest}, data(10)))
		}
		if unread > 0 {
			require.Eventually(t, func() bool {
				server.mu.Lock()
				defer server.mu.Unlock()
				return !server.out.writing && len(server.out.pending) == 0
			}, 10*time.Second, time.Millisecond, "all of it is in our socket")
		}
		start := time.Now()
		require.NoError(t, client.CloseIdle())
		require.Less(t, time.Since(start), lingerTimeout/2)
		require.ErrorIs(t, client.Err(), net.ErrClosed)

		_, err := server.ReadPacket()
		var d *DisconnectError
		require.ErrorAs(t, err, &d, "%d unread", unread)
		require.True(t, d.Remote)
		require.Equal(t, uint32(wire.DisconnectByApplication), d.Reason)
		<-server.flushed
	}
}

// TestCloseIdleFlooded: a peer that never stops sending does not keep it.
func TestCloseIdleFlooded(t *testing.T) {
	noLeaks(t)
	a, b := tcpPair(t)
	client, server := authenticated(t, a, b, clientConfig(Config{}), serverConfig(Config{}))
	flooded := make(chan error, 1)
	go func() {
		for {
			if err := server.WritePacket(nil, []byte{wire.MsgGlobalRequest}, data(30000)); err != nil {
				flooded <- err
				return
			}
		}
	}()
	_, err := client.ReadPacket()
	require.NoError(t, err)
	start := time.Now()
	require.NoError(t, client.CloseIdle())
	require.Less(t, time.Since(start), lingerTimeout/2)
	server.Fail(nil) // whatever it was that it found
	require.Error(t, <-flooded)
	<-server.flushed
}

// TestCloseIdleNoSocket: over anything but a socket it is Close.
func TestCloseIdleNoSocket(t *testing.T) {
	noLeaks(t)
	a, b := net.Pipe()
	client, server := authenticated(t, a, b, clientConfig(Config{}), serverConfig(Config{}))
	read := make(chan error, 1)
	go func() {
		_, err := server.ReadPacket()
		read <- err
	}()
	go io.Copy(io.Discard, readerOf{client})
	require.NoError(t, client.CloseIdle())
	var d *DisconnectError
	require.ErrorAs(t, <-read, &d)
	<-server.flushed
}

// readerOf reads packets until there are no more.
type readerOf struct{ c *Conn }

func (r readerOf) Read(b []byte) (int, error) {
	p, err := r.c.ReadPacket()
	return copy(b, p), err
}
