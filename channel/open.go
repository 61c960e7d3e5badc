package channel

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/fairlead-go/ssh/wire"
)

// OpenOptions are what [Mux.Open] may be told. The zero value is fine.
type OpenOptions struct {
	// Requests serves the peer's requests on the channel, one after the
	// other, on a goroutine that lives while there are any. Nil refuses all.
	Requests RequestHandler
	// Window is the initial receive window in bytes, from 64 KiB; 0 is that
	// of [Config].
	Window uint32
}

// errMaxPacket refuses a channel on which hardly anything could be sent.
var errMaxPacket = errors.New("channel: the peer's maximum packet size is less than 1024 bytes")

// Open opens a channel; extra is the data that its type asks for. It returns
// an [*OpenError] when the peer refuses, and the cause of ctx when that ends
// first: a channel that the peer confirms later is closed.
func (m *Mux) Open(ctx context.Context, channelType string, extra []byte, o OpenOptions) (*Channel, error) {
	return m.open(ctx, channelType, extra, o.Window, requestServer{handler: o.Requests})
}

func (m *Mux) open(ctx context.Context, channelType string, extra []byte, window uint32, requests requestServer) (*Channel, error) {
	c, err := m.prepare(ctx, channelType, window, requests, func(*Channel) {})
	if err != nil {
		return nil, err
	}
	if err := c.open(ctx, extra); err != nil {
		return nil, err
	}
	return c, nil
}

// open opens a channel that was prepared.
func (c *Channel) open(ctx context.Context, extra []byte) error {
	start := time.Now()
	if err := c.sendOpen(ctx, extra); err != nil {
		return err
	}
	c.m.expect()
	defer c.m.expected()
	select {
	case err := <-c.opened:
		if err != nil {
			c.m.debug("channel not opened", "type", c.channelType, "error", err)
			return err
		}
		c.m.roundTrip.observe(time.Since(start))
		c.m.debug("channel opened", "type", c.channelType, "number", c.number)
		return nil
	case <-ctx.Done():
		c.abandon()
		return context.Cause(ctx)
	case <-c.m.dead:
		return c.m.deadErr()
	}
}

// prepare returns a channel that is to be opened, window 0 being that of the
// configuration. It calls set before anybody else can know of the channel.
func (m *Mux) prepare(ctx context.Context, channelType string, window uint32, requests requestServer, set func(*Channel)) (*Channel, error) {
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx)
	}
	if m.cfgErr != nil {
		return nil, m.cfgErr
	}
	setDefault(&window, m.cfg.InitialWindow)
	if window < minWindow {
		return nil, fmt.Errorf("channel: Window is %d, and must be at least %d", window, minWindow)
	}
	if !m.reserve() {
		return nil, &OpenError{Reason: ResourceShortage, Message: "too many channels"}
	}
	c := m.newChannel(channelType, window, requests)
	c.opened = make(chan error, 1)
	c.opening = true
	set(c)
	if err := m.insert(c); err != nil {
		c.forget()
		return nil, err
	}
	return c, nil
}

// sendOpen sends SSH_MSG_CHANNEL_OPEN. What becomes of it comes by c.opened, or
// m.dead.
func (c *Channel) sendOpen(ctx context.Context, extra []byte) error {
	m := c.m
	open := channelOpen{channelType: c.channelType, sender: c.number, window: c.window.size, maxPacket: m.cfg.MaxPacket, extra: extra}
	err := m.pc.WritePacket(ctx.Done(), open.append(nil), nil)
	if err == nil {
		return nil
	}
	m.remove(c)
	c.forget()
	if errors.Is(err, wire.ErrCanceled) {
		err = context.Cause(ctx)
	}
	return err
}

// receiveConfirmation is SSH_MSG_CHANNEL_OPEN_CONFIRMATION.
func (m *Mux) receiveConfirmation(p []byte) error {
	msg, err := parseOpenConfirmation(p)
	if err != nil {
		return malformed(p[0], err)
	}
	c, err := m.find(msg.recipient, p[0])
	if err != nil {
		return err
	}
	return c.confirm(msg)
}

// receiveFailure is SSH_MSG_CHANNEL_OPEN_FAILURE.
func (m *Mux) receiveFailure(p []byte) error {
	msg, err := parseOpenFailure(p)
	if err != nil {
		return malformed(p[0], err)
	}
	c, err := m.find(msg.recipient, p[0])
	if err != nil {
		return err
	}
	return c.refused(&OpenError{Reason: msg.reason, Message: msg.message})
}

// confirm opens a channel that we asked for, and sends what was to be sent at
// once. If nobody waits for it any more, or nothing could be sent on it, it is
// closed at once.
func (c *Channel) confirm(msg openConfirmation) error {
	var refusal error
	if msg.maxPacket < MinMaxPacket {
		refusal = errMaxPacket
	}
	c.mu.Lock()
	if !c.opening {
		c.mu.Unlock()
		return protocolErrorf("message %d for channel %d, which is open", wire.MsgChannelOpenConfirmation, c.number)
	}
	c.opening = false
	c.setPeer(msg.sender, msg.window, msg.maxPacket)
	first := c.first
	c.first = nil
	var a action
	if c.abandoned || refusal != nil {
		c.closedHere = true
		a = c.life.closeBoth()
		first = nil
	} else if first != nil {
		c.life.begin(false)
		c.replies.push(c.firstReply)
	}
	c.mu.Unlock()
	c.opened <- refusal
	if refusal != nil {
		c.cancel(refusal)
	}
	if first != nil {
		for _, r := range first {
			r.recipient = c.peerNumber
			c.m.pc.QueuePacket(r.append(nil))
		}
		c.finish()
	}
	c.perform(a)
	return nil
}

// refused ends a channel that the peer did not open.
func (c *Channel) refused(err *OpenError) error {
	c.mu.Lock()
	if !c.opening {
		c.mu.Unlock()
		return protocolErrorf("message %d for channel %d, which is open", wire.MsgChannelOpenFailure, c.number)
	}
	c.opening = false
	c.mu.Unlock()
	c.m.remove(c)
	c.forget() // before Open returns: the next one may need the place
	c.opened <- err
	return nil
}

// abandon is for an Open whose context ended: the channel is closed now if it
// was confirmed just before, and otherwise when it is. Until the peer answers
// its number stays taken.
func (c *Channel) abandon() {
	c.mu.Lock()
	if c.opening {
		c.abandoned = true
		c.mu.Unlock()
		return
	}
	c.mu.Unlock()
	if err := <-c.opened; err == nil { // the answer is there, or about to be
		c.Close()
	}
}

// A NewChannel is a channel that the peer asks to open. It is decided once, by
// Accept or Reject.
type NewChannel struct {
	m       *Mux
	open    channelOpen
	decided atomic.Bool
}

// errDecided answers the second decision over one NewChannel.
var errDecided = errors.New("channel: open was accepted or rejected before")

// Type returns the channel type, such as "session". It is the peer's text.
func (n *NewChannel) Type() string { return n.open.channelType }

// ExtraData returns the type-specific data of the open. It must not be changed.
func (n *NewChannel) ExtraData() []byte { return n.open.extra }

// receiveOpen is SSH_MSG_CHANNEL_OPEN.
func (m *Mux) receiveOpen(p []byte) error {
	msg, err := parseChannelOpen(p)
	if err != nil {
		return malformed(p[0], err)
	}
	m.turn.answered = true
	refuse := func(reason OpenReason, message string) error {
		return m.pc.QueuePacket(openFailure{recipient: msg.sender, reason: reason, message: message}.append(nil))
	}
	switch {
	case m.cfg.AcceptBacklog < 0:
		return refuse(AdministrativelyProhibited, "no channels are accepted here")
	case msg.maxPacket < MinMaxPacket:
		return refuse(ResourceShortage, "the maximum packet size is too small")
	case len(p) > maxOpenPayload:
		return refuse(ResourceShortage, "the request is too long")
	case !m.reserve():
		return refuse(ResourceShortage, "too many channels")
	}
	msg.extra = append([]byte(nil), msg.extra...)
	n := &NewChannel{m: m, open: msg}
	if m.cfg.HandleOpen != nil {
		m.cfg.HandleOpen(n)
		return nil
	}
	select {
	case m.accepts <- n:
		return nil
	default:
		m.unreserve()
		return refuse(ResourceShortage, "too many channels wait to be accepted")
	}
}

// Accept returns the next channel that the peer asks to open, once there is
// one. It must be answered: until then it counts against [Config.MaxChannels].
// Where [Config.HandleOpen] is set there never is one.
func (m *Mux) Accept(ctx context.Context) (*NewChannel, error) {
	if isClosed(m.dead) {
		return nil, m.deadErr()
	}
	m.turn.take()
	select {
	case n := <-m.accepts:
		return n, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case <-m.dead:
		return nil, m.deadErr()
	}
}

// Accept opens the channel. The handler serves the peer's requests on it, one
// after the other; nil refuses all. It never waits.
func (n *NewChannel) Accept(requests RequestHandler) (*Channel, error) {
	return n.accept(requestServer{handler: requests})
}

func (n *NewChannel) accept(requests requestServer) (*Channel, error) {
	if n.decided.Swap(true) {
		return nil, errDecided
	}
	m := n.m
	c := m.newChannel(n.open.channelType, m.cfg.InitialWindow, requests)
	c.setPeer(n.open.sender, n.open.window, n.open.maxPacket)
	if err := m.insert(c); err != nil {
		c.forget()
		return nil, err
	}
	msg := openConfirmation{recipient: n.open.sender, sender: c.number, window: c.window.size, maxPacket: m.cfg.MaxPacket}
	m.holder.Hold()
	defer m.holder.Release()
	m.pc.QueuePacket(msg.append(nil)) // where this fails, so has the connection, and the channel is lost with it
	m.debug("channel accepted", "type", c.channelType, "number", c.number)
	return c, nil
}

// Reject refuses the channel. The message is for the peer's user. It never
// waits.
func (n *NewChannel) Reject(reason OpenReason, message string) error {
	if n.decided.Swap(true) {
		return errDecided
	}
	n.m.unreserve()
	n.m.debug("channel rejected", "type", n.open.channelType, "reason", reason)
	return n.m.pc.QueuePacket(openFailure{recipient: n.open.sender, reason: reason, message: message}.append(nil))
}
