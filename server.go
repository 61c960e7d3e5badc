package ssh

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"runtime/debug"
	"sync"
	"time"

	"github.com/fairlead-go/ssh/auth"
	"github.com/fairlead-go/ssh/channel"
	"github.com/fairlead-go/ssh/kex"
	"github.com/fairlead-go/ssh/keys"
	"github.com/fairlead-go/ssh/transport"
)

// A Handler serves a session: a shell, a command or a subsystem that a client
// has started. When ServeSSH returns without having called Exit, the session
// ends with status 0. A panic ends the session alone and is logged.
type Handler interface {
	ServeSSH(s *Session)
}

// HandlerFunc is a function as a Handler.
type HandlerFunc func(s *Session)

// ServeSSH calls f.
func (f HandlerFunc) ServeSSH(s *Session) { f(s) }

// A Server serves SSH. Set HostKeys, Auth and Handler, then call Serve. The
// fields must not change afterwards. What is not set is refused to clients. A
// function of the server's that panics is logged and denies what it was asked.
type Server struct {
	// Addr is where ListenAndServe listens. Default ":22".
	Addr string

	// HostKeys prove who the server is, preferred first. Required. Those with
	// a certificate are made by keys.NewCertificateSigner.
	HostKeys []keys.Signer

	// Auth decides who may log in. At least one method must be set.
	Auth auth.ServerConfig

	// Handler serves shells and commands; nil refuses them.
	Handler Handler

	// Subsystems serve subsystems, by name.
	Subsystems map[string]Handler

	// AllowPTY grants pseudo-terminals, which Handler must then provide.
	AllowPTY bool

	// AllowEnv decides on each environment variable that a client wants set;
	// nil refuses all. Neither name nor value can be trusted.
	AllowEnv func(name, value string) bool

	// Forward says which ports may be forwarded; the zero value, none. What a
	// login's auth.Permissions forbid stays forbidden: a login with a forced
	// command forwards only what its PermitOpen and PermitListen name.
	Forward channel.ForwardConfig

	// ChannelHandlers serve channels of other types, and RequestHandlers
	// global requests of other names. Each channel has a goroutine of its
	// own; requests of one connection come one after the other. What a
	// login's Permissions forbid is theirs to obey.
	ChannelHandlers map[string]func(ctx context.Context, c *ServerConn, nc *channel.NewChannel)
	RequestHandlers map[string]func(ctx context.Context, c *ServerConn, r *channel.Request)

	// MaxSessions bounds the open sessions of one connection. A session is
	// open until its handler returns or says how it ended; of handlers that
	// have said so and do not return there may be as many again, and 10 in
	// every case. Default 10; negative: none.
	MaxSessions int

	// MaxStartups bounds the connections that have not logged in yet. Default
	// 100; further ones are closed at once, and OnDisconnect is told
	// ErrTooManyStartups. Negative: no bound.
	MaxStartups int

	// MaxStartupsPerSource bounds those of one IPv4 address, or of one IPv6
	// network of 64 bits, so that one client cannot lock out all others.
	// Default half of MaxStartups; negative: no bound of its own.
	MaxStartupsPerSource int

	// KeepAlive notices clients that have vanished.
	KeepAlive KeepAlive

	// OnConnect, where set, is called when a user has logged in, before
	// anything is served; an error ends the connection. OnDisconnect is
	// called when a connection has ended, logged in (c not nil) or not.
	OnConnect    func(c *ServerConn) error
	OnDisconnect func(c *ServerConn, remote net.Addr, err error)

	// Logger is told what fails. Default: nothing is logged.
	Logger *slog.Logger

	Transport transport.Config
	Channels  channel.Config

	// Moduli are the groups of diffie-hellman-group-exchange-sha256, for a
	// server whose Transport.KeyExchanges names it: kex.ParseModuli reads them
	// from a file. Default: those of RFC 3526.
	Moduli *kex.Moduli

	mu        sync.Mutex // a leaf
	listeners map[net.Listener]struct{}
	conns     map[*serving]struct{}
	startups  startups
	closing   bool          // Shutdown or Close was called
	idle      chan struct{} // closed when a connection or a session ends; nil while nobody waits
}

const defaultMaxSessions = 10

// ErrServerClosed is returned by Serve after Shutdown or Close.
var ErrServerClosed = errors.New("ssh: server closed")

// serving is one connection, logged in or not.
type serving struct {
	end    func(error) // ends it
	source netip.Prefix
	conn   *ServerConn // Server.mu: nil before login
}

func (v *serving) endServing() {
	v.end(&transport.DisconnectError{Reason: disconnectByApplication, Message: "server is shutting down"})
}

// ListenAndServe listens on the TCP address Addr and serves.
func (s *Server) ListenAndServe() error {
	addr := s.Addr
	if addr == "" {
		addr = ":" + defaultPort
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	return s.Serve(l)
}

// Serve serves the connections that l accepts, each on a goroutine of its own,
// and closes l when it returns: ErrServerClosed after Shutdown or Close, else
// why l no longer accepts.
func (s *Server) Serve(l net.Listener) error {
	defer l.Close()
	if err := s.check(); err != nil {
		return err
	}
	if !s.track(l) {
		return ErrServerClosed
	}
	defer s.untrack(l)
	var delay time.Duration
	for {
		conn, err := l.Accept()
		if err != nil {
			if s.isClosing() {
				return ErrServerClosed
			}
			// Out of file descriptors and the like passes: see net/http.
			if ne, ok := errors.AsType[net.Error](err); !ok || !ne.Timeout() && !temporary(err) {
				return err
			}
			delay = min(max(2*delay, 5*time.Millisecond), time.Second)
			s.log("accept failed; retrying", "error", err, "delay", delay)
			time.Sleep(delay)
			continue
		}
		delay = 0
		go s.ServeConn(context.Background(), conn)
	}
}

func temporary(err error) bool {
	t, ok := errors.AsType[interface {
		error
		Temporary() bool
	}](err)
	return ok && t.Temporary()
}

// check finds what makes a server useless before it accepts anybody.
func (s *Server) check() error {
	if len(s.HostKeys) == 0 {
		return transport.ErrNoHostKey
	}
	if !s.Auth.HasMethod() {
		return errors.New("ssh: the server has no authentication method: nobody could log in")
	}
	return s.Channels.Validate()
}

func (s *Server) track(l net.Listener) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing {
		return false
	}
	if s.listeners == nil {
		s.listeners = make(map[net.Listener]struct{})
	}
	s.listeners[l] = struct{}{}
	return true
}

func (s *Server) untrack(l net.Listener) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.listeners, l)
}

func (s *Server) isClosing() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closing
}

// Close closes all listeners and ends all connections at once. It returns when
// the handlers have, so that none of them may call it.
func (s *Server) Close() error {
	err := s.closeListeners()
	s.endAll()
	s.waitServed(context.Background())
	return err
}

func (s *Server) endAll() {
	for _, v := range s.serving() {
		v.endServing()
	}
}

// Shutdown closes all listeners, refuses new sessions and forwarded
// connections, ends each connection when its last session has ended, and
// returns when all have. When ctx ends first, what is left ends at once, and
// the error is ctx's cause; handlers that do not heed their contexts are not
// waited for.
func (s *Server) Shutdown(ctx context.Context) error {
	err := s.closeListeners()
	for {
		changed := s.changed()
		left := 0
		for _, v := range s.serving() {
			if s.sessionsOf(v) > 0 {
				left++
				continue
			}
			v.endServing()
		}
		if left == 0 {
			break
		}
		select {
		case <-changed:
			continue
		case <-ctx.Done():
		}
		break
	}
	if !s.waitServed(ctx) {
		s.endAll()
		return context.Cause(ctx)
	}
	return err
}

func (s *Server) closeListeners() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.initLocked()
	s.closing = true
	var err error
	for l := range s.listeners {
		err = errors.Join(err, ignoreClosed(l.Close()))
	}
	return err
}

func ignoreClosed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

func (s *Server) initLocked() {
	if s.conns == nil {
		s.conns = make(map[*serving]struct{})
	}
}

func (s *Server) serving() []*serving {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]*serving, 0, len(s.conns))
	for v := range s.conns {
		all = append(all, v)
	}
	return all
}

func (s *Server) sessionsOf(v *serving) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if v.conn == nil {
		return 0
	}
	return v.conn.sessions
}

// waitServed waits until no connection is left, and is false when ctx ends
// first.
func (s *Server) waitServed(ctx context.Context) bool {
	for {
		changed := s.changed()
		if len(s.serving()) == 0 {
			return true
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return false
		}
	}
}

// changed returns a channel that is closed when the next connection or session
// ends: for every one who waits.
func (s *Server) changed() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.idle == nil {
		s.idle = make(chan struct{})
	}
	return s.idle
}

func (s *Server) noteIdle() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.idle != nil {
		close(s.idle)
		s.idle = nil
	}
}

// ServeConn serves one connection, of whatever kind, until it ends, and returns
// why: an error that is net.ErrClosed where this side closed it. ctx ends it.
// It takes conn over.
func (s *Server) ServeConn(ctx context.Context, conn io.ReadWriteCloser) error {
	if err := s.check(); err != nil {
		conn.Close()
		return err
	}
	var remote net.Addr
	if nc, ok := conn.(net.Conn); ok {
		remote = nc.RemoteAddr()
	}
	ctx, cancel := context.WithCancelCause(ctx)
	v := &serving{end: func(err error) { cancel(err) }, source: sourceOf(remote)}
	var c *ServerConn
	err := s.begin(v)
	if err != nil {
		conn.Close()
	} else {
		c, err = s.logIn(ctx, conn)
		s.loggedIn(v, c)
		if err == nil {
			err = c.serve(ctx)
		}
	}
	cancel(err)
	s.end(v)
	s.log("connection ended", "remote", remote, "error", err)
	if s.OnDisconnect != nil {
		s.OnDisconnect(c, remote, err)
	}
	return err
}

// begin takes a connection in, unless it is one too many.
func (s *Server) begin(v *serving) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.initLocked()
	if s.closing {
		return ErrServerClosed
	}
	if err := s.startups.add(v.source, s.MaxStartups, s.MaxStartupsPerSource); err != nil {
		return err
	}
	s.conns[v] = struct{}{}
	return nil
}

func (s *Server) loggedIn(v *serving, c *ServerConn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.startups.remove(v.source)
	v.conn = c
}

func (s *Server) end(v *serving) {
	s.mu.Lock()
	delete(s.conns, v)
	s.mu.Unlock()
	s.noteIdle()
}

// logIn exchanges keys and authenticates the user.
func (s *Server) logIn(ctx context.Context, conn io.ReadWriteCloser) (*ServerConn, error) {
	authConfig := s.authConfig() // what it accepts is announced
	tc, err := transport.Server(ctx, conn, &transport.ServerConfig{
		Config:              s.Transport,
		HostKeys:            s.HostKeys,
		PublicKeyAlgorithms: authConfig.SignatureAlgorithms(),
		Moduli:              s.Moduli,
	})
	if err != nil {
		return nil, err
	}
	identity, err := s.authenticate(ctx, tc, authConfig)
	if err != nil {
		tc.Fail(err)
		tc.Close()
		return nil, err
	}
	tc.SetAuthenticated()
	return newServerConn(ctx, s, tc, identity), nil
}

// authenticate has the user prove who they are. A callback that panics lets
// nobody in.
func (s *Server) authenticate(ctx context.Context, tc *transport.Conn, cfg *auth.ServerConfig) (id *auth.Identity, err error) {
	defer s.recovered("authentication callback", func() { id, err = nil, errPanicked })
	return auth.Server(ctx, tc, session(tc), cfg)
}

// authConfig is Auth, with what the transport's configuration says of users'
// keys.
func (s *Server) authConfig() *auth.ServerConfig {
	cfg := s.Auth
	if cfg.LegacyAlgorithms == nil {
		cfg.LegacyAlgorithms = s.Transport.LegacyAlgorithms.Signatures
	}
	return &cfg
}

// errPanicked ends what the server's own callback could not decide.
var errPanicked = errors.New("ssh: a callback of the server panicked")

// recovered, when deferred, keeps a panic of a callback from ending the
// process: it is logged, and deny says what comes of it.
func (s *Server) recovered(what string, deny func()) {
	if v := recover(); v != nil {
		s.logPanic(what, v, debug.Stack())
		deny()
	}
}

func (s *Server) log(msg string, args ...any) {
	if s.Logger != nil {
		s.Logger.Info("ssh: "+msg, args...)
	}
}

func (s *Server) logPanic(what string, v any, stack []byte) {
	if s.Logger != nil {
		s.Logger.Error("ssh: panic in "+what, "panic", fmt.Sprint(v), "stack", string(stack))
	}
}
