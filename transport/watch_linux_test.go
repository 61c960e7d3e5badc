package transport

import (
	"io"
	"net"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh/wire"
)

// lowWater is how much x must have before the kernel tells of it.
func lowWater(t *testing.T, x net.Conn) (n int) {
	t.Helper()
	raw, err := x.(*net.TCPConn).SyscallConn()
	require.NoError(t, err)
	raw.Control(func(fd uintptr) {
		n, err = syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVLOWAT)
	})
	require.NoError(t, err)
	return n
}

// watching returns a side of a connection whose socket may be watched.
func watching(t *testing.T) (in *incoming, x, y net.Conn) {
	x, y = tcpPair(t)
	in = &incoming{}
	in.socket = newSocketReader(x)
	in.socket.watcher.most = 1 // on a machine with one processor, too
	return in, x, y
}

// TestWatch: whoever sleeps after having watched is woken by a single byte, and
// what comes while somebody watches is read then.
func TestWatch(t *testing.T) {
	in, x, y := watching(t)
	read := func() {
		t.Helper()
		n, err := in.read(nil, 1, wire.Watch)
		require.NoError(t, err)
		require.Equal(t, 1, n)
		in.r = in.w
	}
	for range 20 {
		time.AfterFunc(10*watchTime, func() { y.Write([]byte("x")) })
		read()
		require.Equal(t, 1, lowWater(t, x), "it has slept")
		in.socket.watcher.luck.Note(true)
	}
	for watched := 0; watched < 20; {
		// The second byte is there before the first read, or while it watches.
		time.AfterFunc(watchTime/4, func() { y.Write([]byte("x")) })
		read()
		in.socket.watcher.luck.Note(true)
		if lowWater(t, x) > 1 {
			watched++
			go y.Write([]byte("x"))
			n, err := in.read(nil, 1, wire.Sleep)
			require.NoError(t, err)
			require.Equal(t, 1, n)
			in.r = in.w
		}
	}
	time.AfterFunc(watchTime/4, func() { y.Close() })
	_, err := in.read(nil, 1, wire.Watch)
	require.Equal(t, io.EOF, err)
}

// TestWatchIsRare: a peer that is never near is watched for a few times only, and
// nobody watches where enough others do.
func TestWatchIsRare(t *testing.T) {
	in, x, _ := watching(t)
	w := &in.socket.watcher
	b := make([]byte, 1)
	watch := func() (took time.Duration) {
		raw, err := x.(*net.TCPConn).SyscallConn()
		require.NoError(t, err)
		raw.Control(func(fd uintptr) {
			start := time.Now()
			_, err = w.watch(int(fd), b)
			took = time.Since(start)
		})
		require.Equal(t, syscall.EAGAIN, err)
		return took
	}
	watched := 0
	for range 2000 {
		if watch() >= watchTime {
			watched++
		}
	}
	require.InDelta(t, 11, watched, 5) // a processor taken away looks the same
	require.Zero(t, watchers.Load())

	w.luck.Note(true)
	watchers.Add(w.most)
	defer watchers.Add(-w.most)
	w.quiet = false
	watch()
	require.False(t, w.quiet, "it did not begin")
	require.Equal(t, w.most, watchers.Load())
}

// TestWatchersOfOneProcessor: where one thread runs all Go code, nobody watches.
func TestWatchersOfOneProcessor(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	require.Zero(t, newWatcher().most)
}
