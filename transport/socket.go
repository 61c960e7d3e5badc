//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package transport

import (
	"io"
	"net"
	"syscall"
)

// A socket writes to a stream socket without waiting.
type socket struct {
	raw syscall.RawConn
	try func(fd uintptr) bool // allocated once

	b []byte // to be written
	n int    // how much of it was
}

// bareSocket returns nil where rwc is not certain to be just a socket: what
// wraps one may have a Read and a Write of its own.
func bareSocket(rwc io.ReadWriteCloser) syscall.RawConn {
	var raw syscall.RawConn
	var err error
	switch conn := rwc.(type) {
	case *net.TCPConn:
		raw, err = conn.SyscallConn()
	case *net.UnixConn:
		raw, err = conn.SyscallConn()
	}
	if err != nil {
		return nil
	}
	return raw
}

// newSocket returns nil where rwc is no bare socket.
func newSocket(rwc io.ReadWriteCloser) *socket {
	raw := bareSocket(rwc)
	if raw == nil {
		return nil
	}
	s := &socket{raw: raw}
	s.try = func(fd uintptr) bool {
		s.n, _ = sendNow(int(fd), s.b)
		return true // done, whatever came of it
	}
	return s
}

// discardUnread reads what has been received, if it is not much.
func (s *socket) discardUnread() {
	b := getBigBuffer()
	defer putBuffer(b)
	s.raw.Control(func(fd uintptr) {
		for range 4 { // a peer may send for ever
			if n, _ := recvNow(int(fd), b); n == 0 {
				break
			}
		}
	})
}

// write hands the socket as much of b as it takes now and returns how much that
// was. Why it took no more is for an ordinary write of the rest to find out.
func (s *socket) write(b []byte) int {
	s.b, s.n = b, 0
	s.raw.Write(s.try) // fails without trying where a deadline has passed
	s.b = nil
	return s.n
}
