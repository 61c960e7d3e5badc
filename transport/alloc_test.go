package transport

import (
	"slices"
	"testing"

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
		o.completeTags()
		l.rest = o.pending
	}
	n := copy(b, l.rest)
	l.rest = l.rest[n:]
	return n, nil
}

var packetSizes = []int{64, 32 << 10}

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
						c.out.takePending(c.out.pending[:0])
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
				sealed := from.out.takePending(nil)
				cipher := newTestCipher(b, d)
				scratch := slices.Clone(sealed)
				head := cipher.geometry().headSize
				g, isGCM := cipher.(*gcmCipher)
				var blocks *blockCipher
				switch c := cipher.(type) {
				case *macCipher:
					blocks = &c.blocks
				case *pairedCipher:
					blocks = &c.blocks
				}
				b.SetBytes(int64(size))
				for b.Loop() {
					copy(scratch, sealed)
					if isGCM {
						copy(g.nonce[:], testKeys('A', 12))
					}
					if blocks != nil { // the same key stream again
						block, _ := d.cipher.block(testKeys('C', d.cipher.keySize))
						*blocks = d.cipher.mode(block, testKeys('A', d.cipher.ivSize))
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
