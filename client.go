package ssh

import (
	"context"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/fairlead-go/ssh/auth"
	"github.com/fairlead-go/ssh/channel"
	"github.com/fairlead-go/ssh/transport"
)

// ClientConfig says who logs in where, and whom it trusts to be there.
type ClientConfig struct {
	// User is the name to log in with. Required.
	User string

	// Auth are the ways to prove it, most wanted first: auth.PublicKeys,
	// auth.Password and so on. Without any, only a server that lets everybody
	// in will do.
	Auth []auth.Method

	// VerifyHostKey decides whether the server is the right one, for example
	// knownhosts.DB's Verify. Required; transport.InsecureAcceptAnyHostKey
	// trusts every attacker.
	VerifyHostKey transport.HostKeyVerifier

	// HostKeyAlgorithms are the algorithms that the server may prove itself
	// with, preferred first. nil means transport.HostKeyAlgorithms. A
	// knownhosts.DB knows which come first for a host.
	HostKeyAlgorithms []string

	// GuessKeyExchange saves a round trip with some servers, and does not work
	// with a few. See transport.ClientConfig.
	GuessKeyExchange bool

	// Banner, where set, is given each text that the server wants shown to
	// the user before login (RFC 4252 section 5.4). It is the server's text:
	// escape it before a terminal gets it.
	Banner func(message string)

	// ChangePassword, where set, is asked for a new password when the server
	// requires one. See auth.ClientConfig.
	ChangePassword func(ctx context.Context, change *auth.PasswordChange) (string, error)

	// ReplyTimeout bounds each wait for the server during authentication.
	// See auth.ClientConfig.
	ReplyTimeout time.Duration

	// KeepAlive notices a server that has vanished.
	KeepAlive KeepAlive

	// ChannelHandlers serve channels that the server opens, by their type:
	// for forwarded agents, X11 and the like. Each call has a goroutine of its
	// own, and must accept or reject. Types that are not here are refused;
	// forwarded-tcpip belongs to Listen.
	ChannelHandlers map[string]func(ctx context.Context, nc *channel.NewChannel)

	Transport transport.Config
	Channels  channel.Config
}

// A Client is a connection to a server, logged in. Its methods may be called
// from any goroutine.
type Client struct {
	conn     *transport.Conn
	mux      *channel.Mux
	forwards *channel.RemoteForwards
	login    *auth.ClientResult
	cfg      *ClientConfig
	ended    chan struct{} // closed when all of the connection's goroutines have ended
	err      error         // valid then
}

// Dial connects to the server at addr, "host:port", and logs in. The network and
// address are those of net.Dial; for TCP a missing port is 22. ctx bounds all of
// it, questions to the user included; it means nothing to the Client that is
// returned.
//
// The error is a *transport.HostKeyError when the server is not the right one,
// a *transport.NegotiationError when there is no common algorithm, an
// *auth.Error when the user was not let in.
func Dial(ctx context.Context, network, addr string, cfg *ClientConfig) (*Client, error) {
	if strings.HasPrefix(network, "tcp") {
		addr = withPort(addr)
	}
	var d net.Dialer
	conn, err := d.DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	return NewClient(ctx, conn, addr, cfg)
}

const defaultPort = "22"

func withPort(addr string) string {
	if _, _, err := net.SplitHostPort(addr); err == nil {
		return addr
	}
	if len(addr) > 2 && addr[0] == '[' && addr[len(addr)-1] == ']' {
		addr = addr[1 : len(addr)-1]
	}
	return net.JoinHostPort(addr, defaultPort)
}

// NewClient logs in over a connection that exists: that of a proxy, of another
// Client's Dial, of a program's standard input and output. addr is the
// "host:port" that VerifyHostKey is asked about. NewClient takes conn over and
// closes it, on failure too.
func NewClient(ctx context.Context, conn io.ReadWriteCloser, addr string, cfg *ClientConfig) (*Client, error) {
	var own ClientConfig // what the caller changes later means nothing
	if cfg != nil {
		own = *cfg
	}
	cfg = &own
	if err := cfg.Channels.Validate(); err != nil {
		conn.Close()
		return nil, err
	}
	tc, err := transport.Client(ctx, conn, &transport.ClientConfig{
		Config:            cfg.Transport,
		Address:           addr,
		VerifyHostKey:     cfg.VerifyHostKey,
		HostKeyAlgorithms: cfg.HostKeyAlgorithms,
		GuessKeyExchange:  cfg.GuessKeyExchange,
	})
	if err != nil {
		return nil, err
	}
	login, err := auth.Client(ctx, tc, session(tc), &auth.ClientConfig{
		User:           cfg.User,
		Methods:        cfg.Auth,
		Banner:         cfg.Banner,
		ChangePassword: cfg.ChangePassword,
		ReplyTimeout:   cfg.ReplyTimeout,

		LegacyAlgorithms: cfg.Transport.LegacyAlgorithms.Signatures,
	})
	if err != nil {
		tc.Fail(err)
		tc.Close()
		return nil, err
	}
	tc.SetAuthenticated()
	c := &Client{conn: tc, login: login, cfg: cfg, ended: make(chan struct{})}
	cfg.Channels.HandleOpen = c.handleOpen
	c.mux = channel.New(tc, cfg.Channels)
	c.forwards = channel.NewRemoteForwards(c.mux)
	go c.run()
	return c, nil
}

// session tells the authentication layer about the transport.
func session(tc *transport.Conn) *auth.Session {
	s := tc.State()
	return &auth.Session{
		ID:            tc.SessionID(),
		HostKey:       s.HostKey.Marshal(),
		ServerSigAlgs: tc.ServerSigAlgs,
		LocalAddr:     tc.LocalAddr(),
		RemoteAddr:    tc.RemoteAddr(),
		ClientVersion: s.ClientVersion,
		ServerVersion: s.ServerVersion,
	}
}

// run carries the connection until it ends.
func (c *Client) run() {
	defer close(c.ended)
	keep := c.cfg.KeepAlive.start(c.conn, c.mux)
	c.err = c.mux.Run()
	keep.stop()
	c.conn.Close()
}

// handleOpen serves a channel that the server opens. It never waits.
func (c *Client) handleOpen(nc *channel.NewChannel) {
	if c.forwards.HandleChannel(nc) {
		return
	}
	if h := c.cfg.ChannelHandlers[nc.Type()]; h != nil {
		go h(c.mux.Context(), nc)
		return
	}
	nc.Reject(channel.UnknownChannelType, "not offered")
}

// Command returns a Cmd that runs a command line in the user's shell at the
// server.
func (c *Client) Command(command string) *Cmd {
	return &Cmd{client: c, start: channel.Start{Kind: channel.StartExec, Command: command}}
}

// Shell returns a Cmd that runs the user's login shell at the server.
func (c *Client) Shell() *Cmd {
	return &Cmd{client: c, start: channel.Start{Kind: channel.StartShell}}
}

// Subsystem returns a Cmd that runs a subsystem, such as "sftp", at the server.
func (c *Client) Subsystem(name string) *Cmd {
	return &Cmd{client: c, start: channel.Start{Kind: channel.StartSubsystem, Subsystem: name}}
}

// OpenSession opens a session in which nothing runs yet, for programs that have
// more to ask for than a Cmd does, such as a forwarded agent.
func (c *Client) OpenSession(ctx context.Context) (*channel.Session, error) {
	return channel.OpenSession(ctx, c.mux)
}

// Dial connects from the server to addr, "host:port", where the host is one
// that the server knows. The network is "tcp". The method fits
// http.Transport's DialContext. A refusal is a *channel.OpenError.
func (c *Client) Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	host, port, err := splitTCP(network, addr)
	if err != nil {
		return nil, err
	}
	conn, err := channel.DialTCP(ctx, c.mux, host, port, nil)
	if err != nil {
		return nil, &net.OpError{Op: "dial", Net: network, Addr: channel.Addr{Net: network, Address: addr}, Err: err}
	}
	return conn, nil
}

// Listen listens at the server, on addr, "host:port". The network is "tcp".
// Host "" is every address of the server, though servers often allow only
// their loopback; port 0 lets the server choose, and the listener's Addr then
// has its choice.
func (c *Client) Listen(ctx context.Context, network, addr string) (net.Listener, error) {
	host, port, err := splitTCP(network, addr)
	if err != nil {
		return nil, err
	}
	l, err := c.forwards.ListenTCP(ctx, host, port)
	if err != nil {
		return nil, &net.OpError{Op: "listen", Net: network, Addr: channel.Addr{Net: network, Address: addr}, Err: err}
	}
	return l, nil
}

func splitTCP(network, addr string) (host string, port uint32, err error) {
	if network != "tcp" && network != "tcp4" && network != "tcp6" {
		return "", 0, net.UnknownNetworkError(network)
	}
	host, p, err := net.SplitHostPort(addr)
	if err != nil {
		return "", 0, err
	}
	n, err := strconv.ParseUint(p, 10, 16)
	if err != nil {
		return "", 0, &net.AddrError{Err: "port is not a number from 0 to 65535", Addr: addr}
	}
	return host, uint32(n), nil
}

// OpenChannel opens a channel of any type, with the data that its type asks
// for.
func (c *Client) OpenChannel(ctx context.Context, channelType string, extra []byte, o channel.OpenOptions) (*channel.Channel, error) {
	return c.mux.Open(ctx, channelType, extra, o)
}

// SendRequest sends a global request and, if wantReply, waits for the answer.
func (c *Client) SendRequest(ctx context.Context, name string, wantReply bool, payload []byte) (ok bool, answer []byte, err error) {
	return c.mux.SendRequest(ctx, name, wantReply, payload)
}

// ConnState tells what was negotiated, and counters.
func (c *Client) ConnState() transport.State { return c.conn.State() }

// Login tells how the user was let in.
func (c *Client) Login() auth.ClientResult { return *c.login }

// LocalAddr returns our address, nil where the connection has none.
func (c *Client) LocalAddr() net.Addr { return c.conn.LocalAddr() }

// RemoteAddr returns the server's address, nil where the connection has none.
func (c *Client) RemoteAddr() net.Addr { return c.conn.RemoteAddr() }

// Rekey exchanges keys now, as happens by itself according to
// Transport.RekeyBytes and the like.
func (c *Client) Rekey(ctx context.Context) error {
	c.mux.WillWait()
	return c.conn.Rekey(ctx)
}

// Ping measures a round trip to the server.
func (c *Client) Ping(ctx context.Context) (time.Duration, error) {
	c.mux.WillWait()
	d, err := c.conn.Ping(ctx)
	if err != transport.ErrPingUnsupported {
		return d, err
	}
	start := time.Now()
	if _, _, err := c.mux.SendRequest(ctx, keepAliveRequest, true, nil); err != nil {
		return 0, err
	}
	return time.Since(start), nil
}

// Done is closed when the connection has ended.
func (c *Client) Done() <-chan struct{} { return c.mux.Done() }

// Wait waits until the connection has ended and returns why: after Close, an
// error that is net.ErrClosed.
func (c *Client) Wait() error {
	<-c.ended
	return c.err
}

// Close ends the connection and everything on it. It returns when all of its
// goroutines have ended; nil unless the connection had failed before.
func (c *Client) Close() error {
	closeConn := c.conn.Close
	if c.mux.Idle() {
		closeConn = c.conn.CloseIdle
	}
	err := closeConn()
	<-c.ended
	if err != nil {
		return fmt.Errorf("ssh: %w", err)
	}
	return nil
}
