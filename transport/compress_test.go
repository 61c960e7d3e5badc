package transport

import (
	"bytes"
	"compress/flate"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh/kex"
	"github.com/fairlead-go/ssh/transport/internal/inflate"
	"github.com/fairlead-go/ssh/wire"
)

// offer makes a raw peer offer compression by that name only.
func offer(name string) func(*kexInit) {
	return func(m *kexInit) { m.compression = [2][]string{{name}, {name}} }
}

func noise(size int) []byte {
	b := data(size)
	rand.NewChaCha8([32]byte{1}).Read(b[1:])
	return b
}

// zlibStream is what a peer sends that compresses, flushed after each payload.
func zlibStream(payloads ...[]byte) (pieces [][]byte) {
	var b bytes.Buffer
	b.Write([]byte{0x78, 0x9c})
	w, _ := flate.NewWriter(&b, flate.BestCompression)
	for _, p := range payloads {
		w.Write(p)
		w.Flush()
		pieces = append(pieces, bytes.Clone(b.Bytes()))
		b.Reset()
	}
	return pieces
}

var serviceRequest = wire.AppendString([]byte{wire.MsgServiceRequest}, "ssh-userauth")

// logIn is a login: after its last message both sides have read all that was
// sent before.
func logIn(t testing.TB, client, server *Conn) {
	t.Helper()
	for _, c := range [][2]*Conn{{client, server}, {server, client}} {
		require.NoError(t, c[0].WritePacket(nil, serviceRequest, nil))
		payload, err := c[1].ReadPacket()
		require.NoError(t, err)
		require.Equal(t, serviceRequest, payload)
	}
	server.SetAuthenticated()
	client.SetAuthenticated()
}

// TestCompression carries data both ways through many key exchanges.
func TestCompression(t *testing.T) {
	for _, name := range []string{compressionDelayed, compressionZlib} {
		for _, size := range []int{5, 200, 32 << 10} {
			t.Run(fmt.Sprintf("%s/%d", name, size), func(t *testing.T) {
				noLeaks(t)
				cfg := Config{Compression: []string{name}, RekeyBytes: 4 << 10}
				a, b := socketPair(t)
				client, server := connect(t, a, b, clientConfig(cfg), serverConfig(cfg))
				logIn(t, client, server)
				n := 100 + min(2000, (1<<20)/size)
				exchangeData(t, client, server, n, n, size)
				for _, c := range []*Conn{client, server} {
					s := c.State()
					require.Equal(t, name, s.In.Compression)
					require.Equal(t, name, s.Out.Compression)
					require.Greater(t, s.KeyExchanges, uint64(2))
					if size > 5 {
						require.Less(t, s.Out.Bytes, uint64(n*size)/2)
					}
				}
			})
		}
	}
}

// TestCompressionOneWay: each direction has its own.
func TestCompressionOneWay(t *testing.T) {
	c, p, got := loggedIn(t, kex.Server, Config{Compression: []string{compressionNone, compressionDelayed}}, func(m *kexInit) {
		m.compression = [2][]string{{compressionDelayed}, {compressionNone}}
	})
	p.SetAuthenticated()
	for _, size := range []int{1, 1000, 1000} {
		p.send(data(size))
		require.Equal(t, data(size), <-got)
		require.NoError(t, c.WritePacket(nil, data(size), nil))
		require.Equal(t, data(size), p.expect(wire.MsgChannelData))
	}
	s := c.State()
	require.Equal(t, compressionDelayed, s.In.Compression)
	require.Equal(t, compressionNone, s.Out.Compression)
}

// TestCompressionBegins: zlib with the first packet under new keys,
// zlib@openssh.com with the first one after the login; both begin anew with
// every NEWKEYS.
func TestCompressionBegins(t *testing.T) {
	compressed := func(p *rawPeer) bool {
		decoder := p.Conn.in.inflate
		p.Conn.in.inflate = nil
		defer func() { p.Conn.in.inflate = decoder }()
		payload, err := p.recv()
		require.NoError(t, err)
		_, err = decoder.Decode(make([]byte, maxInflated), payload)
		require.NoError(t, err)
		return bytes.HasPrefix(payload, []byte{0x78, 0x9c})
	}
	forRoles(t, func(t *testing.T, role kex.Role) {
		c, p := begin(t, role, Config{Compression: []string{compressionZlib}})
		p.change = offer(compressionZlib)
		p.handshake()
		<-c.done
		require.NoError(t, c.err)
		require.True(t, compressed(p), "EXT_INFO, the first under the keys")

		c, p = keyed(t, role, Config{Compression: []string{compressionDelayed}}, offer(compressionDelayed))
		require.NoError(t, c.WritePacket(nil, serviceRequest, nil))
		require.Equal(t, serviceRequest, p.expect(wire.MsgServiceRequest))
		p.send(serviceRequest)
		payload, err := c.ReadPacket()
		require.NoError(t, err)
		require.Equal(t, serviceRequest, payload)
		c.SetAuthenticated()
		p.SetAuthenticated()
		got := readAll(c.Conn)
		require.NoError(t, c.WritePacket(nil, data(10), nil))
		require.True(t, compressed(p))
		p.send(data(100))
		require.Equal(t, data(100), <-got)
		p.rekey()
		require.NoError(t, c.WritePacket(nil, data(10), nil))
		require.True(t, compressed(p), "the head of a new stream")
		p.send(data(100))
		require.Equal(t, data(100), <-got)
	})
}

// TestDefect_DecompressionBomb: a small packet that would become a large
// payload ends the connection, and does not become it.
func TestDefect_DecompressionBomb(t *testing.T) {
	bomb := zlibStream(make([]byte, 16<<20))[0]
	require.Less(t, len(bomb), 32<<10)
	forRoles(t, func(t *testing.T, role kex.Role) {
		c, p, got := loggedIn(t, role, Config{Compression: []string{compressionDelayed}}, offer(compressionDelayed))
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		p.send(bomb) // compressed already
		_, open := <-got
		require.False(t, open)
		runtime.ReadMemStats(&after)
		require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(2<<20))
		require.ErrorIs(t, c.Err(), ErrDecompressedSize)
		e, ok := errors.AsType[*ProtocolError](c.Err())
		require.True(t, ok)
		require.EqualValues(t, wire.DisconnectCompressionError, e.Reason)
		p.Conn.in.inflate = new(inflate.Decoder)
		require.EqualValues(t, wire.DisconnectCompressionError, p.expectDisconnect().Reason)
	})
	t.Run("longest payload", func(t *testing.T) {
		_, p, got := loggedIn(t, kex.Server, Config{Compression: []string{compressionDelayed}}, offer(compressionDelayed))
		p.send(zlibStream(data(maxInflated))[0])
		require.Equal(t, data(maxInflated), <-got)
	})
}

// TestDefect_DecompressionBeforeLogin: by default nothing is decompressed
// before the login; with zlib what comes out counts as received.
func TestDefect_DecompressionBeforeLogin(t *testing.T) {
	forRoles(t, func(t *testing.T, role kex.Role) {
		c, p := keyed(t, role, Config{Compression: []string{compressionDelayed}}, offer(compressionDelayed))
		p.send(zlibStream(data(100))[0])
		go c.ReadPacket()
		p.expect(wire.MsgUnimplemented) // the stream's head, as a message number
		p.send([]byte{wire.MsgDisconnect})
		<-c.Done()
		require.Zero(t, c.in.inflated)

		c, p = begin(t, role, Config{Compression: []string{compressionZlib}})
		p.change = offer(compressionZlib)
		p.handshake()
		<-c.done
		require.NoError(t, c.err)
		got := readAll(c.Conn)
		long := make([]byte, maxInflated)
		long[0] = wire.MsgIgnore
		pieces := zlibStream(long, long, long, long, long, long, long, long, long)
		p.out.deflate = nil
		go func() {
			for _, piece := range pieces {
				p.nc.Write(p.sealed(piece))
			}
		}()
		_, open := <-got
		require.False(t, open)
		require.ErrorContains(t, c.Err(), "too much sent before authentication")
		require.Less(t, c.in.inflated, uint64(maxPreAuthBytes+2*maxInflated))
	})
}

func TestCorruptCompression(t *testing.T) {
	good := zlibStream(data(1000))[0]
	for name, payload := range map[string][]byte{
		"not compressed": data(100),
		"broken":         append(good[:2:2], 0xff),
		"no payload":     good[:2],
		"an empty block": zlibStream(nil)[0],
	} {
		t.Run(name, func(t *testing.T) {
			forRoles(t, func(t *testing.T, role kex.Role) {
				c, p, got := loggedIn(t, role, Config{Compression: []string{compressionDelayed}}, offer(compressionDelayed))
				p.send(payload)
				_, open := <-got
				require.False(t, open)
				require.ErrorIs(t, c.Err(), ErrCompression)
			})
		})
	}
}

// TestCompressedSizes: what is longest still fits when it does not compress,
// and hooks see what it was before.
func TestCompressedSizes(t *testing.T) {
	var sent, received atomic.Int64
	count := func(n *atomic.Int64) func(byte, int) {
		return func(message byte, size int) {
			if message == wire.MsgChannelData {
				n.Add(int64(size))
			}
		}
	}
	cc, sc := clientConfig(Config{Compression: []string{compressionZlib}}), serverConfig(Config{Compression: []string{compressionZlib}})
	cc.Trace = &Trace{PacketSent: count(&sent)}
	sc.Trace = &Trace{PacketReceived: count(&received)}
	a, b := socketPair(t)
	client, server := authenticated(t, a, b, cc, sc)
	go client.ReadPacket()
	total := 0
	for _, size := range []int{1, noCompressor, noCompressor + 1, 1000, 65535, 65536, maxPayload - 1, maxPayload} {
		for range 2 {
			require.NoError(t, client.WritePacket(nil, noise(size)[:1], noise(size)[1:]))
			payload, err := server.ReadPacket()
			require.NoError(t, err)
			require.True(t, bytes.Equal(noise(size), payload), size)
			total += size
		}
	}
	require.EqualValues(t, total, sent.Load())
	require.EqualValues(t, total, received.Load())
	require.Error(t, client.WritePacket(nil, noise(maxPayload+1), nil))
}

// TestCompressorIsDropped: a connection that is idle has no compressor, a busy
// one keeps it, and what comes after continues the stream.
func TestCompressorIsDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := offline(t, nil, nil)
		c.deflateLocked(true)
		d := c.out.deflate
		var decoder inflate.Decoder
		plain := make([]byte, maxInflated)
		has := func() bool {
			c.mu.Lock()
			defer c.mu.Unlock()
			return d.c != nil
		}
		send := func(payload []byte) {
			t.Helper()
			c.mu.Lock()
			b := d.append(c, nil, payload[:1], payload[1:])
			c.mu.Unlock()
			n, err := decoder.Decode(plain, b)
			require.NoError(t, err)
			require.Equal(t, payload, plain[:n])
		}
		send(data(noCompressor))
		require.False(t, has(), "little to send")
		for range 3 {
			send(data(1000))
			require.True(t, has())
			for range 10 {
				time.Sleep(compressorIdle * 9 / 10)
				send(data(10))
				require.True(t, has(), "in use")
			}
			time.Sleep(compressorIdle*2 + 1)
			require.False(t, has(), "idle")
			send(data(noCompressor))
			require.False(t, has())
		}
		send(data(1000))
		c.Fail(errors.New("end"))
		require.False(t, has())
	})
}
