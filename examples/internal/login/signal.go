package login

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// signals is the names of RFC 4254 section 6.10, without "SIG".
var signals = map[string]syscall.Signal{
	"ABRT": syscall.SIGABRT, "ALRM": syscall.SIGALRM, "FPE": syscall.SIGFPE, "HUP": syscall.SIGHUP,
	"ILL": syscall.SIGILL, "INT": syscall.SIGINT, "KILL": syscall.SIGKILL, "PIPE": syscall.SIGPIPE,
	"QUIT": syscall.SIGQUIT, "SEGV": syscall.SIGSEGV, "TERM": syscall.SIGTERM,
	"USR1": syscall.SIGUSR1, "USR2": syscall.SIGUSR2,
}

// SignalName returns the name that exit-signal carries for s. A signal that
// RFC 4254 section 6.10 does not name is written "NAME@fairlead-go.github.io",
// as that section asks.
func SignalName(s syscall.Signal) string {
	for name, v := range signals {
		if v == s {
			return name
		}
	}
	name := unix.SignalName(s)
	if len(name) > 3 {
		name = name[3:] // without SIG
	} else {
		name = "UNKNOWN"
	}
	return name + "@fairlead-go.github.io"
}
