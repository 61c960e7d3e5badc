package channel

import (
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fairlead-go/ssh/internal/backoff"
	"github.com/fairlead-go/ssh/wire"
)

// One goroutine reads the connection at a time, and dispatches what it reads for
// all channels: most of the time that of Run. But where a user and the peer
// speak by turns, waking the user for each packet costs more than all else that
// is done for it. So Run lends the turn to read to whoever waits for the peer
// alone, who then reads without being woken by another goroutine.
//
// Forgetting is harmless. Whoever borrows the turn waits for turnTime at most,
// and then as if it had not borrowed, so that deadlines, contexts and Close need not
// know of turns; and a turn that nobody uses for turnTime is Run's again. What
// the peer sends lies unread no longer than twice that, and where that happens
// Run soon lends no more.
//
// The same is good for a user who only takes what comes, however much that is: it
// need not be woken, and has the data in its processor's cache. Who does more
// with the data is soon left to read what Run has read meanwhile (pace).
type turn struct {
	reader wire.TurnReader // nil: the turn is never lent

	expecting atomic.Int32  // who waits for the peer and cannot borrow
	recall    chan struct{} // capacity 1: Run is to take the turn back

	mu      sync.Mutex // a leaf
	state   turnState
	waiting []waiter // who can borrow, no more than fewWaiters
	more    int      // how many others can, too
	used    bool     // since Run last looked
	wanted  bool     // Run is not to lend it, or to have it back once it is not borrowed

	// Of who reads.
	borrower waiter // nil: Run reads
	woke     bool   // a waiter was told, since the reader last waited
	started  bool   // a request was handed to a goroutine
	answered bool   // a channel was opened, or refused
	bytes    int    // dispatched
	pace     pace   // of borrowers

	luck backoff.Backoff // of Run, with lending

	// Allocated once.
	runWaits, borrowerWaits func() wire.Wait
	timer                   *time.Timer
}

type turnState uint8

const (
	runs     turnState = iota // Run reads
	free                      // nobody does, until somebody waits
	borrowed                  // somebody reads until its wait is over
)

// A waiter waits for the peer.
type waiter interface {
	// over reports whether that is over. Any goroutine may ask.
	over() bool
}

const (
	turnTime = 5 * time.Millisecond
	// littleBytes is the most that may come at once where the connection is
	// watched for more: who gets more is not waiting for single packets.
	littleBytes = 4 << 10
	// fewWaiters are asked one by one whether their wait is over. More are but
	// counted, and the turn is not lent: it costs hundreds of busy channels nothing.
	fewWaiters = 4
)

func (t *turn) init(pc wire.PacketConn) {
	t.recall = make(chan struct{}, 1)
	t.reader, _ = pc.(wire.TurnReader)
	t.runWaits, t.borrowerWaits = t.howRunWaits, t.howBorrowerWaits
}

// howRunWaits says, when all that was read is dispatched, how Run is to wait for
// more; PutOff is to lend the turn. Run calls it.
func (t *turn) howRunWaits() wire.Wait {
	woke, started, answered := t.woke, t.started, t.answered
	switch n := t.startOver(); {
	case woke && t.mayLend():
		return wire.PutOff
	case n > littleBytes && woke:
		return wire.YieldAndSleep
	case n > littleBytes:
		return wire.Sleep
	case woke || started:
		return wire.YieldAndWatch
	case answered:
		return wire.Watch
	}
	return wire.Sleep
}

// howBorrowerWaits is the same for who has borrowed the turn, who first watches,
// however much came before.
func (t *turn) howBorrowerWaits() wire.Wait {
	n := t.startOver()
	t.pace.much = t.pace.much || n > littleBytes
	switch {
	case t.borrower.over():
		return wire.PutOff
	case n > littleBytes:
		return wire.Sleep
	}
	return wire.Watch
}

// startOver is called by who is about to wait, and returns how many bytes were
// dispatched since it was last.
func (t *turn) startOver() int {
	n := t.bytes
	t.woke, t.started, t.answered, t.bytes = false, false, false, 0
	return n
}

// mayLend reports whether Run may lend the turn.
func (t *turn) mayLend() bool {
	if !t.reader.TakesTurns() {
		return false
	}
	t.mu.Lock()
	might := t.nobodyWaits(nil)
	t.mu.Unlock()
	return might && t.luck.Try()
}

// nobodyWaits reports whether no wait is going on but that of one. mu is held.
func (t *turn) nobodyWaits(but waiter) bool {
	if t.more > 0 {
		return false
	}
	for _, w := range t.waiting {
		if w != but && !w.over() {
			return false
		}
	}
	return t.expecting.Load() == 0
}

// lend lends the turn until it is Run's again.
func (t *turn) lend() {
	select {
	case <-t.recall: // of the last time, and not needed then
	default:
	}
	t.mu.Lock()
	refused := t.wanted || !t.nobodyWaits(nil) // since mayLend
	t.wanted = false
	if !refused {
		t.state, t.used = free, false
	}
	t.mu.Unlock()
	if refused {
		return
	}
	if t.timer == nil {
		t.timer = time.NewTimer(turnTime)
	} else {
		t.timer.Reset(turnTime)
	}
	defer t.timer.Stop()
	ended, useful := t.reader.Done(), false
	for {
		recalled := false
		select {
		case <-t.recall:
			recalled = true
		case <-ended:
			ended, recalled = nil, true
		case <-t.timer.C:
			t.timer.Reset(turnTime)
		}
		t.mu.Lock()
		useful = useful || t.used
		if t.state == runs || t.state == free && (recalled || !t.used) {
			t.state = runs
			t.mu.Unlock()
			break
		}
		t.used = false
		t.mu.Unlock()
	}
	t.pace.returned()
	t.pace.judge()
	if t.pace.slow {
		t.pace = pace{}
		t.luck.Harm()
	} else {
		t.luck.Note(useful)
	}
}

// take takes the turn back, at once if nobody uses it, for who is about to wait
// for the peer and does not borrow.
func (t *turn) take() {
	if t.reader == nil {
		return
	}
	t.mu.Lock()
	unused := t.state == free
	t.wanted = !unused
	t.mu.Unlock()
	if unused {
		notify(t.recall)
	}
}

// borrow notes that w waits, and reports whether it may read; if so, it must
// give the turn back.
func (t *turn) borrow(w waiter) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.waiting) < fewWaiters {
		t.waiting = append(t.waiting, w)
	} else {
		t.more++
	}
	if t.state != free {
		return false
	}
	t.state, t.used = borrowed, true
	t.borrower = w
	return true
}

// giveBack ends a borrow. Unless keep, the turn is Run's again.
func (t *turn) giveBack(keep bool) {
	t.mu.Lock()
	t.state = runs
	if keep && !t.wanted && t.nobodyWaits(t.borrower) {
		t.state = free
	}
	t.borrower, t.wanted = nil, false
	back := t.state == runs
	if back && !t.pace.slow {
		t.pace.back = time.Time{} // nobody is away, but Run on its way back
	}
	t.mu.Unlock()
	if back {
		notify(t.recall)
	}
}

// await is called by who is about to wait for the peer, whose wait over ends.
// Where it can, it reads until that is so, or for a short time; the wait itself
// is still the caller's. The caller calls awaited after that.
func (m *Mux) await(w waiter) {
	t := &m.turn
	if t.reader == nil || !t.borrow(w) {
		return
	}
	t.pace.begin()
	err := errHookPanicked
	defer func() {
		if err == errHookPanicked { // and whoever recovers knows nothing of turns
			m.pc.Fail(err)
			t.giveBack(false)
			m.awaited(w)
		}
	}()
	err = m.readUntil(w)
	m.beforeRead() // nothing is put off while nobody reads
	t.pace.end()
	keep := err == wire.ErrPutOff && w.over() && t.reader.TakesTurns() && !t.pace.slow
	if err != nil && err != wire.ErrPutOff {
		m.pc.Fail(err) // and Run finds out
	}
	t.giveBack(keep)
}

var errHookPanicked = errors.New("channel: a hook panicked")

// readUntil reads until w's wait is over, or for a short time.
func (m *Mux) readUntil(w waiter) error {
	for n := 1; ; n++ {
		if err := m.readOne(m.turn.borrowerWaits, turnTime); err != nil {
			return err
		}
		// Much may have come at once, of which nothing is w's.
		if n%maxPutOff == 0 && w.over() {
			return nil
		}
	}
}

// expect is await for who does not borrow, since it seldom waits. The caller calls
// expected after it.
func (m *Mux) expect() {
	m.turn.expecting.Add(1)
	m.turn.take()
}

func (m *Mux) expected() { m.turn.expecting.Add(-1) }

// awaited ends what await began.
func (m *Mux) awaited(w waiter) {
	t := &m.turn
	if t.reader == nil {
		return
	}
	t.mu.Lock()
	if i := slices.Index(t.waiting, w); i >= 0 {
		t.waiting = slices.Delete(t.waiting, i, i+1)
	} else {
		t.more--
	}
	t.mu.Unlock()
}

// readOne reads and dispatches one packet. Who has the turn calls it.
func (m *Mux) readOne(how func() wire.Wait, within time.Duration) error {
	var p []byte
	var err error
	if t := &m.turn; t.reader != nil {
		p, err = t.reader.ReadPacketUntil(how, within)
	} else {
		p, err = m.pc.ReadPacket()
	}
	if err != nil {
		return err
	}
	if m.batched && !m.holds {
		m.holds = true
		m.holder.Hold()
	}
	m.turn.bytes += len(p)
	if err := m.dispatch(p); err != nil {
		return err
	}
	if m.putOff++; m.putOff > maxPutOff {
		m.tellAll()
	}
	return nil
}
