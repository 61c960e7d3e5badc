package channel

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/fairlead-go/ssh/wire"
)

// Defaults of [ForwardConfig].
const (
	DefaultDialTimeout         = 30 * time.Second
	DefaultMaxForwardListeners = 64
	DefaultMaxForwardConns     = 512
)

// A ForwardConfig says what a client may have forwarded by the server. The
// zero value refuses everything.
type ForwardConfig struct {
	// PermitDial decides whether the client may connect to host and port
	// (direct-tcpip). The host is as the client gave it: a name may resolve
	// to any address, so whoever forbids addresses must do so in Dial. It is
	// called on a goroutine of its own. Nil refuses all.
	PermitDial func(ctx context.Context, to TCPIPChannel) bool
	// Dial connects. Nil is that of net.Dialer. The ctx has the deadline of
	// DialTimeout and ends with the connection.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// DialTimeout bounds each Dial. The default is 30 seconds.
	DialTimeout time.Duration

	// PermitListen decides whether the client may have the server listen on
	// host and port, 0 being any free port (tcpip-forward). Host is as the
	// client gave it. Nil refuses all.
	PermitListen func(ctx context.Context, host string, port uint32) bool
	// Listen binds. Nil is that of net.ListenConfig. The network is "tcp",
	// "tcp4" or "tcp6".
	Listen func(ctx context.Context, network, address string) (net.Listener, error)
	// GatewayPorts lets clients listen on other than loopback addresses.
	// Without it the server binds loopback addresses, whatever the client
	// asks for, as OpenSSH does.
	GatewayPorts bool

	// MaxListeners bounds the addresses listened on for one connection. The
	// default is 64; negative means none.
	MaxListeners int
	// MaxConns bounds the forwarded connections of one connection, both
	// ways, those being dialled included. The default is 512; negative means
	// none.
	MaxConns int
}

// A ForwardServer serves one client's requests for TCP forwarding (RFC 4254
// section 7). When the Mux ends so does all that it has opened, once data that
// had arrived is delivered; Close ends it at once.
type ForwardServer struct {
	m     *Mux
	cfg   ForwardConfig
	conns chan struct{} // a token for each forwarded connection

	ctx    context.Context // ends with the Mux or by Close
	cancel context.CancelFunc
	abort  context.Context // ends by Close
	close  context.CancelFunc
	wg     sync.WaitGroup

	mu        sync.Mutex // a leaf
	closed    bool
	watched   bool // a goroutine waits for the Mux to end
	listeners map[tcpipForward]*boundForward
}

// A boundForward is what one tcpip-forward has bound.
type boundForward struct {
	forward   tcpipForward // as asked for, with the port that is bound
	listeners []net.Listener
	cancelled atomic.Bool
}

func (b *boundForward) close() {
	b.cancelled.Store(true)
	for _, l := range b.listeners {
		l.Close()
	}
}

// NewForwardServer returns a ForwardServer for one connection. No goroutine
// runs until something is forwarded.
func NewForwardServer(m *Mux, cfg ForwardConfig) *ForwardServer {
	if cfg.Dial == nil {
		cfg.Dial = new(net.Dialer).DialContext
	}
	if cfg.Listen == nil {
		cfg.Listen = new(net.ListenConfig).Listen
	}
	setDefault(&cfg.DialTimeout, DefaultDialTimeout)
	setDefault(&cfg.MaxListeners, DefaultMaxForwardListeners)
	setDefault(&cfg.MaxConns, DefaultMaxForwardConns)
	f := &ForwardServer{
		m:         m,
		cfg:       cfg,
		conns:     make(chan struct{}, max(cfg.MaxConns, 0)),
		listeners: make(map[tcpipForward]*boundForward),
	}
	f.abort, f.close = context.WithCancel(context.Background())
	f.ctx, f.cancel = context.WithCancel(f.abort)
	return f
}

// run starts work that Close waits for, and sees to it that all ends with the
// Mux. It does nothing, and returns false, once the ForwardServer is closed.
func (f *ForwardServer) run(work func()) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return false
	}
	if !f.watched {
		f.watched = true
		f.wg.Go(func() {
			select {
			case <-f.m.Done():
				f.shut()
			case <-f.ctx.Done():
			}
		})
	}
	f.wg.Go(work)
	return true
}

// Close closes all listeners and forwarded connections, and returns when their
// goroutines have ended.
func (f *ForwardServer) Close() error {
	f.shut()
	f.close()
	f.wg.Wait()
	return nil
}

// Wait returns when the Mux has ended and what it had received is delivered, or
// has not been taken for ten seconds.
func (f *ForwardServer) Wait() {
	<-f.m.Done()
	f.shut()
	f.wg.Wait()
}

func (f *ForwardServer) shut() {
	f.mu.Lock()
	f.closed = true
	bound := f.listeners
	f.listeners = nil
	f.mu.Unlock()
	f.cancel()
	for _, b := range bound {
		b.close()
	}
}

const notPermitted = "forwarding is not permitted"

// HandleChannel takes a channel that the client opens, if it is of type
// direct-tcpip, and reports whether it was. It never waits.
func (f *ForwardServer) HandleChannel(nc *NewChannel) bool {
	if nc.Type() != typeDirectTCPIP {
		return false
	}
	to, err := ParseTCPIPChannel(nc.ExtraData())
	if err != nil || to.Host == "" || to.Port == 0 {
		_ = nc.Reject(ConnectFailed, "malformed request")
		return true
	}
	if f.cfg.PermitDial == nil {
		_ = nc.Reject(AdministrativelyProhibited, notPermitted)
		return true
	}
	select {
	case f.conns <- struct{}{}:
	default:
		_ = nc.Reject(ResourceShortage, "too many forwarded connections")
		return true
	}
	if !f.run(func() { f.direct(nc, to) }) {
		<-f.conns
		_ = nc.Reject(ResourceShortage, "the connection is being closed")
	}
	return true
}

// direct serves one direct-tcpip channel.
func (f *ForwardServer) direct(nc *NewChannel, to TCPIPChannel) {
	defer func() { <-f.conns }()
	if !f.cfg.PermitDial(f.ctx, to) {
		_ = nc.Reject(AdministrativelyProhibited, notPermitted)
		return
	}
	ctx, cancel := context.WithTimeout(f.ctx, f.cfg.DialTimeout)
	defer cancel()
	conn, err := f.cfg.Dial(ctx, "tcp", net.JoinHostPort(to.Host, strconv.FormatUint(uint64(to.Port), 10)))
	if err != nil {
		_ = nc.Reject(ConnectFailed, dialFailure(err))
		return
	}
	ch, err := nc.Accept(nil)
	if err != nil {
		conn.Close()
		return
	}
	f.splice(NetConn(ch, tcpAddr(to.Host, to.Port), tcpAddr(to.Originator, to.OriginatorPort)), conn)
}

func (f *ForwardServer) splice(a, b net.Conn) {
	stop := context.AfterFunc(f.abort, func() {
		a.Close()
		b.Close()
	})
	defer stop()
	_ = Splice(a, b)
}

// dialFailure says why a connection failed without telling the client more of
// the server's network than that.
func dialFailure(err error) string {
	var dns *net.DNSError
	var errno syscall.Errno
	switch {
	case errors.As(err, &dns):
		return "the name cannot be resolved"
	case errors.Is(err, context.DeadlineExceeded), isTimeout(err):
		return "connection timed out"
	case errors.As(err, &errno):
		return errno.Error()
	}
	return "connection failed"
}

func isTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.As(err, &t) && t.Timeout()
}

// HandleRequest serves a global request, if it is tcpip-forward or
// cancel-tcpip-forward (RFC 4254 section 7.1), and reports whether it was.
func (f *ForwardServer) HandleRequest(ctx context.Context, r *Request) bool {
	switch r.Type {
	case requestTCPIPForward:
		f.serveListen(ctx, r)
	case requestCancelTCPIPForward:
		_ = r.Reply(f.unlisten(r.Payload), nil)
	default:
		return false
	}
	return true
}

// serveListen accepts connections only after the reply, so that the client
// knows the port before it hears of the first.
func (f *ForwardServer) serveListen(ctx context.Context, r *Request) {
	b, askedPort := f.listen(ctx, r.Payload)
	if b == nil {
		_ = r.Reply(false, nil)
		return
	}
	var reply []byte
	if askedPort == 0 {
		reply = wire.AppendUint32(nil, b.forward.port)
	}
	if r.Reply(true, reply) != nil {
		return // the Mux has ended, and shut closes what is bound
	}
	for _, l := range b.listeners {
		if !f.run(func() { f.accept(l, b) }) {
			return
		}
	}
}

// listen binds what the client asks for. It returns nil where it is refused.
func (f *ForwardServer) listen(ctx context.Context, payload []byte) (b *boundForward, askedPort uint32) {
	want, err := parseTCPIPForward(payload)
	if err != nil || f.cfg.PermitListen == nil || !f.cfg.PermitListen(ctx, want.host, want.port) {
		return nil, 0
	}
	f.mu.Lock()
	_, twice := f.listeners[want]
	refused := f.closed || twice || len(f.listeners) >= f.cfg.MaxListeners
	f.mu.Unlock()
	if refused {
		return nil, 0
	}
	b, err = f.bind(ctx, want)
	if err != nil {
		f.m.debug("forward not bound", "host", want.host, "port", want.port, "error", err)
		return nil, 0
	}
	f.mu.Lock()
	refused = f.closed || f.listeners[b.forward] != nil
	if !refused {
		f.listeners[b.forward] = b
	}
	f.mu.Unlock()
	if refused {
		b.close()
		return nil, 0
	}
	return b, want.port
}

// unlisten takes the address and port of the tcpip-forward, the port being the
// one that was bound. Connections that were accepted go on.
func (f *ForwardServer) unlisten(payload []byte) bool {
	want, err := parseTCPIPForward(payload)
	if err != nil {
		return false
	}
	f.mu.Lock()
	b := f.listeners[want]
	delete(f.listeners, want)
	f.mu.Unlock()
	if b == nil {
		return false
	}
	b.close()
	return true
}

// A bindAddress is one listener that stands for part of an address of RFC 4254
// section 7.1.
type bindAddress struct{ network, host string }

// bindAddresses says what to bind for the host of a tcpip-forward. The first
// that can be bound is enough.
func bindAddresses(host string, gatewayPorts bool) []bindAddress {
	loopback4, loopback6 := bindAddress{"tcp4", "127.0.0.1"}, bindAddress{"tcp6", "::1"}
	ip, err := netip.ParseAddr(host)
	if err == nil {
		ip = ip.Unmap()
	}
	switch {
	case err == nil && ip.IsLoopback() && ip.Is4():
		return []bindAddress{{"tcp4", ip.String()}}
	case err == nil && ip.IsLoopback():
		return []bindAddress{loopback6}
	case err == nil && !gatewayPorts && ip.Is4():
		return []bindAddress{loopback4}
	case err == nil && !gatewayPorts:
		return []bindAddress{loopback6}
	case host == "localhost", !gatewayPorts:
		return []bindAddress{loopback4, loopback6}
	case host == "", host == "*":
		return []bindAddress{{"tcp", ""}}
	case err == nil && ip.Is4():
		return []bindAddress{{"tcp4", ip.String()}}
	case err == nil:
		return []bindAddress{{"tcp6", ip.String()}}
	}
	return []bindAddress{{"tcp", host}}
}

// bind binds all addresses of a tcpip-forward to one port.
func (f *ForwardServer) bind(ctx context.Context, want tcpipForward) (*boundForward, error) {
	b := &boundForward{forward: want}
	var failed error
	for _, a := range bindAddresses(want.host, f.cfg.GatewayPorts) {
		l, err := f.cfg.Listen(ctx, a.network, net.JoinHostPort(a.host, strconv.FormatUint(uint64(b.forward.port), 10)))
		if err != nil {
			failed = errors.Join(failed, err)
			continue
		}
		if b.forward.port == 0 {
			addr, ok := l.Addr().(*net.TCPAddr)
			if !ok || addr.Port == 0 {
				l.Close()
				return nil, errors.New("channel: listener is not bound to a TCP port")
			}
			b.forward.port = uint32(addr.Port)
		}
		b.listeners = append(b.listeners, l)
	}
	if len(b.listeners) == 0 {
		return nil, failed
	}
	return b, nil
}

// acceptPause is how long a listener rests after an error that may pass, such
// as too many open files.
const acceptPause = 50 * time.Millisecond

// accept forwards the connections of one listener. Beyond MaxConns, one waits
// here and the rest in the listener's own backlog.
func (f *ForwardServer) accept(l net.Listener, b *boundForward) {
	defer l.Close()
	for {
		conn, err := l.Accept()
		if err != nil {
			if b.cancelled.Load() || errors.Is(err, net.ErrClosed) {
				return
			}
			select {
			case <-time.After(acceptPause):
				continue
			case <-f.ctx.Done():
				return
			}
		}
		select {
		case f.conns <- struct{}{}:
		case <-f.ctx.Done():
			conn.Close()
			return
		}
		if !f.run(func() { f.forwarded(conn, b.forward) }) {
			<-f.conns
			conn.Close()
			return
		}
	}
}

// forwarded opens a forwarded-tcpip channel for one connection (RFC 4254
// section 7.2). It names the address as the client asked for it, by which
// clients find their listener.
func (f *ForwardServer) forwarded(conn net.Conn, from tcpipForward) {
	defer func() { <-f.conns }()
	msg := TCPIPChannel{Host: from.host, Port: from.port}
	msg.Originator, msg.OriginatorPort = originator(conn.RemoteAddr())
	ch, err := f.m.Open(f.ctx, typeForwardedTCPIP, msg.Append(nil), OpenOptions{})
	if err != nil {
		conn.Close()
		return
	}
	f.splice(NetConn(ch, conn.LocalAddr(), conn.RemoteAddr()), conn)
}
