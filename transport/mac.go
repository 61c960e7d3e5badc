package transport

import (
	"crypto/hmac"
	"crypto/sha512"
	"encoding/binary"
	"hash"

	"github.com/fairlead-go/ssh/transport/internal/hmacpair"
	"github.com/fairlead-go/ssh/transport/internal/umac"
)

// A packetMAC is a MAC under one key (RFC 4253 section 6.4).
type packetMAC interface {
	// tag returns the tag of packet, whose sequence number is seq. It is
	// valid until the next call. It allocates nothing.
	tag(seq uint32, packet []byte) []byte
}

// hmacMAC is mac(key, sequence_number ‖ packet), as RFC 4253 section 6.4 has
// it, with HMAC (RFC 2104).
type hmacMAC struct {
	hash hash.Hash
	// Scratch space, here because what crosses an interface escapes.
	seq [4]byte
	sum []byte // cap is hash.Size()
}

func hmacSHA512(key []byte) packetMAC { return newHMAC(sha512.New, key) }

func newHMAC(h func() hash.Hash, key []byte) packetMAC {
	m := &hmacMAC{hash: hmac.New(h, key)}
	m.sum = make([]byte, 0, m.hash.Size())
	return m
}

func (m *hmacMAC) tag(seq uint32, packet []byte) []byte {
	binary.BigEndian.PutUint32(m.seq[:], seq)
	m.hash.Reset()
	m.hash.Write(m.seq[:])
	m.hash.Write(packet)
	m.sum = m.hash.Sum(m.sum[:0])
	return m.sum
}

// sha256MAC is hmacMAC with SHA-256.
type sha256MAC struct{ *hmacpair.MAC }

func hmacSHA256(key []byte) packetMAC { return sha256MAC{hmacpair.New(key)} }

func (m sha256MAC) tag(seq uint32, packet []byte) []byte {
	return m.Tag(hmacpair.Message{First: seq, Rest: packet})[:]
}

// umacMAC is UMAC (RFC 4418) with the sequence number as its nonce, in eight
// bytes, and not in the message (draft-miller-secsh-umac section 3). New keys,
// due long before 2^32 packets, keep the nonce unique.
type umacMAC struct {
	mac *umac.MAC
	sum [umac.Size128]byte
}

func umac64(key []byte) packetMAC  { return &umacMAC{mac: umac.New64((*[umac.KeySize]byte)(key))} }
func umac128(key []byte) packetMAC { return &umacMAC{mac: umac.New128((*[umac.KeySize]byte)(key))} }

func (m *umacMAC) tag(seq uint32, packet []byte) []byte {
	return m.mac.Append(m.sum[:0], uint64(seq), packet)
}
