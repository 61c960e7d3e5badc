package transport

import (
	"io"
	"net"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestHalfClosedPeerIsToldOurVersion: a peer that sends nothing, and says so at
// once, still reads who we are, as scripts and scanners do that ask for that
// alone.
func TestHalfClosedPeerIsToldOurVersion(t *testing.T) {
	for range 50 {
		a, b := tcpPair(t)
		require.NoError(t, b.(*net.TCPConn).CloseWrite())
		go func() {
			_, _ = Server(t.Context(), a, serverConfig(Config{}))
		}()
		got, err := io.ReadAll(b)
		require.NoError(t, err)
		require.True(t, strings.HasPrefix(string(got), "SSH-2.0-"), "%q", got)
	}
}
