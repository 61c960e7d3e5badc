package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/fairlead-go/ssh"
	"github.com/fairlead-go/ssh/channel"
	"github.com/fairlead-go/ssh/examples/internal/account"
	"github.com/fairlead-go/ssh/examples/internal/login"
	"github.com/fairlead-go/ssh/examples/internal/terminal"
)

// exitNoLogin is the exit status of a session that nologin(5) keeps from
// starting, which is OpenSSH's.
const exitNoLogin = 254

// serveSession runs a shell, a command or a subsystem.
func (c *connection) serveSession(s *ssh.Session) {
	if err := c.account.CanLogin(); err != nil {
		if closed, ok := errors.AsType[*account.NoLoginError](err); ok {
			_, _ = io.WriteString(s.Stderr(), closed.Text)
		}
		_ = s.Exit(exitNoLogin)
		return
	}
	cfg := c.program(s)
	c.logSession(s)
	if s.Kind() == channel.StartShell && s.PTY() != nil {
		c.greet(s)
	}
	p, err := login.Start(cfg)
	if err != nil {
		c.log.errorf("session of %s: %v", c.name, err)
		fmt.Fprintf(s.Stderr(), "sshd: %v\r\n", err)
		_ = s.Exit(exitError)
		return
	}
	c.accompany(s, p)
}

// accompany passes on what the client sends to a running program, and its end
// to the client.
func (c *connection) accompany(s *ssh.Session, p *login.Process) {
	type end struct {
		status login.Status
		err    error
	}
	ended := make(chan end, 1)
	go func() {
		status, err := p.Wait(s.Context())
		ended <- end{status, err}
	}()
	for {
		select {
		case size := <-s.WindowChanges():
			_ = p.Resize(terminalSize(size)) // the terminal may be gone
		case name := <-s.Signals():
			if err := p.Signal(name); err != nil {
				c.log.debugf("signal of %s: %v", c.name, err)
			}
		case e := <-ended:
			switch {
			case e.err != nil: // the client has left
				p.Hangup()
			case e.status.Signal != "":
				_ = s.ExitSignal(channel.ExitSignal{Signal: e.status.Signal, CoreDumped: e.status.Core})
			default:
				_ = s.Exit(e.status.Code)
			}
			return
		}
	}
}

// program says what to run for the session, and how.
func (c *connection) program(s *ssh.Session) login.Config {
	cfg := login.Config{User: c.account, Stdin: s, Stdout: s, Stderr: s.Stderr()}
	env := login.Environment{
		User:   c.account,
		Client: s.Original().Env,
		File:   c.environmentFile(),
		Server: c.opts.SetEnv,
		Remote: c.remote, Local: c.local,
		AuthInfo: c.authInfo,
		Original: c.original(s),
	}
	if p := s.Permissions(); p != nil {
		env.Key, env.Forced = p.Environment, p.ForceCommand != ""
	}
	if tty := s.PTY(); tty != nil {
		env.Term = tty.Term
		cfg.TTY = &login.TTY{Size: terminalSize(tty.Size)}
		for _, m := range tty.Modes {
			cfg.TTY.Modes = append(cfg.TTY.Modes, terminal.Mode{Opcode: uint8(m.Opcode), Value: m.Value})
		}
	}
	cfg.Env = env.Build()
	cfg.Command = s.Command()
	if s.Kind() == channel.StartSubsystem {
		cfg.Command, _ = c.opts.SubsystemCommand(s.Subsystem())
	}
	if forced := c.opts.ForceCommand; forced != "" { // before that of a certificate
		cfg.Command = forced
	}
	if isInternalSFTP(cfg.Command) {
		cfg.Argv = append([]string{ownProgram()}, strings.Fields(cfg.Command)...)
		cfg.Env = append(cfg.Env, roleVariable+"="+roleSFTP)
	} else if rc := c.rcCommand(s); rc != nil {
		cfg.Before = append([]string{ownProgram()}, rc...)
		cfg.Env = append(cfg.Env, roleVariable+"="+roleRC)
	}
	return cfg
}

// original is the command that a forced one replaces; "" for a shell.
func (c *connection) original(s *ssh.Session) string {
	start := s.Original()
	if start.Kind == channel.StartSubsystem {
		command, _ := c.opts.SubsystemCommand(start.Subsystem)
		return command
	}
	return start.Command
}

// environmentFile reads ~/.ssh/environment, where that is permitted.
func (c *connection) environmentFile() (vars []string) {
	err := asUser(c.account, func() error {
		data, err := os.ReadFile(filepath.Join(c.account.Home, ".ssh", "environment"))
		vars = login.ReadEnvironment(data, c.permitsUserEnv)
		return err
	})
	if err != nil {
		return nil
	}
	return vars
}

func terminalSize(s channel.WindowSize) terminal.Size {
	return terminal.Size{Columns: s.Columns, Rows: s.Rows, WidthPixels: s.WidthPixels, HeightPixels: s.HeightPixels}
}

func (c *connection) logSession(s *ssh.Session) {
	what := s.Kind().String()
	switch s.Kind() {
	case channel.StartExec:
		what = "command"
		if p := s.Permissions(); p != nil && p.ForceCommand != "" {
			what = "forced-command '" + cmp.Or(c.opts.ForceCommand, p.ForceCommand) + "'"
		}
	case channel.StartSubsystem:
		what = "subsystem '" + s.Subsystem() + "'"
	}
	c.log.verbosef("Starting session: %s for %s from %s", what, c.name, c.peer())
}
