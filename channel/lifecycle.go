package channel

import "github.com/fairlead-go/ssh/wire"

// A lifecycle is the end of one channel as a pure state machine: events of
// the two sides against what has to be sent (RFC 4254 section 5.3).
//
// Nothing may follow EOF but requests and extended control, and nothing at all
// may follow CLOSE: the peer may have given the number to another channel. So
// whoever sends on the channel holds a token from begin to end, and EOF and
// CLOSE wait until no token that they must follow is out. The goroutine that
// returns the last one is told to send them. A channel's number is free once
// CLOSE has passed both ways.
//
// The zero lifecycle is that of an open channel. The Channel's mutex guards it.
type lifecycle struct {
	writing int // tokens out for data
	sending int // tokens out for everything else, EOF and CLOSE among it

	eof   sendState
	close sendState

	eofReceived   bool
	closeReceived bool
	released      bool
}

// sendState is where EOF or CLOSE is on its way to the peer.
type sendState uint8

const (
	notWanted sendState = iota
	wanted              // waits for tokens
	sendingIt           // an action was given out
	sent
)

// An action is what an event leaves its goroutine to do, with no lock held.
// It then reports back with done.
type action uint8

const (
	nothing   action = iota
	sendEOF          // send SSH_MSG_CHANNEL_EOF
	sendClose        // send SSH_MSG_CHANNEL_CLOSE
	release          // both CLOSEs have passed: give the number back
)

// begin asks for a token. False means that the channel is closed for this kind
// of message. A peer that sent CLOSE listens to nothing more, whether or not
// ours is out.
func (l *lifecycle) begin(data bool) bool {
	if l.close != notWanted || data && l.eof != notWanted {
		return false
	}
	if data {
		l.writing++
	} else {
		l.sending++
	}
	return true
}

// end returns a token.
func (l *lifecycle) end(data bool) action {
	if data {
		l.writing--
	} else {
		l.sending--
	}
	return l.next()
}

// closeWrite is the event that we have no more data.
func (l *lifecycle) closeWrite() action {
	if l.eof == notWanted && l.close == notWanted {
		l.eof = wanted
	}
	return l.next()
}

// closeBoth is the event that we are done with the channel.
func (l *lifecycle) closeBoth() action {
	if l.close == notWanted {
		l.close = wanted
	}
	return l.next()
}

// receiveEOF is SSH_MSG_CHANNEL_EOF. A second one says nothing new and is
// harmless: peers are known to send it.
func (l *lifecycle) receiveEOF() error {
	if err := l.receive(wire.MsgChannelEOF); err != nil {
		return err
	}
	l.eofReceived = true
	return nil
}

// receiveClose is SSH_MSG_CHANNEL_CLOSE, which must be answered by our own.
func (l *lifecycle) receiveClose() (action, error) {
	if err := l.receive(wire.MsgChannelClose); err != nil {
		return nothing, err
	}
	l.closeReceived = true
	return l.closeBoth(), nil
}

// receive says whether a message of the given number may arrive now. Replies
// and window adjusts that lost a race against their own side's CLOSE are let
// through; the caller finds no use for them.
func (l *lifecycle) receive(number byte) error {
	switch number {
	case wire.MsgChannelWindowAdjust, wire.MsgChannelSuccess, wire.MsgChannelFailure:
		return nil
	case wire.MsgChannelData, wire.MsgChannelExtendedData:
		if l.eofReceived {
			return protocolErrorf("message %d after EOF or CLOSE", number)
		}
	}
	if l.closeReceived {
		return protocolErrorf("message %d after CLOSE", number)
	}
	return nil
}

// done is the event that an action was carried out.
func (l *lifecycle) done(a action) action {
	switch a {
	case sendEOF:
		l.eof = sent
		return l.end(false)
	case sendClose:
		l.close = sent
		return l.end(false)
	}
	return nothing
}

// closing tells that the peer's CLOSE has arrived and ours is sent, or being
// sent.
func (l *lifecycle) closing() bool { return l.closeReceived && l.close >= sendingIt }

// next gives out what is due.
func (l *lifecycle) next() action {
	switch {
	case l.eof == wanted && l.writing == 0 && l.close == notWanted:
		l.eof = sendingIt
		l.sending++
		return sendEOF
	case l.close == wanted && l.writing == 0 && l.sending == 0:
		l.close = sendingIt
		l.sending++
		return sendClose
	case l.close == sent && l.closeReceived && !l.released:
		l.released = true
		return release
	}
	return nothing
}
