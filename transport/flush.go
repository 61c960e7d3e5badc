package transport

import (
	"errors"
	"io"
	"net"
	"os"
	"time"
)

// What is pending goes out by one writer at a time, who has set
// outgoing.writing:
//
//   - flushAndUnlock, on the goroutine of whoever has sealed something, where
//     somebody is likely to wait for it, or it is so much that another goroutine
//     would only find it in another processor's cache. It hands the socket what
//     that takes at once, and never waits.
//   - runFlusher, on a goroutine that lives while there is something to write.
//     It waits as long as the peer takes something within WriteTimeout. Until
//     that goroutine has begun, flushAndUnlock may still do its work.
//   - finish, once the connection has ended.
//
// While somebody holds, packets collect, up to batchBytes.

// batchBytes is what is worth a write of its own: it stays in the cache that it
// was sealed in until it is written, and the peer is woken for some packets at once.
const batchBytes = 128 << 10

// flushAndUnlock has what is pending written, at once if direct and if that can
// be. mu is held, and released.
func (c *Conn) flushAndUnlock(direct bool) {
	o := &c.out
	direct = (direct || len(o.pending) >= batchBytes) && o.socket != nil
	writing := o.writing && !(direct && o.starting)
	if writing || len(o.pending) == 0 || c.heldLocked() || o.collect && c.err == nil {
		c.mu.Unlock()
		return // who writes, holds or is about to wait will find it
	}
	o.writing, o.starting = true, !direct
	if !direct {
		c.mu.Unlock()
		go o.starter()
		return
	}
	o.batch = o.takePending(nil)
	c.passRoomLocked()
	c.mu.Unlock()
	o.written = o.socket.write(o.batch)
	c.mu.Lock()
	if o.written < len(o.batch) || len(o.pending) > 0 && !c.heldLocked() || c.err != nil {
		c.mu.Unlock()
		go o.flusher()
		return
	}
	spare := o.takeBatch()
	o.writing = false
	c.mu.Unlock()
	putBuffer(spare)
}

// heldLocked reports whether what is pending is to wait for a Release. Whoever holds
// may itself be waiting for new keys of either side, or have let others run. mu is
// held.
func (c *Conn) heldLocked() bool {
	o := &c.out
	return o.holds > 0 && len(o.pending) < batchBytes && o.yielding == 0 && c.exchange == nil
}

// answersLocked reports whether this is the first packet since the peer has
// spoken. Then the peer may wait for it; who sends more is better served by a
// flusher, who writes many packets at once. mu is held.
func (c *Conn) answersLocked() bool {
	heard := c.received.packets.Load()
	answers := heard != c.out.heard
	c.out.heard = heard
	return answers
}

// Hold keeps packets back, unless there are many, until as many calls of Release,
// so that they go out together. In between only the Conn's own calls may wait.
func (c *Conn) Hold() {
	c.mu.Lock()
	c.out.holds++
	c.mu.Unlock()
}

// Release ends a Hold, and sends what there is at once.
func (c *Conn) Release() {
	c.mu.Lock()
	c.out.holds--
	c.flushAndUnlock(true)
}

// flushCollected has what was collected written. It is called by the reader, who
// is about to wait.
func (c *Conn) flushCollected() {
	c.mu.Lock()
	c.out.collect = false
	c.flushAndUnlock(true)
	c.mu.Lock()
	c.out.collect = true
	c.mu.Unlock()
}

// takeBatch returns the buffer of what has been written, for more.
func (o *outgoing) takeBatch() []byte {
	spare := o.batch[:0]
	o.batch, o.written = nil, 0
	if cap(spare) > bigBuffer {
		return nil // outgrown for once, by what was deferred
	}
	return spare
}

// startFlusher is runFlusher, unless somebody was faster and has written all
// there was.
func (c *Conn) startFlusher() {
	c.mu.Lock()
	start := c.out.starting
	c.out.starting = false
	c.mu.Unlock()
	if start {
		c.runFlusher()
	}
}

// runFlusher writes until nothing is pending, or until the connection has
// ended, which it then finishes. Whoever starts it has set writing.
func (c *Conn) runFlusher() {
	o := &c.out
	for {
		if o.written == 0 && len(o.batch) > 0 && o.socket != nil {
			o.written = o.socket.write(o.batch)
		}
		if o.written < len(o.batch) {
			if err := c.write(o.batch[o.written:]); err != nil {
				c.writeFailed(err)
			}
		}
		spare := o.takeBatch()
		c.mu.Lock()
		if c.err != nil {
			c.mu.Unlock()
			putBuffer(spare)
			c.finish()
			return
		}
		if len(o.pending) == 0 {
			// Idle: keep nothing.
			pending := o.takePending(nil)
			o.writing = false
			c.mu.Unlock()
			putBuffer(pending)
			putBuffer(spare)
			return
		}
		o.batch = o.takePending(spare)
		c.passRoomLocked()
		c.mu.Unlock()
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

// writeFailed ends the connection because a write failed.
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

// finish is the last of the writers, who keeps writing set. It sends what is
// pending, which ends in our SSH_MSG_DISCONNECT where there is one, closes the
// connection underneath and closes c.flushed. The timer that Fail started bounds
// it.
func (c *Conn) finish() {
	defer close(c.flushed)
	c.mu.Lock()
	batch, cause, linger, brief := c.out.takePending(nil), c.err, c.linger, c.brief
	c.mu.Unlock()
	defer putBuffer(batch)
	if linger != nil {
		defer linger.Stop()
	}
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
	// that we are done and read until the peer is, or at least what there is.
	if s := c.out.socket; brief && s != nil {
		s.discardUnread()
		return
	}
	half, ok := c.rwc.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		return
	}
	for {
		if nc, ok := c.rwc.(net.Conn); ok {
			nc.SetReadDeadline(time.Time{}) // limitWait's; who still reads may set it anew
		}
		if _, err := io.Copy(io.Discard, c.rwc); !errors.Is(err, os.ErrDeadlineExceeded) {
			return
		}
	}
}
