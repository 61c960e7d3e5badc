//go:build (linux || darwin || freebsd) && (amd64 || arm64)

package channel

import (
	"math"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// Writes around 2^32 bytes send all of it. The memory is never touched.
func TestDefect_WriteSizeOverflow(t *testing.T) {
	huge, err := unix.Mmap(-1, 0, 1<<32+1, unix.PROT_READ, unix.MAP_ANON|unix.MAP_PRIVATE)
	require.NoError(t, err)
	defer unix.Munmap(huge)
	for _, size := range []uint64{1<<32 - 1, 1 << 32, 1<<32 + 1} {
		for code := range uint32(size>>32 + 1) { // stderr too where it may wrap
			m, pc, c := nullChannel(t, Config{}, math.MaxUint32)
			w := c.plain.Write
			if code == 1 {
				w = c.Stderr().Write
			}
			done := make(chan struct{})
			var n int
			go func() {
				defer close(done)
				n, err = w(huge[:size])
			}()
			for !isClosed(done) { // the window is used up at 2^32-1
				runtime.Gosched()
				c.mu.Lock()
				left := c.peerWindow.limit - c.peerWindow.used
				c.mu.Unlock()
				if left == 0 {
					require.NoError(t, m.dispatch(windowAdjust{c.number, 1}.append(nil)))
				}
			}
			require.NoError(t, err)
			require.EqualValues(t, size, n)
			require.Equal(t, size, pc.written)
			require.Equal(t, rawMaxPacket, pc.largest)
		}
	}
}
