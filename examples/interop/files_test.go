//go:build interop

package interop

import (
	"crypto/sha256"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestSFTP puts a file, gets it back and looks around.
func TestSFTP(t *testing.T) {
	data := randomBytes(3 << 20)
	forEachPair(t, func(t *testing.T, p pair) {
		s := p.server(t)
		here, there := t.TempDir(), s.user.folder(t)
		require.NoError(t, os.WriteFile(filepath.Join(here, "up"), data, 0o644))
		succeeds(t, p.client.sftp(t, s, here,
			"cd "+there,
			"put up file",
			"mkdir dir",
			"rename file dir/file",
			"get dir/file down",
			"ls dir",
			"chmod 600 dir/file",
		))
		sameFile(t, data, filepath.Join(there, "dir", "file"))
		sameFile(t, data, filepath.Join(here, "down"))
		info, err := os.Stat(filepath.Join(there, "dir", "file"))
		require.NoError(t, err)
		require.EqualValues(t, 0o600, info.Mode().Perm())

		r := ended(t, p.client.sftp(t, s, here, "get /root/nothing nothing"))
		require.NotZero(t, r.status, "%v", r)
	})
}

// TestSCP copies there and back in each way that the client has.
func TestSCP(t *testing.T) {
	data := randomBytes(3 << 20)
	forEachPair(t, func(t *testing.T, p pair) {
		s := p.server(t)
		here, there := t.TempDir(), s.user.folder(t)
		from, to, back := filepath.Join(here, "from"), filepath.Join(there, "to"), filepath.Join(here, "back")
		require.NoError(t, os.WriteFile(from, data, 0o644))
		up, down := p.client.scp(t, s, from, "remote:"+to), p.client.scp(t, s, "remote:"+to, back)
		for i := range up {
			succeeds(t, up[i])
			sameFile(t, data, to)
			succeeds(t, down[i])
			sameFile(t, data, back)
			require.NoError(t, os.Remove(to))
			require.NoError(t, os.Remove(back))
		}
	})
}

func sameFile(t testing.TB, want []byte, name string) {
	t.Helper()
	got, err := os.ReadFile(name)
	require.NoError(t, err)
	require.Equal(t, sha256.Sum256(want), sha256.Sum256(got), "%s has %d bytes instead of %d", name, len(got), len(want))
}
