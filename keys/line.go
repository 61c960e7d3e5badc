package keys

import (
	"bytes"
	"encoding/base64"
	"errors"
	"strings"

	"github.com/fairlead-go/ssh/wire"
)

// MarshalAuthorizedKey returns the key as a line of a .pub, -cert.pub or
// authorized_keys file: its type, base64 and comment, with a newline at the end. Control
// characters in the comment become spaces, so that it stays one line.
func MarshalAuthorizedKey(k PublicKey, comment string) []byte {
	blob := k.Marshal()
	b := make([]byte, 0, len(k.Type())+base64.StdEncoding.EncodedLen(len(blob))+len(comment)+3)
	b = append(b, k.Type()...)
	b = append(b, ' ')
	b = base64.StdEncoding.AppendEncode(b, blob)
	if comment = strings.TrimSpace(strings.Map(spaceForControl, comment)); comment != "" {
		b = append(b, ' ')
		b = append(b, comment...)
	}
	return append(b, '\n')
}

func spaceForControl(r rune) rune {
	if r < ' ' || r == 0x7f {
		return ' '
	}
	return r
}

// ParsePublicKeyLine parses the line of a .pub file: a key type, the key in
// base64, and a comment that may be missing or hold spaces. The line may end
// in a newline; blank and comment lines, and whatever has no key type first,
// are [ErrUnknownFormat]. The type must be that of the key. A certificate is
// an [*UnknownTypeError]: see [ParseCertificateLine].
func ParsePublicKeyLine(line []byte) (key PublicKey, comment string, err error) {
	blob, comment, err := parseLine(line, lookupKeyType[[]byte])
	if err == nil {
		key, err = ParsePublicKey(blob)
	}
	if err != nil {
		return nil, "", err
	}
	return key, comment, nil
}

// ParseCertificateLine parses the line of a -cert.pub file, which is that of a
// .pub file with a certificate for the key. [MarshalAuthorizedKey] writes it.
// A plain key is an [*UnknownTypeError].
func ParseCertificateLine(line []byte) (c *Certificate, comment string, err error) {
	blob, comment, err := parseLine(line, lookupCertificateType[[]byte])
	if err == nil {
		c, err = ParseCertificate(blob)
	}
	if err != nil {
		return nil, "", err
	}
	return c, comment, nil
}

// parseLine returns the blob and the comment of a line whose type lookup knows.
func parseLine(line []byte, lookup func([]byte) *keyType) (blob []byte, comment string, err error) {
	line = bytes.Trim(line, " \t\r\n")
	if bytes.ContainsAny(line, "\r\n\x00") {
		return nil, "", ErrUnknownFormat
	}
	name, rest := cutBlank(line)
	encoded, text := cutBlank(rest)
	if !isName(name) || len(encoded) == 0 || name[0] == '#' {
		return nil, "", ErrUnknownFormat
	}
	if lookup(name) == nil {
		return nil, "", &UnknownTypeError{Type: string(name)}
	}
	blob, err = base64.StdEncoding.Strict().AppendDecode(nil, encoded)
	if err != nil {
		return nil, "", &MalformedError{What: "public key line", Err: err}
	}
	r := wire.NewReader(blob)
	if !bytes.Equal(r.Bytes(), name) {
		return nil, "", &MalformedError{What: "public key line", Err: errors.New("key is not of the type that the line begins with")}
	}
	return blob, string(text), nil
}

// cutBlank returns b up to its first run of spaces and tabs, and after it.
func cutBlank(b []byte) (before, after []byte) {
	i := bytes.IndexAny(b, " \t")
	if i < 0 {
		return b, nil
	}
	return b[:i], bytes.TrimLeft(b[i:], " \t")
}
