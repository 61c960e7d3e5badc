package main

import (
	"context"
	"net"
	"net/http"

	"github.com/fairlead-go/ssh/channel"
)

// An intranet is a web server behind the far side. It listens in the memory of
// the far side alone, so that nobody else has a way to it.
type intranet struct {
	server *http.Server
	conns  chan net.Conn // dialled, to be accepted
	closed chan struct{}
}

const (
	intranetHost = "intranet.internal"
	intranetPort = 80
	intranetPage = "Lunch today: fish soup.\n"
)

func startIntranet() *intranet {
	i := &intranet{conns: make(chan net.Conn), closed: make(chan struct{})}
	i.server = &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Write([]byte(intranetPage))
	})}
	go i.server.Serve(i)
	return i
}

// dial connects to the web server.
func (i *intranet) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	near, far := net.Pipe()
	select {
	case i.conns <- far:
		return near, nil
	case <-i.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// Accept, Close and Addr make it a net.Listener. The web server calls Close
// once.
func (i *intranet) Accept() (net.Conn, error) {
	select {
	case c := <-i.conns:
		return c, nil
	case <-i.closed:
		return nil, net.ErrClosed
	}
}

func (i *intranet) Close() error {
	close(i.closed)
	return nil
}

func (i *intranet) Addr() net.Addr { return channel.Addr{Net: "memory", Address: intranetHost} }
