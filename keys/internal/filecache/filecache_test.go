package filecache

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestLoad(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	parsed := 0
	broken := errors.New("broken")
	f := New(path, func(r io.Reader) (string, error) {
		parsed++
		b, err := io.ReadAll(r)
		if string(b) == "bad" {
			err = broken
		}
		return string(b), err
	})
	require.Equal(t, path, f.Path())
	old := time.Now().Add(-time.Hour)
	write := func(text string, changed time.Time) {
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		require.NoError(t, os.Chtimes(path, changed, changed))
	}
	load := func(want string, wantParsed int) {
		t.Helper()
		got, err := f.Load()
		require.NoError(t, err)
		require.Equal(t, want, got)
		require.Equal(t, wantParsed, parsed)
	}

	_, err := f.Load()
	require.ErrorIs(t, err, fs.ErrNotExist)

	write("one", old)
	load("one", 1)
	load("one", 1)
	write("two", old.Add(time.Second))
	load("two", 2)
	write("three", old.Add(time.Second)) // another size
	load("three", 3)
	load("three", 3)

	write("bad", old)
	for range 2 {
		got, err := f.Load()
		require.ErrorIs(t, err, broken)
		require.Empty(t, got)
	}

	// A change within the resolution of time stamps leaves no trace, so what
	// was read close to a change is read again.
	now := time.Now()
	write("four", now)
	load("four", 6)
	write("five", now)
	load("five", 7)

	require.NoError(t, os.Remove(path))
	_, err = f.Load()
	require.ErrorIs(t, err, fs.ErrNotExist)
}
