package channel

import (
	"errors"
	"math"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

// A nullConn is a connection that takes everything at once and gives nothing.
type nullConn struct {
	written uint64 // bytes of bodies
	packets uint64
	largest int
	queued  uint64
}

var errNullConn = errors.New("nothing to read")

func (c *nullConn) ReadPacket() ([]byte, error) { return nil, errNullConn }

func (c *nullConn) WritePacket(_ <-chan struct{}, head, body []byte) error {
	c.packets++
	c.written += uint64(len(body))
	c.largest = max(c.largest, len(body))
	return nil
}

func (c *nullConn) QueuePacket(payload []byte) error { c.queued++; return nil }
func (c *nullConn) Fail(error)                       {}

// nullChannel returns an open channel over a nullConn, whose Mux does not run:
// the test dispatches.
func nullChannel(t testing.TB, cfg Config, window uint32) (*Mux, *nullConn, *Channel) {
	pc := new(nullConn)
	m := New(pc, cfg)
	t.Cleanup(func() { m.Run() })
	open := channelOpen{channelType: "test", sender: rawNumber, window: window, maxPacket: rawMaxPacket}
	require.NoError(t, m.dispatch(open.append(nil)))
	nc, err := m.Accept(t.Context())
	require.NoError(t, err)
	c, err := nc.Accept(nil)
	require.NoError(t, err)
	return m, pc, c
}

// The hot path allocates nothing.
func TestAllocations(t *testing.T) {
	m, pc, c := nullChannel(t, Config{}, math.MaxUint32)
	body := make([]byte, 32<<10)
	adjust := windowAdjust{c.number, uint32(len(body))}.append(nil)
	write := func() {
		if _, err := c.Write(body); err != nil {
			t.Fatal(err)
		}
		if err := m.dispatch(adjust); err != nil {
			t.Fatal(err)
		}
	}
	data := channelData{c.number, 0, body}.append(nil)
	extended := channelData{c.number, 1, body}.append(nil)
	stderr := c.Stderr()
	buf := make([]byte, len(body))
	read := func() {
		if err := m.dispatch(data); err != nil {
			t.Fatal(err)
		}
		if n, err := c.Read(buf); n != len(body) || err != nil {
			t.Fatal(n, err)
		}
		if err := m.dispatch(extended); err != nil {
			t.Fatal(err)
		}
		if n, err := stderr.Read(buf); n != len(body) || err != nil {
			t.Fatal(n, err)
		}
	}
	// A Read that waits gets the data in its own slice.
	turns, done := make(chan struct{}), make(chan int)
	go func() {
		for range turns {
			n, _ := c.Read(buf)
			done <- n
		}
	}()
	defer close(turns)
	direct := func() {
		turns <- struct{}{}
		for waits := false; !waits; {
			c.mu.Lock()
			waits = c.plain.waiting != nil
			c.mu.Unlock()
			runtime.Gosched()
		}
		if err := m.dispatch(data); err != nil {
			t.Fatal(err)
		}
		if n := <-done; n != len(body) {
			t.Fatal(n)
		}
	}
	for name, f := range map[string]func(){"write": write, "dispatch and read": read, "dispatch to a Read that waits": direct} {
		f()
		if raceEnabled {
			continue // the detector allocates, and makes sync.Pool drop things
		}
		require.Zero(t, testing.AllocsPerRun(200, f), name)
	}
	require.NotZero(t, pc.queued, "credit was sent")
}
