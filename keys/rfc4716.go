package keys

import (
	"bytes"
	"encoding/base64"
	"errors"
	"strings"
	"unicode/utf8"

	"github.com/fairlead-go/ssh/wire"
)

const (
	rfc4716Begin = "---- BEGIN SSH2 PUBLIC KEY ----"
	rfc4716End   = "---- END SSH2 PUBLIC KEY ----"
	rfc4716      = "RFC 4716 public key"

	// Bounds in bytes, of RFC 4716 section 3.
	rfc4716Line  = 72
	rfc4716Tag   = 64
	rfc4716Value = 1024
)

var (
	errMarker   = errors.New("a marker is missing")
	errHeader   = errors.New("malformed header")
	errLongLine = errors.New("line is too long")
	errComments = errors.New("more than one Comment")
)

// MarshalRFC4716 returns the key as a public key file of RFC 4716, which many
// other implementations than OpenSSH use. Control characters in the comment
// become spaces, and it is cut to 1022 bytes. Over 60 bytes it takes several
// lines, which some programs cannot read, PuTTY among them.
func MarshalRFC4716(k PublicKey, comment string) []byte {
	b := []byte(rfc4716Begin + "\n")
	if comment = strings.TrimSpace(strings.Map(spaceForControl, comment)); comment != "" {
		const quotes = 2
		for len(comment) > rfc4716Value-quotes {
			_, last := utf8.DecodeLastRuneInString(comment)
			comment = comment[:len(comment)-last]
		}
		header := `Comment: "` + comment + `"`
		for len(header) > rfc4716Line {
			b = append(b, header[:rfc4716Line-1]...)
			b = append(b, "\\\n"...)
			header = header[rfc4716Line-1:]
		}
		b = append(b, header...)
		b = append(b, '\n')
	}
	text := base64.StdEncoding.EncodeToString(k.Marshal())
	for len(text) > 0 {
		n := min(len(text), rfc4716Line)
		b = append(b, text[:n]...)
		b = append(b, '\n')
		text = text[n:]
	}
	return append(b, rfc4716End+"\n"...)
}

// parseRFC4716 parses a public key file of RFC 4716, whose lines may end in
// CR, LF or both. Headers other than Comment are read and left alone. Lines of
// the header may be as long as a tag and a value together, for there are
// programs that do not continue them on the next.
func parseRFC4716(data []byte) (key PublicKey, comment string, err error) {
	blob, comment, err := readRFC4716(data)
	if err != nil {
		return nil, "", &MalformedError{What: rfc4716, Err: err}
	}
	if key, err = ParsePublicKey(blob); err != nil {
		return nil, "", err
	}
	return key, comment, nil
}

func readRFC4716(data []byte) (blob []byte, comment string, err error) {
	lines := bytes.Split(normalLines(bytes.TrimSpace(data)), []byte{'\n'})
	if string(lines[0]) != rfc4716Begin || string(lines[len(lines)-1]) != rfc4716End {
		return nil, "", errMarker
	}
	lines = lines[1 : len(lines)-1]
	commented := false
	for len(lines) > 0 && bytes.IndexByte(lines[0], ':') >= 0 {
		var tag, value string
		if tag, value, lines, err = readHeader(lines); err != nil {
			return nil, "", err
		}
		if !strings.EqualFold(tag, "Comment") {
			continue
		}
		if commented {
			return nil, "", errComments
		}
		commented = true
		comment = value
		if n := len(value); n >= 2 && value[0] == '"' && value[n-1] == '"' {
			comment = value[1 : n-1] // section 3.3.2: they are no part of it
		}
	}
	var text []byte
	for _, line := range lines {
		if len(line) > rfc4716Line {
			return nil, "", errLongLine
		}
		if len(line) == 0 {
			return nil, "", wire.ErrInvalid
		}
		text = append(text, line...)
	}
	blob, err = base64.StdEncoding.Strict().AppendDecode(nil, text)
	return blob, comment, err
}

// readHeader reads a header with the lines that continue it, and returns the
// lines after it.
func readHeader(lines [][]byte) (tag, value string, rest [][]byte, err error) {
	var header []byte
	for more := true; more; lines = lines[1:] {
		if len(lines) == 0 {
			return "", "", nil, errHeader
		}
		line, continued := bytes.CutSuffix(lines[0], []byte{'\\'})
		more = continued
		header = append(header, line...)
		if len(header) > rfc4716Tag+rfc4716Value+2 {
			return "", "", nil, errLongLine
		}
	}
	before, after, ok := bytes.Cut(header, []byte(": "))
	if !ok || !isName(before) || len(before) > rfc4716Tag || len(after) > rfc4716Value {
		return "", "", nil, errHeader
	}
	return string(before), string(after), lines, nil
}

// normalLines returns data with LF for every end of a line.
func normalLines(data []byte) []byte {
	data = bytes.ReplaceAll(data, []byte("\r\n"), []byte{'\n'})
	return bytes.ReplaceAll(data, []byte{'\r'}, []byte{'\n'})
}
