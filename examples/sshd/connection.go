package main

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/fairlead-go/ssh"
	"github.com/fairlead-go/ssh/auth"
	"github.com/fairlead-go/ssh/examples/internal/account"
	"github.com/fairlead-go/ssh/examples/internal/serverconfig"
	"github.com/fairlead-go/ssh/keys"
	"github.com/fairlead-go/ssh/transport"
)

// A connection is one client's. Its fields are written by the goroutine that
// logs the user in, and only read afterwards.
type connection struct {
	*settings
	remote, local netip.AddrPort // zero: it is not TCP's
	host          string         // the client's name, "" unless UseDNS has found and verified it
	loggedIn      func() error   // told once that the user has logged in; may be nil

	opts    *serverconfig.Options // of the addresses, and of the user once that is known
	name    string                // what the client wants to log in as
	known   bool                  // name has been looked up
	invalid bool                  // there is no such user
	account *account.User         // nil: nobody, or nobody who may log in
	methods []string              // required, of AuthenticationMethods: what is left of each list
	tries   int                   // attempts that were refused

	lastKey  keys.PublicKey // of the last attempt by publickey
	done     atomic.Bool    // the user has logged in
	authInfo string         // the file of SSH_USER_AUTH

	grace *time.Timer // ends the connection where the user does not log in
	stop  context.CancelCauseFunc

	cleanMu sync.Mutex
	clean   []func() // when the connection has ended
}

// errGrace: LoginGraceTime is over.
var errGrace = errors.New("timeout before authentication")

// serveConn serves one connection and returns the exit status.
func (s *settings) serveConn(conn io.ReadWriteCloser, loggedIn func() error) int {
	c := &connection{settings: s, loggedIn: loggedIn}
	if nc, ok := conn.(net.Conn); ok {
		c.remote, c.local = endpointOf(nc.RemoteAddr()), endpointOf(nc.LocalAddr())
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetKeepAlive(s.opts.TCPKeepAlive)
	}
	c.opts = s.opts
	c.host = c.clientName()
	opts, err := s.file.For(c.match())
	if err != nil {
		s.log.fatalf("%v", err)
		conn.Close()
		return exitFatal
	}
	c.setOptions(opts)
	c.log.verbosef("Connection from %s on %s port %d", c.peer(), address(c.local), port(c.local))
	server, err := c.server()
	if err != nil {
		s.log.fatalf("%v", err)
		conn.Close()
		return exitFatal
	}
	ctx, stop := context.WithCancelCause(context.Background())
	defer stop(nil)
	c.stop = stop
	if t := c.opts.LoginGraceTime; t > 0 {
		c.grace = time.AfterFunc(t, func() { stop(errGrace) })
	}
	return c.ended(server.ServeConn(ctx, conn))
}

// server returns the library's server for this one connection, so that all of
// it can follow the connection's own options.
func (c *connection) server() (*ssh.Server, error) {
	o := c.opts
	a, _, err := chooseAlgorithms(o)
	if err != nil {
		return nil, err
	}
	hostKeys := narrow(c.hostKeys, a.hostKey)
	if len(hostKeys) == 0 {
		return nil, errors.New("no host key is of an algorithm in HostKeyAlgorithms")
	}
	cfg, err := c.authConfig(a.publicKey)
	if err != nil {
		return nil, err
	}
	server := &ssh.Server{
		HostKeys:   hostKeys,
		Moduli:     c.moduli(a.kex),
		Auth:       cfg,
		Handler:    ssh.HandlerFunc(c.serveSession),
		Subsystems: make(map[string]ssh.Handler),
		AllowPTY:   true, // a login's permissions say otherwise
		AllowEnv:   func(name, _ string) bool { return c.opts.AcceptsEnv(name) },
		Forward:    c.forwardConfig(),
		KeepAlive:  ssh.KeepAlive{Interval: o.ClientAliveInterval, Count: o.ClientAliveCountMax},
		OnConnect:  c.connected,
		Logger:     c.log.slog(),
		Transport: transport.Config{
			KeyExchanges:     a.kex,
			Ciphers:          a.ciphers,
			MACs:             a.macs,
			Compression:      compression(o),
			LegacyAlgorithms: transport.LegacyAlgorithms(), // the lists are whole, so only those in them
			RekeyBytes:       o.RekeyLimit.Bytes,
			RekeyInterval:    o.RekeyLimit.Interval,
			HandshakeTimeout: -1, // LoginGraceTime bounds it
			SoftwareVersion:  softwareVersion(o),
			Logger:           c.log.slog(),
		},
	}
	for _, sub := range o.Subsystem {
		server.Subsystems[sub.Name] = server.Handler
	}
	if o.ClientAliveInterval == 0 || o.ClientAliveCountMax == 0 {
		server.KeepAlive.Interval = -1
	}
	if o.RekeyLimit.Interval == 0 {
		server.Transport.RekeyInterval = -1
	}
	return server, nil
}

func softwareVersion(o *serverconfig.Options) string {
	v := transport.DefaultSoftwareVersion
	if o.VersionAddendum != "" {
		v += " " + o.VersionAddendum
	}
	return v
}

// connected is called when the user has logged in.
func (c *connection) connected(conn *ssh.ServerConn) error {
	if c.grace != nil && !c.grace.Stop() {
		return errGrace
	}
	if c.loggedIn != nil {
		_ = c.loggedIn()
	}
	sessions := c.opts.MaxSessions
	if sessions == 0 {
		sessions = -1 // none, where the library takes 0 for its default
	}
	conn.SetMaxSessions(sessions)
	return c.exposeAuthInfo(conn)
}

// match is what Match blocks are asked about.
func (c *connection) match() *serverconfig.Conn {
	return &serverconfig.Conn{
		User: c.name, Invalid: c.invalid, Host: c.host,
		Address: c.remote.Addr(), Local: c.local.Addr(), LocalPort: int(c.local.Port()),
	}
}

func (c *connection) setOptions(o *serverconfig.Options) {
	c.opts = o
	c.log.setLevel(parseLevel(o.LogLevel))
}

// atEnd has f called when the connection has ended.
func (c *connection) atEnd(f func()) {
	c.cleanMu.Lock()
	defer c.cleanMu.Unlock()
	c.clean = append(c.clean, f)
}

func (c *connection) peer() string { return address(c.remote) + " port " + portText(c.remote) }

// authConfig is how the user can log in.
func (c *connection) authConfig(publicKeyAlgorithms []string) (auth.ServerConfig, error) {
	o := c.opts
	banner, err := readBanner(o)
	if err != nil {
		c.log.errorf("Banner: %v", err)
	}
	cfg := auth.ServerConfig{
		Banner:       banner,
		MaxAuthTries: o.MaxAuthTries,
		Timeout:      -1, // LoginGraceTime bounds it
		Verified:     c.verified,
		Log:          c.logAttempt,
	}
	// Where a Match block may allow a method for some users, it is offered to
	// all, and refused to those whom it is not for.
	some := c.file.HasMatch()
	if some || o.PubkeyAuthentication {
		cfg.PublicKey = c.publicKey
		cfg.Certificate = c.certificate
		cfg.PublicKeyAlgorithms = publicKeyAlgorithms
		if some {
			cfg.PublicKeyAlgorithms = supportedKeyAlgorithms()
		}
		cfg.CASignatureAlgorithms = keys.SupportedAlgorithms() // acceptable knows which
	}
	if some || o.PasswordAuthentication {
		cfg.Password = c.password
	}
	if some || o.KbdInteractiveAuthentication {
		cfg.KeyboardInteractive = c.keyboardInteractive
	}
	if some || o.PermitEmptyPasswords {
		cfg.None = c.none
	}
	if cfg.PublicKey == nil && cfg.Password == nil && cfg.KeyboardInteractive == nil {
		return cfg, errors.New("no authentication methods enabled")
	}
	return cfg, nil
}

// serveInetd serves the connection on standard input and output.
func (s *settings) serveInetd() int {
	if err := s.loadHostKeys(); err != nil {
		s.log.fatalf("%v", err)
		return exitError
	}
	conn, err := net.FileConn(os.Stdin)
	if err == nil {
		if _, ok := conn.(*net.TCPConn); ok {
			return s.serveConn(conn, nil)
		}
		conn.Close()
	}
	p, err := newPipes()
	if err != nil {
		s.log.fatalf("%v", err)
		return exitFatal
	}
	return s.serveConn(p, nil)
}

// pipes are standard input and output as one connection.
type pipes struct{ in, out *os.File }

// newPipes makes reads end when the connection is closed, which takes
// descriptors that do not block.
func newPipes() (*pipes, error) {
	var files [2]*os.File
	for i, f := range []*os.File{os.Stdin, os.Stdout} {
		fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 3)
		if err == nil {
			err = unix.SetNonblock(fd, true)
		}
		if err != nil {
			return nil, err
		}
		files[i] = os.NewFile(uintptr(fd), f.Name())
		f.Close()
	}
	return &pipes{files[0], files[1]}, nil
}

func (p *pipes) Read(b []byte) (int, error)  { return p.in.Read(b) }
func (p *pipes) Write(b []byte) (int, error) { return p.out.Write(b) }
func (p *pipes) Close() error                { return errors.Join(p.in.Close(), p.out.Close()) }
