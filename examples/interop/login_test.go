//go:build interop

package interop

import (
	"net"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh/keys"
)

// A pair is a client program and what starts the server that it logs into. One
// of the two is ours.
type pair struct {
	name   string
	client client
	server func(t testing.TB, config ...string) *server

	noKeyboardInteractive bool // the peer lacks it
	alwaysContent         bool // the client's status is 0 when it was not let in or the command was killed
}

func pairs(t testing.TB) []pair {
	ours := func(t testing.TB, config ...string) *server { return sshd(t, ourSSHD(t), config...) }
	theirs := func(t testing.TB, config ...string) *server {
		return sshd(t, peer(t, "sshd"), append(config, "UsePAM yes")...)
	}
	smallest := func(t testing.TB, config ...string) *server {
		require.Empty(t, config, "Dropbear has no configuration file")
		return dropbear(t, "ed25519", "ecdsa256", "ecdsa384", "rsa")
	}
	client := openSSH{ourSSH(t)}
	return []pair{
		{name: "OpenSSH to ours", client: openSSH{peer(t, "ssh")}, server: ours},
		{name: "Dropbear to ours", client: dbclient{}, server: ours, alwaysContent: true},
		{name: "PuTTY to ours", client: putty{}, server: ours},
		{name: "ours to OpenSSH", client: client, server: theirs},
		{name: "ours to Dropbear", client: client, server: smallest, noKeyboardInteractive: true},
		{name: "ours to ours", client: client, server: ours},
	}
}

// forEachPair runs a test with each pair.
func forEachPair(t *testing.T, test func(t *testing.T, p pair)) {
	t.Parallel()
	for _, p := range pairs(t) {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			test(t, p)
		})
	}
}

func TestPublicKey(t *testing.T) {
	forEachPair(t, func(t *testing.T, p pair) {
		s := p.server(t)
		for _, k := range userKeys(t) {
			t.Run(k.name, func(t *testing.T) {
				r := succeeds(t, p.client.command(t, s, options{key: &k}, "id -un"))
				require.Equal(t, s.user.name+"\n", r.stdout)
			})
		}
		t.Run("unknown", func(t *testing.T) {
			stranger := hostKeys(t)[0]
			refused(t, p, p.client.command(t, s, options{key: &stranger}, "id -un"))
		})
	})
}

func TestPassword(t *testing.T) {
	forEachPair(t, func(t *testing.T, p pair) {
		var config []string
		if !p.noKeyboardInteractive {
			config = []string{"KbdInteractiveAuthentication no"}
		}
		byPassword(t, p, p.server(t, config...))
	})
}

func TestKeyboardInteractive(t *testing.T) {
	forEachPair(t, func(t *testing.T, p pair) {
		if p.noKeyboardInteractive {
			return // Debian's Dropbear server is built without it
		}
		byPassword(t, p, p.server(t, "PasswordAuthentication no"))
	})
}

func byPassword(t *testing.T, p pair, s *server) {
	r := succeeds(t, p.client.command(t, s, options{password: s.user.password}, "id -un"))
	require.Equal(t, s.user.name+"\n", r.stdout)
	refused(t, p, p.client.command(t, s, options{password: "wrong"}, "id -un"))
}

// refused runs a command that must not be let in.
func refused(t *testing.T, p pair, cmd *exec.Cmd) {
	r := ended(t, cmd)
	require.Empty(t, r.stdout, "%v", r)
	if !p.alwaysContent {
		require.NotZero(t, r.status, "%v", r)
	}
}

// TestKeyscan shows that ssh-keyscan finds each of our server's host keys.
func TestKeyscan(t *testing.T) {
	t.Parallel()
	s := sshd(t, ourSSHD(t))
	_, port, err := net.SplitHostPort(s.address())
	require.NoError(t, err)
	r := succeeds(t, exec.Command(peer(t, "ssh-keyscan"), "-p", port, "-t", "ed25519,ecdsa,rsa", "127.0.0.1"))
	var found, want []string
	for line := range strings.Lines(r.stdout) {
		f := strings.Fields(line)
		require.Len(t, f, 3)
		require.Equal(t, "[127.0.0.1]:"+strconv.Itoa(s.port), f[0])
		found = append(found, f[1]+" "+f[2])
	}
	for _, k := range hostKeys(t) {
		want = append(want, strings.TrimSpace(string(keys.MarshalAuthorizedKey(k.key.PublicKey(), ""))))
	}
	// It asks for one ECDSA key, of whichever size.
	require.Len(t, found, 3, "%v", r)
	for _, line := range found {
		require.True(t, slices.Contains(want, line), "%s", line)
	}
}
