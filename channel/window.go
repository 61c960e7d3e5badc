package channel

import (
	"math"
	"sync/atomic"
	"time"
)

// A receiveWindow is one channel's receive window (RFC 4254 section 5.2) and
// the measurement that it grows by, as a pure state machine: it is told what
// happened and when, and does no I/O. The Channel's mutex guards it.
//
// All positions count bytes of data since the channel was opened, plain and
// extended together:
//
//	consumed ≤ received ≤ granted ≤ consumed + size
//
// # Credit
//
// What the consumer has taken is credited in batches of a quarter of the
// window, so that an adjust costs little and a sender that keeps up with a
// round trip of half a window's time never waits.
//
// # Growth
//
// A peer can use credit only after the adjust that gave it has arrived. So the
// time from sending an adjust until data arrives that needed it is never less
// than a round trip, and is one when the peer was waiting for it. The least
// such time of the whole connection, and of its opens and requests until their
// answers, is taken for the round trip.
//
// A window that the consumer empties within two round trips is what limits the
// peer, or is close to it, and doubles. A window of more than twice the
// bandwidth-delay product takes longer than that, and stays: windows end
// between two and four times the product. A consumer that is slower than the
// network makes the time longer, so that only one who keeps up gets more.
type receiveWindow struct {
	size uint32 // what is granted at most ahead of the consumer
	max  uint32

	consumed uint64
	received uint64
	granted  uint64

	probing   bool
	probeEdge uint64 // data past this position needed the adjust of probeSent
	probeSent time.Time

	epoch      bool      // an epoch runs
	epochStart time.Time // the consumer was here at this time
	epochFrom  uint64
}

func newReceiveWindow(size, max uint32) receiveWindow {
	return receiveWindow{size: size, max: max, granted: uint64(size)}
}

// receive records n bytes that arrived. It is false when the peer had no
// window for them. When they are the first that needed the last adjust, it
// returns the time that this took, an upper bound of the round trip, and
// otherwise 0. It asks for the time only where it needs it.
func (w *receiveWindow) receive(n int, now func() time.Time) (roundTrip time.Duration, ok bool) {
	if uint64(n) > w.granted-w.received {
		return 0, false
	}
	w.received += uint64(n)
	if !w.epoch && n > 0 {
		w.epoch, w.epochStart, w.epochFrom = true, now(), w.consumed
	}
	if w.probing && w.received > w.probeEdge {
		w.probing = false
		return now().Sub(w.probeSent), true
	}
	return 0, true
}

// consume records n bytes that left the buffers. It returns the credit to be
// sent to the peer now, 0 if none is due. roundTrip is the least known round
// trip of the connection, 0 if there is none yet; growth is paid from b.
func (w *receiveWindow) consume(n int, now func() time.Time, roundTrip time.Duration, b *budget) (credit uint32) {
	w.consumed += uint64(n)
	if w.consumed+uint64(w.size)-w.granted < uint64(w.size/4) {
		return 0
	}
	t := now()
	if w.consumed-w.epochFrom >= uint64(w.size) {
		if roundTrip > 0 && t.Sub(w.epochStart) <= 2*roundTrip && w.size < w.max {
			w.size += b.take(min(w.size, w.max-w.size), 2)
		}
		w.epochStart, w.epochFrom = t, w.consumed
	}
	if !w.probing {
		w.probing, w.probeEdge, w.probeSent = true, w.granted, t
	}
	edge := w.consumed + uint64(w.size)
	credit = uint32(edge - w.granted)
	w.granted = edge
	return credit
}

// A sendWindow is what the peer lets us send. The Channel's mutex guards it.
type sendWindow struct {
	limit uint64 // granted since the channel was opened
	used  uint64 // of it, reserved or sent
}

// adjust adds credit. It is false when the window would pass 2^32-1 bytes
// (RFC 4254 section 5.2).
func (w *sendWindow) adjust(n uint32) bool {
	if w.limit-w.used+uint64(n) > math.MaxUint32 {
		return false
	}
	w.limit += uint64(n)
	return true
}

// reserve takes up to n bytes and returns how many it took.
func (w *sendWindow) reserve(n int) int {
	n = int(min(uint64(n), w.limit-w.used))
	w.used += uint64(n)
	return n
}

// giveBack undoes the reservation of n bytes that were not sent.
func (w *sendWindow) giveBack(n int) { w.used -= uint64(n) }

// A budget is what the receive windows of a connection share, in bytes.
type budget struct{ left atomic.Int64 }

// take returns up to n bytes, but at most one share-th of what is left, so that
// whoever comes first leaves something for the next.
func (b *budget) take(n uint32, share int64) uint32 {
	for {
		left := b.left.Load()
		got := min(int64(n), left/share)
		if got <= 0 {
			return 0
		}
		if b.left.CompareAndSwap(left, left-got) {
			return uint32(got)
		}
	}
}

func (b *budget) refund(n uint32) { b.left.Add(int64(n)) }

// A roundTrip is the least round trip seen on a connection, 0 at first.
type roundTrip struct{ least atomic.Int64 }

func (r *roundTrip) observe(d time.Duration) {
	for {
		least := r.least.Load()
		if d <= 0 || least != 0 && int64(d) >= least || r.least.CompareAndSwap(least, int64(d)) {
			return
		}
	}
}

func (r *roundTrip) get() time.Duration { return time.Duration(r.least.Load()) }
