package wire

import (
	"fmt"
	"strconv"
)

// Reason codes of SSH_MSG_DISCONNECT (RFC 4253 section 11.1, RFC 4250
// section 4.2.2).
const (
	DisconnectHostNotAllowedToConnect     = 1
	DisconnectProtocolError               = 2
	DisconnectKeyExchangeFailed           = 3
	DisconnectReserved                    = 4
	DisconnectMACError                    = 5
	DisconnectCompressionError            = 6
	DisconnectServiceNotAvailable         = 7
	DisconnectProtocolVersionNotSupported = 8
	DisconnectHostKeyNotVerifiable        = 9
	DisconnectConnectionLost              = 10
	DisconnectByApplication               = 11
	DisconnectTooManyConnections          = 12
	DisconnectAuthCancelledByUser         = 13
	DisconnectNoMoreAuthMethodsAvailable  = 14
	DisconnectIllegalUserName             = 15
)

// A ProtocolError is a cause for [PacketConn.Fail] of which the peer is told:
// when the error given to Fail is one, or wraps one, the transport sends
// SSH_MSG_DISCONNECT with this reason and message before it closes. The
// message goes out as it is, so it must hold nothing that the peer may not see.
type ProtocolError struct {
	Reason  uint32 // one of the Disconnect constants
	Message string // US-ASCII, without a line end
}

// Error implements error. The message is quoted where it holds bytes that do
// not print, since it may name what a peer sent.
func (e *ProtocolError) Error() string {
	return "wire: " + Escape(e.Message, MaxShown) + " (disconnect reason " + strconv.FormatUint(uint64(e.Reason), 10) + ")"
}

// ProtocolErrorf returns a [ProtocolError] with a formatted message.
func ProtocolErrorf(reason uint32, format string, args ...any) *ProtocolError {
	return &ProtocolError{Reason: reason, Message: fmt.Sprintf(format, args...)}
}
