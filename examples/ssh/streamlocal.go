package main

import (
	"context"
	"net"

	"github.com/fairlead-go/ssh/channel"
	"github.com/fairlead-go/ssh/examples/internal/config"
	"github.com/fairlead-go/ssh/wire"
)

// Unix-domain sockets at the far side, and its use of our agent, are OpenSSH's
// extensions to the protocol (PROTOCOL section 2.4, PROTOCOL.agent).
const (
	directStreamlocal    = "direct-streamlocal@openssh.com"
	forwardedStreamlocal = "forwarded-streamlocal@openssh.com"
	streamlocalForward   = "streamlocal-forward@openssh.com"
	authAgent            = "auth-agent@openssh.com"
)

// channelHandlers serve what the server opens.
func (f *forwards) channelHandlers() map[string]func(context.Context, *channel.NewChannel) {
	return map[string]func(context.Context, *channel.NewChannel){
		forwardedStreamlocal: f.acceptUnix,
		authAgent:            f.acceptAgent,
	}
}

// dialUnix has the server connect to a socket of its own.
func (f *forwards) dialUnix(ctx context.Context, path string) (net.Conn, error) {
	extra := wire.AppendString(nil, path)
	extra = wire.AppendString(extra, "") // reserved
	extra = wire.AppendUint32(extra, 0)
	ch, err := f.c.client.OpenChannel(ctx, directStreamlocal, extra, channel.OpenOptions{})
	if err != nil {
		return nil, err
	}
	return channel.NetConn(ch, nil, channel.Addr{Net: "unix", Address: path}), nil
}

// listenThereUnix is -R with a path to listen on.
func (f *forwards) listenThereUnix(ctx context.Context, fwd config.Forward) error {
	f.mu.Lock()
	f.unix[fwd.Path] = fwd
	f.mu.Unlock()
	ok, _, err := f.c.client.SendRequest(ctx, streamlocalForward, true, wire.AppendString(nil, fwd.Path))
	if err == nil && !ok {
		err = &channel.RequestError{Type: streamlocalForward}
	}
	if err != nil {
		f.mu.Lock()
		delete(f.unix, fwd.Path)
		f.mu.Unlock()
	}
	return err
}

func (f *forwards) acceptUnix(ctx context.Context, nc *channel.NewChannel) {
	r := wire.NewReader(nc.ExtraData())
	path := r.Text()
	r.Text() // reserved
	f.mu.Lock()
	fwd, asked := f.unix[path]
	f.mu.Unlock()
	if r.End() != nil || !asked {
		_ = nc.Reject(channel.AdministrativelyProhibited, "not asked for")
		return
	}
	f.acceptTo(ctx, nc, path, func(ctx context.Context) (net.Conn, error) { return dialHere(ctx, fwd) })
}

// acceptAgent lets the far side talk to our agent, if the user wants that.
func (f *forwards) acceptAgent(ctx context.Context, nc *channel.NewChannel) {
	if !agentForwarded(f.c.o) {
		_ = nc.Reject(channel.AdministrativelyProhibited, "not asked for")
		return
	}
	f.acceptTo(ctx, nc, "agent", func(ctx context.Context) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", agentSocket(f.c.o.ForwardAgent))
	})
}

func (f *forwards) acceptTo(ctx context.Context, nc *channel.NewChannel, name string, dial func(context.Context) (net.Conn, error)) {
	conn, err := dial(ctx)
	if err != nil {
		f.c.log.debugf("%v", err)
		_ = nc.Reject(channel.ConnectFailed, "connect failed")
		return
	}
	ch, err := nc.Accept(nil)
	if err != nil {
		conn.Close()
		return
	}
	far := channel.NetConn(ch, nil, nil)
	f.carry(ctx, name, far, func(context.Context, net.Conn) (net.Conn, error) { return conn, nil })
}
