package transport

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
)

// pairedSuite is the suite whose tags are made in pairs.
func pairedSuite() *suite {
	return &suite{cipher: cipherByName("aes128-ctr"), mac: macByName("hmac-sha2-256-etm@openssh.com")}
}

// pairedSizes are payloads around what is paired, and of blocks as many or not.
var pairedSizes = []int{
	100, 5000, 5000, 5001, 10, 8000, 3000, 32768, 32768, 32768, 32700, 20, 32768, pairedSize - 60, pairedSize, pairedSize,
	maxPayload, maxPayload - 1, 4000, 1,
}

// TestPairedTags: however packets are taken, each has its own tag.
func TestPairedTags(t *testing.T) {
	d := pairedSuite()
	for every := 1; every < 6; every++ {
		c := offline(t, d, nil)
		var sealed []byte
		for i, n := range pairedSizes {
			c.seal(data(n), nil)
			if i%every == 0 {
				sealed = append(sealed, c.out.takePending(nil)...)
			}
		}
		sealed = append(sealed, c.out.takePending(nil)...)
		require.Zero(t, c.out.tagless)
		for seq := range pairedSizes {
			length := lengthSize + int(binary.BigEndian.Uint32(sealed))
			h := hmac.New(sha256.New, testKeys('E', d.mac.keySize))
			h.Write(binary.BigEndian.AppendUint32(nil, uint32(seq)))
			h.Write(sealed[:length])
			tag := sealed[length : length+sha256.Size]
			require.Equal(t, h.Sum(nil), tag, "packet %d, taken each %d", seq, every)
			sealed = sealed[length+len(tag):]
		}
		require.Empty(t, sealed)
	}
}

// TestPairedOpen: what was sealed opens, however it arrives.
func TestPairedOpen(t *testing.T) {
	d := pairedSuite()
	c := offline(t, d, nil)
	for _, n := range pairedSizes {
		c.seal(data(n), nil)
	}
	sealed := c.out.takePending(nil)
	for name, r := range map[string]io.Reader{
		"at once":      bytes.NewReader(sealed),
		"in halves":    iotest.HalfReader(bytes.NewReader(sealed)),
		"in 40000s":    &pieces{sealed, 40000},
		"in 70000s":    &pieces{sealed, 70000},
		"in 1000s":     &pieces{sealed, 1000},
		"byte by byte": iotest.OneByteReader(bytes.NewReader(sealed)),
	} {
		t.Run(name, func(t *testing.T) {
			c := offline(t, d, r)
			for _, n := range pairedSizes {
				got, err := c.next()
				require.NoError(t, err)
				require.True(t, bytes.Equal(data(n), got))
			}
		})
	}
}

// pieces gives so many bytes at a time.
type pieces struct {
	b []byte
	n int
}

func (p *pieces) Read(b []byte) (int, error) {
	if len(p.b) == 0 {
		return 0, io.EOF
	}
	n := copy(b[:min(len(b), p.n)], p.b)
	p.b = p.b[n:]
	return n, nil
}

// TestDefect_PairedForgery: a packet that was looked at ahead of its turn is
// verified like any other, and what is wrong with it does not touch the one before.
func TestDefect_PairedForgery(t *testing.T) {
	d := pairedSuite()
	from := offline(t, d, nil)
	var starts []int
	const size = 4000
	for range 4 {
		starts = append(starts, len(from.out.pending))
		from.seal(data(size), nil)
	}
	good := from.out.takePending(nil)
	for i, start := range starts {
		end := len(good)
		if i+1 < len(starts) {
			end = starts[i+1]
		}
		for _, at := range []int{start + 3, start + 4, start + 64, start + 2000, end - 33, end - 32, end - 1} {
			bad := slices.Clone(good)
			bad[at] ^= 0x10
			c := offline(t, d, io.MultiReader(bytes.NewReader(bad), endless{}))
			for range i {
				got, err := c.next()
				require.NoError(t, err)
				require.True(t, bytes.Equal(data(size), got))
			}
			got, err := c.next()
			require.Nil(t, got)
			require.Equal(t, ErrIntegrity, err, fmt.Sprint("packet ", i, ", byte ", at-start))
		}
	}
	// The second in the place of the first, and twice.
	second := good[starts[1]:starts[2]]
	c := offline(t, d, bytes.NewReader(slices.Concat(second, good)))
	_, err := c.next()
	require.Equal(t, ErrIntegrity, err)
	c = offline(t, d, bytes.NewReader(slices.Concat(good[:starts[2]], second, second)))
	for range 2 {
		_, err = c.next()
		require.NoError(t, err)
	}
	_, err = c.next()
	require.Equal(t, ErrIntegrity, err)
}

// TestPairedKeys: new keys do not wait for, or use, what belongs to the old.
func TestPairedKeys(t *testing.T) {
	d := pairedSuite()
	c := offline(t, d, nil)
	c.seal(data(5000), nil)
	require.NotZero(t, c.out.tagless)
	newKeys := func() packetCipher {
		c, err := d.newPacketCipher(testKeys, 'B', 'D', 'F')
		require.NoError(t, err)
		return c
	}
	c.out.setCipher(newKeys())
	require.Zero(t, c.out.tagless)
	c.seal(data(5001), nil)
	c.seal(data(5002), nil)
	sealed := c.out.takePending(nil)

	r := offline(t, d, bytes.NewReader(sealed))
	got, err := r.next()
	require.NoError(t, err)
	require.True(t, bytes.Equal(data(5000), got))
	require.NotZero(t, r.in.cipher.(*pairedCipher).left, "it has looked ahead, under the old keys")
	r.in.cipher = newKeys()
	for _, n := range []int{5001, 5002} {
		got, err = r.next()
		require.NoError(t, err)
		require.True(t, bytes.Equal(data(n), got))
	}
}
