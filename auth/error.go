package auth

import (
	"errors"
	"os"
	"strings"

	"github.com/fairlead-go/ssh/wire"
)

// An Error is a client's: the server let none of its methods do.
type Error struct {
	User    string
	Tried   []string // methods tried, each once, in order; the none probe aside
	Allowed []string // methods that the server would go on with, in its words
	Errs    []error  // what failed on this side: no key, a prompt given up, a signer
}

// Error implements error. What came from the server is escaped.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("auth: user ")
	b.WriteString(wire.Quote(e.User, wire.MaxShown))
	b.WriteString(" denied: tried ")
	if len(e.Tried) == 0 {
		b.WriteString("nothing")
	} else {
		b.WriteString(wire.Escape(strings.Join(e.Tried, ", "), wire.MaxShown))
	}
	b.WriteString("; server allows ")
	if len(e.Allowed) == 0 {
		b.WriteString("nothing more")
	} else {
		b.WriteString(wire.Escape(strings.Join(e.Allowed, ","), wire.MaxShown))
	}
	for _, err := range e.Errs {
		b.WriteString("; ")
		b.WriteString(err.Error())
	}
	return b.String()
}

// Unwrap returns Errs.
func (e *Error) Unwrap() []error { return e.Errs }

// ErrTimeout is why authentication ended when the server's Timeout or the
// client's ReplyTimeout passed. It is an os.ErrDeadlineExceeded.
var ErrTimeout error = timeoutError{}

type timeoutError struct{}

func (timeoutError) Error() string { return "auth: timed out" }
func (timeoutError) Timeout() bool { return true }
func (timeoutError) Unwrap() error { return os.ErrDeadlineExceeded }

var (
	// ErrTooManyAttempts: the peer went past a bound on authentication.
	ErrTooManyAttempts = errors.New("auth: too many attempts")
	// ErrAborted is returned by the ask function of a keyboard-interactive
	// callback when the client gave up the dialogue for another request, and
	// given to [ServerConfig.Log] for that attempt.
	ErrAborted = errors.New("auth: request aborted by the client")
	// ErrPartialSuccess is given to [ServerConfig.Log] for an attempt that
	// proved its method where another is required.
	ErrPartialSuccess = errors.New("auth: partial success")
	// ErrNotOffered is given to [ServerConfig.Log] for a method that is
	// unknown, not configured, or not among those that can continue.
	ErrNotOffered = errors.New("auth: method is not offered")
)

// A failure ends the connection: err is the cause here, protocol what the
// peer is told.
type failure struct {
	err      error
	protocol *wire.ProtocolError
}

func (f *failure) Error() string { return f.err.Error() }

// Unwrap returns protocol first: err may hold a ProtocolError of some other
// connection, such as an agent's, that this peer is not to be told.
func (f *failure) Unwrap() []error { return []error{f.protocol, f.err} }

// fail ends pc with a DISCONNECT of the given reason and text, and returns the
// cause, which is the text itself where err is nil.
func fail(pc wire.PacketConn, err error, reason uint32, format string, args ...any) error {
	f := &failure{err: err, protocol: wire.ProtocolErrorf(reason, format, args...)}
	if err == nil {
		f.err = f.protocol
	}
	pc.Fail(f)
	return f
}

// failMessage ends pc for a message that does not parse.
func failMessage(pc wire.PacketConn, err error) error {
	return fail(pc, err, wire.DisconnectProtocolError, "malformed authentication message")
}

// failState ends pc for a message that may not come now.
func failState(pc wire.PacketConn, number byte) error {
	return fail(pc, nil, wire.DisconnectProtocolError, "message %d is not allowed here", number)
}
