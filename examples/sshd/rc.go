package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/fairlead-go/ssh"
	"github.com/fairlead-go/ssh/channel"
)

// systemRC is run before a session's command where the user's own file is not.
const systemRC = "/etc/ssh/sshrc"

const posixShell = "/bin/sh"

// rcCommand returns what is to be run before the session's command, nil if
// nothing is: ~/.ssh/rc where that is there and permitted, otherwise systemRC.
// A subsystem's output must not begin with that of the user's file, and the
// administrator's forced command comes first.
func (c *connection) rcCommand(s *ssh.Session) []string {
	p := s.Permissions()
	permitted := c.opts.PermitUserRC && c.opts.ForceCommand == "" && s.Original().Kind != channel.StartSubsystem &&
		(p == nil || !p.NoUserRC)
	own := filepath.Join(c.account.Home, ".ssh", "rc")
	if permitted && asUser(c.account, func() error { return exists(own) }) == nil {
		// By way of the user's shell, which may be one that runs nothing.
		return []string{c.account.Shell, "-c", posixShell + " " + quoteShell(own), endOfRC}
	}
	if exists(systemRC) == nil {
		return []string{posixShell, systemRC, endOfRC}
	}
	return nil
}

func exists(path string) error {
	_, err := os.Stat(path)
	return err
}

// quoteShell quotes s for a POSIX shell.
func quoteShell(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// endOfRC stands in the arguments of a process of roleRC between what is run
// first and what it becomes.
const endOfRC = "--end-of-rc--"

// runRC is the life of such a process. What it runs first has the session's
// output, but not its input, and may fail.
func runRC(args []string) int {
	for i, a := range args {
		if a != endOfRC || i == 0 || len(args) < i+3 {
			continue
		}
		rc := &exec.Cmd{Path: args[0], Args: args[:i], Stdout: os.Stdout, Stderr: os.Stderr}
		_ = rc.Run() // whatever becomes of it, the session goes on, as OpenSSH's does
		err := syscall.Exec(args[i+1], args[i+2:], os.Environ())
		fmt.Fprintf(os.Stderr, "%s: %v\n", args[i+1], err)
		break
	}
	return exitError
}
