package channel

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func fixedNow() time.Time { return time.Unix(1000, 0) }

func TestReceiveWindowCredit(t *testing.T) {
	w := newReceiveWindow(1000, 1000)
	var b budget
	_, ok := w.receive(1000, fixedNow)
	require.True(t, ok)
	_, ok = w.receive(1, fixedNow)
	require.False(t, ok, "one byte over")

	require.Zero(t, w.consume(249, fixedNow, 0, &b), "less than a quarter")
	require.EqualValues(t, 250, w.consume(1, fixedNow, 0, &b))
	_, ok = w.receive(251, fixedNow)
	require.False(t, ok)
	_, ok = w.receive(250, fixedNow)
	require.True(t, ok)
	require.EqualValues(t, 1000, w.consume(1000, fixedNow, 0, &b))
}

func TestReceiveWindowOf4GiB(t *testing.T) {
	w := newReceiveWindow(math.MaxUint32, math.MaxUint32)
	var b budget
	for range 8 {
		for range 4 {
			_, ok := w.receive(1<<30-1, fixedNow)
			require.True(t, ok)
		}
		_, ok := w.receive(4, fixedNow)
		require.False(t, ok)
		_, ok = w.receive(3, fixedNow)
		require.True(t, ok)
		credit := uint64(w.consume(3, fixedNow, 0, &b))
		for range 4 {
			credit += uint64(w.consume(1<<30-1, fixedNow, 0, &b))
		}
		require.Equal(t, uint64(math.MaxUint32), credit)
	}
}

func TestSendWindow(t *testing.T) {
	var w sendWindow
	require.Zero(t, w.reserve(10))
	require.True(t, w.adjust(math.MaxUint32))
	require.True(t, w.adjust(0))
	require.False(t, w.adjust(1), "past 2^32-1")
	require.Equal(t, 10, w.reserve(10))
	require.True(t, w.adjust(10))
	require.False(t, w.adjust(1))
	w.giveBack(10)
	require.Equal(t, uint64(math.MaxUint32)+10, w.limit-w.used, "what was not sent can be sent")
}

func TestBudget(t *testing.T) {
	var b budget
	require.Zero(t, b.take(1, 1))
	b.left.Store(1000)
	require.EqualValues(t, 125, b.take(500, 8))
	require.EqualValues(t, 100, b.take(100, 8))
	require.EqualValues(t, 775, b.take(math.MaxUint32, 1))
	b.refund(300)
	require.EqualValues(t, 150, b.take(200, 2))
	b.left.Store(-1)
	require.Zero(t, b.take(1, 8))
}

func TestRoundTrip(t *testing.T) {
	var r roundTrip
	require.Zero(t, r.get())
	for _, step := range []struct{ seen, want time.Duration }{{0, 0}, {-1, 0}, {50, 50}, {70, 50}, {20, 20}, {0, 20}} {
		r.observe(step.seen)
		require.Equal(t, step.want, r.get())
	}
}

// link is a simulated path: a sender that always has data, a bottleneck, a
// delay each way, and a consumer.
type link struct {
	rate      float64 // bytes per second
	roundTrip time.Duration
	consumer  float64       // bytes per second, 0 for at once
	sleep     time.Duration // the consumer rests so long before it empties the buffer
}

// run drives a receive window over the link and returns its size in the end
// and the throughput of the last half.
func (l link) run(t *testing.T, w *receiveWindow, b *budget, duration time.Duration) float64 {
	const packet = 32 << 10
	var (
		start   = time.Unix(1000, 0)
		now     time.Duration
		clock   = func() time.Time { return start.Add(now) }
		rtt     roundTrip
		limit   = uint64(w.size) // what the sender may send up to
		sentTo  uint64
		buffer  int
		half    uint64
		packets []struct {
			at time.Duration
			n  int
		}
		adjusts []struct {
			at  time.Duration
			add uint32
		}
		free, eating, wake time.Duration
	)
	const tick = 50 * time.Microsecond
	for ; now < duration; now += tick {
		for len(adjusts) > 0 && adjusts[0].at <= now {
			limit += uint64(adjusts[0].add)
			adjusts = adjusts[1:]
		}
		for free <= now && sentTo < limit {
			n := int(min(packet, limit-sentTo))
			sentTo += uint64(n)
			free = max(free, now-tick) + time.Duration(float64(n)/l.rate*1e9)
			packets = append(packets, struct {
				at time.Duration
				n  int
			}{free + l.roundTrip/2, n})
		}
		for len(packets) > 0 && packets[0].at <= now {
			sample, ok := w.receive(packets[0].n, clock)
			require.True(t, ok)
			rtt.observe(sample)
			buffer += packets[0].n
			packets = packets[1:]
		}
		if l.sleep > 0 && buffer == 0 && wake <= now {
			wake = now + l.sleep
		}
		for buffer > 0 && eating <= now && wake <= now {
			n := min(buffer, packet)
			buffer -= n
			if l.consumer > 0 {
				eating = max(eating, now-tick) + time.Duration(float64(n)/l.consumer*1e9)
			}
			if credit := w.consume(n, clock, rtt.get(), b); credit > 0 {
				adjusts = append(adjusts, struct {
					at  time.Duration
					add uint32
				}{now + l.roundTrip/2, credit})
			}
		}
		if half == 0 && now > duration/2 {
			half = w.consumed
		}
	}
	return float64(w.consumed-half) / (duration / 2).Seconds()
}

func TestReceiveWindowGrowth(t *testing.T) {
	const MB, ms = 1e6, time.Millisecond
	for _, test := range []struct {
		name     string
		link     link
		min, max float64 // of the window, in MiB
		rate     float64 // least share of what the link or the consumer can do
	}{
		{"long and fast", link{rate: 120 * MB, roundTrip: 100 * ms}, 22, 64, 0.97},
		{"long and slow", link{rate: 12 * MB, roundTrip: 100 * ms}, 2, 8, 0.97},
		{"short and fast", link{rate: 1000 * MB, roundTrip: 200 * time.Microsecond}, 2, 8, 0.97},
		{"short and slow", link{rate: 1 * MB, roundTrip: 1 * ms}, 2, 4, 0.97},
		{"satellite", link{rate: 6 * MB, roundTrip: 600 * ms}, 6, 32, 0.97},
		{"slow consumer", link{rate: 120 * MB, roundTrip: 100 * ms, consumer: 5 * MB}, 2, 2, 0.97},
		{"consumer that rests", link{rate: 120 * MB, roundTrip: 10 * ms, sleep: 1000 * ms}, 2, 4, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newReceiveWindow(2<<20, 64<<20)
			var b budget
			b.left.Store(128 << 20)
			rate := test.link.run(t, &w, &b, 8*time.Second)
			size := float64(w.size) / (1 << 20)
			t.Logf("window %.1f MiB, %.1f MB/s", size, rate/MB)
			require.GreaterOrEqual(t, size, test.min)
			require.LessOrEqual(t, size, test.max)
			can := test.link.rate
			if test.link.consumer > 0 {
				can = min(can, test.link.consumer)
			}
			require.GreaterOrEqual(t, rate, test.rate*can)
			require.EqualValues(t, 128<<20, b.left.Load()+int64(w.size)-2<<20, "growth is paid for")
		})
	}
	t.Run("cap", func(t *testing.T) {
		w := newReceiveWindow(2<<20, 5<<20)
		var b budget
		b.left.Store(128 << 20)
		link{rate: 120e6, roundTrip: 100 * ms}.run(t, &w, &b, 4*time.Second)
		require.EqualValues(t, 5<<20, w.size)
	})
	t.Run("no budget", func(t *testing.T) {
		w := newReceiveWindow(2<<20, 64<<20)
		var b budget
		link{rate: 120e6, roundTrip: 100 * ms}.run(t, &w, &b, 4*time.Second)
		require.EqualValues(t, 2<<20, w.size)
	})
}

// TestWindowsOfManyChannels: those that come late get something of the budget.
func TestWindowsOfManyChannels(t *testing.T) {
	m := New(new(nullConn), Config{})
	defer m.Run()
	require.EqualValues(t, DefaultInitialWindow, m.newChannel("test", m.cfg.InitialWindow, requestServer{}).window.size)
	last := uint32(DefaultInitialWindow)
	for range 99 {
		last = m.newChannel("test", m.cfg.InitialWindow, requestServer{}).window.size
	}
	require.Greater(t, last, uint32(256<<10))
}
