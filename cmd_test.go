package ssh_test

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh"
)

// A command that ends without having read its input has not failed.
func TestCommandLeavesInput(t *testing.T) {
	c := dial(t, serve(t, &ssh.Server{Auth: anonymous()}))
	input := make([]byte, 8<<20) // more than a window
	for range 50 {
		cmd := c.Command("echo enough")
		cmd.Stdin = bytes.NewReader(input)
		out, err := cmd.Output(t.Context())
		require.NoError(t, err)
		require.Equal(t, "enough\n", string(out))
	}
}
