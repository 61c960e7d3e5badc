package channel

import (
	"context"
	"io"
	"sync"
	"time"

	"github.com/fairlead-go/ssh/wire"
)

// A Channel is a pair of byte streams between the two sides, and a place for
// requests that belong to them. Read and Write are its plain data; Stderr is
// the extended data of type stderr, with the same deadlines and windows.
//
// Its methods may be called from any goroutine. Close it when done with it.
type Channel struct {
	m           *Mux
	number      uint32 // ours, which the peer sends to; set before anybody else sees the Channel
	channelType string

	// The peer's, set before the channel is open.
	peerNumber    uint32
	peerMaxPacket int

	ctx    context.Context // ends when the channel closes in either direction's way
	cancel context.CancelCauseFunc
	opened chan error // capacity 1: what became of our open
	// firstReply is the reply to the last of first. Its capacity is 1.
	firstReply chan reply
	done       chan struct{} // closed when the channel has ended and its requests are served

	readDeadline  deadline // stopped by Close
	writeDeadline deadline // stopped by Close, CloseWrite and the peer's CLOSE

	plain  stream
	stderr stream

	requests    requestQueue  // the peer's requests
	requestTurn chan struct{} // held while a request that wants a reply is sent

	mu         sync.Mutex       // a leaf
	opening    bool             // our open has no answer yet
	abandoned  bool             // and nobody waits for it
	first      []channelRequest // to be sent once it is confirmed; the last alone wants a reply
	closedHere bool             // Close was called: what is received is dropped
	life       lifecycle
	window     receiveWindow
	peerWindow sendWindow
	replies    replyQueue
	ended      bool // both CLOSEs have passed
	forgotten  bool // counts no longer
}

func (m *Mux) newChannel(channelType string, window uint32, requests requestServer) *Channel {
	c := &Channel{
		m:             m,
		channelType:   channelType,
		done:          make(chan struct{}),
		readDeadline:  newDeadline(),
		writeDeadline: newDeadline(),
		requestTurn:   make(chan struct{}, 1),
	}
	c.ctx, c.cancel = context.WithCancelCause(m.ctx)
	c.plain.init(c, 0)
	c.stderr.init(c, extendedDataStderr)
	c.requests.requestServer, c.requests.channel = requests, c
	c.window = newReceiveWindow(minWindow+m.budget.take(window-minWindow, initialShare), max(m.cfg.MaxWindow, window))
	return c
}

func (c *Channel) setPeer(number, window, maxPacket uint32) {
	c.peerNumber = number
	c.peerMaxPacket = int(min(maxPacket, c.m.cfg.MaxPacket))
	c.peerWindow.limit = uint64(window)
}

// Context returns a context that ends when the channel is closed, by either
// side, or the connection ends. It has the values of [Config]'s.
func (c *Channel) Context() context.Context { return c.ctx }

// Type returns the channel type that it was opened with.
func (c *Channel) Type() string { return c.channelType }

// Read reads plain data. It returns io.EOF when the peer has sent EOF or
// CLOSE and all data is read, an error that is net.ErrClosed after Close,
// os.ErrDeadlineExceeded when the deadline is over, and the connection's cause
// when that has ended. An expired deadline can be set anew.
func (c *Channel) Read(p []byte) (int, error) { return c.plain.Read(p) }

// Write writes plain data. Writes may be as long as one likes; each waits for
// the peer's window. When a deadline, Close, CloseWrite, or the end of the
// connection cuts one short it returns how much was sent. Concurrent Writes
// are sent one after the other.
func (c *Channel) Write(p []byte) (int, error) { return c.plain.Write(p) }

// Stderr returns the extended data of type stderr (RFC 4254 section 5.2).
//
// It shares the channel's window: once Stderr has been called, what arrives
// is kept until it is read, and when nobody reads it, it stalls the channel as
// unread plain data does. Before Stderr is called for the first time, the
// first 32 KiB are kept, and what comes after them is dropped, so that a user
// who knows nothing of stderr is not stalled by it; a Read that comes too late
// returns [ErrStderrDropped] in the place of what is missing.
func (c *Channel) Stderr() io.ReadWriter {
	c.mu.Lock()
	c.stderr.claimed = true
	c.mu.Unlock()
	return &c.stderr
}

// DiscardStderr drops all stderr data, received or to come.
func (c *Channel) DiscardStderr() {
	c.mu.Lock()
	c.stderr.discard = true
	n := c.stderr.drop()
	credit := c.credit(n)
	c.mu.Unlock()
	c.sendCredit(credit)
	notify(c.stderr.ready)
	c.forgetIfDrained()
}

// CloseWrite sends EOF: there will be no more data from us, plain or extended.
// Writes that wait are cut short. The peer's data still arrives.
func (c *Channel) CloseWrite() error {
	c.mu.Lock()
	switch {
	case c.closedHere:
		c.mu.Unlock()
		return errClosed
	case c.life.closeReceived:
		c.mu.Unlock()
		return errPeerClosed
	}
	a := c.life.closeWrite()
	c.mu.Unlock()
	c.writeDeadline.stop()
	return c.perform(a)
}

// Close ends the channel in both directions. Reads and Writes that wait return
// at once, and data that was not read is dropped. It never waits for the peer;
// Done does. Closing twice is no error.
func (c *Channel) Close() error {
	c.mu.Lock()
	if c.closedHere {
		c.mu.Unlock()
		return nil
	}
	c.closedHere = true
	c.plain.drop()
	c.stderr.drop()
	a := c.life.closeBoth()
	c.mu.Unlock()
	c.readDeadline.stop()
	c.writeDeadline.stop()
	c.cancel(errClosed)
	err := c.perform(a)
	c.forgetIfDrained()
	if c.m.Err() != nil {
		return nil // the connection took the channel with it
	}
	return err
}

// Done returns a channel that is closed when the channel has ended, by a CLOSE
// from both sides or with the connection, and all requests that came before
// have been served. A RequestHandler must not wait for it.
func (c *Channel) Done() <-chan struct{} { return c.done }

// SetDeadline implements net.Conn.
func (c *Channel) SetDeadline(t time.Time) error {
	err := c.SetReadDeadline(t)
	if werr := c.SetWriteDeadline(t); err == nil {
		err = werr
	}
	return err
}

// SetReadDeadline implements net.Conn. It holds for plain data and stderr.
func (c *Channel) SetReadDeadline(t time.Time) error {
	if c.isClosedHere() {
		return errClosed
	}
	c.readDeadline.set(t)
	return nil
}

// SetWriteDeadline implements net.Conn. It holds for plain data and stderr.
func (c *Channel) SetWriteDeadline(t time.Time) error {
	if c.isClosedHere() {
		return errClosed
	}
	c.writeDeadline.set(t)
	return nil
}

func (c *Channel) isClosedHere() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closedHere
}

// receive says whether a message may arrive now. c.mu is held.
func (c *Channel) receive(number byte) error {
	if c.opening {
		return protocolErrorf("message %d for channel %d, which is not open yet", number, c.number)
	}
	return c.life.receive(number)
}

// receiveAdjust is SSH_MSG_CHANNEL_WINDOW_ADJUST.
func (c *Channel) receiveAdjust(n uint32) error {
	c.mu.Lock()
	err := c.receive(wire.MsgChannelWindowAdjust)
	if err == nil && !c.peerWindow.adjust(n) {
		err = protocolErrorf("window of channel %d passes 2^32-1", c.number)
	}
	c.mu.Unlock()
	notify(c.plain.windowOpen)
	notify(c.stderr.windowOpen)
	return err
}

// receiveEOF is SSH_MSG_CHANNEL_EOF.
func (c *Channel) receiveEOF() error {
	c.mu.Lock()
	err := c.receive(wire.MsgChannelEOF)
	if err == nil {
		err = c.life.receiveEOF()
	}
	c.mu.Unlock()
	notify(c.plain.ready)
	notify(c.stderr.ready)
	return err
}

// receiveClose is SSH_MSG_CHANNEL_CLOSE.
func (c *Channel) receiveClose() error {
	c.mu.Lock()
	err := c.receive(wire.MsgChannelClose)
	var a action
	if err == nil {
		a, err = c.life.receiveClose()
	}
	c.mu.Unlock()
	if err != nil {
		return err
	}
	c.writeDeadline.stop()
	c.cancel(errPeerClosed)
	notify(c.plain.ready)
	notify(c.stderr.ready)
	if a == nothing {
		c.forgetIfDrained() // another goroutine sends our CLOSE, or has sent it and did not say so yet
	}
	return c.perform(a)
}

// perform carries out what the lifecycle asks for, until it asks for no more.
func (c *Channel) perform(a action) error {
	if a == nothing {
		return nil
	}
	c.m.holder.Hold()
	defer c.m.holder.Release()
	var err error
	for a != nothing {
		switch a {
		case sendEOF:
			err = c.m.pc.QueuePacket(channelSignal{wire.MsgChannelEOF, c.peerNumber}.append(nil))
		case sendClose:
			c.forgetIfDrained()
			err = c.m.pc.QueuePacket(channelSignal{wire.MsgChannelClose, c.peerNumber}.append(nil))
		case release:
			c.end()
		}
		c.mu.Lock()
		a = c.life.done(a)
		c.mu.Unlock()
	}
	return err
}

// end is when both CLOSEs have passed.
func (c *Channel) end() {
	c.m.remove(c)
	c.mu.Lock()
	c.ended = true
	c.mu.Unlock()
	c.cancel(errClosed)
	c.forgetIfDrained()
	c.requests.end(c.done)
}

// lost is when the connection has ended. Dead wakes all who wait.
func (c *Channel) lost() {
	c.writeDeadline.stop()
	c.cancel(c.m.deadErr())
	c.requests.end(c.done)
}

// forgetIfDrained gives back the channel's place among MaxChannels and its
// part of the budget, once it holds no data, no request waits, and both CLOSEs
// have passed, or ours is about to: a peer that has it may open the next channel
// at once.
func (c *Channel) forgetIfDrained() {
	c.mu.Lock()
	drained := c.life.closing() && (c.closedHere || c.plain.empty() && c.stderr.empty())
	c.mu.Unlock()
	if drained && c.requests.idle() { // no request comes after CLOSE
		c.mu.Lock()
		c.giveBack()
		c.mu.Unlock()
	}
}

// giveBack does so once. c.mu is held, so that nobody sees it marked as done
// before it is.
func (c *Channel) giveBack() {
	if c.forgotten {
		return
	}
	c.forgotten = true
	c.m.budget.refund(c.window.size - minWindow)
	c.m.unreserve()
}

// forget is for a channel that will not be opened.
func (c *Channel) forget() {
	c.mu.Lock()
	c.giveBack()
	c.mu.Unlock()
	c.cancel(errClosed)
}

// begin takes a token of the lifecycle for a message that is no data, and is
// false when the channel takes none.
func (c *Channel) begin() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.life.begin(false)
}

// finish returns the token.
func (c *Channel) finish() {
	c.mu.Lock()
	a := c.life.end(false)
	c.mu.Unlock()
	c.perform(a)
}

// closedErr says why the channel takes nothing more to send.
func (c *Channel) closedErr() error {
	if isClosed(c.m.dead) {
		return c.m.deadErr()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closedHere:
		return errClosed
	case c.life.closeReceived:
		return errPeerClosed
	}
	return errWriteClosed
}

// credit records n bytes that left the buffers and returns the credit that is
// due. When it is not 0 the caller holds a token and must call sendCredit,
// without c.mu, which is held now.
func (c *Channel) credit(n int) uint32 {
	if n == 0 || c.life.eofReceived || !c.life.begin(false) {
		return 0
	}
	credit := c.window.consume(n, time.Now, c.m.roundTrip.get(), &c.m.budget)
	if credit == 0 {
		c.life.sending--
		return 0
	}
	return credit
}

// sendCredit queues a window adjust. QueuePacket is right for it in every
// goroutine: the peer has to send a quarter of a window for each, so that
// they cannot pile up, and a Read that has its data must not wait to send.
func (c *Channel) sendCredit(n uint32) {
	if n == 0 {
		return
	}
	buf := adjustBuffers.Get().(*[9]byte)
	c.m.pc.QueuePacket(windowAdjust{c.peerNumber, n}.append(buf[:0]))
	adjustBuffers.Put(buf)
	c.finish()
}

var adjustBuffers = sync.Pool{New: func() any { return new([9]byte) }}
