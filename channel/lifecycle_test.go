package channel

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh/wire"
)

// TestLifecycleRows is half-close as events against actions.
func TestLifecycleRows(t *testing.T) {
	type event string
	const (
		begin      event = "begin data"
		end        event = "end data"
		request    event = "begin request"
		requestEnd event = "end request"
		closeWrite event = "closeWrite"
		closeBoth  event = "close"
		eof        event = "peer's EOF"
		peerClose  event = "peer's CLOSE"
	)
	// An action is carried out as soon as it is given out.
	rows := []struct {
		events []event
		want   []action
	}{
		{[]event{closeWrite}, []action{sendEOF}},
		{[]event{closeWrite, closeWrite}, []action{sendEOF}},
		{[]event{begin, closeWrite}, nil},
		{[]event{begin, closeWrite, end}, []action{sendEOF}},
		{[]event{begin, begin, closeWrite, end}, nil},
		{[]event{request, closeWrite}, []action{sendEOF}},
		{[]event{closeBoth}, []action{sendClose}},
		{[]event{closeBoth, closeBoth}, []action{sendClose}},
		{[]event{closeWrite, closeBoth}, []action{sendEOF, sendClose}},
		{[]event{closeBoth, closeWrite}, []action{sendClose}},
		{[]event{begin, closeWrite, closeBoth, end}, []action{sendClose}},
		{[]event{begin, closeBoth, end}, []action{sendClose}},
		{[]event{request, closeBoth}, nil},
		{[]event{request, closeBoth, requestEnd}, []action{sendClose}},
		{[]event{eof}, nil},
		{[]event{eof, eof, closeWrite}, []action{sendEOF}},
		{[]event{peerClose}, []action{sendClose, release}},
		{[]event{begin, peerClose}, nil},
		{[]event{begin, peerClose, end}, []action{sendClose, release}},
		{[]event{closeBoth, peerClose}, []action{sendClose, release}},
		{[]event{begin, closeBoth, peerClose, end}, []action{sendClose, release}},
		{[]event{closeWrite, eof, closeBoth, peerClose}, []action{sendEOF, sendClose, release}},
		{[]event{eof, closeWrite, peerClose, closeBoth}, []action{sendEOF, sendClose, release}},
	}
	for _, row := range rows {
		var l lifecycle
		var got []action
		for _, e := range row.events {
			a := nothing
			var err error
			switch e {
			case begin:
				require.True(t, l.begin(true))
			case end:
				a = l.end(true)
			case request:
				require.True(t, l.begin(false))
			case requestEnd:
				a = l.end(false)
			case closeWrite:
				a = l.closeWrite()
			case closeBoth:
				a = l.closeBoth()
			case eof:
				err = l.receiveEOF()
			case peerClose:
				a, err = l.receiveClose()
			}
			require.NoError(t, err)
			for a != nothing {
				got = append(got, a)
				a = l.done(a)
			}
		}
		require.Equal(t, row.want, got, "%v", row.events)
	}
}

// TestLifecycleAllStates walks every state that events in any order reach,
// with actions that take their time, and checks what must always hold.
func TestLifecycleAllStates(t *testing.T) {
	type node struct {
		l              lifecycle
		data, requests int  // tokens out
		eof, close     bool // given out and not carried out
		released       bool
	}
	seen := map[node]bool{}
	var walk func(n node)
	// apply takes the action that an event gave out.
	apply := func(n node, a action) node {
		switch a {
		case sendEOF:
			require.Zero(t, n.data, "EOF before data")
			require.False(t, n.eof || n.close, "EOF twice, or with CLOSE")
			n.eof = true
		case sendClose:
			require.Zero(t, n.data+n.requests, "CLOSE before a message")
			require.False(t, n.eof || n.close, "CLOSE before EOF, or twice")
			n.close = true
		case release:
			require.Equal(t, sent, n.l.close)
			require.True(t, n.l.closeReceived)
			require.False(t, n.released, "released twice")
			n.released = true
		}
		return n
	}
	walk = func(n node) {
		if seen[n] {
			return
		}
		seen[n] = true
		if n.l.close == sendingIt || n.l.close == sent {
			l := n.l
			require.False(t, l.begin(true) || l.begin(false), "a message after CLOSE")
		}
		if n.l.eof != notWanted {
			l := n.l
			require.False(t, l.begin(true), "data after EOF")
		}
		if n.l.close == sent && n.l.closeReceived {
			require.True(t, n.released, "a channel that is never released")
		}
		if n.l.close == wanted {
			require.NotZero(t, n.l.writing+n.l.sending, "nobody is left to send CLOSE")
		}
		if n.l.eof == wanted && n.l.close == notWanted {
			require.NotZero(t, n.l.writing, "nobody is left to send EOF")
		}
		step := func(f func(n *node) action) {
			m := n
			a := f(&m)
			walk(apply(m, a))
		}
		if n.data < 2 {
			step(func(n *node) action {
				if n.l.begin(true) {
					n.data++
				}
				return nothing
			})
		}
		if n.requests < 2 {
			step(func(n *node) action {
				if n.l.begin(false) {
					n.requests++
				}
				return nothing
			})
		}
		if n.data > 0 {
			step(func(n *node) action { n.data--; return n.l.end(true) })
		}
		if n.requests > 0 {
			step(func(n *node) action { n.requests--; return n.l.end(false) })
		}
		if n.eof {
			step(func(n *node) action { n.eof = false; return n.l.done(sendEOF) })
		}
		if n.close {
			step(func(n *node) action { n.close = false; return n.l.done(sendClose) })
		}
		step(func(n *node) action { return n.l.closeWrite() })
		step(func(n *node) action { return n.l.closeBoth() })
		step(func(n *node) action { n.l.receiveEOF(); return nothing })
		step(func(n *node) action { a, _ := n.l.receiveClose(); return a })
	}
	walk(node{})
	require.Greater(t, len(seen), 100, "states")
}

func TestLifecycleReceive(t *testing.T) {
	late := map[byte]bool{wire.MsgChannelWindowAdjust: true, wire.MsgChannelSuccess: true, wire.MsgChannelFailure: true}
	for number := byte(wire.MsgChannelWindowAdjust); number <= wire.MsgChannelFailure; number++ {
		var l lifecycle
		require.NoError(t, l.receive(number))

		require.NoError(t, l.receiveEOF())
		data := number == wire.MsgChannelData || number == wire.MsgChannelExtendedData
		require.Equal(t, !data, l.receive(number) == nil, "%d after EOF", number)

		l.closeBoth()
		require.Equal(t, !data, l.receive(number) == nil, "%d after our CLOSE", number)

		_, err := l.receiveClose()
		require.NoError(t, err)
		require.Equal(t, late[number], l.receive(number) == nil, "%d after CLOSE", number)
	}
}
