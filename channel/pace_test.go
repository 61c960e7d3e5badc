package channel

import (
	"io"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// TestPace: borrows of some length with pauses between them.
func TestPace(t *testing.T) {
	cases := map[string]struct {
		much          bool
		reading, away time.Duration
		slow          bool
	}{
		"reads only":        {true, time.Millisecond, 0, false},
		"does little else":  {true, 3 * time.Millisecond, time.Millisecond, false},
		"does much else":    {true, 3 * time.Millisecond, 2 * time.Millisecond, true},
		"little comes":      {false, 3 * time.Millisecond, time.Second, false},
		"a pause of a week": {true, time.Millisecond, 7 * 24 * time.Hour, true},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var p pace
				for range 100 {
					p.begin()
					p.much = c.much
					time.Sleep(c.reading)
					p.end()
					time.Sleep(c.away)
				}
				require.Equal(t, c.slow, p.slow)
			})
		})
	}
}

// TestTurnOfMuch: the turn is lent where much comes as well, but not for long to
// who does more with it than to read.
func TestTurnOfMuch(t *testing.T) {
	const size = 4 * littleBytes
	lent := func(t *testing.T, work time.Duration) int {
		m, peer := muxPair(t, 0, Config{}, Config{})
		a, source := openPair(t, m, peer, nil, nil)
		const rounds = 2000
		var writer sync.WaitGroup
		defer writer.Wait()
		writer.Go(func() {
			for range rounds {
				source.Write(make([]byte, size))
				time.Sleep(100 * time.Microsecond)
			}
		})
		times := 0
		for range rounds {
			_, err := io.ReadFull(a, make([]byte, size))
			require.NoError(t, err)
			if m.turn.stateNow() != runs {
				times++
			}
			time.Sleep(work)
		}
		return times
	}
	synctest.Test(t, func(t *testing.T) { require.Greater(t, lent(t, 0), 1900) })
	synctest.Test(t, func(t *testing.T) { require.Less(t, lent(t, 60*time.Microsecond), 1000) })
}
