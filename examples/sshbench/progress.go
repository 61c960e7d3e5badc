package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/fairlead-go/ssh/examples/internal/terminal"
)

// plainInterval is how often a line is written where it cannot be drawn again
// in place.
const plainInterval = 10 * time.Second

// A progressLine says what is being measured, and how long the rest may take.
type progressLine struct {
	w           io.Writer
	inPlace     bool
	total, done int

	start, shown time.Time
	longest      int
}

func newProgressLine(w io.Writer) *progressLine {
	f, ok := w.(*os.File)
	return &progressLine{w: w, inPlace: ok && terminal.Is(f)}
}

func (p *progressLine) show(what string) {
	now := time.Now()
	if p.start.IsZero() {
		p.start = now
	}
	line := fmt.Sprintf("[%d/%d] %s", p.done+1, p.total, what)
	if p.done > 0 {
		left := now.Sub(p.start) / time.Duration(p.done) * time.Duration(p.total-p.done)
		line += fmt.Sprintf(" · %s left", left.Round(time.Second))
	}
	if !p.inPlace {
		if p.shown.IsZero() || now.Sub(p.shown) >= plainInterval {
			fmt.Fprintln(p.w, line)
			p.shown = now
		}
		return
	}
	p.longest = max(p.longest, len(line))
	fmt.Fprint(p.w, "\r", line, strings.Repeat(" ", p.longest-len(line)))
}

func (p *progressLine) end() {
	if p.inPlace {
		fmt.Fprint(p.w, "\r", strings.Repeat(" ", p.longest), "\r")
	}
}
