// Package textfile holds what known_hosts and authorized_keys files have in
// common: lines with a bound, and lists of host patterns.
package textfile

import (
	"bufio"
	"bytes"
	"errors"
	"io"
)

// MaxLine is the length of the longest line that is read, in bytes without its
// end. It holds the largest key and some thousand options or host names.
const MaxLine = 64 << 10

// ErrLineTooLong: a line is longer than MaxLine.
var ErrLineTooLong = errors.New("line is longer than 65536 bytes")

// Lines reads a text file line by line in memory that does not grow. A line
// over MaxLine is seen as one line that is too long, and no part of it as
// another.
type Lines struct {
	r       *bufio.Reader
	line    []byte
	number  int
	tooLong bool
	err     error
}

// NewLines returns Lines that read from r.
func NewLines(r io.Reader) *Lines {
	return &Lines{r: bufio.NewReaderSize(r, MaxLine+2)} // room for CR LF
}

// Next moves to the next line and reports whether there is one.
func (l *Lines) Next() bool {
	if l.err != nil {
		return false
	}
	line, err := l.r.ReadSlice('\n')
	l.tooLong = false
	if errors.Is(err, bufio.ErrBufferFull) {
		line, l.tooLong = nil, true
		for errors.Is(err, bufio.ErrBufferFull) {
			_, err = l.r.ReadSlice('\n')
		}
	}
	l.err = err
	if err != nil && (!errors.Is(err, io.EOF) || len(line) == 0 && !l.tooLong) {
		return false // what precedes a failure to read is not a whole line
	}
	l.number++
	l.line = bytes.TrimRight(bytes.TrimSuffix(line, []byte("\n")), "\r")
	if len(l.line) > MaxLine {
		l.line, l.tooLong = nil, true
	}
	return true
}

// Line returns the line without its end, valid until the next call of Next.
func (l *Lines) Line() []byte { return l.line }

// Number returns the line's number, from 1.
func (l *Lines) Number() int { return l.number }

// TooLong reports whether the line was longer than MaxLine; Line is then empty.
func (l *Lines) TooLong() bool { return l.tooLong }

// Err returns the error that ended the reading, nil at the end of the file.
func (l *Lines) Err() error {
	if errors.Is(l.err, io.EOF) {
		return nil
	}
	return l.err
}
