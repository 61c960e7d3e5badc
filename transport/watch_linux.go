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
// one who sleeps can be made to run, and it costs both sides more processor time
// to sleep and to wake the other than to look until then.
//
// It gives up after watchTime, and is used less and less where that happens: a
// peer that is far costs a few milliseconds in all. No more than half of the
// threads that run Go code watch at a time, in all connections together.
//
// Another thread of the runtime waits for all sockets, and would be woken for
// each answer only to find that nobody waits for it. So the kernel tells that one
// of nothing less than quietBytes until somebody does (unquiet).
type watcher struct {
	luck  backoff.Backoff
	most  int32 // how many may watch
	quiet bool
}

const (
	watchTime  = 200 * time.Microsecond
	quietBytes = 16 << 10
)

// watchers is how many watch, in this process.
var watchers atomic.Int32

func newWatcher() watcher { return watcher{most: int32(runtime.GOMAXPROCS(0) / 2)} }

// watch is a read of fd that may take watchTime before it says EAGAIN.
func (w *watcher) watch(fd int, b []byte) (int, error) {
	if !w.luck.Try() {
		return 0, syscall.EAGAIN
	}
	defer watchers.Add(-1)
	if watchers.Add(1) > w.most {
		return 0, syscall.EAGAIN
	}
	if !w.quiet {
		w.quiet = true
		syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_RCVLOWAT, quietBytes)
	}
	for start := time.Now(); ; {
		n, err := syscall.Read(fd, b)
		if err != syscall.EAGAIN {
			w.luck.Note(true)
			return n, err
		}
		if time.Since(start) > watchTime {
			w.luck.Note(false)
			return n, err
		}
		// The peer may need this very processor.
		syscall.Syscall(syscall.SYS_SCHED_YIELD, 0, 0, 0)
	}
}

// unquiet is to be called before anybody sleeps until fd has something.
func (w *watcher) unquiet(fd int) {
	if w.quiet {
		w.quiet = false
		syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_RCVLOWAT, 1)
	}
}
