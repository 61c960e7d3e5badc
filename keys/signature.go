package keys

import (
	"crypto"
	_ "crypto/sha256" // for digest
	_ "crypto/sha512"

	"github.com/fairlead-go/ssh/wire"
)

// maxFormat bounds the name of a signature algorithm (RFC 4251 section 6).
const maxFormat = 64

// A Signature is a signature in the form of RFC 4253 section 6.6.
type Signature struct {
	Format string // the signature algorithm's name
	Blob   []byte // what the algorithm made of it
	Rest   []byte // what follows the blob, for key types that have more to say
}

// Marshal returns the signature's wire form, in memory of its own.
func (s *Signature) Marshal() []byte {
	b := make([]byte, 0, 8+len(s.Format)+len(s.Blob)+len(s.Rest))
	b = wire.AppendString(b, s.Format)
	b = wire.AppendString(b, s.Blob)
	return append(b, s.Rest...)
}

// ParseSignature parses a signature's wire form. The result aliases b. All
// that follows the blob is left in Rest, for the key to judge: most refuse it.
func ParseSignature(b []byte) (*Signature, error) {
	r := wire.NewReader(b)
	format, blob := r.Bytes(), r.Bytes()
	if err := r.Err(); err != nil {
		return nil, &MalformedError{What: "signature", Err: err}
	}
	if !isName(format) {
		return nil, &MalformedError{What: "signature", Err: wire.ErrInvalid}
	}
	s := &Signature{Format: string(format), Blob: blob}
	if r.Len() > 0 {
		s.Rest = r.Rest()
	}
	return s, nil
}

// isName reports whether b can be an algorithm's name (RFC 4251 section 6).
func isName(b []byte) bool {
	for _, c := range b {
		if c <= ' ' || c > '~' || c == ',' {
			return false
		}
	}
	return len(b) > 0 && len(b) <= maxFormat
}

// digest returns the hash of data, by a hash that is linked in above.
func digest(h crypto.Hash, data []byte) []byte {
	d := h.New()
	d.Write(data)
	return d.Sum(nil)
}
