package auth

// The client's flow: ask for the service and probe with none, or with a key where
// one is as good a probe; then attempt after attempt of the first method of the
// list that the server allows and that is not spent, until SUCCESS or until no
// such method is left.

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/fairlead-go/ssh/keys"
	"github.com/fairlead-go/ssh/wire"
)

// A ClientConfig says who logs in and with what.
type ClientConfig struct {
	// User is the name to log in as, required.
	User string
	// Methods are tried in this order, so far as the server allows them; after
	// a partial success from the start again. Method none is tried first, to
	// learn what the server allows, or last where login began with a key (see
	// [PublicKeys]). A Method value may serve any number of connections.
	Methods []Method
	// Banner is given each banner of the server, as it came: escape before
	// printing. nil drops them. A server that sends more than 32 or 128 KiB is
	// disconnected.
	Banner func(message string)
	// ChangePassword returns a new password when the server requires one. nil
	// gives up the method.
	ChangePassword func(ctx context.Context, change *PasswordChange) (string, error)
	// LegacyAlgorithms are those of what keys.LegacyAlgorithms returns that
	// keys may sign with, where the server takes nothing better or does not
	// say what it takes.
	LegacyAlgorithms []string
	// ReplyTimeout bounds each wait for the server. Callbacks are not bounded
	// by it. 0: 120 s; negative: none.
	ReplyTimeout time.Duration
}

// A ClientResult says how the client got in.
type ClientResult struct {
	Method    string         // the last method, which completed authentication
	Algorithm string         // publickey only: the signature algorithm
	Key       keys.PublicKey // publickey only
	Tried     []string       // methods tried, each once, in order; the none probe aside
}

// A Method is one way to authenticate, made by [PublicKeys],
// [PublicKeysFunc], [Password], [PasswordPrompt] or [KeyboardInteractive].
type Method interface {
	// Name returns the method's name, such as "password".
	Name() string
	start() clientMethod
}

// A clientMethod is a Method's state on one connection.
type clientMethod interface {
	// attempt makes one attempt. Its error ends the connection.
	attempt(c *client) (outcome, error)
	// partial is called after a partial success of any method.
	partial()
}

// An outcome is what an attempt came to; the zero outcome is no decision.
type outcome struct {
	success   bool
	failed    bool
	isPartial bool     // with failed: partial success
	methods   []string // with failed: that can continue
	spent     bool     // nothing was sent, or the request was given up, and nothing is left to try

	key       keys.PublicKey // publickey only
	algorithm string
}

// client is one connection's authentication, used by one goroutine.
type client struct {
	ctx     context.Context
	pc      wire.PacketConn
	session *Session
	cfg     *ClientConfig
	timeout time.Duration

	allowed    []string
	tried      []string
	errs       []error
	provenKeys []keys.PublicKey

	accepted                         bool // the server has accepted the service
	triedNone                        bool
	requests, partials, infoRequests int
	banners                          bannerBudget
}

// Client authenticates at the server of pc. It reads pc until the server's
// SUCCESS, beginning with the request for the service ssh-userauth. If the
// server will have none of cfg's methods, the error is an [*Error]. On any
// error pc has been failed, unless cfg or s is not valid. When ctx ends, its
// cause fails pc, and [ErrTimeout] does when cfg.ReplyTimeout passes.
func Client(ctx context.Context, pc wire.PacketConn, s *Session, cfg *ClientConfig) (*ClientResult, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	if cfg == nil || cfg.User == "" {
		return nil, errors.New("auth: no user name")
	}
	if slices.Contains(cfg.Methods, nil) {
		return nil, errors.New("auth: a method is nil")
	}
	if err := checkLegacy(cfg.LegacyAlgorithms); err != nil {
		return nil, err
	}
	c := &client{ctx: ctx, pc: pc, session: s, cfg: cfg, timeout: cmp.Or(cfg.ReplyTimeout, defaultReplyTimeout)}
	stop := context.AfterFunc(ctx, func() { pc.Fail(context.Cause(ctx)) })
	result, err := c.run()
	if !stop() && err == nil {
		err = c.ended(nil)
	}
	if err != nil {
		pc.Fail(err)
		return nil, err
	}
	return result, nil
}

// run begins with what asks which methods the server allows, unless it begins
// with a key that is as good a question.
func (c *client) run() (*ClientResult, error) {
	if c.beginsWithKey() {
		c.allowed = []string{MethodPublicKey}
		return c.tryMethods()
	}
	if result, err := c.tryNone(); result != nil || err != nil {
		return result, err
	}
	return c.tryMethods()
}

// beginsWithKey reports whether the first method is publickey, with a key that
// signs at once and has but one algorithm to sign with: nobody is troubled for
// nothing, and the server's algorithms, which are not known yet, change nothing.
func (c *client) beginsWithKey() bool {
	if len(c.cfg.Methods) == 0 {
		return false
	}
	m, ok := c.cfg.Methods[0].(*publicKeyMethod)
	return ok && len(m.signers) > 0 && m.signers[0] != nil &&
		keys.SignsAtOnce(m.signers[0]) && len(m.signers[0].Algorithms()) == 1
}

// maxBeforeNone is after how many requests none is not tried any more: servers
// count it then, and sshd ends a connection that has made six in vain.
const maxBeforeNone = 5

// tryNone asks to be let in without any proof, which says what methods there
// are (RFC 4252 section 5.2). The result is nil where the server wants one.
func (c *client) tryNone() (*ClientResult, error) {
	c.triedNone = true
	if err := c.request(MethodNone, nil); err != nil {
		return nil, err
	}
	p, err := c.reply(wire.MsgUserauthSuccess, wire.MsgUserauthFailure)
	if err != nil {
		return nil, err
	}
	out, err := c.decide(p)
	if err != nil {
		return nil, err
	}
	if out.success {
		return &ClientResult{Method: MethodNone, Tried: c.tried}, nil
	}
	c.allowed = out.methods
	return nil, nil
}

// tryMethods goes through the methods until the server says SUCCESS.
func (c *client) tryMethods() (*ClientResult, error) {
	runs := make([]clientMethod, len(c.cfg.Methods))
	for i, m := range c.cfg.Methods {
		runs[i] = m.start()
	}
	spent := make([]bool, len(runs))
	for {
		i := c.choose(spent)
		if i < 0 && !c.triedNone && c.partials == 0 && c.requests < maxBeforeNone {
			// The keys were no good question after all.
			result, err := c.tryNone()
			if result != nil || err != nil {
				return result, err
			}
			i = c.choose(spent)
		}
		if i < 0 {
			return nil, c.denied()
		}
		name := c.cfg.Methods[i].Name()
		out, err := runs[i].attempt(c)
		switch {
		case err != nil:
			return nil, err
		case out.success:
			return &ClientResult{Method: name, Algorithm: out.algorithm, Key: out.key, Tried: c.tried}, nil
		case out.spent:
			spent[i] = true
		case out.failed:
			c.allowed = out.methods
			if !out.isPartial {
				continue
			}
			if c.partials++; c.partials > maxPartials {
				return nil, c.tooMany("partial successes")
			}
			if out.key != nil {
				c.provenKeys = append(c.provenKeys, out.key)
			}
			clear(spent)
			for _, run := range runs {
				run.partial()
			}
		}
	}
}

// choose returns the index of the method to try, or -1.
func (c *client) choose(spent []bool) int {
	for i, m := range c.cfg.Methods {
		if !spent[i] && slices.Contains(c.allowed, m.Name()) {
			return i
		}
	}
	return -1
}

// denied ends the connection politely when nothing is left to try.
func (c *client) denied() error {
	err := &Error{User: c.cfg.User, Tried: c.tried, Allowed: c.allowed, Errs: c.errs}
	fail(c.pc, err, wire.DisconnectNoMoreAuthMethodsAvailable, "no more authentication methods")
	return err
}

// serviceAccepted reads the answer to the request for the service. No banner
// can come before it.
func (c *client) serviceAccepted() error {
	p, err := c.read()
	if err != nil {
		return err
	}
	if p[0] != wire.MsgServiceAccept {
		return failState(c.pc, p[0])
	}
	m := serviceMessage{number: wire.MsgServiceAccept}
	if err := m.parse(p); err != nil {
		return failMessage(c.pc, err)
	}
	if m.service != serviceUserauth {
		return fail(c.pc, fmt.Errorf("auth: server accepts service %.64q, which was not asked for", m.service),
			wire.DisconnectProtocolError, "SERVICE_ACCEPT for another service")
	}
	return nil
}

// request sends a USERAUTH_REQUEST with the method's fields, and wipes the
// message since it may hold a password.
func (c *client) request(method string, fields []byte) error {
	if c.requests++; c.requests > maxRequests {
		return c.tooMany("requests")
	}
	if method != MethodNone && !slices.Contains(c.tried, method) {
		c.tried = append(c.tried, method)
	}
	m := userauthRequest{user: c.cfg.User, service: serviceConnection, method: method, fields: fields}
	size := 13 + len(m.user) + len(m.service) + len(method) + len(fields)
	b := m.append(make([]byte, 0, size))
	defer clear(b)
	if c.requests > 1 {
		return c.send(b)
	}
	// In the same breath, the request for the service ssh-userauth (RFC 4253
	// section 10): a server that does not accept it disconnects.
	if h, ok := c.pc.(wire.Holder); ok {
		h.Hold()
		defer h.Release()
	}
	service := serviceMessage{number: wire.MsgServiceRequest, service: serviceUserauth}
	if err := c.send(service.append(nil)); err != nil {
		return err
	}
	return c.send(b)
}

func (c *client) send(p []byte) error {
	if err := c.pc.QueuePacket(p); err != nil {
		return c.ended(err)
	}
	return nil
}

// read waits for the next message, no longer than the reply timeout.
func (c *client) read() ([]byte, error) {
	stop := func() bool { return true }
	if c.timeout > 0 {
		stop = time.AfterFunc(c.timeout, func() { c.pc.Fail(ErrTimeout) }).Stop
	}
	p, err := c.pc.ReadPacket()
	if !stop() && err == nil {
		err = ErrTimeout // the message came while the connection was being failed
	}
	if err != nil {
		return nil, c.ended(err)
	}
	return p, nil
}

// reply returns the next message that is no banner. It must be one of numbers.
func (c *client) reply(numbers ...byte) ([]byte, error) {
	if !c.accepted {
		if err := c.serviceAccepted(); err != nil {
			return nil, err
		}
		c.accepted = true
	}
	for {
		p, err := c.read()
		if err != nil {
			return nil, err
		}
		if p[0] != wire.MsgUserauthBanner {
			if !slices.Contains(numbers, p[0]) {
				return nil, failState(c.pc, p[0])
			}
			return p, nil
		}
		var m userauthBanner
		if err := m.parse(p); err != nil {
			return nil, failMessage(c.pc, err)
		}
		if !c.banners.take(m.message) {
			return nil, c.tooMany("banners")
		}
		if c.cfg.Banner != nil {
			c.cfg.Banner(m.message)
		}
	}
}

// decide parses a SUCCESS or FAILURE.
func (c *client) decide(p []byte) (outcome, error) {
	if p[0] == wire.MsgUserauthSuccess {
		if err := parseSuccess(p); err != nil {
			return outcome{}, failMessage(c.pc, err)
		}
		return outcome{success: true}, nil
	}
	var m userauthFailure
	if err := m.parse(p); err != nil {
		return outcome{}, failMessage(c.pc, err)
	}
	return outcome{failed: true, isPartial: m.partial, methods: m.methods}, nil
}

// giveUp records err, for which a method will not go on. When ctx has ended,
// that ends everything.
func (c *client) giveUp(method string, err error) (outcome, error) {
	if c.ctx.Err() != nil {
		return outcome{}, c.ended(err)
	}
	c.errs = append(c.errs, fmt.Errorf("%s: %w", method, err))
	return outcome{spent: true}, nil
}

// ended returns why the connection ended: ctx, if that came first, or err.
func (c *client) ended(err error) error {
	if cause := context.Cause(c.ctx); cause != nil {
		return cause
	}
	if errors.Is(err, ErrTimeout) {
		return err
	}
	if len(c.tried) > 0 {
		return fmt.Errorf("auth: connection ended after trying %s: %w", strings.Join(c.tried, ", "), err)
	}
	return fmt.Errorf("auth: connection ended: %w", err)
}

func (c *client) tooMany(what string) error {
	return fail(c.pc, fmt.Errorf("%w: the server sends too many %s", ErrTooManyAttempts, what),
		wire.DisconnectProtocolError, "too many %s", what)
}

// proven reports whether key, with a certificate or without, is part of what
// has been proven so far.
func (c *client) proven(key keys.PublicKey) bool {
	key = keys.PlainKey(key)
	return slices.ContainsFunc(c.provenKeys, func(k keys.PublicKey) bool { return keys.Equal(keys.PlainKey(k), key) })
}
