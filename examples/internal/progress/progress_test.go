package progress

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

const mib = 1 << 20

func TestTerminal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		b := New(&out, "up", 100*mib, Options{Terminal: true, Width: 100})
		for range 10 {
			time.Sleep(100 * time.Millisecond)
			b.Add(5 * mib)
		}
		require.NotContains(t, out.String(), "\n", "the line is drawn in place")
		draws := strings.Split(out.String(), "\r")[1:]
		require.Len(t, draws, 5, "one every 200 ms")
		require.Contains(t, draws[4], "50%")
		require.Contains(t, draws[4], "50.0 MiB/s")
		require.Contains(t, draws[4], "ETA 00:01")
		require.Contains(t, draws[4], "["+strings.Repeat("=", 20)+strings.Repeat(" ", 20)+"]")
		b.Add(50 * mib)
		time.Sleep(time.Second)
		b.Finish()
		b.Finish()
		b.Add(1)
		draws = strings.Split(out.String(), "\r")
		last := draws[len(draws)-1]
		require.Contains(t, last, "100%")
		require.Contains(t, last, "50.0 MiB/s  in 00:02")
		require.Equal(t, 1, strings.Count(out.String(), "\n"))
		for _, d := range draws {
			require.LessOrEqual(t, len(d), 99)
		}
	})
}

func TestPlainLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		b := New(&out, "down", 10*mib, Options{})
		for range 100 {
			time.Sleep(50 * time.Millisecond)
			b.Add(mib / 10)
		}
		b.Finish()
		lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
		require.Len(t, lines, 3, "one every two seconds, and the last: %q", lines)
		require.Contains(t, lines[0], "ETA 00:03")
		require.Contains(t, lines[2], "in 00:05")
		require.NotContains(t, out.String(), "\r")
		require.NotContains(t, out.String(), "[")
	})
}

// The rate follows a change of speed within the window.
func TestRateForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		b := New(&out, "x", -1, Options{Terminal: true, Width: 80})
		for range 100 {
			time.Sleep(100 * time.Millisecond)
			b.Add(10 * mib)
		}
		for range 40 {
			time.Sleep(100 * time.Millisecond)
			b.Add(mib / 10)
		}
		draws := strings.Split(out.String(), "\r")
		require.Contains(t, draws[len(draws)-1], "1024.0 KiB/s")
		require.Contains(t, draws[len(draws)-1], "ETA --:--")
	})
}

func TestNarrowAndEmpty(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		b := New(&out, strings.Repeat("n", 60), 0, Options{Terminal: true, Width: 20})
		b.Finish()
		require.Equal(t, "\r"+strings.Repeat("n", 19)+"\n", out.String())
		out.Reset()
		New(&out, "empty", 0, Options{}).Finish()
		require.Contains(t, out.String(), "100%")
	})
}

func TestCounted(t *testing.T) {
	b := New(io.Discard, "x", 10, Options{})
	_, err := io.Copy(b.Writer(io.Discard), b.Reader(strings.NewReader("12345")))
	require.NoError(t, err)
	require.EqualValues(t, 10, b.done)
}

func TestBytes(t *testing.T) {
	for n, want := range map[int64]string{0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 256 * mib: "256.0 MiB", 3 << 40: "3.0 TiB"} {
		require.Equal(t, want, Bytes(n))
	}
	require.Equal(t, "1:01:01", clock(3661*time.Second))
	require.Equal(t, "--:--", clock(1000*time.Hour))
}
