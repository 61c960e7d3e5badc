package terminal

import (
	"io"
)

// A Command is what the user asked for by an escape sequence: the character
// after the escape character at the beginning of a line.
type Command byte

// The commands that ssh(1) lists.
const (
	Disconnect Command = '.'
	Suspend    Command = 'Z' & 31
	Background Command = '&'
	List       Command = '#'
	Help       Command = '?'
	Break      Command = 'B'
	Rekey      Command = 'R'
	Quieter    Command = 'V'
	Louder     Command = 'v'
	Line       Command = 'C'
)

const commands = ".\x1a&#?BRVvC"

// HelpText is what Help shows; the escape character is written as '~'. Lines
// end in CR LF, for the terminal is raw then.
func HelpText(escape byte) string {
	c := caret(escape)
	text := "Supported escape sequences:\r\n"
	for _, l := range [][2]string{
		{".", "terminate connection"},
		{"B", "send a BREAK to the remote system"},
		{"R", "request rekey"},
		{"V/v", "decrease/increase verbosity (LogLevel)"},
		{"^Z", "suspend ssh"},
		{"#", "list forwarded connections"},
		{"?", "this message"},
		{c, "send the escape character by typing it twice"},
	} {
		text += " " + c + l[0] + "   "[min(len(l[0]), 2)-1:] + "- " + l[1] + "\r\n"
	}
	return text + "(Note that escapes are only recognized immediately after newline.)\r\n"
}

func caret(c byte) string {
	if c < ' ' {
		return "^" + string(rune(c|64))
	}
	return string(rune(c))
}

// An EscapeReader passes on what it reads from a terminal, less the escape
// sequences, which it carries out by calling do. An error of do ends the
// reading with that error. do runs within Read.
type EscapeReader struct {
	r      io.Reader
	escape byte
	do     func(Command) error

	midLine bool   // the last byte passed on was neither CR nor LF
	pending bool   // the escape character was read at a line's beginning
	out     []byte // ready to be returned; it may be one byte longer than what was read
	buf     []byte // what out is built in
	err     error  // returned when out is empty
}

// NewEscapeReader reads from r with the given escape character.
func NewEscapeReader(r io.Reader, escape byte, do func(Command) error) *EscapeReader {
	return &EscapeReader{r: r, escape: escape, do: do}
}

// Read implements io.Reader.
func (e *EscapeReader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for len(e.out) == 0 {
		if e.err != nil {
			return 0, e.err
		}
		n, err := e.r.Read(p)
		if err != nil {
			e.err = err
		}
		e.out = e.buf[:0]
		e.filter(p[:n])
		e.buf = e.out[:0]
	}
	n := copy(p, e.out)
	e.out = e.out[n:]
	return n, nil
}

func (e *EscapeReader) filter(in []byte) {
	for _, c := range in {
		if e.pending {
			e.pending = false
			if isCommand(c) {
				if err := e.do(Command(c)); err != nil {
					e.err = err
					return
				}
				continue // still at the beginning of a line
			}
			if c != e.escape {
				e.out = append(e.out, e.escape)
			}
		} else if c == e.escape && !e.midLine {
			e.pending = true
			continue
		}
		e.midLine = c != '\r' && c != '\n'
		e.out = append(e.out, c)
	}
}

func isCommand(c byte) bool {
	for i := range len(commands) {
		if commands[i] == c {
			return true
		}
	}
	return false
}
