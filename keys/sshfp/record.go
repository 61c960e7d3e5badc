package sshfp

import (
	"crypto/sha1"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/fairlead-go/ssh/keys"
)

// Type is the number of the record's type in the DNS.
const Type = 44

// An Algorithm is the type of a key (RFC 4255 section 3.1.1).
type Algorithm uint8

// The algorithms. IANA has assigned no number to security keys, nor to keys
// of several algorithms.
const (
	RSA     Algorithm = 1
	ECDSA   Algorithm = 3 // RFC 6594, on any curve
	Ed25519 Algorithm = 4 // RFC 7479
)

// A Hash says what a record's fingerprint is of a public key blob (RFC 4255
// section 3.1.2).
type Hash uint8

// The hashes.
const (
	SHA1   Hash = 1
	SHA256 Hash = 2 // RFC 6594
)

var algorithms = map[string]Algorithm{
	keys.KeyRSA:      RSA,
	keys.KeyECDSA256: ECDSA,
	keys.KeyECDSA384: ECDSA,
	keys.KeyECDSA521: ECDSA,
	keys.KeyEd25519:  Ed25519,
}

var hashes = map[Hash]func(blob []byte) []byte{
	SHA1:   func(blob []byte) []byte { sum := sha1.Sum(blob); return sum[:] },
	SHA256: func(blob []byte) []byte { sum := sha256.Sum256(blob); return sum[:] },
}

var (
	// ErrFormat: this is no SSHFP record.
	ErrFormat = errors.New("sshfp: malformed record")
	// ErrKeyType: keys of this type have no SSHFP records.
	ErrKeyType = errors.New("sshfp: no records for keys of this type")
)

// maxFingerprint is more than any hash has, in bytes.
const maxFingerprint = 255

// A Record is the data of an SSHFP record. Its Algorithm and Hash may be others
// than those that are known here; such a record matches no key.
type Record struct {
	Algorithm   Algorithm
	Hash        Hash
	Fingerprint []byte
}

// Records returns the records of a key, that with SHA-1 first, as ssh-keygen -r
// does. Certificates have none.
func Records(k keys.PublicKey) ([]Record, error) {
	algorithm, ok := algorithms[k.Type()]
	if !ok {
		return nil, fmt.Errorf("%w: %s", ErrKeyType, k.Type())
	}
	var records []Record
	for _, h := range []Hash{SHA1, SHA256} {
		records = append(records, Record{Algorithm: algorithm, Hash: h, Fingerprint: hashes[h](k.Marshal())})
	}
	return records, nil
}

// Matches reports whether the record is one of the key.
func (r Record) Matches(k keys.PublicKey) bool {
	sum := hashes[r.Hash]
	return sum != nil && r.isFor(k) && subtle.ConstantTimeCompare(sum(k.Marshal()), r.Fingerprint) == 1
}

// isFor reports whether the record is of some key of k's algorithm.
func (r Record) isFor(k keys.PublicKey) bool {
	algorithm, ok := algorithms[k.Type()]
	return ok && algorithm == r.Algorithm
}

// String returns the data in presentation form (RFC 4255 section 3.2), such as
// "4 2 7a34…". In a zone file, the host's name and "IN SSHFP" stand before it.
func (r Record) String() string {
	return fmt.Sprintf("%d %d %x", r.Algorithm, r.Hash, r.Fingerprint)
}

// Marshal returns the data in wire form (RFC 4255 section 3.1).
func (r Record) Marshal() []byte {
	return append([]byte{byte(r.Algorithm), byte(r.Hash)}, r.Fingerprint...)
}

// Parse parses the data of a record in wire form.
func Parse(data []byte) (Record, error) {
	if len(data) < 3 || len(data) > 2+maxFingerprint {
		return Record{}, fmt.Errorf("%w: %d bytes", ErrFormat, len(data))
	}
	r := Record{Algorithm: Algorithm(data[0]), Hash: Hash(data[1])}
	return r.with(append([]byte(nil), data[2:]...))
}

// ParseText parses the data of a record in presentation form: three fields of
// which the last, in hexadecimal digits, may have blanks in it. It also takes
// the form for records of unknown types (RFC 3597 section 5), which begins with
// "\#" and the length.
func ParseText(s string) (Record, error) {
	fields := strings.Fields(s)
	if len(fields) >= 3 && fields[0] == `\#` {
		data, err := parseHex(fields[2:])
		if n, lengthErr := strconv.ParseUint(fields[1], 10, 16); lengthErr != nil || err != nil || int(n) != len(data) {
			return Record{}, ErrFormat
		}
		return Parse(data)
	}
	if len(fields) < 3 {
		return Record{}, ErrFormat
	}
	algorithm, err1 := strconv.ParseUint(fields[0], 10, 8)
	hash, err2 := strconv.ParseUint(fields[1], 10, 8)
	fingerprint, err3 := parseHex(fields[2:])
	if err1 != nil || err2 != nil || err3 != nil {
		return Record{}, ErrFormat
	}
	return Record{Algorithm: Algorithm(algorithm), Hash: Hash(hash)}.with(fingerprint)
}

func parseHex(fields []string) ([]byte, error) {
	digits := strings.Join(fields, "")
	if len(digits) > 2*(2+maxFingerprint) {
		return nil, ErrFormat
	}
	return hex.DecodeString(digits)
}

// with returns the record with a fingerprint, whose length a hash that is known
// fixes.
func (r Record) with(fingerprint []byte) (Record, error) {
	if sum := hashes[r.Hash]; sum != nil && len(sum(nil)) != len(fingerprint) || len(fingerprint) > maxFingerprint {
		return Record{}, fmt.Errorf("%w: a fingerprint of %d bytes", ErrFormat, len(fingerprint))
	}
	r.Fingerprint = fingerprint
	return r, nil
}
