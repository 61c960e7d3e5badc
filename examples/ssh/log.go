package main

import (
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"

	"github.com/fairlead-go/ssh/examples/internal/clientconfig"
	"github.com/fairlead-go/ssh/examples/internal/terminal"
)

// A logger writes what the program has to say, each line with CR LF, since the
// terminal may be raw. Its methods may be called from any goroutine.
type logger struct {
	level atomic.Int32 // of clientconfig.Verbosity

	mu sync.Mutex // a leaf
	w  io.Writer
	to *os.File
}

// openLog logs to the named file, or to standard error where it has no name.
func openLog(name string) (*logger, error) {
	l := &logger{w: os.Stderr, to: os.Stderr}
	if name == "" {
		return l, nil
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	l.w, l.to = f, f
	return l, nil
}

// Levels, as far as they are compared with.
const (
	levelQuiet = -2
	levelInfo  = 0
	levelDebug = 2
)

func (l *logger) setLevel(name string) { l.level.Store(int32(clientconfig.Verbosity(name))) }

// change makes the log more (1) or less (-1) verbose and returns its new level's name.
func (l *logger) change(by int) string {
	names := []string{"QUIET", "FATAL", "INFO", "VERBOSE", "DEBUG1", "DEBUG2", "DEBUG3"}
	i := min(max(int(l.level.Load())+2+by, 0), len(names)-1)
	l.level.Store(int32(i - 2))
	return names[i]
}

func (l *logger) at(level int) bool { return int(l.level.Load()) >= level }

func (l *logger) printf(level int, prefix, format string, args []any) {
	if !l.at(level) {
		return
	}
	line := prefix + terminal.Sanitize(fmt.Sprintf(format, args...)) + "\r\n"
	l.mu.Lock()
	defer l.mu.Unlock()
	_, _ = io.WriteString(l.w, line)
}

func (l *logger) errorf(format string, args ...any)   { l.printf(-1, "", format, args) }
func (l *logger) infof(format string, args ...any)    { l.printf(levelInfo, "", format, args) }
func (l *logger) verbosef(format string, args ...any) { l.printf(1, "", format, args) }
func (l *logger) debugf(format string, args ...any)   { l.printf(levelDebug, "debug1: ", format, args) }
func (l *logger) debug2f(format string, args ...any)  { l.printf(3, "debug2: ", format, args) }
func (l *logger) debug3f(format string, args ...any)  { l.printf(4, "debug3: ", format, args) }

// detach stops writing to standard error, which belongs to others from now on.
func (l *logger) detach() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.to == os.Stderr && !l.at(levelDebug) {
		l.w = io.Discard
	}
}
