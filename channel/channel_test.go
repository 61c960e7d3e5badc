package channel

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh/wire"
)

func TestWriteIsCutIntoPackets(t *testing.T) {
	bothRoles(t, Config{}, nil, func(t *testing.T, p *rawPeer, c *Channel) {
		done := make(chan error, 1)
		go func() { done <- writePattern(c, 1, rawMaxPacket+5, rawMaxPacket+5) }()
		first, err := parseChannelData(p.next(wire.MsgChannelData))
		require.NoError(t, err)
		require.EqualValues(t, rawNumber, first.recipient)
		require.Len(t, first.data, rawMaxPacket)
		second, err := parseChannelData(p.next(wire.MsgChannelData))
		require.NoError(t, err)
		require.Len(t, second.data, 5)
		require.NoError(t, <-done)
		require.NoError(t, checkPattern(bytes.NewReader(append(first.data, second.data...)), 1, rawMaxPacket+5, 100))
	})
}

// A peer that offers a larger maximum packet than ours gets ours.
func TestWriteKeepsToOurMaximumPacket(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newRawPeer(t, Config{MaxPacket: MinMaxPacket})
		c := p.accept(nil)
		go c.Write(make([]byte, MinMaxPacket+1))
		d, err := parseChannelData(p.next(wire.MsgChannelData))
		require.NoError(t, err)
		require.Len(t, d.data, MinMaxPacket)
		p.next(wire.MsgChannelData)
	})
}

func TestDeadlines(t *testing.T) {
	bothRoles(t, Config{}, nil, func(t *testing.T, p *rawPeer, c *Channel) {
		buf := make([]byte, 10)
		start := time.Now()
		c.SetReadDeadline(start.Add(time.Second))
		_, err := c.Read(buf)
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		require.Equal(t, time.Second, time.Since(start))
		_, err = c.Stderr().Read(buf)
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)

		p.data(c, 0, []byte("kept"))
		synctest.Wait()
		_, err = c.Read(buf)
		require.ErrorIs(t, err, os.ErrDeadlineExceeded, "an old deadline comes before data")
		c.SetReadDeadline(time.Time{})
		n, err := c.Read(buf)
		require.NoError(t, err)
		require.Equal(t, "kept", string(buf[:n]))

		// A deadline set while Read waits.
		got := make(chan error, 1)
		go func() { _, err := c.Read(buf); got <- err }()
		synctest.Wait()
		c.SetDeadline(time.Now().Add(-1))
		require.ErrorIs(t, <-got, os.ErrDeadlineExceeded)
		_, err = c.Write(buf)
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		_, err = c.Write(nil)
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		c.SetDeadline(time.Time{})
		c.SetDeadline(time.Now().Add(time.Hour))
		c.SetDeadline(time.Time{})
		time.Sleep(2 * time.Hour)

		// A Write that the connection has no room for, and one that waits for window.
		go func() {
			for range rawWindow / rawMaxPacket {
				p.next(wire.MsgChannelData)
			}
			got <- nil
		}()
		c.SetWriteDeadline(time.Now().Add(time.Second))
		n, err = c.Write(make([]byte, rawWindow+1))
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		require.Equal(t, rawWindow, n)
		require.NoError(t, <-got)
		p.send(windowAdjust{c.number, 3 * rawMaxPacket}.append(nil))
		c.SetWriteDeadline(time.Now().Add(time.Second))
		n, err = c.Write(make([]byte, 3*rawMaxPacket))
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		require.Equal(t, rawMaxPacket, n, "one packet found room")
		p.next(wire.MsgChannelData)

		// The window of what was not sent is still there.
		c.SetWriteDeadline(time.Time{})
		go func() { _, err := c.Write(make([]byte, 2*rawMaxPacket)); got <- err }()
		p.next(wire.MsgChannelData)
		p.next(wire.MsgChannelData)
		require.NoError(t, <-got)
	})
}

// What stops a Read or Write that waits, and what it returns.
func TestInterrupts(t *testing.T) {
	cause := errors.New("cable cut")
	for _, test := range []struct {
		name        string
		do          func(p *rawPeer, c *Channel)
		read, write error // nil: goes on
	}{
		{"Close", func(p *rawPeer, c *Channel) { c.Close() }, net.ErrClosed, net.ErrClosed},
		{"CloseWrite", func(p *rawPeer, c *Channel) { c.CloseWrite() }, nil, net.ErrClosed},
		{"peer's EOF", func(p *rawPeer, c *Channel) { p.signal(wire.MsgChannelEOF, c) }, io.EOF, nil},
		{"peer's CLOSE", func(p *rawPeer, c *Channel) { p.signal(wire.MsgChannelClose, c) }, io.EOF, net.ErrClosed},
		{"connection", func(p *rawPeer, c *Channel) { c.m.pc.Fail(cause) }, cause, cause},
		{"peer breaks the protocol", func(p *rawPeer, c *Channel) { p.send([]byte{200}) }, protocolErrorf("message 200 is not allowed here"), protocolErrorf("message 200 is not allowed here")},
	} {
		t.Run(test.name, func(t *testing.T) {
			bothRoles(t, Config{}, nil, func(t *testing.T, p *rawPeer, c *Channel) {
				type result struct {
					n   int
					err error
				}
				wait := func(f func() (int, error)) chan result {
					c := make(chan result, 1)
					go func() { n, err := f(); c <- result{n, err} }()
					return c
				}
				buf := make([]byte, 1)
				reads := []chan result{
					wait(func() (int, error) { return c.Read(buf) }),
					wait(func() (int, error) { return c.Read(make([]byte, 1)) }), // waits for its turn
					wait(func() (int, error) { return c.Stderr().Read(make([]byte, 1)) }),
				}
				var written sync.WaitGroup
				written.Go(func() {
					for range rawWindow / rawMaxPacket {
						p.next(wire.MsgChannelData)
					}
				})
				writes := []chan result{wait(func() (int, error) { return c.Write(make([]byte, rawWindow+100)) })}
				written.Wait()
				writes = append(writes,
					wait(func() (int, error) { return c.Write(make([]byte, 1)) }), // waits for its turn
					wait(func() (int, error) { return c.Stderr().Write(make([]byte, 1)) }),
				)
				synctest.Wait()
				test.do(p, c)
				synctest.Wait()
				for i, group := range [][]chan result{reads, writes} {
					want := []error{test.read, test.write}[i]
					for j, r := range group {
						select {
						case got := <-r:
							require.NotNil(t, want, "returned %v", got)
							if protocol := (*wire.ProtocolError)(nil); errors.As(want, &protocol) {
								require.EqualError(t, got.err, want.Error())
							} else {
								require.ErrorIs(t, got.err, want)
							}
							if i == 1 && j == 0 {
								require.Equal(t, rawWindow, got.n)
							} else {
								require.Zero(t, got.n)
							}
						default:
							require.Nil(t, want, "%d %d still waits", i, j)
						}
					}
				}
				c.m.pc.Fail(cause)
			})
		})
	}
}

// A Write stuck in the connection ends, too, and CLOSE follows it.
func TestCloseInterruptsCongestedWrite(t *testing.T) {
	for _, peerCloses := range []bool{false, true} {
		bothRoles(t, Config{}, nil, func(t *testing.T, p *rawPeer, c *Channel) {
			done := make(chan int, 1)
			go func() { n, _ := c.Write(make([]byte, 5*rawMaxPacket)); done <- n }()
			synctest.Wait() // one packet found room
			if peerCloses {
				p.signal(wire.MsgChannelClose, c)
			} else {
				c.Close()
			}
			require.Equal(t, rawMaxPacket, <-done)
			p.next(wire.MsgChannelData)
			p.next(wire.MsgChannelClose)
			if !peerCloses {
				p.signal(wire.MsgChannelClose, c)
			}
			<-c.Done()
			c.Close()
			p.quiet()
			require.Zero(t, p.m.Stats().Channels)
		})
	}
}

func TestEOFAndClose(t *testing.T) {
	bothRoles(t, Config{}, nil, func(t *testing.T, p *rawPeer, c *Channel) {
		require.NoError(t, c.CloseWrite())
		require.NoError(t, c.CloseWrite())
		p.next(wire.MsgChannelEOF)
		_, err := c.Write([]byte("late"))
		require.ErrorIs(t, err, net.ErrClosed)

		p.data(c, 0, []byte("still "))
		p.data(c, 0, []byte("here"))
		p.signal(wire.MsgChannelEOF, c)
		p.signal(wire.MsgChannelEOF, c) // harmless
		p.signal(wire.MsgChannelClose, c)
		p.next(wire.MsgChannelClose)
		<-c.Done()
		require.Equal(t, 1, p.m.Stats().Channels, "unread data counts")
		got, err := io.ReadAll(c)
		require.NoError(t, err)
		require.Equal(t, "still here", string(got))
		require.Zero(t, p.m.Stats().Channels)
		require.EqualValues(t, DefaultWindowBudget, p.m.Stats().WindowBudget)
		_, err = c.Write([]byte("late"))
		require.ErrorIs(t, err, net.ErrClosed)
		require.ErrorIs(t, c.CloseWrite(), net.ErrClosed)
		require.NoError(t, c.Close())
		require.NoError(t, c.Close())
		require.ErrorIs(t, c.CloseWrite(), net.ErrClosed)
		require.ErrorIs(t, c.SetDeadline(time.Now()), net.ErrClosed)
		_, err = c.Read(make([]byte, 1))
		require.ErrorIs(t, err, net.ErrClosed)
		p.quiet()
	})
}

// Data that came before the connection ended is read before its cause is told.
func TestBufferedDataOutlivesConnection(t *testing.T) {
	bothRoles(t, Config{}, nil, func(t *testing.T, p *rawPeer, c *Channel) {
		p.data(c, 0, []byte("plain"))
		p.data(c, 1, []byte("error"))
		cause := errors.New("cable cut")
		synctest.Wait()
		c.m.pc.Fail(cause)
		<-c.Done()
		got, err := io.ReadAll(c)
		require.Equal(t, cause, err)
		require.Equal(t, "plain", string(got))
		got, err = io.ReadAll(c.Stderr())
		require.Equal(t, cause, err)
		require.Equal(t, "error", string(got))
		_, err = c.Write([]byte("x"))
		require.Equal(t, cause, err)
		require.Equal(t, cause, c.CloseWrite())
		require.NoError(t, c.Close())
	})
}

func TestSmallReadsAndLargeReads(t *testing.T) {
	for _, size := range []int{1, 7, 1000, chunkSize, chunkSize + 1, 3 * chunkSize} {
		bothRoles(t, Config{}, nil, func(t *testing.T, p *rawPeer, c *Channel) {
			const total = 300_001
			go func() {
				g, sent := pattern{seed: 5}, 0
				for n := 1; sent < total; n = n*3%20_011 + 1 {
					b := make([]byte, min(n, total-sent))
					g.fill(b)
					p.data(c, 0, b)
					sent += len(b)
				}
			}()
			require.NoError(t, checkPattern(c, 5, total, size))
			synctest.Wait()
			require.Nil(t, c.plain.front.first)
			require.Nil(t, c.plain.buffer.first, "an idle channel holds no buffer")
			require.Zero(t, c.plain.buffer.size)
		})
	}
}

func TestConcurrentWritesAreNotMixed(t *testing.T) {
	forBacklogs(t, func(t *testing.T, backlog int) {
		ma, mb := muxPair(t, backlog, Config{MaxPacket: 1 << 10}, Config{})
		a, b := openPair(t, ma, mb, nil, nil)
		const writers, size = 8, 10_000
		for i := range writers {
			go a.Write(bytes.Repeat([]byte{byte(i)}, size))
		}
		for range writers {
			buf := make([]byte, size)
			_, err := io.ReadFull(b, buf)
			require.NoError(t, err)
			require.Equal(t, size, bytes.Count(buf, buf[:1]))
		}
	})
}

func TestStderr(t *testing.T) {
	bothRoles(t, Config{}, nil, func(t *testing.T, p *rawPeer, c *Channel) {
		stderr := c.Stderr()
		p.data(c, 0, []byte("out"))
		p.data(c, 1, []byte("err"))
		buf := make([]byte, 10)
		n, err := stderr.Read(buf)
		require.NoError(t, err)
		require.Equal(t, "err", string(buf[:n]))
		n, err = c.Read(buf)
		require.NoError(t, err)
		require.Equal(t, "out", string(buf[:n]))

		_, err = stderr.Write([]byte("mine"))
		require.NoError(t, err)
		d, err := parseExtendedData(p.next(wire.MsgChannelExtendedData))
		require.NoError(t, err)
		require.Equal(t, channelData{rawNumber, 1, []byte("mine")}, d)

		got := make(chan error, 1)
		go func() { _, err := stderr.Read(buf); got <- err }()
		p.data(c, 1, nil)
		synctest.Wait()
		c.DiscardStderr()
		require.Equal(t, io.EOF, <-got)
	})
}

// Stderr that somebody asked for and does not read stalls its channel, once
// the window is full, and nothing is lost.
func TestClaimedStderrStalls(t *testing.T) {
	forBacklogs(t, func(t *testing.T, backlog int) {
		ma, mb := muxPair(t, backlog, Config{}, Config{InitialWindow: 64 << 10, WindowBudget: -1})
		a, b := openPair(t, ma, mb, nil, nil)
		stderr := b.Stderr()
		done := make(chan error, 1)
		go func() { done <- writePattern(a.Stderr(), 1, 200_000, 5000) }()
		synctest.Wait()
		select {
		case <-done:
			require.Fail(t, "no stall")
		default:
		}
		require.NoError(t, checkPattern(stderr, 1, 200_000, 3000))
		require.NoError(t, <-done)
	})
}

func TestUnclaimedStderrTellsWhatIsMissing(t *testing.T) {
	bothRoles(t, Config{}, nil, func(t *testing.T, p *rawPeer, c *Channel) {
		p.data(c, 1, bytes.Repeat([]byte("a"), unclaimedStderr))
		p.data(c, 1, []byte("lost"))
		synctest.Wait()
		stderr := c.Stderr()
		p.data(c, 1, []byte("lost too"))
		synctest.Wait()
		got, err := io.ReadAll(stderr)
		require.Equal(t, ErrStderrDropped, err)
		require.Len(t, got, unclaimedStderr)
		p.data(c, 1, []byte("seen"))
		p.signal(wire.MsgChannelEOF, c)
		got, err = io.ReadAll(stderr)
		require.NoError(t, err)
		require.Equal(t, "seen", string(got))
	})
}

// Nothing of ours follows our CLOSE, whatever else goes on.
func TestNothingFollowsClose(t *testing.T) {
	forBacklogs(t, func(t *testing.T, backlog int) {
		for range 50 {
			ma, mb := muxPair(t, backlog, Config{}, Config{})
			a, b := openPair(t, ma, mb, nil, nil)
			var wg sync.WaitGroup
			for _, c := range []*Channel{a, b} {
				wg.Go(func() { c.Write(make([]byte, 100_000)) })
				wg.Go(func() { c.Stderr().Write(make([]byte, 100_000)) })
				wg.Go(func() { io.Copy(io.Discard, c) })
				wg.Go(func() { io.Copy(io.Discard, c.Stderr()) })
				wg.Go(func() { c.SendRequest(t.Context(), "x", true, nil) })
				wg.Go(func() { c.SendRequest(t.Context(), "x", false, nil) })
				wg.Go(func() { c.CloseWrite() })
				wg.Go(func() { c.Close() })
			}
			wg.Wait()
			<-a.Done()
			<-b.Done()
			// A message for a channel that is gone would end the connection.
			ok, _, err := ma.SendRequest(t.Context(), "alive", true, nil)
			require.NoError(t, err)
			require.False(t, ok)
		}
	})
}
