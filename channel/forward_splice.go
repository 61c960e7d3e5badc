package channel

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

// spliceBuffer is what one direction reads at once: a packet of the usual size.
const spliceBuffer = 32 << 10

// spliceDrain is how long a direction may go on after the other could not be
// written, or after the SSH connection ended: long enough to deliver what had
// arrived before.
const spliceDrain = 10 * time.Second

var spliceBuffers = sync.Pool{New: func() any { return new([spliceBuffer]byte) }}

// Splice copies both ways between a and b until both directions have ended,
// then closes both. EOF from one is passed on with CloseWrite and leaves the
// other direction as it is; where there is no CloseWrite, the end is closed.
// Of an end that can no longer be written, what it has sent is still
// delivered, for ten seconds at most; an end that cannot be read ends both
// directions at once.
//
// It returns what went wrong, nil where both directions ended with EOF or
// because the peer closed the channel. To end it early, close a and b.
func Splice(a, b net.Conn) error {
	defer watchChannel(a, b)()
	defer watchChannel(b, a)()
	var backward error
	var wg sync.WaitGroup
	wg.Go(func() { backward = spliceOneWay(a, b) })
	forward := spliceOneWay(b, a)
	wg.Wait()
	a.Close()
	b.Close()
	return errors.Join(forward, backward)
}

// watchChannel stops reading other once c, if it is a channel, is closed:
// nothing could be done with what other says. What c received before still
// goes to other, for a time that is bounded once the SSH connection has ended.
func watchChannel(c, other net.Conn) (stop func()) {
	s, ok := c.(*StreamConn)
	if !ok {
		return func() {}
	}
	closed := context.AfterFunc(s.ch.ctx, func() { stopReading(other, time.Unix(1, 0)) })
	ended := context.AfterFunc(s.ch.m.ctx, func() { _ = other.SetWriteDeadline(time.Now().Add(spliceDrain)) })
	return func() {
		closed()
		ended()
	}
}

// stopReading makes reads of c fail from t on, and closes c if it has no
// deadlines.
func stopReading(c net.Conn, t time.Time) {
	if c.SetReadDeadline(t) != nil {
		c.Close()
	}
}

// closedChannel tells whether c is a channel that is closed.
func closedChannel(c net.Conn) bool {
	s, ok := c.(*StreamConn)
	return ok && s.ch.ctx.Err() != nil
}

// spliceOneWay copies src to dst until EOF or an error, and passes either on.
func spliceOneWay(dst, src net.Conn) error {
	buf := spliceBuffers.Get().(*[spliceBuffer]byte)
	defer spliceBuffers.Put(buf)
	for {
		n, readErr := src.Read(buf[:])
		if n > 0 {
			if _, err := dst.Write(buf[:n]); err != nil {
				stopReading(dst, time.Now().Add(spliceDrain))
				return notClosed(err)
			}
		}
		switch {
		case readErr == nil:
		case readErr == io.EOF:
			if half, ok := dst.(interface{ CloseWrite() error }); ok {
				return notClosed(half.CloseWrite())
			}
			return notClosed(dst.Close())
		case closedChannel(dst):
			return nil // watchChannel, or too late to matter
		default:
			src.Close()
			dst.Close()
			return readErr
		}
	}
}
