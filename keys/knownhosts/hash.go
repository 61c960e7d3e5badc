package knownhosts

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"strings"
)

// A hashed name is "|1|", the salt, "|", and the HMAC-SHA1 of the name keyed
// with the salt; both in base64.
const hashMagic = "|1|"

var errHash = errors.New("malformed hashed host name")

type hashedName struct {
	salt, sum [sha1.Size]byte
}

func parseHashedName(field string) (*hashedName, error) {
	rest, ok := strings.CutPrefix(field, hashMagic)
	if !ok {
		return nil, errHash
	}
	salt, sum, ok := strings.Cut(rest, "|")
	h := new(hashedName)
	if !ok || !decodeExactly(&h.salt, salt) || !decodeExactly(&h.sum, sum) {
		return nil, errHash
	}
	return h, nil
}

func decodeExactly(dst *[sha1.Size]byte, s string) bool {
	if len(s) != base64.StdEncoding.EncodedLen(len(dst)) {
		return false
	}
	var b [sha1.Size + 2]byte // what 28 characters may decode to
	n, err := base64.StdEncoding.Strict().Decode(b[:], []byte(s))
	if err != nil || n != len(dst) {
		return false
	}
	copy(dst[:], b[:])
	return true
}

func (h *hashedName) matches(name string) bool {
	sum := hashSum(h.salt, name)
	return hmac.Equal(sum[:], h.sum[:])
}

func (h *hashedName) String() string {
	return hashMagic + base64.StdEncoding.EncodeToString(h.salt[:]) + "|" + base64.StdEncoding.EncodeToString(h.sum[:])
}

func newHashedName(name string) *hashedName {
	h := new(hashedName)
	rand.Read(h.salt[:])
	h.sum = hashSum(h.salt, name)
	return h
}

func hashSum(salt [sha1.Size]byte, name string) (sum [sha1.Size]byte) {
	mac := hmac.New(sha1.New, salt[:])
	mac.Write([]byte(name))
	mac.Sum(sum[:0])
	return sum
}
