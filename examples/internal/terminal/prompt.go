package terminal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// ErrNoTerminal is returned when a question cannot be asked: no terminal, and
// no program named by SSH_ASKPASS.
var ErrNoTerminal = errors.New("no terminal to ask on, and SSH_ASKPASS is not set")

// ErrInterrupted is returned when a signal came instead of an answer.
var ErrInterrupted = errors.New("interrupted")

// maxAnswer bounds what a user types, in bytes.
const maxAnswer = 4096

// A Prompter asks the user on the terminal that controls the process, whatever
// standard input is, or by the program that SSH_ASKPASS names.
type Prompter struct {
	TTY    string                   // "": /dev/tty
	Getenv func(name string) string // nil: os.Getenv
}

// Ask shows prompt and returns the line that the user types, without its end;
// the typing is shown only with echo. It returns when ctx is done.
// prompt is written as it is: [Sanitize] what a peer sent.
func (p *Prompter) Ask(ctx context.Context, prompt string, echo bool) (string, error) {
	getenv := p.Getenv
	if getenv == nil {
		getenv = os.Getenv
	}
	program := getenv("SSH_ASKPASS")
	require := getenv("SSH_ASKPASS_REQUIRE")
	graphical := getenv("DISPLAY") != "" || getenv("WAYLAND_DISPLAY") != ""
	switch {
	case program == "" || require == "never":
		program = ""
	case require == "force", require == "prefer" && graphical:
		return askProgram(ctx, program, prompt, echo)
	case !graphical:
		program = ""
	}
	name := p.TTY
	if name == "" {
		name = "/dev/tty"
	}
	// Non-blocking, so that a deadline can end the read.
	tty, err := os.OpenFile(name, os.O_RDWR|syscall.O_NOCTTY|syscall.O_NONBLOCK, 0)
	if err != nil {
		if program != "" {
			return askProgram(ctx, program, prompt, echo)
		}
		return "", ErrNoTerminal
	}
	defer tty.Close()
	return askTerminal(ctx, tty, prompt, echo)
}

func askProgram(ctx context.Context, program, prompt string, echo bool) (string, error) {
	cmd := exec.CommandContext(ctx, program, prompt)
	cmd.Env = os.Environ()
	if echo {
		cmd.Env = append(cmd.Env, "SSH_ASKPASS_PROMPT=confirm")
	}
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("SSH_ASKPASS: %w", err)
	}
	line, _, _ := strings.Cut(string(out[:min(len(out), maxAnswer)]), "\n")
	return strings.TrimSuffix(line, "\r"), nil
}

func askTerminal(ctx context.Context, tty *os.File, prompt string, echo bool) (answer string, err error) {
	restore, err := lineMode(tty, echo)
	if err != nil {
		return "", err
	}
	defer restore()
	// A signal must not leave the terminal without echo.
	caught, release := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT)
	defer release()
	stop := context.AfterFunc(caught, func() { _ = tty.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	if _, err := io.WriteString(tty, prompt); err != nil {
		return "", err
	}
	line, err := readLine(tty)
	if !echo {
		_, _ = io.WriteString(tty, "\n") // the user's own was not shown
	}
	switch {
	case err == nil:
	case ctx.Err() != nil:
		return "", context.Cause(ctx)
	case caught.Err() != nil:
		return "", ErrInterrupted
	}
	return line, err
}

// readLine reads byte by byte, so that nothing typed ahead for the session is lost.
func readLine(r io.Reader) (string, error) {
	var line []byte
	b := make([]byte, 1)
	for {
		n, err := r.Read(b)
		if n == 1 {
			if b[0] == '\n' || b[0] == '\r' {
				return string(line), nil
			}
			if len(line) < maxAnswer {
				line = append(line, b[0])
			}
		}
		if err != nil {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return "", err
		}
	}
}

// lineMode makes the terminal cooked, with or without echo, until restore.
func lineMode(tty *os.File, echo bool) (restore func(), err error) {
	before, err := getTermios(tty)
	if err != nil {
		return nil, err
	}
	now := *before
	now.Iflag |= unix.ICRNL
	now.Lflag |= unix.ICANON | unix.ISIG | unix.ECHO
	if !echo {
		now.Lflag &^= unix.ECHO
	}
	if err := setTermios(tty, &now); err != nil {
		return nil, err
	}
	return func() { _ = setTermios(tty, before) }, nil
}

func getTermios(f *os.File) (t *unix.Termios, err error) {
	err = onFD(f, func(fd int) (err error) { t, err = unix.IoctlGetTermios(fd, ioctlGetTermios); return err })
	return t, os.NewSyscallError("tcgetattr", err)
}

func setTermios(f *os.File, t *unix.Termios) error {
	return os.NewSyscallError("tcsetattr", onFD(f, func(fd int) error { return unix.IoctlSetTermios(fd, ioctlSetTermios, t) }))
}

// ConfirmHostKey asks whether to go on with an unknown host key: yes, no, or
// the fingerprint, which counts as yes if it is the right one. It asks again
// until one is typed.
func (p *Prompter) ConfirmHostKey(ctx context.Context, question, fingerprint string) (bool, error) {
	for {
		answer, err := p.Ask(ctx, question, true)
		if err != nil {
			return false, err
		}
		switch answer = strings.TrimSpace(answer); {
		case strings.EqualFold(answer, "yes"), answer == fingerprint:
			return true, nil
		case strings.EqualFold(answer, "no"):
			return false, nil
		}
		question = "Please type 'yes', 'no' or the fingerprint: "
	}
}
