// Package progress shows how far a transfer is: on a terminal as one line that
// is drawn again in place, elsewhere as plain lines, one every few seconds.
package progress

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// How often a line is drawn, and over how long the rate is averaged.
const (
	terminalInterval = 200 * time.Millisecond
	plainInterval    = 2 * time.Second
	rateWindow       = 3 * time.Second
)

// A Bar counts the bytes of one transfer. Its methods may be called from any goroutine.
type Bar struct {
	w        io.Writer
	name     string
	total    int64 // negative: not known
	terminal bool
	width    int // columns; 0: 80

	mu      sync.Mutex
	done    int64
	start   time.Time
	drawn   time.Time
	samples []sample // oldest first, within rateWindow
	longest int      // columns that the last drawing took
	over    bool
}

type sample struct {
	at   time.Time
	done int64
}

// Options says how to draw.
type Options struct {
	Terminal bool // w is a terminal
	Width    int  // its columns; 0: 80
}

// New begins a transfer of total bytes, or of an unknown number if that is
// negative. Nothing is drawn yet.
func New(w io.Writer, name string, total int64, o Options) *Bar {
	now := time.Now()
	b := &Bar{w: w, name: name, total: total, terminal: o.Terminal, width: o.Width, start: now, drawn: now}
	if b.width <= 0 {
		b.width = 80
	}
	b.samples = append(b.samples, sample{now, 0})
	return b
}

// Add counts n more bytes and draws if it is time to.
func (b *Bar) Add(n int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.over {
		return
	}
	b.done += n
	interval := plainInterval
	if b.terminal {
		interval = terminalInterval
	}
	now := time.Now()
	if now.Sub(b.drawn) < interval {
		return
	}
	b.drawn = now
	b.samples = append(b.samples, sample{now, b.done})
	for len(b.samples) > 2 && now.Sub(b.samples[0].at) > rateWindow {
		b.samples = b.samples[1:]
	}
	first := b.samples[0]
	b.draw(rate(b.done-first.done, now.Sub(first.at)))
}

// Finish draws the last line, with the mean rate of the whole transfer.
func (b *Bar) Finish() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.over {
		return
	}
	b.over = true
	elapsed := time.Since(b.start)
	line := b.line(rate(b.done, elapsed), "in "+clock(elapsed))
	b.put(line, "\n")
}

func (b *Bar) draw(bytesPerSecond float64) {
	eta := "--:--"
	if left := b.total - b.done; b.total >= 0 && bytesPerSecond > 0 {
		eta = clock(time.Duration(float64(max(left, 0)) / bytesPerSecond * float64(time.Second)))
	}
	end := "\n"
	if b.terminal {
		end = ""
	}
	b.put(b.line(bytesPerSecond, "ETA "+eta), end)
}

func (b *Bar) put(line, end string) {
	if b.terminal {
		pad := max(b.longest-len(line), 0)
		b.longest = len(line)
		line = "\r" + line + strings.Repeat(" ", pad)
	}
	_, _ = io.WriteString(b.w, line+end) // a progress line that cannot be shown stops nothing
}

func (b *Bar) line(bytesPerSecond float64, last string) string {
	figures := fmt.Sprintf("%9s  %9s/s  %s", Bytes(b.done), Bytes(int64(bytesPerSecond)), last)
	if b.total < 0 {
		return clip(b.name+"  "+figures, b.width)
	}
	fraction := 1.0
	if b.total > 0 {
		fraction = min(float64(b.done)/float64(b.total), 1)
	}
	head := fmt.Sprintf("%s  %3d%%", b.name, int(fraction*100))
	if room := b.width - 1 - len(head) - len(figures) - 6; b.terminal && room >= 10 {
		room = min(room, 40)
		full := int(fraction * float64(room))
		head += "  [" + strings.Repeat("=", full) + strings.Repeat(" ", room-full) + "]"
	}
	return clip(head+"  "+figures, b.width)
}

// clip keeps a line on one row of the terminal.
func clip(s string, width int) string {
	if len(s) >= width {
		return s[:width-1]
	}
	return s
}

func rate(n int64, d time.Duration) float64 {
	if d <= 0 {
		return 0
	}
	return float64(n) / d.Seconds()
}

// Bytes writes n in bytes, KiB, MiB, GiB or TiB.
func Bytes(n int64) string {
	if n < 1024 {
		return fmt.Sprintf("%d B", n)
	}
	v, unit := float64(n)/1024, "KiB"
	for _, u := range []string{"MiB", "GiB", "TiB"} {
		if v < 1024 {
			break
		}
		v, unit = v/1024, u
	}
	return fmt.Sprintf("%.1f %s", v, unit)
}

func clock(d time.Duration) string {
	s := int64(d.Round(time.Second) / time.Second)
	if s >= 100*3600 {
		return "--:--"
	}
	if s >= 3600 {
		return fmt.Sprintf("%d:%02d:%02d", s/3600, s/60%60, s%60)
	}
	return fmt.Sprintf("%02d:%02d", s/60, s%60)
}

// Reader returns r, counted.
func (b *Bar) Reader(r io.Reader) io.Reader { return &reader{b, r} }

type reader struct {
	b *Bar
	r io.Reader
}

func (r *reader) Read(p []byte) (int, error) {
	n, err := r.r.Read(p)
	r.b.Add(int64(n))
	return n, err
}

// Writer returns w, counted.
func (b *Bar) Writer(w io.Writer) io.Writer { return &writer{b, w} }

type writer struct {
	b *Bar
	w io.Writer
}

func (w *writer) Write(p []byte) (int, error) {
	n, err := w.w.Write(p)
	w.b.Add(int64(n))
	return n, err
}
