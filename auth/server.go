package auth

// The server's flow: serviceRequest, then request after request through
// handle, which finds the method, lets it judge, and answers by prove, deny or
// refuse. What was proven lives in server.proven; nothing is added to it but
// by prove.

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/fairlead-go/ssh/keys"
	"github.com/fairlead-go/ssh/wire"
)

// A serverMethod is what the server knows of one method.
type serverMethod struct {
	name       string
	configured func(*ServerConfig) bool
	// judge decides on one request; fields is what follows the method's name,
	// as an alias of the packet. Its error ends the connection.
	judge func(s *server, a *Attempt, fields []byte) (verdict, error)
}

// serverMethods are in the order in which they are offered. none is never
// listed (RFC 4252 section 5.2).
var serverMethods = []serverMethod{
	{MethodPublicKey, func(c *ServerConfig) bool { return c.PublicKey != nil || c.Certificate != nil }, judgePublicKey},
	{MethodPassword, func(c *ServerConfig) bool { return c.Password != nil }, judgePassword},
	{MethodKeyboardInteractive, func(c *ServerConfig) bool { return c.KeyboardInteractive != nil }, judgeInteractive},
	{MethodNone, func(c *ServerConfig) bool { return c.None != nil }, judgeNone},
}

// A verdict is what a method makes of a request. The zero verdict refuses.
type verdict struct {
	proof       *Proof       // proven, if err is nil
	permissions *Permissions // that come with the proof
	reply       []byte       // to send in place of a decision
	err         error        // why refused, or, with a reply, what to log
}

func denied(err error) verdict { return verdict{err: err} }

var errRefused = errors.New("auth: refused")

// server is one connection's authentication, used by one goroutine.
type server struct {
	ctx     context.Context // ends with the caller's or with Timeout
	pc      wire.PacketConn
	session *Session
	cfg     *ServerConfig
	methods []serverMethod // configured ones
	stop    func() bool    // stops failing pc when ctx ends

	user        string   // of the first request; the same in all others
	next        []string // methods that can continue
	proven      []Proof
	permissions *Permissions // of proven, combined

	messages int // received
	requests int // USERAUTH_REQUESTs received
	failures int // that count towards MaxAuthTries
	banners  bannerBudget
	holder   wire.Holder // nil where nothing is held
	holds    bool        // what is sent waits until the next read
	received time.Time   // when the last message came
	pending  []byte      // a request that ended a dialogue, as an alias of the packet
}

// Server authenticates the client of pc and returns who it is. It reads pc
// until then, from the client's request for the service ssh-userauth on. On
// an error pc has been failed, unless cfg or s is not valid. When ctx ends,
// its cause fails pc, and [ErrTimeout] does when cfg.Timeout passes.
func Server(ctx context.Context, pc wire.PacketConn, s *Session, cfg *ServerConfig) (*Identity, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	if cfg.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, cfg.Timeout, ErrTimeout)
		defer cancel()
	}
	v := &server{ctx: ctx, pc: pc, session: s, cfg: cfg}
	for _, m := range serverMethods {
		if m.configured(cfg) {
			v.methods = append(v.methods, m)
			if m.name != MethodNone {
				v.next = append(v.next, m.name)
			}
		}
	}
	v.stop = context.AfterFunc(ctx, func() { pc.Fail(context.Cause(ctx)) })
	defer v.stop()
	defer v.joinAnswers()()
	id, err := v.run()
	if err != nil {
		pc.Fail(err)
		return nil, err
	}
	return id, nil
}

// joinAnswers has what answers several requests of the client leave together,
// where the client did not wait in between: most often the acceptance of the
// service and the success. It returns what ends that.
func (s *server) joinAnswers() (end func()) {
	reader, ok := s.pc.(wire.BatchReader)
	if !ok {
		return func() {}
	}
	s.holder, _ = s.pc.(wire.Holder)
	reader.BeforeRead(s.release)
	return func() {
		reader.BeforeRead(nil)
		s.release()
	}
}

func (s *server) hold() {
	if s.holder != nil && !s.holds {
		s.holds = true
		s.holder.Hold()
	}
}

func (s *server) release() {
	if s.holds {
		s.holds = false
		s.holder.Release()
	}
}

func (s *server) run() (*Identity, error) {
	if err := s.serviceRequest(); err != nil {
		return nil, err
	}
	for {
		p, err := s.read()
		if err != nil {
			return nil, err
		}
		if p[0] != wire.MsgUserauthRequest {
			return nil, failState(s.pc, p[0])
		}
		id, err := s.handle(p)
		if id != nil || err != nil {
			return id, err
		}
	}
}

// serviceRequest serves the client's SERVICE_REQUEST (RFC 4253 section 10).
func (s *server) serviceRequest() error {
	p, err := s.read()
	if err != nil {
		return err
	}
	m := serviceMessage{number: wire.MsgServiceRequest}
	if p[0] != m.number {
		return failState(s.pc, p[0])
	}
	if err := m.parse(p); err != nil {
		return failMessage(s.pc, err)
	}
	if m.service != serviceUserauth {
		return fail(s.pc, fmt.Errorf("auth: service %.64q was asked for before authentication", m.service),
			wire.DisconnectServiceNotAvailable, "service is not available")
	}
	m.number = wire.MsgServiceAccept
	return s.send(m.append(nil))
}

// read returns the next message, which is the pending one if there is one.
func (s *server) read() ([]byte, error) {
	if p := s.pending; p != nil {
		s.pending = nil
		return p, nil
	}
	p, err := s.pc.ReadPacket()
	if err != nil {
		return nil, s.ended(err)
	}
	s.received = time.Now()
	if s.messages++; s.messages > s.cfg.MaxAttempts+1 { // and the service request
		return nil, s.tooMany()
	}
	return p, nil
}

func (s *server) send(p []byte) error {
	s.hold()
	if err := s.pc.QueuePacket(p); err != nil {
		return s.ended(err)
	}
	return nil
}

// ended returns why the connection ended: ctx, if that came first, or err.
func (s *server) ended(err error) error {
	if cause := context.Cause(s.ctx); cause != nil {
		return cause
	}
	return fmt.Errorf("auth: connection ended: %w", err)
}

func (s *server) tooMany() error {
	return fail(s.pc, ErrTooManyAttempts, wire.DisconnectNoMoreAuthMethodsAvailable, "too many authentication failures")
}

func (s *server) sendBanner(message string) error {
	if !s.banners.take(message) {
		return errors.New("auth: too many banners")
	}
	m := userauthBanner{message: message}
	err := s.send(m.append(nil))
	s.release() // the user may have to do what it says before anything else happens
	return err
}

// handle serves one USERAUTH_REQUEST (RFC 4252 section 5).
func (s *server) handle(p []byte) (*Identity, error) {
	var m userauthRequest
	if err := m.parse(p); err != nil {
		return nil, failMessage(s.pc, err)
	}
	if err := s.checkRequest(&m); err != nil {
		return nil, err
	}
	a := &Attempt{User: m.user, Session: s.session, Method: m.method, Proven: slices.Clone(s.proven), server: s}
	defer func() { a.server = nil }()
	i := slices.IndexFunc(s.methods, func(have serverMethod) bool { return have.name == m.method })
	if i < 0 || !s.continues(m.method) {
		return nil, s.refuse(a, ErrNotOffered)
	}
	v, err := s.methods[i].judge(s, a, m.fields)
	switch {
	case err != nil:
		return nil, err
	case s.pending != nil:
		return nil, s.aborted(a)
	case v.reply != nil:
		s.log(a, v.err)
		return nil, s.send(v.reply)
	case v.err == nil && v.proof != nil:
		return s.prove(a, v)
	case v.err == nil:
		v.err = errRefused
	}
	return nil, s.deny(a, v.err)
}

// checkRequest holds the client to one user and to the one service there is.
// RFC 4252 section 5 lets a server forget what was proven for another user;
// this one, as sshd, ends the connection, whether anything was proven or not.
func (s *server) checkRequest(m *userauthRequest) error {
	s.requests++
	if m.service != serviceConnection {
		return fail(s.pc, fmt.Errorf("auth: request for service %.64q", m.service),
			wire.DisconnectServiceNotAvailable, "service is not available")
	}
	if s.requests > 1 {
		if m.user != s.user {
			return fail(s.pc, fmt.Errorf("auth: user changed from %.64q to %.64q", s.user, m.user),
				wire.DisconnectProtocolError, "change of user name is not allowed")
		}
		return nil
	}
	if len(m.user) > maxUserName {
		return fail(s.pc, nil, wire.DisconnectIllegalUserName, "user name is too long")
	}
	s.user = m.user
	if s.cfg.Banner != "" {
		return s.sendBanner(s.cfg.Banner)
	}
	return nil
}

// continues reports whether method is one that can be used now. none can at
// first, where configured, though it is never listed.
func (s *server) continues(method string) bool {
	return slices.Contains(s.next, method) || method == MethodNone && len(s.proven) == 0
}

// prove adds v's proof, unless Verified objects, and completes authentication
// or asks for the next method.
func (s *server) prove(a *Attempt, v verdict) (*Identity, error) {
	permissions, err := Combine(s.permissions, v.permissions)
	if err != nil {
		return nil, s.deny(a, err)
	}
	proven := append(slices.Clone(s.proven), *v.proof)
	id := &Identity{User: s.user, Methods: slices.Clone(proven), Permissions: permissions.Clone()}
	var next []string
	if s.cfg.Verified != nil {
		if next, err = s.cfg.Verified(s.ctx, id); err != nil {
			return nil, s.deny(a, err)
		}
	}
	if len(next) > 0 {
		if next = s.offered(next); len(next) == 0 {
			return nil, s.deny(a, errors.New("auth: Verified requires only methods that are not configured"))
		}
	}
	if permissions, err = Combine(permissions, id.Permissions); err != nil {
		return nil, s.deny(a, err)
	}
	// A later method, or Verified, may ask more of an earlier key. Its touch
	// was judged when it was proven.
	policy := keys.SKPolicy{NoTouchRequired: true, VerifyRequired: permissions.skPolicy().VerifyRequired}
	for _, proof := range proven {
		if err := policy.Check(proof.Assertion); err != nil {
			return nil, s.deny(a, err)
		}
	}
	s.proven, s.permissions = proven, permissions
	if len(next) > 0 {
		s.next = next
		s.log(a, ErrPartialSuccess)
		m := userauthFailure{methods: next, partial: true}
		return nil, s.send(m.append(nil))
	}
	if !s.stop() {
		return nil, s.ended(context.Canceled)
	}
	s.log(a, nil)
	if err := s.send([]byte{wire.MsgUserauthSuccess}); err != nil {
		return nil, err
	}
	return &Identity{User: s.user, Methods: proven, Permissions: permissions}, nil
}

// offered returns the names that are configured methods, none aside.
func (s *server) offered(names []string) []string {
	var offered []string
	for _, m := range s.methods {
		if m.name != MethodNone && slices.Contains(names, m.name) {
			offered = append(offered, m.name)
		}
	}
	return offered
}

// deny refuses a request that was judged. Whatever the reason, the client sees
// the same bytes after a time that is one of few.
func (s *server) deny(a *Attempt, err error) error {
	s.log(a, err)
	if err := s.delay(); err != nil {
		return err
	}
	return s.sendFailure(a)
}

// refuse refuses a request that nothing was computed for, at once.
func (s *server) refuse(a *Attempt, err error) error {
	s.log(a, err)
	return s.sendFailure(a)
}

// aborted counts a request that a later one has taken the place of. It gets no
// answer (RFC 4252 section 5.1).
func (s *server) aborted(a *Attempt) error {
	s.log(a, ErrAborted)
	return s.countFailure(a)
}

func (s *server) sendFailure(a *Attempt) error {
	if err := s.countFailure(a); err != nil {
		return err
	}
	m := userauthFailure{methods: s.next}
	return s.send(m.append(nil))
}

// countFailure ends the connection at the last of MaxAuthTries. The first
// request does not count if it is for none: clients learn the list from it.
func (s *server) countFailure(a *Attempt) error {
	if s.requests > 1 || a.Method != MethodNone {
		s.failures++
	}
	if s.failures >= s.cfg.MaxAuthTries {
		return s.tooMany()
	}
	return nil
}

// delay waits until FailureDelay after the client's last message, or the
// first doubling of it that is not past.
func (s *server) delay() error {
	if s.cfg.FailureDelay < 0 {
		return nil
	}
	t := time.NewTimer(roundUp(time.Since(s.received), s.cfg.FailureDelay) - time.Since(s.received))
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-s.ctx.Done():
		return context.Cause(s.ctx)
	}
}

// roundUp returns the least floor·2^n that is not below d. It doubles no
// further than maxFailureDelay.
func roundUp(d, floor time.Duration) time.Duration {
	for floor < d && floor < maxFailureDelay {
		floor *= 2
	}
	return floor
}

func (s *server) log(a *Attempt, err error) {
	if s.cfg.Log != nil {
		s.cfg.Log(a, err)
	}
}
