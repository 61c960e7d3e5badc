package channel

import (
	"fmt"
	"net"
	"strconv"

	"github.com/fairlead-go/ssh/wire"
)

// An OpenReason says why a channel was not opened (RFC 4254 section 5.1).
type OpenReason uint32

// Reasons of SSH_MSG_CHANNEL_OPEN_FAILURE (RFC 4250 section 4.3).
const (
	AdministrativelyProhibited OpenReason = 1
	ConnectFailed              OpenReason = 2
	UnknownChannelType         OpenReason = 3
	ResourceShortage           OpenReason = 4
)

// String returns the RFC's words for the reason.
func (r OpenReason) String() string {
	switch r {
	case AdministrativelyProhibited:
		return "administratively prohibited"
	case ConnectFailed:
		return "connect failed"
	case UnknownChannelType:
		return "unknown channel type"
	case ResourceShortage:
		return "resource shortage"
	}
	return "reason " + strconv.FormatUint(uint64(r), 10)
}

// An OpenError is the peer's refusal to open a channel.
type OpenError struct {
	Reason OpenReason
	// Message is the peer's text, as it came. Escape it before it reaches a
	// terminal; Error does.
	Message string
}

// Error implements error.
func (e *OpenError) Error() string {
	if e.Message == "" {
		return "channel: open refused: " + e.Reason.String()
	}
	return "channel: open refused: " + e.Reason.String() + ": " + wire.Quote(e.Message, wire.MaxShown)
}

// A closedError unwraps to net.ErrClosed.
type closedError string

func (e closedError) Error() string { return string(e) }
func (e closedError) Unwrap() error { return net.ErrClosed }

// What an ended channel answers; errors.Is finds net.ErrClosed in all of them.
const (
	errClosed      = closedError("channel: closed")
	errPeerClosed  = closedError("channel: closed by the peer")
	errWriteClosed = closedError("channel: closed for writing")
)

// protocolErrorf returns the cause with which a peer that broke RFC 4254 is
// disconnected.
func protocolErrorf(format string, args ...any) error {
	return wire.ProtocolErrorf(wire.DisconnectProtocolError, format, args...)
}

// malformed says which message could not be decoded.
func malformed(number byte, err error) error {
	if err == nil {
		return nil
	}
	return &malformedError{number: number, err: err}
}

// A malformedError unwraps to the decoding error and to the
// *wire.ProtocolError that the peer is told.
type malformedError struct {
	number byte
	err    error
}

func (e *malformedError) Error() string {
	return fmt.Sprintf("channel: malformed message %d: %v", e.number, e.err)
}

func (e *malformedError) Unwrap() []error {
	return []error{e.err, wire.ProtocolErrorf(wire.DisconnectProtocolError, "malformed message %d", e.number)}
}
