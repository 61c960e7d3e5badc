package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"

	"github.com/fairlead-go/ssh/kex"
	"github.com/fairlead-go/ssh/wire"
)

// ProtocolError is a breach of the protocol that ended the connection: by the
// peer, as we saw it.
type ProtocolError = wire.ProtocolError

// A DisconnectError is an SSH_MSG_DISCONNECT that ended the connection
// (RFC 4253 section 11.1).
type DisconnectError struct {
	Reason  uint32 // a wire.Disconnect… code
	Message string // as sent: escape before printing; Error does
	Remote  bool   // the peer sent it
}

func (e *DisconnectError) Error() string {
	who := "we"
	if e.Remote {
		who = "the peer"
	}
	return fmt.Sprintf("transport: %s disconnected: %s (reason %d)", who, wire.Quote(e.Message, wire.MaxShown), e.Reason)
}

// Unwrap makes a disconnect of ours, such as Close, match net.ErrClosed.
func (e *DisconnectError) Unwrap() error {
	if e.Remote {
		return nil
	}
	return net.ErrClosed
}

// A NegotiationError says that the two sides have no algorithm in common
// (RFC 4253 section 7.1).
type NegotiationError struct {
	Kind   string // "key exchange", "host key", "cipher client to server", …
	Ours   []string
	Theirs []string // as sent; printable US-ASCII
}

func (e *NegotiationError) Error() string {
	return fmt.Sprintf("transport: no common algorithm for %s: ours are %s; theirs are %s",
		e.Kind, listNames(e.Ours), listNames(e.Theirs))
}

func listNames(names []string) string {
	if len(names) == 0 {
		return "(none)"
	}
	return wire.Escape(strings.Join(names, ","), wire.MaxShown)
}

// A VersionError says that the peer's identification is not one of SSH 2.0
// (RFC 4253 section 4.2).
type VersionError struct {
	Line string // the offending line, cut to 255 bytes; Error escapes it
	Why  string
}

func (e *VersionError) Error() string {
	return fmt.Sprintf("transport: %s: %s", e.Why, wire.Quote(e.Line, wire.MaxShown))
}

// A HostKeyError says that the server could not show who it is: its signature
// is wrong, its key is not of the algorithm agreed on, or the verifier refused
// it. Err tells which.
type HostKeyError struct {
	Address   string
	Algorithm string
	Err       error
}

func (e *HostKeyError) Error() string {
	return fmt.Sprintf("transport: host key of %s (%s): %v", e.Address, e.Algorithm, e.Err)
}

func (e *HostKeyError) Unwrap() error { return e.Err }

// A TimeoutError says which wait a peer let run out. It matches
// os.ErrDeadlineExceeded.
type TimeoutError struct{ Wait string }

func (e *TimeoutError) Error() string { return "transport: timeout: " + e.Wait }

// Timeout makes it a net.Error's idea of a timeout.
func (e *TimeoutError) Timeout() bool { return true }

// Unwrap returns os.ErrDeadlineExceeded.
func (e *TimeoutError) Unwrap() error { return os.ErrDeadlineExceeded }

// A ConnectionError is the failure of the connection underneath. A peer that
// closes it without SSH_MSG_DISCONNECT gives one with io.ErrUnexpectedEOF.
type ConnectionError struct {
	Op  string // "read" or "write"
	Err error
}

func (e *ConnectionError) Error() string { return "transport: connection lost: " + e.Err.Error() }

func (e *ConnectionError) Unwrap() error { return e.Err }

var (
	// ErrNoHostKey: a server without host keys that sign, or a client without a
	// verifier of them, is refused before anything is sent.
	ErrNoHostKey = errors.New("transport: a server needs a host key")
	// ErrUserCertificate: a certificate among a server's host keys is not for a
	// host.
	ErrUserCertificate = errors.New("transport: a host key has a user's certificate")
	// ErrNoVerifier: see ErrNoHostKey.
	ErrNoVerifier = errors.New("transport: a client needs VerifyHostKey")
	// ErrPingUnsupported: the peer did not announce ping@openssh.com.
	ErrPingUnsupported = errors.New("transport: the peer does not answer pings")
	// ErrIntegrity: a packet did not verify. Which check failed is not said.
	ErrIntegrity error = wire.ProtocolErrorf(wire.DisconnectMACError, "packet is corrupt")
)

func protocolErrorf(format string, args ...any) error {
	return wire.ProtocolErrorf(wire.DisconnectProtocolError, format, args...)
}

// gone reports whether cause is that the peer left or cannot be reached, so
// that nothing is to be sent any more.
func gone(cause error) bool {
	if e, ok := errors.AsType[*DisconnectError](cause); ok {
		return e.Remote
	}
	_, lost := errors.AsType[*ConnectionError](cause)
	return lost
}

// halfClosed reports whether cause is that the peer will send no more. It may
// still read: what asks for our identification and no more does so.
func halfClosed(cause error) bool {
	lost, ok := errors.AsType[*ConnectionError](cause)
	return ok && lost.Op == "read" && errors.Is(lost.Err, io.ErrUnexpectedEOF)
}

// A givenUpError says that the context of Client or Server ended first, and
// why.
type givenUpError struct{ cause error }

func (e *givenUpError) Error() string { return "transport: handshake: " + e.cause.Error() }

func (e *givenUpError) Unwrap() error { return e.cause }

func givenUp(cause error) bool {
	_, ok := cause.(*givenUpError)
	return ok
}

// farewell returns the reason and text to disconnect with because of cause,
// and false where the peer is to hear nothing: it left first, or is gone.
// The text of errors that are not the protocol's stays here.
func farewell(cause error) (reason uint32, message string, tell bool) {
	if gone(cause) {
		return 0, "", false
	}
	if e, ok := errors.AsType[*DisconnectError](cause); ok {
		return e.Reason, e.Message, true
	}
	if _, ok := errors.AsType[*VersionError](cause); ok {
		return 0, "", false // told in plain text
	}
	if e, ok := errors.AsType[*wire.ProtocolError](cause); ok {
		return e.Reason, e.Message, true
	}
	if e, ok := errors.AsType[*NegotiationError](cause); ok {
		return wire.DisconnectKeyExchangeFailed, "no common algorithm for " + e.Kind, true
	}
	if _, ok := errors.AsType[*kex.Error](cause); ok {
		return wire.DisconnectKeyExchangeFailed, "key exchange failed", true
	}
	if _, ok := errors.AsType[*HostKeyError](cause); ok {
		return wire.DisconnectHostKeyNotVerifiable, "host key not accepted", true
	}
	if errors.Is(cause, os.ErrDeadlineExceeded) || errors.Is(cause, context.DeadlineExceeded) {
		return wire.DisconnectByApplication, "timeout", true
	}
	return wire.DisconnectByApplication, "closed", true
}
