package transport

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fairlead-go/ssh/kex"
	"github.com/fairlead-go/ssh/keys"
	"github.com/fairlead-go/ssh/transport/internal/inflate"
	"github.com/fairlead-go/ssh/wire"
)

// A Conn is one SSH connection, from the first key exchange on. It is a
// wire.PacketConn for the layers over it.
//
// The goroutine that calls ReadPacket carries it, and one of its own writes while
// there is something that may have to wait. Both end with the connection.
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
	flushed chan struct{} // closed by finish once rwc is closed
	closing sync.Once     // closes rwc

	in incoming // the reader's own

	// The reader's own: what a key exchange is made of.
	offer         *kex.Offer   // a client's, for the first exchange
	kx            *keyExchange // the exchange under way, once the peer's KEXINIT came
	hostKey       keys.PublicKey
	hostKeyBlob   []byte // the first exchange's: the same ever after
	strict        bool
	keyed         bool // the first NEWKEYS of the peer's came: what it sends is protected
	authenticated bool
	useless       int // ignorable messages in a row
	// preAuthExchanges counts the peer's KEXINITs before authentication.
	preAuthExchanges int

	clientVersion, serverVersion string // set once, by the reader under mu
	sessionID                    []byte // set once, by the first exchange under mu

	sent, received counters

	mu        sync.Mutex
	out       outgoing // mu, but for what belongs to who writes
	err       error    // mu: the first cause of the end
	rekeying  bool     // mu: our KEXINIT is sent and our NEWKEYS is not: only kex messages may go
	exchange  *ourExchange
	mayRekey  bool              // mu: authenticated, so rekeying may begin here
	interval  *time.Timer       // mu: RekeyInterval
	linger    *time.Timer       // mu: closes rwc some time after the end; nil where finish does so at once
	brief     bool              // mu: the end does not wait for the peer
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
	stop := context.AfterFunc(ctx, func() {
		c.Fail(&givenUpError{context.Cause(ctx)})
	})
	err = c.shakeHands()
	if !stop() && err == nil { // ctx ended just now: Fail is called or will be
		err = &givenUpError{context.Cause(ctx)}
	}
	if err != nil {
		c.Fail(err)
	}
	if err := c.Err(); err != nil {
		<-c.flushed
		putBuffer(c.in.buf)
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
		in:       incoming{cipher: none, geo: none.geometry(), socket: newSocketReader(rwc)},
		out: outgoing{
			cipher: none, geo: none.geometry(),
			room: make(chan struct{}, 1), socket: newSocket(rwc), heard: heardNothing,
		},
	}
	c.out.flusher, c.out.starter = c.runFlusher, c.startFlusher
	c.ctx, c.cancel = context.WithCancel(context.Background())
	return c
}

// shakeHands exchanges identifications and the first keys.
func (c *Conn) shakeHands() error {
	timeout := &TimeoutError{Wait: "the handshake did not finish"}
	c.handshake = startTimer(c.settings.HandshakeTimeout, func() { c.Fail(timeout) })
	defer c.handshake.stop()
	// Whatever is to be sent goes before we wait, all of it at once.
	c.in.beforeWait = c.flushCollected
	defer func() {
		c.in.beforeWait = nil
		c.mu.Lock()
		c.out.collect = false
		c.flushAndUnlock(true)
	}()

	ours := versionPrefix + c.settings.SoftwareVersion
	c.mu.Lock()
	c.out.collect = true
	c.out.grow(len(ours) + 2)
	copy(c.out.pending, ours+"\r\n")
	if c.role == kex.Client {
		// RFC 4253 section 4.2: key exchange begins right after this. A server
		// waits for what its client says: not all that connects is one.
		c.startKexLocked()
	}
	c.mu.Unlock()
	if err := c.makeOffer(); err != nil {
		return err
	}
	theirs, err := c.readVersion()
	if err != nil {
		c.refuseVersion(err)
		return err
	}
	c.mu.Lock()
	c.clientVersion, c.serverVersion = ours, theirs
	if c.role == kex.Server {
		c.clientVersion, c.serverVersion = theirs, ours
	}
	c.mu.Unlock()
	c.log("identified", "client", c.clientVersion, "server", c.serverVersion)

	c.mu.Lock()
	c.startKexLocked()
	c.flushAndUnlock(true)
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
	if !c.handshake.stop() {
		return timeout
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
	line := "This is an SSH server, and that was no SSH identification.\r\n"
	if e.Why == otherVersion {
		line = "This server speaks version 2.0 of the SSH protocol only.\r\n"
	}
	c.mu.Lock()
	start := len(c.out.pending)
	c.out.grow(len(line))
	copy(c.out.pending[start:], line)
	c.mu.Unlock()
}

// SetAuthenticated tells the transport that the user has logged in: messages
// of the connection protocol may come from now on, keys may be exchanged
// again, zlib@openssh.com begins, and the bounds on what an unknown peer may
// send no longer hold. Only the goroutine that reads may call it, right after
// SSH_MSG_USERAUTH_SUCCESS and before anything else is sent or read.
func (c *Conn) SetAuthenticated() {
	c.authenticated = true
	if c.in.compression == compressionDelayed {
		c.in.inflate = new(inflate.Decoder)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return
	}
	c.mayRekey = true
	if c.out.compression == compressionDelayed {
		c.deflateLocked(true)
	}
	c.resetIntervalLocked()
}

const (
	// lingerTimeout bounds how long the end of a connection may take: sending
	// what is pending and our reason, and the peer's taking of it.
	lingerTimeout = 2 * time.Second
	// shortLinger is the same where somebody waits for a handshake to be
	// given up: Client and Server return after it.
	shortLinger = 100 * time.Millisecond
)

// Fail ends the connection because of cause, of which the peer is told in an
// SSH_MSG_DISCONNECT where that is of use to it: the text of a
// wire.ProtocolError or DisconnectError, and no other error's. A nil cause is
// that of Close. It does not wait; Done and Close do.
func (c *Conn) Fail(cause error) {
	if cause == nil {
		cause = &DisconnectError{Reason: wire.DisconnectByApplication}
	}
	first, finish := c.end(cause, false)
	if finish {
		go c.finish()
	}
	if first {
		c.log("ended", "cause", cause)
	}
}

// end ends the connection. It reports whether nothing else has before, and whether
// the caller is to call finish, before anything of the user's. A brief end does not
// wait for the peer.
func (c *Conn) end(cause error, brief bool) (first, finish bool) {
	c.mu.Lock()
	if c.err != nil {
		c.mu.Unlock()
		return false, false
	}
	c.err, c.brief = cause, brief
	if reason, message, tell := farewell(cause); tell && c.clientVersion != "" {
		c.seal(appendDisconnect(nil, reason, message), nil)
	}
	c.out.deflate.drop()
	if c.interval != nil {
		c.interval.Stop()
	}
	if c.exchange != nil {
		c.exchange.end()
	}
	// finish closes rwc, but whoever comes to it may be stuck in a write.
	linger := lingerTimeout
	switch {
	case halfClosed(cause):
		linger = shortLinger
	case gone(cause):
		linger = 0
	case givenUp(cause), c.state.KeyExchanges == 0 && errors.Is(cause, os.ErrDeadlineExceeded):
		linger = shortLinger
	}
	close(c.dead)
	finish = !c.out.writing // else whoever writes does it
	if linger > 0 || !finish {
		c.linger = time.AfterFunc(linger, c.closeNow)
	}
	c.out.writing = true
	c.mu.Unlock()
	c.cancel()
	return true, finish
}

// closeNow closes the connection underneath.
func (c *Conn) closeNow() { c.closing.Do(func() { c.rwc.Close() }) }

// Close ends the connection: what has been written is sent first, as far as
// the peer takes it within two seconds. It returns nil where the connection
// was alive, else what ended it.
func (c *Conn) Close() error {
	return c.Disconnect(wire.DisconnectByApplication, "")
}

// CloseIdle is Close where nothing that was sent before matters to the peer: it does
// not wait until that has been read. The peer still finds our SSH_MSG_DISCONNECT, but
// where something of its own is on its way to us.
func (c *Conn) CloseIdle() error {
	return c.disconnect(&DisconnectError{Reason: wire.DisconnectByApplication}, true)
}

// Disconnect is Close with a reason of its own (RFC 4253 section 11.1).
func (c *Conn) Disconnect(reason uint32, message string) error {
	return c.disconnect(&DisconnectError{Reason: reason, Message: message}, false)
}

func (c *Conn) disconnect(e *DisconnectError, brief bool) error {
	first, finish := c.end(e, brief)
	if finish {
		c.finish()
	}
	if first {
		c.log("ended", "cause", e)
	}
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

// A pausableTimer calls a function after a time, pauses not counted. With no
// positive time it never does. It is for one goroutine.
type pausableTimer struct {
	t     *time.Timer // nil: never
	left  time.Duration
	since time.Time // when left was right
	fired bool      // the function is called or will be at once
}

func startTimer(after time.Duration, f func()) *pausableTimer {
	p := &pausableTimer{left: after, since: time.Now()}
	if after > 0 {
		p.t = time.AfterFunc(after, f)
	}
	return p
}

func (p *pausableTimer) pause() {
	if p.t == nil || p.fired {
		return
	}
	p.fired = !p.t.Stop()
	p.left -= time.Since(p.since)
}

func (p *pausableTimer) resume() {
	if p.t == nil || p.fired {
		return
	}
	p.since = time.Now()
	p.t.Reset(max(p.left, 0))
}

// stop ends the timer and reports whether it is certain not to call.
func (p *pausableTimer) stop() bool {
	p.pause()
	p.t = nil
	return !p.fired
}
