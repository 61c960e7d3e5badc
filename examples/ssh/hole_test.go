package main

import (
	"io"
	"net"
	"sync"
)

// A hole passes connections on to a port, until it swallows all that comes.
// Where nothing listens at that port, it accepts and says nothing.
type hole struct {
	net.Listener
	port string

	mu       sync.Mutex
	dark     bool
	accepted []net.Conn
}

func newHole(port string) (*hole, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	h := &hole{Listener: l}
	_, h.port, _ = net.SplitHostPort(l.Addr().String())
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			h.mu.Lock()
			h.accepted = append(h.accepted, conn)
			h.mu.Unlock()
			to, err := net.Dial("tcp", "127.0.0.1:"+port)
			if err != nil {
				continue
			}
			go h.copy(conn, to)
			go h.copy(to, conn)
		}
	}()
	return h, nil
}

func (h *hole) copy(to, from net.Conn) {
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		h.mu.Lock()
		dark := h.dark
		h.mu.Unlock()
		if !dark {
			if _, werr := to.Write(buf[:n]); werr != nil {
				err = werr
			}
		}
		if err != nil {
			if err == io.EOF && !dark {
				to.Close()
			}
			return
		}
	}
}

func (h *hole) swallow() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.dark = true
}

func (h *hole) Close() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, c := range h.accepted {
		c.Close()
	}
	return h.Listener.Close()
}
