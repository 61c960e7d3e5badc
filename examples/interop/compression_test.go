//go:build interop

package interop

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh/keys"
)

// text is size bytes that compress to about a third, so that new keys come due
// in the midst of it.
func text(size int) []byte {
	var b bytes.Buffer
	for i := 0; b.Len() < size; i++ {
		fmt.Fprintf(&b, "line %d of the text is not quite line %x\n", i, i*i*2654435761)
	}
	return b.Bytes()[:size]
}

// TestCompression carries text both ways, compressed, with each way of
// compression that the library and its peer both have, while keys change.
func TestCompression(t *testing.T) {
	t.Parallel()
	payload := text(8 << 20)
	c := combination{kex: "curve25519-sha256", hostKey: keys.KeyEd25519, cipher: "aes128-ctr", mac: "hmac-sha2-256"}
	for _, tt := range []struct {
		name    string
		client  client
		methods []string
	}{
		{"OpenSSH", openSSH{peer(t, "ssh")}, []string{"zlib@openssh.com", "zlib"}},
		{"Dropbear", dbclient{}, []string{"zlib@openssh.com", "zlib"}},
		{"PuTTY", putty{}, []string{"zlib@openssh.com", "zlib"}},
	} {
		for _, c.compression = range tt.methods {
			t.Run("server/"+tt.name+"/"+c.compression, func(t *testing.T) {
				require.NoError(t, serveCombination(t, tt.client, c, payload, nil))
				require.NoError(t, serveCombination(t, tt.client, c, randomBytes(3<<20), nil))
			})
		}
	}
	for _, tt := range []struct {
		name    string
		server  *server
		methods []string
	}{
		// OpenSSH's server has had nothing to compress before the login since 7.4.
		{"OpenSSH", sshd(t, peer(t, "sshd"), "LogLevel ERROR"), []string{"zlib@openssh.com"}},
		{"Dropbear", dropbear(t, "ed25519"), []string{"zlib@openssh.com"}},
	} {
		for _, c.compression = range tt.methods {
			t.Run("client/"+tt.name+"/"+c.compression, func(t *testing.T) {
				require.NoError(t, dialCombination(t.Context(), tt.server, userKeys(t)[0].key, c, payload))
				require.NoError(t, dialCombination(t.Context(), tt.server, userKeys(t)[0].key, c, randomBytes(3<<20)))
			})
		}
	}
	// The programs, with each other and with OpenSSH's.
	for _, program := range []string{peer(t, "ssh"), ourSSH(t)} {
		for _, daemon := range []string{peer(t, "sshd"), ourSSHD(t)} {
			s := sshd(t, daemon, "Compression yes")
			cmd := openSSH{program}.command(t, s, options{verbose: true, extra: []string{"-C"}}, "cat")
			cmd.Stdin = bytes.NewReader(payload)
			r := succeeds(t, cmd)
			require.True(t, bytes.Equal(payload, []byte(r.stdout)))
			require.Contains(t, r.stderr, "compression: zlib@openssh.com")
		}
	}
}
