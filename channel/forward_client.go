package channel

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/fairlead-go/ssh/wire"
)

const (
	// forwardBacklog is how many connections of one listener wait for Accept;
	// further ones are refused with ResourceShortage.
	forwardBacklog = 64
	// forwardUndecided is how many connections wait until the answer to a
	// tcpip-forward tells whether they belong to it.
	forwardUndecided = 16
	// cancelTimeout bounds the wait of a listener's Close for the answer to
	// cancel-tcpip-forward.
	cancelTimeout = 10 * time.Second
)

// DialTCP asks the server to connect to host and port (direct-tcpip, RFC 4254
// section 7.2). The host is resolved by the server. The originator is what the
// server is told of where the connection comes from; nil tells it nothing.
// An [*OpenError] is the server's refusal.
func DialTCP(ctx context.Context, m *Mux, host string, port uint32, from net.Addr) (*StreamConn, error) {
	msg := TCPIPChannel{Host: host, Port: port}
	msg.Originator, msg.OriginatorPort = originator(from)
	if !validHost(host) || port > math.MaxUint16 {
		return nil, fmt.Errorf("channel: no valid host and port: %q, %d: %w", host, port, wire.ErrInvalid)
	}
	ch, err := m.Open(ctx, typeDirectTCPIP, msg.Append(nil), OpenOptions{})
	if err != nil {
		return nil, err
	}
	return NetConn(ch, from, tcpAddr(host, port)), nil
}

// RemoteForwards holds what the client has asked the server to listen on
// (RFC 4254 section 7.1). There is one for a Mux: whoever takes channels from
// Mux.Accept hands those of type forwarded-tcpip to HandleChannel, which
// refuses all that no listener has asked for.
type RemoteForwards struct {
	m *Mux

	mu        sync.Mutex // a leaf
	listeners []*RemoteListener
	asking    int           // tcpip-forward requests without an answer yet
	undecided []*NewChannel // arrived while asking > 0 and matched nothing
}

// NewRemoteForwards returns the remote forwards of m, none so far.
func NewRemoteForwards(m *Mux) *RemoteForwards { return &RemoteForwards{m: m} }

// ListenTCP asks the server to listen on an address and to forward the
// connections that it accepts (tcpip-forward, RFC 4254 section 7.1). The host
// "" stands for all addresses of all families, "0.0.0.0" and "::" for all of
// one, "localhost" for both loopback addresses; servers may bind less. Port 0
// lets the server choose. A [*RequestError] is the server's refusal. When ctx
// ends first, the server may go on listening until the connection ends; what
// it forwards from there is refused.
func (f *RemoteForwards) ListenTCP(ctx context.Context, host string, port uint32) (*RemoteListener, error) {
	if !validHost(host) || port > math.MaxUint16 {
		return nil, fmt.Errorf("channel: no valid host and port: %q, %d: %w", host, port, wire.ErrInvalid)
	}
	want := tcpipForward{host, port}
	f.mu.Lock()
	if port != 0 && f.find(want) != nil {
		f.mu.Unlock()
		return nil, fmt.Errorf("channel: there is a listener for %s already", tcpAddr(host, port))
	}
	f.asking++
	f.mu.Unlock()

	ok, reply, err := f.m.SendRequest(ctx, requestTCPIPForward, true, want.append(nil))
	if err == nil && !ok {
		err = &RequestError{requestTCPIPForward}
	}
	if err == nil && port == 0 {
		want.port, err = parseUint32(reply)
		if err == nil && (want.port == 0 || want.port > math.MaxUint16) {
			err = wire.ErrInvalid
		}
		if err != nil {
			err = fmt.Errorf("channel: reply to tcpip-forward: %w", err)
		}
	}
	var l *RemoteListener
	f.mu.Lock()
	f.asking--
	switch {
	case err != nil:
	case f.find(want) != nil:
		err = fmt.Errorf("channel: server bound %s a second time", tcpAddr(want.host, want.port))
	default:
		l = &RemoteListener{f: f, forward: want, closed: make(chan struct{}), arrived: make(chan struct{}, 1)}
		f.listeners = append(f.listeners, l)
	}
	undecided := f.undecided
	f.undecided = nil
	f.mu.Unlock()
	for _, nc := range undecided {
		f.HandleChannel(nc)
	}
	if err != nil {
		return nil, err
	}
	return l, nil
}

// find returns the listener for exactly this address. f.mu is held.
func (f *RemoteForwards) find(want tcpipForward) *RemoteListener {
	for _, l := range f.listeners {
		if l.forward == want {
			return l
		}
	}
	return nil
}

// match returns the listener that a connection to the given address belongs
// to. Servers name either the address as it was asked for, as OpenSSH does, or
// the one that was connected to. f.mu is held.
func (f *RemoteForwards) match(to tcpipForward) *RemoteListener {
	if l := f.find(to); l != nil {
		return l
	}
	for _, l := range f.listeners {
		if l.forward.port == to.port && covers(l.forward.host, to.host) {
			return l
		}
	}
	return nil
}

// covers tells whether listening on the host asked for takes connections to
// the given address (RFC 4254 section 7.1).
func covers(asked, address string) bool {
	if strings.EqualFold(asked, address) {
		return true
	}
	ip, err := netip.ParseAddr(address)
	if err != nil {
		return asked == "" && strings.EqualFold(address, "localhost") // bound to less than asked for
	}
	ip = ip.Unmap()
	switch asked {
	case "", "*":
		return true
	case "0.0.0.0":
		return ip.Is4()
	case "::":
		return ip.Is6()
	case "localhost":
		return ip.IsLoopback()
	}
	want, err := netip.ParseAddr(asked)
	return err == nil && want.Unmap() == ip
}

// HandleChannel takes a channel that the server opens, if it is of type
// forwarded-tcpip, and reports whether it was. It never waits.
func (f *RemoteForwards) HandleChannel(nc *NewChannel) bool {
	if nc.Type() != typeForwardedTCPIP {
		return false
	}
	msg, err := ParseTCPIPChannel(nc.ExtraData())
	if err != nil {
		_ = nc.Reject(ConnectFailed, "malformed request")
		return true
	}
	f.mu.Lock()
	l := f.match(tcpipForward{msg.Host, msg.Port})
	if l == nil && f.asking > 0 && len(f.undecided) < forwardUndecided {
		// It may belong to a listener whose port only the answer tells.
		f.undecided = append(f.undecided, nc)
		f.mu.Unlock()
		return true
	}
	f.mu.Unlock()
	if l == nil {
		_ = nc.Reject(AdministrativelyProhibited, "nothing was asked to be forwarded from there")
		return true
	}
	l.offer(nc, msg)
	return true
}

// remove forgets a listener that is closed.
func (f *RemoteForwards) remove(l *RemoteListener) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.listeners = slices.DeleteFunc(f.listeners, func(x *RemoteListener) bool { return x == l })
}

// A RemoteListener is a net.Listener whose connections the server accepts.
// A connection that waits for Accept has not been confirmed to the server;
// at most 64 wait, and further ones are refused.
type RemoteListener struct {
	f       *RemoteForwards
	forward tcpipForward // with the port that is bound

	closed  chan struct{} // closed by Close
	arrived chan struct{} // cap 1

	mu      sync.Mutex // a leaf
	isDone  bool
	pending []pendingForward
}

type pendingForward struct {
	nc  *NewChannel
	msg TCPIPChannel
}

func (l *RemoteListener) offer(nc *NewChannel, msg TCPIPChannel) {
	reason, text := ResourceShortage, "too many connections wait to be accepted"
	l.mu.Lock()
	switch {
	case l.isDone:
		reason, text = AdministrativelyProhibited, "the forwarding was cancelled"
	case len(l.pending) < forwardBacklog:
		l.pending = append(l.pending, pendingForward{nc, msg})
		l.mu.Unlock()
		notify(l.arrived)
		return
	}
	l.mu.Unlock()
	_ = nc.Reject(reason, text)
}

// Accept waits for a connection. Its RemoteAddr is the originator that the
// server names. After Close the error unwraps to net.ErrClosed; where the
// connection to the server has ended it is the cause.
func (l *RemoteListener) Accept() (net.Conn, error) {
	for {
		p, ok := l.take()
		if ok {
			ch, err := p.nc.Accept(nil)
			if err != nil {
				return nil, l.opError("accept", err)
			}
			return NetConn(ch, tcpAddr(p.msg.Host, p.msg.Port), tcpAddr(p.msg.Originator, p.msg.OriginatorPort)), nil
		}
		select {
		case <-l.arrived:
		case <-l.closed:
			return nil, l.opError("accept", net.ErrClosed)
		case <-l.f.m.Done():
			err := l.f.m.Err()
			if err == nil || err == io.EOF {
				err = net.ErrClosed
			}
			return nil, l.opError("accept", err)
		}
	}
}

// take returns the connection that has waited longest, and wakes the next
// Accept where there are more.
func (l *RemoteListener) take() (p pendingForward, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.pending) == 0 {
		return p, false
	}
	p = l.pending[0]
	l.pending = slices.Delete(l.pending, 0, 1)
	if len(l.pending) > 0 {
		notify(l.arrived)
	}
	return p, true
}

// Close refuses the connections that wait and asks the server to stop
// listening (cancel-tcpip-forward, RFC 4254 section 7.1). It waits for the
// answer, so that the address is free afterwards, but at most ten seconds.
// Connections that Accept has returned go on.
func (l *RemoteListener) Close() error {
	l.mu.Lock()
	if l.isDone {
		l.mu.Unlock()
		return l.opError("close", net.ErrClosed)
	}
	l.isDone = true
	pending := l.pending
	l.pending = nil
	close(l.closed)
	l.mu.Unlock()

	for _, p := range pending {
		_ = p.nc.Reject(AdministrativelyProhibited, "the forwarding was cancelled")
	}
	ctx, cancel := context.WithTimeout(context.Background(), cancelTimeout)
	defer cancel()
	ok, _, err := l.f.m.SendRequest(ctx, requestCancelTCPIPForward, true, l.forward.append(nil))
	// Only now could the address be asked for again.
	l.f.remove(l)
	select {
	case <-l.f.m.Done():
		return nil // nothing is forwarded any more
	default:
	}
	if err == nil && !ok {
		err = &RequestError{requestCancelTCPIPForward}
	}
	return l.opError("close", err)
}

// Addr returns the address that the server was asked to listen on, with the
// port that it bound. Where the host is a name, it is no *net.TCPAddr.
func (l *RemoteListener) Addr() net.Addr {
	switch l.forward.host {
	case "", "*":
		return tcpAddr("::", l.forward.port)
	}
	return tcpAddr(l.forward.host, l.forward.port)
}

// Port returns the port that the server listens on.
func (l *RemoteListener) Port() uint32 { return l.forward.port }

func (l *RemoteListener) opError(op string, err error) error {
	if err == nil {
		return nil
	}
	return &net.OpError{Op: op, Net: "tcp", Addr: l.Addr(), Err: err}
}

// notClosed drops the error of an end that is closed already.
func notClosed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}
