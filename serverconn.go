package ssh

import (
	"context"
	"net"
	"sync"
	"time"

	"github.com/fairlead-go/ssh/auth"
	"github.com/fairlead-go/ssh/channel"
	"github.com/fairlead-go/ssh/transport"
	"github.com/fairlead-go/ssh/wire"
)

const disconnectByApplication = wire.DisconnectByApplication

// A ServerConn is a client's connection to a Server, logged in.
type ServerConn struct {
	server   *Server
	conn     *transport.Conn
	mux      *channel.Mux
	identity *auth.Identity
	forward  *channel.ForwardServer
	handlers sync.WaitGroup

	// Guarded by Server.mu.
	sessions    int // whose handlers have not returned
	open        int // those of them that count against maxSessions
	maxSessions int
}

func newServerConn(ctx context.Context, s *Server, tc *transport.Conn, identity *auth.Identity) *ServerConn {
	c := &ServerConn{server: s, conn: tc, identity: identity}
	c.SetMaxSessions(s.MaxSessions)
	cfg := s.Channels
	cfg.GlobalRequest = c.handleRequest
	cfg.Context = ctx
	cfg.HandleOpen = c.handleOpen
	c.mux = channel.New(tc, cfg)
	c.forward = channel.NewForwardServer(c.mux, c.forwardConfig())
	return c
}

// Identity tells who logged in, and how.
func (c *ServerConn) Identity() *auth.Identity { return c.identity }

// User is the name that the client logged in with.
func (c *ServerConn) User() string { return c.identity.User }

// ConnState tells what was negotiated, and counters.
func (c *ServerConn) ConnState() transport.State { return c.conn.State() }

// LocalAddr returns the server's address, nil where the connection has none.
func (c *ServerConn) LocalAddr() net.Addr { return c.conn.LocalAddr() }

// RemoteAddr returns the client's address, nil where the connection has none.
func (c *ServerConn) RemoteAddr() net.Addr { return c.conn.RemoteAddr() }

// OpenChannel opens a channel to the client, for forwarded agents and the like.
func (c *ServerConn) OpenChannel(ctx context.Context, channelType string, extra []byte, o channel.OpenOptions) (*channel.Channel, error) {
	return c.mux.Open(ctx, channelType, extra, o)
}

// SendRequest sends a global request and, if wantReply, waits for the answer.
func (c *ServerConn) SendRequest(ctx context.Context, name string, wantReply bool, payload []byte) (ok bool, answer []byte, err error) {
	return c.mux.SendRequest(ctx, name, wantReply, payload)
}

// Rekey exchanges keys now.
func (c *ServerConn) Rekey(ctx context.Context) error {
	c.mux.WillWait()
	return c.conn.Rekey(ctx)
}

// Ping measures a round trip to the client, where it announces
// ping@openssh.com; else the error is transport.ErrPingUnsupported.
func (c *ServerConn) Ping(ctx context.Context) (time.Duration, error) {
	c.mux.WillWait()
	return c.conn.Ping(ctx)
}

// Done is closed when the connection has ended.
func (c *ServerConn) Done() <-chan struct{} { return c.mux.Done() }

// Close ends the connection.
func (c *ServerConn) Close() error { return c.conn.Close() }

// serve carries the connection until it ends and all its handlers have
// returned.
func (c *ServerConn) serve(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { c.conn.Fail(context.Cause(ctx)) })
	defer stop()
	if err := c.onConnect(); err != nil {
		c.conn.Fail(err)
	}
	keep := c.server.KeepAlive.start(c.conn, c.mux)
	err := c.mux.Run()
	keep.stop()
	c.conn.Close()
	// What the client sent before it left still goes where it was to go.
	abort := context.AfterFunc(ctx, func() { c.forward.Close() })
	c.forward.Wait()
	abort()
	c.handlers.Wait()
	return err
}

func (c *ServerConn) onConnect() (err error) {
	if c.server.OnConnect == nil {
		return nil
	}
	defer c.server.recovered("OnConnect", func() { err = errPanicked })
	return c.server.OnConnect(c)
}

// handleOpen serves a channel that the client opens. It never waits.
func (c *ServerConn) handleOpen(nc *channel.NewChannel) {
	switch {
	case c.server.isClosing():
		nc.Reject(channel.AdministrativelyProhibited, "server is shutting down")
	case nc.Type() == "session":
		c.acceptSession(nc)
	case c.forward.HandleChannel(nc):
	default:
		c.acceptOther(nc)
	}
}

func (c *ServerConn) acceptSession(nc *channel.NewChannel) {
	if !c.addSession() {
		nc.Reject(channel.ResourceShortage, "too many sessions")
		return
	}
	c.handlers.Add(1)
	err := channel.ServeSession(nc, c.sessionPolicy(), func(ss *channel.ServerSession) {
		defer c.dropSession()
		if ss == nil { // the client has closed it, or the connection has ended
			c.closeSession()
			return
		}
		c.serveSession(ss)
	})
	if err != nil {
		c.closeSession()
		c.dropSession()
	}
}

// SetMaxSessions bounds the sessions of this connection as Server.MaxSessions
// says for all of them. Sessions that are open stay open. It is meant for
// OnConnect, where the bound depends on the user.
func (c *ServerConn) SetMaxSessions(n int) {
	if n == 0 {
		n = defaultMaxSessions
	}
	c.server.mu.Lock()
	c.maxSessions = n
	c.server.mu.Unlock()
}

// maxEnded is how many sessions may have ended whose handlers have not returned,
// or as many as may be open.
const maxEnded = 10

// addSession counts a session, unless there are too many.
func (c *ServerConn) addSession() bool {
	c.server.mu.Lock()
	defer c.server.mu.Unlock()
	if c.open >= c.maxSessions || c.sessions-c.open >= max(maxEnded, c.maxSessions) {
		return false
	}
	c.open++
	c.sessions++
	return true
}

// closeSession is when a session is open no more: before the client can know of
// its end, since it may open the next one then.
func (c *ServerConn) closeSession() {
	c.server.mu.Lock()
	c.open--
	c.server.mu.Unlock()
}

// dropSession is when a session's handler has returned.
func (c *ServerConn) dropSession() {
	c.server.mu.Lock()
	c.sessions--
	c.server.mu.Unlock()
	c.server.noteIdle()
	c.handlers.Done()
}

func (c *ServerConn) acceptOther(nc *channel.NewChannel) {
	h := c.server.ChannelHandlers[nc.Type()]
	if h == nil {
		nc.Reject(channel.UnknownChannelType, "not offered")
		return
	}
	c.handlers.Go(func() {
		defer c.server.recovered("channel handler", func() {})
		h(c.mux.Context(), c, nc)
	})
}

// handleRequest serves the client's global requests.
func (c *ServerConn) handleRequest(ctx context.Context, r *channel.Request) {
	defer c.server.recovered("request handler", func() {})
	if c.forward.HandleRequest(ctx, r) {
		return
	}
	if h := c.server.RequestHandlers[r.Type]; h != nil {
		h(ctx, c, r)
	}
}

// forwardConfig narrows the server's ForwardConfig to the login's permissions.
func (c *ServerConn) forwardConfig() channel.ForwardConfig {
	cfg := c.server.Forward
	p := c.identity.Permissions
	if p == nil {
		p = new(auth.Permissions)
	}
	if dial := cfg.PermitDial; dial != nil {
		cfg.PermitDial = func(ctx context.Context, to channel.TCPIPChannel) (permit bool) {
			defer c.server.recovered("PermitDial", func() { permit = false })
			granted := p.ForceCommand == "" || p.PermitOpen != nil
			return granted && p.AllowsOpen(to.Host, to.Port) && dial(ctx, to)
		}
	}
	if listen := cfg.PermitListen; listen != nil {
		cfg.PermitListen = func(ctx context.Context, host string, port uint32) (permit bool) {
			defer c.server.recovered("PermitListen", func() { permit = false })
			granted := p.ForceCommand == "" || p.PermitListen != nil
			return granted && p.AllowsListen(host, port) && listen(ctx, host, port)
		}
	}
	return cfg
}
