package krl

import (
	"bytes"
	"crypto/sha1"
	"crypto/sha256"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"time"

	"github.com/fairlead-go/ssh/keys"
	"github.com/fairlead-go/ssh/wire"
)

// MaxSize is the size of the largest list that is read, in bytes.
const MaxSize = 32 << 20

// magic is what a list begins with; the version of the format follows it.
var magic = []byte("SSHKRL\n\x00")

const formatVersion = 1

// The numbers of a list's sections.
const (
	sectionCertificates = 1
	sectionKey          = 2
	sectionSHA1         = 3
	sectionSignature    = 4
	sectionSHA256       = 5
	sectionExtension    = 255
)

// The numbers of the sections within one of certificates.
const (
	certSerialList   = 0x20
	certSerialRange  = 0x21
	certSerialBitmap = 0x22
	certKeyID        = 0x23
	certExtension    = 0x39
)

// A parser reads into a list. Its functions report errors through the Reader.
type parser struct {
	list        List
	authorities map[string]*certs // with serials that are not normalized
	ranges      int
}

// sections are all that a list may have but those of certificates, whose
// sections are in certSections.
var sections = map[byte]func(p *parser, r *wire.Reader){
	sectionCertificates: (*parser).certificates,
	sectionKey: func(p *parser, r *wire.Reader) {
		p.list.blobs.add(r.Text())
	},
	sectionSHA1: func(p *parser, r *wire.Reader) {
		p.list.sha1s.add(hash(r, sha1.Size))
	},
	sectionSHA256: func(p *parser, r *wire.Reader) {
		p.list.sha256s.add(hash(r, sha256.Size))
	},
	sectionExtension: func(_ *parser, r *wire.Reader) { extension(r) },
}

var certSections = map[byte]func(p *parser, by *certs, r *wire.Reader){
	certSerialList: func(p *parser, by *certs, r *wire.Reader) {
		serial := r.Uint64()
		p.addRange(r, by, Range{serial, serial})
	},
	certSerialRange: func(p *parser, by *certs, r *wire.Reader) {
		first, last := r.Uint64(), r.Uint64()
		p.addRange(r, by, Range{first, last})
		single(r)
	},
	certSerialBitmap: (*parser).bitmap,
	certKeyID: func(_ *parser, by *certs, r *wire.Reader) {
		by.keyIDs.add(r.Text())
	},
	certExtension: func(_ *parser, _ *certs, r *wire.Reader) { extension(r) },
}

func hash(r *wire.Reader, size int) string {
	sum := r.Text()
	if len(sum) != size {
		r.Fail(wire.ErrInvalid)
	}
	return sum
}

// single refuses a second item in a section that has only one.
func single(r *wire.Reader) {
	if r.Len() > 0 {
		r.Fail(wire.ErrTrailing)
	}
}

// IsBinary reports whether data begins as a list in binary form does. What does
// not is a plain file of keys, if it is a list at all.
func IsBinary(data []byte) bool { return bytes.HasPrefix(data, magic) }

// Parse parses a list in binary form. It refuses what it does not know, except
// for extensions that are not critical; these are lost if the list is written
// again. A list that carries signatures is refused, as by OpenSSH since 9.4:
// sign its file if it must be signed. Errors are [ErrFormat], [ErrUnsupported],
// [ErrSerial] or [ErrTooLarge].
func Parse(data []byte) (*List, error) {
	if len(data) > MaxSize {
		return nil, fmt.Errorf("%w: more than %d bytes", ErrTooLarge, MaxSize)
	}
	if !IsBinary(data) {
		return nil, ErrFormat
	}
	p := &parser{authorities: make(map[string]*certs)}
	r := wire.NewReader(data[len(magic):])
	p.parse(&r)
	if err := r.End(); err != nil {
		return nil, formatError(err)
	}
	for authority, c := range p.authorities {
		if len(c.serials) > 0 {
			if err := p.list.addSerials(authority, c.serials); err != nil {
				return nil, err
			}
		}
		if len(c.keyIDs) > 0 {
			p.list.of(authority).keyIDs = c.keyIDs
		}
	}
	return &p.list, nil
}

func formatError(err error) error {
	for _, own := range []error{ErrUnsupported, ErrTooLarge, ErrSerial} {
		if errors.Is(err, own) {
			return err
		}
	}
	return fmt.Errorf("%w: %w", ErrFormat, err)
}

func (p *parser) parse(r *wire.Reader) {
	if version := r.Uint32(); version != formatVersion && r.Err() == nil {
		r.Fail(fmt.Errorf("%w: version %d of the format", ErrUnsupported, version))
	}
	p.list.Version = r.Uint64()
	p.list.Generated = time.Unix(int64(r.Uint64()), 0)
	r.Uint64() // flags, of which none is defined
	r.Bytes()  // reserved
	p.list.Comment = r.Text()
	for r.Len() > 0 {
		kind := r.Byte()
		parse := sections[kind]
		if parse == nil {
			r.Fail(fmt.Errorf("%w: section of type %d", ErrUnsupported, kind))
			return
		}
		section := wire.NewReader(r.Bytes())
		for section.Len() > 0 {
			parse(p, &section)
		}
		if err := section.End(); err != nil {
			r.Fail(err)
		}
	}
}

func (p *parser) certificates(r *wire.Reader) {
	blob := r.Bytes()
	r.Bytes() // reserved
	if err := checkAuthority(blob); err != nil {
		r.Fail(err)
		return
	}
	// Looked up once, since it may be as long as the list.
	by := p.authorities[string(blob)]
	if by == nil {
		by = new(certs)
		p.authorities[string(blob)] = by
	}
	for r.Len() > 0 {
		kind := r.Byte()
		parse := certSections[kind]
		if parse == nil {
			r.Fail(fmt.Errorf("%w: section of type %#x for certificates", ErrUnsupported, kind))
			return
		}
		section := wire.NewReader(r.Bytes())
		for section.Len() > 0 {
			parse(p, by, &section)
		}
		if err := section.End(); err != nil {
			r.Fail(err)
		}
	}
}

// checkAuthority refuses what is no key. A key that is not supported here is
// let pass: no certificate by it is accepted in any case.
func checkAuthority(blob []byte) error {
	if len(blob) == 0 {
		return nil
	}
	if _, err := keys.ParsePublicKey(blob); err != nil && !unsupported(err) {
		return err
	}
	return nil
}

func (p *parser) addRange(r *wire.Reader, by *certs, add Range) {
	switch {
	case r.Err() != nil:
	case !add.valid():
		r.Fail(ErrSerial)
	case p.ranges >= MaxRanges:
		r.Fail(ErrTooLarge)
	default:
		p.ranges++
		by.serials = append(by.serials, add)
	}
}

// bitmap reads an offset and a number in which bit n stands for the serial
// number offset+n.
func (p *parser) bitmap(by *certs, r *wire.Reader) {
	offset, bitmap := r.Uint64(), r.Mpint()
	single(r)
	if r.Err() != nil || len(bitmap) == 0 {
		return
	}
	highest := uint64(8*len(bitmap) - 1 - bits.LeadingZeros8(bitmap[0]))
	if highest > math.MaxUint64-offset {
		r.Fail(ErrSerial)
		return
	}
	octet := func(n uint64) byte { return bitmap[len(bitmap)-1-int(n/8)] }
	for n := uint64(0); n <= highest; n++ {
		if octet(n) == 0 {
			n |= 7
			continue
		}
		if octet(n)>>(n%8)&1 == 0 {
			continue
		}
		first := n
		for n < highest && octet(n+1)>>((n+1)%8)&1 == 1 {
			n++
		}
		p.addRange(r, by, Range{offset + first, offset + n})
		if r.Err() != nil {
			return
		}
	}
}

// extension reads what may be passed over unless it is critical.
func extension(r *wire.Reader) {
	name, critical := r.Bytes(), r.Bool()
	r.Bytes()
	single(r)
	if critical && r.Err() == nil {
		r.Fail(fmt.Errorf("%w: critical extension %s", ErrUnsupported, wire.Quote(string(name), wire.MaxShown)))
	}
}
