package channel

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"sync"
	"time"

	"github.com/fairlead-go/ssh/wire"
)

// A Session is the client's end of a session channel (RFC 4254 section 6).
//
// Ask for what the program shall have (RequestPTY, Setenv), start it with one
// of Shell, Exec and Subsystem, then use the channel: Write is its standard
// input, CloseWrite ends that input, Read is its standard output, Stderr its
// standard error. Wait gives its exit status.
type Session struct {
	*Channel

	mu      sync.Mutex // a leaf
	started bool
	exit    *ExitStatus
}

// ExitStatus tells how a remote program ended. Of Code and Signal only one
// means something: Signal is empty unless a signal ended the program.
type ExitStatus struct {
	Code       int    // from exit-status, 0 to 2^32-1 as the server sent it
	Signal     string // from exit-signal, such as SIGKILL: the peer's text
	CoreDumped bool
	Message    string // the server's explanation of Signal: the peer's text
	None       bool   // the session ended without either
}

// Success tells whether the program ended by itself with status 0.
func (s ExitStatus) Success() bool { return !s.None && s.Signal == "" && s.Code == 0 }

// String describes the status, safe to print.
func (s ExitStatus) String() string {
	switch {
	case s.None:
		return "no exit status"
	case s.Signal != "":
		text := "signal " + s.Signal // printable: parseExitSignal saw to it
		if s.CoreDumped {
			text += " (core dumped)"
		}
		if s.Message != "" {
			text += ": " + wire.Quote(s.Message, wire.MaxShown)
		}
		return text
	}
	return "exit status " + strconv.Itoa(s.Code)
}

// A RequestError says that the peer answered a request with failure.
type RequestError struct {
	Type string // of the request, such as "pty-req"
}

func (e *RequestError) Error() string { return "channel: peer refused " + e.Type }

// ErrSessionStarted is returned by Shell, Exec and Subsystem on a session that
// has a program already: one channel runs one (RFC 4254 section 6.5).
var ErrSessionStarted = errors.New("channel: session has been started already")

// OpenSession opens a session channel (RFC 4254 section 6.1). An [*OpenError]
// is the server's refusal.
func OpenSession(ctx context.Context, m *Mux) (*Session, error) {
	s := new(Session)
	ch, err := m.open(ctx, typeSession, nil, 0, s.requests())
	if err != nil {
		return nil, err
	}
	s.Channel = ch
	return s, nil
}

func (s *Session) requests() requestServer {
	return requestServer{handler: s.serveRequest, atOnce: true}
}

// serveRequest takes the exit status, and never waits. All else, keepalive@openssh.com too, is
// left unreplied, which is failure: that is what a keepalive waits for.
func (s *Session) serveRequest(_ context.Context, r *Request) {
	var exit ExitStatus
	switch r.Type {
	case requestExitStatus:
		code, err := parseUint32(r.Payload)
		if err != nil {
			return
		}
		exit.Code = int(min(uint64(code), math.MaxInt))
	case requestExitSignal:
		e, err := parseExitSignal(r.Payload)
		if err != nil {
			return
		}
		exit.Signal, exit.CoreDumped, exit.Message = e.Signal, e.CoreDumped, e.Message
	default:
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.exit == nil { // the first one counts
		s.exit = &exit
	}
}

type doneWaiter struct{ done, cut <-chan struct{} }

func (w doneWaiter) over() bool { return isClosed(w.done) || isClosed(w.cut) }

// request sends a request and waits for its answer.
func (s *Session) request(ctx context.Context, name string, payload []byte) error {
	ok, err := s.SendRequest(ctx, name, true, payload)
	if err == nil && !ok {
		err = &RequestError{name}
	}
	return err
}

// notify sends a request that has no answer.
func (s *Session) notify(ctx context.Context, name string, payload []byte) error {
	_, err := s.SendRequest(ctx, name, false, payload)
	return err
}

// RequestPTY asks for a pseudo-terminal for the program that is to be started
// (RFC 4254 section 6.2). Only one can be had.
func (s *Session) RequestPTY(ctx context.Context, pty PTY) error {
	return s.request(ctx, requestPTY, appendPTYRequest(nil, pty))
}

// Setenv asks to put a variable into the environment of the program that is to
// be started (RFC 4254 section 6.4). Servers refuse most names; a
// [*RequestError] leaves the session usable.
func (s *Session) Setenv(ctx context.Context, name, value string) error {
	return s.request(ctx, requestEnv, appendEnv(nil, name, value))
}

// SendEnv is Setenv without an answer, and so without a round trip: nobody
// learns whether the server took the variable.
func (s *Session) SendEnv(ctx context.Context, name, value string) error {
	return s.notify(ctx, requestEnv, appendEnv(nil, name, value))
}

// Shell starts the user's default shell (RFC 4254 section 6.5).
func (s *Session) Shell(ctx context.Context) error {
	return s.start(ctx, requestShell, nil)
}

// Exec starts a command, given as one line to the user's shell (RFC 4254
// section 6.5).
func (s *Session) Exec(ctx context.Context, command string) error {
	return s.start(ctx, requestExec, wire.AppendString(nil, command))
}

// Subsystem starts a subsystem, such as "sftp" (RFC 4254 section 6.5).
func (s *Session) Subsystem(ctx context.Context, name string) error {
	return s.start(ctx, requestSubsystem, wire.AppendString(nil, name))
}

// start leaves the session as it was where the server refuses.
func (s *Session) start(ctx context.Context, name string, payload []byte) error {
	s.mu.Lock()
	if s.started {
		s.mu.Unlock()
		return ErrSessionStarted
	}
	s.started = true
	s.mu.Unlock()

	err := s.request(ctx, name, payload)
	if refused := (*RequestError)(nil); errors.As(err, &refused) {
		s.mu.Lock()
		s.started = false
		s.mu.Unlock()
	}
	return err
}

// WindowChange tells that the terminal has another size (RFC 4254
// section 6.7). There is no answer to it.
func (s *Session) WindowChange(ctx context.Context, size WindowSize) error {
	return s.notify(ctx, requestWindowChange, appendWindowSize(nil, size))
}

// Signal sends a signal to the program, by its name without "SIG", such as
// [SIGINT] (RFC 4254 section 6.9). There is no answer to it: a server may
// ignore it.
func (s *Session) Signal(ctx context.Context, name string) error {
	if !validSignal(name) {
		return fmt.Errorf("channel: %q is no signal name: %w", name, wire.ErrInvalid)
	}
	return s.notify(ctx, requestSignal, wire.AppendString(nil, name))
}

// Break asks for a BREAK on the far side's terminal or port (RFC 4335), sent
// in milliseconds. 0 leaves the length to the server.
func (s *Session) Break(ctx context.Context, length time.Duration) error {
	ms := min(max(length.Milliseconds(), 0), math.MaxUint32)
	return s.request(ctx, requestBreak, wire.AppendUint32(nil, uint32(ms)))
}

// Wait waits until the session has ended, by a CLOSE from both sides, and
// returns how the program ended. A server closes once the program has ended
// and its output is sent, so that output must be read meanwhile. After Close,
// Wait still returns the status that was on its way. An error means that the
// status will never be known because ctx or the connection ended first; a
// server that sends none is no error, but ExitStatus.None.
func (s *Session) Wait(ctx context.Context) (ExitStatus, error) {
	w := doneWaiter{s.Done(), ctx.Done()}
	s.m.await(w)
	defer s.m.awaited(w)
	select {
	case <-s.Done():
	case <-ctx.Done():
		return ExitStatus{None: true}, context.Cause(ctx)
	}
	s.mu.Lock()
	exit := s.exit
	s.mu.Unlock()
	if exit != nil {
		return *exit, nil
	}
	s.Channel.mu.Lock()
	ended := s.Channel.ended
	s.Channel.mu.Unlock()
	if !ended {
		return ExitStatus{None: true}, s.Channel.m.deadErr()
	}
	return ExitStatus{None: true}, nil
}
