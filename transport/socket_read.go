//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package transport

import (
	"io"
	"os"
	"syscall"

	"github.com/fairlead-go/ssh/wire"
)

// A socketReader reads from a socket into a large buffer that it takes from
// the pool when there is something to read. So a busy connection always reads
// as much as there is, and an idle one holds no buffer.
type socketReader struct {
	raw  syscall.RawConn
	once func(fd uintptr) bool // made once, since it escapes

	watcher watcher

	// Of the read under way.
	in    *incoming
	want  int
	watch bool // before it sleeps, once
	slept bool
	n     int
	err   error
}

// newSocketReader returns nil where rwc is no bare socket.
func newSocketReader(rwc io.ReadWriteCloser) *socketReader {
	raw := bareSocket(rwc)
	if raw == nil {
		return nil
	}
	r := &socketReader{raw: raw}
	r.once = r.readOnce
	return r
}

// read waits until there is something, and reads it behind in.w.
func (r *socketReader) read(in *incoming, want int, how wire.Wait) (int, error) {
	r.in, r.want, r.watch, r.n = in, want, how == wire.Watch || how == wire.YieldAndWatch, 0
	r.slept = false
	if err := r.raw.Read(r.once); err != nil {
		return 0, err
	}
	return r.n, r.err
}

// readOnce reads, and is false where there is nothing to read yet.
func (r *socketReader) readOnce(fd uintptr) bool {
	in := r.in
	if len(in.buf) < bigBuffer {
		in.move(getBigBuffer())
	}
	in.makeRoom(r.want)
	r.n, r.err = recvNow(int(fd), in.buf[in.w:])
	if r.err == syscall.EAGAIN && r.watch {
		r.n, r.err = r.watcher.watch(int(fd), in.buf[in.w:])
		r.watch = false
	}
	if r.err == syscall.EAGAIN && r.watcher.unquiet(int(fd)) {
		r.n, r.err = recvNow(int(fd), in.buf[in.w:])
	}
	if r.err == syscall.EAGAIN {
		in.shrink(r.want)
		if in.beforeWait != nil {
			in.beforeWait()
		}
		r.slept = true
		return false
	}
	if !r.slept {
		r.watcher.noteRead(int(fd), r.n)
	}
	if r.err != nil {
		r.err = os.NewSyscallError("read", r.err)
	} else if r.n == 0 {
		r.err = io.EOF
	}
	return true
}

// release leaves the socket to others who may wait for it. Who reads calls it last.
func (r *socketReader) release() {
	r.raw.Control(func(fd uintptr) { r.watcher.unquiet(int(fd)) })
}
