//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package transport

import (
	"io"
	"net"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh/wire"
)

// TestSocketEnds: the errors of a socket that is read without net.Conn.
func TestSocketEnds(t *testing.T) {
	in := &incoming{}
	x, y := tcpPair(t)
	in.socket = newSocketReader(x)
	require.NotNil(t, in.socket)
	y.Write([]byte("ab"))
	n, err := in.read(nil, 1, wire.Sleep)
	require.NoError(t, err)
	require.Equal(t, "ab", string(in.buf[:n]))
	y.Close()
	_, err = in.read(nil, 1, wire.Sleep)
	require.Equal(t, io.EOF, err)
	x.Close()
	_, err = in.read(nil, 1, wire.Sleep)
	require.ErrorIs(t, err, net.ErrClosed)

	wrapped := struct{ *net.TCPConn }{x.(*net.TCPConn)}
	require.Nil(t, newSocketReader(wrapped), "its Read may not be the socket's")
}
