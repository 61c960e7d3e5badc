//go:build interop

package interop

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh"
	"github.com/fairlead-go/ssh/auth"
	"github.com/fairlead-go/ssh/keys"
	"github.com/fairlead-go/ssh/transport"
)

// TestGuess: a client that sends its first message of the key exchange at once
// gets on with every server, and needs no second one with ours and Dropbear's,
// although these list other host keys and methods first.
func TestGuess(t *testing.T) {
	t.Parallel()
	for _, p := range []struct {
		name   string
		server *server
		right  bool
	}{
		{"OpenSSH", sshd(t, peer(t, "sshd")), false},
		{"Dropbear", dropbear(t, "rsa", "ecdsa256", "ed25519"), true},
		{"ours", sshd(t, ourSSHD(t)), true},
	} {
		t.Run(p.name, func(t *testing.T) {
			sent := 0
			_, err := ssh.Dial(t.Context(), "tcp", p.server.address(), &ssh.ClientConfig{
				User:              p.server.user.name,
				VerifyHostKey:     transport.InsecureAcceptAnyHostKey,
				HostKeyAlgorithms: []string{keys.KeyEd25519},
				GuessKeyExchange:  true,
				Transport: transport.Config{
					KeyExchanges: []string{"ecdh-sha2-nistp256", "curve25519-sha256"},
					Trace: &transport.Trace{PacketSent: func(number byte, _ int) {
						if number == 30 {
							sent++
						}
					}},
				},
			})
			var refused *auth.Error
			require.ErrorAs(t, err, &refused, "nothing but the login fails")
			require.Equal(t, p.right, sent == 1, "sent %d", sent)
		})
	}
}
