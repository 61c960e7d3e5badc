package transport

// A packetCipher protects the packets of one direction between two NEWKEYS.
// It is the only thing that differs between cipher suites: framing, padding
// and limits are written once, in outgoing.go and incoming.go. Both let a
// pairedCipher do part of its work with two packets at once.
//
// A packet is
//
//	uint32    packet_length   (of what follows, without the tag)
//	byte      padding_length
//	byte[n1]  payload
//	byte[n2]  random padding
//	byte[m]   tag             (MAC or AEAD tag)
//
// as in RFC 4253 section 6. Ciphers work in place and allocate nothing.
type packetCipher interface {
	// geometry returns the sizes that framing needs. It never changes.
	geometry() geometry

	// seal turns a plaintext packet into a sealed one. packet holds all
	// fields; its last tagSize bytes are room for the tag.
	seal(seq uint32, packet []byte)

	// openLength returns packet_length, given the packet's first
	// headSize bytes. It may decrypt them in place and keep state: it is
	// called once for each packet, before open. The result is not
	// authenticated.
	openLength(seq uint32, head []byte) uint32

	// open verifies and decrypts a whole packet, tag included, whose head
	// went through openLength. When it returns false the packet's bytes are
	// worthless and the connection must end.
	open(seq uint32, packet []byte) bool
}

// geometry tells framing how a cipher lays out a packet.
type geometry struct {
	// align is what the padded part must be a multiple of: the cipher's block
	// size, and at least 8 (RFC 4253 section 6).
	align int
	// clearLength is 4 where packet_length stands outside the padded part
	// (AEAD and encrypt-then-MAC), else 0.
	clearLength int
	// headSize is how many bytes must be there to learn packet_length.
	headSize int
	tagSize  int
	// conceal: what is wrong with a packet must not be seen from where
	// reading stops, so all that could be one packet is read first.
	conceal bool
}

const (
	lengthSize = 4 // packet_length
	headerSize = 5 // packet_length and padding_length
	minPadding = 4
)

// padding returns the smallest padding_length for a payload of n bytes.
func (g *geometry) padding(n int) int {
	pad := g.align - (headerSize-g.clearLength+n)%g.align
	if pad < minPadding {
		pad += g.align
	}
	return pad
}

// minPacketLength returns the smallest packet_length that can hold a message.
// RFC 4253 section 6 asks for 16 bytes of packet or one block, whichever is
// larger; packet_length does not count itself. AEAD and encrypt-then-MAC
// packets of 8 bytes exist in the field and are sound, so only what framing
// itself needs is asked for: padding_length, a message number and 4 bytes of
// padding, in whole blocks.
func (g *geometry) minPacketLength() uint32 {
	n := g.align
	for n < 1+1+minPadding+lengthSize-g.clearLength {
		n += g.align
	}
	return uint32(n - (lengthSize - g.clearLength))
}

// valid reports whether packet_length can be that of a packet of this cipher,
// no longer than limit.
func (g *geometry) valid(length, limit uint32) bool {
	return length >= g.minPacketLength() && length <= limit &&
		(int(length)+lengthSize-g.clearLength)%g.align == 0
}
