// Package umac is UMAC-64 and UMAC-128 (RFC 4418) with AES-128, as the MACs
// umac-64@openssh.com and umac-128@openssh.com and their encrypt-then-MAC
// variants use it (draft-miller-secsh-umac): the nonce is eight bytes, the
// message is in one piece.
//
// A tag is a universal hash of the message, masked with a pseudorandom pad
// that belongs to the nonce. So, unlike with HMAC, the tags of two messages
// under one key and one nonce tell about the hash's key: the caller sees to it
// that no nonce comes twice (RFC 4418 section 6.3).
//
// Nothing here branches on, or indexes by, the key, the message or what is
// computed from them; crypto/aes does not either where the CPU has instructions
// for it. The message's length and the nonce are public.
package umac

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
)

const (
	KeySize = 16 // bytes, of either variant
	Size64  = 8  // bytes of a tag of UMAC-64
	Size128 = 16 // bytes of a tag of UMAC-128
)

// A MAC computes tags under one key. It is not safe for concurrent use.
//
// UMAC-64 hashes the message twice and UMAC-128 four times, each time with
// other keys, to four bytes ("iterations" in RFC 4418 section 5.1).
type MAC struct {
	streams int
	l1      [chunkWords + 3*shiftWords]uint32 // stream i begins at word 4·i
	l2      [4]l2Key
	l3      [4]l3Key

	last                 [chunkSize]byte // the end of the message
	lastSize, lastPadded int

	// pad is what the cipher makes of padNonce, once there was one.
	pads     cipher.Block
	padNonce [aes.BlockSize]byte
	pad      [aes.BlockSize]byte
	padded   bool
}

// New64 returns UMAC-64 under key.
func New64(key *[KeySize]byte) *MAC { return newMAC(key, Size64) }

// New128 returns UMAC-128 under key.
func New128(key *[KeySize]byte) *MAC { return newMAC(key, Size128) }

// Indices of keys that derive makes (RFC 4418 sections 3.3 and 5.1).
const (
	indexPad = iota
	indexL1
	indexL2
	indexL3
	indexL3Mask
)

func newMAC(key *[KeySize]byte, size int) *MAC {
	m := &MAC{streams: size / 4}
	master := newAES(key[:])
	pad := derive(master, indexPad, KeySize)
	m.pads = newAES(pad)

	l1 := derive(master, indexL1, chunkSize+(m.streams-1)*4*shiftWords)
	for i := range len(l1) / 4 {
		m.l1[i] = binary.BigEndian.Uint32(l1[4*i:])
	}
	l2 := derive(master, indexL2, m.streams*l2KeySize)
	l3 := derive(master, indexL3, m.streams*l3KeySize)
	mask := derive(master, indexL3Mask, m.streams*4)
	for i := range m.streams {
		m.l2[i].set(l2[i*l2KeySize:])
		m.l3[i].set(l3[i*l3KeySize:], mask[i*4:])
	}
	for _, b := range [][]byte{pad, l1, l2, l3, mask} {
		clear(b)
	}
	return m
}

// newAES cannot fail: every key here has 16 bytes.
func newAES(key []byte) cipher.Block {
	block, err := aes.NewCipher(key)
	if err != nil {
		panic("umac: " + err.Error())
	}
	return block
}

// derive is KDF of RFC 4418 section 3.2: n bytes of key material.
func derive(master cipher.Block, index uint64, n int) []byte {
	b := make([]byte, 0, n+aes.BlockSize)
	for i := uint64(1); len(b) < n; i++ {
		b = binary.BigEndian.AppendUint64(b, index)
		b = binary.BigEndian.AppendUint64(b, i)
		block := b[len(b)-aes.BlockSize:]
		master.Encrypt(block, block)
	}
	return b[:n]
}

// Size returns the size of a tag in bytes.
func (m *MAC) Size() int { return m.streams * 4 }

// Append appends the tag of message under nonce to dst (UMAC, RFC 4418 section
// 4.1). It allocates only where dst has no room for Size bytes. All of message
// but the last KiB is read where it is.
func (m *MAC) Append(dst []byte, nonce uint64, message []byte) []byte {
	pad := m.setNonce(nonce)
	chunks := m.setLast(message)
	for i := 0; i < m.streams; i += 2 {
		a, b := m.hashPair(i, chunks)
		hash := uint64(a)<<32 | uint64(b)
		dst = binary.BigEndian.AppendUint64(dst, hash^binary.BigEndian.Uint64(pad[4*i:]))
	}
	return dst
}

// setNonce is PDF of RFC 4418 section 3.3. A block of pad serves two nonces of
// UMAC-64 that differ in the last bit, so every other packet costs no AES.
func (m *MAC) setNonce(nonce uint64) []byte {
	var half uint64
	if m.streams == 2 {
		half = nonce & 1
		nonce ^= half
	}
	if !m.padded || binary.BigEndian.Uint64(m.padNonce[:]) != nonce {
		binary.BigEndian.PutUint64(m.padNonce[:], nonce)
		m.pads.Encrypt(m.pad[:], m.padNonce[:])
		m.padded = true
	}
	return m.pad[half*8:]
}
