package transport

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/fairlead-go/ssh/wire"
)

// The outgoing half, in execution order:
//
//  1. WritePacket or QueuePacket seals a packet behind the pending ones.
//  2. flush (flush.go) has what is pending written out, unless somebody is
//     writing already, who will find it; new packets collect meanwhile.
//  3. A writer who finds highWater bytes pending, or keys being exchanged,
//     waits for a token of room. Whoever takes the token and leaves room
//     passes it on, so that waiting costs no allocation. Who seals much while
//     others wait lets them run (givesWay).
//
// Locks: Conn.mu protects all fields of outgoing but those that belong to who
// has set writing. It is a leaf and never held across I/O or a wait.

const (
	// highWater is how many sealed bytes may be pending before writers wait.
	highWater = 256 << 10
	// maxBacklog is how many bytes QueuePacket may add beyond that, and how
	// many it may defer while keys are exchanged.
	maxBacklog = 1 << 20
	// bigBuffer holds highWater and one packet of ordinary size more, or
	// for reading the largest packet.
	bigBuffer = 320 << 10
	// smallBuffer is for little; it is what a connection reads into while it
	// is idle.
	smallBuffer = 4 << 10
)

// Buffers are shared by all connections, for as long as each is busy.
var (
	bigBuffers   = sync.Pool{New: func() any { return new([bigBuffer]byte) }}
	smallBuffers = sync.Pool{New: func() any { return new([smallBuffer]byte) }}
)

func getBigBuffer() []byte   { return bigBuffers.Get().(*[bigBuffer]byte)[:] }
func getSmallBuffer() []byte { return smallBuffers.Get().(*[smallBuffer]byte)[:] }

// putBuffer gives b back if it came from one of the pools.
func putBuffer(b []byte) {
	switch cap(b) {
	case bigBuffer:
		bigBuffers.Put((*[bigBuffer]byte)(b[:bigBuffer]))
	case smallBuffer:
		smallBuffers.Put((*[smallBuffer]byte)(b[:smallBuffer]))
	}
}

type outgoing struct {
	cipher packetCipher
	geo    geometry
	seq    uint32 // sequence number of the next packet
	usage  usage

	compression string    // as agreed on
	deflate     *deflater // nil while we do not compress

	pending  []byte // sealed, not yet taken to be written (takePending)
	tagless  part   // of pending: a packet whose tag waits for another's
	deferred []byte // payloads queued during a key exchange, each a string
	waiting  int    // writers who wait for room
	burst    int    // bytes sealed since somebody waits, or since others were last let run
	yielding int    // writers who give way
	writing  bool   // somebody writes to the connection underneath, or has been started to
	starting bool   // the latter, and nothing is taken yet: whoever is faster may write

	padding     [256]byte // random bytes not yet used
	paddingLeft int

	room chan struct{} // cap 1: a writer may try again

	flusher func()  // Conn.runFlusher; here so that starting it allocates nothing
	starter func()  // Conn.startFlusher
	socket  *socket // where what is pending can be handed over without waiting; nil: nowhere
	heard   uint64  // packets received when WritePacket sealed last
	holds   int
	collect bool // the reader has what is pending written before it waits

	// Of who has set writing.
	batch    []byte      // taken from pending
	written  int         // of batch
	deadline time.Time   // write deadline last set
	stuck    *time.Timer // runs during a write to what has no deadlines
}

// heardNothing is a number of packets that is never received.
const heardNothing = 1<<64 - 1

// usage counts what has gone through one direction under its present keys.
type usage struct {
	bytes   uint64
	packets uint64
}

func (u *usage) over(s *settings) bool {
	return u.bytes >= s.RekeyBytes || u.packets >= s.RekeyPackets
}

func notify(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// WritePacket sends head‖body as one packet, as wire.PacketConn says.
func (c *Conn) WritePacket(cancel <-chan struct{}, head, body []byte) error {
	if err := checkSize(len(head) + len(body)); err != nil {
		return err
	}
	c.mu.Lock()
	for {
		if c.err != nil {
			err := c.err
			c.mu.Unlock()
			return err
		}
		if c.roomLocked() {
			break
		}
		c.out.waiting++
		c.mu.Unlock()
		canceled := false
		select {
		case <-c.out.room:
		case <-c.dead:
		case <-cancel:
			canceled = true
		}
		c.mu.Lock()
		c.out.waiting--
		if canceled {
			c.passRoomLocked()
			c.mu.Unlock()
			return wire.ErrCanceled
		}
	}
	c.sealLocked(head, body)
	c.passRoomLocked()
	givesWay := c.out.givesWay(len(body))
	if givesWay {
		c.out.yielding++
	}
	c.flushAndUnlock(c.answersLocked())
	if givesWay {
		runtime.Gosched()
		c.mu.Lock()
		c.out.yielding--
		c.mu.Unlock()
	}
	return nil
}

// givesWay reports whether who has sealed n bytes is to let the others run: who
// waited for room and was woken comes too late to have any while those who run
// take what there is.
func (o *outgoing) givesWay(n int) bool {
	if o.waiting == 0 {
		o.burst = 0
		return false
	}
	o.burst += n
	if o.burst < highWater {
		return false
	}
	o.burst = 0
	return true
}

// passRoomLocked wakes one waiting writer if there is room for it.
func (c *Conn) passRoomLocked() {
	if c.out.waiting > 0 && c.roomLocked() {
		notify(c.out.room)
	}
}

// roomLocked reports whether a writer may send now. Who has crossed the limits
// of its new keys before the peer's NEWKEYS came waits for those: only then can
// the next exchange begin. mu is held.
func (c *Conn) roomLocked() bool {
	return !c.rekeying && len(c.out.pending) < highWater &&
		(c.exchange == nil || !c.out.usage.over(c.settings))
}

// QueuePacket sends payload without waiting, as wire.PacketConn says.
func (c *Conn) QueuePacket(payload []byte) error {
	c.mu.Lock()
	err := c.queueLocked(payload)
	c.flushAndUnlock(true)
	if err != nil {
		c.Fail(err)
		return err
	}
	return nil
}

func (c *Conn) queueLocked(payload []byte) error {
	if c.err != nil {
		return c.err
	}
	if err := checkSize(len(payload)); err != nil {
		return err
	}
	if c.rekeying {
		if len(c.out.deferred)+4+len(payload) > maxBacklog {
			return errBacklog
		}
		c.out.deferred = wire.AppendString(c.out.deferred, payload)
		return nil
	}
	if len(c.out.pending)+len(payload) > highWater+maxBacklog {
		return errBacklog
	}
	c.sealLocked(payload, nil)
	return nil
}

var errBacklog = wire.ProtocolErrorf(wire.DisconnectByApplication, "too many replies that the peer does not read")

// sealLocked seals head‖body behind the pending packets and starts a key
// exchange when that crosses a limit.
func (c *Conn) sealLocked(head, body []byte) {
	c.seal(head, body)
	if c.out.usage.over(c.settings) {
		c.startKexLocked()
	}
}

const (
	maxPadding = 255
	// maxPayload is the largest payload whose packet a peer that shares our
	// limit must take, whatever the padding, compressed or not.
	maxPayload = maxPacketLength - 1 - maxPadding - maxExpansion
)

var (
	errPacketTooLarge = errors.New("transport: packet is too large")
	errPacketEmpty    = errors.New("transport: packet has no message number")
)

// checkSize judges the size of a payload of ours.
func checkSize(n int) error {
	switch {
	case n == 0:
		return errPacketEmpty
	case n > maxPayload:
		return errPacketTooLarge
	}
	return nil
}

// seal is sealLocked for what may be sent during a key exchange, too.
func (c *Conn) seal(head, body []byte) {
	if f := c.settings.Trace.PacketSent; f != nil {
		f(firstByte(head, body), len(head)+len(body))
	}
	if d := c.out.deflate; d != nil {
		scratch := getBigBuffer()
		defer putBuffer(scratch)
		head, body = d.append(c, scratch[:0], head, body), nil
	}
	o := &c.out
	payload := len(head) + len(body)
	pad := o.geo.padding(payload)
	size := headerSize + payload + pad
	start := len(o.pending)
	o.grow(size + o.geo.tagSize)
	packet := o.pending[start : start+size+o.geo.tagSize]
	binary.BigEndian.PutUint32(packet, uint32(size-lengthSize))
	packet[lengthSize] = byte(pad)
	copy(packet[headerSize:], head)
	copy(packet[headerSize+len(head):], body)
	o.pad(packet[headerSize+payload : size])
	o.protect(start)
	o.seq++
	o.usage.bytes += uint64(len(packet))
	o.usage.packets++
	c.sent.bytes.Add(uint64(len(packet)))
	c.sent.packets.Add(1)
}

func firstByte(head, body []byte) byte {
	if len(head) > 0 {
		return head[0]
	}
	return body[0]
}

// protect seals the packet at the end of pending, from start on. The tag may have
// to wait for the next one's (cipher_paired.go).
func (o *outgoing) protect(start int) {
	packet := o.pending[start:]
	c, ok := o.cipher.(*pairedCipher)
	if !ok || len(packet) < pairedSize {
		o.cipher.seal(o.seq, packet)
		return
	}
	c.encrypt(packet)
	if first := o.tagless; first.size > 0 {
		o.tagless = part{}
		c.putTags(first.seq, first.of(o.pending), o.seq, packet)
	} else {
		o.tagless = part{start, len(packet), o.seq}
	}
}

// A part is where a packet is in a buffer.
type part struct {
	start, size int // size 0: nowhere
	seq         uint32
}

func (p part) of(b []byte) []byte { return b[p.start : p.start+p.size] }

// completeTags makes the tag that waits, if one does: there may be no other packet
// before pending is taken, or under the same keys.
func (o *outgoing) completeTags() {
	if p := o.tagless; p.size > 0 {
		o.tagless = part{}
		o.cipher.(*pairedCipher).putTag(p.seq, p.of(o.pending))
	}
}

// takePending returns what is pending, for who has set writing, and leaves next in
// its place.
func (o *outgoing) takePending(next []byte) []byte {
	o.completeTags()
	b := o.pending
	o.pending = next
	return b
}

// setCipher changes the keys.
func (o *outgoing) setCipher(c packetCipher) {
	o.completeTags()
	o.cipher, o.geo = c, c.geometry()
}

// grow makes pending n bytes longer. The first packets of an idle connection
// go into a small buffer, all else into a big one.
func (o *outgoing) grow(n int) {
	need := len(o.pending) + n
	switch {
	case need <= cap(o.pending):
	case need <= smallBuffer:
		o.pending = getSmallBuffer()[:0] // it was nil
	case need <= bigBuffer:
		old := o.pending
		o.pending = append(getBigBuffer()[:0], old...)
		putBuffer(old)
	default:
		old := o.pending
		o.pending = slices.Grow(old, n)
		putBuffer(old)
	}
	o.pending = o.pending[:need]
}

// pad fills b with random bytes.
func (o *outgoing) pad(b []byte) {
	if o.paddingLeft < len(b) {
		rand.Read(o.padding[:])
		o.paddingLeft = len(o.padding)
	}
	copy(b, o.padding[o.paddingLeft-len(b):o.paddingLeft])
	o.paddingLeft -= len(b)
}
