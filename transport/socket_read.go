//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package transport

import (
	"io"
	"os"
	"syscall"
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
	watch bool
	n     int
	err   error
}

// newSocketReader returns nil where rwc is no bare socket.
func newSocketReader(rwc io.ReadWriteCloser) *socketReader {
	raw := bareSocket(rwc)
	if raw == nil {
		return nil
	}
	r := &socketReader{raw: raw, watcher: newWatcher()}
	r.once = r.readOnce
	return r
}

// read waits until there is something, and reads it behind in.w. If watch, it
// is likely to be there soon.
func (r *socketReader) read(in *incoming, want int, watch bool) (int, error) {
	r.in, r.want, r.watch, r.n = in, want, watch, 0
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
	r.err = syscall.EINTR
	for r.err == syscall.EINTR {
		r.n, r.err = syscall.Read(int(fd), in.buf[in.w:])
	}
	if r.err == syscall.EAGAIN && r.watch {
		r.watch = false
		r.n, r.err = r.watcher.watch(int(fd), in.buf[in.w:])
	}
	if r.err == syscall.EAGAIN {
		r.watcher.unquiet(int(fd))
		in.shrink(r.want)
		if in.beforeWait != nil {
			in.beforeWait()
		}
		return false
	}
	if r.n <= 0 {
		r.n = 0
		if r.err == nil {
			r.err = io.EOF
		} else {
			r.err = os.NewSyscallError("read", r.err)
		}
	}
	return true
}
