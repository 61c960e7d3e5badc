package transport

import (
	"crypto/subtle"
	"encoding/binary"

	"github.com/fairlead-go/ssh/transport/internal/hmacpair"
)

// pairedCipher is a macCipher with encrypt-then-MAC whose MAC is HMAC-SHA-256. That
// MAC is most of the work, and two of them at once take half the time. So tags of
// large packets are made in pairs: when sealing, that of the first waits until
// the second is encrypted (outgoing.protect); when opening, that of the
// second is computed as soon as all of it has been read (lookAhead).
type pairedCipher struct {
	blocks blockCipher
	mac    *hmacpair.MAC
	geo    geometry

	// What lookAhead has computed and open has not used: the last left of them.
	ahead [2]aheadTag
	left  int
}

// An aheadTag is the tag that a packet must have.
type aheadTag struct {
	seq  uint32
	size int // of the packet
	tag  [hmacpair.Size]byte
}

// pairedSize is how large packets must be for a tag to wait for another.
const pairedSize = 2 << 10

func (c *pairedCipher) geometry() geometry { return c.geo }

// message is what a packet's tag is made of.
func (c *pairedCipher) message(seq uint32, packet []byte) hmacpair.Message {
	return hmacpair.Message{First: seq, Rest: packet[:len(packet)-c.geo.tagSize]}
}

// tagIn is where the tag is in a packet.
func (c *pairedCipher) tagIn(packet []byte) []byte { return packet[len(packet)-c.geo.tagSize:] }

func (c *pairedCipher) seal(seq uint32, packet []byte) {
	c.encrypt(packet)
	c.putTag(seq, packet)
}

// encrypt is seal without the tag.
func (c *pairedCipher) encrypt(packet []byte) {
	c.blocks.encrypt(packet[lengthSize : len(packet)-c.geo.tagSize])
}

// putTag completes an encrypted packet.
func (c *pairedCipher) putTag(seq uint32, packet []byte) {
	copy(c.tagIn(packet), c.mac.Tag(c.message(seq, packet))[:])
}

// putTags completes two encrypted packets.
func (c *pairedCipher) putTags(seqA uint32, a []byte, seqB uint32, b []byte) {
	tags := c.mac.Tags(c.message(seqA, a), c.message(seqB, b))
	copy(c.tagIn(a), tags[0][:])
	copy(c.tagIn(b), tags[1][:])
}

func (c *pairedCipher) openLength(_ uint32, head []byte) uint32 {
	return binary.BigEndian.Uint32(head)
}

// lookAhead is called before open, with what has been read behind the packet.
// Where that is another whole packet, it computes the tags of both. Of the second
// nothing is believed, but that it will not change until it is opened.
func (c *pairedCipher) lookAhead(seq uint32, packet, behind []byte) {
	if c.left > 0 || len(packet) < pairedSize || len(behind) < pairedSize {
		return
	}
	length := binary.BigEndian.Uint32(behind)
	if !c.geo.valid(length, maxPacketLength) {
		return // which will be seen when it is its turn
	}
	size := lengthSize + int(length) + c.geo.tagSize
	if size < pairedSize || size > len(behind) {
		return
	}
	tags := c.mac.Tags(c.message(seq, packet), c.message(seq+1, behind[:size]))
	c.ahead = [2]aheadTag{{seq, len(packet), tags[0]}, {seq + 1, size, tags[1]}}
	c.left = 2
}

func (c *pairedCipher) open(seq uint32, packet []byte) bool {
	if subtle.ConstantTimeCompare(c.expected(seq, packet), c.tagIn(packet)) != 1 {
		return false
	}
	c.blocks.decrypt(packet[lengthSize : len(packet)-c.geo.tagSize])
	return true
}

// expected returns the tag that the packet must have.
func (c *pairedCipher) expected(seq uint32, packet []byte) []byte {
	if c.left > 0 {
		a := &c.ahead[len(c.ahead)-c.left]
		c.left--
		if a.seq == seq && a.size == len(packet) {
			return a.tag[:]
		}
	}
	return c.mac.Tag(c.message(seq, packet))[:]
}
