package channel

import (
	"context"
	"io"
	"math"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh/internal/packettest"
	"github.com/fairlead-go/ssh/wire"
)

// wellFormed returns a message of the given number for the given channel, with
// a body that decodes where RFC 4254 says what it is.
func wellFormed(number byte, channel uint32) []byte {
	switch number {
	case wire.MsgGlobalRequest:
		return globalRequest{"x", true, nil}.append(nil)
	case wire.MsgRequestSuccess, wire.MsgRequestFailure:
		return []byte{number}
	case wire.MsgChannelOpen:
		return channelOpen{"x", rawNumber, rawWindow, rawMaxPacket, nil}.append(nil)
	case wire.MsgChannelOpenConfirmation:
		return openConfirmation{channel, rawNumber, rawWindow, rawMaxPacket, nil}.append(nil)
	case wire.MsgChannelOpenFailure:
		return openFailure{channel, ConnectFailed, "", ""}.append(nil)
	case wire.MsgChannelWindowAdjust:
		return windowAdjust{channel, 1}.append(nil)
	case wire.MsgChannelData:
		return channelData{channel, 0, []byte("x")}.append(nil)
	case wire.MsgChannelExtendedData:
		return channelData{channel, 1, []byte("x")}.append(nil)
	case wire.MsgChannelRequest:
		return channelRequest{channel, "x", true, nil}.append(nil)
	}
	return channelSignal{number, channel}.append(nil)
}

// Every message number in every state of a channel, as opened by us and by the
// peer: what is not in the list ends the connection and reaches nobody.
func TestDefect_MessageInWrongState(t *testing.T) {
	// always are the messages that belong to no channel that we know.
	always := []byte{wire.MsgUserauthRequest, wire.MsgGlobalRequest, wire.MsgChannelOpen}
	live := []byte{wire.MsgChannelWindowAdjust, wire.MsgChannelEOF, wire.MsgChannelClose, wire.MsgChannelRequest}
	states := []struct {
		name    string
		allowed []byte
		enter   func(p *rawPeer, opened bool) uint32 // returns the channel's number
	}{
		{"never used", nil, func(p *rawPeer, opened bool) uint32 { return 5 }},
		{"opening", []byte{wire.MsgChannelOpenConfirmation, wire.MsgChannelOpenFailure}, func(p *rawPeer, _ bool) uint32 {
			go p.m.Open(p.t.Context(), "test", nil, OpenOptions{})
			open, err := parseChannelOpen(p.next(wire.MsgChannelOpen))
			require.NoError(p.t, err)
			return open.sender
		}},
		{"undecided", nil, func(p *rawPeer, _ bool) uint32 {
			p.send(wellFormed(wire.MsgChannelOpen, 0))
			_, err := p.m.Accept(p.t.Context())
			require.NoError(p.t, err)
			return 0
		}},
		{"open", append([]byte{wire.MsgChannelData, wire.MsgChannelExtendedData}, live...), func(p *rawPeer, opened bool) uint32 {
			return p.channel(opened).number
		}},
		{"EOF received", live, func(p *rawPeer, opened bool) uint32 {
			c := p.channel(opened)
			p.signal(wire.MsgChannelEOF, c)
			return c.number
		}},
		{"our CLOSE sent", append([]byte{wire.MsgChannelData, wire.MsgChannelExtendedData}, live...), func(p *rawPeer, opened bool) uint32 {
			c := p.channel(opened)
			c.Close()
			p.next(wire.MsgChannelClose)
			return c.number
		}},
		{"CLOSE received, ours waits", []byte{wire.MsgChannelWindowAdjust, wire.MsgChannelSuccess, wire.MsgChannelFailure}, func(p *rawPeer, opened bool) uint32 {
			c := p.channel(opened)
			require.True(p.t, c.begin())
			p.t.Cleanup(c.finish)
			p.signal(wire.MsgChannelClose, c)
			return c.number
		}},
		{"closed both ways", []byte{wire.MsgChannelWindowAdjust, wire.MsgChannelSuccess, wire.MsgChannelFailure}, func(p *rawPeer, opened bool) uint32 {
			c := p.channel(opened)
			p.signal(wire.MsgChannelClose, c)
			p.next(wire.MsgChannelClose)
			<-c.Done()
			return c.number
		}},
	}
	for _, state := range states {
		t.Run(state.name, func(t *testing.T) {
			allowed := map[byte]bool{}
			for _, n := range append(state.allowed, always...) {
				allowed[n] = true
			}
			for i := range 512 {
				number, opened := byte(i), i >= 256
				bubble(t, func(t *testing.T) {
					p := newRawPeer(t, Config{})
					p.requests = func(_ context.Context, r *Request) { p.served++ }
					id := state.enter(p, opened)
					synctest.Wait()
					p.send(wellFormed(number, id))
					synctest.Wait()
					if allowed[number] {
						require.NoError(t, p.m.Err(), "message %d", number)
					} else {
						p.fails()
					}
					runs := number == wire.MsgChannelRequest && allowed[number]
					require.Equal(t, runs, p.served > 0, "handler after message %d", number)
				})
			}
		})
	}
}

func TestDefect_WindowOverrun(t *testing.T) {
	for _, code := range []uint32{0, 1, 2} {
		bothRoles(t, Config{InitialWindow: minWindow, WindowBudget: -1}, nil, func(t *testing.T, p *rawPeer, c *Channel) {
			c.Stderr()
			for range 2 {
				p.data(c, 0, make([]byte, minWindow/2))
			}
			synctest.Wait()
			require.NoError(t, p.m.Err())
			p.data(c, code, make([]byte, 1))
			p.fails()
		})
	}
	// A channel that we closed has the rest of its window, and no more.
	bothRoles(t, Config{InitialWindow: minWindow, WindowBudget: -1}, nil, func(t *testing.T, p *rawPeer, c *Channel) {
		c.Close()
		p.next(wire.MsgChannelClose)
		for range 2 {
			p.data(c, 0, make([]byte, minWindow/2))
		}
		p.quiet()
		p.data(c, 0, make([]byte, 1))
		p.fails()
	})
	t.Run("packet over the maximum", func(t *testing.T) {
		bothRoles(t, Config{}, nil, func(t *testing.T, p *rawPeer, c *Channel) {
			p.data(c, 0, make([]byte, DefaultMaxPacket+1))
			p.fails()
		})
	})
}

func TestDefect_WindowAdjustPast4GiB(t *testing.T) {
	bothRoles(t, Config{}, nil, func(t *testing.T, p *rawPeer, c *Channel) {
		p.send(windowAdjust{c.number, math.MaxUint32 - rawWindow}.append(nil))
		p.send(windowAdjust{c.number, 0}.append(nil))
		p.quiet()
		_, err := c.Write([]byte("it works"))
		require.NoError(t, err)
		p.next(wire.MsgChannelData)
		p.send(windowAdjust{c.number, 8}.append(nil))
		p.quiet()
		p.send(windowAdjust{c.number, 1}.append(nil))
		p.fails()
	})
}

// Data of types that nobody knows, and stderr that nobody asked for, is
// credited: the channel flows, and memory is flat.
func TestDefect_WindowCreditLost(t *testing.T) {
	for _, code := range []uint32{1, 2, math.MaxUint32} {
		for _, discard := range []bool{false, true} {
			bothRoles(t, Config{InitialWindow: minWindow, WindowBudget: -1}, nil, func(t *testing.T, p *rawPeer, c *Channel) {
				if discard {
					c.DiscardStderr()
				}
				window := minWindow
				buf := make([]byte, 10_000)
				for sent := 0; sent < 2<<20; {
					for window >= len(buf) {
						p.data(c, code, buf)
						window -= len(buf)
						sent += len(buf)
					}
					a, err := parseWindowAdjust(p.next(wire.MsgChannelWindowAdjust))
					require.NoError(t, err)
					window += int(a.add)
				}
				require.LessOrEqual(t, window, minWindow)
				go p.data(c, 0, []byte("still flows"))
				n, err := c.Read(buf)
				require.NoError(t, err)
				require.Equal(t, "still flows", string(buf[:n]))
				require.LessOrEqual(t, c.stderr.buffer.size, unclaimedStderr)
			})
		}
	}
}

func TestDefect_TinyMaximumPacket(t *testing.T) {
	for _, size := range []uint32{0, 1, MinMaxPacket - 1, MinMaxPacket, math.MaxUint32} {
		bubble(t, func(t *testing.T) {
			p := newRawPeer(t, Config{})
			p.send(channelOpen{"x", rawNumber, rawWindow, size, nil}.append(nil))
			got := make(chan error, 1)
			if size < MinMaxPacket {
				p.next(wire.MsgChannelOpenFailure)
			}
			go func() { _, err := p.m.Open(t.Context(), "x", nil, OpenOptions{}); got <- err }()
			open, err := parseChannelOpen(p.next(wire.MsgChannelOpen))
			require.NoError(t, err)
			p.send(openConfirmation{open.sender, rawNumber, rawWindow, size, nil}.append(nil))
			if size < MinMaxPacket {
				require.Equal(t, errMaxPacket, <-got)
				p.next(wire.MsgChannelClose)
				p.send(channelSignal{wire.MsgChannelClose, open.sender}.append(nil))
				p.quiet()
				require.Zero(t, p.m.Stats().Channels)
			} else {
				require.NoError(t, <-got)
				p.quiet()
			}
		})
	}
}

// Replies that nobody asked for end the connection, in every state; floods of
// what is allowed hold up nobody and leave nothing behind.
func TestDefect_UnsolicitedRepliesAndFloods(t *testing.T) {
	t.Run("global", func(t *testing.T) {
		for _, number := range []byte{wire.MsgRequestSuccess, wire.MsgRequestFailure} {
			bubble(t, func(t *testing.T) {
				p := newRawPeer(t, Config{})
				p.send([]byte{number})
				p.fails()
			})
		}
	})
	// More replies than requests.
	bothRoles(t, Config{}, nil, func(t *testing.T, p *rawPeer, c *Channel) {
		go c.SendRequest(t.Context(), "x", true, nil)
		p.next(wire.MsgChannelRequest)
		p.signal(wire.MsgChannelSuccess, c)
		p.quiet()
		p.signal(wire.MsgChannelSuccess, c)
		p.fails()
	})
	t.Run("flood", func(t *testing.T) {
		for _, number := range []byte{wire.MsgChannelWindowAdjust, wire.MsgChannelSuccess, wire.MsgChannelFailure} {
			bothRoles(t, Config{}, nil, func(t *testing.T, p *rawPeer, c *Channel) {
				other := p.accept(nil)
				p.signal(wire.MsgChannelClose, c)
				p.next(wire.MsgChannelClose)
				for range 5000 { // for a channel that is gone
					p.send(wellFormed(number, c.number))
				}
				p.data(other, 0, []byte("on"))
				n, err := other.Read(make([]byte, 10))
				require.NoError(t, err)
				require.Equal(t, 2, n)
				p.quiet()
			})
		}
		for _, number := range []byte{wire.MsgChannelRequest, wire.MsgChannelEOF, wire.MsgChannelWindowAdjust} {
			bothRoles(t, Config{}, nil, func(t *testing.T, p *rawPeer, c *Channel) {
				other := p.accept(nil)
				c.Close()
				p.next(wire.MsgChannelClose)
				for range 5000 { // for a channel that closes
					p.send(wellFormed(number, c.number))
				}
				p.data(other, 0, []byte("on"))
				n, err := other.Read(make([]byte, 10))
				require.NoError(t, err)
				require.Equal(t, 2, n)
				p.quiet()
			})
		}
		bothRoles(t, Config{}, nil, func(t *testing.T, p *rawPeer, c *Channel) {
			for range 5000 { // empty data uses no window, and must use nothing else
				p.data(c, 0, nil)
				p.data(c, 1, nil)
			}
			p.quiet()
			require.True(t, c.plain.empty() && c.stderr.empty())
		})
	})
}

// A peer that asks and never reads is disconnected once a fixed amount of
// replies waits for it.
func TestDefect_UnreadReplies(t *testing.T) {
	bubble(t, func(t *testing.T) {
		reply := make([]byte, 16<<10)
		p := newRawPeer(t, Config{GlobalRequest: func(_ context.Context, r *Request) { r.Reply(true, reply) }})
		request := globalRequest{"x", true, nil}.append(nil)
		sent := 0
		for ; p.pc.QueuePacket(request) == nil; sent++ {
			synctest.Wait()
		}
		<-p.m.Done()
		require.ErrorIs(t, p.m.Err(), io.ErrShortBuffer)
		require.LessOrEqual(t, sent, packettest.MaxQueued/len(reply)+1)
	})
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func TestDefect_ChannelLeaks(t *testing.T) {
	const rounds = 100_000
	t.Run("open and reject, by the peer", func(t *testing.T) {
		m := New(new(nullConn), Config{})
		defer m.Run()
		open := wellFormed(wire.MsgChannelOpen, 0)
		round := func() {
			require.NoError(t, m.dispatch(open))
			nc, err := m.Accept(t.Context())
			require.NoError(t, err)
			require.NoError(t, nc.Reject(ConnectFailed, "no"))
		}
		round()
		before := heap()
		for range rounds {
			round()
		}
		require.Less(t, heap(), before+64<<10)
		require.Zero(t, m.Stats().Channels)
	})
	t.Run("open, use and close, by the peer", func(t *testing.T) {
		m := New(new(nullConn), Config{})
		defer m.Run()
		open := wellFormed(wire.MsgChannelOpen, 0)
		round := func() {
			require.NoError(t, m.dispatch(open))
			nc, err := m.Accept(t.Context())
			require.NoError(t, err)
			c, err := nc.Accept(nil)
			require.NoError(t, err)
			require.NoError(t, m.dispatch(channelData{c.number, 0, []byte("x")}.append(nil)))
			require.NoError(t, m.dispatch(channelSignal{wire.MsgChannelClose, c.number}.append(nil)))
			c.Close()
			<-c.Done()
		}
		round()
		before := heap()
		for range rounds / 4 {
			round()
		}
		require.Less(t, heap(), before+64<<10)
		require.Equal(t, Stats{WindowBudget: DefaultWindowBudget}, m.Stats())
	})
	t.Run("open and be refused", func(t *testing.T) {
		forBacklogs(t, func(t *testing.T, backlog int) {
			ma, mb := muxPair(t, backlog, Config{}, Config{AcceptBacklog: -1})
			round := func() {
				_, err := ma.Open(t.Context(), "x", nil, OpenOptions{})
				require.ErrorAs(t, err, new(*OpenError))
			}
			round()
			before := heap()
			for range rounds / 50 {
				round()
			}
			require.Less(t, heap(), before+256<<10)
			require.Zero(t, ma.Stats().Channels+mb.Stats().Channels)
		})
	})
	t.Run("twice CLOSE", func(t *testing.T) {
		bothRoles(t, Config{}, nil, func(t *testing.T, p *rawPeer, c *Channel) {
			p.signal(wire.MsgChannelClose, c)
			p.next(wire.MsgChannelClose)
			p.signal(wire.MsgChannelClose, c)
			p.fails()
		})
	})
	t.Run("peer never confirms", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			p := newRawPeer(t, Config{MaxChannels: 3})
			for range 3 {
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				go p.next(wire.MsgChannelOpen)
				_, err := p.m.Open(ctx, "x", nil, OpenOptions{})
				require.ErrorIs(t, err, context.DeadlineExceeded)
				cancel()
			}
			_, err := p.m.Open(t.Context(), "x", nil, OpenOptions{})
			require.ErrorAs(t, err, new(*OpenError), "bounded")
		})
	})
	// The peer cannot fill memory with channels that it closed and nobody read.
	t.Run("unread data of closed channels", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			p := newRawPeer(t, Config{MaxChannels: 3})
			for range 3 {
				c := p.accept(nil)
				p.data(c, 0, []byte("unread"))
				p.signal(wire.MsgChannelClose, c)
				p.next(wire.MsgChannelClose)
			}
			p.send(wellFormed(wire.MsgChannelOpen, 0))
			p.next(wire.MsgChannelOpenFailure)
		})
	})
}

// After the end nothing is left, whatever was going on. Bubbles check this in
// every test; this one counts.
func TestDefect_GoroutineLeak(t *testing.T) {
	before := runtime.NumGoroutine()
	for range 20 {
		ca, cb := packettest.Pair(0)
		ma, mb := New(ca, Config{}), New(cb, Config{})
		go ma.Run()
		go mb.Run()
		a, b := openPair(t, ma, mb, nil, func(ctx context.Context, r *Request) { <-ctx.Done() })
		go a.Write(make([]byte, 10<<20))
		go b.Write(make([]byte, 10<<20))
		go a.SendRequest(t.Context(), "x", true, nil)
		go b.Stderr().Read(make([]byte, 1))
		go ma.Accept(t.Context())
		go ma.Open(t.Context(), "x", nil, OpenOptions{})
		time.Sleep(time.Millisecond)
		ca.Fail(errOver)
		<-a.Done()
		<-b.Done()
	}
	for range 1000 {
		if runtime.NumGoroutine() <= before {
			return
		}
		time.Sleep(time.Millisecond)
	}
	require.Fail(t, "goroutines are left", "%d, %d before", runtime.NumGoroutine(), before)
}
