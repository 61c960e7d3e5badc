package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/fairlead-go/ssh/channel"
	"github.com/fairlead-go/ssh/examples/internal/clientconfig"
	"github.com/fairlead-go/ssh/examples/internal/config"
)

// forwards are the ports and sockets that one connection carries.
type forwards struct {
	c *connection

	mu        sync.Mutex     // a leaf
	open      map[int]string // what is being carried
	next      int
	changed   chan struct{} // closed and replaced when open changes
	listeners []net.Listener
	unix      map[string]config.Forward // sockets that the server listens on, by path
}

func newForwards(c *connection) *forwards {
	return &forwards{c: c, open: make(map[int]string), changed: make(chan struct{}), unix: make(map[string]config.Forward), next: 1}
}

// start listens wherever the options say. A listener that cannot be had is an
// error only with ExitOnForwardFailure.
func (f *forwards) start(ctx context.Context) error {
	o := f.c.o
	failed := false
	for _, fwd := range slices.Concat(o.LocalForward, o.DynamicForward) {
		if err := f.listenHere(ctx, fwd); err != nil {
			f.c.log.errorf("%v", err)
			failed = true
		}
	}
	if failed {
		if o.ExitOnForwardFailure {
			return errors.New("Could not request local forwarding.") //nolint:staticcheck // OpenSSH's words
		}
		f.c.log.errorf("Could not request local forwarding.")
	}
	for _, fwd := range o.RemoteForward {
		err := f.listenThere(ctx, fwd)
		if err == nil {
			continue
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		f.c.log.debugf("%v", err)
		if !refused(err) {
			return f.c.report(err)
		}
		what := fmt.Sprintf("remote port forwarding failed for listen %s", listenName(fwd))
		if o.ExitOnForwardFailure {
			return errors.New("Error: " + what) //nolint:staticcheck // OpenSSH's words
		}
		f.c.log.infof("Warning: %s", what)
	}
	return nil
}

func refused(err error) bool {
	_, ok := errors.AsType[*channel.RequestError](err)
	return ok
}

func listenName(fwd config.Forward) string {
	if fwd.Path != "" {
		return "path " + fwd.Path
	}
	return "port " + strconv.Itoa(fwd.Port)
}

// listenHere is -L and -D.
func (f *forwards) listenHere(ctx context.Context, fwd config.Forward) error {
	f.c.log.debugf("Local connections to %s forwarded to remote address %s", fwd.Listen(), fwd.Destination())
	var listeners []net.Listener
	var err error
	if fwd.Path != "" {
		var l net.Listener
		if l, err = f.listenUnix(fwd.Path); err == nil {
			listeners = append(listeners, l)
		}
	} else {
		listeners, err = f.listenTCP(ctx, fwd)
	}
	if err != nil {
		return err
	}
	for _, l := range listeners {
		f.serve(ctx, l, fwd.Listen(), func(ctx context.Context, conn net.Conn) (net.Conn, error) {
			if fwd.Dynamic {
				return socks(ctx, conn, f.dialThere)
			}
			return f.dialForward(ctx, fwd)
		})
	}
	return nil
}

// listenTCP listens on each address of the name to bind; one will do.
func (f *forwards) listenTCP(ctx context.Context, fwd config.Forward) ([]net.Listener, error) {
	bind := []string{fwd.BindAddress(f.c.o.GatewayPorts)}
	if bind[0] == "localhost" {
		bind = []string{"127.0.0.1", "::1"}
		switch f.c.o.AddressFamily {
		case "inet":
			bind = bind[:1]
		case "inet6":
			bind = bind[1:]
		}
	}
	var listeners []net.Listener
	var first error
	var lc net.ListenConfig
	for _, host := range bind {
		l, err := lc.Listen(ctx, "tcp", net.JoinHostPort(host, strconv.Itoa(fwd.Port)))
		if err != nil {
			if first == nil {
				first = fmt.Errorf("bind [%s]:%d: %s", host, fwd.Port, reason(err))
			}
			continue
		}
		listeners = append(listeners, l)
	}
	if len(listeners) == 0 {
		return nil, first
	}
	if first != nil {
		f.c.log.verbosef("%v", first)
	}
	return listeners, nil
}

func (f *forwards) listenUnix(path string) (net.Listener, error) {
	if f.c.o.StreamLocalUnlink {
		_ = os.Remove(path)
	}
	before := syscall.Umask(0o177)
	defer syscall.Umask(before)
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("unix_listener: cannot bind to path %s: %s", path, reason(err))
	}
	return l, nil
}

// listenThere is -R.
func (f *forwards) listenThere(ctx context.Context, fwd config.Forward) error {
	f.c.log.debugf("Remote connections from %s forwarded to local address %s", fwd.Listen(), fwd.Destination())
	if fwd.Path != "" {
		return f.listenThereUnix(ctx, fwd)
	}
	l, err := f.c.client.Listen(ctx, "tcp", net.JoinHostPort(fwd.BindAddress(false), strconv.Itoa(fwd.Port)))
	if err != nil {
		return err
	}
	if r, ok := l.(*channel.RemoteListener); ok && fwd.Port == 0 {
		f.c.log.infof("Allocated port %d for remote forward to %s", r.Port(), fwd.Destination())
	}
	f.c.log.debugf("remote forward success for: listen %s, connect %s", fwd.Listen(), fwd.Destination())
	f.serve(ctx, l, fwd.Listen(), func(ctx context.Context, conn net.Conn) (net.Conn, error) {
		if fwd.Dynamic {
			return socks(ctx, conn, f.dialPermitted)
		}
		return dialHere(ctx, fwd)
	})
	return nil
}

// serve carries each connection of a listener to where dial leads.
func (f *forwards) serve(ctx context.Context, l net.Listener, name string, dial func(context.Context, net.Conn) (net.Conn, error)) {
	f.mu.Lock()
	f.listeners = append(f.listeners, l)
	f.mu.Unlock()
	go func() {
		defer l.Close()
		for {
			conn, err := l.Accept()
			switch {
			case err == nil:
				go f.carry(ctx, name, conn, dial)
			case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
				time.Sleep(100 * time.Millisecond) // until a file is closed
			default:
				return
			}
		}
	}()
}

// carry connects conn with where dial leads, until both have ended.
func (f *forwards) carry(ctx context.Context, name string, conn net.Conn, dial func(context.Context, net.Conn) (net.Conn, error)) {
	f.c.log.debugf("Connection to port %s forwarding requested.", name)
	id, done := f.begin(name, conn)
	defer done()
	other, err := dial(ctx, conn)
	if err != nil {
		conn.Close()
		if e, ok := errors.AsType[*channel.OpenError](err); ok {
			f.c.log.infof("channel %d: open failed: %s: %s", id, e.Reason, e.Message)
		} else {
			f.c.log.debugf("channel %d: %v", id, err)
		}
		return
	}
	if err := channel.Splice(conn, other); err != nil {
		f.c.log.debugf("channel %d: %v", id, err)
	}
}

func (f *forwards) begin(name string, conn net.Conn) (id int, done func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	id = f.next
	f.next++
	f.open[id] = fmt.Sprintf("#%d %s from %s", id, name, conn.RemoteAddr())
	return id, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.open, id)
		close(f.changed)
		f.changed = make(chan struct{})
	}
}

// list names what is being carried.
func (f *forwards) list() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []string
	for id := range f.next {
		if name, ok := f.open[id]; ok {
			out = append(out, name)
		}
	}
	return out
}

// wait waits until nothing is carried any more: what goes through a tunnel is
// not cut off because the session that came with it has ended.
func (f *forwards) wait(ctx context.Context) {
	for {
		f.mu.Lock()
		n, changed := len(f.open), f.changed
		f.mu.Unlock()
		if n == 0 {
			return
		}
		f.c.log.debugf("waiting for %d forwarded connections", n)
		select {
		case <-changed:
		case <-ctx.Done():
			return
		case <-f.c.client.Done():
			return
		}
	}
}

// dialHere connects to the destination of a -R.
func dialHere(ctx context.Context, fwd config.Forward) (net.Conn, error) {
	var d net.Dialer
	if fwd.HostPath != "" {
		return d.DialContext(ctx, "unix", fwd.HostPath)
	}
	return d.DialContext(ctx, "tcp", fwd.Destination())
}

// dialForward has the server connect to the destination of a -L.
func (f *forwards) dialForward(ctx context.Context, fwd config.Forward) (net.Conn, error) {
	if fwd.HostPath != "" {
		return f.dialUnix(ctx, fwd.HostPath)
	}
	return f.dialThere(ctx, fwd.Destination())
}

func (f *forwards) dialThere(ctx context.Context, addr string) (net.Conn, error) {
	return f.c.client.Dial(ctx, "tcp", addr)
}

// errNotPermitted is PermitRemoteOpen's refusal.
var errNotPermitted = errors.New("destination is not permitted")

// dialPermitted connects to a destination that the far side has chosen.
func (f *forwards) dialPermitted(ctx context.Context, addr string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	if !permits(f.c.o.PermitRemoteOpen, host, port) {
		f.c.log.infof("Refusing to connect to %s:%s for the remote side", host, port)
		return nil, errNotPermitted
	}
	var d net.Dialer
	return d.DialContext(ctx, "tcp", addr)
}

func permits(list []string, host, port string) bool {
	if len(list) == 0 || slices.Equal(list, []string{"any"}) {
		return true
	}
	return slices.ContainsFunc(list, func(entry string) bool {
		h, p, err := net.SplitHostPort(entry)
		return err == nil && (h == "*" || h == host) && (p == "*" || p == port)
	})
}

// stdio is -W: standard input and output are the connection.
func (f *forwards) stdio(ctx context.Context) (int, error) {
	host, port, err := config.SplitHostPort(f.c.o.StdioForward)
	if err != nil {
		return failure, err
	}
	conn, err := f.dialThere(ctx, net.JoinHostPort(host, strconv.Itoa(port)))
	if err != nil {
		err = f.c.lost(ctx, err)
		f.c.log.errorf("stdio forwarding failed")
		return failure, err
	}
	defer conn.Close()
	go func() {
		_, _ = io.Copy(conn, os.Stdin)
		_ = conn.(*channel.StreamConn).CloseWrite()
	}()
	copied := make(chan error, 1)
	go func() { _, err := io.Copy(os.Stdout, conn); copied <- err }()
	select {
	case err = <-copied:
	case <-ctx.Done():
		return failure, context.Cause(ctx)
	}
	if err != nil {
		select {
		case <-f.c.client.Done():
			return failure, f.c.report(f.c.client.Wait())
		default:
		}
	}
	return 0, nil
}

// agentForwarded says whether the far side may use our agent.
func agentForwarded(o *clientconfig.Options) bool {
	return o.ForwardAgent != clientconfig.No && o.ForwardAgent != "" && agentSocket(o.ForwardAgent) != ""
}
