// Package keyline reads lines that have options before a public key, as
// authorized_keys and allowed_signers files do.
package keyline

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/fairlead-go/ssh/keys"
	"github.com/fairlead-go/ssh/keys/internal/textfile"
	"github.com/fairlead-go/ssh/wire"
)

var (
	errNoKey = errors.New("no key")
	errQuote = errors.New("missing end quote")
	errValue = errors.New("value is not in quotes")
	errAfter = errors.New("a comma is missing after the end quote")
)

// Cut parses a line that is a key, perhaps with a comment after it, or options
// with such a key after them. It is first read as a key, and with options if
// that fails.
func Cut(line []byte) (key keys.PublicKey, options, comment string, err error) {
	key, comment, first := parseKey(line)
	if first == nil {
		return key, "", comment, nil
	}
	n := optionsLength(line)
	if n < 0 {
		return nil, "", "", errQuote
	}
	key, comment, err = parseKey(textfile.TrimBlank(line[n:]))
	if err == nil {
		return key, string(line[:n]), comment, nil
	}
	if notAKey(first) {
		return nil, "", "", err
	}
	return nil, "", "", first // the line begins with a key type, so this says what is wrong
}

func parseKey(b []byte) (keys.PublicKey, string, error) {
	keyType, rest := textfile.CutBlank(b)
	blob, comment := textfile.CutBlank(rest)
	if len(blob) == 0 {
		return nil, "", errNoKey
	}
	key, _, err := keys.ParsePublicKeyLine(bytes.Join([][]byte{keyType, blob}, []byte{' '}))
	return key, string(bytes.TrimRight(comment, " \t")), err
}

// notAKey reports whether err means that a line does not begin with a key type.
func notAKey(err error) bool {
	_, unknown := errors.AsType[*keys.UnknownTypeError](err)
	return unknown || errors.Is(err, keys.ErrUnknownFormat) || errors.Is(err, errNoKey)
}

// optionsLength returns where the first blank outside quotes is, and -1 where a
// quote does not end. A backslash before a quote makes it an ordinary character.
func optionsLength(line []byte) int {
	quoted := false
	i := 0
	for ; i < len(line) && (quoted || line[i] != ' ' && line[i] != '\t'); i++ {
		if line[i] == '\\' && i+1 < len(line) && line[i+1] == '"' {
			i++
		} else if line[i] == '"' {
			quoted = !quoted
		}
	}
	if quoted {
		return -1
	}
	return i
}

// Options calls set for each of the options in s, which have commas between,
// with the name in lower case and the value without its quotes. Empty options
// are passed over. An error says which option it is about.
func Options(s string, set func(name, value string, hasValue bool) error) error {
	for s != "" {
		end := strings.IndexAny(s, ",=")
		if end < 0 {
			end = len(s)
		}
		name := textfile.Lower(s[:end])
		s = s[end:]
		var err error
		switch {
		case strings.HasPrefix(s, "="):
			var value string
			if value, s, err = dequote(s[1:]); err == nil {
				err = set(name, value, true)
			}
		case name != "":
			err = set(name, "", false)
		}
		if err != nil {
			return optionError(name, err)
		}
		s = strings.TrimPrefix(s, ",")
	}
	return nil
}

func optionError(name string, err error) error {
	return fmt.Errorf("option %s: %w", wire.Quote(name, 64), err)
}

// dequote returns the string in quotes that s begins with, and what follows it,
// which is nothing or a comma. A backslash before a quote stands for the quote,
// any other for itself.
func dequote(s string) (value, rest string, err error) {
	if !strings.HasPrefix(s, `"`) {
		return "", "", errValue
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '"':
			if rest = s[i+1:]; rest != "" && rest[0] != ',' {
				return "", "", errAfter
			}
			return b.String(), rest, nil
		case s[i] == '\\' && i+1 < len(s) && s[i+1] == '"':
			i++
		}
		b.WriteByte(s[i])
	}
	return "", "", errQuote
}
