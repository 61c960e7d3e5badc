package ssh_test

import (
	"net"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh"
	"github.com/fairlead-go/ssh/keys"
	"github.com/fairlead-go/ssh/transport"
)

// The address of a socket that is not TCP's has no port.
func TestDialUnix(t *testing.T) {
	checkGoroutines(t)
	s := &ssh.Server{Auth: anonymous(), HostKeys: []keys.Signer{newKey(t)}, Handler: ssh.HandlerFunc(echoHandler)}
	path := filepath.Join(t.TempDir(), "socket")
	l, err := net.Listen("unix", path)
	require.NoError(t, err)
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	c, err := ssh.Dial(t.Context(), "unix", path, &ssh.ClientConfig{User: "alice", VerifyHostKey: transport.InsecureAcceptAnyHostKey})
	require.NoError(t, err)
	out, err := c.Command("echo hello").Output(t.Context())
	require.NoError(t, err)
	require.Equal(t, "hello\n", string(out))
	require.NoError(t, c.Close())
	require.NoError(t, s.Close())
	require.ErrorIs(t, <-done, ssh.ErrServerClosed)
}
