package channel

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fairlead-go/ssh/wire"
)

// A Mux carries channels over one connection. Its methods may be called from
// any goroutine.
type Mux struct {
	pc        wire.PacketConn
	holder    wire.Holder // pc, or one that does nothing
	cfg       Config
	cfgErr    error
	budget    budget
	roundTrip roundTrip

	dead   chan struct{} // closed when Run has ended, after err is set
	ctx    context.Context
	cancel context.CancelCauseFunc

	turn turn // to read

	// Of who reads: who waits for data that has come, and is told when nothing
	// more is to be dispatched without reading from the network.
	batched bool // pc says when that is
	holds   bool // what is sent in answer is held until then
	untold  []*stream
	putOff  int // packets since the first of them

	accepts     chan *NewChannel // nil where cfg.HandleOpen is set
	requests    requestQueue     // the peer's global requests
	requestTurn chan struct{}    // held while a global request that wants a reply is sent
	count       atomic.Int64     // channels and undecided opens that count against MaxChannels

	mu       sync.Mutex // a leaf
	err      error      // why Run ended
	channels map[uint32]*Channel
	next     uint32 // the next channel number of ours; numbers come back only after all were used
	wrapped  bool   // next has passed 2^32-1
	replies  replyQueue
	oneWay   bool // a global request was sent to which there is no reply
}

// New returns a Mux over pc. Nothing is read until [Mux.Run]. The connection
// remains the caller's to close, by pc.Fail.
func New(pc wire.PacketConn, cfg Config) *Mux {
	m := &Mux{
		pc:          pc,
		holder:      holderOf(pc),
		cfgErr:      cfg.Validate(),
		dead:        make(chan struct{}),
		requestTurn: make(chan struct{}, 1),
		channels:    make(map[uint32]*Channel),
	}
	cfg.setDefaults()
	m.cfg = cfg
	m.budget.left.Store(cfg.WindowBudget)
	m.ctx, m.cancel = context.WithCancelCause(context.WithoutCancel(cfg.Context))
	if cfg.HandleOpen == nil {
		m.accepts = make(chan *NewChannel, max(cfg.AcceptBacklog, 0))
	}
	m.requests.handler = cfg.GlobalRequest
	m.turn.init(pc)
	return m
}

// holderOf returns pc's Holder, and one that does nothing where pc has none.
func holderOf(pc wire.PacketConn) wire.Holder {
	if h, ok := pc.(wire.Holder); ok {
		return h
	}
	return noHolder{}
}

type noHolder struct{}

func (noHolder) Hold()    {}
func (noHolder) Release() {}

// Run reads the connection until it ends, and returns why. It is called once.
// When it returns, every call on the Mux and its channels returns the same
// cause, except that data received before is still there to be read.
//
// Run waits for nothing but pc.ReadPacket, and for its turn to read where it has
// lent that to a user who waits for the peer. It calls no code of the user's, but
// for [Config.HandleOpen].
func (m *Mux) Run() error {
	if b, ok := m.pc.(wire.BatchReader); ok {
		m.batched = true
		b.BeforeRead(m.beforeRead)
	}
	err := m.cfgErr
	for err == nil {
		if err = m.readOne(m.turn.runWaits, 0); err == wire.ErrPutOff {
			m.turn.lend()
			err = nil
		}
	}
	m.pc.Fail(err) // when it has failed before, this changes nothing

	m.mu.Lock()
	m.err = err
	lost := m.channels
	m.channels = nil
	m.mu.Unlock()
	close(m.dead)
	m.cancel(err)
	for _, c := range lost {
		c.lost()
	}
	m.requests.end(nil)
	m.debug("connection ended", "cause", err)
	return err
}

// beforeRead is called when all that was read is dispatched.
func (m *Mux) beforeRead() {
	m.tellAll()
	if m.holds {
		m.holds = false
		m.holder.Release()
	}
}

// tell wakes the Read of s that waits, or puts that off for as long as data is
// at hand that it could take along. Who reads calls it.
func (m *Mux) tell(s *stream) {
	m.turn.woke = true
	switch {
	case !m.batched:
		notify(s.ready)
	case !s.untold:
		s.untold = true
		m.untold = append(m.untold, s)
	}
}

// maxPutOff bounds what tell puts off, in packets: the smallest of packets take
// the longest to get through what was read at once.
const maxPutOff = 32

// tellAll wakes all that tell put off.
func (m *Mux) tellAll() {
	m.putOff = 0
	for _, s := range m.untold {
		s.untold = false
		s.told.Store(true)
		notify(s.ready)
	}
	clear(m.untold)
	m.untold = m.untold[:0]
}

// Done returns a channel that is closed when the connection has ended.
func (m *Mux) Done() <-chan struct{} { return m.dead }

// Err returns why the connection ended, nil while it has not.
func (m *Mux) Err() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.err
}

// Context returns a context that ends with the connection, whose cause is then
// why.
func (m *Mux) Context() context.Context { return m.ctx }

// Stats are the counters of one connection at one moment.
type Stats struct {
	// Channels counts what [Config.MaxChannels] bounds.
	Channels int
	// WindowBudget is what is left of [Config.WindowBudget], in bytes.
	WindowBudget int64
	// RoundTrip is the shortest round trip seen, 0 before the first. It is
	// an upper bound.
	RoundTrip time.Duration
}

// Stats returns the counters of now.
func (m *Mux) Stats() Stats {
	return Stats{Channels: int(m.count.Load()), WindowBudget: m.budget.left.Load(), RoundTrip: m.roundTrip.get()}
}

// Idle reports whether nothing is on its way to the peer that would be missed: no
// channel is open, but for one that the peer has closed and our CLOSE for which is
// about to be sent, and every global request has had its reply.
func (m *Mux) Idle() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.count.Load() == 0 && len(m.replies.waiting) == 0 && !m.oneWay
}

// WillWait says that the caller is about to wait for the peer by other means than
// this package's, so that what the peer sends is read at once.
func (m *Mux) WillWait() { m.turn.take() }

// ObserveRoundTrip tells the Mux of a round trip that was measured elsewhere,
// such as by a ping of the transport. The least of all that it knows decides
// when receive windows grow.
func (m *Mux) ObserveRoundTrip(d time.Duration) { m.roundTrip.observe(d) }

// dispatch handles one message, on the goroutine that reads. An error ends the
// connection. The payload is valid only until dispatch returns.
func (m *Mux) dispatch(p []byte) error {
	switch p[0] {
	case wire.MsgChannelData:
		d, err := parseChannelData(p)
		if err != nil {
			return malformed(p[0], err)
		}
		c, err := m.find(d.recipient, p[0])
		if err != nil {
			return err
		}
		return c.receiveData(d)

	case wire.MsgChannelExtendedData:
		d, err := parseExtendedData(p)
		if err != nil {
			return malformed(p[0], err)
		}
		c, err := m.find(d.recipient, p[0])
		if err != nil {
			return err
		}
		return c.receiveData(d)

	case wire.MsgChannelWindowAdjust:
		a, err := parseWindowAdjust(p)
		if err != nil {
			return malformed(p[0], err)
		}
		c, err := m.find(a.recipient, p[0])
		if c == nil {
			return err
		}
		return c.receiveAdjust(a.add)

	case wire.MsgChannelEOF, wire.MsgChannelClose, wire.MsgChannelSuccess, wire.MsgChannelFailure:
		s, err := parseChannelSignal(p)
		if err != nil {
			return malformed(p[0], err)
		}
		c, err := m.find(s.recipient, p[0])
		if c == nil {
			return err
		}
		switch p[0] {
		case wire.MsgChannelEOF:
			return c.receiveEOF()
		case wire.MsgChannelClose:
			return c.receiveClose()
		}
		return c.receiveReply(p[0])

	case wire.MsgChannelRequest:
		r, err := parseChannelRequest(p)
		if err != nil {
			return malformed(p[0], err)
		}
		c, err := m.find(r.recipient, p[0])
		if err != nil {
			return err
		}
		return c.receiveRequest(r)

	case wire.MsgChannelOpen:
		return m.receiveOpen(p)
	case wire.MsgChannelOpenConfirmation:
		return m.receiveConfirmation(p)
	case wire.MsgChannelOpenFailure:
		return m.receiveFailure(p)

	case wire.MsgGlobalRequest:
		return m.receiveGlobalRequest(p)
	case wire.MsgRequestSuccess, wire.MsgRequestFailure:
		return m.receiveGlobalReply(p)

	case wire.MsgUserauthRequest:
		// A client may have sent more attempts before it knew that one had
		// succeeded. They are to be ignored (RFC 4252 section 5.1).
		return nil
	}
	return protocolErrorf("message %d is not allowed here", p[0])
}

// find returns the channel of the given number for a message. It returns nil
// without an error where the message came too late for a channel that was
// closed both ways and is harmless.
func (m *Mux) find(number uint32, message byte) (*Channel, error) {
	m.mu.Lock()
	c, used := m.channels[number], m.wrapped || number < m.next
	m.mu.Unlock()
	if c != nil {
		return c, nil
	}
	switch message {
	case wire.MsgChannelWindowAdjust, wire.MsgChannelSuccess, wire.MsgChannelFailure:
		if used {
			return nil, nil
		}
	}
	return nil, protocolErrorf("message %d for unknown channel %d", message, number)
}

// reserve counts a channel to be opened, and is false when there are too many.
func (m *Mux) reserve() bool {
	for {
		n := m.count.Load()
		if n >= int64(m.cfg.MaxChannels) {
			return false
		}
		if m.count.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

func (m *Mux) unreserve() { m.count.Add(-1) }

// insert gives c a number and puts it into the table.
func (m *Mux) insert(c *Channel) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.err != nil {
		return m.err
	}
	for m.channels[m.next] != nil {
		m.advance()
	}
	c.number = m.next
	m.advance()
	m.channels[c.number] = c
	return nil
}

func (m *Mux) advance() {
	m.next++
	if m.next == 0 {
		m.wrapped = true
	}
}

// remove takes c out of the table: both sides have forgotten it.
func (m *Mux) remove(c *Channel) {
	m.mu.Lock()
	delete(m.channels, c.number)
	m.mu.Unlock()
}

// deadErr returns why the connection ended; it is called when dead is closed.
func (m *Mux) deadErr() error {
	if err := m.Err(); err != nil {
		return err
	}
	return net.ErrClosed
}

func (m *Mux) debug(msg string, args ...any) {
	if m.cfg.Logger != nil {
		m.cfg.Logger.Debug(msg, args...)
	}
}
