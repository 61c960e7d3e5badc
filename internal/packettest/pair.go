// Package packettest gives tests a pair of connected wire.PacketConns in
// memory, with a backlog so small that whatever can deadlock does.
package packettest

import (
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fairlead-go/ssh/wire"
)

// MaxQueued is how many bytes QueuePacket takes ahead of the peer's reader
// before it fails the connection, as the transport would.
const MaxQueued = 1 << 20

// Pair returns two connected ends. Each direction holds backlog packets that
// nobody has read before WritePacket waits; with a backlog of 0, WritePacket
// returns only when the peer has taken the packet. Failing one end fails the
// other with io.EOF, as a closed socket would.
func Pair(backlog int) (a, b *Conn) {
	a = newConn(backlog)
	b = newConn(backlog)
	a.peer, b.peer = b, a
	return a, b
}

// Conn is one end of a Pair. It holds the packets on their way to it.
type Conn struct {
	peer       *Conn
	backlog    int
	beforeRead func()
	reading    atomic.Bool
	dead       chan struct{} // closed once err is set

	mu      sync.Mutex // a leaf: never held while waiting, nor with the peer's
	inbox   [][]byte
	taken   uint64
	put     uint64
	err     error
	last    []byte
	changed chan struct{} // closed and replaced at each change
}

func newConn(backlog int) *Conn {
	return &Conn{backlog: backlog, changed: make(chan struct{}), dead: make(chan struct{})}
}

func (c *Conn) broadcast() {
	close(c.changed)
	c.changed = make(chan struct{})
}

// ReadPacket implements wire.PacketConn. The returned slice is overwritten by
// the next call, so that a test sees whoever keeps it.
func (c *Conn) ReadPacket() ([]byte, error) { return c.ReadPacketUntil(nil, 0) }

// ReadPacketUntil implements wire.TurnReader.
func (c *Conn) ReadPacketUntil(how func() wire.Wait, within time.Duration) ([]byte, error) {
	if c.reading.Swap(true) {
		panic("two goroutines read")
	}
	defer c.reading.Store(false)
	var timeout <-chan time.Time
	if within > 0 {
		timeout = time.After(within)
	}
	for {
		c.mu.Lock()
		if len(c.inbox) > 0 {
			p := c.inbox[0]
			c.inbox = c.inbox[1:]
			c.taken++
			clear(c.last)
			c.last = p
			c.broadcast()
			c.mu.Unlock()
			return p, nil
		}
		err, changed := c.err, c.changed
		c.mu.Unlock()
		if err != nil {
			return nil, err
		}
		if c.beforeRead != nil {
			c.beforeRead()
		}
		if how != nil && how() == wire.PutOff {
			return nil, wire.ErrPutOff
		}
		select {
		case <-changed:
		case <-timeout:
			return nil, wire.ErrPutOff
		}
	}
}

// TakesTurns implements wire.TurnReader.
func (c *Conn) TakesTurns() bool { return true }

// Done implements wire.TurnReader.
func (c *Conn) Done() <-chan struct{} { return c.dead }

// BeforeRead implements wire.BatchReader.
func (c *Conn) BeforeRead(f func()) { c.beforeRead = f }

// WritePacket implements wire.PacketConn.
func (c *Conn) WritePacket(cancel <-chan struct{}, head, body []byte) error {
	if err := c.Err(); err != nil {
		return err
	}
	p := c.peer
	var ticket uint64
	sent := false
	for {
		p.mu.Lock()
		if p.err != nil {
			p.mu.Unlock()
			return c.errOr(io.ErrClosedPipe)
		}
		if !sent && len(p.inbox) < max(p.backlog, 1) {
			p.inbox = append(p.inbox, append(append([]byte{}, head...), body...))
			p.put++
			ticket = p.put
			sent = true
			p.broadcast()
		}
		if sent && (p.backlog > 0 || p.taken >= ticket) {
			p.mu.Unlock()
			return nil
		}
		changed := p.changed
		p.mu.Unlock()
		if sent {
			<-changed // the packet is on its way: too late to cancel
			continue
		}
		select {
		case <-changed:
		case <-cancel:
			return wire.ErrCanceled
		}
	}
}

// QueuePacket implements wire.PacketConn.
func (c *Conn) QueuePacket(payload []byte) error {
	if err := c.Err(); err != nil {
		return err
	}
	p := c.peer
	p.mu.Lock()
	if p.err != nil {
		p.mu.Unlock()
		return c.errOr(io.ErrClosedPipe)
	}
	pending := 0
	for _, q := range p.inbox {
		pending += len(q)
	}
	if pending+len(payload) > MaxQueued {
		p.mu.Unlock()
		c.Fail(io.ErrShortBuffer)
		return io.ErrShortBuffer
	}
	p.inbox = append(p.inbox, append([]byte{}, payload...))
	p.put++
	p.broadcast()
	p.mu.Unlock()
	return nil
}

// Fail implements wire.PacketConn.
func (c *Conn) Fail(err error) {
	c.fail(err)
	c.peer.fail(io.EOF)
}

func (c *Conn) fail(err error) {
	c.mu.Lock()
	if c.err == nil {
		c.err = err
		close(c.dead)
		c.broadcast()
	}
	c.mu.Unlock()
}

// Err returns the cause given to Fail, or io.EOF when the peer failed first.
func (c *Conn) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

func (c *Conn) errOr(err error) error {
	if e := c.Err(); e != nil {
		return e
	}
	return err
}
