package channel

import (
	"context"
	"fmt"
	"io"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// Many channels, both ways at once, on both streams, with small windows, and
// requests and opens in between: whatever can wait for itself does.
func TestDeadlockFinder(t *testing.T) {
	forBacklogs(t, func(t *testing.T, backlog int) {
		const channels, total = 8, 100_000
		echo := func(_ context.Context, r *Request) { r.Reply(r.Type == "yes", nil) }
		cfg := Config{
			MaxPacket: 4 << 10, InitialWindow: 64 << 10, WindowBudget: -1,
			GlobalRequest: func(_ context.Context, r *Request) { r.Reply(true, r.Payload) },
		}
		ma, mb := muxPair(t, backlog, cfg, cfg)

		use := func(c *Channel, i int) error {
			var wg sync.WaitGroup
			errs := make(chan error, 8)
			stderr := c.Stderr()
			wg.Go(func() { errs <- writePattern(c, uint64(i), total, 300+i*1009) })
			wg.Go(func() { errs <- writePattern(stderr, uint64(i+100), total/4, 700) })
			wg.Go(func() { errs <- checkPattern(c, uint64(i), total, 1+i*701) })
			wg.Go(func() { errs <- checkPattern(stderr, uint64(i+100), total/4, 1500) })
			wg.Go(func() {
				for j := range 20 {
					want := j%2 == 0
					ok, err := c.SendRequest(t.Context(), map[bool]string{true: "yes", false: "no"}[want], true, nil)
					if err != nil || ok != want {
						errs <- fmt.Errorf("request: %v, %w", ok, err)
						return
					}
				}
				errs <- nil
			})
			wg.Wait()
			close(errs)
			for err := range errs {
				if err != nil {
					return err
				}
			}
			if err := c.CloseWrite(); err != nil {
				return err
			}
			if n, err := c.Read(make([]byte, 1)); n != 0 || err != io.EOF {
				return fmt.Errorf("at the end: %d, %w", n, err)
			}
			c.Close()
			<-c.Done()
			return nil
		}

		var wg sync.WaitGroup
		errs := make(chan error, 4*channels)
		for _, side := range []struct{ open, accept *Mux }{{ma, mb}, {mb, ma}} {
			wg.Go(func() {
				for range channels {
					nc, err := side.accept.Accept(t.Context())
					if err != nil {
						errs <- err
						return
					}
					var i int
					fmt.Sscan(string(nc.ExtraData()), &i)
					c, err := nc.Accept(echo)
					if err != nil {
						errs <- err
						return
					}
					wg.Go(func() { errs <- use(c, i) })
				}
			})
			for i := range channels {
				wg.Go(func() {
					c, err := side.open.Open(t.Context(), "test", fmt.Append(nil, i), OpenOptions{Requests: echo})
					if err != nil {
						errs <- err
						return
					}
					errs <- use(c, i)
				})
			}
			wg.Go(func() {
				for i := range 20 {
					ok, reply, err := side.open.SendRequest(t.Context(), "echo", true, fmt.Append(nil, i))
					if err != nil || !ok || string(reply) != fmt.Sprint(i) {
						errs <- fmt.Errorf("global request: %v, %q, %w", ok, reply, err)
						return
					}
				}
			})
		}
		wg.Wait()
		close(errs)
		for err := range errs {
			require.NoError(t, err)
		}
		for _, m := range []*Mux{ma, mb} {
			require.Zero(t, m.Stats().Channels)
			require.Empty(t, m.channels)
			require.EqualValues(t, -1, m.Stats().WindowBudget)
		}
	})
}

// A user who stops reading one channel stalls that channel alone.
func TestSlowReaderStallsItsChannelAlone(t *testing.T) {
	forBacklogs(t, func(t *testing.T, backlog int) {
		ma, mb := muxPair(t, backlog, Config{}, Config{InitialWindow: 64 << 10, WindowBudget: -1})
		slow, slowPeer := openPair(t, ma, mb, nil, nil)
		fast, fastPeer := openPair(t, ma, mb, nil, nil)

		slow.SetWriteDeadline(time.Now().Add(time.Hour))
		n, err := slow.Write(make([]byte, 1<<20))
		require.Equal(t, 64<<10, n, "what was sent is the window")
		require.ErrorContains(t, err, "timeout")

		done := make(chan error, 1)
		go func() { done <- writePattern(fast, 1, 1<<20, 50_000) }()
		require.NoError(t, checkPattern(fastPeer, 1, 1<<20, 10_000))
		require.NoError(t, <-done)

		slow.SetWriteDeadline(time.Time{})
		go func() { done <- writePattern(slow, 2, 1<<20, 50_000) }()
		_, err = io.ReadFull(slowPeer, make([]byte, 64<<10))
		require.NoError(t, err)
		require.NoError(t, checkPattern(slowPeer, 2, 1<<20, 10_000))
		require.NoError(t, <-done)
	})
}

// TestIdle: a connection is idle only where the peer need not be waited for.
func TestIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked, answer := make(chan struct{}), make(chan struct{})
		m, peer := muxPair(t, 1, Config{}, Config{GlobalRequest: func(_ context.Context, r *Request) {
			if r.WantReply {
				close(asked)
				<-answer
			}
		}})
		require.True(t, m.Idle())
		a, b := openPair(t, m, peer, nil, nil)
		require.False(t, m.Idle())
		a.Close()
		b.Close()
		synctest.Wait()
		require.True(t, m.Idle())

		go m.SendRequest(t.Context(), "question", true, nil)
		<-asked
		require.False(t, m.Idle())
		close(answer)
		synctest.Wait()
		require.True(t, m.Idle())

		_, _, err := m.SendRequest(t.Context(), "remark", false, nil)
		require.NoError(t, err)
		synctest.Wait()
		require.False(t, m.Idle(), "nobody can know")
	})
}
