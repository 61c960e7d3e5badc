package ssh

import (
	"context"
	"errors"
	"io"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/fairlead-go/ssh/auth"
	"github.com/fairlead-go/ssh/channel"
)

// A Session is the server's end of a shell, command or subsystem that a client
// has started. Read is the program's input, Write its output.
type Session struct {
	conn     *ServerConn
	ss       *channel.ServerSession
	start    channel.Start // what is to run
	original channel.Start // what the client asked for

	exit sync.Once
}

// exitTimeout bounds the wait for a client to take the exit status.
const exitTimeout = 30 * time.Second

// serveSession carries a session from its program's start to its end.
func (c *ServerConn) serveSession(ss *channel.ServerSession) {
	s := &Session{conn: c, ss: ss, original: ss.Start()}
	s.start = s.original
	handler := c.server.handlerFor(&s.original)
	if p := c.identity.Permissions; p != nil {
		s.start.Env = slices.Concat(s.start.Env, p.Environment)
		if p.ForceCommand != "" {
			s.start.Kind, s.start.Command, s.start.Subsystem = channel.StartExec, p.ForceCommand, ""
			handler = c.server.Handler
		}
	}
	s.serve(handler)
}

func (s *Session) serve(h Handler) {
	status := 255 // of a panic, and of runtime.Goexit
	defer func() {
		if v := recover(); v != nil {
			s.conn.server.logPanic("session handler", v, debug.Stack())
		}
		s.Exit(status)
	}()
	h.ServeSSH(s)
	status = 0
}

// handlerFor returns the handler of what a client starts, nil if there is none.
func (s *Server) handlerFor(start *channel.Start) Handler {
	if start.Kind == channel.StartSubsystem {
		return s.Subsystems[start.Subsystem]
	}
	return s.Handler
}

// sessionPolicy joins what the server grants with what the login may have.
func (c *ServerConn) sessionPolicy() channel.SessionPolicy {
	p := c.identity.Permissions
	return channel.SessionPolicy{
		PTY: func(channel.PTY) bool {
			return c.server.AllowPTY && (p == nil || !p.NoPTY)
		},
		Env: c.allowEnv,
		Start: func(_ context.Context, start *channel.Start) bool {
			if p != nil && p.ForceCommand != "" {
				return c.server.Handler != nil
			}
			return c.server.handlerFor(start) != nil
		},
	}
}

func (c *ServerConn) allowEnv(name, value string) (allow bool) {
	if c.server.AllowEnv == nil {
		return false
	}
	defer c.server.recovered("AllowEnv", func() { allow = false })
	return c.server.AllowEnv(name, value)
}

// Context ends when the session or its connection does: the client may have
// closed it at any time.
func (s *Session) Context() context.Context { return s.ss.Context() }

// Conn is the connection that the session belongs to.
func (s *Session) Conn() *ServerConn { return s.conn }

// User is the name that the client logged in with.
func (s *Session) User() string { return s.conn.identity.User }

// Permissions are those of the login, nil where there is no restriction. The
// server has enforced all but NoUserRC, NoAgentForwarding and NoX11Forwarding,
// which are the handlers' to obey.
func (s *Session) Permissions() *auth.Permissions { return s.conn.identity.Permissions }

// Kind tells whether a shell, a command or a subsystem is to run.
func (s *Session) Kind() channel.StartKind { return s.start.Kind }

// Command is the command line to run, empty for a shell. Where the login has a
// forced command it is that.
func (s *Session) Command() string { return s.start.Command }

// Subsystem is the subsystem to run, empty for shells and commands.
func (s *Session) Subsystem() string { return s.start.Subsystem }

// Original is what the client asked for, which a forced command replaces.
func (s *Session) Original() channel.Start { return s.original }

// PTY is the pseudo-terminal to provide, nil if none. Later sizes of it come by
// WindowChanges.
func (s *Session) PTY() *channel.PTY { return s.start.PTY }

// Environ returns the variables that the client set and the server allowed,
// followed by those of the login's Permissions, each as NAME=value.
func (s *Session) Environ() []string { return slices.Clone(s.start.Env) }

// WindowChanges gives the sizes that the client's terminal takes. It is never
// closed: select on Context too.
func (s *Session) WindowChanges() <-chan channel.WindowSize { return s.ss.WindowChanges() }

// Signals gives the names of signals that the client sends, such as
// channel.SIGINT. It is never closed: select on Context too.
func (s *Session) Signals() <-chan string { return s.ss.Signals() }

// Channel returns the session's channel, for deadlines and requests.
func (s *Session) Channel() *channel.Channel { return s.ss.Channel }

// Read reads the program's input. io.EOF is its end.
func (s *Session) Read(p []byte) (int, error) { return s.ss.Read(p) }

// Write writes to the program's output.
func (s *Session) Write(p []byte) (int, error) { return s.ss.Write(p) }

// CloseWrite sends EOF: the program has said all. Exit does that too.
func (s *Session) CloseWrite() error { return s.ss.CloseWrite() }

// Stderr is the program's error output.
func (s *Session) Stderr() io.Writer { return s.ss.Stderr() }

// Close ends the session without an exit status.
func (s *Session) Close() error {
	return s.end(func(context.Context) error { return s.ss.Close() })
}

var errSessionEnded = errors.New("ssh: session has ended already")

// Exit ends the session with the program's exit status. Everything written
// before still arrives. Only the first Exit, ExitSignal or Close counts.
func (s *Session) Exit(status int) error {
	return s.end(func(ctx context.Context) error { return s.ss.Exit(ctx, uint32(status)) })
}

// ExitSignal is Exit for a program that a signal ended.
func (s *Session) ExitSignal(e channel.ExitSignal) error {
	return s.end(func(ctx context.Context) error { return s.ss.ExitSignal(ctx, e) })
}

func (s *Session) end(exit func(context.Context) error) error {
	err := errSessionEnded
	s.exit.Do(func() {
		s.conn.closeSession()
		ctx, cancel := context.WithTimeout(context.WithoutCancel(s.Context()), exitTimeout)
		defer cancel()
		err = exit(ctx)
	})
	return err
}
