// Package login runs a user's shell or command as sshd does: with the user's
// rights, environment and home directory, on a pty or on pipes.
package login

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"

	"github.com/fairlead-go/ssh/examples/internal/account"
	"github.com/fairlead-go/ssh/examples/internal/terminal"
)

// Config is what to run and how.
type Config struct {
	User    *account.User
	Command string   // for the user's shell; "": a login shell
	Argv    []string // if not nil, run instead, without a shell: an absolute path and arguments
	// Before, if not nil, is run in its place, an absolute path and arguments.
	// After these come the command's own path and arguments, of which the first
	// is its name; it is to execute that in the end.
	Before []string
	Env    []string // the whole environment; SSH_TTY is added when there is a TTY
	TTY    *TTY     // nil: pipes

	// Stdin's end closes the command's standard input, except on a TTY. It may
	// still be read from after the command has ended, until it ends or fails.
	Stdin  io.Reader
	Stdout io.Writer
	Stderr io.Writer // not used with a TTY, but for the server's own complaints

	// Quiet is how long output goes on being read after the command has ended
	// when a process that it left behind holds it open: until nothing came for
	// so long. What was written before the end is always read. 0: without
	// limit, as OpenSSH does it, so that nothing is lost.
	Quiet time.Duration
}

// A TTY is what the client asked for by a pty-req.
type TTY struct {
	Size  terminal.Size
	Modes []terminal.Mode
}

// Status is how a command ended: by exit with a code or, if Signal is not
// empty, by that signal (a name of RFC 4254 section 6.10).
type Status struct {
	Code   int
	Signal string
	Core   bool
}

// ErrNotRoot is wrapped by the error about running a command for another user
// without being root.
var ErrNotRoot = errors.New("only root can run commands for another user")

// A Process is a running command. Its methods may be called from any goroutine.
type Process struct {
	cfg    Config
	cmd    *exec.Cmd
	master *os.File   // nil without a TTY
	name   string     // the terminal's
	stdin  *os.File   // where the command's input is written; the master on a TTY
	output []*os.File // where its output is read

	exited chan struct{} // closed when the command has ended
	status Status        // set before exited is closed

	mu     sync.Mutex // guards gone: a signal must not reach a process id that is free again
	gone   bool
	copies sync.WaitGroup // the readers of output
}

// Start runs the command.
func Start(cfg Config) (*Process, error) {
	p := &Process{cfg: cfg, exited: make(chan struct{})}
	p.cmd = command(&cfg)
	var childEnds []*os.File
	closeAll := func(files []*os.File) {
		for _, f := range files {
			f.Close()
		}
	}
	err := p.identity()
	if err == nil {
		if cfg.TTY != nil {
			childEnds, err = p.openTTY()
		} else {
			childEnds, err = p.openPipes()
		}
	}
	if err == nil {
		err = p.start()
	}
	closeAll(childEnds)
	if err != nil {
		p.closeEnds()
		return nil, err
	}
	go p.wait()
	go p.copyIn()
	for i, f := range p.output {
		w := cfg.Stdout
		if i == 1 {
			w = cfg.Stderr
		}
		p.copies.Go(func() { p.copyOut(w, f) })
	}
	return p, nil
}

func command(cfg *Config) *exec.Cmd {
	u := cfg.User
	cmd := &exec.Cmd{Env: cfg.Env, Dir: u.Home, SysProcAttr: &syscall.SysProcAttr{Setsid: true}}
	switch {
	case cfg.Argv != nil:
		cmd.Path, cmd.Args = cfg.Argv[0], cfg.Argv
	case cfg.Command != "":
		cmd.Path, cmd.Args = u.Shell, []string{filepath.Base(u.Shell), "-c", cfg.Command}
	default:
		// A name that begins with "-" makes it a login shell.
		cmd.Path, cmd.Args = u.Shell, []string{"-" + filepath.Base(u.Shell)}
	}
	if b := cfg.Before; b != nil {
		cmd.Path, cmd.Args = b[0], slices.Concat(b, []string{cmd.Path}, cmd.Args)
	}
	return cmd
}

// identity makes the command run as the user. Without being root, a process
// can only run for its own user, and keeps its groups.
func (p *Process) identity() error {
	u := p.cfg.User
	switch euid := os.Geteuid(); {
	case euid == 0:
		p.cmd.SysProcAttr.Credential = &syscall.Credential{Uid: u.UID, Gid: u.GID, Groups: u.Groups}
	case uint32(euid) != u.UID:
		return fmt.Errorf("%w: %s", ErrNotRoot, u.Name)
	}
	return nil
}

func (p *Process) openTTY() (childEnds []*os.File, err error) {
	master, slave, err := pty.Open()
	if err != nil {
		return nil, fmt.Errorf("pty: %w", err)
	}
	if master, err = nonblocking(master); err != nil {
		return []*os.File{slave}, fmt.Errorf("pty: %w", err)
	}
	p.master, p.stdin, p.output, p.name = master, master, []*os.File{master}, slave.Name()
	p.cmd.Stdin, p.cmd.Stdout, p.cmd.Stderr = slave, slave, slave
	p.cmd.SysProcAttr.Setctty = true // of descriptor 0
	p.cmd.Env = append(p.cmd.Env[:len(p.cmd.Env):len(p.cmd.Env)], "SSH_TTY="+p.name)
	if os.Geteuid() == 0 {
		// The group is the system's choice (tty, so that write(1) works).
		if err := slave.Chown(int(p.cfg.User.UID), -1); err != nil {
			return []*os.File{slave}, fmt.Errorf("pty: %w", err)
		}
	}
	if err := terminal.SetSize(master, p.cfg.TTY.Size); err != nil {
		return []*os.File{slave}, fmt.Errorf("pty: %w", err)
	}
	if err := terminal.ApplyModes(slave, p.cfg.TTY.Modes); err != nil {
		return []*os.File{slave}, fmt.Errorf("pty: %w", err)
	}
	return []*os.File{slave}, nil
}

// nonblocking takes f and returns it as a file whose reads end at a deadline
// and when it is closed, which those of pty.Open do not.
func nonblocking(f *os.File) (*os.File, error) {
	defer f.Close()
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("dup", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		unix.Close(fd)
		return nil, os.NewSyscallError("fcntl", err)
	}
	return os.NewFile(uintptr(fd), f.Name()), nil
}

func (p *Process) openPipes() (childEnds []*os.File, err error) {
	var ends [3][2]*os.File // reading end, writing end
	for i := range ends {
		if ends[i][0], ends[i][1], err = os.Pipe(); err != nil {
			for _, e := range ends[:i] {
				e[0].Close()
				e[1].Close()
			}
			return nil, err
		}
	}
	p.stdin, p.output = ends[0][1], []*os.File{ends[1][0], ends[2][0]}
	p.cmd.Stdin, p.cmd.Stdout, p.cmd.Stderr = ends[0][0], ends[1][1], ends[2][1]
	return []*os.File{ends[0][0], ends[1][1], ends[2][1]}, nil
}

// start runs the command in the home directory or, if that cannot be entered, in /.
func (p *Process) start() error {
	complain := func(err error) {
		w := p.cfg.Stderr
		if p.master != nil || w == nil {
			w = p.cfg.Stdout
		}
		if pe, ok := errors.AsType[*os.PathError](err); ok {
			err = pe.Err
		}
		fmt.Fprintf(w, "Could not chdir to home directory %s: %v\r\n", p.cfg.User.Home, err)
	}
	if info, err := os.Stat(p.cmd.Dir); err != nil {
		complain(err)
		p.cmd.Dir = "/"
	} else if !info.IsDir() {
		complain(syscall.ENOTDIR)
		p.cmd.Dir = "/"
	}
	err := p.cmd.Start()
	if err != nil && p.cmd.Dir != "/" && errors.Is(err, os.ErrPermission) {
		// What failed may have been the directory: the child enters it with the user's rights.
		again := &exec.Cmd{Path: p.cmd.Path, Args: p.cmd.Args, Env: p.cmd.Env, Dir: "/", SysProcAttr: p.cmd.SysProcAttr,
			Stdin: p.cmd.Stdin, Stdout: p.cmd.Stdout, Stderr: p.cmd.Stderr}
		if again.Start() == nil {
			complain(os.ErrPermission)
			p.cmd, err = again, nil
		}
	}
	return err
}

// wait takes the command's end and lets the readers of its output know.
func (p *Process) wait() {
	leave := func() {
		p.mu.Lock()
		p.gone = true
		p.mu.Unlock()
	}
	if waitExit(p.cmd.Process.Pid) {
		leave() // before its id is free again
	}
	_ = p.cmd.Wait() // what it says is in ProcessState
	leave()
	if ws, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		p.status = Status{Signal: SignalName(ws.Signal()), Core: ws.CoreDump()}
	} else {
		p.status = Status{Code: p.cmd.ProcessState.ExitCode()}
	}
	// The deadline wakes the readers; it must be set before exited is closed,
	// for they then set one of their own.
	for _, f := range p.output {
		_ = f.SetReadDeadline(time.Unix(1, 0))
	}
	close(p.exited)
}

// copyOut copies the command's output until its end, or, once the command has
// ended, until nothing has come for as long as Quiet, if that is set.
func (p *Process) copyOut(w io.Writer, r *os.File) {
	buf := make([]byte, 32<<10)
	for {
		last := false
		select {
		case <-p.exited:
			last = true
			var deadline time.Time
			if p.cfg.Quiet > 0 {
				deadline = time.Now().Add(p.cfg.Quiet)
			}
			if err := r.SetReadDeadline(deadline); err != nil {
				return
			}
		default:
		}
		n, err := r.Read(buf)
		if n > 0 {
			if _, werr := w.Write(buf[:n]); werr != nil {
				// Nobody listens: the command's next write must fail.
				if p.master == nil {
					r.Close()
				}
				return
			}
		}
		switch {
		case err == nil:
		case errors.Is(err, os.ErrDeadlineExceeded) && !last:
			<-p.exited
		default:
			return // the end; of a pty, EIO
		}
	}
}

func (p *Process) copyIn() {
	if p.cfg.Stdin != nil {
		_, err := io.Copy(struct{ io.Writer }{p.stdin}, p.cfg.Stdin)
		_ = err // the command may end, or close its input, before all of it is read
	}
	if p.master == nil {
		p.stdin.Close()
	}
}

// TTYName returns the terminal's name, "" without one.
func (p *Process) TTYName() string { return p.name }

// PID returns the process id, which is also that of its session and group.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Resize changes the size of the terminal's window, which sends SIGWINCH.
func (p *Process) Resize(s terminal.Size) error {
	if p.master == nil {
		return nil
	}
	return terminal.SetSize(p.master, s)
}

// Signal sends a signal, by its name of RFC 4254 section 6.10, to the
// command's process group. After its end nothing happens.
func (p *Process) Signal(name string) error {
	s, ok := signals[name]
	if !ok {
		return fmt.Errorf("unsupported signal %q", name)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.gone {
		return nil
	}
	return syscall.Kill(-p.cmd.Process.Pid, s)
}

// Hangup is the client's leaving: the terminal hangs up, or the pipes close.
// A command without a terminal that neither reads nor writes goes on.
func (p *Process) Hangup() { p.closeEnds() }

func (p *Process) closeEnds() {
	if p.stdin != nil {
		p.stdin.Close()
	}
	for _, f := range p.output {
		f.Close()
	}
}

// Exited is closed when the command itself has ended; output may still come.
func (p *Process) Exited() <-chan struct{} { return p.exited }

// Wait waits until the command has ended and its output has been passed on,
// or until ctx is done, which leaves it running.
func (p *Process) Wait(ctx context.Context) (Status, error) {
	done := make(chan struct{})
	go func() {
		<-p.exited
		p.copies.Wait()
		close(done)
	}()
	select {
	case <-done:
		p.closeEnds()
		return p.status, nil
	case <-ctx.Done():
		return Status{}, context.Cause(ctx)
	}
}
