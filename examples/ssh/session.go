package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"

	"github.com/fairlead-go/ssh/channel"
	"github.com/fairlead-go/ssh/examples/internal/clientconfig"
	"github.com/fairlead-go/ssh/examples/internal/config"
	"github.com/fairlead-go/ssh/examples/internal/terminal"
)

// Requests of OpenSSH's (PROTOCOL sections 2.1 and 4.1 of its sources).
const (
	requestEOW          = "eow@openssh.com" // our side reads no more
	requestAgentForward = "auth-agent-req@openssh.com"
)

// serve does what the options say over a connection that is logged in.
func (c *connection) serve(ctx context.Context) (status int, err error) {
	ctx, quit := context.WithCancelCause(ctx)
	defer quit(nil)
	if err := c.fwd.start(ctx); err != nil {
		return failure, err
	}
	stop, err := c.listenControl(quit)
	if err != nil {
		return failure, err
	}
	defer stop()
	if err := c.localCommand(ctx); err != nil {
		return failure, err
	}
	if c.o.ForkAfterAuthentication {
		if err := c.goToBackground(); err != nil {
			return failure, err
		}
	}
	switch {
	case c.o.StdioForward != "":
		return c.fwd.stdio(ctx)
	case c.o.SessionType == clientconfig.None:
		return c.idle(ctx)
	}
	return c.runSession(ctx)
}

// idle waits for the end of a connection that has no session.
func (c *connection) idle(ctx context.Context) (int, error) {
	select {
	case <-c.client.Done():
		return failure, c.report(c.client.Wait())
	case <-ctx.Done():
		return failure, context.Cause(ctx)
	}
}

// localCommand runs LocalCommand, whose failure nobody minds.
func (c *connection) localCommand(ctx context.Context) error {
	command, err := c.o.LocalShellCommand(c.user, c.home)
	if err != nil || command == "" {
		return err
	}
	c.log.debugf("Executing command: '%s'", command)
	cmd := exec.CommandContext(ctx, shell(), "-c", command)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		c.log.debugf("local command: %v", err)
	}
	return nil
}

// A session is the remote program and its streams.
type session struct {
	*connection
	ctx  context.Context
	quit context.CancelCauseFunc
	ch   *channel.Session
	raw  *terminal.Raw // nil without a terminal
	in   *os.File      // standard input

	copying sync.WaitGroup // standard output and standard error
	read    chan struct{}  // closed when standard input is read no more
}

func (c *connection) runSession(ctx context.Context) (int, error) {
	s := &session{connection: c, read: make(chan struct{})}
	s.ctx, s.quit = context.WithCancelCause(ctx)
	defer s.quit(nil)
	var err error
	if s.ch, err = c.client.OpenSession(s.ctx); err != nil {
		return failure, c.lost(ctx, err)
	}
	defer s.ch.Close()
	tty, err := s.prepare()
	if err != nil {
		return failure, c.lost(ctx, err)
	}
	s.ch.Stderr() // from now on all of it is kept
	if err := s.start(); err != nil {
		return failure, c.lost(ctx, err)
	}
	s.in = os.Stdin
	in := io.Reader(s.in)
	if tty {
		s.in = terminalInput()
		in = s.in
		if s.raw, err = terminal.MakeRaw(os.Stdin); err != nil {
			c.log.debugf("%v", err) // with -tt it may be no terminal
		}
		defer s.raw.Restore()
		stop := terminal.WatchSize(s.ctx, os.Stdin, s.resize)
		defer stop()
		if c.o.EscapeChar >= 0 {
			in = terminal.NewEscapeReader(s.in, byte(c.o.EscapeChar), s.escape)
		}
	}
	if c.o.StdinNull {
		s.ch.CloseWrite()
	} else {
		go s.copyIn(in) // not waited for: a Read of standard input may never return
	}
	s.copying.Go(func() { s.copyOut(os.Stdout, s.ch, true) })
	s.copying.Go(func() { s.copyOut(os.Stderr, s.ch.Stderr(), false) })
	return s.wait(ctx, tty)
}

// wait returns the program's exit status once all of its output is written.
func (s *session) wait(ctx context.Context, tty bool) (int, error) {
	written := make(chan struct{})
	go func() { s.copying.Wait(); close(written) }()
	select {
	case <-written:
	case <-s.ctx.Done():
	}
	exit, err := s.ch.Wait(s.ctx)
	s.stopReading()
	_ = s.raw.Restore()
	if ctx.Err() != nil {
		return failure, context.Cause(ctx)
	}
	if s.ctx.Err() != nil || err == nil {
		if tty {
			s.log.infof("Connection to %s closed.", s.o.HostName)
		}
		if s.ctx.Err() != nil {
			return failure, nil // by ~. or for want of a reader
		}
	}
	if err != nil {
		return failure, s.report(err)
	}
	s.log.debugf("Exit status: %s", exit)
	s.fwd.wait(ctx)
	if exit.Signal != "" {
		s.log.verbosef("The remote program ended by %s", exit)
	}
	if exit.None || exit.Signal != "" {
		return failure, nil
	}
	return exit.Code & 0xff, nil
}

// stopReading ends the Read of a terminal: what is typed from now on is for
// the shell that started us. A Read of anything else is left waiting.
func (s *session) stopReading() {
	if s.in.SetReadDeadline(time.Unix(1, 0)) != nil || s.o.StdinNull {
		return
	}
	select {
	case <-s.read:
	case <-time.After(time.Second): // the user's ~^Z, or a full channel
	}
}

// lost reports err, in favour of what ended the context.
func (c *connection) lost(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if e, refused := errors.AsType[*channel.RequestError](err); refused {
		return fmt.Errorf("%s request failed on channel 0", e.Type)
	}
	return c.report(err)
}

// prepare asks for what the program shall have: a forwarded agent, a terminal
// and variables. A server that refuses one is not left for it.
func (s *session) prepare() (tty bool, err error) {
	if agentForwarded(s.o) {
		s.log.debugf("Requesting authentication agent forwarding.")
		if _, err := s.ch.SendRequest(s.ctx, requestAgentForward, false, nil); err != nil {
			return false, err
		}
	}
	if tty = s.wantsTTY(); tty {
		switch err := s.requestPTY(); {
		case err == nil:
		case errors.As(err, new(*channel.RequestError)):
			s.log.infof("PTY allocation request failed on channel 0")
			tty = false
		default:
			return false, err
		}
	}
	for _, entry := range s.environment() {
		name, value, _ := strings.Cut(entry, "=")
		s.log.debugf("channel 0: setting env %s", name)
		if err := s.ch.SendEnv(s.ctx, name, value); err != nil {
			return false, err
		}
	}
	return tty, nil
}

// environment is what SetEnv and SendEnv say, where SetEnv goes before.
func (s *session) environment() []string {
	var out []string
	set := make(map[string]bool)
	add := func(entry string) {
		name, _, _ := strings.Cut(entry, "=")
		if !set[name] {
			set[name] = true
			out = append(out, entry)
		}
	}
	for _, entry := range s.o.SetEnv {
		add(entry)
	}
	for _, entry := range os.Environ() {
		name, _, _ := strings.Cut(entry, "=")
		for _, pattern := range s.o.SendEnv {
			if config.MatchPattern(name, pattern) {
				add(entry)
			}
		}
	}
	return out
}

// start starts the program.
func (s *session) start() error {
	command := s.command(s.o)
	switch {
	case s.o.SessionType == clientconfig.Subsystem:
		s.log.debugf("Sending subsystem: %s", command)
		return s.ch.Subsystem(s.ctx, command)
	case command != "":
		s.log.debugf("Sending command: %s", command)
		return s.ch.Exec(s.ctx, command)
	}
	return s.ch.Shell(s.ctx)
}

// copyIn copies standard input until it ends.
func (s *session) copyIn(in io.Reader) {
	defer close(s.read)
	buf := make([]byte, 64<<10)
	for {
		n, err := in.Read(buf)
		if n > 0 {
			if _, err := s.ch.Write(buf[:n]); err != nil {
				return
			}
		}
		switch {
		case err == nil:
		case errors.Is(err, errDisconnect):
			s.quit(err)
			return
		default:
			if !errors.Is(err, io.EOF) {
				s.log.debugf("standard input: %v", err)
			}
			s.ch.CloseWrite()
			return
		}
	}
}

// maxUnheeded is how much a server may send for an output that nobody reads,
// in bytes, after it was told so.
const maxUnheeded = 8 << 20

var errUnheeded = errors.New("nobody reads the program's output")

// copyOut copies what the program says until it ends. Where nobody reads that
// any more, as in "ssh host yes | head", the server is told so that the program
// is; one that does not understand, such as Dropbear, is left.
func (s *session) copyOut(w io.Writer, r io.Reader, stdout bool) {
	buf := make([]byte, 64<<10)
	broken, dropped := false, 0
	for {
		n, err := r.Read(buf)
		switch {
		case n == 0:
		case broken:
			if dropped += n; dropped > maxUnheeded {
				s.quit(errUnheeded)
				return
			}
		default:
			if _, err := w.Write(buf[:n]); err != nil {
				broken = true
				s.log.debugf("output: %v", err)
				if stdout {
					_, _ = s.ch.SendRequest(s.ctx, requestEOW, false, nil)
				}
			}
		}
		if err != nil {
			return
		}
	}
}
