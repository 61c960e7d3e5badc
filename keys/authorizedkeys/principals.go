package authorizedkeys

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/fairlead-go/ssh/keys"
	"github.com/fairlead-go/ssh/keys/internal/textfile"
)

// A Principal is one line of a file of authorized principals: a name that a
// certificate may have, and what logins by it may do.
type Principal struct {
	Name    string
	Options Options
	Line    int // from 1
}

var errAuthorityHere = errors.New("option cert-authority beside a principal")

// ParsePrincipals parses the lines of a file of authorized principals, the
// AuthorizedPrincipalsFile of sshd_config(5): a name, with options before it if
// there are blanks in the line. What follows a '#' is a comment, wherever it
// stands. Lines that cannot be read are among the errors, and let no one in.
func ParsePrincipals(data []byte) ([]Principal, []*LineError) {
	principals, bad, _ := readPrincipals(bytes.NewReader(data), "") // that reader never fails
	return principals, bad
}

// ReadPrincipalsFile parses a file as [ParsePrincipals] does, and opens it as
// [ReadFile] does.
func ReadPrincipalsFile(path string) (principals []Principal, bad []*LineError, err error) {
	err = withFile(path, func(r io.Reader) (err error) {
		principals, bad, err = readPrincipals(r, path)
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	return principals, bad, nil
}

func readPrincipals(r io.Reader, path string) (principals []Principal, bad []*LineError, err error) {
	lines := textfile.NewLines(r)
	for lines.Next() {
		err := error(textfile.ErrLineTooLong)
		var p *Principal
		if !lines.TooLong() {
			p, err = parsePrincipal(lines.Line())
		}
		switch {
		case err != nil:
			bad = append(bad, &LineError{File: path, Line: lines.Number(), Err: err})
		case p != nil:
			p.Line = lines.Number()
			principals = append(principals, *p)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, nil, fmt.Errorf("authorizedkeys: %w", err)
	}
	return principals, bad, nil
}

func parsePrincipal(line []byte) (*Principal, error) {
	line, _, _ = bytes.Cut(line, []byte{'#'})
	line = bytes.Trim(line, " \t")
	if len(line) == 0 {
		return nil, nil
	}
	if bytes.IndexByte(line, 0) >= 0 {
		return nil, errZero
	}
	p := new(Principal)
	if i := bytes.LastIndexAny(line, " \t"); i >= 0 {
		o, err := parseOptions(string(bytes.TrimRight(line[:i], " \t")))
		if err != nil {
			return nil, err
		}
		if o.CertAuthority {
			return nil, errAuthorityHere
		}
		p.Options, line = *o, line[i+1:]
	}
	p.Name = string(line)
	return p, nil
}

// FindPrincipal returns the first line whose name is one of the principals of
// the certificate that l has for a key. That line alone decides: where it does
// not let the client in, the error is a [*RefusedError]; where there is none,
// it is [ErrPrincipal].
func FindPrincipal(principals []Principal, l Login) (*Principal, error) {
	if l.Time.IsZero() {
		l.Time = time.Now()
	}
	c, ok := l.Key.(*keys.Certificate)
	if !ok {
		return nil, ErrNotFound
	}
	names := c.Principals()
	for i := range principals {
		p := &principals[i]
		if !slices.Contains(names, p.Name) {
			continue
		}
		reason := p.Options.admits(&l)
		if reason == nil {
			reason = p.Options.admitsCommand(c)
		}
		if reason != nil {
			return nil, &RefusedError{Line: p.Line, Reason: reason}
		}
		return p, nil
	}
	return nil, ErrPrincipal
}
