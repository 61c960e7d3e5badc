package hostkeys

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRenameNew(t *testing.T) {
	dir := t.TempDir()
	a, b, c := filepath.Join(dir, "a"), filepath.Join(dir, "b"), filepath.Join(dir, "c")
	require.NoError(t, os.WriteFile(a, []byte("a"), 0o600))
	require.NoError(t, os.WriteFile(b, []byte("b"), 0o600))
	cause := errors.New("no links")
	require.ErrorIs(t, renameNew(a, b, cause), fs.ErrExist)
	require.NoError(t, renameNew(a, c, cause))
	require.NoFileExists(t, a)
	require.Equal(t, cause, renameNew(a, c+"/x", cause))
}
