// Package terminal is the client's side of an interactive session: raw mode,
// the window's size and its changes, the modes of RFC 4254 section 8, escape
// sequences, and questions to the user.
package terminal

import (
	"context"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// Size is a window's size, in characters and in pixels (0: not known).
type Size struct {
	Columns, Rows, WidthPixels, HeightPixels uint32
}

// onFD calls do with f's descriptor. Unlike f.Fd it leaves f non-blocking,
// without which a pty's deadlines would end.
func onFD(f *os.File, do func(fd int) error) error {
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	if cerr := conn.Control(func(fd uintptr) { err = do(int(fd)) }); cerr != nil {
		return cerr
	}
	return err
}

// Is says whether f is a terminal.
func Is(f *os.File) (is bool) {
	if f == nil {
		return false
	}
	err := onFD(f, func(fd int) error { is = term.IsTerminal(fd); return nil })
	return err == nil && is
}

// GetSize returns the size of f's window.
func GetSize(f *os.File) (Size, error) {
	var w *unix.Winsize
	err := onFD(f, func(fd int) (err error) { w, err = unix.IoctlGetWinsize(fd, unix.TIOCGWINSZ); return err })
	if err != nil {
		return Size{}, os.NewSyscallError("TIOCGWINSZ", err)
	}
	return Size{uint32(w.Col), uint32(w.Row), uint32(w.Xpixel), uint32(w.Ypixel)}, nil
}

// SetSize sets the size of f's window. A number over 65535 becomes 65535.
func SetSize(f *os.File, s Size) error {
	clamp := func(n uint32) uint16 { return uint16(min(n, 65535)) }
	w := &unix.Winsize{Col: clamp(s.Columns), Row: clamp(s.Rows), Xpixel: clamp(s.WidthPixels), Ypixel: clamp(s.HeightPixels)}
	return os.NewSyscallError("TIOCSWINSZ", onFD(f, func(fd int) error { return unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, w) }))
}

// WatchSize calls changed with f's size each time it differs from the last one,
// from one goroutine, until ctx is done or stop is called; stop waits for it.
func WatchSize(ctx context.Context, f *os.File, changed func(Size)) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	last, _ := GetSize(f) // unknown counts as zero
	resized := make(chan os.Signal, 1)
	signal.Notify(resized, syscall.SIGWINCH)
	var wg sync.WaitGroup
	wg.Go(func() {
		defer signal.Stop(resized)
		for {
			select {
			case <-ctx.Done():
				return
			case <-resized:
			}
			if s, err := GetSize(f); err == nil && s != last {
				last = s
				changed(s)
			}
		}
	})
	return func() { cancel(); wg.Wait() }
}

// A Raw is a terminal in raw mode. Its methods may be called from any goroutine.
type Raw struct {
	f     *os.File
	mu    sync.Mutex
	state *term.State // what to go back to; nil: it was gone back to
}

// MakeRaw puts f into raw mode: every key reaches the reader as it is, nothing is echoed.
func MakeRaw(f *os.File) (*Raw, error) {
	r := &Raw{f: f}
	return r, r.Again()
}

// Restore goes back to the modes from before. It may be called more than once.
func (r *Raw) Restore() error {
	if r == nil {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.state == nil {
		return nil
	}
	err := onFD(r.f, func(fd int) error { return term.Restore(fd, r.state) })
	r.state = nil
	return err
}

// Again puts the terminal back into raw mode after a Restore, as after a suspension.
func (r *Raw) Again() (err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.state == nil {
		err = onFD(r.f, func(fd int) (err error) { r.state, err = term.MakeRaw(fd); return err })
	}
	return err
}
