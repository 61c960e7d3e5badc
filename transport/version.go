package transport

import (
	"bytes"
	"fmt"
	"strings"
)

// Identification exchange (RFC 4253 section 4.2). Each side sends one line,
//
//	SSH-protoversion-softwareversion SP comments CR LF
//
// of at most 255 bytes. A server may send other lines first.

const (
	versionPrefix = "SSH-2.0-"
	// compatPrefix is what a server that also speaks protocol 1 sends
	// (RFC 4253 section 5.1).
	compatPrefix  = "SSH-1.99-"
	maxVersionLen = 255 // CR LF included

	// What a server may send before its identification. RFC 4253 sets no
	// bound; these are larger than any greeting seen in the field.
	maxGreetingLines = 1024
	maxGreetingLine  = 8192
)

// checkSoftwareVersion refuses what may not stand in an identification:
// anything but printable US-ASCII; a minus sign in the version proper is
// allowed, since OpenSSH peers accept it.
func checkSoftwareVersion(v string) error {
	for _, c := range []byte(v) {
		if c < ' ' || c > '~' {
			return fmt.Errorf("transport: SoftwareVersion %q is not printable US-ASCII", v)
		}
	}
	if v == "" || v[0] == ' ' || len(versionPrefix)+len(v)+2 > maxVersionLen {
		return fmt.Errorf("transport: SoftwareVersion %q is empty or too long", v)
	}
	return nil
}

// parseVersion judges a line that begins with "SSH-", its line end removed.
func parseVersion(line []byte) error {
	fail := func(why string) error { return &VersionError{Line: cut(line), Why: why} }
	if bytes.IndexByte(line, 0) >= 0 {
		return fail("null byte in the peer's identification")
	}
	if bytes.HasPrefix(line, []byte(versionPrefix)) || bytes.HasPrefix(line, []byte(compatPrefix)) {
		return nil
	}
	return fail(otherVersion)
}

const otherVersion = "the peer speaks another version of the SSH protocol than 2.0"

func cut(line []byte) string {
	return strings.ToValidUTF8(string(line[:min(len(line), maxVersionLen)]), "\uFFFD")
}

// A versionReader finds the identification in the bytes that a peer sends
// first. It keeps no bytes of its own.
type versionReader struct {
	fromServer bool // other lines may come first
	lines      int
}

// next looks at the bytes received and not yet used. It returns how many of
// them to drop, and the identification line once it is there, as an alias
// without its CR LF. With n 0 and no line more bytes are needed.
func (v *versionReader) next(b []byte) (n int, line []byte, err error) {
	end := bytes.IndexByte(b, '\n')
	is := isVersion(b)
	limit := maxGreetingLine
	if is != no {
		limit = maxVersionLen
	}
	if end >= limit || end < 0 && len(b) >= limit {
		return 0, nil, &VersionError{Line: cut(b), Why: "the peer's identification line is too long"}
	}
	if !v.fromServer && is == no {
		return 0, nil, &VersionError{Line: cut(b), Why: "the peer does not speak SSH"}
	}
	if end < 0 {
		return 0, nil, nil
	}
	if is == yes {
		line = bytes.TrimSuffix(b[:end], []byte("\r"))
		return end + 1, line, parseVersion(line)
	}
	if v.lines++; v.lines > maxGreetingLines || !v.fromServer {
		return 0, nil, &VersionError{Line: cut(b[:end]), Why: "the peer does not speak SSH"}
	}
	return end + 1, nil, nil
}

type answer int

const (
	no answer = iota
	maybe
	yes
)

// isVersion says whether b begins an identification line.
func isVersion(b []byte) answer {
	const start = "SSH-"
	if len(b) >= len(start) && string(b[:len(start)]) == start {
		return yes
	}
	if len(b) < len(start) && strings.HasPrefix(start, string(b)) {
		return maybe
	}
	return no
}
