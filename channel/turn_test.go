package channel

import (
	"context"
	"io"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// byTurns has b's user echo what a's user writes, byte by byte, until the turn
// to read has been lent on a's side, and is free.
func byTurns(t *testing.T, a, b *Channel) {
	t.Helper()
	go io.Copy(b, b)
	buf := []byte{0}
	for range 4 * lendAfter {
		pingPong(t, a, buf)
	}
	require.Equal(t, free, a.m.turn.state.Load())
	require.NotZero(t, a.m.turn.taken.Load())
}

// pingPong writes only when the Read waits: a network is never faster.
func pingPong(t *testing.T, a *Channel, buf []byte) {
	t.Helper()
	read := make(chan error, 1)
	go func() {
		_, err := io.ReadFull(a, buf)
		read <- err
	}()
	synctest.Wait()
	_, err := a.Write([]byte{1})
	require.NoError(t, err)
	require.NoError(t, <-read)
	synctest.Wait()
}

// TestTurnIsLent: who speaks by turns with the peer reads for itself.
func TestTurnIsLent(t *testing.T) {
	forBacklogs(t, func(t *testing.T, backlog int) {
		ma, mb := muxPair(t, backlog, Config{}, Config{})
		a, b := openPair(t, ma, mb, nil, nil)
		byTurns(t, a, b)
		before := ma.turn.taken.Load()
		for range 100 {
			pingPong(t, a, []byte{1})
		}
		require.Equal(t, before+100, ma.turn.taken.Load())
		a.Close()
	})
}

// TestFreeTurnReturns: what a peer says of itself while nobody reads is heard
// soon, and what one of our users says makes no difference.
func TestFreeTurnReturns(t *testing.T) {
	forBacklogs(t, func(t *testing.T, backlog int) {
		ma, mb := muxPair(t, backlog, Config{}, Config{})
		a, b := openPair(t, ma, mb, nil, nil)
		byTurns(t, a, b)
		start := time.Now()
		_, _, err := mb.SendRequest(t.Context(), "request", true, nil)
		require.NoError(t, err)
		require.LessOrEqual(t, time.Since(start), 2*lendTime)
		synctest.Wait()
		require.Equal(t, runs, ma.turn.state.Load())

		// Speaking by turns begins anew, and the guard works again.
		buf := []byte{0}
		for range 4 * lendAfter {
			pingPong(t, a, buf)
		}
		require.Equal(t, free, ma.turn.state.Load())
		time.Sleep(2 * lendTime)
		synctest.Wait()
		require.Equal(t, runs, ma.turn.state.Load())
		a.Close()
	})
}

// taker has a goroutine take the turn in f, which waits for what does not come.
func taker(t *testing.T, a *Channel, f func() error) <-chan error {
	t.Helper()
	got := make(chan error, 1)
	go func() { got <- f() }()
	synctest.Wait()
	require.Equal(t, taken, a.m.turn.state.Load())
	return got
}

// TestTakerIsCutShort: whatever ends a wait ends it for who reads, at once, and
// nothing is lost.
func TestTakerIsCutShort(t *testing.T) {
	buf := make([]byte, 10)
	reading := func(_ context.Context, a *Channel) error {
		_, err := a.Read(buf)
		return err
	}
	asking := func(ctx context.Context, a *Channel) error {
		_, err := a.SendRequest(ctx, "unanswered", true, nil)
		return err
	}
	opening := func(ctx context.Context, a *Channel) error {
		_, err := a.m.Open(ctx, "unanswered", nil, OpenOptions{})
		return err
	}
	cases := []struct {
		name string
		wait func(context.Context, *Channel) error
		end  func(a *Channel, cancel context.CancelFunc)
		want error
	}{
		{"deadline set before", func(ctx context.Context, a *Channel) error {
			a.SetReadDeadline(time.Now().Add(time.Second))
			return reading(ctx, a)
		}, func(a *Channel, _ context.CancelFunc) { time.Sleep(time.Second) }, os.ErrDeadlineExceeded},
		{"deadline set now", reading, func(a *Channel, _ context.CancelFunc) { a.SetReadDeadline(time.Now()) }, os.ErrDeadlineExceeded},
		{"Close", reading, func(a *Channel, _ context.CancelFunc) { a.Close() }, errClosed},
		{"Close, a request", asking, func(a *Channel, _ context.CancelFunc) { a.Close() }, errClosed},
		{"context, a request", asking, func(_ *Channel, cancel context.CancelFunc) { cancel() }, context.Canceled},
		{"context, an open", opening, func(_ *Channel, cancel context.CancelFunc) { cancel() }, context.Canceled},
		{"connection", reading, func(a *Channel, _ context.CancelFunc) { a.m.pc.Fail(errOver) }, errOver},
		{"connection, a request", asking, func(a *Channel, _ context.CancelFunc) { a.m.pc.Fail(errOver) }, errOver},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			forBacklogs(t, func(t *testing.T, backlog int) {
				stop := make(chan struct{})
				defer close(stop)
				unanswered := func(_ context.Context, r *Request) { <-stop }
				ma, mb := muxPair(t, backlog, Config{}, Config{})
				a, b := openPair(t, ma, mb, nil, unanswered)
				other, far := openPair(t, ma, mb, nil, nil)
				byTurns(t, a, b)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				got := taker(t, a, func() error { return c.wait(ctx, a) })
				start := time.Now()
				c.end(a, cancel)
				require.ErrorIs(t, <-got, c.want)
				if c.want == errOver {
					return
				}
				require.LessOrEqual(t, time.Since(start), time.Second)

				// Others are served.
				_, err := far.Write([]byte("x"))
				require.NoError(t, err)
				n, err := other.Read(buf)
				require.NoError(t, err)
				require.Equal(t, "x", string(buf[:n]))
				a.Close()
				other.Close()
			})
		})
	}
}

// TestTakerReadsForOthers: who has the turn dispatches what comes for others,
// and when it is done, those who still wait are not left waiting.
func TestTakerReadsForOthers(t *testing.T) {
	forBacklogs(t, func(t *testing.T, backlog int) {
		ma, mb := muxPair(t, backlog, Config{}, Config{})
		a, b := openPair(t, ma, mb, nil, nil)
		other, far := openPair(t, ma, mb, nil, nil)
		byTurns(t, a, b)
		buf := make([]byte, 1)
		got := taker(t, a, func() error { _, err := a.Read(buf); return err })
		heard := make(chan byte, 3)
		go func() {
			buf := make([]byte, 1)
			for range cap(heard) {
				io.ReadFull(other, buf)
				heard <- buf[0]
			}
		}()
		synctest.Wait()
		start := time.Now()
		far.Write([]byte{1})
		require.EqualValues(t, 1, <-heard)
		require.Equal(t, taken, ma.turn.state.Load())

		_, err := a.Write([]byte{9}) // its echo ends the wait
		require.NoError(t, err)
		require.NoError(t, <-got)
		far.Write([]byte{2})
		require.EqualValues(t, 2, <-heard)
		far.Write([]byte{3})
		require.EqualValues(t, 3, <-heard)
		require.Equal(t, start, time.Now(), "the guard was needed")
		a.Close()
		other.Close()
	})
}

// TestMuchIsNotReadByTurns: Run reads what comes in bulk.
func TestMuchIsNotReadByTurns(t *testing.T) {
	forBacklogs(t, func(t *testing.T, backlog int) {
		ma, mb := muxPair(t, backlog, Config{}, Config{})
		a, b := openPair(t, ma, mb, nil, nil)
		byTurns(t, a, b)
		_, err := a.Write(make([]byte, 10*lendBytes))
		require.NoError(t, err)
		_, err = io.ReadFull(a, make([]byte, 10*lendBytes))
		require.NoError(t, err)
		require.Equal(t, runs, ma.turn.state.Load())
		a.Close()
	})
}

// TestExpect: who awaits what the Mux does not know of gets it without delay.
func TestExpect(t *testing.T) {
	forBacklogs(t, func(t *testing.T, backlog int) {
		ma, mb := muxPair(t, backlog, Config{}, Config{})
		a, b := openPair(t, ma, mb, nil, nil)
		byTurns(t, a, b)
		done := ma.Expect()
		start := time.Now()
		_, _, err := mb.SendRequest(t.Context(), "request", true, nil)
		require.NoError(t, err)
		require.Equal(t, start, time.Now())
		for range 4 * lendAfter {
			pingPong(t, a, []byte{1})
		}
		require.Equal(t, runs, ma.turn.state.Load())
		done()
		a.Close()
	})
}
