package channel

import (
	"context"
	"fmt"
	"strings"

	"github.com/fairlead-go/ssh/wire"
)

// StartSession opens a session and starts a program in it, in two round trips:
// the request follows the server's confirmation at once. A pseudo-terminal
// takes a third, so that nothing runs without it where the server refuses it.
// Whether the server takes the variables of start.Env is not asked. A
// [*RequestError] says what was refused.
//
// With keepStderr, all of stderr is kept to be read, as if [Channel.Stderr] had
// been called before anything could arrive; else it is dropped, as by
// [Channel.DiscardStderr].
func StartSession(ctx context.Context, m *Mux, start Start, keepStderr bool) (*Session, error) {
	requests, err := startRequests(&start)
	if err != nil {
		return nil, err
	}
	first := len(requests)
	if start.PTY != nil {
		first = 1
	}
	if sizeOf(requests[:first]) > maxFirst {
		first = 0
	}
	s := &Session{started: true}
	c, err := m.prepare(ctx, typeSession, 0, s.requests(), func(c *Channel) {
		c.stderr.claimed, c.stderr.discard = keepStderr, !keepStderr
		if first > 0 {
			c.first, c.firstReply = requests[:first], make(chan reply, 1)
		}
	})
	if err != nil {
		return nil, err
	}
	s.Channel = c
	if first > 0 {
		err = c.openWithFirst(ctx, requests[first-1].name)
	} else {
		err = c.open(ctx, nil)
	}
	if err != nil {
		return nil, err
	}
	for _, r := range requests[first:] {
		ok, err := s.SendRequest(ctx, r.name, r.wantReply, r.payload)
		if err == nil && r.wantReply && !ok {
			err = &RequestError{r.name}
		}
		if err != nil {
			s.Close()
			return nil, err
		}
	}
	return s, nil
}

// maxFirst is how many bytes of requests may follow a confirmation at once.
// Nobody waits for room for them.
const maxFirst = 4 << 10

func sizeOf(requests []channelRequest) int {
	n := 0
	for _, r := range requests {
		n += len(r.append(nil))
	}
	return n
}

// startRequests are what asks for the terminal, the variables and the program,
// in this order. There is a reply to the first and the last.
func startRequests(start *Start) (requests []channelRequest, err error) {
	if start.PTY != nil {
		requests = append(requests, channelRequest{name: requestPTY, wantReply: true, payload: appendPTYRequest(nil, *start.PTY)})
	}
	for _, entry := range start.Env {
		name, value, ok := strings.Cut(entry, "=")
		if !ok || name == "" {
			return nil, fmt.Errorf("channel: environment entry %q is not NAME=value: %w", entry, wire.ErrInvalid)
		}
		requests = append(requests, channelRequest{name: requestEnv, payload: appendEnv(nil, name, value)})
	}
	program := channelRequest{name: start.Kind.String(), wantReply: true}
	switch start.Kind {
	case StartShell:
	case StartExec:
		program.payload = wire.AppendString(nil, start.Command)
	case StartSubsystem:
		program.payload = wire.AppendString(nil, start.Subsystem)
	default:
		return nil, fmt.Errorf("channel: start kind %d is not known: %w", start.Kind, wire.ErrInvalid)
	}
	return append(requests, program), nil
}

// openWithFirst opens a channel that was prepared with first requests, which are
// sent as soon as the peer has confirmed. The last of them, of the given name,
// alone wants a reply, which is waited for.
func (c *Channel) openWithFirst(ctx context.Context, last string) error {
	if err := c.sendOpen(ctx, nil); err != nil {
		return err
	}
	var answer reply
	w := replyWaiter{c.firstReply, ctx.Done(), c.ctx.Done()}
	c.m.await(w)
	defer c.m.awaited(w)
	select {
	case answer = <-c.firstReply:
	case <-ctx.Done():
		c.abandon()
		return context.Cause(ctx)
	case <-c.ctx.Done(): // refused, closed or lost
		select {
		case answer = <-c.firstReply: // before the end
		default:
			return c.notOpened()
		}
	}
	if !answer.ok {
		c.Close()
		return &RequestError{last}
	}
	c.m.debug("channel opened", "type", c.channelType, "number", c.number)
	return nil
}

// notOpened says why there was no reply to the first requests.
func (c *Channel) notOpened() error {
	if isClosed(c.m.dead) {
		return c.m.deadErr()
	}
	if err := <-c.opened; err != nil {
		c.m.debug("channel not opened", "type", c.channelType, "error", err)
		return err
	}
	err := c.closedErr()
	c.Close()
	return err
}
