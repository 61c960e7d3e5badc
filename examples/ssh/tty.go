package main

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/fairlead-go/ssh/channel"
	"github.com/fairlead-go/ssh/examples/internal/clientconfig"
	"github.com/fairlead-go/ssh/examples/internal/terminal"
)

// wantsTTY says whether the program shall have a terminal.
func (s *session) wantsTTY() bool {
	local := terminal.Is(os.Stdin) && !s.o.StdinNull
	switch s.o.RequestTTY {
	case clientconfig.No:
		return false
	case clientconfig.Force:
		return true
	case clientconfig.Yes:
		if !local {
			s.log.infof("Pseudo-terminal will not be allocated because stdin is not a terminal.")
		}
		return local
	}
	return local && s.command(s.o) == "" && s.o.SessionType != clientconfig.Subsystem
}

// terminalInput returns the terminal that is standard input, opened anew so
// that a deadline can end a Read, or as it is where that cannot be had.
func terminalInput() *os.File {
	f, err := os.OpenFile("/proc/self/fd/0", os.O_RDONLY|syscall.O_NOCTTY|syscall.O_NONBLOCK, 0)
	if err != nil || !terminal.Is(f) {
		return os.Stdin
	}
	return f
}

func (s *session) requestPTY() error {
	pty := channel.PTY{Term: os.Getenv("TERM")}
	if size, err := terminal.GetSize(os.Stdin); err == nil {
		pty.Size = channel.WindowSize(size)
	}
	if modes, err := terminal.Modes(os.Stdin); err == nil {
		for _, m := range modes {
			pty.Modes = append(pty.Modes, channel.TerminalMode{Opcode: channel.TerminalOpcode(m.Opcode), Value: m.Value})
		}
	}
	return s.ch.RequestPTY(s.ctx, pty)
}

func (s *session) resize(size terminal.Size) {
	_ = s.ch.WindowChange(s.ctx, channel.WindowSize(size)) // of no use once the session is over
}

// errDisconnect is the user's ~.
var errDisconnect = errors.New("disconnected by the user")

// escape carries out what the user typed after the escape character.
func (s *session) escape(command terminal.Command) error {
	char := string(rune(s.o.EscapeChar))
	say := func(format string, args ...any) {
		fmt.Fprintf(os.Stderr, char+format+"\r\n", args...)
	}
	switch command {
	case terminal.Disconnect:
		say(".")
		return errDisconnect
	case terminal.Help:
		say("?")
		fmt.Fprint(os.Stderr, terminal.HelpText(byte(s.o.EscapeChar)))
	case terminal.Suspend:
		say("^Z [suspend ssh]")
		s.suspend()
	case terminal.List:
		say("#")
		fmt.Fprint(os.Stderr, "The following connections are open:\r\n  #0 client-session\r\n")
		for _, name := range s.fwd.list() {
			fmt.Fprintf(os.Stderr, "  %s\r\n", terminal.Sanitize(name))
		}
	case terminal.Break:
		say("B")
		go func() {
			if err := s.ch.Break(s.ctx, time.Second); err != nil {
				s.log.debugf("%v", err)
			}
		}()
	case terminal.Rekey:
		go func() {
			if err := s.client.Rekey(s.ctx); err != nil {
				s.log.debugf("%v", err)
			}
		}()
	case terminal.Louder:
		say("v [LogLevel %s]", s.log.change(1))
	case terminal.Quieter:
		say("V [LogLevel %s]", s.log.change(-1))
	case terminal.Line:
		say("C")
		fmt.Fprint(os.Stderr, "commandline disabled\r\n")
	case terminal.Background:
		say("& [not supported: use -f]")
	}
	return nil
}

// suspend stops the program as a shell's ^Z does, with the terminal as it was,
// and returns when it goes on.
func (s *session) suspend() {
	resumed := make(chan os.Signal, 1)
	signal.Notify(resumed, syscall.SIGCONT)
	defer signal.Stop(resumed)
	_ = s.raw.Restore()
	if err := syscall.Kill(os.Getpid(), syscall.SIGTSTP); err == nil {
		select {
		case <-resumed:
		case <-time.After(time.Second): // no shell is there to go on with: the kernel has dropped the signal
		}
	}
	if s.raw != nil {
		_ = s.raw.Again()
	}
	if size, err := terminal.GetSize(os.Stdin); err == nil {
		s.resize(size)
	}
}
