package transport

import (
	"io"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh/transport/internal/inflate"
)

// A loop is an io.Reader that gives the same packets for ever; what it gives
// is sealed as it is asked for.
type loop struct {
	from *Conn // seals
	body []byte
	rest []byte
}

func (l *loop) Read(b []byte) (int, error) {
	if len(l.rest) == 0 {
		l.from.mu.Lock()
		defer l.from.mu.Unlock()
		o := &l.from.out
		o.pending = o.pending[:0]
		for range max(1, 65536/(len(l.body)+1)) {
			l.from.seal(l.body[:1], l.body[1:])
		}
		l.rest = o.pending
	}
	n := copy(b, l.rest)
	l.rest = l.rest[n:]
	return n, nil
}

var packetSizes = []int{64, 32 << 10}

// TestNoAllocations: neither direction allocates in its steady state.
func TestNoAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("allocations cannot be counted under the race detector")
	}
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
	if raceEnabled {
		t.Skip("allocations cannot be counted under the race detector")
	}
	plain := idleMemory(t, Config{})
	compressed := idleMemory(t, Config{Compression: []string{compressionDelayed}})
	t.Logf("heap for each idle Conn: %d bytes, %d with %s", plain, compressed, compressionDelayed)
	// A small buffer to read into; ciphers, addresses and the rest.
	require.Less(t, plain, 16<<10)
	require.Less(t, compressed, plain+36<<10)
}

// TestNoAllocationsCompressed: compression allocates nothing in its steady
// state, either.
func TestNoAllocationsCompressed(t *testing.T) {
	for _, size := range packetSizes {
		body := data(size)
		out, in := offline(t, nil, nil), offline(t, nil, nil)
		out.deflateLocked(true)
		in.in.inflate = new(inflate.Decoder)
		in.rwc = stream{&loop{from: out, body: body}}
		in.keyed, in.authenticated = true, true
		read := func() {
			if b, err := in.ReadPacket(); err != nil || len(b) != size {
				t.Error(err)
			}
		}
		for range 50 {
			read()
		}
		// Under the race detector a sync.Pool forgets at random.
		if n := testing.AllocsPerRun(300, read); !raceEnabled {
			require.Zero(t, n, size)
		}
	}
}

// BenchmarkTransfer sends over TCP on 127.0.0.1, both ends in this process.
func BenchmarkTransfer(b *testing.B) {
	for _, d := range testSuites() {
		cfg := Config{Ciphers: []string{d.cipher.name}}
		if d.mac != nil {
			cfg.MACs = []string{d.mac.name}
		}
		for _, size := range packetSizes {
			b.Run(d.cipher.name+"/"+d.macName()+"/"+byteSize(size), func(b *testing.B) {
				x, y := tcpPair(b)
				client, server := authenticated(b, x, y, clientConfig(cfg), serverConfig(cfg))
				go client.ReadPacket()
				body := data(size)
				b.SetBytes(int64(size))
				done := make(chan error, 1)
				b.ResetTimer()
				go func() {
					for range b.N {
						if _, err := server.ReadPacket(); err != nil {
							done <- err
							return
						}
					}
					done <- nil
				}()
				for range b.N {
					if err := client.WritePacket(nil, body[:9], body[9:]); err != nil {
						b.Fatal(err)
					}
				}
				if err := <-done; err != nil {
					b.Fatal(err)
				}
			})
		}
	}
}

func byteSize(n int) string {
	if n >= 1<<10 {
		return "32KiB"
	}
	return "64B"
}

// BenchmarkSeal is the outgoing half alone, its bytes thrown away.
func BenchmarkSeal(b *testing.B) {
	for _, d := range testSuites() {
		for _, size := range packetSizes {
			b.Run(d.cipher.name+"/"+d.macName()+"/"+byteSize(size), func(b *testing.B) {
				c := offline(b, &d, nil)
				body := data(size)
				b.SetBytes(int64(size))
				for b.Loop() {
					c.seal(body[:9], body[9:])
					if len(c.out.pending) > highWater {
						c.out.pending = c.out.pending[:0]
					}
				}
			})
		}
	}
}

// BenchmarkOpen is the incoming half alone; sealing is not in its time.
func BenchmarkOpen(b *testing.B) {
	for _, d := range testSuites() {
		for _, size := range packetSizes {
			b.Run(d.cipher.name+"/"+d.macName()+"/"+byteSize(size), func(b *testing.B) {
				from := offline(b, &d, nil)
				body := data(size)
				from.seal(body, nil)
				sealed := from.out.pending
				cipher := newTestCipher(b, d)
				scratch := slices.Clone(sealed)
				head := cipher.geometry().headSize
				g, isGCM := cipher.(*gcmCipher)
				m, isMAC := cipher.(*macCipher)
				b.SetBytes(int64(size))
				for b.Loop() {
					copy(scratch, sealed)
					if isGCM {
						copy(g.nonce[:], testKeys('A', 12))
					}
					if isMAC { // the same key stream again
						block, _ := d.cipher.block(testKeys('C', d.cipher.keySize))
						m.blocks = d.cipher.mode(block, testKeys('A', d.cipher.ivSize))
					}
					cipher.openLength(0, scratch[:head])
					if !cipher.open(0, scratch) {
						b.Fatal("does not open")
					}
				}
			})
		}
	}
}
