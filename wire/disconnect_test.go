package wire

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestProtocolError(t *testing.T) {
	err := fmt.Errorf("auth: %w", ProtocolErrorf(DisconnectProtocolError, "message %d in the wrong state", 94))
	var pe *ProtocolError
	require.True(t, errors.As(err, &pe))
	require.Equal(t, uint32(2), pe.Reason)
	require.Equal(t, "message 94 in the wrong state", pe.Message)
	require.Equal(t, "auth: wire: message 94 in the wrong state (disconnect reason 2)", err.Error())
}

func TestProtocolErrorEscapes(t *testing.T) {
	err := ProtocolErrorf(DisconnectServiceNotAvailable, "no service %s", "\x1b[2J\n\u202e")
	require.Equal(t, `wire: no service \x1b[2J\n\u202e (disconnect reason 7)`, err.Error())
}
