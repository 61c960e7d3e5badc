//go:build unix

package authorizedkeys

import (
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// A user can put anything in the place of the file. The server must not wait.
func TestReadFIFO(t *testing.T) {
	path := filepath.Join(t.TempDir(), "authorized_keys")
	require.NoError(t, syscall.Mkfifo(path, 0o600))
	_, _, err := ReadFile(path)
	var refused *PermissionError
	require.ErrorAs(t, err, &refused)
}

func TestCheckPermissions(t *testing.T) {
	uid := os.Getuid()
	setup := func(t *testing.T) (home, dir, path string) {
		home, err := filepath.EvalSymlinks(t.TempDir())
		require.NoError(t, err)
		require.NoError(t, os.Chmod(home, 0o755))
		dir = filepath.Join(home, ".ssh")
		require.NoError(t, os.Mkdir(dir, 0o700))
		path = filepath.Join(dir, "authorized_keys")
		require.NoError(t, os.WriteFile(path, nil, 0o600))
		return home, dir, path
	}
	home, _, path := setup(t)
	require.NoError(t, CheckPermissions(path, home, uid))
	require.ErrorIs(t, CheckPermissions(filepath.Join(home, "none"), home, uid), fs.ErrNotExist)

	link := filepath.Join(t.TempDir(), "link")
	require.NoError(t, os.Symlink(home, link))
	require.NoError(t, CheckPermissions(filepath.Join(link, ".ssh", "authorized_keys"), link, uid), "links are followed")

	for name, c := range map[string]struct {
		change func(home, dir, path string) (at string, err error)
		reason error
	}{
		"file of group":    {func(_, _, path string) (string, error) { return path, os.Chmod(path, 0o620) }, errWritable},
		"file of others":   {func(_, _, path string) (string, error) { return path, os.Chmod(path, 0o602) }, errWritable},
		"folder of group":  {func(_, dir, _ string) (string, error) { return dir, os.Chmod(dir, 0o770) }, errWritable},
		"home of others":   {func(home, _, _ string) (string, error) { return home, os.Chmod(home, 0o757) }, errWritable},
		"sticky home":      {func(home, _, _ string) (string, error) { return home, os.Chmod(home, 0o777|fs.ModeSticky) }, errWritable},
		"not a file":       {func(_, _, path string) (string, error) { return path, remake(path) }, errNotRegular},
		"link to the open": {func(_, dir, path string) (string, error) { return dir + "/open", linkToOpen(dir, path) }, errWritable},
	} {
		t.Run(name, func(t *testing.T) {
			home, dir, path := setup(t)
			at, err := c.change(home, dir, path)
			require.NoError(t, err)
			err = CheckPermissions(path, home, uid)
			require.ErrorIs(t, err, c.reason)
			var refused *PermissionError
			require.ErrorAs(t, err, &refused)
			require.Equal(t, at, refused.Path)
		})
	}
}

func remake(path string) error {
	if err := os.Remove(path); err != nil {
		return err
	}
	return os.Mkdir(path, 0o700)
}

func linkToOpen(dir, path string) error {
	if err := os.WriteFile(dir+"/open", nil, 0o600); err != nil {
		return err
	}
	if err := os.Chmod(dir+"/open", 0o666); err != nil {
		return err
	}
	if err := os.Remove(path); err != nil {
		return err
	}
	return os.Symlink(dir+"/open", path)
}

// The owner is checked with a uid that is neither the file's nor root's.
func TestCheckPermissionsOwner(t *testing.T) {
	stat := func(path string, uid int) error {
		return checkMode(path, uid, fs.FileMode.IsRegular, errNotRegular)
	}
	path := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	if os.Getuid() != 0 {
		require.ErrorIs(t, stat(path, os.Getuid()+1), errOwner)
		return
	}
	require.NoError(t, stat(path, 4711), "root may own it")
	require.NoError(t, os.Chown(path, 4711, 4711))
	require.NoError(t, stat(path, 4711))
	require.ErrorIs(t, stat(path, 4712), errOwner)
	require.ErrorIs(t, stat(path, 0), errOwner)
}

// Without a home, or with one elsewhere, every folder up to the root counts.
func TestCheckPermissionsToTheRoot(t *testing.T) {
	outside, err := filepath.EvalSymlinks(t.TempDir())
	require.NoError(t, err)
	dir := filepath.Join(outside, "a", "b")
	require.NoError(t, os.MkdirAll(dir, 0o700))
	path := filepath.Join(dir, "authorized_keys")
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	require.NoError(t, os.Chmod(outside, 0o777))
	var refused *PermissionError
	for _, home := range []string{"", t.TempDir(), filepath.Join(outside, "none")} {
		require.ErrorAs(t, CheckPermissions(path, home, os.Getuid()), &refused)
		require.Equal(t, outside, refused.Path)
	}
	t.Chdir(dir)
	require.ErrorAs(t, CheckPermissions("authorized_keys", "", os.Getuid()), &refused)
}
