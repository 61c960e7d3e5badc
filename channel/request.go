package channel

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/fairlead-go/ssh/wire"
)

// A Request is a global request or a channel request of the peer (RFC 4254
// sections 4 and 5.4).
type Request struct {
	Type      string // the peer's text
	WantReply bool
	Payload   []byte // type-specific data; the handler owns it

	channel *Channel // nil for a global request
	m       *Mux
	replied bool
}

// A RequestHandler serves one request. Requests of one channel, and global
// requests, come one at a time and in order. A request that wants a reply and
// has none when the handler returns is answered with failure. At most 64
// requests that want a reply, 1024 in all, with 256 KiB of payload wait; a peer
// that sends more meanwhile is disconnected.
//
// The context ends when the channel closes, by either side, or the connection
// ends. A request that came before is still served then.
type RequestHandler func(ctx context.Context, r *Request)

var (
	errReplied         = errors.New("channel: request was replied to before")
	errReplyPayload    = errors.New("channel: replies to channel requests, and failures, carry no payload")
	errReplyUnwanted   = errors.New("channel: request wants no reply")
	errTooManyRequests = protocolErrorf("too many requests wait to be served")
)

// Channel returns the channel of the request, nil for a global request.
func (r *Request) Channel() *Channel { return r.channel }

// Reply answers the request. Only the success of a global request carries a
// payload. It never waits. It may be called from the handler only, once; for a
// request that wants no reply it does nothing.
func (r *Request) Reply(ok bool, payload []byte) error {
	switch {
	case !r.WantReply:
		return nil
	case r.replied:
		return errReplied
	case len(payload) > 0 && (r.channel != nil || !ok):
		return errReplyPayload
	}
	r.replied = true
	if r.channel == nil {
		if ok {
			return r.m.pc.QueuePacket(append([]byte{wire.MsgRequestSuccess}, payload...))
		}
		return r.m.pc.QueuePacket([]byte{wire.MsgRequestFailure})
	}
	return r.channel.reply(ok)
}

// reply queues SSH_MSG_CHANNEL_SUCCESS or _FAILURE. It is called by a handler,
// or by the goroutine that reads.
func (c *Channel) reply(ok bool) error {
	number := byte(wire.MsgChannelFailure)
	if ok {
		number = wire.MsgChannelSuccess
	}
	if !c.begin() {
		return c.closedErr()
	}
	err := c.m.pc.QueuePacket(channelSignal{number, c.peerNumber}.append(nil))
	c.finish()
	return err
}

// A requestServer says who serves requests of the peer. It never changes.
type requestServer struct {
	handler RequestHandler // nil refuses

	// atOnce: the handler is ours and never waits, so that the goroutine of
	// Run calls it.
	atOnce bool
	// over, where set, is called when the last request has been served and no
	// more will come. It must not wait.
	over func(c *Channel)
}

// A requestQueue holds requests of the peer until they are served.
type requestQueue struct {
	requestServer
	channel *Channel // nil for global requests

	mu      sync.Mutex // a leaf
	waiting []*Request
	bytes   int           // of payload in waiting
	replies int           // how many in waiting want one
	serving bool          // a goroutine serves
	ended   bool          // no more will come
	drained chan struct{} // closed when ended and served; may be nil

	// onward is what the goroutine that serves goes on with after this
	// request, in the place of the next one. The handler sets it.
	onward func()
}

// push queues a request, and starts a goroutine for it if there is none. It is
// false when too many wait.
func (q *requestQueue) push(ctx context.Context, r *Request) bool {
	q.mu.Lock()
	if q.ended {
		q.mu.Unlock()
		return true
	}
	if n := len(q.waiting); n > 0 && r.replaces(q.waiting[n-1]) {
		q.bytes += len(r.Payload) - len(q.waiting[n-1].Payload)
		q.waiting[n-1] = r
		q.mu.Unlock()
		return true
	}
	if q.full(r) {
		q.mu.Unlock()
		return false
	}
	q.waiting = append(q.waiting, r)
	q.count(r, 1)
	start := !q.serving
	q.serving = true
	q.mu.Unlock()
	if start {
		go q.serveAll(ctx)
	}
	return true
}

// full reports whether r is one too many. q.mu is held.
func (q *requestQueue) full(r *Request) bool {
	return len(q.waiting) >= maxQueuedRequests ||
		r.WantReply && q.replies >= maxQueuedReplies ||
		len(q.waiting) > 0 && q.bytes+len(r.Payload) > maxQueuedRequestBytes
}

// count adds r to the sums of what waits, or takes it out. q.mu is held.
func (q *requestQueue) count(r *Request, sign int) {
	q.bytes += sign * len(r.Payload)
	if r.WantReply {
		q.replies += sign
	}
}

// replaces reports whether r makes earlier, the one before it, pointless: of
// several window changes only the last counts (RFC 4254 section 6.7). A stall
// of the network can hold up more of them than may wait, and that is no flood.
func (r *Request) replaces(earlier *Request) bool {
	return r.Type == requestWindowChange && earlier.Type == requestWindowChange && !r.WantReply && !earlier.WantReply &&
		len(r.Payload) == len(earlier.Payload)
}

// serveAll runs the handler until no request waits, or one sends it onward.
func (q *requestQueue) serveAll(ctx context.Context) {
	for {
		q.mu.Lock()
		if len(q.waiting) == 0 {
			q.waiting = nil
			q.serving = false
			drained := q.takeDrained()
			q.mu.Unlock()
			q.finish(drained)
			return
		}
		r := q.pop()
		q.mu.Unlock()
		q.serve(ctx, r)
		if f := q.onward; f != nil {
			q.onward = nil
			q.leave(ctx)
			f()
			return
		}
	}
}

// leave has another goroutine serve what waits, if anything does.
func (q *requestQueue) leave(ctx context.Context) {
	q.mu.Lock()
	if len(q.waiting) > 0 {
		q.mu.Unlock()
		go q.serveAll(ctx)
		return
	}
	q.serving = false
	drained := q.takeDrained()
	q.mu.Unlock()
	q.finish(drained)
}

// finish closes what takeDrained has returned.
func (q *requestQueue) finish(drained chan struct{}) {
	if drained == nil {
		return
	}
	if q.channel != nil {
		q.channel.forgetIfDrained()
	}
	close(drained)
	if q.over != nil {
		q.over(q.channel)
	}
}

// pop takes out the first of those that wait. q.mu is held.
func (q *requestQueue) pop() *Request {
	r := q.waiting[0]
	q.waiting[0] = nil
	q.waiting = q.waiting[1:]
	q.count(r, -1)
	return r
}

func (q *requestQueue) serve(ctx context.Context, r *Request) {
	q.handler(ctx, r)
	if r.WantReply && !r.replied {
		r.Reply(false, nil)
	}
}

// end says that no more requests will come. It closes drained once all are
// served.
func (q *requestQueue) end(drained chan struct{}) {
	q.mu.Lock()
	if q.ended {
		q.mu.Unlock()
		return
	}
	q.ended = true
	q.drained = drained
	drained = nil
	if !q.serving {
		drained = q.takeDrained()
	}
	q.mu.Unlock()
	q.finish(drained)
}

// idle reports whether all requests that came have been served.
func (q *requestQueue) idle() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return !q.serving && len(q.waiting) == 0
}

// takeDrained returns the channel to be closed, once. q.mu is held.
func (q *requestQueue) takeDrained() chan struct{} {
	if !q.ended {
		return nil
	}
	d := q.drained
	q.drained = nil
	return d
}

// receiveRequest is SSH_MSG_CHANNEL_REQUEST.
func (c *Channel) receiveRequest(msg channelRequest) error {
	c.mu.Lock()
	err := c.receive(wire.MsgChannelRequest)
	c.mu.Unlock()
	if err != nil {
		return err
	}
	// What crosses our CLOSE is served too: it may be the exit status. It
	// just cannot be replied to any more.
	if c.requests.handler == nil {
		if msg.wantReply {
			c.reply(false)
		}
		return nil
	}
	r := &Request{Type: msg.name, WantReply: msg.wantReply, Payload: append([]byte(nil), msg.payload...), channel: c, m: c.m}
	if c.requests.atOnce {
		c.requests.serve(c.ctx, r)
		return nil
	}
	c.m.turn.started = true
	if !c.requests.push(c.ctx, r) {
		return errTooManyRequests
	}
	return nil
}

// receiveGlobalRequest is SSH_MSG_GLOBAL_REQUEST.
func (m *Mux) receiveGlobalRequest(p []byte) error {
	msg, err := parseGlobalRequest(p)
	if err != nil {
		return malformed(p[0], err)
	}
	if m.requests.handler == nil {
		if msg.wantReply {
			return m.pc.QueuePacket([]byte{wire.MsgRequestFailure})
		}
		return nil
	}
	r := &Request{Type: msg.name, WantReply: msg.wantReply, Payload: append([]byte(nil), msg.payload...), m: m}
	m.turn.started = true
	if !m.requests.push(m.ctx, r) {
		return errTooManyRequests
	}
	return nil
}

// A reply is what the peer answered.
type reply struct {
	ok      bool
	payload []byte
}

// A replyWaiter waits for a reply.
type replyWaiter struct {
	answer     chan reply
	cut, ended <-chan struct{}
}

func (w replyWaiter) over() bool { return len(w.answer) > 0 || isClosed(w.cut) || isClosed(w.ended) }

// A replyQueue holds those who wait for replies, in the order in which their
// requests were sent, which is that of the replies (RFC 4254 section 5.4). An
// entry whose owner has gone stays until its reply comes.
type replyQueue struct{ waiting []chan reply }

// push adds an entry. The channel has capacity 1.
func (q *replyQueue) push(r chan reply) { q.waiting = append(q.waiting, r) }

// unpush takes back r, the entry added last: its request was not sent. It is
// false where the peer has answered that already.
func (q *replyQueue) unpush(r chan reply) bool {
	n := len(q.waiting)
	if n == 0 || q.waiting[n-1] != r {
		return false
	}
	q.waiting[n-1] = nil
	q.waiting = q.waiting[:n-1]
	return true
}

// errAnswerUnasked is a reply to a request that was not sent.
var errAnswerUnasked = protocolErrorf("a reply came before its request was sent")

// pop removes the entry that a reply is for, nil if nobody expects one.
func (q *replyQueue) pop() chan reply {
	if len(q.waiting) == 0 {
		return nil
	}
	r := q.waiting[0]
	q.waiting[0] = nil
	q.waiting = q.waiting[1:]
	return r
}

// SendRequest sends a channel request and, if wantReply, waits for the answer.
// When ctx ends first its cause is returned, and the late answer is dropped.
func (c *Channel) SendRequest(ctx context.Context, name string, wantReply bool, payload []byte) (bool, error) {
	if ctx.Err() != nil {
		return false, context.Cause(ctx)
	}
	msg := channelRequest{recipient: c.peerNumber, name: name, wantReply: wantReply, payload: payload}.append(nil)
	if !wantReply {
		return false, c.sendRequest(ctx, msg)
	}
	select {
	case c.requestTurn <- struct{}{}:
	case <-ctx.Done():
		return false, context.Cause(ctx)
	case <-c.ctx.Done():
		return false, c.closedErr()
	}
	answer := make(chan reply, 1)
	c.mu.Lock()
	c.replies.push(answer)
	c.mu.Unlock()
	start := time.Now()
	err := c.sendRequest(ctx, msg)
	if err != nil {
		c.mu.Lock()
		unsent := c.replies.unpush(answer)
		c.mu.Unlock()
		if !unsent {
			c.m.pc.Fail(errAnswerUnasked)
		}
	}
	<-c.requestTurn
	if err != nil {
		return false, err
	}
	w := replyWaiter{answer, ctx.Done(), c.ctx.Done()}
	c.m.await(w)
	defer c.m.awaited(w)
	select {
	case r := <-answer:
		c.m.roundTrip.observe(time.Since(start))
		return r.ok, nil
	case <-ctx.Done():
		return false, context.Cause(ctx)
	case <-c.ctx.Done():
		select {
		case r := <-answer: // it came before the end
			return r.ok, nil
		default:
			return false, c.closedErr()
		}
	}
}

// sendRequest sends a message under a token, until ctx ends or the channel
// closes.
func (c *Channel) sendRequest(ctx context.Context, msg []byte) error {
	if !c.begin() {
		return c.closedErr()
	}
	defer c.finish()
	// Most often there is room, so that nothing is to be waited for or cancelled.
	err := c.m.pc.WritePacket(alreadyClosed, msg, nil)
	if errors.Is(err, wire.ErrCanceled) {
		merged, stop := context.WithCancel(ctx)
		defer stop()
		defer context.AfterFunc(c.ctx, stop)()
		err = c.m.pc.WritePacket(merged.Done(), msg, nil)
	}
	if errors.Is(err, wire.ErrCanceled) {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return c.closedErr()
	}
	return err
}

// alreadyClosed cancels a WritePacket that would wait.
var alreadyClosed = func() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

// receiveReply is SSH_MSG_CHANNEL_SUCCESS and SSH_MSG_CHANNEL_FAILURE.
func (c *Channel) receiveReply(number byte) error {
	c.mu.Lock()
	err := c.receive(number)
	var answer chan reply
	late := c.life.closeReceived
	if err == nil {
		answer = c.replies.pop()
	}
	c.mu.Unlock()
	switch {
	case err != nil || answer == nil && late:
		return err
	case answer == nil:
		return protocolErrorf("message %d on channel %d, which asked for nothing", number, c.number)
	}
	answer <- reply{ok: number == wire.MsgChannelSuccess}
	c.m.turn.woke = true
	return nil
}

// SendRequest sends a global request and, if wantReply, waits for the answer.
// When ctx ends first its cause is returned, and the late answer is dropped.
func (m *Mux) SendRequest(ctx context.Context, name string, wantReply bool, payload []byte) (ok bool, answer []byte, err error) {
	if ctx.Err() != nil {
		return false, nil, context.Cause(ctx)
	}
	msg := globalRequest{name: name, wantReply: wantReply, payload: payload}.append(nil)
	if !wantReply {
		m.mu.Lock()
		m.oneWay = true
		m.mu.Unlock()
		return false, nil, m.sendGlobal(ctx, msg)
	}
	select {
	case m.requestTurn <- struct{}{}:
	case <-ctx.Done():
		return false, nil, context.Cause(ctx)
	case <-m.dead:
		return false, nil, m.deadErr()
	}
	got := make(chan reply, 1)
	m.mu.Lock()
	m.replies.push(got)
	m.mu.Unlock()
	start := time.Now()
	err = m.sendGlobal(ctx, msg)
	if err != nil {
		m.mu.Lock()
		unsent := m.replies.unpush(got)
		m.mu.Unlock()
		if !unsent {
			m.pc.Fail(errAnswerUnasked)
		}
	}
	<-m.requestTurn
	if err != nil {
		return false, nil, err
	}
	m.expect()
	defer m.expected()
	select {
	case r := <-got:
		m.roundTrip.observe(time.Since(start))
		return r.ok, r.payload, nil
	case <-ctx.Done():
		return false, nil, context.Cause(ctx)
	case <-m.dead:
		return false, nil, m.deadErr()
	}
}

func (m *Mux) sendGlobal(ctx context.Context, msg []byte) error {
	err := m.pc.WritePacket(ctx.Done(), msg, nil)
	if errors.Is(err, wire.ErrCanceled) {
		return context.Cause(ctx)
	}
	return err
}

// receiveGlobalReply is SSH_MSG_REQUEST_SUCCESS and SSH_MSG_REQUEST_FAILURE.
func (m *Mux) receiveGlobalReply(p []byte) error {
	if p[0] == wire.MsgRequestFailure && len(p) > 1 {
		return malformed(p[0], wire.ErrTrailing)
	}
	m.mu.Lock()
	answer := m.replies.pop()
	m.mu.Unlock()
	if answer == nil {
		return protocolErrorf("message %d without a request", p[0])
	}
	answer <- reply{ok: p[0] == wire.MsgRequestSuccess, payload: append([]byte(nil), p[1:]...)}
	return nil
}
