package transport

import (
	"runtime"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/fairlead-go/ssh/internal/backoff"
)

// A watcher waits for a socket without sleeping. Where a user and the peer speak
// by turns and the peer is near, its answer is there sooner than the thread of
// one who sleeps can be made to run, and to wake that thread costs the peer
// more than to look costs us.
//
// It gives up after watchTime, and is used less and less where nothing comes
// until usefulTime: a peer that is far costs a few milliseconds, and after that
// one watch in 4096 waits. Where others want the processors, who gives them up in
// between two looks gets them back late, while who slept would be woken before
// others: then nobody watches for a while. No more than half of the threads that
// run Go code watch at a time, in all connections together.
//
// Another thread of the runtime waits for all sockets, and would be woken for
// each answer only to find that nobody waits for it. So the kernel tells that one
// of nothing less than quietBytes until somebody does (unquiet). Who reads bulk
// data does not wait for it most of the time, and has the kernel tell of nothing
// less than quietBulk.
type watcher struct {
	luck  backoff.Backoff
	quiet int // how much there must be before the kernel tells of it; 0: anything
}

const (
	watchTime  = 200 * time.Microsecond
	usefulTime = 300 * time.Microsecond // later than watchTime, since the peer may have had our processor until then
	quietBytes = 16 << 10
	// quietBulk is more than is there at most times where reading keeps up. The
	// kernel makes the socket's buffer twice as large, where it is not yet.
	quietBulk = 1 << 20
)

// watchers is how many watch, in this process.
var watchers atomic.Int32

// watch is recvNow, but may take watchTime before it says EAGAIN.
func (w *watcher) watch(fd int, b []byte) (int, error) {
	if !w.luck.Try() {
		return 0, syscall.EAGAIN
	}
	others := watchers.Add(1) - 1
	defer watchers.Add(-1)
	if int(others) >= runtime.GOMAXPROCS(0)/2 {
		return 0, syscall.EAGAIN
	}
	w.hush(fd, quietBytes)
	start := time.Now()
	var last, away time.Duration
	for {
		n, err := recvNow(fd, b)
		now := time.Since(start)
		last, away = now, max(away, now-last)
		if w.over(err != syscall.EAGAIN, now, away) {
			return n, err
		}
		// The peer may need this very processor.
		syscall.RawSyscall(syscall.SYS_SCHED_YIELD, 0, 0, 0) // of which the runtime need not know (recvsend_raw.go)
	}
}

// over reports whether a watch is over that has gone on for so long, and was away
// from the processor for so long at once, and learns from it.
func (w *watcher) over(found bool, after, away time.Duration) bool {
	if !found && after <= watchTime {
		return false
	}
	if away > awayTime {
		w.luck.Harm()
	} else {
		w.luck.Note(found && after <= usefulTime)
	}
	return true
}

// hush has the kernel tell of nothing less than n bytes, where it would have.
func (w *watcher) hush(fd, n int) {
	if w.quiet < n && setLowWater(fd, n) {
		w.quiet = n
	}
}

// noteRead is called by who has read n bytes without sleeping.
func (w *watcher) noteRead(fd, n int) {
	if n >= quietBytes {
		w.hush(fd, quietBulk)
	}
}

// unquiet is to be called before anybody sleeps until fd has something. If it is
// true, there may be something that nobody was told of.
func (w *watcher) unquiet(fd int) bool {
	if w.quiet == 0 {
		return false
	}
	w.quiet = 0
	setLowWater(fd, 1)
	return true
}
