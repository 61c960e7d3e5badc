//go:build unix

package hostkeys

import (
	"io/fs"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestDefect_UnprotectedKey(t *testing.T) {
	dir := t.TempDir()
	hosts, err := LoadOrCreate(dir)
	require.NoError(t, err)
	path := hosts[0].Path
	for _, mode := range []fs.FileMode{0o640, 0o604, 0o620, 0o601, 0o644, 0o777} {
		require.NoError(t, os.Chmod(path, mode))
		_, err := LoadOrCreate(dir)
		var unprotected *UnprotectedError
		require.ErrorAs(t, err, &unprotected, "%o", mode)
		require.Equal(t, path, unprotected.Path)
		require.Equal(t, mode, unprotected.Mode)
		require.ErrorContains(t, err, path)
		_, err = Load(path)
		require.ErrorAs(t, err, &unprotected)
	}
	for _, mode := range []fs.FileMode{0o600, 0o400} {
		require.NoError(t, os.Chmod(path, mode))
		_, err := LoadOrCreate(dir)
		require.NoError(t, err)
	}
	if os.Getuid() == 0 {
		require.NoError(t, os.Chown(path, 4711, 4711))
		require.NoError(t, os.Chmod(path, 0o640))
		_, err := Load(path)
		require.NoError(t, err, "another user's key is as that user wants it")
	}
}
