package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"log/syslog"
	"os"
	"slices"
	"strings"
	"sync"
)

// A level is one of LogLevel.
type level int

const (
	quiet level = iota
	fatal
	failure // ERROR
	info
	verbose
	debug1
	debug2
	debug3
)

var levels = []string{"QUIET", "FATAL", "ERROR", "INFO", "VERBOSE", "DEBUG1", "DEBUG2", "DEBUG3"}

func parseLevel(name string) level { return level(max(0, slices.Index(levels, name))) }

// A logger writes lines in OpenSSH's words and form, which other programs read:
// to standard error, or to the system's log.
type logger struct {
	mu     sync.Mutex
	level  level
	stderr io.Writer      // nil: system is used
	system *syslog.Writer // nil: nothing is written
}

// newLogger opens the log. Without a system log, as in many containers, there
// is none: OpenSSH is silent there too.
func newLogger(l level, stderr bool) *logger {
	log := &logger{level: l}
	if stderr {
		log.stderr = os.Stderr
		return log
	}
	log.system, _ = syslog.New(syslog.LOG_AUTH|syslog.LOG_INFO, "sshd")
	return log
}

func (l *logger) setLevel(to level) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.level = to
}

func (l *logger) fatalf(format string, a ...any)   { l.printf(fatal, format, a...) }
func (l *logger) errorf(format string, a ...any)   { l.printf(failure, format, a...) }
func (l *logger) infof(format string, a ...any)    { l.printf(info, format, a...) }
func (l *logger) verbosef(format string, a ...any) { l.printf(verbose, format, a...) }
func (l *logger) debugf(format string, a ...any)   { l.printf(debug1, format, a...) }

func (l *logger) printf(at level, format string, a ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if at > l.level {
		return
	}
	text := escape(fmt.Sprintf(format, a...))
	if at >= debug1 {
		text = fmt.Sprintf("debug%d: %s", at-debug1+1, text)
	}
	if l.stderr != nil {
		// One write, so that processes that share the file do not mix their lines.
		_, _ = io.WriteString(l.stderr, text+"\r\n")
		return
	}
	if l.system == nil {
		return
	}
	switch at {
	case fatal:
		_ = l.system.Crit("fatal: " + text)
	case failure:
		_ = l.system.Err("error: " + text)
	case info, verbose:
		_ = l.system.Info(text)
	default:
		_ = l.system.Debug(text)
	}
}

// escape keeps what a peer has sent from forging lines or driving a terminal:
// all but printable ASCII is written in octal, as OpenSSH does it.
func escape(s string) string {
	if !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' }) {
		return s
	}
	var b strings.Builder
	for _, c := range []byte(s) {
		if c < ' ' || c > '~' {
			fmt.Fprintf(&b, `\%03o`, c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// slog gives the library's reports to the log, as debugging output.
func (l *logger) slog() *slog.Logger { return slog.New(handler{log: l}) }

type handler struct {
	log   *logger
	attrs string
}

func levelOf(s slog.Level) level {
	switch {
	case s >= slog.LevelError:
		return failure
	case s >= slog.LevelInfo:
		return debug1
	}
	return debug2
}

func (h handler) Enabled(_ context.Context, s slog.Level) bool {
	h.log.mu.Lock()
	defer h.log.mu.Unlock()
	return levelOf(s) <= h.log.level
}

func (h handler) Handle(_ context.Context, r slog.Record) error {
	text := r.Message + h.attrs
	r.Attrs(func(a slog.Attr) bool {
		text += " " + a.String()
		return true
	})
	h.log.printf(levelOf(r.Level), "%s", text)
	return nil
}

func (h handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	for _, a := range attrs {
		h.attrs += " " + a.String()
	}
	return h
}

func (h handler) WithGroup(string) slog.Handler { return h }
