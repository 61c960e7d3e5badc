package transport

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"runtime"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh/kex"
)

// testSuites are all ciphers with all MACs that complete them. The race detector
// finds in one nothing that it would not find in another.
func testSuites() []suite {
	var suites []suite
	for i := range ciphers {
		if ciphers[i].aead != nil {
			suites = append(suites, suite{cipher: &ciphers[i]})
			continue
		}
		if raceEnabled && ciphers[i].name != "aes128-ctr" {
			continue
		}
		for j := range macs {
			suites = append(suites, suite{cipher: &ciphers[i], mac: &macs[j]})
		}
	}
	return suites
}

// legacySuites have each legacy cipher in both orders, and each legacy MAC.
func legacySuites() []suite {
	var suites []suite
	for i := range legacyCiphers {
		if raceEnabled && i > 0 {
			break
		}
		for _, mac := range []string{"hmac-sha2-256", "hmac-sha2-256-etm@openssh.com"} {
			suites = append(suites, suite{cipher: &legacyCiphers[i], mac: macByName(mac)})
		}
	}
	for i := range legacyMACs {
		if raceEnabled && i > 1 {
			break
		}
		cipher := []string{"aes128-ctr", "3des-cbc"}[i/2%2]
		suites = append(suites, suite{cipher: cipherByName(cipher), mac: &legacyMACs[i]})
	}
	return suites
}

func (d suite) String() string {
	if d.mac == nil {
		return d.cipher.name
	}
	return d.cipher.name + " " + d.mac.name
}

// testKeys derives key material that is different for each letter.
func testKeys(tag byte, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = tag + byte(i)*7
	}
	return b
}

func newTestCipher(t testing.TB, d suite) packetCipher {
	t.Helper()
	c, err := d.newPacketCipher(testKeys, 'A', 'C', 'E')
	require.NoError(t, err)
	return c
}

// A stream is an io.ReadWriteCloser that reads given bytes and then ends.
type stream struct{ io.Reader }

func (stream) Write(b []byte) (int, error) { return len(b), nil }
func (stream) Close() error                { return nil }

// offline returns a Conn that was never started, with both directions under
// the suite's cipher; it reads from r. A nil suite is the state before keys.
func offline(t testing.TB, d *suite, r io.Reader) *Conn {
	t.Helper()
	s, err := clientConfig(Config{}).settings()
	require.NoError(t, err)
	c := newConn(stream{r}, s, kex.Client)
	if d != nil {
		c.in.cipher, c.out.cipher = newTestCipher(t, *d), newTestCipher(t, *d)
		c.in.geo, c.out.geo = c.in.cipher.geometry(), c.out.cipher.geometry()
	}
	return c
}

// packet seals a payload with a given padding; length and padding length are
// what they are told to be, if not negative.
func packet(c *Conn, payload []byte, padding int, length int64, paddingLength int) []byte {
	b := make([]byte, headerSize, headerSize+len(payload)+padding+c.out.geo.tagSize)
	b = append(b, payload...)
	b = append(b, make([]byte, padding)...)
	if length < 0 {
		length = int64(len(b) - lengthSize)
	}
	if paddingLength < 0 {
		paddingLength = padding
	}
	binary.BigEndian.PutUint32(b, uint32(length))
	b[lengthSize] = byte(paddingLength)
	b = append(b, make([]byte, c.out.geo.tagSize)...)
	c.out.cipher.seal(c.out.seq, b)
	c.out.seq++
	return b
}

func forSuites(t *testing.T, f func(t *testing.T, d *suite)) {
	t.Run("none", func(t *testing.T) { f(t, nil) })
	for _, d := range append(testSuites(), legacySuites()...) {
		t.Run(d.String(), func(t *testing.T) { f(t, &d) })
	}
}

// TestGeometry checks RFC 4253 section 6 for every payload size, and that what
// was sealed opens.
func TestGeometry(t *testing.T) {
	forSuites(t, func(t *testing.T, d *suite) {
		var wire bytes.Buffer
		c := offline(t, d, &wire)
		block := 8
		if d != nil && d.cipher.name != "chacha20-poly1305@openssh.com" && d.cipher.name != "3des-cbc" {
			block = 16
		}
		sizes := []int{maxPayload - 1, maxPayload, 32768, 32769, 35000}
		step := 1
		if raceEnabled {
			step = 23 // it finds no race in the others
		}
		for n := 1; n <= 600; n += step {
			sizes = append(sizes, n)
		}
		for _, n := range sizes {
			payload := data(n)
			c.seal(payload[:n/3], payload[n/3:])
			sealed := c.out.takePending(nil)
			pad := c.out.geo.padding(n)
			require.GreaterOrEqual(t, pad, 4)
			require.Less(t, pad, 4+block, "no more than is needed")
			size := 4 + 1 + n + pad
			require.Len(t, sealed, size+c.out.geo.tagSize)
			padded := size
			if c.out.geo.clearLength > 0 {
				padded -= 4
				if d.cipher.name != "chacha20-poly1305@openssh.com" {
					require.EqualValues(t, size-4, binary.BigEndian.Uint32(sealed))
				}
			}
			require.Zero(t, padded%block)
			require.GreaterOrEqual(t, padded, block)
			wire.Write(sealed)
			got, err := c.next()
			require.NoError(t, err)
			require.True(t, bytes.Equal(payload, got))
		}
	})
}

// TestDefect_PacketLength gives lengths at and past every bound. Whatever a
// packet says, nothing is allocated for it past the cap.
func TestDefect_PacketLength(t *testing.T) {
	forSuites(t, func(t *testing.T, d *suite) {
		lengths := []int64{0, 1, 2, 3, 4, 5, 6, 7, 9, 11, 13, 15, 17, maxPacketLength + 1, maxPacketLength + 4, maxPacketLength + 8,
			maxPacketLength + 16, math.MaxInt32, 1 << 31, 1<<31 + 12, 1<<32 - 16, 1<<32 - 8, 1<<32 - 4, math.MaxUint32}
		if d != nil && d.cipher.aead == nil && !d.mac.etm || d == nil {
			lengths = append(lengths, maxPacketLength, maxPacketLength-1) // not whole blocks
		} else {
			lengths = append(lengths, maxPacketLength-1)
		}
		for _, length := range lengths {
			c := offline(t, d, nil)
			b := packet(c, data(100), 64+c.out.geo.padding(100), length, -1)
			c.rwc = stream{io.MultiReader(bytes.NewReader(b), endless{})}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := c.next()
			runtime.ReadMemStats(&after)
			var pe *ProtocolError
			require.ErrorAs(t, err, &pe, length)
			limit := uint64(64 << 10)
			if c.in.geo.conceal {
				limit += bigBuffer // which reads all that could be a packet
			}
			require.Less(t, after.TotalAlloc-before.TotalAlloc, limit, length)
		}
		// The largest that is allowed is read, and no further.
		largest := maxPacketLength
		if d == nil || d.cipher.aead == nil && !d.mac.etm {
			largest -= 4 // whole blocks, length included
		}
		c := offline(t, d, nil)
		payload := data(largest - 1 - 4)
		c.rwc = stream{bytes.NewReader(packet(c, payload, 4, -1, -1))}
		got, err := c.next()
		require.NoError(t, err)
		require.True(t, bytes.Equal(payload, got))
	})
}

type endless struct{}

func (endless) Read(b []byte) (int, error) { clear(b); return len(b), nil }

// TestPaddingLength gives every padding length to a packet of a fixed size:
// taken is what leaves a message and four bytes of padding.
func TestPaddingLength(t *testing.T) {
	forSuites(t, func(t *testing.T, d *suite) {
		for _, size := range []int{64, 256, 272} {
			for pad := range 256 {
				c := offline(t, d, nil)
				length := size // of the part that is padded to blocks
				if c.out.geo.clearLength == 0 {
					length -= 4
				}
				c.rwc = stream{bytes.NewReader(packet(c, data(length-1), 0, -1, pad))}
				got, err := c.next()
				if pad < 4 || length-1-pad < 1 {
					require.Error(t, err, pad)
					require.Nil(t, got)
					continue
				}
				require.NoError(t, err, pad)
				require.Equal(t, data(length - 1)[:length-1-pad], got)
			}
		}
	})
}

// TestDefect_EveryBitFlipped flips each bit of a packet: no packet comes out,
// and no later one.
func TestDefect_EveryBitFlipped(t *testing.T) {
	for _, d := range testSuites() {
		t.Run(d.String(), func(t *testing.T) {
			c := offline(t, &d, nil)
			payload := bytes.Repeat([]byte{94}, 40)
			c.seal(payload, nil)
			first := len(c.out.pending)
			c.seal(payload, nil)
			// More follows, so that a longer length finds its bytes.
			good := append(c.out.takePending(nil), make([]byte, maxPacketLength+100)...)
			for bit := range first * 8 {
				bad := slices.Clone(good[:first+200])
				bad[bit/8] ^= 1 << (bit % 8)
				c := offline(t, &d, io.MultiReader(bytes.NewReader(bad), bytes.NewReader(good[len(bad):])))
				got, err := c.ReadPacket()
				require.Nil(t, got, bit)
				var pe *ProtocolError
				require.ErrorAs(t, err, &pe, fmt.Sprint(bit))
				if bit >= 32 {
					require.Equal(t, ErrIntegrity, err, bit)
				}
				_, again := c.ReadPacket()
				require.Equal(t, err, again)
			}
		})
	}
}

// TestReplayAndReorder: a packet opens in its place only.
func TestReplayAndReorder(t *testing.T) {
	for _, d := range testSuites() {
		t.Run(d.String(), func(t *testing.T) {
			c := offline(t, &d, nil)
			var packets [3][]byte
			for i := range packets {
				c.seal(bytes.Repeat([]byte{94}, 40), nil)
				packets[i] = c.out.takePending(nil)
			}
			for name, order := range map[string][]int{"replayed": {0, 0}, "skipped": {0, 2}, "late": {1}} {
				var b []byte
				for _, i := range order {
					b = append(b, packets[i]...)
				}
				c := offline(t, &d, io.MultiReader(bytes.NewReader(b), endless{}))
				for range len(order) - 1 {
					_, err := c.next()
					require.NoError(t, err)
				}
				_, err := c.next()
				var pe *ProtocolError
				require.ErrorAs(t, err, &pe, name)
			}
		})
	}
}

// TestSplitAnywhere feeds a packet and a half cut at every byte.
func TestSplitAnywhere(t *testing.T) {
	forSuites(t, func(t *testing.T, d *suite) {
		c := offline(t, d, nil)
		c.seal(data(50), nil)
		c.seal(data(60), nil)
		all := c.out.takePending(nil)
		for cut := range len(all) {
			c := offline(t, d, io.MultiReader(bytes.NewReader(all[:cut]), bytes.NewReader(all[cut:])))
			for _, n := range []int{50, 60} {
				got, err := c.next()
				require.NoError(t, err, cut)
				require.Equal(t, data(n), got)
			}
			_, err := c.next()
			require.ErrorIs(t, err, io.ErrUnexpectedEOF)
		}
	})
}

// TestPacketsPerKey: the count of packets under one key never comes around.
func TestPacketsPerKey(t *testing.T) {
	var wire bytes.Buffer
	d := testSuites()[0]
	c := offline(t, &d, &wire)
	for range 2 {
		c.seal(data(10), nil)
	}
	wire.Write(c.out.takePending(nil))
	c.in.usage.packets = maxPacketsPerKey - 1
	_, err := c.next()
	require.NoError(t, err)
	_, err = c.next()
	var pe *ProtocolError
	require.ErrorAs(t, err, &pe)
}
