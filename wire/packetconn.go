package wire

import (
	"errors"
	"time"
)

// A PacketConn carries SSH messages between the transport and the layers over
// it. A message, or payload, begins with its message number. The transport
// keeps its own messages (1 to 4, 7, 20, 21, 30 to 49, ping and pong) to
// itself: no other layer sees them.
//
// Every method but ReadPacket may be called from any goroutine.
type PacketConn interface {
	// ReadPacket returns the next payload, which is never empty and is valid
	// until the next call. One goroutine reads at a time.
	ReadPacket() ([]byte, error)

	// WritePacket sends head‖body as one packet. It waits while the
	// connection is congested or changes keys, until cancel closes; a nil
	// cancel never does. It keeps and changes neither slice. The goroutine
	// that reads must never call it: waiting there could wait for itself.
	// A packet whose write was cancelled was not sent, no part of it;
	// the error is then [ErrCanceled].
	WritePacket(cancel <-chan struct{}, head, body []byte) error

	// QueuePacket sends payload without ever waiting; past a fixed backlog it
	// fails the connection. It neither keeps nor changes payload. It is all
	// that the reading goroutine may send with.
	QueuePacket(payload []byte) error

	// Fail ends the connection, from any goroutine. The first cause wins,
	// and every later call of any method returns it.
	Fail(err error)
}

// A Holder is a PacketConn that can be told that more packets are about to come,
// so that they go out together.
type Holder interface {
	// Hold keeps packets back, at the PacketConn's discretion, until as many
	// calls of Release. In between only WritePacket may wait.
	Hold()
	Release()
}

// A BatchReader is a PacketConn that reads many packets at once and tells when
// it has none left. Who reads from it can put off waking others until then.
type BatchReader interface {
	PacketConn

	// BeforeRead has ReadPacket call f, which must not wait, each time before
	// it may wait for the peer; nil ends that. It is for who reads.
	BeforeRead(f func())
}

// A TurnReader is a BatchReader that several goroutines may read in turn, one
// at a time, each only for as long as it wants to.
type TurnReader interface {
	BatchReader

	// ReadPacketUntil is ReadPacket, except that it asks how before it waits for
	// the peer, and returns [ErrPutOff] in the place of that if told to, and when
	// it has waited for the time within, if that is not 0. Nothing is lost then:
	// the next call, by whomever, goes on.
	ReadPacketUntil(how func() Wait, within time.Duration) ([]byte, error)

	// TakesTurns reports whether a wait can be limited at present. Where it
	// cannot, a call with a limit returns at once.
	TakesTurns() bool

	// Done is closed when the connection has ended.
	Done() <-chan struct{}
}

// A Wait is how to wait for the peer.
type Wait uint8

const (
	Sleep         Wait = iota // until there is something
	Watch                     // the same, but the peer is likely to answer sooner than it takes to wake up
	YieldAndSleep             // like Sleep, once the goroutines that are ready have had their turn
	YieldAndWatch             // like Watch, once they have
	PutOff                    // not now
)

// ErrPutOff is returned by ReadPacketUntil when it stops before there is a
// packet.
var ErrPutOff = errors.New("wire: read put off")

// ErrCanceled is returned by WritePacket when its cancel channel closed before
// the packet was taken. The connection goes on.
var ErrCanceled = errors.New("wire: write canceled")
