package knownhosts

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/fairlead-go/ssh/keys"
	"github.com/fairlead-go/ssh/keys/internal/textfile"
)

type marker uint8

const (
	plainKey marker = iota
	authority
	revoked
)

// markers are what a line may begin with. They are case sensitive.
var markers = map[string]marker{
	"@cert-authority": authority,
	"@revoked":        revoked,
}

var (
	errMarker  = errors.New("unknown marker, or more than one")
	errNoKey   = errors.New("no key after the host names")
	errNoHosts = errors.New("no host names")
)

// A LineError is a line that was passed over because it cannot be read.
type LineError struct {
	File string
	Line int
	Err  error
}

func (e *LineError) Error() string {
	return fmt.Sprintf("knownhosts: %s:%d: %v", e.File, e.Line, e.Err)
}

func (e *LineError) Unwrap() error { return e.Err }

// entry is one line of a file.
type entry struct {
	marker marker
	hosts  string      // patterns, if hashed is nil
	hashed *hashedName // the one name that the line is for
	key    keys.PublicKey
	line   int
}

func (e *entry) matches(name string) bool {
	if e.hashed != nil {
		return e.hashed.matches(name)
	}
	return textfile.MatchList(e.hosts, name) == textfile.Matched
}

// parseLine parses a line without its end, in the format that sshd(8) gives
// under SSH_KNOWN_HOSTS FILE FORMAT. Blank lines and comments are nil. Like
// OpenSSH it sees nothing after a zero byte.
//
// In one case it sees more than OpenSSH, which misses a marker with a tab after
// it if a space follows later on the line: a revocation must not get lost
// by that.
func parseLine(b []byte) (*entry, error) {
	b, _, _ = bytes.Cut(b, []byte{0})
	b = textfile.TrimBlank(bytes.TrimRight(b, "\r"))
	if len(b) == 0 || b[0] == '#' {
		return nil, nil
	}
	e := new(entry)
	if b[0] == '@' {
		name, rest := textfile.CutBlank(b)
		m, ok := markers[string(name)]
		if !ok || len(rest) > 0 && rest[0] == '@' {
			return nil, errMarker
		}
		e.marker, b = m, rest
	}
	hosts, b := textfile.CutBlank(b)
	if len(hosts) == 0 {
		return nil, errNoHosts
	}
	if len(b) == 0 || b[0] == '#' {
		return nil, errNoKey
	}
	keyType, b := textfile.CutBlank(b)
	blob, _ := textfile.CutBlank(b) // a comment may follow
	key, _, err := keys.ParsePublicKeyLine(bytes.Join([][]byte{keyType, blob}, []byte{' '}))
	if err != nil {
		return nil, err
	}
	e.key = key
	if hosts[0] == '|' {
		if e.hashed, err = parseHashedName(string(hosts)); err != nil {
			return nil, err
		}
		return e, nil
	}
	e.hosts = textfile.Lower(string(hosts))
	return e, nil
}

// parseFile parses all lines of r. path is what errors call it.
func parseFile(r io.Reader, path string) (entries []entry, bad []*LineError, err error) {
	lines := textfile.NewLines(r)
	for lines.Next() {
		if lines.TooLong() {
			bad = append(bad, &LineError{File: path, Line: lines.Number(), Err: textfile.ErrLineTooLong})
			continue
		}
		switch e, err := parseLine(lines.Line()); {
		case err != nil:
			bad = append(bad, &LineError{File: path, Line: lines.Number(), Err: err})
		case e != nil:
			e.line = lines.Number()
			entries = append(entries, *e)
		}
	}
	return entries, bad, lines.Err()
}
