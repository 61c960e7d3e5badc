package keys

import (
	"bytes"
	"crypto/aes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"strconv"

	"github.com/fairlead-go/ssh/wire"
)

// PuTTY's format of private keys, .ppk, is described in appendix C of its
// manual. A file is lines of "Name: value", in one order, and two blobs in
// base64.

const (
	puttyMagic = "PuTTY-User-Key-File-"
	puttyKey   = "PuTTY private key"
)

var (
	errPuttyLine = errors.New("not the line that should come next")
	errPuttyType = errors.New("key is not of the type that the first line names")
	errPuttyMAC  = errors.New("MAC is wrong")
)

func malformedPutty(err error) error { return malformed(puttyKey, err) }

// puttyFile is a .ppk file before its private blob is opened.
type puttyFile struct {
	version   *puttyVersion
	typ       string // as the file has it
	cipher    string
	comment   []byte
	public    []byte // a public key blob or a certificate
	key       PublicKey
	kdf       kdf    // nil unless it is encrypted and of version 3
	private   []byte // encrypted or not
	mac       []byte
	encrypted bool
}

// puttyLines reads a file line by line. An error sticks.
type puttyLines struct {
	rest []byte
	err  error
}

// next returns the next line, which ends in CR, LF or both.
func (l *puttyLines) next() []byte {
	i := bytes.IndexAny(l.rest, "\r\n")
	if i < 0 {
		i = len(l.rest)
	}
	line, rest := l.rest[:i], l.rest[i:]
	if after, ok := bytes.CutPrefix(rest, []byte("\r\n")); ok {
		rest = after
	} else if len(rest) > 0 {
		rest = rest[1:]
	}
	l.rest = rest
	return line
}

// value returns the rest of the next line, which must begin with name.
func (l *puttyLines) value(name string) []byte {
	if l.err != nil {
		return nil
	}
	value, ok := bytes.CutPrefix(l.next(), []byte(name+": "))
	if !ok {
		l.err = errPuttyLine
		return nil
	}
	return value
}

func (l *puttyLines) number(name string) uint64 {
	n, err := strconv.ParseUint(string(l.value(name)), 10, 64)
	if l.err == nil && err != nil {
		l.err = wire.ErrInvalid
	}
	return n
}

func (l *puttyLines) hex(name string) []byte {
	b, err := hex.DecodeString(string(l.value(name)))
	if l.err == nil && err != nil {
		l.err = wire.ErrInvalid
	}
	return b
}

// blob reads a number of lines and the blob that they hold.
func (l *puttyLines) blob(name string) []byte {
	n := l.number(name)
	var text []byte
	for ; n > 0 && l.err == nil; n-- {
		if len(l.rest) == 0 {
			l.err = wire.ErrTruncated
		}
		text = append(text, l.next()...)
	}
	if l.err != nil {
		return nil
	}
	b, err := base64.StdEncoding.Strict().AppendDecode(nil, text)
	if err != nil {
		l.err = wire.ErrInvalid
	}
	clear(text)
	return b
}

// parsePutty opens a .ppk file.
func parsePutty(data, passphrase []byte) (*PrivateKey, error) {
	f, err := parsePuttyFile(data)
	if err != nil {
		return nil, err
	}
	defer clear(f.private)
	return f.open(passphrase)
}

// parsePuttyPublic reads a file up to its public blob.
func parsePuttyPublic(l *puttyLines) (*puttyFile, error) {
	magic, typ, _ := bytes.Cut(l.next(), []byte(": "))
	number := string(bytes.TrimPrefix(magic, []byte(puttyMagic)))
	f := &puttyFile{version: puttyVersions[number], typ: string(typ)}
	if f.version == nil {
		return nil, &UnsupportedError{What: "version of a PuTTY private key", Name: number}
	}
	f.cipher = string(l.value("Encryption"))
	f.comment = l.value("Comment")
	f.public = l.blob("Public-Lines")
	if l.err != nil {
		return nil, malformedPutty(l.err)
	}
	var err error
	if f.key, err = ParseKeyOrCertificate(f.public); err != nil {
		return nil, err
	}
	if f.key.Type() != f.typ {
		return nil, malformedPutty(errPuttyType)
	}
	return f, nil
}

// parsePuttyFile reads all that can be read without the passphrase. The MAC
// has not been looked at.
func parsePuttyFile(data []byte) (*puttyFile, error) {
	l := puttyLines{rest: data}
	f, err := parsePuttyPublic(&l)
	if err != nil {
		return nil, err
	}
	f.encrypted = f.cipher != "none"
	if f.encrypted && f.cipher != "aes256-cbc" {
		return nil, &UnsupportedError{What: "cipher of a private key", Name: f.cipher}
	}
	if f.encrypted && f.version.readKDF != nil {
		if f.kdf, err = f.version.readKDF(&l); err != nil {
			return nil, err
		}
	}
	f.private = l.blob("Private-Lines")
	f.mac = l.hex("Private-MAC")
	switch {
	case l.err != nil:
		err = l.err
	case len(f.mac) != f.version.hash().Size():
		err = wire.ErrInvalid
	case len(bytes.TrimSpace(l.rest)) > 0:
		err = wire.ErrTrailing
	case f.encrypted && (len(f.private) == 0 || len(f.private)%aes.BlockSize != 0):
		err = errBlocks
	}
	if err != nil {
		return nil, malformedPutty(err)
	}
	return f, nil
}

// A puttyLayout says which strings make up the two blobs of a key, and how
// those of openssh-key-v1 are made of them.
type puttyLayout struct {
	public, private int // how many strings, after the public blob's type
	arrange         func(public, private [][]byte) [][]byte
}

var (
	puttyEd25519 = puttyLayout{1, 1, func(public, private [][]byte) [][]byte {
		return [][]byte{public[0], bytes.Join([][]byte{private[0], public[0]}, nil)}
	}}
	puttyECDSA = puttyLayout{2, 1, func(public, private [][]byte) [][]byte {
		return [][]byte{public[0], public[1], private[0]}
	}}
	// From e, n and d, p, q, q^-1 mod p.
	puttyRSA = puttyLayout{2, 4, func(public, private [][]byte) [][]byte {
		return [][]byte{public[1], public[0], private[0], private[3], private[1], private[2]}
	}}
)

var puttyLayouts = map[string]puttyLayout{
	KeyEd25519:  puttyEd25519,
	KeyECDSA256: puttyECDSA,
	KeyECDSA384: puttyECDSA,
	KeyECDSA521: puttyECDSA,
	KeyRSA:      puttyRSA,
}

// parsePrivate parses the private blob once it is plain and its MAC verified.
func (f *puttyFile) parsePrivate(blob []byte) (*PrivateKey, error) {
	public := PlainKey(f.key)
	layout, ok := puttyLayouts[public.Type()]
	if !ok {
		return nil, &UnsupportedError{What: "type of a private key", Name: public.Type()}
	}
	r := wire.NewReader(public.Marshal())
	r.Bytes()
	publicFields := readStrings(&r, layout.public)
	err := r.End()
	r = wire.NewReader(blob)
	privateFields := readStrings(&r, layout.private)
	if err == nil {
		err = r.Err()
	}
	if padding := r.Len(); err == nil && padding > 0 && (!f.encrypted || padding >= aes.BlockSize) {
		err = wire.ErrTrailing
	}
	if err != nil {
		return nil, malformedPutty(err)
	}
	fields := make([]byte, 0, 2*len(f.public)+len(blob)) // enough for it to be the only copy
	for _, s := range layout.arrange(publicFields, privateFields) {
		fields = wire.AppendString(fields, s)
	}
	defer clear(fields)
	r = wire.NewReader(fields)
	k := lookupKeyType(public.Type()).parsePrivate(&r)
	if err := r.End(); err != nil {
		return nil, malformedPutty(err)
	}
	key, err := NewPrivateKey(k)
	if err != nil {
		return nil, err
	}
	key.Comment = string(f.comment)
	return key, nil
}

func readStrings(r *wire.Reader, n int) [][]byte {
	out := make([][]byte, n)
	for i := range out {
		out[i] = r.Bytes()
	}
	return out
}
