package channel

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/nettest"
)

// connPair opens a channel as a net.Conn at both ends. A goroutine of its own
// accepts it.
func connPair(ctx context.Context, client, server *Mux) (c, s *StreamConn, err error) {
	accepted := make(chan *Channel, 1)
	go func() {
		var ch *Channel
		if nc, err := server.Accept(ctx); err == nil {
			ch, _ = nc.Accept(nil)
		}
		accepted <- ch
	}()
	ch, err := client.Open(ctx, "test", nil, OpenOptions{})
	if err != nil {
		return nil, nil, err
	}
	here, there := tcpAddr("192.0.2.1", 1000), tcpAddr("example.com", 22)
	return NetConn(ch, here, there), NetConn(<-accepted, there, here), nil
}

func TestNetConn(t *testing.T) {
	for _, backlog := range []int{0, 1} {
		for _, opener := range []string{"opened", "accepted"} {
			t.Run(fmt.Sprintf("backlog %d, %s", backlog, opener), func(t *testing.T) {
				noLeaks(t)
				nettest.TestConn(t, func() (c1, c2 net.Conn, stop func(), err error) {
					l := newTestLink(backlog, Config{}, Config{})
					l.run()
					c, s, err := connPair(context.Background(), l.client, l.server)
					if err != nil {
						return nil, nil, nil, err
					}
					if opener == "accepted" {
						c, s = s, c
					}
					return c, s, l.end, nil
				})
			})
		}
	}
}

func TestNetConnHalfClose(t *testing.T) {
	withLink(t, Config{}, Config{}, func(t *testing.T, l *testLink) {
		c, s, err := connPair(testContext(t), l.client, l.server)
		require.NoError(t, err)
		_, err = io.WriteString(c, "question")
		require.NoError(t, err)
		require.NoError(t, c.CloseWrite())
		got, err := io.ReadAll(s)
		require.NoError(t, err)
		require.Equal(t, "question", string(got))
		_, err = c.Write([]byte("more"))
		require.ErrorIs(t, err, net.ErrClosed)
		_, err = io.WriteString(s, "answer")
		require.NoError(t, err)
		require.NoError(t, s.Close())
		got, err = io.ReadAll(c)
		require.NoError(t, err)
		require.Equal(t, "answer", string(got))
	})
}

func TestNetConnErrors(t *testing.T) {
	withLink(t, Config{}, Config{}, func(t *testing.T, l *testLink) {
		c, s, err := connPair(testContext(t), l.client, l.server)
		require.NoError(t, err)
		require.Equal(t, "192.0.2.1:1000", c.LocalAddr().String())
		require.Equal(t, "example.com:22", c.RemoteAddr().String())
		require.Equal(t, "tcp", c.RemoteAddr().Network())

		require.NoError(t, c.SetReadDeadline(time.Now().Add(-time.Second)))
		_, err = c.Read(make([]byte, 1))
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		var op *net.OpError
		require.ErrorAs(t, err, &op)
		require.True(t, op.Timeout())
		require.Equal(t, "read", op.Op)
		require.Equal(t, c.RemoteAddr(), op.Addr)

		require.NoError(t, c.SetReadDeadline(time.Time{}))
		_, err = io.WriteString(s, "x")
		require.NoError(t, err)
		_, err = io.ReadFull(c, make([]byte, 1))
		require.NoError(t, err, "a deadline that is over is not the end")

		require.NoError(t, c.Close())
		_, err = c.Read(make([]byte, 1))
		require.ErrorIs(t, err, net.ErrClosed)
		require.ErrorAs(t, err, &op)
		require.ErrorIs(t, c.SetDeadline(time.Time{}), net.ErrClosed)

		_, err = s.Read(make([]byte, 1))
		require.Equal(t, io.EOF, err, "io.EOF is not wrapped")
	})
}

func TestNetConnUnknownAddresses(t *testing.T) {
	withLink(t, Config{}, Config{}, func(t *testing.T, l *testLink) {
		c, _, err := connPair(testContext(t), l.client, l.server)
		require.NoError(t, err)
		n := NetConn(c.Channel(), nil, nil)
		require.Equal(t, Addr{Net: "ssh"}, n.LocalAddr())
		require.Equal(t, Addr{Net: "ssh"}, n.RemoteAddr())
	})
}
