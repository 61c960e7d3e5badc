// Package config holds what OpenSSH's two configuration files have in common:
// how a line is cut into words, how keywords are looked up, the forms of times,
// sizes, patterns, forwardings and algorithm lists, and percent expansion.
// ssh_config(5) and sshd_config(5) are the references.
//
// The files are read by this package, and not by kevinburke/ssh_config, because
// a drop-in must refuse an unknown keyword or a bad value and name its file and
// line, must evaluate every Match criterion, must let "-o" lines take part in
// "the first value wins", and must read sshd_config by the same rules.
package config

import (
	"errors"
	"fmt"
	"strings"
)

// A Line is one line of a configuration file that is not empty or a comment.
type Line struct {
	File    string // as opened; "command-line" for -o
	Number  int    // from 1; 0 on the command line
	Keyword string // as written
	Rest    string // what follows the keyword and its "=", without trailing blanks
}

// Args cuts the rest of the line into words.
func (l *Line) Args() ([]string, error) { return Split(l.Rest) }

// Errorf returns an error that names the line.
func (l *Line) Errorf(format string, a ...any) error {
	return &Error{File: l.File, Line: l.Number, Err: fmt.Errorf(format, a...)}
}

// An Error says what is wrong with which line.
type Error struct {
	File string
	Line int
	Err  error
}

func (e *Error) Error() string { return fmt.Sprintf("%s: line %d: %v", e.File, e.Line, e.Err) }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

const blanks = " \t\r\f"

// maxLine bounds one line of a file, in bytes.
const maxLine = 1 << 16

// ParseLine cuts s into keyword and rest: "keyword value", "keyword=value" and
// "keyword = value" are the same. ok is false for an empty line and a comment.
func ParseLine(s string) (keyword, rest string, ok bool) {
	s = strings.Trim(s, blanks+"\n\v")
	if s == "" || s[0] == '#' {
		return "", "", false
	}
	if s[0] == '"' { // a quoted keyword
		if q := strings.IndexByte(s[1:], '"'); q >= 0 {
			return s[1 : 1+q], trimDelimiter(s[q+2:]), true
		}
	}
	end := strings.IndexAny(s, blanks+"=\"")
	if end < 0 {
		return s, "", true
	}
	return s[:end], trimDelimiter(s[end:]), true
}

// trimDelimiter removes blanks with at most one "=" among them.
func trimDelimiter(s string) string {
	s = strings.TrimLeft(s, blanks)
	if rest, found := strings.CutPrefix(s, "="); found {
		s = strings.TrimLeft(rest, blanks)
	}
	return s
}

// ParseFile cuts data, the contents of the file called name, into lines.
func ParseFile(name string, data []byte) ([]Line, error) {
	var lines []Line
	n := 0
	for s := range strings.SplitSeq(string(data), "\n") {
		n++
		if len(s) > maxLine {
			return nil, &Error{name, n, errors.New("line too long")}
		}
		if strings.IndexByte(s, 0) >= 0 {
			return nil, &Error{name, n, errors.New("NUL byte in line")}
		}
		if keyword, rest, ok := ParseLine(s); ok {
			lines = append(lines, Line{File: name, Number: n, Keyword: keyword, Rest: rest})
		}
	}
	return lines, nil
}

// CommandLine returns the line that an -o option stands for.
func CommandLine(option string) (Line, bool) {
	keyword, rest, ok := ParseLine(option)
	return Line{File: "command-line", Keyword: keyword, Rest: rest}, ok
}

// ErrQuotes is an unbalanced quote.
var ErrQuotes = errors.New("invalid quotes")

// Split cuts s into words at blanks. Single and double quotes group, a
// backslash quotes a quote, a backslash or, outside quotes, a space, and a "#"
// that begins a word ends the line.
func Split(s string) ([]string, error) {
	var words []string
	for i := 0; ; {
		for i < len(s) && strings.IndexByte(blanks, s[i]) >= 0 {
			i++
		}
		if i == len(s) || s[i] == '#' {
			return words, nil
		}
		var word strings.Builder
		var quote byte
		for ; i < len(s); i++ {
			c := s[i]
			switch {
			case c == '\\' && i+1 < len(s) && (s[i+1] == '\'' || s[i+1] == '"' || s[i+1] == '\\' || quote == 0 && s[i+1] == ' '):
				i++
				word.WriteByte(s[i])
				continue
			case quote == 0 && (c == '\'' || c == '"'):
				quote = c
				continue
			case quote != 0 && c == quote:
				quote = 0
				continue
			case quote == 0 && strings.IndexByte(blanks, c) >= 0:
			default:
				word.WriteByte(c)
				continue
			}
			break
		}
		if quote != 0 {
			return nil, ErrQuotes
		}
		words = append(words, word.String())
	}
}
