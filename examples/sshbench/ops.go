package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// An operation is something to measure.
type operation struct {
	name string
	n    int // unless told otherwise
	run  func(ctx context.Context, b *bench, c client) error
}

func (o operation) id() string { return o.name }

var ops = []operation{
	{"down", 1, down},
	{"up", 1, up},
	{"duplex", 1, duplex},
	{"rtt", 10000, roundTrip},
	{"handshake", 200, handshake},
	{"chan", 2000, openChannel},
	{"many", 100, many},
	{"idle", 1000, idle},
}

// down reads what a program writes.
func down(_ context.Context, b *bench, c client) error {
	command := fmt.Sprintf(b.commands.down, b.bytes)
	if d, ok := c.(drainer); ok {
		return b.transfer(c, b.bytes, func() error { return d.drain(command) })
	}
	return b.transfer(c, b.bytes, func() error {
		s, err := c.exec(command)
		if err != nil {
			return err
		}
		defer s.Close()
		if _, err := discard(s, b.bytes); err != nil {
			return err
		}
		return s.Wait()
	})
}

// up writes to a program, until that has read it all.
func up(_ context.Context, b *bench, c client) error {
	return b.transfer(c, b.bytes, func() error {
		s, err := c.exec(b.commands.up)
		if err != nil {
			return err
		}
		defer s.Close()
		if err := writeZeros(s, b.bytes); err != nil {
			return err
		}
		if err := s.CloseWrite(); err != nil {
			return err
		}
		return s.Wait()
	})
}

// duplex has n channels send to an echo and read what comes back, at once.
func duplex(_ context.Context, b *bench, c client) error {
	each := b.bytes / int64(b.n) / 2
	return b.transfer(c, 2*each*int64(b.n), func() error {
		return inParallel(b.n, func(int) error {
			s, err := c.exec(b.commands.echo)
			if err != nil {
				return err
			}
			defer s.Close()
			var w sync.WaitGroup
			var writeErr error
			w.Go(func() {
				if writeErr = writeZeros(s, each); writeErr == nil {
					writeErr = s.CloseWrite()
				}
			})
			_, err = discard(s, each)
			if err != nil {
				s.Close() // so that the writer ends too
			}
			w.Wait()
			if err := errors.Join(err, writeErr); err != nil {
				return err
			}
			return s.Wait()
		})
	})
}

// roundTrip sends a byte and waits for its echo.
func roundTrip(_ context.Context, b *bench, c client) error {
	s, err := c.exec(b.commands.echo)
	if err != nil {
		return err
	}
	defer s.Close()
	one := []byte{'x'}
	return b.repeat(c, func() error {
		if _, err := s.Write(one); err != nil {
			return err
		}
		_, err := io.ReadFull(s, one)
		return err
	})
}

// handshake connects, logs in and closes.
func handshake(ctx context.Context, b *bench, c client) error {
	return b.repeat(c, func() error {
		another, err := b.dial(ctx)
		if err != nil {
			return err
		}
		return another.Close()
	})
}

// openChannel opens a session, runs a program that does nothing, and waits for
// its exit status and the session's end.
func openChannel(_ context.Context, b *bench, c client) error {
	return b.repeat(c, func() error {
		s, err := c.exec("true")
		if err != nil {
			return err
		}
		defer s.Close()
		return s.Wait()
	})
}

// many has n channels read at once. What counts begins when something has come
// on each, and ends when all of them together have had the bytes.
func many(_ context.Context, b *bench, c client) error {
	m := &crowd{counts: make([]atomic.Int64, b.n), busy: make(chan struct{}), enough: make(chan struct{}), over: make(chan struct{})}
	m.silent.Store(int64(b.n))
	m.goal.Store(math.MaxInt64)
	// Any of them could have nearly all of it, and some before that counts.
	command := fmt.Sprintf(b.commands.down, endless)
	ended := make(chan error, 1)
	go func() {
		ended <- inParallel(b.n, func(i int) error {
			defer m.end()
			return m.read(c, command, i)
		})
	}()
	select {
	case <-m.busy:
	case err := <-ended:
		return err
	}
	var before, after []int64
	err := b.timed(c, func() error {
		before = m.each()
		m.goal.Store(sum(before) + b.bytes)
		select {
		case <-m.enough:
		case <-m.over:
		}
		after = m.each()
		return nil
	})
	all := m.total.Load() - sum(before)
	m.end()
	if err := errors.Join(err, <-ended); err != nil {
		return err
	}
	b.moved(b.bytes)
	if s := b.result.Server; s != nil { // it was busy until it had told what it used
		s.CPUPerGB = s.CPU / (float64(all) / 1e9)
	}
	for i := range after {
		after[i] -= before[i]
	}
	b.result.MinShare = float64(slices.Min(after)) / (float64(sum(after)) / float64(b.n))
	return nil
}

func sum(counts []int64) (all int64) {
	for _, n := range counts {
		all += n
	}
	return all
}

// endless is more bytes than anybody waits for.
const endless int64 = 1 << 60

// A crowd is many channels that are read at once.
type crowd struct {
	counts []atomic.Int64 // bytes of each
	total  atomic.Int64
	goal   atomic.Int64  // of total
	silent atomic.Int64  // channels on which nothing has come
	busy   chan struct{} // closed when there are none
	enough chan struct{} // closed when the goal is reached
	over   chan struct{} // closed when reading is to end, or a channel has failed

	onEnough, onEnd sync.Once
}

func (m *crowd) end() { m.onEnd.Do(func() { close(m.over) }) }

func (m *crowd) each() []int64 {
	counts := make([]int64, len(m.counts))
	for i := range counts {
		counts[i] = m.counts[i].Load()
	}
	return counts
}

// read is channel i's part, until all is over.
func (m *crowd) read(c client, command string, i int) error {
	s, err := c.exec(command)
	if err != nil {
		return err
	}
	defer s.Close()
	buf := make([]byte, chunk)
	for first := true; ; first = false {
		n, err := s.Read(buf)
		m.counts[i].Add(int64(n))
		if m.total.Add(int64(n)) >= m.goal.Load() {
			m.onEnough.Do(func() { close(m.enough) })
		}
		if first && m.silent.Add(-1) == 0 {
			close(m.busy)
		}
		select {
		case <-m.over:
			return nil
		default:
		}
		if err != nil {
			return err
		}
	}
}

// How idle connects: so many at once, and how long the sides then have to
// give back what they needed for that.
const (
	idleDialers = 16
	idleSettles = time.Second
)

// idle opens n connections and tells what each costs.
func idle(ctx context.Context, b *bench, c client) error {
	serverBefore, err := b.serverUsage(c, settledArgument)
	if err != nil {
		return err
	}
	settle()
	before := ownUsage()
	start := time.Now()
	connections := make([]client, b.n)
	defer func() {
		for _, c := range connections {
			if c != nil {
				c.Close()
			}
		}
	}()
	err = inParallel(idleDialers, func(dialer int) error {
		for i := dialer; i < b.n; i += idleDialers {
			c, err := b.dial(ctx)
			if err != nil {
				return fmt.Errorf("connection %d: %w", i, err)
			}
			connections[i] = c
		}
		return nil
	})
	if err != nil {
		return err
	}
	b.result.Seconds = time.Since(start).Seconds()
	time.Sleep(idleSettles)
	settle()
	b.result.Client = heldEach(before, ownUsage(), b.n)
	if serverBefore == nil {
		return nil
	}
	serverAfter, err := b.serverUsage(c, settledArgument)
	if err != nil {
		return err
	}
	held := heldEach(*serverBefore, *serverAfter, b.n)
	b.result.Server = &held
	return nil
}

// heldEach is what each of n connections added to what a process holds.
func heldEach(before, after usage, n int) side {
	each := func(before, after uint64) float64 { return (float64(after) - float64(before)) / float64(n) }
	return side{
		CPU:        after.CPU - before.CPU,
		Heap:       each(before.Heap, after.Heap),
		RSS:        each(before.RSS, after.RSS),
		Goroutines: each(uint64(before.Goroutines), uint64(after.Goroutines)),
	}
}

// inParallel calls f with 0 to n-1 at once and returns the first error, by order of number.
func inParallel(n int, f func(i int) error) error {
	errs := make([]error, n)
	var w sync.WaitGroup
	for i := range n {
		w.Go(func() { errs[i] = f(i) })
	}
	w.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
