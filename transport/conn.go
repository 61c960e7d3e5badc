package transport

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fairlead-go/ssh/kex"
	"github.com/fairlead-go/ssh/keys"
	"github.com/fairlead-go/ssh/wire"
)

// A Conn is one SSH connection, from the first key exchange on. It is a
// wire.PacketConn for the layers over it.
//
// Two goroutines carry it: the one that calls ReadPacket and one of its own
// that writes. Both end with the connection.
//
// Locks: mu is a leaf. Nothing that can wait, no callback but a trace hook and
// no other lock is reached while it is held.
type Conn struct {
	rwc      io.ReadWriteCloser
	settings *settings
	role     kex.Role

	ctx     context.Context // ends with the connection
	cancel  context.CancelFunc
	dead    chan struct{} // closed once err is set
	flushed chan struct{} // closed by the flusher once rwc is closed
	closing sync.Once     // closes rwc

	in incoming // the reader's own

	// The reader's own: what a key exchange is made of.
	kx            *keyExchange // the exchange under way, once the peer's KEXINIT came
	hostKey       keys.PublicKey
	hostKeyBlob   []byte // the first exchange's: the same ever after
	strict        bool
	keyed         bool // the first NEWKEYS of the peer's came: what it sends is protected
	authenticated bool
	useless       int // ignorable messages in a row

	clientVersion, serverVersion string
	sessionID                    []byte // set once, by the first exchange

	sent, received counters

	mu        sync.Mutex
	out       outgoing // mu, but for the flusher's own
	err       error    // mu: the first cause of the end
	rekeying  bool     // mu: our KEXINIT is sent and our NEWKEYS is not: only kex messages may go
	exchange  *ourExchange
	mayRekey  bool              // mu: authenticated, so rekeying may begin here
	interval  *time.Timer       // mu: RekeyInterval
	linger    *time.Timer       // mu: closes rwc some time after the end
	state     State             // mu
	peerExt   map[string][]byte // mu: what EXT_INFO said
	pings     []ping            // mu: unanswered, oldest first
	handshake *pausableTimer
}

type counters struct{ bytes, packets atomic.Uint64 }

// Client exchanges keys over rwc in the client's role and returns the
// connection once the server has proven its host key and cfg.VerifyHostKey has
// accepted it. It takes rwc over and closes it, on failure too. When ctx ends
// before that, the connection does; afterwards ctx means nothing to it.
func Client(ctx context.Context, rwc io.ReadWriteCloser, cfg *ClientConfig) (*Conn, error) {
	s, err := cfg.settings()
	return start(ctx, rwc, s, err, kex.Client)
}

// Server exchanges keys over rwc in the server's role. It takes rwc over and
// closes it, on failure too. When ctx ends before keys are agreed on, the
// connection does; afterwards ctx means nothing to it.
func Server(ctx context.Context, rwc io.ReadWriteCloser, cfg *ServerConfig) (*Conn, error) {
	s, err := cfg.settings()
	return start(ctx, rwc, s, err, kex.Server)
}

func start(ctx context.Context, rwc io.ReadWriteCloser, s *settings, err error, role kex.Role) (*Conn, error) {
	if err != nil {
		rwc.Close()
		return nil, err
	}
	c := newConn(rwc, s, role)
	go c.flusher()
	stop := context.AfterFunc(ctx, func() {
		c.Fail(fmt.Errorf("transport: handshake: %w", context.Cause(ctx)))
	})
	defer stop()
	if err := c.shakeHands(ctx); err != nil {
		c.Fail(err)
	}
	stop()
	if err := c.Err(); err != nil {
		<-c.flushed
		putBigBuffer(c.in.buf)
		return nil, err
	}
	return c, nil
}

func newConn(rwc io.ReadWriteCloser, s *settings, role kex.Role) *Conn {
	none := noneCipher{}
	c := &Conn{
		rwc:      rwc,
		settings: s,
		role:     role,
		dead:     make(chan struct{}),
		flushed:  make(chan struct{}),
		in:       incoming{cipher: none, geo: none.geometry(), buf: make([]byte, smallBuffer)},
		out: outgoing{
			cipher: none, geo: none.geometry(),
			wake: make(chan struct{}, 1), room: make(chan struct{}, 1),
		},
	}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	return c
}

// shakeHands exchanges identifications and the first keys.
func (c *Conn) shakeHands(ctx context.Context) error {
	c.handshake = startTimer(c.settings.HandshakeTimeout, func() {
		c.Fail(&TimeoutError{Wait: "the handshake did not finish"})
	})
	defer c.handshake.stop()

	ours := versionPrefix + c.settings.SoftwareVersion
	c.mu.Lock()
	c.out.grow(len(ours) + 2)
	copy(c.out.pending, ours+"\r\n")
	c.mu.Unlock()
	notify(c.out.wake)

	theirs, err := c.readVersion()
	if err != nil {
		c.refuseVersion(err)
		return err
	}
	c.clientVersion, c.serverVersion = ours, theirs
	if c.role == kex.Server {
		c.clientVersion, c.serverVersion = theirs, ours
	}
	c.log("identified", "client", c.clientVersion, "server", c.serverVersion)

	c.mu.Lock()
	c.startKexLocked()
	c.mu.Unlock()
	notify(c.out.wake)
	for !c.keyed {
		payload, err := c.next()
		if err != nil {
			return err
		}
		deliver, err := c.dispatch(payload)
		if err != nil {
			return err
		}
		if deliver {
			return protocolErrorf("message %d before the first keys", payload[0])
		}
	}
	return nil
}

// refuseVersion tells a client that is not one of SSH 2.0 so, in a line of
// plain text, as it can read nothing else.
func (c *Conn) refuseVersion(err error) {
	e, ok := err.(*VersionError)
	if !ok || c.role != kex.Server {
		return
	}
	line := "Invalid SSH identification string.\r\n"
	if isVersion([]byte(e.Line)) == yes {
		line = "Protocol major versions differ.\r\n"
	}
	c.mu.Lock()
	start := len(c.out.pending)
	c.out.grow(len(line))
	copy(c.out.pending[start:], line)
	c.mu.Unlock()
}

// SetAuthenticated tells the transport that the user has logged in: messages
// of the connection protocol may come from now on, keys may be exchanged
// again, and the bounds on what an unknown peer may send no longer hold.
// Only the goroutine that reads may call it.
func (c *Conn) SetAuthenticated() {
	c.authenticated = true
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return
	}
	c.mayRekey = true
	c.resetIntervalLocked()
}

// lingerTimeout bounds how long the end of a connection may take: sending what
// is pending and our reason, and the peer's taking of it.
const lingerTimeout = 2 * time.Second

// Fail ends the connection because of cause, of which the peer is told in an
// SSH_MSG_DISCONNECT where that is of use to it: the text of a
// wire.ProtocolError or DisconnectError, and no other error's. It does not
// wait; Done and Close do.
func (c *Conn) Fail(cause error) {
	c.mu.Lock()
	if c.err != nil {
		c.mu.Unlock()
		return
	}
	c.err = cause
	if reason, message, tell := farewell(cause); tell && c.clientVersion != "" {
		c.seal(appendDisconnect(nil, reason, message), nil)
	}
	if c.interval != nil {
		c.interval.Stop()
	}
	if c.exchange != nil {
		c.exchange.end()
	}
	// The flusher closes rwc, but it may be stuck in a write.
	var linger time.Duration = lingerTimeout
	if gone(cause) {
		linger = 0
	}
	c.linger = time.AfterFunc(linger, c.closeNow)
	close(c.dead)
	c.mu.Unlock()
	c.cancel()
	c.log("ended", "cause", cause)
}

// closeNow closes the connection underneath.
func (c *Conn) closeNow() { c.closing.Do(func() { c.rwc.Close() }) }

// Close ends the connection: what has been written is sent first, as far as
// the peer takes it within two seconds. It returns nil where the connection
// was alive, else what ended it.
func (c *Conn) Close() error {
	return c.Disconnect(wire.DisconnectByApplication, "")
}

// Disconnect is Close with a reason of its own (RFC 4253 section 11.1).
func (c *Conn) Disconnect(reason uint32, message string) error {
	e := &DisconnectError{Reason: reason, Message: message}
	c.Fail(e)
	<-c.flushed
	if err := c.Err(); err != error(e) {
		return err
	}
	return nil
}

// Done is closed when the connection has ended; Err then says why.
func (c *Conn) Done() <-chan struct{} { return c.dead }

// Err returns what ended the connection, or nil while it lives.
func (c *Conn) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// SessionID returns the session identifier: the first exchange hash (RFC 4253
// section 7.2). The caller must not change it.
func (c *Conn) SessionID() []byte { return c.sessionID }

// LocalAddr returns the address of our end, nil where the connection
// underneath has none.
func (c *Conn) LocalAddr() net.Addr {
	if nc, ok := c.rwc.(interface{ LocalAddr() net.Addr }); ok {
		return nc.LocalAddr()
	}
	return nil
}

// RemoteAddr returns the address of the peer's end, nil where the connection
// underneath has none.
func (c *Conn) RemoteAddr() net.Addr {
	if nc, ok := c.rwc.(interface{ RemoteAddr() net.Addr }); ok {
		return nc.RemoteAddr()
	}
	return nil
}

func (c *Conn) log(msg string, args ...any) {
	if c.settings.Logger != nil {
		c.settings.Logger.Log(context.Background(), slog.LevelDebug, "ssh transport: "+msg, args...)
	}
}

// A pausableTimer calls a function after a time, less its pauses. The zero
// timer never does.
type pausableTimer struct {
	t     *time.Timer
	after time.Duration
}

func startTimer(after time.Duration, f func()) *pausableTimer {
	p := &pausableTimer{after: after}
	if after > 0 {
		p.t = time.AfterFunc(after, f)
	}
	return p
}

func (p *pausableTimer) stop() {
	if p.t != nil {
		p.t.Stop()
	}
}

// restart begins the whole time anew.
func (p *pausableTimer) restart() {
	if p.t != nil {
		p.t.Reset(p.after)
	}
}
