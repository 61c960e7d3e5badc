package channel

import (
	"fmt"
	"strings"

	"github.com/fairlead-go/ssh/wire"
)

// Channel and request types of a session (RFC 4254 section 6, RFC 4335).
const (
	typeSession = "session"

	requestPTY          = "pty-req"
	requestEnv          = "env"
	requestShell        = "shell"
	requestExec         = "exec"
	requestSubsystem    = "subsystem"
	requestWindowChange = "window-change"
	requestSignal       = "signal"
	requestBreak        = "break"
	requestExitStatus   = "exit-status"
	requestExitSignal   = "exit-signal"
)

// Signal names (RFC 4254 section 6.10). Others are of the form name@domain.
const (
	SIGABRT = "ABRT"
	SIGALRM = "ALRM"
	SIGFPE  = "FPE"
	SIGHUP  = "HUP"
	SIGILL  = "ILL"
	SIGINT  = "INT"
	SIGKILL = "KILL"
	SIGPIPE = "PIPE"
	SIGQUIT = "QUIT"
	SIGSEGV = "SEGV"
	SIGTERM = "TERM"
	SIGUSR1 = "USR1"
	SIGUSR2 = "USR2"
)

// maxSignalName bounds a signal's name, as RFC 4250 section 4.6.1 bounds all
// names.
const maxSignalName = 64

// validSignal tells whether name can be a signal's: RFC 4250 section 4.6.1
// wants printable US-ASCII.
func validSignal(name string) bool {
	if name == "" || len(name) > maxSignalName {
		return false
	}
	for _, c := range []byte(name) {
		if c <= ' ' || c > '~' {
			return false
		}
	}
	return true
}

// parseString decodes the payload of exec and subsystem requests: one string.
func parseString(payload []byte) (string, error) {
	r := wire.NewReader(payload)
	s := r.Text()
	return s, r.End()
}

// RFC 4254 section 6.4.
func appendEnv(b []byte, name, value string) []byte {
	b = wire.AppendString(b, name)
	return wire.AppendString(b, value)
}

// parseEnv refuses what no environment can hold: an empty name, '=' in a name,
// NUL in either.
func parseEnv(payload []byte) (name, value string, err error) {
	r := wire.NewReader(payload)
	name, value = r.Text(), r.Text()
	if r.Err() == nil && (name == "" || strings.ContainsAny(name, "=\x00") || strings.ContainsRune(value, 0)) {
		r.Fail(wire.ErrInvalid)
	}
	if err := r.End(); err != nil {
		return "", "", fmt.Errorf("channel: env: %w", err)
	}
	return name, value, nil
}

// RFC 4254 section 6.9.
func parseSignal(payload []byte) (string, error) {
	r := wire.NewReader(payload)
	name := r.Text()
	if r.Err() == nil && !validSignal(name) {
		r.Fail(wire.ErrInvalid)
	}
	if err := r.End(); err != nil {
		return "", fmt.Errorf("channel: signal: %w", err)
	}
	return name, nil
}

// parseUint32 decodes the payload of exit-status and break requests.
func parseUint32(payload []byte) (uint32, error) {
	r := wire.NewReader(payload)
	v := r.Uint32()
	return v, r.End()
}

// ExitSignal tells that a program ended through a signal (RFC 4254
// section 6.10).
type ExitSignal struct {
	Signal     string // without "SIG", such as SIGKILL
	CoreDumped bool
	Message    string // for a person, in UTF-8
	Language   string // tag of Message's language (RFC 3066); may be empty
}

func appendExitSignal(b []byte, e ExitSignal) []byte {
	b = wire.AppendString(b, e.Signal)
	b = wire.AppendBool(b, e.CoreDumped)
	b = wire.AppendString(b, e.Message)
	return wire.AppendString(b, e.Language)
}

func parseExitSignal(payload []byte) (ExitSignal, error) {
	r := wire.NewReader(payload)
	e := ExitSignal{r.Text(), r.Bool(), r.Text(), r.Text()}
	if r.Err() == nil && !validSignal(e.Signal) {
		r.Fail(wire.ErrInvalid)
	}
	if err := r.End(); err != nil {
		return ExitSignal{}, fmt.Errorf("channel: exit-signal: %w", err)
	}
	return e, nil
}
