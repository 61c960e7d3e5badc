package krl

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"

	"github.com/fairlead-go/ssh/keys"
	"github.com/fairlead-go/ssh/keys/internal/textfile"
	"github.com/fairlead-go/ssh/wire"
)

// Read parses a list in either form. What does not begin as a binary list does
// must be a plain file, of which each line is blank, a comment that begins with
// '#', or a public key as in a .pub file. All these keys are revoked; a
// certificate stands for its key there, as it does for sshd. A file that is
// empty revokes nothing. A line of another kind is a [*LineError], since it may
// have been meant to revoke something. A key of a type that is not supported
// here is let pass; it is accepted nowhere.
func Read(r io.Reader) (*List, error) {
	limited := &io.LimitedReader{R: r, N: MaxSize + 1}
	head := make([]byte, len(magic))
	n, err := io.ReadFull(limited, head)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("krl: %w", err)
	}
	rest := io.MultiReader(bytes.NewReader(head[:n]), limited)
	if IsBinary(head) {
		data, err := io.ReadAll(rest)
		if err != nil {
			return nil, fmt.Errorf("krl: %w", err)
		}
		return Parse(data)
	}
	l, err := readText(rest)
	if err != nil {
		return nil, err
	}
	if limited.N == 0 {
		return nil, fmt.Errorf("%w: more than %d bytes", ErrTooLarge, MaxSize)
	}
	return l, nil
}

func readText(r io.Reader) (*List, error) {
	l := new(List)
	lines := textfile.NewLines(r)
	for lines.Next() {
		if lines.TooLong() {
			return nil, &LineError{Line: lines.Number(), Err: textfile.ErrLineTooLong}
		}
		line := textfile.TrimBlank(lines.Line())
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		if err := l.revokeLine(line); err != nil {
			return nil, &LineError{Line: lines.Number(), Err: err}
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("krl: %w", err)
	}
	return l, nil
}

func (l *List) revokeLine(line []byte) error {
	k, _, err := keys.ParsePublicKeyLine(line)
	if err == nil {
		l.RevokeKey(k)
		return nil
	}
	if c, _, err := keys.ParseCertificateLine(line); err == nil {
		l.RevokeKey(c)
		return nil
	}
	if unsupported(err) && namesKey(line) {
		return nil
	}
	return err
}

// unsupported reports whether err is that of a key which may be one to others.
func unsupported(err error) bool {
	_, unknown := errors.AsType[*keys.UnknownTypeError](err)
	_, limit := errors.AsType[*keys.LimitError](err)
	return unknown || limit
}

// namesKey reports whether a line is a key of any type, which it is if its key
// in base64 begins with the type that the line begins with. What begins with
// options is none.
func namesKey(line []byte) bool {
	name, rest := textfile.CutBlank(line)
	encoded, _ := textfile.CutBlank(rest)
	blob, err := base64.StdEncoding.AppendDecode(nil, encoded)
	if err != nil {
		return false
	}
	r := wire.NewReader(blob)
	return bytes.Equal(r.Bytes(), name) && r.Err() == nil
}
