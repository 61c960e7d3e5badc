package authorizedkeys

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/fairlead-go/ssh/keys"
	"github.com/fairlead-go/ssh/keys/internal/keyline"
	"github.com/fairlead-go/ssh/keys/internal/textfile"
)

// An Entry is one line of a file: a key, and what logins by it may do.
type Entry struct {
	Key     keys.PublicKey
	Options Options
	Comment string // text of the file's author: escape it before it is shown
	Line    int    // from 1
}

// A LineError is a line that was passed over, because it cannot be read or has
// an option that is not known.
type LineError struct {
	File string // empty where the lines did not come from a file
	Line int    // from 1
	Err  error
}

func (e *LineError) Error() string {
	file := e.File
	if file == "" {
		file = "line "
	} else {
		file += ":"
	}
	return "authorizedkeys: " + file + strconv.Itoa(e.Line) + ": " + e.Err.Error()
}

func (e *LineError) Unwrap() error { return e.Err }

var errZero = errors.New("line holds a zero byte or a line end")

// Parse parses the lines of a file. Each is either a blank line or a comment,
// among the entries, or among the errors.
func Parse(data []byte) ([]Entry, []*LineError) {
	entries, bad, _ := read(bytes.NewReader(data), "") // that reader never fails
	return entries, bad
}

// Read parses the lines of r as [Parse] does. An error of r leaves nothing that
// was read, because what follows might have mattered.
func Read(r io.Reader) ([]Entry, []*LineError, error) { return read(r, "") }

func read(r io.Reader, path string) (entries []Entry, bad []*LineError, err error) {
	lines := textfile.NewLines(r)
	for lines.Next() {
		if lines.TooLong() {
			bad = append(bad, &LineError{File: path, Line: lines.Number(), Err: textfile.ErrLineTooLong})
			continue
		}
		switch e, err := ParseLine(lines.Line()); {
		case err != nil:
			bad = append(bad, &LineError{File: path, Line: lines.Number(), Err: err})
		case e != nil:
			e.Line = lines.Number()
			entries = append(entries, *e)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, nil, fmt.Errorf("authorizedkeys: %w", err)
	}
	return entries, bad, nil
}

// ParseLine parses one line, with or without a line end. Blank lines and
// comments are nil, without an error. The line is first read as a key, and as
// options with a key after them if that fails.
func ParseLine(line []byte) (*Entry, error) {
	line = textfile.TrimBlank(bytes.TrimRight(line, "\r\n"))
	if len(line) == 0 || line[0] == '#' {
		return nil, nil
	}
	if bytes.ContainsAny(line, "\x00\n") {
		return nil, errZero
	}
	if len(line) > textfile.MaxLine {
		return nil, textfile.ErrLineTooLong
	}
	key, options, comment, err := keyline.Cut(line)
	if err != nil {
		return nil, err
	}
	o, err := parseOptions(options)
	if err != nil {
		return nil, err
	}
	return &Entry{Key: key, Options: *o, Comment: comment}, nil
}
