package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/fairlead-go/ssh/examples/internal/cmdline"
	"github.com/fairlead-go/ssh/transport"
)

// The roles of a process that this program has started itself, named in its
// environment.
const (
	roleVariable   = "FAIRLEAD_SSHD_ROLE"
	roleDaemon     = "daemon"     // listens, detached
	roleConnection = "connection" // serves one connection that was accepted
	roleSFTP       = "sftp"       // serves SFTP, as the user who logged in
	roleRC         = "rc"         // runs a file of commands, as that user, before the session's own
)

// Exit statuses, which are OpenSSH's.
const (
	exitOK    = 0
	exitError = 1
	exitFatal = 255
)

func main() { os.Exit(run(os.Args[1:])) }

func run(args []string) int {
	role := os.Getenv(roleVariable)
	os.Unsetenv(roleVariable)
	switch role {
	case roleConnection:
		return serveChild()
	case roleSFTP:
		return serveSFTP()
	case roleRC:
		return runRC(args)
	}
	flags, err := cmdline.ParseSSHD(args)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		if _, usage := errors.AsType[*cmdline.UsageError](err); usage {
			fmt.Fprint(os.Stderr, cmdline.SSHDUsage)
		}
		return exitError
	}
	if flags.Version {
		fmt.Fprintln(os.Stderr, transport.DefaultSoftwareVersion)
		return exitOK
	}
	if flags.LogFile != "" {
		if err := logTo(flags.LogFile); err != nil {
			fmt.Fprintf(os.Stderr, "Couldn't open logfile %s: %v\n", flags.LogFile, err)
			return exitError
		}
	}
	s, err := load(flags)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return exitError
	}
	switch {
	case flags.Dump:
		return s.dump(flags.Spec)
	case flags.Test:
		return s.test()
	case flags.Inetd:
		return s.serveInetd()
	case flags.Foreground || flags.Debug > 0 || role == roleDaemon:
		return s.listen()
	}
	return s.detach()
}

// logTo makes the file standard error, for this process and those it starts.
func logTo(name string) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	return dup2(int(f.Fd()), int(os.Stderr.Fd()))
}
