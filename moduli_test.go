package ssh_test

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	ssh "github.com/fairlead-go/ssh"
	"github.com/fairlead-go/ssh/kex"
	"github.com/fairlead-go/ssh/transport"
)

// A server offers the groups of its moduli, and those of RFC 3526 without any.
func TestServerModuli(t *testing.T) {
	// A number of 2048 bits that is the only one here; that it is no prime is
	// the client's to find.
	file := fmt.Sprintf("20260101000000 2 6 100 2047 2 %s\n", strings.Repeat("FB", 256))
	moduli, err := kex.ParseModuli(strings.NewReader(file))
	require.NoError(t, err)

	cfg := transport.Config{KeyExchanges: []string{"diffie-hellman-group-exchange-sha256"}}
	connect := func(s *ssh.Server) (groupSize int, err error) {
		var size atomic.Int64
		cc := &ssh.ClientConfig{User: "alice", VerifyHostKey: transport.InsecureAcceptAnyHostKey, Transport: cfg}
		cc.Transport.Trace = &transport.Trace{PacketReceived: func(message byte, n int) {
			if message == 31 {
				size.Store(int64(n))
			}
		}}
		c, err := ssh.Dial(t.Context(), "tcp", serve(t, s), cc)
		if err == nil {
			c.Close()
		}
		return int(size.Load()), err
	}
	size, err := connect(&ssh.Server{Auth: anonymous(), Transport: cfg, Moduli: moduli})
	require.ErrorIs(t, err, kex.ErrGroup)
	require.Equal(t, 1+4+257+4+1, size)

	size, err = connect(&ssh.Server{Auth: anonymous(), Transport: cfg})
	require.NoError(t, err)
	require.Greater(t, size, 257+100)
}
