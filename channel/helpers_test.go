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

var errOver = errors.New("the test is over")

// bubble runs f in a synctest bubble, which fails the test if a goroutine is
// left or nothing can go on.
func bubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, f)
}

// forBacklogs runs f for each backlog in a bubble of its own.
func forBacklogs(t *testing.T, f func(t *testing.T, backlog int)) {
	for _, backlog := range []int{0, 1} {
		t.Run("backlog="+string(rune('0'+backlog)), func(t *testing.T) {
			bubble(t, func(t *testing.T) { f(t, backlog) })
		})
	}
}

// muxPair runs two Muxes against each other until the test ends.
func muxPair(t *testing.T, backlog int, a, b Config) (ma, mb *Mux) {
	ca, cb := packettest.Pair(backlog)
	ma, mb = New(ca, a), New(cb, b)
	ran := make(chan error, 2)
	go func() { ran <- ma.Run() }()
	go func() { ran <- mb.Run() }()
	t.Cleanup(func() {
		ca.Fail(errOver)
		<-ran
		<-ran
	})
	return ma, mb
}

// openPair opens a channel from a to b.
func openPair(t *testing.T, ma, mb *Mux, ra, rb RequestHandler) (a, b *Channel) {
	t.Helper()
	got := make(chan *Channel, 1)
	go func() {
		nc, err := mb.Accept(context.Background())
		if err != nil {
			got <- nil
			return
		}
		c, _ := nc.Accept(rb)
		got <- c
	}()
	a, err := ma.Open(t.Context(), "test", nil, OpenOptions{Requests: ra})
	require.NoError(t, err)
	b = <-got
	require.NotNil(t, b)
	return a, b
}

// A rawPeer is the far side of a Mux, played by the test packet by packet.
type rawPeer struct {
	t   *testing.T
	m   *Mux
	pc  *packettest.Conn
	ran chan error

	requests RequestHandler // of channel
	served   int
}

// channel returns an open channel, as opened by us or by the peer.
func (p *rawPeer) channel(opened bool) *Channel {
	p.t.Helper()
	if opened {
		return p.open(p.requests)
	}
	return p.accept(p.requests)
}

// newRawPeer runs a Mux against the test.
func newRawPeer(t *testing.T, cfg Config) *rawPeer {
	ca, cb := packettest.Pair(1)
	p := &rawPeer{t: t, m: New(ca, cfg), pc: cb, ran: make(chan error, 1)}
	go func() { p.ran <- p.m.Run() }()
	t.Cleanup(func() {
		cb.Fail(errOver)
		<-p.m.Done()
	})
	return p
}

func (p *rawPeer) send(payload []byte) {
	p.t.Helper()
	require.NoError(p.t, p.pc.QueuePacket(payload))
}

// next returns the next packet, which must have the given number.
func (p *rawPeer) next(number byte) []byte {
	p.t.Helper()
	got, err := p.pc.ReadPacket()
	require.NoError(p.t, err)
	require.Equal(p.t, number, got[0], "message number of %x", got)
	return append([]byte(nil), got...)
}

// quiet requires that the Mux has nothing more to say, and lives.
func (p *rawPeer) quiet() {
	p.t.Helper()
	synctest.Wait()
	require.NoError(p.t, p.m.Err())
	p.send(globalRequest{name: "are-you-quiet", wantReply: true}.append(nil))
	p.next(wire.MsgRequestFailure)
}

// fails requires that the Mux ends the connection with a protocol error.
func (p *rawPeer) fails() {
	p.t.Helper()
	var protocol *wire.ProtocolError
	select {
	case <-p.m.Done():
	case <-time.After(time.Minute):
		require.Fail(p.t, "the connection lives")
	}
	require.ErrorAs(p.t, p.m.Err(), &protocol)
	require.EqualValues(p.t, wire.DisconnectProtocolError, protocol.Reason)
}

// Values of the raw peer's side of a channel.
const (
	rawNumber    = 77
	rawWindow    = 1 << 20
	rawMaxPacket = 32 << 10
)

// accept has the peer open a channel, which the Mux accepts.
func (p *rawPeer) accept(requests RequestHandler) *Channel {
	p.t.Helper()
	p.send(channelOpen{channelType: "test", sender: rawNumber, window: rawWindow, maxPacket: rawMaxPacket}.append(nil))
	nc, err := p.m.Accept(p.t.Context())
	require.NoError(p.t, err)
	c, err := nc.Accept(requests)
	require.NoError(p.t, err)
	confirmation, err := parseOpenConfirmation(p.next(wire.MsgChannelOpenConfirmation))
	require.NoError(p.t, err)
	require.EqualValues(p.t, rawNumber, confirmation.recipient)
	require.Equal(p.t, c.number, confirmation.sender)
	return c
}

// open has the Mux open a channel, which the peer accepts.
func (p *rawPeer) open(requests RequestHandler) *Channel {
	p.t.Helper()
	got := make(chan *Channel, 1)
	go func() {
		c, _ := p.m.Open(p.t.Context(), "test", nil, OpenOptions{Requests: requests})
		got <- c
	}()
	open, err := parseChannelOpen(p.next(wire.MsgChannelOpen))
	require.NoError(p.t, err)
	p.send(openConfirmation{recipient: open.sender, sender: rawNumber, window: rawWindow, maxPacket: rawMaxPacket}.append(nil))
	c := <-got
	require.NotNil(p.t, c)
	return c
}

func (p *rawPeer) signal(number byte, c *Channel) {
	p.t.Helper()
	p.send(channelSignal{number, c.number}.append(nil))
}

func (p *rawPeer) data(c *Channel, code uint32, data []byte) {
	p.t.Helper()
	p.send(channelData{c.number, code, data}.append(nil))
}

// bothRoles runs f for a channel that the peer opened and one that we opened.
func bothRoles(t *testing.T, cfg Config, requests RequestHandler, f func(t *testing.T, p *rawPeer, c *Channel)) {
	t.Helper()
	for _, role := range []string{"accepted", "opened"} {
		t.Run(role, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				p := newRawPeer(t, cfg)
				if role == "accepted" {
					f(t, p, p.accept(requests))
				} else {
					f(t, p, p.open(requests))
				}
			})
		})
	}
}

// pattern is data in which every position tells where it belongs.
type pattern struct{ seed, at uint64 }

func (g *pattern) fill(p []byte) {
	for i := range p {
		p[i] = byte((g.at*2654435761 + g.seed*97) >> 7)
		g.at++
	}
}

// writePattern writes n bytes of a pattern in writes of the given size.
func writePattern(w io.Writer, seed uint64, n, size int) error {
	g := pattern{seed: seed}
	buf := make([]byte, size)
	for n > 0 {
		b := buf[:min(size, n)]
		g.fill(b)
		if _, err := w.Write(b); err != nil {
			return err
		}
		n -= len(b)
	}
	return nil
}

// checkPattern reads n bytes of a pattern.
func checkPattern(r io.Reader, seed uint64, n, size int) error {
	g := pattern{seed: seed}
	buf, want := make([]byte, size), make([]byte, size)
	for n > 0 {
		got, err := r.Read(buf[:min(size, n)])
		g.fill(want[:got])
		if string(want[:got]) != string(buf[:got]) {
			return errors.New("data differs")
		}
		n -= got
		if err != nil && n > 0 {
			return err
		}
	}
	return nil
}
