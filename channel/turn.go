package channel

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/fairlead-go/ssh/wire"
)

// One goroutine reads the connection at a time, and whoever has the turn to
// read dispatches what it reads, for all channels. Most of the time that is
// Run. But where a peer and a user speak by turns, waking the user for each
// packet costs more than all else that is done for it: so Run lends the turn to
// those who wait for the peer, who then read for themselves.
//
//	runs     Run reads.
//	free     nobody does. Run waits to be recalled; who is about to wait for
//	         the peer takes the turn.
//	taken    one who waits for the peer reads, until what it waits for is there.
//
// Run lends after several reads in a row that brought little, and woke all who
// waited. It gets the turn back when more is read, when others wait, when who
// took the turn fails, and when the turn was free for lendTime: nothing that the
// peer sends is left lying for more than twice that.
//
// Who takes the turn is still cut short by deadlines, contexts and Close: what
// ends a wait first makes it so that over says yes, and then calls kick.
type turn struct {
	reader wire.BatchReader // nil: the turn is never lent

	state   atomic.Int32
	waiters atomic.Int32  // waits for the peer that nothing has come for yet
	taken   atomic.Uint32 // how often
	back    chan struct{} // cap 1: Run has the turn

	guard      *time.Timer   // runs while the turn is free; set by Run
	guarded    atomic.Bool   // it is started
	guardTaken atomic.Uint32 // what taken was when it last fired

	// Of who has the turn.
	over   waiter // nil: Run has it
	err    error  // how reading failed while Run did not
	bytes  int    // dispatched since the last read
	woken  int    // waiters that were woken since then
	little int    // reads in a row after which Run could have lent the turn
}

// A waiter waits for the peer.
type waiter interface {
	// over reports whether the wait is over. The goroutine that waits calls it.
	over() bool
	counted() *atomic.Bool // as one of turn.waiters
}

const (
	runs int32 = iota
	free
	taken
)

const (
	// lendTime is how long nobody need read. A timer that is much nearer costs
	// the system more, each time that it sleeps, than lending saves.
	lendTime = 10 * time.Millisecond
	// lendAfter is how many reads in a row must have been such that the turn
	// could be lent.
	lendAfter = 4
	// lendBytes is how much one of them may have brought.
	lendBytes = 4 << 10
)

func newTurn() turn { return turn{back: make(chan struct{}, 1)} }

// settle decides, when all that was read is dispatched and those who waited for
// it are woken, whether who has the turn reads on.
func (t *turn) settle() (goOn bool) {
	bytes, woken := t.bytes, t.woken
	t.bytes, t.woken = 0, 0
	switch {
	case t.reader == nil:
		return true
	case bytes > lendBytes:
		t.little = 0
	case t.over == nil && bytes > 0 && (woken == 0 || t.waiters.Load() > 0):
		t.little = 0
	case t.over == nil && bytes > 0:
		t.little++
	}
	if t.over != nil {
		return !t.over.over()
	}
	return t.little < lendAfter
}

// lend has Run wait until it has the turn again, and returns how reading failed
// meanwhile.
func (t *turn) lend() error {
	if t.guard == nil {
		t.guarded.Store(true)
		t.guard = time.AfterFunc(lendTime, t.onGuard)
	}
	t.leave()
	<-t.back
	t.little = 0
	return t.err
}

// leave gives up the turn: to whoever waits next, or to Run if somebody waits
// already.
func (t *turn) leave() {
	t.state.Store(free)
	switch {
	case t.waiters.Load() > 0:
		t.recall()
	case !t.guarded.Swap(true):
		t.guard.Reset(lendTime)
	}
}

// recall gives the turn to Run, if it is free.
func (t *turn) recall() {
	if t.state.CompareAndSwap(free, runs) {
		notify(t.back)
	}
}

// onGuard is called some time after the turn became free.
func (t *turn) onGuard() {
	t.guarded.Store(false) // who leaves from now on starts the guard again
	if t.state.Load() != free {
		return
	}
	n := t.taken.Load()
	if t.guardTaken.Swap(n) == n {
		t.recall()
	} else if !t.guarded.Swap(true) {
		t.guard.Reset(lendTime)
	}
}

// stop is when the connection has ended, and Run has the turn.
func (t *turn) stop() {
	if t.guard != nil {
		t.guard.Stop()
	}
}

// kick has who took the turn ask whether its wait is over.
func (t *turn) kick() {
	if t.state.Load() == taken {
		t.reader.Interrupt()
	}
}

// begin counts a wait; await or end follows. Whoever ends the wait calls woke,
// if there is something for it to count.
func (t *turn) begin(w waiter) {
	w.counted().Store(true)
	t.waiters.Add(1)
}

func (t *turn) end(w waiter) (counted bool) {
	counted = w.counted().Swap(false)
	if counted {
		t.waiters.Add(-1)
	}
	return counted
}

// woke notes that a wait has what it waits for. Who has the turn calls it.
func (t *turn) woke(w waiter) {
	if t.end(w) {
		t.woken++
	}
}

// await is called before a wait for the peer, after begin. Where the turn is
// free, await reads until the wait is over, by the end of ctx too.
func (m *Mux) await(ctx context.Context, w waiter) {
	t := &m.turn
	if !t.state.CompareAndSwap(free, taken) {
		return
	}
	t.end(w)
	t.taken.Add(1)
	t.over = w
	if ctx.Done() != nil {
		defer context.AfterFunc(ctx, t.kick)()
	}
	err := m.read()
	t.over = nil
	if err != nil || t.little < lendAfter {
		t.err = err
		t.state.Store(runs)
		notify(t.back)
		return
	}
	t.leave()
}

// Expect says that something is awaited from the peer that no method of the Mux
// and its channels waits for, until done is called. Else what the peer sends can
// be left lying for twenty milliseconds while all else is idle.
func (m *Mux) Expect() (done func()) {
	m.turn.waiters.Add(1)
	m.turn.recall()
	return func() { m.turn.waiters.Add(-1) }
}

// An answer is what the peer will say to something.
type answer[T any] struct {
	c     chan T // capacity 1
	waits atomic.Bool
	ctx   context.Context
	ended <-chan struct{} // no answer will come
}

func newAnswer[T any](ctx context.Context, ended <-chan struct{}) *answer[T] {
	return &answer[T]{c: make(chan T, 1), ctx: ctx, ended: ended}
}

func (a *answer[T]) over() bool            { return len(a.c) > 0 || a.ctx.Err() != nil || isClosed(a.ended) }
func (a *answer[T]) counted() *atomic.Bool { return &a.waits }

// give is called by who has the turn to read.
func (a *answer[T]) give(t *turn, v T) {
	t.woke(a)
	a.c <- v
}
