package transport

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/fairlead-go/ssh/wire"
)

// The outgoing half, in execution order:
//
//  1. WritePacket or QueuePacket seals a packet behind the pending ones.
//  2. flusher takes all that is pending and writes it out at once, while new
//     packets collect in another buffer.
//  3. A writer who finds highWater bytes pending, or keys being exchanged,
//     waits for a token of room. Whoever takes the token and leaves room
//     passes it on, so that waiting costs no allocation.
//
// Locks: Conn.mu protects all fields of outgoing but those of the flusher. It
// is a leaf and never held across I/O or a wait.

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

	pending  []byte // sealed, not yet taken by the flusher
	deferred []byte // payloads queued during a key exchange, each a string
	waiting  int    // writers who wait for room

	padding     [256]byte // random bytes not yet used
	paddingLeft int

	wake chan struct{} // cap 1: the flusher has work
	room chan struct{} // cap 1: a writer may try again

	// The flusher's own.
	deadline time.Time   // write deadline last set
	stuck    *time.Timer // runs during a write to what has no deadlines
}

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
	c.mu.Unlock()
	notify(c.out.wake)
	return nil
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
	c.mu.Unlock()
	if err != nil {
		c.Fail(err)
		return err
	}
	notify(c.out.wake)
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
	o.cipher.seal(o.seq, packet)
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

// flusher writes what is pending, until the connection ends. Then it sends
// what is left, closes the connection underneath and closes c.flushed.
func (c *Conn) flusher() {
	defer close(c.flushed)
	var spare []byte
	for {
		select {
		case <-c.out.wake:
		case <-c.dead:
			c.finish()
			return
		}
		for {
			c.mu.Lock()
			batch := c.out.pending
			if len(batch) == 0 {
				// Idle: keep nothing.
				c.out.pending = nil
				c.mu.Unlock()
				putBuffer(batch)
				putBuffer(spare)
				spare = nil
				break
			}
			c.out.pending = spare[:0]
			c.passRoomLocked()
			c.mu.Unlock()
			if err := c.write(batch); err != nil {
				c.writeFailed(err)
			}
			spare = batch[:0]
			if cap(spare) > bigBuffer {
				spare = nil // outgrown for once, by what was deferred
			}
		}
	}
}

// write writes all of b, unless the peer takes none of it for WriteTimeout.
func (c *Conn) write(b []byte) error {
	timeout := c.settings.WriteTimeout
	if timeout < 0 {
		_, err := c.rwc.Write(b)
		return writeError(err)
	}
	nc, ok := c.rwc.(net.Conn)
	if !ok {
		return c.writePieces(b)
	}
	for len(b) > 0 {
		// Setting a deadline costs more than looking at the clock.
		if now := time.Now(); c.out.deadline.Sub(now) < timeout*3/4 {
			deadline := now.Add(timeout)
			if nc.SetWriteDeadline(deadline) != nil {
				return c.writePieces(b)
			}
			c.out.deadline = deadline
		}
		n, err := nc.Write(b)
		b = b[n:]
		if errors.Is(err, os.ErrDeadlineExceeded) {
			if n == 0 {
				return errWriteTimeout
			}
			continue // some of it went: the peer lives
		}
		if err != nil {
			return writeError(err)
		}
	}
	return nil
}

// writePieces is write for a connection without deadlines. Progress is seen
// after each piece.
func (c *Conn) writePieces(b []byte) error {
	const piece = 8 << 10
	timeout := c.settings.WriteTimeout
	if c.out.stuck == nil {
		c.out.stuck = time.AfterFunc(timeout, func() { c.Fail(errWriteTimeout) })
	}
	defer c.out.stuck.Stop()
	for len(b) > 0 {
		c.out.stuck.Reset(timeout)
		n, err := c.rwc.Write(b[:min(piece, len(b))])
		if err != nil {
			return writeError(err)
		}
		b = b[n:]
	}
	return nil
}

// readGrace is how long the reader has, once writing has failed, to find out
// why: a peer that said so and closed fails our next write before its
// SSH_MSG_DISCONNECT, received already, is read.
const readGrace = 500 * time.Millisecond

// writeFailed ends the connection because a write failed. The flusher calls it.
func (c *Conn) writeFailed(err error) {
	if gone(err) {
		t := time.NewTimer(readGrace)
		defer t.Stop()
		select {
		case <-c.dead:
		case <-t.C:
		}
	}
	c.Fail(err)
}

var errWriteTimeout = &TimeoutError{Wait: "the peer does not read"}

func writeError(err error) error {
	if err == nil {
		return nil
	}
	return &ConnectionError{Op: "write", Err: err}
}

// finish is the flusher's last act: it sends what is pending, which ends in
// our SSH_MSG_DISCONNECT where there is one, and closes. The timer that Fail
// started bounds it.
func (c *Conn) finish() {
	c.mu.Lock()
	batch, cause, linger := c.out.pending, c.err, c.linger
	c.out.pending = nil
	c.mu.Unlock()
	defer putBuffer(batch)
	defer linger.Stop()
	defer c.closeNow()
	if gone(cause) && !halfClosed(cause) {
		return
	}
	if len(batch) > 0 {
		if nc, ok := c.rwc.(net.Conn); ok {
			nc.SetWriteDeadline(time.Time{}) // the one set last may have passed
		}
		if _, err := c.rwc.Write(batch); err != nil {
			return
		}
	}
	// Closing with unread data makes TCP discard what we just sent; so say
	// that we are done and read until the peer is.
	half, ok := c.rwc.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		return
	}
	io.Copy(io.Discard, c.rwc)
}
