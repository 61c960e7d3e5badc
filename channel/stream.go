package channel

import (
	"errors"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fairlead-go/ssh/wire"
)

// ErrStderrDropped is returned by a Read of stderr where data was dropped
// because it came long before anybody called [Channel.Stderr].
var ErrStderrDropped = errors.New("channel: stderr was dropped before it was asked for")

// unclaimedStderr is how much stderr is kept while nobody has asked for it.
const unclaimedStderr = chunkSize

// A stream is one of the two data streams of a channel, both ways.
type stream struct {
	c    *Channel
	code uint32 // extended data type, 0 for plain data

	writing    chan struct{} // turn to write; guards head
	windowOpen chan struct{} // capacity 1: the peer adjusted the window
	head       [maxDataHead]byte

	reading chan struct{}   // turn to read; guards front
	ready   chan struct{}   // capacity 1: something for the waiting Read
	front   chunks          // taken from the buffer, and not yet used up
	cut     <-chan struct{} // of the Read that waits: its deadline

	told   atomic.Bool // the Read that waits was notified, though it may not know yet
	untold bool        // in m.untold; of the goroutine that reads

	// Guarded by c.mu.
	buffer  chunks
	waiting []byte // the slice of the Read that waits
	filled  int    // how much of it has arrived
	held    bool   // front holds data
	claimed bool   // stderr: somebody asked for it
	discard bool   // stderr: nobody wants it
	dropped bool   // stderr: data is missing after what is buffered, and no Read has said so
}

func (s *stream) init(c *Channel, code uint32) {
	s.c, s.code = c, code
	s.claimed = code == 0
	s.writing = make(chan struct{}, 1)
	s.windowOpen = make(chan struct{}, 1)
	s.reading = make(chan struct{}, 1)
	s.ready = make(chan struct{}, 1)
}

// Write is described at [Channel.Write].
func (s *stream) Write(p []byte) (n int, err error) {
	c := s.c
	select {
	case s.writing <- struct{}{}:
	default:
		select {
		case s.writing <- struct{}{}:
		case <-c.writeDeadline.wait():
			return 0, s.writeCutShort()
		case <-c.m.dead:
			return 0, c.m.deadErr()
		}
	}
	defer func() { <-s.writing }()

	// What takes several packets goes out together.
	held := false
	release := func() {
		if held {
			held = false
			c.m.holder.Release()
		}
	}
	defer release()
	for {
		cancel := c.writeDeadline.wait()
		if isClosed(cancel) {
			return n, s.writeCutShort()
		}
		if n == len(p) {
			return n, nil
		}
		size, err := s.reserve(len(p)-n, cancel, release)
		if err != nil {
			return n, err
		}
		if !held && size < len(p)-n {
			held = true
			c.m.holder.Hold()
		}
		head := appendDataHead(s.head[:0], c.peerNumber, s.code, size)
		err = c.m.pc.WritePacket(cancel, head, p[n:n+size])
		c.mu.Lock()
		if err != nil {
			c.peerWindow.giveBack(size)
		}
		a := c.life.end(true)
		c.mu.Unlock()
		c.perform(a)
		if err != nil {
			if errors.Is(err, wire.ErrCanceled) {
				err = s.writeCutShort()
			}
			return n, err
		}
		if n += size; n == len(p) {
			return n, nil
		}
	}
}

// reserve waits for window and returns how many of n bytes the next packet
// may hold, with a token for it. It calls release before it waits.
func (s *stream) reserve(n int, cancel <-chan struct{}, release func()) (int, error) {
	c := s.c
	n = min(n, c.peerMaxPacket)
	for {
		c.mu.Lock()
		open := c.life.begin(true)
		if open {
			if size := c.peerWindow.reserve(n); size > 0 {
				c.mu.Unlock()
				return size, nil
			}
			a := c.life.end(true)
			c.mu.Unlock()
			c.perform(a)
		} else {
			c.mu.Unlock()
			return 0, c.closedErr()
		}
		release()
		c.m.turn.take()
		select {
		case <-s.windowOpen:
		case <-cancel:
			return 0, s.writeCutShort()
		case <-c.m.dead:
			return 0, c.m.deadErr()
		}
	}
}

// writeCutShort says why the write deadline is over: by its time, or because
// the channel no longer takes data.
func (s *stream) writeCutShort() error {
	c := s.c
	c.mu.Lock()
	open := c.life.close == notWanted && c.life.eof == notWanted
	c.mu.Unlock()
	if open && !isClosed(c.m.dead) {
		return os.ErrDeadlineExceeded
	}
	return c.closedErr()
}

// Read is described at [Channel.Read].
func (s *stream) Read(p []byte) (int, error) {
	c := s.c
	cancel := c.readDeadline.wait()
	select {
	case s.reading <- struct{}{}:
	default:
		select {
		case s.reading <- struct{}{}:
		case <-cancel:
			return 0, s.readCutShort()
		case <-c.m.dead:
			s.reading <- struct{}{} // whoever has the turn returns it at once
		}
	}
	defer func() { <-s.reading }()

	if isClosed(cancel) {
		return 0, s.readCutShort()
	}
	if len(p) == 0 {
		return 0, nil
	}
	if s.front.size >= len(p) {
		return s.readFront(p), nil
	}
	for {
		c.mu.Lock()
		if c.closedHere {
			c.mu.Unlock()
			return 0, errClosed
		}
		s.front.take(&s.buffer, len(p))
		if s.held = s.front.first != nil; s.held {
			c.mu.Unlock()
			return s.readFront(p), nil
		}
		if err := s.ending(); err != nil {
			c.mu.Unlock()
			return 0, err
		}
		if isClosed(c.m.dead) {
			c.mu.Unlock()
			return 0, c.m.deadErr()
		}
		s.waiting, s.filled, s.cut = p, 0, cancel
		s.told.Store(false)
		c.mu.Unlock()

		c.m.await(s)
		select {
		case <-s.ready:
		case <-cancel:
		case <-c.m.dead:
		}
		c.m.awaited(s)

		c.mu.Lock()
		n := s.filled
		s.waiting, s.filled = nil, 0
		credit := c.credit(n)
		ended := c.ended
		c.mu.Unlock()
		if n > 0 {
			c.sendCredit(credit)
			if ended {
				c.forgetIfDrained()
			}
			return n, nil
		}
		if isClosed(cancel) {
			return 0, s.readCutShort()
		}
	}
}

// over implements waiter.
func (s *stream) over() bool {
	return s.told.Load() || len(s.ready) > 0 || isClosed(s.cut) || isClosed(s.c.m.dead)
}

// readFront copies from the front chunks, and credits those that are used up.
func (s *stream) readFront(p []byte) int {
	c := s.c
	n, used := s.front.read(p)
	if used == 0 {
		return n
	}
	c.mu.Lock()
	s.held = s.front.first != nil
	credit := c.credit(used)
	ended := c.ended
	c.mu.Unlock()
	c.sendCredit(credit)
	if ended {
		c.forgetIfDrained()
	}
	return n
}

// ending returns what a Read finds after the last byte, nil if more may come.
// c.mu is held.
func (s *stream) ending() error {
	switch {
	case s.dropped:
		s.dropped = false
		return ErrStderrDropped
	case s.discard, s.c.life.eofReceived, s.c.life.closeReceived:
		return io.EOF
	}
	return nil
}

// readCutShort says why the read deadline is over.
func (s *stream) readCutShort() error {
	if s.c.isClosedHere() {
		return errClosed
	}
	return os.ErrDeadlineExceeded
}

// empty reports whether nothing is left to be read. c.mu is held.
func (s *stream) empty() bool { return !s.held && s.buffer.first == nil && s.filled == 0 }

// drop forgets what is buffered, but for a front chunk, which is its reader's,
// and returns how much that was. c.mu is held.
func (s *stream) drop() int {
	n := 0
	for k := s.buffer.pop(); k != nil; k = s.buffer.pop() {
		n += k.w
		k.free()
	}
	return n
}

// receiveData is SSH_MSG_CHANNEL_DATA and SSH_MSG_CHANNEL_EXTENDED_DATA. The
// data aliases the transport's buffer. This is the only copy made of it before
// the reader's own, and the only one at all when a Read waits.
func (c *Channel) receiveData(d channelData) error {
	number := byte(wire.MsgChannelData)
	if d.code != 0 {
		number = wire.MsgChannelExtendedData
	}
	c.mu.Lock()
	if err := c.receive(number); err != nil {
		c.mu.Unlock()
		return err
	}
	if uint32(len(d.data)) > c.m.cfg.MaxPacket {
		c.mu.Unlock()
		return protocolErrorf("%d bytes of data in one packet on channel %d", len(d.data), c.number)
	}
	roundTrip, ok := c.window.receive(len(d.data), time.Now)
	if !ok {
		c.mu.Unlock()
		return protocolErrorf("window of channel %d overrun", c.number)
	}
	if c.closedHere || len(d.data) == 0 {
		c.mu.Unlock() // what crosses our CLOSE gets no credit
		return nil
	}
	var credit uint32
	var waits *stream
	switch {
	case d.code == 0:
		waits = c.plain.deliver(d.data)
	case d.code == extendedDataStderr && !c.stderr.discard && c.stderr.keeps(len(d.data)):
		waits = c.stderr.deliver(d.data)
	default:
		credit = c.credit(len(d.data))
	}
	c.mu.Unlock()
	if roundTrip > 0 {
		c.m.roundTrip.observe(roundTrip)
	}
	if waits != nil {
		c.m.tell(waits)
	}
	c.sendCredit(credit)
	return nil
}

// keeps reports whether n bytes more of stderr are kept. c.mu is held.
func (s *stream) keeps(n int) bool {
	if !s.claimed && s.buffer.size+n > unclaimedStderr {
		s.dropped = true // until a Read has said so
	}
	return !s.dropped
}

// deliver copies data to where it is read, and returns s where a Read waits
// for it. c.mu is held.
func (s *stream) deliver(data []byte) (waits *stream) {
	if s.waiting != nil {
		waits = s
	}
	if s.buffer.first == nil && s.filled < len(s.waiting) {
		n := copy(s.waiting[s.filled:], data)
		s.filled += n
		data = data[n:]
	}
	s.buffer.push(data)
	return waits
}

// chunkSize is the size of the pieces in which received data waits, that of
// a packet of the default maximum.
const chunkSize = 32 << 10

// A chunk holds received data between r and w.
type chunk struct {
	next *chunk
	r, w int
	data [chunkSize]byte
}

var chunkPool = sync.Pool{New: func() any { return new(chunk) }}

func (k *chunk) free() {
	k.next, k.r, k.w = nil, 0, 0
	chunkPool.Put(k)
}

// chunks is a queue of received data. It holds no chunk when it is empty, and
// fills each before it takes another, so that its memory is that of the data
// and less than one chunk more.
type chunks struct {
	first, last *chunk
	size        int // bytes of data
}

func (q *chunks) push(data []byte) {
	for len(data) > 0 {
		if q.last == nil || q.last.w == chunkSize {
			q.add(chunkPool.Get().(*chunk))
		}
		n := copy(q.last.data[q.last.w:], data)
		q.last.w += n
		q.size += n
		data = data[n:]
	}
}

// add puts a chunk behind the others.
func (q *chunks) add(k *chunk) {
	if q.last == nil {
		q.first = k
	} else {
		q.last.next = k
	}
	q.last = k
	q.size += k.w - k.r
}

// pop takes the first chunk out, nil if there is none.
func (q *chunks) pop() *chunk {
	k := q.first
	if k == nil {
		return nil
	}
	q.first = k.next
	if q.first == nil {
		q.last = nil
	}
	k.next = nil
	q.size -= k.w - k.r
	return k
}

// take moves chunks from the front of another queue, until q has n bytes.
func (q *chunks) take(from *chunks, n int) {
	for q.size < n {
		k := from.pop()
		if k == nil {
			return
		}
		q.add(k)
	}
}

// read copies from the queue. It returns how many bytes, and how many had been
// in the chunks that it used up.
func (q *chunks) read(p []byte) (n, used int) {
	for n < len(p) && q.first != nil {
		k := q.first
		m := copy(p[n:], k.data[k.r:k.w])
		n += m
		k.r += m
		q.size -= m
		if k.r == k.w {
			q.pop()
			used += k.w
			k.free()
		}
	}
	return n, used
}
