//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package transport

import (
	"net"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestRecvAndSendNow: neither waits, and both tell what they found. With the race
// detector these are other functions than without.
func TestRecvAndSendNow(t *testing.T) {
	a, b := socketPair(t)
	on := func(c net.Conn, f func(fd int, b []byte) (int, error), buf []byte) (n int, err error) {
		raw, e := c.(syscall.Conn).SyscallConn()
		require.NoError(t, e)
		require.NoError(t, raw.Control(func(fd uintptr) { n, err = f(int(fd), buf) }))
		return n, err
	}
	buf := make([]byte, 1<<20)
	n, err := on(b, recvNow, buf)
	require.Zero(t, n)
	require.Equal(t, syscall.EAGAIN, err)

	n, err = on(a, sendNow, []byte("hello"))
	require.NoError(t, err)
	require.Equal(t, 5, n)
	n, err = on(b, recvNow, buf)
	require.NoError(t, err)
	require.Equal(t, "hello", string(buf[:n]))

	sent := 0
	for err == nil { // a call may take less than there is room for
		n, err = on(a, sendNow, buf)
		sent += n
	}
	require.Equal(t, syscall.EAGAIN, err)
	received := 0
	for received < sent {
		n, err = on(b, recvNow, buf)
		require.NoError(t, err)
		received += n
	}
	require.Equal(t, sent, received)

	require.NoError(t, a.Close())
	n, err = on(b, recvNow, buf)
	require.NoError(t, err, "the end is no error")
	require.Zero(t, n)
	for err == nil { // the first may be taken
		n, err = on(b, sendNow, buf[:1])
	}
	require.Zero(t, n)
	require.Contains(t, []error{syscall.EPIPE, syscall.ECONNRESET}, err)

	n, err = recvNow(-1, buf)
	require.Zero(t, n)
	require.Equal(t, syscall.EBADF, err)
	n, err = sendNow(-1, buf)
	require.Zero(t, n)
	require.Equal(t, syscall.EBADF, err)
}
