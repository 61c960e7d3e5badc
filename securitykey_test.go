package ssh_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh"
	"github.com/fairlead-go/ssh/keys"
	"github.com/fairlead-go/ssh/transport"
)

// A host has nobody to touch its key, through key exchanges without end.
func TestSecurityKeyOfAHost(t *testing.T) {
	checkGoroutines(t)
	host := newSecurityKey(t, 0)
	addr := serve(t, &ssh.Server{HostKeys: []keys.Signer{host}, Auth: anonymous()})
	c, err := ssh.Dial(t.Context(), "tcp", addr, &ssh.ClientConfig{
		User: "alice", VerifyHostKey: transport.InsecureAcceptAnyHostKey,
		Transport: transport.Config{RekeyPackets: 20},
	})
	require.NoError(t, err)
	defer c.Close()
	for range 20 {
		_, err = c.Command("echo hello").Output(t.Context())
		require.NoError(t, err)
	}
	state := c.ConnState()
	require.Equal(t, keys.KeySKEd25519, state.HostKeyAlgorithm)
	require.True(t, keys.Equal(host.PublicKey(), state.HostKey))
	require.Greater(t, state.KeyExchanges, uint64(1))
}
