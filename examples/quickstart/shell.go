package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"

	"github.com/creack/pty"

	"github.com/fairlead-go/ssh"
	"github.com/fairlead-go/ssh/channel"
)

// prompt is what the far side's shell asks for a line with.
const prompt = "far$ "

// A typist types into a shell in a terminal at the far side, and reads there.
type typist struct {
	cmd    *ssh.Cmd
	stdin  io.Writer
	stdout io.Reader
	screen bytes.Buffer // all that the terminal has shown
	typed  int          // how much of it stood there when the last line was typed
}

// openShell starts a shell in a terminal and waits for its prompt. The terminal
// is a dumb one, so that no shell decorates what it prints.
func (s *story) openShell(ctx context.Context, size channel.WindowSize) (*typist, error) {
	t := &typist{cmd: s.client.Shell()}
	t.cmd.PTY = &channel.PTY{Term: "dumb", Size: size}
	var err error
	if t.stdin, err = t.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if t.stdout, err = t.cmd.StdoutPipe(); err != nil {
		return nil, err
	}
	if err := t.cmd.Start(ctx); err != nil {
		return nil, err
	}
	if err := t.waitFor(prompt); err != nil {
		t.cmd.Close()
		return nil, err
	}
	return t, nil
}

// typeLine types a line.
func (t *typist) typeLine(line string) error {
	t.typed = t.screen.Len()
	_, err := io.WriteString(t.stdin, line+"\n")
	return err
}

// waitFor waits until the terminal has shown a text since the last line was
// typed.
func (t *typist) waitFor(text string) error {
	buf := make([]byte, 4096)
	for !bytes.Contains(t.screen.Bytes()[t.typed:], []byte(text)) {
		n, err := t.stdout.Read(buf)
		t.screen.Write(buf[:n])
		if err != nil {
			return fmt.Errorf("waiting for %q in the shell: %w; it has shown %q", text, err, &t.screen)
		}
	}
	return nil
}

// text is what a screen would show of it: some shells steer even a dumb
// terminal, or write a line again over itself.
func (t *typist) text() string {
	var shown strings.Builder
	for line := range strings.Lines(steering.ReplaceAllString(t.screen.String(), "")) {
		line = strings.TrimRight(line, "\r\n")
		shown.WriteString(line[strings.LastIndexByte(line, '\r')+1:] + "\n")
	}
	return shown.String()
}

var steering = regexp.MustCompile(`\x1b\[[0-9;?]*[a-zA-Z]`)

// exit leaves the shell with a status, which must then be the session's.
func (t *typist) exit(ctx context.Context, status int) error {
	if err := t.typeLine(fmt.Sprint("exit ", status)); err != nil {
		return err
	}
	if _, err := t.screen.ReadFrom(t.stdout); err != nil {
		return err
	}
	err := t.cmd.Wait(ctx)
	if exit, ok := errors.AsType[*ssh.ExitError](err); ok && exit.ExitCode() == status {
		return nil
	}
	return fmt.Errorf("the shell should have ended with status %d: %v", status, err)
}

func winsize(size channel.WindowSize) *pty.Winsize {
	return &pty.Winsize{Cols: uint16(size.Columns), Rows: uint16(size.Rows)}
}
