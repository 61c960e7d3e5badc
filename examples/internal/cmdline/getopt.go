// Package cmdline reads the command lines of ssh(1) and sshd(8): bundled
// flags, arguments joined or apart, and for ssh options after the host too.
package cmdline

import (
	"fmt"
	"strings"
)

// A UsageError is a command line that cannot be understood. The program prints
// it, then its usage, and exits with 255 (ssh) or 1 (sshd).
type UsageError struct{ Message string }

func (e *UsageError) Error() string { return e.Message }

func usageError(format string, a ...any) error { return &UsageError{fmt.Sprintf(format, a...)} }

// getopt walks over flags as POSIX getopt does: it stops at the first argument
// that is not a flag, and after "--".
type getopt struct {
	flags string // letters; a colon after one that takes an argument
	args  []string
	rest  string // flags left in the current bundle
	ended bool   // "--" was met
}

// next returns the next flag and its argument; ok is false when none is left.
func (g *getopt) next() (flag byte, arg string, ok bool, err error) {
	if g.rest == "" {
		if len(g.args) == 0 || len(g.args[0]) < 2 || g.args[0][0] != '-' {
			return 0, "", false, nil
		}
		if g.args[0] == "--" {
			g.args, g.ended = g.args[1:], true
			return 0, "", false, nil
		}
		g.rest, g.args = g.args[0][1:], g.args[1:]
	}
	flag, g.rest = g.rest[0], g.rest[1:]
	i := strings.IndexByte(g.flags, flag)
	if i < 0 || flag == ':' {
		return 0, "", false, usageError("unknown option -- %s", printable(flag))
	}
	if i+1 == len(g.flags) || g.flags[i+1] != ':' {
		return flag, "", true, nil
	}
	switch {
	case g.rest != "":
		arg, g.rest = g.rest, ""
	case len(g.args) > 0:
		arg, g.args = g.args[0], g.args[1:]
	default:
		return 0, "", false, usageError("option requires an argument -- %c", flag)
	}
	return flag, arg, true, nil
}

func printable(c byte) string {
	if c < ' ' || c > '~' {
		return fmt.Sprintf("\\x%02x", c)
	}
	return string(rune(c))
}
