package channel

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh/wire"
)

func TestRequestsAreServedInOrder(t *testing.T) {
	var served []string
	handler := func(_ context.Context, r *Request) {
		served = append(served, r.Type) // one at a time, so without a lock
		if r.Type == "unanswered" {
			return
		}
		ok := string(r.Payload) == "yes"
		if err := r.Reply(ok, nil); err != nil {
			served = append(served, err.Error())
		}
		if r.WantReply && r.Reply(ok, nil) == nil {
			served = append(served, "replied twice")
		}
	}
	bothRoles(t, Config{}, handler, func(t *testing.T, p *rawPeer, c *Channel) {
		served = nil
		p.send(channelRequest{c.number, "a", true, []byte("yes")}.append(nil))
		p.send(channelRequest{c.number, "b", true, []byte("no")}.append(nil))
		p.send(channelRequest{c.number, "c", false, []byte("yes")}.append(nil))
		p.send(channelRequest{c.number, "unanswered", true, nil}.append(nil))
		p.send(channelRequest{c.number, "unanswered", false, nil}.append(nil))
		p.send(channelRequest{c.number, "d", true, []byte("yes")}.append(nil))
		require.Equal(t, channelSignal{wire.MsgChannelSuccess, rawNumber}.append(nil), p.next(wire.MsgChannelSuccess))
		p.next(wire.MsgChannelFailure)
		p.next(wire.MsgChannelFailure)
		p.next(wire.MsgChannelSuccess)
		p.quiet()
		require.Equal(t, []string{"a", "b", "c", "unanswered", "unanswered", "d"}, served)
	})
}

func TestReplyRules(t *testing.T) {
	errs := make(chan error, 10)
	rules := func(_ context.Context, r *Request) {
		errs <- r.Reply(false, []byte("payload"))
		errs <- r.Reply(true, []byte("payload"))
		errs <- r.Reply(false, nil)
		if (r.Channel() == nil) != (r.Type == "global") {
			panic("wrong channel")
		}
	}
	bothRoles(t, Config{}, rules, func(t *testing.T, p *rawPeer, c *Channel) {
		errs = make(chan error, 10)
		p.send(channelRequest{c.number, "x", true, nil}.append(nil))
		p.next(wire.MsgChannelFailure)
		require.Error(t, <-errs)
		require.Error(t, <-errs)
		require.NoError(t, <-errs)
	})
	bubble(t, func(t *testing.T) {
		errs = make(chan error, 10)
		p := newRawPeer(t, Config{GlobalRequest: rules})
		p.send(globalRequest{"global", true, nil}.append(nil))
		require.Equal(t, "\x51payload", string(p.next(wire.MsgRequestSuccess)))
		require.Error(t, <-errs)
		require.NoError(t, <-errs)
		require.Error(t, <-errs)
	})
}

// Requests that nobody serves are refused, at once.
func TestUnservedRequests(t *testing.T) {
	bothRoles(t, Config{}, nil, func(t *testing.T, p *rawPeer, c *Channel) {
		for range 1000 {
			p.send(channelRequest{c.number, "x", true, nil}.append(nil))
			p.send(channelRequest{c.number, "x", false, nil}.append(nil))
			p.next(wire.MsgChannelFailure)
			p.send(globalRequest{"x", false, nil}.append(nil))
		}
		p.quiet()
	})
}

// What came before CLOSE is served, and Done waits for it.
func TestRequestsBeforeCloseAreServed(t *testing.T) {
	gate := make(chan struct{})
	var ctxErr error
	var served int
	handler := func(ctx context.Context, r *Request) {
		<-gate
		served++
		ctxErr = ctx.Err()
	}
	bothRoles(t, Config{}, handler, func(t *testing.T, p *rawPeer, c *Channel) {
		gate, served = make(chan struct{}), 0
		p.send(channelRequest{c.number, "exit-status", false, nil}.append(nil))
		p.send(channelRequest{c.number, "exit-signal", true, nil}.append(nil))
		p.signal(wire.MsgChannelClose, c)
		p.next(wire.MsgChannelClose)
		synctest.Wait()
		require.False(t, isClosed(c.Done()))
		close(gate)
		<-c.Done()
		require.Equal(t, 2, served)
		require.Error(t, ctxErr)
		p.quiet()
	})
}

func TestSendRequest(t *testing.T) {
	forBacklogs(t, func(t *testing.T, backlog int) {
		ma, mb := muxPair(t, backlog, Config{}, Config{
			GlobalRequest: func(_ context.Context, r *Request) { r.Reply(r.Type == "yes", nil) },
		})
		a, _ := openPair(t, ma, mb, nil, func(_ context.Context, r *Request) { r.Reply(r.Type == "yes", nil) })
		errs := make(chan error, 100)
		for i := range 50 {
			name := map[bool]string{true: "yes", false: "no"}[i%3 == 0]
			go func() {
				ok, err := a.SendRequest(t.Context(), name, true, nil)
				if err == nil && ok != (name == "yes") {
					err = errors.New("wrong reply")
				}
				errs <- err
			}()
			go func() {
				ok, _, err := ma.SendRequest(t.Context(), name, true, nil)
				if err == nil && ok != (name == "yes") {
					err = errors.New("wrong reply")
				}
				errs <- err
			}()
		}
		for range 100 {
			require.NoError(t, <-errs)
		}
	})
}

// The reply to a request that nobody waits for any more is dropped, and the
// next one goes to the next request.
func TestSendRequestCancelled(t *testing.T) {
	cause := errors.New("changed my mind")
	bothRoles(t, Config{}, nil, func(t *testing.T, p *rawPeer, c *Channel) {
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, cause)
		defer cancel()
		_, err := c.SendRequest(ctx, "first", true, nil)
		require.Equal(t, cause, err)
		p.next(wire.MsgChannelRequest)
		got := make(chan bool, 1)
		go func() { ok, _ := c.SendRequest(t.Context(), "second", true, nil); got <- ok }()
		p.next(wire.MsgChannelRequest)
		p.signal(wire.MsgChannelFailure, c)
		p.signal(wire.MsgChannelSuccess, c)
		require.True(t, <-got)

		_, _, err = p.m.SendRequest(ctx, "first", true, nil)
		require.Equal(t, cause, err)
		ctx, cancel = context.WithTimeoutCause(t.Context(), time.Second, cause)
		defer cancel()
		_, _, err = p.m.SendRequest(ctx, "first", true, nil)
		require.Equal(t, cause, err)
		p.next(wire.MsgGlobalRequest)
		replies := make(chan string, 1)
		go func() { _, reply, _ := p.m.SendRequest(t.Context(), "second", true, nil); replies <- string(reply) }()
		p.next(wire.MsgGlobalRequest)
		p.send([]byte{wire.MsgRequestFailure})
		p.send([]byte("\x51bound"))
		require.Equal(t, "bound", <-replies)

		// Cancelled while the connection has no room for it: nothing was sent,
		// and no reply is due.
		require.NoError(t, p.m.pc.WritePacket(nil, []byte{wire.MsgGlobalRequest}, nil))
		for i, send := range []func(ctx context.Context) error{
			func(ctx context.Context) error { _, err := c.SendRequest(ctx, "third", true, nil); return err },
			func(ctx context.Context) error { _, err := c.SendRequest(ctx, "third", false, nil); return err },
			func(ctx context.Context) error { _, _, err := p.m.SendRequest(ctx, "third", true, nil); return err },
			func(ctx context.Context) error { _, _, err := p.m.SendRequest(ctx, "third", false, nil); return err },
		} {
			ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, cause)
			defer cancel()
			require.Equal(t, cause, send(ctx), "%d", i)
			require.Equal(t, cause, send(ctx), "%d", i)
		}
		require.Empty(t, c.replies.waiting)
		require.Empty(t, p.m.replies.waiting)
		p.next(wire.MsgGlobalRequest)
		p.quiet()
	})
}

// A channel that closes ends the wait for its replies.
func TestSendRequestOnClosingChannel(t *testing.T) {
	for _, here := range []bool{true, false} {
		for _, congested := range []bool{true, false} {
			bothRoles(t, Config{}, nil, func(t *testing.T, p *rawPeer, c *Channel) {
				if congested {
					require.NoError(t, p.m.pc.WritePacket(nil, []byte{wire.MsgGlobalRequest}, nil))
				}
				errs := make(chan error, 3)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				go func() { _, err := c.SendRequest(ctx, "x", true, nil); errs <- err }()
				go func() { _, err := c.SendRequest(context.Background(), "x", true, nil); errs <- err }()
				if !congested {
					p.next(wire.MsgChannelRequest)
					p.next(wire.MsgChannelRequest)
				} else {
					go func() { _, err := c.SendRequest(ctx, "x", true, nil); errs <- err }()
					synctest.Wait()
				}
				if here {
					c.Close()
				} else {
					p.signal(wire.MsgChannelClose, c)
				}
				require.ErrorIs(t, <-errs, net.ErrClosed)
				if congested {
					require.ErrorIs(t, <-errs, net.ErrClosed)
					require.ErrorIs(t, <-errs, net.ErrClosed)
					p.next(wire.MsgGlobalRequest)
				} else {
					require.ErrorIs(t, <-errs, net.ErrClosed)
				}
				p.next(wire.MsgChannelClose)
				if here {
					if !congested { // a reply crosses our CLOSE
						p.signal(wire.MsgChannelSuccess, c)
					}
					p.signal(wire.MsgChannelClose, c)
				}
				<-c.Done()
				_, err := c.SendRequest(t.Context(), "x", true, nil)
				require.ErrorIs(t, err, net.ErrClosed)
				p.quiet()
			})
		}
	}
}

// A reply that came before CLOSE counts, though its reader sees both at once.
func TestReplyBeforeClose(t *testing.T) {
	bothRoles(t, Config{}, nil, func(t *testing.T, p *rawPeer, c *Channel) {
		got := make(chan error, 1)
		go func() {
			ok, err := c.SendRequest(t.Context(), "x", true, nil)
			if err == nil && !ok {
				err = errors.New("refused")
			}
			got <- err
		}()
		p.next(wire.MsgChannelRequest)
		synctest.Wait()
		require.NoError(t, c.receiveReply(wire.MsgChannelSuccess))
		require.NoError(t, c.receiveClose())
		require.NoError(t, <-got)
	})
}

func TestRequestQueueBounds(t *testing.T) {
	for name, test := range map[string]struct {
		wantReply     bool
		payload, fits int
	}{
		"replies": {true, 0, maxQueuedReplies},
		"count":   {false, 0, maxQueuedRequests},
		"bytes":   {true, 30_000, maxQueuedRequestBytes / 30_000},
	} {
		t.Run(name, func(t *testing.T) {
			gate := make(chan struct{})
			handler := func(ctx context.Context, r *Request) { <-gate }
			run := func(t *testing.T, p *rawPeer, request []byte) {
				gate = make(chan struct{})
				defer close(gate)
				p.send(request) // is being served
				synctest.Wait()
				for range test.fits {
					p.send(request)
					synctest.Wait()
				}
				require.NoError(t, p.m.Err())
				p.send(request)
				p.fails()
			}
			bothRoles(t, Config{}, handler, func(t *testing.T, p *rawPeer, c *Channel) {
				run(t, p, channelRequest{c.number, "x", test.wantReply, make([]byte, test.payload)}.append(nil))
			})
			bubble(t, func(t *testing.T) {
				run(t, newRawPeer(t, Config{GlobalRequest: handler}), globalRequest{"x", test.wantReply, make([]byte, test.payload)}.append(nil))
			})
		})
	}
}

// A goroutine serves requests only while there are any.
func TestRequestGoroutineIsLazy(t *testing.T) {
	handler := func(context.Context, *Request) {}
	bothRoles(t, Config{GlobalRequest: handler}, handler, func(t *testing.T, p *rawPeer, c *Channel) {
		for i := range 3 {
			require.False(t, c.requests.serving)
			p.send(channelRequest{c.number, fmt.Sprint(i), true, nil}.append(nil))
			p.next(wire.MsgChannelFailure)
			p.send(globalRequest{fmt.Sprint(i), true, nil}.append(nil))
			p.next(wire.MsgRequestFailure)
			synctest.Wait()
		}
		require.False(t, c.requests.serving)
		require.False(t, p.m.requests.serving)
	})
}

// A client's whole environment in one burst is no flood, though there is one
// processor and the handler gets no turn meanwhile.
func TestRequestBurst(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	m := New(new(nullConn), Config{})
	defer m.Run()
	served := make(chan struct{}, 1000)
	require.NoError(t, m.dispatch(wellFormed(wire.MsgChannelOpen, 0)))
	nc, err := m.Accept(t.Context())
	require.NoError(t, err)
	_, err = nc.Accept(func(context.Context, *Request) { served <- struct{}{} })
	require.NoError(t, err)
	request := channelRequest{0, "env", false, nil}.append(nil)
	for range cap(served) {
		require.NoError(t, m.dispatch(request))
	}
	for range cap(served) {
		<-served
	}
}
