package ssh

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"sync"

	"github.com/fairlead-go/ssh/channel"
)

// A Cmd is a command, shell or subsystem at the server, used like that of
// os/exec: set the fields, then Run; or Start, then Wait. A Cmd is used once.
type Cmd struct {
	// Env holds variables to set, as NAME=value. Servers accept few names and
	// refuse the others without a word, as with OpenSSH's SendEnv.
	Env []string

	// PTY, where set, runs the command in a pseudo-terminal, which has but
	// one output: Stderr gets nothing then.
	PTY *channel.PTY

	// Stdin is the command's input. nil is none: the command reads EOF. A
	// Read that is waiting when the command ends is left waiting.
	Stdin io.Reader

	// Stdout and Stderr get the command's output; nil drops it. Where the two
	// are equal and comparable, at most one goroutine writes at a time.
	Stdout io.Writer
	Stderr io.Writer

	client  *Client
	start   channel.Start
	session *channel.Session

	stdinPipe, stdoutPipe, stderrPipe bool

	copying sync.WaitGroup
	mu      sync.Mutex
	copyErr error // the first failure of Stdin, Stdout or Stderr
}

// ErrCmdState is returned by what is called too early or too late in a Cmd's
// life.
var ErrCmdState = errors.New("ssh: command is started already, or not yet")

// An ExitError says that the command ended otherwise than with status 0.
type ExitError struct {
	channel.ExitStatus
	// Stderr is what Output found there, where Cmd.Stderr was nil: its first
	// and last 32 KiB.
	Stderr []byte
}

func (e *ExitError) Error() string { return "ssh: command ended with " + e.ExitStatus.String() }

// ExitCode returns the exit status, or -1 where a signal ended the command or
// none was sent.
func (e *ExitError) ExitCode() int {
	if e.None || e.Signal != "" {
		return -1
	}
	return e.Code
}

// StdinPipe returns a pipe to the command's input. Close it to send EOF.
func (c *Cmd) StdinPipe() (io.WriteCloser, error) {
	if c.session != nil || c.Stdin != nil || c.stdinPipe {
		return nil, ErrCmdState
	}
	c.stdinPipe = true
	return stdinPipe{c}, nil
}

// StdoutPipe returns a pipe from the command's output. Read it to its end
// before Wait.
func (c *Cmd) StdoutPipe() (io.Reader, error) {
	if c.session != nil || c.Stdout != nil || c.stdoutPipe {
		return nil, ErrCmdState
	}
	c.stdoutPipe = true
	return outputPipe{c, false}, nil
}

// StderrPipe returns a pipe from the command's error output. Read it to its
// end before Wait: it and the output share one window.
func (c *Cmd) StderrPipe() (io.Reader, error) {
	if c.session != nil || c.Stderr != nil || c.stderrPipe {
		return nil, ErrCmdState
	}
	c.stderrPipe = true
	return outputPipe{c, true}, nil
}

type stdinPipe struct{ c *Cmd }

func (p stdinPipe) Write(b []byte) (int, error) {
	if p.c.session == nil {
		return 0, ErrCmdState
	}
	return p.c.session.Write(b)
}

func (p stdinPipe) Close() error {
	if p.c.session == nil {
		return ErrCmdState
	}
	return p.c.session.CloseWrite()
}

type outputPipe struct {
	c      *Cmd
	stderr bool
}

func (p outputPipe) Read(b []byte) (int, error) {
	switch {
	case p.c.session == nil:
		return 0, ErrCmdState
	case p.stderr:
		return p.c.session.Stderr().Read(b)
	}
	return p.c.session.Read(b)
}

// Start starts the command. ctx bounds only the wait for that.
func (c *Cmd) Start(ctx context.Context) error {
	if c.session != nil {
		return ErrCmdState
	}
	start := c.start
	start.Env, start.PTY = c.Env, c.PTY
	s, err := channel.StartSession(ctx, c.client.mux, start, c.Stderr != nil || c.stderrPipe)
	if err != nil {
		return err
	}
	c.session = s
	c.copyStreams()
	return nil
}

// copyStreams starts what carries Stdin, Stdout and Stderr.
func (c *Cmd) copyStreams() {
	switch {
	case c.stdinPipe:
	case c.Stdin == nil:
		c.session.CloseWrite()
	default:
		go c.copyStdin() // not waited for: the Read may never return
	}
	stdout, stderr := c.Stdout, c.Stderr
	if stdout != nil && stderr != nil && same(stdout, stderr) {
		w := &lockedWriter{w: stdout}
		stdout, stderr = w, w
	}
	if !c.stdoutPipe {
		if stdout == nil {
			stdout = io.Discard
		}
		c.copying.Go(func() { c.copyOutput(stdout, c.session) })
	}
	if stderr != nil {
		c.copying.Go(func() { c.copyOutput(stderr, c.session.Stderr()) })
	}
}

func (c *Cmd) copyStdin() {
	w := &stdinWriter{w: c.session.Channel}
	_, err := io.Copy(w, c.Stdin)
	// The command need not read all of its input: that its end closed the
	// channel is no failure. Done may be a moment behind it.
	select {
	case <-c.session.Done():
	default:
		if err != nil && !errors.Is(w.err, net.ErrClosed) && c.client.mux.Err() == nil {
			c.noteCopyError(err)
		}
	}
	c.session.CloseWrite()
}

// A stdinWriter tells the failures of what it writes to from the reader's.
type stdinWriter struct {
	w   io.Writer
	err error
}

func (s *stdinWriter) Write(b []byte) (int, error) {
	n, err := s.w.Write(b)
	if err != nil {
		s.err = err
	}
	return n, err
}

// copyOutput copies until EOF. Where the writer fails, what the command still
// says is dropped, so that it can end.
func (c *Cmd) copyOutput(w io.Writer, r io.Reader) {
	_, err := io.Copy(w, r)
	if err != nil {
		c.noteCopyError(err)
		io.Copy(io.Discard, r)
	}
}

func (c *Cmd) noteCopyError(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.copyErr == nil {
		c.copyErr = err
	}
}

// same reports whether two writers are one, as far as they can be compared.
func same(a, b io.Writer) bool {
	defer func() { recover() }() // not comparable: not the same
	return a == b
}

type lockedWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *lockedWriter) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(b)
}

// Wait waits until the command has ended and its output is copied. The error
// is an *ExitError where it ended otherwise than with status 0, the
// connection's where that ended first, and one of Stdin, Stdout or Stderr where
// copying failed. When ctx ends first, the command's channel is closed, upon
// which servers end the command, and the error is ctx's cause.
func (c *Cmd) Wait(ctx context.Context) error {
	if c.session == nil {
		return ErrCmdState
	}
	stop := context.AfterFunc(ctx, func() { c.session.Close() })
	status, err := c.session.Wait(ctx)
	c.copying.Wait()
	if !stop() {
		c.session.Close()
		return context.Cause(ctx)
	}
	if !c.stdoutPipe && !c.stderrPipe || err != nil {
		c.session.Close()
	}
	if err != nil {
		return err
	}
	if !status.Success() {
		return &ExitError{ExitStatus: status}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.copyErr
}

// Run starts the command and waits for its end. ctx bounds both.
func (c *Cmd) Run(ctx context.Context) error {
	if err := c.Start(ctx); err != nil {
		return err
	}
	return c.Wait(ctx)
}

// Output runs the command and returns its output. Where Stderr is nil, an
// *ExitError has part of what was said there.
func (c *Cmd) Output(ctx context.Context) ([]byte, error) {
	if c.Stdout != nil || c.stdoutPipe {
		return nil, ErrCmdState
	}
	var stdout bytes.Buffer
	c.Stdout = &stdout
	var stderr *cappedBuffer
	if c.Stderr == nil && !c.stderrPipe {
		stderr = new(cappedBuffer)
		c.Stderr = stderr
	}
	err := c.Run(ctx)
	if e, ok := errors.AsType[*ExitError](err); ok && stderr != nil {
		e.Stderr = stderr.bytes()
	}
	return stdout.Bytes(), err
}

// CombinedOutput runs the command and returns what it wrote to its output and
// to its error output.
func (c *Cmd) CombinedOutput(ctx context.Context) ([]byte, error) {
	if c.Stdout != nil || c.Stderr != nil || c.stdoutPipe || c.stderrPipe {
		return nil, ErrCmdState
	}
	var b bytes.Buffer
	c.Stdout, c.Stderr = &b, &b
	err := c.Run(ctx)
	return b.Bytes(), err
}

// Signal sends a signal, by its name without SIG, such as channel.SIGINT. Many
// servers ignore it.
func (c *Cmd) Signal(ctx context.Context, name string) error {
	if c.session == nil {
		return ErrCmdState
	}
	return c.session.Signal(ctx, name)
}

// Resize tells the command that its terminal has another size.
func (c *Cmd) Resize(ctx context.Context, size channel.WindowSize) error {
	if c.session == nil {
		return ErrCmdState
	}
	return c.session.WindowChange(ctx, size)
}

// Session returns the session that the command runs in, nil before Start.
func (c *Cmd) Session() *channel.Session { return c.session }

// Close ends the session, and with it, at most servers, the command.
func (c *Cmd) Close() error {
	if c.session == nil {
		return ErrCmdState
	}
	return c.session.Close()
}

// A cappedBuffer keeps the first and the last 32 KiB of what is written to it.
type cappedBuffer struct {
	head, tail []byte
	dropped    bool
}

const capped = 32 << 10

func (b *cappedBuffer) Write(p []byte) (int, error) {
	n := len(p)
	room := min(capped-len(b.head), n)
	b.head = append(b.head, p[:room]...)
	b.tail = append(b.tail, p[room:]...)
	if over := len(b.tail) - capped; over > 0 {
		b.tail = append(b.tail[:0], b.tail[over:]...)
		b.dropped = true
	}
	return n, nil
}

func (b *cappedBuffer) bytes() []byte {
	if b.dropped {
		return append(append(b.head, "\n… output omitted …\n"...), b.tail...)
	}
	return append(b.head, b.tail...)
}
