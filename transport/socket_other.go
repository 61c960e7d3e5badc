//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package transport

import (
	"io"

	"github.com/fairlead-go/ssh/wire"
)

// A socket is not known how to be written to without waiting here.
type socket struct{}

func newSocket(io.ReadWriteCloser) *socket { return nil }

func (*socket) write([]byte) int { return 0 }

func (*socket) discardUnread() {}

// A socketReader is not known either.
type socketReader struct{}

func newSocketReader(io.ReadWriteCloser) *socketReader { return nil }

func (*socketReader) read(*incoming, int, wire.Wait) (int, error) { return 0, io.EOF }

func (*socketReader) release() {}
