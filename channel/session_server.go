package channel

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"time"

	"github.com/fairlead-go/ssh/wire"
)

// Limits of what a client may ask for before it starts a program. Past them
// the request is refused.
const (
	MaxSessionEnv      = 128      // variables
	MaxSessionEnvBytes = 64 << 10 // names and values together
)

// maxQueuedSignals is how many signals wait for a program that does not take
// them; further ones are dropped, as a process drops a signal that is pending.
const maxQueuedSignals = 16

// A StartKind says what a client starts in a session (RFC 4254 section 6.5).
type StartKind uint8

const (
	StartShell     StartKind = 1 // the user's default shell
	StartExec      StartKind = 2 // Start.Command
	StartSubsystem StartKind = 3 // Start.Subsystem
)

// String returns the name of the request.
func (k StartKind) String() string {
	switch k {
	case StartShell:
		return requestShell
	case StartExec:
		return requestExec
	case StartSubsystem:
		return requestSubsystem
	}
	return "nothing"
}

// Start is what a client wants to run and under which conditions. Its strings
// are the peer's.
type Start struct {
	Kind      StartKind
	Command   string // for StartExec: one line, meant for the user's shell
	Subsystem string // for StartSubsystem
	PTY       *PTY   // nil: none was asked for and granted
	// Env holds the variables that were granted, as NAME=value, in the order
	// in which they came. A name that comes twice counts as the later one
	// says.
	Env []string
}

// A SessionPolicy decides what a client gets in a session. A nil function
// refuses, so that the zero policy refuses everything. The functions run one
// at a time, on the goroutine that serves this channel's requests: one that
// takes long delays the channel's later requests and nothing else.
type SessionPolicy struct {
	// PTY decides on a pseudo-terminal, which the caller of AcceptSession
	// must then provide.
	PTY func(PTY) bool
	// Env decides on one environment variable. Neither name nor value is
	// trustworthy: grant names, as OpenSSH's AcceptEnv does.
	Env func(name, value string) bool
	// Start decides on the shell, command or subsystem. Once it has said
	// yes, every further one is refused.
	Start func(ctx context.Context, s *Start) bool
	// Break says that the program can be sent a BREAK, of the given length,
	// 0 if the client leaves that to the server (RFC 4335). It delivers it.
	Break func(length time.Duration) bool
	// Other serves every other request, such as x11-req.
	Other RequestHandler
}

// A ServerSession is the server's end of a session channel in which the client
// has started a program. Read is the program's standard input, io.EOF its end;
// Write is its standard output, Stderr its standard error. End it with Exit,
// or with SendExitStatus or SendExitSignal, CloseWrite and Close, in this
// order.
type ServerSession struct {
	*Channel
	start   Start
	windows chan WindowSize // cap 1: only the latest size; one sender, serveRequest
	signals chan string
}

// ErrNotStarted is returned by AcceptSession when the client closed the
// session without starting a program.
var ErrNotStarted = errors.New("channel: client closed the session without starting a program")

// AcceptSession accepts a channel of type "session" and returns when the
// client has started a shell, a command or a subsystem that the policy
// allows (RFC 4254 section 6). When ctx ends first, the channel is closed.
func AcceptSession(ctx context.Context, nc *NewChannel, policy SessionPolicy) (*ServerSession, error) {
	decided := make(chan *ServerSession, 1)
	s := newSessionServer(policy, func(started *ServerSession) { decided <- started })
	ch, err := s.accept(nc)
	if err != nil {
		return nil, err
	}
	var started *ServerSession
	select {
	case started = <-decided:
	case <-ctx.Done():
		if s.decided.CompareAndSwap(false, true) {
			ch.Close()
			return nil, context.Cause(ctx)
		}
		started = <-decided // it is on its way
	}
	if started == nil {
		return nil, ErrNotStarted
	}
	return started, nil
}

// ServeSession is AcceptSession for [Config.HandleOpen]: it never waits. It
// calls serve once, on a goroutine of its own, with the session when the client
// has started something, or with nil when the channel has ended without. Until
// then the session has no goroutine.
func ServeSession(nc *NewChannel, policy SessionPolicy, serve func(*ServerSession)) error {
	_, err := newSessionServer(policy, serve).accept(nc)
	return err
}

// Start returns what the client started. Its PTY has the size that was known
// then: see WindowChanges.
func (s *ServerSession) Start() Start { return s.start }

// WindowChanges gives new sizes of the client's terminal. A size that nobody
// has received is replaced by the next. It is never closed: select on Done
// too. Nothing arrives in a session without a pseudo-terminal.
func (s *ServerSession) WindowChanges() <-chan WindowSize { return s.windows }

// Signals gives the names of signals that the client sends, such as [SIGINT].
// The name is the peer's, but printable. At most 16 wait; others are dropped.
// It is never closed: select on Done too.
func (s *ServerSession) Signals() <-chan string { return s.signals }

// SendExitStatus tells the client with which status the program ended (RFC
// 4254 section 6.10). It must precede Close.
func (s *ServerSession) SendExitStatus(ctx context.Context, code uint32) error {
	_, err := s.SendRequest(ctx, requestExitStatus, false, wire.AppendUint32(nil, code))
	return err
}

// SendExitSignal tells the client that a signal ended the program (RFC 4254
// section 6.10). It must precede Close.
func (s *ServerSession) SendExitSignal(ctx context.Context, e ExitSignal) error {
	if !validSignal(e.Signal) {
		return wire.ErrInvalid
	}
	_, err := s.SendRequest(ctx, requestExitSignal, false, appendExitSignal(nil, e))
	return err
}

// Exit ends the session: exit-status, EOF, CLOSE. It gives up on the status
// when ctx ends, and closes the channel in every case. A client that closed
// first is no error.
func (s *ServerSession) Exit(ctx context.Context, code uint32) error {
	s.m.holder.Hold()
	defer s.m.holder.Release()
	return s.end(s.SendExitStatus(ctx, code))
}

// ExitSignal is Exit for a program that was ended by a signal.
func (s *ServerSession) ExitSignal(ctx context.Context, e ExitSignal) error {
	s.m.holder.Hold()
	defer s.m.holder.Release()
	return s.end(s.SendExitSignal(ctx, e))
}

func (s *ServerSession) end(err error) error {
	for _, e := range []error{s.CloseWrite(), s.Close()} {
		if err == nil {
			err = e
		}
	}
	if errors.Is(err, net.ErrClosed) {
		err = nil
	}
	return err
}

// sessionServer serves the requests of one session channel. serveRequest runs
// once at a time.
type sessionServer struct {
	policy SessionPolicy
	serve  func(*ServerSession) // called once

	start    Start // as asked for so far; with a Kind once it has been granted
	envBytes int
	decided  atomic.Bool // a program is started, or AcceptSession waits no more and nothing can be

	windows chan WindowSize
	signals chan string
}

func newSessionServer(policy SessionPolicy, serve func(*ServerSession)) *sessionServer {
	return &sessionServer{
		policy:  policy,
		serve:   serve,
		windows: make(chan WindowSize, 1),
		signals: make(chan string, maxQueuedSignals),
	}
}

func (s *sessionServer) accept(nc *NewChannel) (*Channel, error) {
	return nc.accept(requestServer{handler: s.serveRequest, over: s.over})
}

// over is when all requests have been served. Though the channel was closed at
// once, a program may have been started before.
func (s *sessionServer) over(c *Channel) {
	if s.start.Kind != 0 {
		return
	}
	go func() {
		c.Close() // what the client has sent is nobody's
		s.serve(nil)
	}()
}

// A sessionRequest serves one type of request. Malformed ones are refused.
type sessionRequest func(s *sessionServer, ctx context.Context, r *Request) bool

// sessionRequests says what serves a request before a program has been started
// and after (RFC 4254 section 6). Nil refuses.
var sessionRequests = map[string]struct{ before, after sessionRequest }{
	requestPTY:          {before: (*sessionServer).servePTY},
	requestEnv:          {before: (*sessionServer).serveEnv},
	requestShell:        {before: (*sessionServer).serveStart},
	requestExec:         {before: (*sessionServer).serveStart},
	requestSubsystem:    {before: (*sessionServer).serveStart},
	requestWindowChange: {before: (*sessionServer).serveEarlyWindowChange, after: (*sessionServer).serveWindowChange},
	requestSignal:       {after: (*sessionServer).serveSignal},
	requestBreak:        {after: (*sessionServer).serveBreak},
}

func (s *sessionServer) serveRequest(ctx context.Context, r *Request) {
	known, ok := sessionRequests[r.Type]
	if !ok {
		if s.policy.Other != nil {
			s.policy.Other(ctx, r)
		}
		return
	}
	serve := known.before
	if s.start.Kind != 0 {
		serve = known.after
	}
	ok = serve != nil && serve(s, ctx, r)
	_ = r.Reply(ok, nil) // fails where the channel is closed, which whoever serves the session sees
}

func (s *sessionServer) servePTY(_ context.Context, r *Request) bool {
	pty, err := parsePTYRequest(r.Payload)
	if err != nil || s.start.PTY != nil || s.policy.PTY == nil || !s.policy.PTY(pty) {
		return false
	}
	s.start.PTY = &pty
	return true
}

func (s *sessionServer) serveEnv(_ context.Context, r *Request) bool {
	name, value, err := parseEnv(r.Payload)
	if err != nil || s.policy.Env == nil {
		return false
	}
	n := len(name) + len(value)
	if len(s.start.Env) == MaxSessionEnv || n > MaxSessionEnvBytes-s.envBytes || !s.policy.Env(name, value) {
		return false
	}
	s.start.Env = append(s.start.Env, name+"="+value)
	s.envBytes += n
	return true
}

func (s *sessionServer) serveStart(ctx context.Context, r *Request) bool {
	start := s.start
	var err error
	switch r.Type {
	case requestShell:
		start.Kind = StartShell
		reader := wire.NewReader(r.Payload)
		err = reader.End()
	case requestExec:
		start.Kind = StartExec
		start.Command, err = parseString(r.Payload)
	case requestSubsystem:
		start.Kind = StartSubsystem
		start.Subsystem, err = parseString(r.Payload)
	}
	if err != nil || s.decided.Load() || s.policy.Start == nil || !s.policy.Start(ctx, &start) ||
		!s.decided.CompareAndSwap(false, true) {
		return false
	}
	s.start = start
	session := &ServerSession{r.channel, start, s.windows, s.signals}
	r.channel.requests.onward = func() { s.serve(session) }
	return true
}

func (s *sessionServer) serveEarlyWindowChange(_ context.Context, r *Request) bool {
	size, err := parseWindowChange(r.Payload)
	if err != nil || s.start.PTY == nil {
		return false
	}
	s.start.PTY.Size = size
	return true
}

func (s *sessionServer) serveWindowChange(_ context.Context, r *Request) bool {
	size, err := parseWindowChange(r.Payload)
	if err != nil || s.start.PTY == nil {
		return false
	}
	select {
	case <-s.windows:
	default:
	}
	s.windows <- size // there is room: this is the only sender
	return true
}

func (s *sessionServer) serveSignal(_ context.Context, r *Request) bool {
	name, err := parseSignal(r.Payload)
	if err != nil {
		return false
	}
	select {
	case s.signals <- name:
		return true
	default:
		return false
	}
}

func (s *sessionServer) serveBreak(_ context.Context, r *Request) bool {
	ms, err := parseUint32(r.Payload)
	return err == nil && s.policy.Break != nil && s.policy.Break(time.Duration(ms)*time.Millisecond)
}
