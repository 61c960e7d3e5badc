package transport

import (
	"context"
	"io"
	"log/slog"
	"net"
	"strings"
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

// endLogger calls f when the end is logged.
type endLogger struct {
	slog.Handler
	f func()
}

func (l endLogger) Enabled(context.Context, slog.Level) bool { return true }

func (l endLogger) Handle(_ context.Context, r slog.Record) error {
	if strings.HasSuffix(r.Message, "ended") {
		l.f()
	}
	return nil
}

// TestCloseInLogger: who logs the end may wait for it.
func TestCloseInLogger(t *testing.T) {
	ends := map[string]func(c *Conn){
		"Fail":      func(c *Conn) { c.Fail(nil) },
		"Close":     func(c *Conn) { c.Close() },
		"CloseIdle": func(c *Conn) { c.CloseIdle() },
	}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			noLeaks(t)
			a, b := tcpPair(t)
			var client *Conn
			logged := make(chan struct{})
			cfg := Config{Logger: slog.New(endLogger{slog.DiscardHandler, func() {
				client.Close()
				close(logged)
			}})}
			client, server := authenticated(t, a, b, clientConfig(cfg), serverConfig(Config{}))
			go func() {
				server.ReadPacket()
				server.Close()
			}()
			end(client)
			<-logged
			require.NotNil(t, client.Err())
			<-client.flushed
			<-server.flushed
		})
	}
}
