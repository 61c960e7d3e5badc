package channel

import (
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh/internal/packettest"
	"github.com/fairlead-go/ssh/wire"
)

func TestOpenAndReject(t *testing.T) {
	forBacklogs(t, func(t *testing.T, backlog int) {
		ma, mb := muxPair(t, backlog, Config{}, Config{})
		go func() {
			nc, _ := mb.Accept(t.Context())
			if nc.Type() == "test" && string(nc.ExtraData()) == "extra" {
				nc.Reject(ConnectFailed, "closed\x1b[2J")
			}
		}()
		c, err := ma.Open(t.Context(), "test", []byte("extra"), OpenOptions{})
		require.Nil(t, c)
		var refused *OpenError
		require.ErrorAs(t, err, &refused)
		require.Equal(t, &OpenError{ConnectFailed, "closed\x1b[2J"}, refused)
		require.EqualError(t, err, `channel: open refused: connect failed: "closed\x1b[2J"`)
		require.Zero(t, ma.Stats().Channels)
		require.Zero(t, mb.Stats().Channels)
		require.NotContains(t, ma.channels, uint32(0))
	})
}

// A channel that was refused, or closed by whichever side, counts no more
// against MaxChannels of either side once the opener knows.
func TestPlaceIsFreeForTheNext(t *testing.T) {
	for _, tc := range []struct {
		name               string
		reject, here, peer bool
	}{
		{"refused", true, false, false},
		{"closed here", false, true, false},
		{"closed by the peer", false, false, true},
		{"closed by both", false, true, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			ma, mb := muxPair(t, 1, Config{MaxChannels: 1}, Config{MaxChannels: 1})
			go func() {
				for {
					nc, err := mb.Accept(context.Background())
					if err != nil {
						return
					}
					if tc.reject {
						nc.Reject(ConnectFailed, "")
						continue
					}
					c, err := nc.Accept(nil)
					if err == nil && tc.peer {
						go c.Close()
					}
				}
			}()
			for range 3000 {
				c, err := ma.Open(t.Context(), "test", nil, OpenOptions{})
				if tc.reject {
					require.Equal(t, &OpenError{Reason: ConnectFailed}, err)
					continue
				}
				require.NoError(t, err)
				if tc.here {
					c.Close()
				}
				<-c.Done()
			}
		})
	}
}

// The peer answers our CLOSE and opens the next channel before the goroutine
// that sent it has said so.
func TestPlaceIsFreeWhileCloseIsSent(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newRawPeer(t, Config{MaxChannels: 1})
		c := p.accept(nil)
		c.mu.Lock()
		a := c.life.closeBoth()
		c.mu.Unlock()
		require.Equal(t, sendClose, a)
		p.signal(wire.MsgChannelClose, c)
		next := p.accept(nil)
		require.NotEqual(t, c.number, next.number)
		require.NoError(t, c.perform(a))
		p.next(wire.MsgChannelClose)
		<-c.Done()
		require.Equal(t, 1, p.m.Stats().Channels)
	})
}

// A channel whose requests wait for a slow handler keeps its place, or a peer could
// have any number of them.
func TestPlaceIsKeptByRequests(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newRawPeer(t, Config{MaxChannels: 1})
		release := make(chan struct{})
		c := p.accept(func(context.Context, *Request) { <-release })
		p.send(channelRequest{recipient: c.number, name: "slow"}.append(nil))
		p.send(channelRequest{recipient: c.number, name: "slow"}.append(nil))
		p.signal(wire.MsgChannelClose, c)
		p.next(wire.MsgChannelClose)
		open := channelOpen{channelType: "test", sender: rawNumber, window: rawWindow, maxPacket: rawMaxPacket}.append(nil)
		p.send(open)
		p.next(wire.MsgChannelOpenFailure)
		require.Equal(t, 1, p.m.Stats().Channels)

		release <- struct{}{}
		synctest.Wait()
		require.Equal(t, 1, p.m.Stats().Channels, "there is another request")
		release <- struct{}{}
		<-c.Done()
		require.Zero(t, p.m.Stats().Channels)
		p.accept(nil)
	})
}

func TestOpenReasons(t *testing.T) {
	for r, want := range map[OpenReason]string{
		AdministrativelyProhibited: "administratively prohibited", ConnectFailed: "connect failed",
		UnknownChannelType: "unknown channel type", ResourceShortage: "resource shortage", 9: "reason 9",
	} {
		require.Equal(t, want, r.String())
		require.Equal(t, "channel: open refused: "+want, (&OpenError{Reason: r}).Error())
	}
}

// A channel is decided once.
func TestNewChannelIsDecidedOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newRawPeer(t, Config{})
		open := channelOpen{channelType: "test", sender: rawNumber, window: rawWindow, maxPacket: rawMaxPacket}.append(nil)
		p.send(open)
		nc, err := p.m.Accept(t.Context())
		require.NoError(t, err)
		require.NoError(t, nc.Reject(UnknownChannelType, "no"))
		p.next(wire.MsgChannelOpenFailure)
		_, err = nc.Accept(nil)
		require.Error(t, err)
		require.Error(t, nc.Reject(UnknownChannelType, "no"))
		p.quiet()
		require.Zero(t, p.m.Stats().Channels)
	})
}

func TestOpenCancelled(t *testing.T) {
	cause := errors.New("changed my mind")
	open := func(p *rawPeer) (id uint32) {
		ctx, cancel := context.WithCancelCause(p.t.Context())
		got := make(chan error, 1)
		go func() {
			_, err := p.m.Open(ctx, "test", nil, OpenOptions{})
			got <- err
		}()
		msg, err := parseChannelOpen(p.next(wire.MsgChannelOpen))
		require.NoError(p.t, err)
		cancel(cause)
		require.Equal(p.t, cause, <-got)
		require.Equal(p.t, 1, p.m.Stats().Channels, "the number is taken until the peer answers")
		return msg.sender
	}
	t.Run("then confirmed", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			p := newRawPeer(t, Config{})
			number := open(p)
			p.send(openConfirmation{number, rawNumber, rawWindow, rawMaxPacket, nil}.append(nil))
			p.send(channelData{number, 0, []byte("early")}.append(nil))
			p.next(wire.MsgChannelClose)
			p.send(channelSignal{wire.MsgChannelClose, number}.append(nil))
			p.quiet()
			require.Zero(t, p.m.Stats().Channels)
			require.Empty(t, p.m.channels)
		})
	})
	t.Run("then refused", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			p := newRawPeer(t, Config{})
			number := open(p)
			p.send(openFailure{number, ConnectFailed, "", ""}.append(nil))
			p.quiet()
			require.Zero(t, p.m.Stats().Channels)
			require.Empty(t, p.m.channels)
		})
	})
	t.Run("at the same time", func(t *testing.T) {
		for range 200 {
			bubble(t, func(t *testing.T) {
				p := newRawPeer(t, Config{})
				ctx, cancel := context.WithCancelCause(p.t.Context())
				go func() {
					if c, err := p.m.Open(ctx, "test", nil, OpenOptions{}); err == nil {
						c.Close()
					}
				}()
				msg, err := parseChannelOpen(p.next(wire.MsgChannelOpen))
				require.NoError(t, err)
				go cancel(cause)
				p.send(openConfirmation{msg.sender, rawNumber, rawWindow, rawMaxPacket, nil}.append(nil))
				p.next(wire.MsgChannelClose)
				p.send(channelSignal{wire.MsgChannelClose, msg.sender}.append(nil))
				p.quiet()
				require.Zero(t, p.m.Stats().Channels)
			})
		}
	})
	t.Run("before it was sent", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			p := newRawPeer(t, Config{})
			require.NoError(t, p.m.pc.WritePacket(nil, []byte{wire.MsgGlobalRequest}, nil)) // no room for more
			ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, cause)
			defer cancel()
			_, err := p.m.Open(ctx, "test", nil, OpenOptions{})
			require.Equal(t, cause, err)
			_, err = p.m.Open(ctx, "test", nil, OpenOptions{})
			require.Equal(t, cause, err)
			require.Zero(t, p.m.Stats().Channels)
			p.next(wire.MsgGlobalRequest)
			p.quiet()
		})
	})
}

func TestAcceptBacklogAndMaxChannels(t *testing.T) {
	open := channelOpen{channelType: "test", sender: rawNumber, window: rawWindow, maxPacket: rawMaxPacket}.append(nil)
	refused := func(p *rawPeer, want OpenReason) {
		p.t.Helper()
		f, err := parseOpenFailure(p.next(wire.MsgChannelOpenFailure))
		require.NoError(p.t, err)
		require.Equal(p.t, want, f.reason)
	}
	t.Run("default backlog", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			p := newRawPeer(t, Config{})
			for range 128 {
				p.send(open)
			}
			p.quiet()
			p.send(open)
			refused(p, ResourceShortage)
			_, err := p.m.Accept(t.Context())
			require.NoError(t, err)
			p.send(open)
			p.quiet()
		})
	})
	t.Run("no backlog", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			p := newRawPeer(t, Config{AcceptBacklog: -1})
			p.send(open)
			refused(p, AdministrativelyProhibited)
		})
	})
	t.Run("channels", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			p := newRawPeer(t, Config{MaxChannels: 2})
			c := p.accept(nil)
			p.open(nil)
			p.send(open)
			refused(p, ResourceShortage)
			_, err := p.m.Open(t.Context(), "test", nil, OpenOptions{})
			require.ErrorAs(t, err, new(*OpenError))
			c.Close()
			p.next(wire.MsgChannelClose)
			p.signal(wire.MsgChannelClose, c)
			<-c.Done()
			p.accept(nil)
		})
	})
	t.Run("long request", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			p := newRawPeer(t, Config{})
			p.send(channelOpen{"test", rawNumber, rawWindow, rawMaxPacket, make([]byte, maxOpenPayload)}.append(nil))
			refused(p, ResourceShortage)
		})
	})
}

// The budget shrinks the windows of new channels, to 64 KiB at least, and gets
// back what they had.
func TestWindowBudget(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newRawPeer(t, Config{WindowBudget: 4 << 20})
		var all []*Channel
		last := uint32(DefaultInitialWindow)
		sum := int64(0)
		for range 100 {
			c := p.accept(nil)
			require.LessOrEqual(t, c.window.size, last)
			require.GreaterOrEqual(t, c.window.size, uint32(minWindow))
			last = c.window.size
			sum += int64(last - minWindow)
			all = append(all, c)
		}
		require.LessOrEqual(t, sum, int64(4<<20))
		for _, c := range all {
			c.Close()
			p.next(wire.MsgChannelClose)
			p.signal(wire.MsgChannelClose, c)
			<-c.Done()
		}
		require.Equal(t, Stats{WindowBudget: 4 << 20, RoundTrip: p.m.Stats().RoundTrip}, p.m.Stats())
	})
}

// After Run ends every call returns the cause.
func TestAfterTheEnd(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newRawPeer(t, Config{})
		p.send(channelOpen{"test", rawNumber, rawWindow, rawMaxPacket, nil}.append(nil))
		nc, err := p.m.Accept(t.Context())
		require.NoError(t, err)
		p.send(channelOpen{"test", rawNumber, rawWindow, rawMaxPacket, nil}.append(nil))
		cause := errors.New("cable cut")
		errs := make(chan error, 10)
		go func() { _, err := p.m.Open(t.Context(), "test", nil, OpenOptions{}); errs <- err }()
		p.next(wire.MsgChannelOpen)
		go func() { _, _, err := p.m.SendRequest(t.Context(), "x", true, nil); errs <- err }()
		p.next(wire.MsgGlobalRequest)
		synctest.Wait()
		p.m.pc.Fail(cause)
		require.Equal(t, cause, <-p.ran)
		<-p.m.Done()
		require.Equal(t, cause, p.m.Err())
		require.Equal(t, cause, <-errs)
		require.Equal(t, cause, <-errs)

		_, err = p.m.Open(t.Context(), "test", nil, OpenOptions{})
		require.Equal(t, cause, err)
		_, err = p.m.Accept(t.Context())
		require.Equal(t, cause, err)
		_, _, err = p.m.SendRequest(t.Context(), "x", true, nil)
		require.Equal(t, cause, err)
		_, _, err = p.m.SendRequest(t.Context(), "x", false, nil)
		require.Equal(t, cause, err)
		_, err = nc.Accept(nil)
		require.Equal(t, cause, err)
	})
}

func TestConfigValidate(t *testing.T) {
	require.NoError(t, Config{}.Validate())
	require.NoError(t, Config{InitialWindow: 1<<32 - 1, MaxPacket: maxMaxPacket, AcceptBacklog: -1, WindowBudget: -1}.Validate())
	for _, bad := range []Config{
		{MaxChannels: -1}, {MaxPacket: 1023}, {MaxPacket: maxMaxPacket + 1},
		{InitialWindow: minWindow - 1}, {InitialWindow: 2 << 20, MaxWindow: 1 << 20},
	} {
		require.Error(t, bad.Validate())
		bubble(t, func(t *testing.T) {
			p := newRawPeer(t, bad)
			require.Equal(t, bad.Validate(), <-p.ran)
			_, err := p.m.Open(t.Context(), "test", nil, OpenOptions{})
			require.Equal(t, bad.Validate(), err)
		})
	}
	bubble(t, func(t *testing.T) {
		p := newRawPeer(t, Config{})
		_, err := p.m.Open(t.Context(), "test", nil, OpenOptions{Window: minWindow - 1})
		require.Error(t, err)
	})
}

// TestHandleOpen: where a Config has HandleOpen, opens go there and wait for no
// Accept.
func TestHandleOpen(t *testing.T) {
	a, b := packettest.Pair(0)
	client := New(a, Config{})
	server := New(b, Config{AcceptBacklog: 1, HandleOpen: func(n *NewChannel) {
		if n.Type() == "no" {
			n.Reject(UnknownChannelType, "no")
			return
		}
		go n.Accept(nil)
	}})
	go client.Run()
	go server.Run()
	defer a.Fail(io.EOF)
	for range 5 {
		_, err := client.Open(t.Context(), "yes", nil, OpenOptions{})
		require.NoError(t, err)
		_, err = client.Open(t.Context(), "no", nil, OpenOptions{})
		var refused *OpenError
		require.ErrorAs(t, err, &refused)
	}
}
