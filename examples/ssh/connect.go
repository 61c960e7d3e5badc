package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fairlead-go/ssh"
	"github.com/fairlead-go/ssh/examples/internal/clientconfig"
	"github.com/fairlead-go/ssh/examples/internal/config"
	"github.com/fairlead-go/ssh/transport"
	"github.com/fairlead-go/ssh/wire"
)

// A connection is one login, to the host that the user named or to one to jump over.
type connection struct {
	*program
	o          *clientconfig.Options
	algorithms algorithms

	remote net.Addr // of the server, nil where a proxy leads to it
	client *ssh.Client
	fwd    *forwards

	untrusted bool // the host key is not the known one, and no password must go there
}

// connect logs in. depth counts the jumps that lead to this one.
func (p *program) connect(ctx context.Context, o *clientconfig.Options, depth int) (*connection, error) {
	c := &connection{program: p, o: o}
	c.fwd = newForwards(c)
	var err error
	if c.algorithms, err = p.algorithms(o); err != nil {
		return nil, err
	}
	rwc, err := c.dial(ctx, depth)
	if err != nil {
		return nil, err
	}
	if conn, ok := rwc.(net.Conn); ok && o.ProxyJump == "" {
		c.remote = conn.RemoteAddr()
	}
	verify, hostKeyAlgorithms, err := c.hostKeys()
	if err != nil {
		rwc.Close()
		return nil, err
	}
	methods, done := c.methods()
	defer done()
	c.client, err = ssh.NewClient(ctx, rwc, c.keyAddress(), &ssh.ClientConfig{
		User:              o.User,
		Auth:              methods,
		VerifyHostKey:     verify,
		HostKeyAlgorithms: hostKeyAlgorithms,
		Banner:            c.banner,
		ReplyTimeout:      -1, // a server's second factor may take its time; ctrl-C ends it
		KeepAlive:         c.keepAlive(),
		ChannelHandlers:   c.fwd.channelHandlers(),
		Transport:         c.transport(),
	})
	if err != nil {
		return nil, c.report(err)
	}
	c.loggedIn()
	return c, nil
}

func (c *connection) keepAlive() ssh.KeepAlive {
	if c.o.ServerAliveInterval <= 0 || c.o.ServerAliveCountMax == 0 {
		return ssh.KeepAlive{Interval: -1}
	}
	return ssh.KeepAlive{Interval: c.o.ServerAliveInterval, Count: c.o.ServerAliveCountMax}
}

func (c *connection) transport() transport.Config {
	cfg := transport.Config{
		KeyExchanges: c.algorithms.kex, Ciphers: c.algorithms.ciphers, MACs: c.algorithms.macs,
		Compression: compression(c.o.Compression),
		// The lists are whole, so none is used that the user has not named.
		LegacyAlgorithms: transport.LegacyAlgorithms(),
		RekeyBytes:       c.o.RekeyLimit.Bytes, RekeyInterval: c.o.RekeyLimit.Interval,
		HandshakeTimeout: cmpDuration(c.o.ConnectTimeout, 2*time.Minute),
		RekeyTimeout:     -1, // as long as OpenSSH: ServerAliveInterval is what notices a dead server
		WriteTimeout:     -1,
	}
	if c.log.at(levelDebug) {
		cfg.Trace = c.trace()
	}
	return cfg
}

func cmpDuration(d, otherwise time.Duration) time.Duration {
	if d > 0 {
		return d
	}
	return otherwise
}

// trace tells of key exchanges in the words that scripts look for.
func (c *connection) trace() *transport.Trace {
	tell := func(verb string) func(byte, int) {
		return func(message byte, size int) {
			switch message {
			case wire.MsgKexInit:
				c.log.debugf("SSH2_MSG_KEXINIT %s", verb)
			case wire.MsgNewKeys:
				c.log.debugf("SSH2_MSG_NEWKEYS %s", verb)
			case wire.MsgExtInfo:
				c.log.debugf("SSH2_MSG_EXT_INFO %s", verb)
			default:
				c.log.debug3f("packet %s: type %d, %d bytes", verb, message, size)
			}
		}
	}
	return &transport.Trace{
		PacketSent:     tell("sent"),
		PacketReceived: tell("received"),
		KeyExchanged: func(s transport.State) {
			if s.KeyExchanges == 1 {
				c.log.debugf("Remote protocol version 2.0, remote software version %s", strings.TrimPrefix(s.ServerVersion, "SSH-2.0-"))
			}
			c.log.debugf("kex: algorithm: %s", s.KeyExchange)
			if s.GroupBits > 0 {
				c.log.debugf("SSH2_MSG_KEX_DH_GEX_REQUEST(2048<%d<8192) sent", s.GroupAsked)
				c.log.debugf("bits set: 4 or more/%d", s.GroupBits)
			}
			c.log.debugf("kex: host key algorithm: %s", s.HostKeyAlgorithm)
			for _, d := range []struct {
				name string
				transport.Direction
			}{{"server->client", s.In}, {"client->server", s.Out}} {
				mac := d.MAC
				if mac == "" {
					mac = "<implicit>"
				}
				c.log.debugf("kex: %s cipher: %s MAC: %s compression: %s", d.name, d.Cipher, mac, d.Compression)
			}
		},
	}
}

// dial connects by the way that the options say.
func (c *connection) dial(ctx context.Context, depth int) (io.ReadWriteCloser, error) {
	proxy, err := c.o.ProxyShellCommand()
	switch {
	case err != nil:
		return nil, err
	case c.o.ProxyJump != "":
		return c.jump(ctx, depth)
	case proxy != "":
		c.log.debugf("Executing proxy command: exec %s", proxy)
		return startProxy(proxy)
	}
	for try := 1; ; try++ {
		conn, err := c.dialTCP(ctx)
		if err == nil {
			c.log.debugf("Connection established.")
			return conn, nil
		}
		if try >= c.o.ConnectionAttempts {
			return nil, err
		}
		c.log.debugf("Trying again...")
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// dialTCP tries each address of the host in turn.
func (c *connection) dialTCP(ctx context.Context) (net.Conn, error) {
	o := c.o
	addrs, err := c.lookup(ctx)
	if err != nil {
		return nil, err
	}
	d := net.Dialer{Timeout: o.ConnectTimeout}
	if !o.TCPKeepAlive {
		d.KeepAlive = -1
	}
	if o.BindAddress != "" {
		ip, err := net.ResolveIPAddr("ip", o.BindAddress)
		if err != nil {
			return nil, fmt.Errorf("getaddrinfo: %s: %w", config.Printable(o.BindAddress), err)
		}
		d.LocalAddr = &net.TCPAddr{IP: ip.IP, Zone: ip.Zone}
	}
	for _, addr := range addrs {
		c.log.debugf("Connecting to %s [%s] port %d.", o.HostName, addr, o.Port)
		var conn net.Conn
		if conn, err = d.DialContext(ctx, "tcp", netip.AddrPortFrom(addr, uint16(o.Port)).String()); err == nil {
			return conn, nil
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		c.log.debugf("connect to address %s port %d: %s", addr, o.Port, dialReason(err))
	}
	return nil, fmt.Errorf("ssh: connect to host %s port %d: %s", config.Printable(o.HostName), o.Port, dialReason(err))
}

func dialReason(err error) string {
	if e, ok := errors.AsType[net.Error](err); ok && e.Timeout() {
		return "Connection timed out"
	}
	return reason(err)
}

// lookup returns the addresses of the host of the families that are wanted.
func (c *connection) lookup(ctx context.Context) ([]netip.Addr, error) {
	family := map[string]string{"inet": "ip4", "inet6": "ip6"}[c.o.AddressFamily]
	if family == "" {
		family = "ip"
	}
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, family, c.o.HostName)
	if err == nil && len(addrs) == 0 {
		err = &net.DNSError{IsNotFound: true}
	}
	if err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		why := err.Error()
		if e, ok := errors.AsType[*net.DNSError](err); ok && e.IsNotFound {
			why = "Name or service not known"
		}
		return nil, fmt.Errorf("ssh: Could not resolve hostname %s: %s", config.Printable(c.o.HostName), why)
	}
	for i := range addrs {
		addrs[i] = addrs[i].Unmap()
	}
	return slices.Compact(addrs), nil
}

// maxJumps bounds a chain of hosts, which a configuration may close to a ring.
const maxJumps = 16

// jump connects through the hosts of ProxyJump, "[user@]host[:port]" or an
// ssh:// URI, several with commas between. The last is the nearest to ours.
func (c *connection) jump(ctx context.Context, depth int) (io.ReadWriteCloser, error) {
	if depth >= maxJumps {
		return nil, fmt.Errorf("jump loop via %s", config.Printable(c.o.ProxyJump))
	}
	before, last := "", c.o.ProxyJump
	if i := strings.LastIndexByte(last, ','); i >= 0 {
		before, last = last[:i], last[i+1:]
	}
	host, settings, err := parseJump(last)
	if err != nil {
		return nil, err
	}
	if before != "" {
		settings = append(settings, "ProxyJump="+before)
	}
	o, err := c.load(ctx, host, append(settings, "ClearAllForwardings=yes", "LogLevel="+c.o.LogLevel))
	if err != nil {
		return nil, err
	}
	c.log.debugf("Setting up ProxyJump via %s", last)
	via, err := c.connect(ctx, o, depth+1)
	if err != nil {
		return nil, err
	}
	conn, err := via.client.Dial(ctx, "tcp", net.JoinHostPort(c.o.HostName, strconv.Itoa(c.o.Port)))
	if err != nil {
		via.client.Close()
		return nil, via.report(err)
	}
	return &jumpConn{conn, via.client}, nil
}

func parseJump(s string) (host string, settings []string, err error) {
	bad := fmt.Errorf("Invalid -J argument %s", config.Printable(s)) //nolint:staticcheck // OpenSSH's words
	s = strings.TrimSuffix(strings.TrimPrefix(s, "ssh://"), "/")
	if i := strings.LastIndexByte(s, '@'); i >= 0 {
		if i == 0 {
			return "", nil, bad
		}
		settings = append(settings, "User="+strconv.Quote(s[:i]))
		s = s[i+1:]
	}
	host, port, err := config.SplitHostPort(s)
	if err != nil || host == "" || port == 0 || strings.HasPrefix(host, "-") {
		return "", nil, bad
	}
	if port > 0 {
		settings = append(settings, fmt.Sprintf("Port=%d", port))
	}
	return host, settings, nil
}

// A jumpConn ends the login that it leads over when it is closed.
type jumpConn struct {
	net.Conn
	via *ssh.Client
}

func (j *jumpConn) Close() error { return errors.Join(j.Conn.Close(), ignoreClosed(j.via.Close())) }

func ignoreClosed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}
