package transport

import (
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh/kex"
	"github.com/fairlead-go/ssh/wire"
)

// TestDisconnectIsReadThroughTraffic ends a connection while the peer is
// sending: closing a TCP connection with unread data would reset it and
// destroy what we said last.
func TestDisconnectIsReadThroughTraffic(t *testing.T) {
	for range 30 {
		a, b := tcpPair(t)
		client, server := authenticated(t, a, b, clientConfig(Config{}), serverConfig(Config{}))
		go func() {
			for body := data(32 << 10); client.WritePacket(nil, body, nil) == nil; {
			}
		}()
		_, err := server.ReadPacket() // and no more than that
		require.NoError(t, err)
		go server.Disconnect(wire.DisconnectByApplication, "enough")
		for {
			if _, err = client.ReadPacket(); err != nil {
				break
			}
		}
		var de *DisconnectError
		require.ErrorAs(t, err, &de)
		require.Equal(t, "enough", de.Message)
	}
}

// TestLastWordsAreOutAlready: where the flusher wrote our reason before it saw
// the end, closing is as gentle as where it is still to be written.
func TestLastWordsAreOutAlready(t *testing.T) {
	a, b := tcpPair(t)
	defer b.Close()
	s, err := serverConfig(Config{}).settings()
	require.NoError(t, err)
	c := newConn(a, s, kex.Server)
	_, err = b.Write(make([]byte, 64<<10)) // never read
	require.NoError(t, err)
	_, err = a.Write([]byte("last words"))
	require.NoError(t, err)
	c.err = &DisconnectError{}
	c.linger = time.AfterFunc(lingerTimeout, c.closeNow)
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.finish()
	}()
	time.Sleep(20 * time.Millisecond)
	said, err := io.ReadAll(b)
	require.NoError(t, err)
	require.Equal(t, "last words", string(said))
	b.Close()
	<-done
}

// TestDisconnectAfterIdleness: the write deadline of long ago does not keep
// the last words back.
func TestDisconnectAfterIdleness(t *testing.T) {
	a, b := tcpPair(t)
	client, server := authenticated(t, a, b, clientConfig(Config{WriteTimeout: 20 * time.Millisecond}), serverConfig(Config{}))
	time.Sleep(50 * time.Millisecond)
	go client.Disconnect(wire.DisconnectByApplication, "good night")
	_, err := server.ReadPacket()
	var de *DisconnectError
	require.ErrorAs(t, err, &de)
	require.Equal(t, "good night", de.Message)
}

// TestRemoteReasonOutlivesAWriteError: a peer that says why it goes and closes
// at once makes our next write fail; its reason is the cause all the same.
func TestRemoteReasonOutlivesAWriteError(t *testing.T) {
	for range 30 {
		c, p := keyed(t, kex.Server, Config{}, nil)
		p.send(appendDisconnect(nil, wire.DisconnectByApplication, "too many failures"))
		p.nc.Close()
		go func() {
			for c.WritePacket(nil, data(1000), nil) == nil {
			}
		}()
		time.Sleep(2 * time.Millisecond)
		_, err := c.ReadPacket()
		for err == nil {
			_, err = c.ReadPacket()
		}
		var de *DisconnectError
		require.True(t, errors.As(err, &de), "%v", err)
		require.Equal(t, "too many failures", de.Message)
		require.False(t, errors.Is(err, net.ErrClosed))
	}
}
