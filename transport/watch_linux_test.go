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

// soon calls f after a short time. A timer would come too late where a watch keeps
// the thread that has it.
func soon(after time.Duration, f func()) {
	due := time.Now().Add(after)
	go func() {
		for time.Now().Before(due) {
			runtime.Gosched()
		}
		f()
	}()
}

// TestWatch: whoever sleeps after having watched is woken by a single byte, and
// what comes while somebody watches is read then.
func TestWatch(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(4))
	x, y := tcpPair(t)
	in := &incoming{}
	in.socket = newSocketReader(x)
	w := &in.socket.watcher
	read := func(how wire.Wait, after time.Duration) {
		t.Helper()
		soon(after, func() { y.Write([]byte("x")) })
		n, err := in.read(nil, 1, how)
		require.NoError(t, err)
		require.Equal(t, 1, n)
		in.r = in.w
	}
	// A thread may be kept from running for any time, so each is tried until it was so.
	until := func(happens func() bool) {
		for i := 0; !happens(); i++ {
			require.Less(t, i, 1000)
			w.luck.Note(true)
		}
	}
	for range 10 {
		until(func() bool { // it found something while it watched
			read(wire.Watch, watchTime/4)
			return lowWater(t, x) > 1
		})
		until(func() bool { // and gave up
			read(wire.YieldAndWatch, 10*watchTime)
			return lowWater(t, x) == 1
		})
		require.Zero(t, w.quiet)
	}
	until(func() bool {
		read(wire.Watch, watchTime/4)
		return w.quiet > 0
	})
	until(func() bool {
		read(wire.Sleep, 10*watchTime)
		return in.socket.slept
	})
	require.Equal(t, 1, lowWater(t, x), "who sleeps without watching")
	soon(watchTime/4, func() { y.Close() })
	_, err := in.read(nil, 1, wire.Watch)
	require.Equal(t, io.EOF, err)
}

// TestBulkIsQuiet: whoever reads much without having slept has the kernel tell of
// nothing less than much more, until it sleeps; then a single byte wakes it.
func TestBulkIsQuiet(t *testing.T) {
	x, y := tcpPair(t)
	in := &incoming{}
	in.socket = newSocketReader(x)
	read := func() int {
		t.Helper()
		n, err := in.read(nil, 1, wire.Sleep)
		require.NoError(t, err)
		in.r, in.w = 0, 0
		return n
	}
	write := func(n int) {
		t.Helper()
		_, err := y.Write(make([]byte, n))
		require.NoError(t, err)
		require.Eventually(t, func() bool { return unread(t, x) == n }, time.Minute, time.Millisecond)
	}
	write(quietBytes - 1)
	require.Equal(t, quietBytes-1, read())
	require.Equal(t, 1, lowWater(t, x), "little")

	write(quietBytes)
	require.Equal(t, quietBytes, read())
	require.Equal(t, quietBulk, lowWater(t, x))

	write(1)
	require.Equal(t, 1, read(), "without sleeping")
	require.Equal(t, quietBulk, lowWater(t, x))

	// This thread may be kept from running until it is there.
	sleepFor := func(n int) {
		t.Helper()
		for in.socket.slept = false; !in.socket.slept; {
			time.AfterFunc(10*time.Millisecond, func() { y.Write(make([]byte, n)) })
			require.Equal(t, n, read())
		}
	}
	sleepFor(1)
	require.Equal(t, 1, lowWater(t, x))
	sleepFor(quietBytes)
	require.Equal(t, 1, lowWater(t, x), "after having slept")
}

// unread is how much the kernel has received for x.
func unread(t *testing.T, x net.Conn) (n int) {
	t.Helper()
	raw, err := x.(*net.TCPConn).SyscallConn()
	require.NoError(t, err)
	b := make([]byte, bigBuffer)
	raw.Control(func(fd uintptr) {
		n, _, err = syscall.Recvfrom(int(fd), b, syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
	})
	if err == syscall.EAGAIN {
		return 0
	}
	require.NoError(t, err)
	return n
}

// TestWatchOver: when a watch is over, and whether the next wait is watched.
func TestWatchOver(t *testing.T) {
	for _, test := range []struct {
		found       bool
		after, away time.Duration
		over        bool
		skipped     int
	}{
		{true, 0, 0, true, 0},
		{true, usefulTime, usefulTime, true, 0},
		{true, usefulTime + 1, 0, true, 1},
		{true, usefulTime + awayTime, awayTime, true, 1},
		{true, time.Hour, awayTime + 1, true, 128},
		{false, 0, 0, false, 0},
		{false, watchTime, watchTime, false, 0},
		{false, watchTime + 1, 0, true, 1},
		{false, time.Hour, time.Hour, true, 128},
	} {
		var w watcher
		require.Equal(t, test.over, w.over(test.found, test.after, test.away), "%+v", test)
		skipped := 0
		for ; !w.luck.Try(); skipped++ {
		}
		require.Equal(t, test.skipped, skipped, "%+v", test)
	}
}

// TestWatchersAreFew: nobody watches where enough others do, nor where one thread
// runs all Go code.
func TestWatchersAreFew(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(4))
	x, _ := tcpPair(t)
	raw, err := x.(*net.TCPConn).SyscallConn()
	require.NoError(t, err)
	begins := func() bool {
		var w watcher
		raw.Control(func(fd uintptr) { _, err = w.watch(int(fd), make([]byte, 1)) })
		require.Equal(t, syscall.EAGAIN, err)
		return w.quiet > 0
	}
	require.True(t, begins())
	watchers.Add(1)
	require.True(t, begins())
	watchers.Add(1)
	require.False(t, begins())
	watchers.Add(-2)
	runtime.GOMAXPROCS(1)
	require.False(t, begins())
	require.Zero(t, watchers.Load())
}

// TestDefect_LowWaterOutlivesItsReader: a connection that ends leaves the socket so
// that a single byte wakes whoever waits until the peer has closed.
func TestDefect_LowWaterOutlivesItsReader(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(4))
	a, b := tcpPair(t)
	client, server := authenticated(t, a, b, clientConfig(Config{}), serverConfig(Config{}))
	watch := func() wire.Wait { return wire.Watch }
	for i := 0; client.in.socket.watcher.quiet == 0; i++ {
		require.Less(t, i, 1000)
		client.in.socket.watcher.luck.Note(true)
		soon(watchTime/4, func() { server.WritePacket(nil, data(100), nil) })
		_, err := client.ReadPacketUntil(watch, time.Minute)
		require.NoError(t, err)
	}
	require.Greater(t, lowWater(t, a), 1)
	closed := make(chan error)
	go func() { closed <- client.Close() }()
	<-client.Done()
	_, err := client.ReadPacket()
	require.ErrorIs(t, err, net.ErrClosed)
	require.Equal(t, 1, lowWater(t, a))
	server.Close()
	require.NoError(t, <-closed)
}
