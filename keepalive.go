package ssh

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/fairlead-go/ssh/channel"
	"github.com/fairlead-go/ssh/transport"
)

// KeepAlive finds out whether the peer is still there. When nothing came from
// it for Interval it is asked to answer; when Count questions in a row stay
// without answer, each for Interval, the connection fails with a
// *transport.TimeoutError.
type KeepAlive struct {
	Interval time.Duration // default 1 minute; negative: the peer is never asked
	Count    int           // default 3
}

const (
	defaultKeepAliveInterval = time.Minute
	defaultKeepAliveCount    = 3

	keepAliveRequest = "keepalive@openssh.com" // answered with failure by most: any answer will do
)

// A keepAlive runs on a timer: an idle connection has no goroutine for it.
type keepAlive struct {
	KeepAlive
	conn *transport.Conn
	mux  *channel.Mux

	mu       sync.Mutex // a leaf
	timer    *time.Timer
	stopped  bool
	seen     uint64 // packets received at the last look
	unheeded int    // questions without answer, in a row
}

// start returns nil where k asks for no keep-alive.
func (k KeepAlive) start(conn *transport.Conn, mux *channel.Mux) *keepAlive {
	if k.Interval < 0 {
		return nil
	}
	if k.Interval == 0 {
		k.Interval = defaultKeepAliveInterval
	}
	if k.Count <= 0 {
		k.Count = defaultKeepAliveCount
	}
	a := &keepAlive{KeepAlive: k, conn: conn, mux: mux, seen: conn.State().In.Packets}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.timer = time.AfterFunc(k.Interval, a.look)
	return a
}

func (a *keepAlive) stop() {
	if a == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.stopped = true
	a.timer.Stop()
}

// look runs on a goroutine of its own, once in an interval.
func (a *keepAlive) look() {
	packets := a.conn.State().In.Packets
	silent := packets == a.seen
	a.seen = packets
	next := a.Interval
	if !silent {
		a.unheeded = 0
	} else {
		ctx, cancel := context.WithTimeout(context.Background(), a.Interval)
		_, _, err := a.mux.SendRequest(ctx, keepAliveRequest, true, nil)
		waited := ctx.Err() != nil
		cancel()
		switch {
		case a.mux.Err() != nil:
			return
		case err == nil:
			a.unheeded = 0
		default:
			a.unheeded++
		}
		if a.unheeded >= a.Count {
			a.conn.Fail(&transport.TimeoutError{
				Wait: fmt.Sprintf("the peer left %d keep-alive requests without answer", a.unheeded),
			})
			return
		}
		a.seen = a.conn.State().In.Packets
		if waited {
			next = 0 // the interval has passed while waiting
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.stopped {
		a.timer.Reset(next)
	}
}
