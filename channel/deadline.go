package channel

import (
	"sync"
	"time"
)

// A deadline is a channel that closes at a time which can be set again, or
// for good by stop. Waits select on it. It is one direction's.
type deadline struct {
	mu      sync.Mutex // a leaf
	timer   *time.Timer
	passed  chan struct{} // closed when the deadline is over; replaced by set
	stopped bool
}

func newDeadline() deadline { return deadline{passed: make(chan struct{})} }

// wait returns a channel that is closed once the deadline of now is over.
func (d *deadline) wait() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.passed
}

// set moves the deadline to t; the zero time means never.
func (d *deadline) set(t time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.stopped {
		return
	}
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
	if isClosed(d.passed) {
		d.passed = make(chan struct{})
	}
	if t.IsZero() {
		return
	}
	passed := d.passed
	left := time.Until(t)
	if left <= 0 {
		close(passed)
		return
	}
	var timer *time.Timer
	timer = time.AfterFunc(left, func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		if d.timer == timer {
			d.timer = nil
			close(passed)
		}
	})
	d.timer = timer
}

// stop ends every wait, now and later: the direction is closed.
func (d *deadline) stop() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.stopped {
		return
	}
	d.stopped = true
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
	if !isClosed(d.passed) {
		close(d.passed)
	}
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// notify wakes the one goroutine that waits on c, a channel of capacity 1, or
// the next that will.
func notify(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
