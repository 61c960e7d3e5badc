package channel

import (
	"context"
	"errors"
	"io"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh/wire"
)

func (t *turn) stateNow() turnState {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.state
}

// pingPong has a speak by turns with b, which echoes until EOF.
func pingPong(t *testing.T, a *Channel, rounds int) {
	t.Helper()
	one := []byte{0}
	for i := range rounds {
		one[0] = byte(i)
		_, err := a.Write(one)
		require.NoError(t, err)
		_, err = io.ReadFull(a, one)
		require.NoError(t, err)
		require.Equal(t, byte(i), one[0])
	}
}

// untilLent has a speak by turns with its end until the turn is lent, and nobody
// uses it.
func untilLent(t *testing.T, m *Mux, a *Channel) {
	t.Helper()
	for range 1000 {
		read := make(chan error)
		go func() {
			_, err := a.Read(make([]byte, 1))
			read <- err
		}()
		synctest.Wait() // it waits
		_, err := a.Write([]byte{1})
		require.NoError(t, err)
		require.NoError(t, <-read)
		synctest.Wait()
		if m.turn.stateNow() == free {
			return
		}
	}
	t.Fatal("the turn is never lent")
}

func echoUntilEOF(c *Channel) {
	io.Copy(c, c)
	c.CloseWrite()
}

// lentTurn returns two channels whose ends echo, of which a spoke by turns with
// its end, so that the turn to read is lent and nobody uses it.
func lentTurn(t *testing.T) (m, peer *Mux, a, other *Channel) {
	m, peer = muxPair(t, 1, Config{}, Config{})
	a, echo := openPair(t, m, peer, nil, nil)
	other, otherEcho := openPair(t, m, peer, nil, nil)
	go echoUntilEOF(echo)
	go echoUntilEOF(otherEcho)
	untilLent(t, m, a)
	return m, peer, a, other
}

// TestTurnComesBack: when nobody uses the turn, Run has it again soon.
func TestTurnComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, _, a, other := lentTurn(t)
		time.Sleep(3 * turnTime)
		require.Equal(t, runs, m.turn.stateNow())
		pingPong(t, other, 3) // whoever waits next finds somebody who reads
		pingPong(t, a, 3)
	})
}

// TestTurnIsTaken: who waits while nobody reads, reads.
func TestTurnIsTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, _, a, other := lentTurn(t)
		start := time.Now()
		pingPong(t, other, 100)
		pingPong(t, a, 100)
		require.Zero(t, time.Since(start), "nobody waited for Run")
		require.Equal(t, free, m.turn.stateNow())

		// And so does who waits for window.
		got := make(chan int64)
		go func() {
			n, _ := io.Copy(io.Discard, a)
			got <- n
		}()
		n, err := a.Write(make([]byte, 5*DefaultInitialWindow))
		require.NoError(t, err)
		require.NoError(t, a.CloseWrite())
		require.EqualValues(t, n, <-got)
		require.Zero(t, time.Since(start))
	})
}

// TestTurnEnds: a wait of who has the turn ends as any other, a little later at
// most; and the connection goes on.
func TestTurnEnds(t *testing.T) {
	ends := map[string]struct {
		end func(c *Channel)
		err error
	}{
		"deadline": {func(c *Channel) { c.SetReadDeadline(time.Now()) }, os.ErrDeadlineExceeded},
		"Close":    {func(c *Channel) { c.Close() }, errClosed},
	}
	for name, e := range ends {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m, _, a, other := lentTurn(t)
				got := make(chan error, 1)
				start := time.Now()
				go func() {
					_, err := a.Read(make([]byte, 1))
					got <- err
				}()
				synctest.Wait()
				require.Equal(t, borrowed, m.turn.stateNow())
				e.end(a)
				require.ErrorIs(t, <-got, e.err)
				require.LessOrEqual(t, time.Since(start), turnTime)
				pingPong(t, other, 10)
			})
		})
	}

	t.Run("the connection's end", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			m, _, a, _ := lentTurn(t)
			got := make(chan error, 1)
			go func() {
				_, err := a.Read(make([]byte, 1))
				got <- err
			}()
			synctest.Wait()
			over := errors.New("over")
			m.pc.Fail(over)
			require.ErrorIs(t, <-got, over)
			<-m.Done()
		})
	})

	t.Run("a request's context", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			m, peer := muxPair(t, 1, Config{}, Config{})
			silent := make(chan struct{})
			defer close(silent)
			a, b := openPair(t, m, peer, nil, func(_ context.Context, r *Request) {
				if r.Type == "silent" {
					<-silent
				}
				r.Reply(true, nil)
			})
			go echoUntilEOF(b)
			untilLent(t, m, a)
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			start := time.Now()
			_, err := a.SendRequest(ctx, "silent", true, nil)
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.Equal(t, time.Second, time.Since(start), "by then the turn was given back")
			pingPong(t, a, 10)
		})
	})
}

// TestTurnIsNotLent: while two wait, and to who takes its time between reads.
func TestTurnIsNotLent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, peer := muxPair(t, 1, Config{}, Config{})
		a, echo := openPair(t, m, peer, nil, nil)
		other, _ := openPair(t, m, peer, nil, nil)
		go echoUntilEOF(echo)
		go other.Read(make([]byte, 1))
		synctest.Wait()
		pingPong(t, a, 10)
		synctest.Wait()
		require.Equal(t, runs, m.turn.stateNow())
	})

	synctest.Test(t, func(t *testing.T) {
		m, peer := muxPair(t, 1, Config{}, Config{})
		a, echo := openPair(t, m, peer, nil, nil)
		go echoUntilEOF(echo)
		lent := 0
		for range 1000 {
			pingPong(t, a, 1)
			synctest.Wait()
			if m.turn.stateNow() != runs {
				lent++
			}
			time.Sleep(time.Second)
		}
		require.LessOrEqual(t, lent, 11)
	})
}

// TestTurnsOfMany: channels that speak by turns, at once and with pauses, all get
// what is theirs.
func TestTurnsOfMany(t *testing.T) {
	forBacklogs(t, func(t *testing.T, backlog int) {
		m, peer := muxPair(t, backlog, Config{}, Config{})
		var wg sync.WaitGroup
		for i := range 8 {
			a, echo := openPair(t, m, peer, nil, nil)
			go echoUntilEOF(echo)
			wg.Go(func() {
				for range 50 {
					pingPong(t, a, i+1)
					time.Sleep(time.Duration(i) * time.Millisecond / 2)
					if i == 7 {
						a.SetReadDeadline(time.Now().Add(time.Millisecond))
						_, err := a.Read(make([]byte, 1))
						require.ErrorIs(t, err, os.ErrDeadlineExceeded)
						a.SetReadDeadline(time.Time{})
					}
				}
				a.Close()
				<-a.Done()
			})
		}
		wg.Wait()
	})
}

// TestTurnIsTakenBack: who waits without borrowing is not late.
func TestTurnIsTakenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, peer, a, other := lentTurn(t)
		start := time.Now()
		for range 50 {
			openPair(t, m, peer, nil, nil)
			pingPong(t, a, 3)
			synctest.Wait()
		}
		require.Zero(t, time.Since(start))

		// Nor is who waits while another reads for itself.
		go other.Read(make([]byte, 1))
		synctest.Wait()
		for range 50 {
			openPair(t, m, peer, nil, nil)
		}
		require.Zero(t, time.Since(start))
	})
}

// TestTurnWhileOthersReceive: a wait ends in time though there always is something
// to read for others.
func TestTurnWhileOthersReceive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, peer, a, _ := lentTurn(t)
		_, busy := openPair(t, m, peer, nil, nil)
		untilLent(t, m, a)
		go func() {
			for range 1000 {
				busy.Write([]byte{1})
				time.Sleep(time.Millisecond)
			}
		}()
		start := time.Now()
		a.SetReadDeadline(start.Add(100 * time.Millisecond))
		_, err := a.Read(make([]byte, 1))
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		require.LessOrEqual(t, time.Since(start), 100*time.Millisecond+turnTime)
		time.Sleep(2 * time.Second)
	})
}

// TestTurnPanic: a hook of the user's that panics on a goroutine which recovers
// ends the connection, and not just whoever would have read next.
func TestTurnPanic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, peer := muxPair(t, 1, Config{HandleOpen: func(*NewChannel) { panic("on purpose") }}, Config{})
		a, echo := openPair(t, m, peer, nil, nil)
		go echoUntilEOF(echo)
		untilLent(t, m, a)
		go peer.Open(t.Context(), "test", nil, OpenOptions{})
		require.PanicsWithValue(t, "on purpose", func() { a.Read(make([]byte, 1)) })
		<-m.Done()
		require.ErrorIs(t, m.Err(), errHookPanicked)
		require.Empty(t, m.turn.waiting)
	})
}

// TestTurnManyWaiters: whoever waits beside many others is counted, and the turn
// is lent again when they have gone.
func TestTurnManyWaiters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, peer, a, _ := lentTurn(t)
		const many = 5 * fewWaiters
		var done sync.WaitGroup
		var channels []*Channel
		for range many {
			c, echo := openPair(t, m, peer, nil, nil)
			go echoUntilEOF(echo)
			channels = append(channels, c)
			done.Go(func() { io.ReadFull(c, make([]byte, 2)) })
		}
		synctest.Wait()
		m.turn.mu.Lock()
		require.Len(t, m.turn.waiting, fewWaiters)
		require.Equal(t, many-fewWaiters, m.turn.more)
		m.turn.mu.Unlock()
		time.Sleep(3 * turnTime)
		pingPong(t, a, 100)
		require.Equal(t, runs, m.turn.stateNow())

		for _, i := range []int{many - 1, 0, many / 2} { // each comes and goes
			pingPong(t, a, 1)
			_, err := channels[i].Write([]byte{1})
			require.NoError(t, err)
			synctest.Wait()
		}
		for _, c := range channels {
			_, err := c.Write([]byte{1, 2})
			require.NoError(t, err)
		}
		done.Wait()
		synctest.Wait()
		require.Empty(t, m.turn.waiting)
		require.Zero(t, m.turn.more)
		untilLent(t, m, a)
	})
}

// TestHowRunWaits: with what came before.
func TestHowRunWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, peer := muxPair(t, 1, Config{}, Config{})
		a, _ := openPair(t, m, peer, nil, nil)
		b, _ := openPair(t, m, peer, nil, nil)
		synctest.Wait() // in Run, which reads
		cases := []struct {
			woke, started, answered bool
			bytes, waiting          int
			want                    wire.Wait
		}{
			{want: wire.Sleep},
			{bytes: littleBytes, want: wire.Sleep},
			{woke: true, bytes: 1, want: wire.PutOff},
			{woke: true, bytes: littleBytes + 1, want: wire.PutOff},
			{woke: true, bytes: littleBytes, waiting: 1, want: wire.YieldAndWatch},
			{woke: true, bytes: littleBytes + 1, waiting: 1, want: wire.YieldAndSleep},
			{started: true, want: wire.YieldAndWatch},
			{started: true, bytes: littleBytes + 1, want: wire.Sleep},
			{answered: true, want: wire.Watch},
			{answered: true, bytes: littleBytes + 1, want: wire.Sleep},
		}
		waiting := []waiter{&a.plain, &b.plain}
		for i, c := range cases {
			u := turn{reader: m.turn.reader, woke: c.woke, started: c.started, answered: c.answered, bytes: c.bytes, waiting: waiting[:c.waiting]}
			require.Equal(t, c.want, u.howRunWaits(), i)
			require.Equal(t, wire.Sleep, u.howRunWaits(), "all is forgotten")
		}
	})
}
