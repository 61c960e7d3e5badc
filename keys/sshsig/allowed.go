package sshsig

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/fairlead-go/ssh/keys"
	"github.com/fairlead-go/ssh/keys/internal/keyline"
	"github.com/fairlead-go/ssh/keys/internal/textfile"
)

// An AllowedSigner is one line of an allowed_signers file: whose signatures a
// key makes.
type AllowedSigner struct {
	// Principals are patterns with commas between, such as
	// "*@example.com,!guest@example.com".
	Principals string
	Key        keys.PublicKey
	// CertAuthority: Key certifies the keys of those who sign, and does not
	// sign itself.
	CertAuthority bool
	// Namespaces are patterns with commas between. The key signs for those
	// alone where HasNamespaces is set, and for all where it is not.
	Namespaces    string
	HasNamespaces bool
	// The key signs from the second of ValidAfter to that of ValidBefore. Zero:
	// without a beginning, or end.
	ValidAfter, ValidBefore time.Time
	Line                    int // from 1
}

// AllowedSigners are the lines of an allowed_signers file (ssh-keygen(1), under
// ALLOWED SIGNERS).
type AllowedSigners []AllowedSigner

// MaxFile is the size of the largest allowed_signers file that is read, in
// bytes.
const MaxFile = 32 << 20

var (
	errZero     = errors.New("line holds a zero byte")
	errNoName   = errors.New("no principals, or no key after them")
	errQuote    = errors.New("a quote in the principals, or without an end")
	errComma    = errors.New("a comma without an option after it")
	errTwice    = errors.New("given twice")
	errOption   = errors.New("unknown option")
	errNoValue  = errors.New("needs a value")
	errHasValue = errors.New("takes no value")
	errOrder    = errors.New("valid-before is not after valid-after")
)

// ReadAllowedSigners parses a file. Each of its lines is blank, a comment, among
// the signers, or among the errors; the last allow nobody to sign. An error of
// r leaves nothing that was read.
func ReadAllowedSigners(r io.Reader) (AllowedSigners, []*LineError, error) {
	var signers AllowedSigners
	var bad []*LineError
	limited := &io.LimitedReader{R: r, N: MaxFile + 1}
	lines := textfile.NewLines(limited)
	for lines.Next() {
		s, err := parseLine(lines.Line())
		if lines.TooLong() {
			err = textfile.ErrLineTooLong
		}
		switch {
		case err != nil:
			bad = append(bad, &LineError{Line: lines.Number(), Err: err})
		case s != nil:
			s.Line = lines.Number()
			signers = append(signers, *s)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, nil, fmt.Errorf("sshsig: cannot read the allowed signers: %w", err)
	}
	if limited.N == 0 {
		return nil, nil, fmt.Errorf("sshsig: the file of allowed signers is larger than %d bytes", MaxFile)
	}
	return signers, bad, nil
}

// parseLine returns nil for blank lines and comments.
func parseLine(line []byte) (*AllowedSigner, error) {
	line = textfile.TrimBlank(line)
	if len(line) == 0 || line[0] == '#' {
		return nil, nil
	}
	if bytes.IndexByte(line, 0) >= 0 {
		return nil, errZero
	}
	principals, rest, err := cutPrincipals(line)
	if err != nil {
		return nil, err
	}
	key, options, _, err := keyline.Cut(rest)
	if err != nil {
		return nil, err
	}
	if strings.HasSuffix(options, ",") {
		return nil, errComma
	}
	s := &AllowedSigner{Principals: string(principals), Key: key}
	if err := keyline.Options(options, s.set); err != nil {
		return nil, err
	}
	if !s.ValidAfter.IsZero() && !s.ValidBefore.IsZero() && !s.ValidBefore.After(s.ValidAfter) {
		return nil, errOrder
	}
	return s, nil
}

// cutPrincipals returns the first field of a line, which may hold blanks if it
// is in quotes, and what follows it.
func cutPrincipals(line []byte) (principals, rest []byte, err error) {
	inner, quoted := bytes.CutPrefix(line, []byte{'"'})
	if quoted {
		if principals, rest, quoted = bytes.Cut(inner, []byte{'"'}); !quoted {
			return nil, nil, errQuote
		}
		rest = textfile.TrimBlank(rest)
	} else {
		principals, rest = textfile.CutBlank(line)
	}
	switch {
	case len(principals) == 0 || len(rest) == 0:
		return nil, nil, errNoName
	case bytes.IndexByte(principals, '"') >= 0:
		return nil, nil, errQuote
	}
	return principals, rest, nil
}

func (s *AllowedSigner) set(name, value string, hasValue bool) error {
	if name == "cert-authority" {
		s.CertAuthority = true
		if hasValue {
			return errHasValue
		}
		return nil
	}
	set := values[name]
	switch {
	case set == nil:
		return errOption
	case !hasValue:
		return errNoValue
	}
	return set(s, value)
}

// values are the options with a value.
var values = map[string]func(s *AllowedSigner, value string) error{
	"namespaces": func(s *AllowedSigner, value string) error {
		if s.HasNamespaces {
			return errTwice
		}
		s.Namespaces, s.HasNamespaces = value, true
		return nil
	},
	"valid-after":  func(s *AllowedSigner, value string) error { return setTime(&s.ValidAfter, value) },
	"valid-before": func(s *AllowedSigner, value string) error { return setTime(&s.ValidBefore, value) },
}

func setTime(t *time.Time, value string) error {
	if !t.IsZero() {
		return errTwice
	}
	parsed, err := keyline.ParseTime(value, time.Local)
	*t = parsed
	return err
}
