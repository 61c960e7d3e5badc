//go:build !race

package transport

// What the race detector would count as well.

import (
	"io"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestNoAllocations: neither direction allocates in its steady state.
func TestNoAllocations(t *testing.T) {
	for _, d := range testSuites() {
		for _, size := range packetSizes {
			body := data(size)
			out := offline(t, &d, nil)
			flushed := make(chan int, 1)
			out.rwc = counter{flushed}
			write := func() {
				if err := out.WritePacket(nil, body[:9], body[9:]); err != nil {
					t.Error(err)
				}
				<-flushed
				for { // until nobody writes
					out.mu.Lock()
					idle := !out.out.writing
					out.mu.Unlock()
					if idle {
						return
					}
					runtime.Gosched()
				}
			}
			for range 10 {
				write()
			}
			require.Zero(t, testing.AllocsPerRun(200, write), "%s, write %d", d, size)
			out.Fail(&ConnectionError{Op: "write", Err: io.EOF})
			<-out.flushed

			in := offline(t, &d, nil)
			in.rwc = stream{&loop{from: offline(t, &d, nil), body: body}}
			in.keyed, in.authenticated = true, true
			read := func() {
				if b, err := in.ReadPacket(); err != nil || len(b) != size {
					t.Error(err)
				}
			}
			for range 10 {
				read()
			}
			require.Zero(t, testing.AllocsPerRun(500, read), "%s, read %d", d, size)
		}
	}
}

type counter struct{ wrote chan int }

func (c counter) Read([]byte) (int, error) { return 0, io.EOF }
func (c counter) Close() error             { return nil }
func (c counter) Write(b []byte) (int, error) {
	select {
	case c.wrote <- len(b):
	default:
	}
	return len(b), nil
}

// buffers is what a Conn holds in buffers now.
func buffers(c *Conn) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := cap(c.out.pending) + cap(c.out.deferred)
	if d := c.out.deflate; d != nil && d.c != nil {
		n += 800 << 10
	}
	return n
}

// idleMemory returns the bytes of heap that a connection holds which has been
// busy and is not any more.
func idleMemory(t *testing.T, cfg Config) int {
	const connections = 200
	heap := func() uint64 {
		for range 3 {
			runtime.GC() // empties the pools, too
		}
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	var conns []*Conn
	for range connections {
		a, b := socketPair(t)
		client, server := connect(t, a, b, clientConfig(cfg), serverConfig(cfg))
		logIn(t, client, server)
		got := []chan []byte{make(chan []byte, 1), make(chan []byte, 1)}
		for i, c := range []*Conn{client, server} {
			go func() {
				for {
					b, err := c.ReadPacket()
					if err != nil {
						return
					}
					got[i] <- b[:1]
				}
			}()
		}
		for _, size := range []int{100, 100000, 100, 32768} {
			require.NoError(t, client.WritePacket(nil, data(size), nil))
			require.NoError(t, server.WritePacket(nil, data(size), nil))
			<-got[0]
			<-got[1]
		}
		conns = append(conns, client, server)
	}
	for _, c := range conns {
		require.Eventually(t, func() bool { return buffers(c) == 0 }, 10*time.Second, time.Millisecond)
	}
	each := int(heap()-before) / len(conns)
	runtime.KeepAlive(conns)
	return each
}

// TestIdleMemory: a connection that has been busy and is not any more holds
// one small buffer, whatever it did before, and with compression what the peer
// may still refer to.
func TestIdleMemory(t *testing.T) {
	plain := idleMemory(t, Config{})
	compressed := idleMemory(t, Config{Compression: []string{compressionDelayed}})
	t.Logf("heap for each idle Conn: %d bytes, %d with %s", plain, compressed, compressionDelayed)
	// A small buffer to read into; ciphers, addresses and the rest.
	require.Less(t, plain, 16<<10)
	require.Less(t, compressed, plain+36<<10)
}
