// Package hmacpair computes HMAC-SHA-256 (RFC 2104, FIPS 180-4) of two messages
// under one key at once.
//
// On amd64 there is assembly for that (../asm/hmacpair), which takes little more
// time for two messages than the standard library does for one. Build tag purego
// leaves it out. Elsewhere, on processors without SHA instructions, and in FIPS
// 140-3 mode, it is the standard library's HMAC, twice.
//
// Neither way has a branch or an index that depends on a secret.
package hmacpair

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"hash"
)

// Size is the size of a tag, in bytes.
const Size = sha256.Size

// A Message is four bytes and what follows them.
type Message struct {
	First uint32 // big-endian
	Rest  []byte
}

// A MAC is HMAC-SHA-256 under one key. It is for one goroutine at a time.
type MAC struct {
	pair pair
	hash hash.Hash
	// Scratch space, here because what crosses an interface escapes.
	first [4]byte
	tags  [2][Size]byte
}

// New returns a MAC.
func New(key []byte) *MAC {
	return &MAC{pair: newPair(key), hash: hmac.New(sha256.New, key)}
}

// Tag returns the tag of a message. It is valid until the next call.
func (m *MAC) Tag(msg Message) *[Size]byte {
	m.one(&m.tags[0], msg)
	return &m.tags[0]
}

// Tags returns the tags of two messages. They are valid until the next call.
func (m *MAC) Tags(a, b Message) *[2][Size]byte {
	if !accelerated || !m.pair.tags(&m.tags, a, b) {
		m.one(&m.tags[0], a)
		m.one(&m.tags[1], b)
	}
	return &m.tags
}

func (m *MAC) one(tag *[Size]byte, msg Message) {
	binary.BigEndian.PutUint32(m.first[:], msg.First)
	m.hash.Reset()
	m.hash.Write(m.first[:])
	m.hash.Write(msg.Rest)
	m.hash.Sum(tag[:0])
}
