package authorizedkeys

import (
	"errors"
	"fmt"
	"io"
	"os"
)

// MaxFile is the size of the largest file that is read, in bytes: a server
// reads it for whoever names the user.
const MaxFile = 8 << 20

// ErrTooLarge: a file is larger than [MaxFile].
var ErrTooLarge = errors.New("authorizedkeys: file is larger than 8 MiB")

var errNotRegular = errors.New("not a regular file")

// ReadFile parses a file as [Parse] does, and names it in the errors. It never
// waits: what is not a regular file is refused. One that does not exist is an
// error that is fs.ErrNotExist.
func ReadFile(path string) (entries []Entry, bad []*LineError, err error) {
	err = withFile(path, func(r io.Reader) (err error) {
		entries, bad, err = read(r, path)
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	return entries, bad, nil
}

// withFile calls parse with the content of a regular file of at most MaxFile
// bytes.
func withFile(path string, parse func(io.Reader) error) error {
	f, err := os.OpenFile(path, os.O_RDONLY|openNonblock, 0)
	if err != nil {
		return fmt.Errorf("authorizedkeys: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("authorizedkeys: %w", err)
	}
	if !info.Mode().IsRegular() {
		return &PermissionError{Path: path, Err: errNotRegular}
	}
	limited := &io.LimitedReader{R: f, N: MaxFile + 1}
	if err := parse(limited); err != nil {
		return err
	}
	if limited.N == 0 {
		return fmt.Errorf("%w: %s", ErrTooLarge, path)
	}
	return nil
}

// A PermissionError says why a file must not decide who logs in.
type PermissionError struct {
	Path string // the file, or the folder on the way to it, that is at fault
	Err  error
}

func (e *PermissionError) Error() string {
	return "authorizedkeys: " + e.Path + ": " + e.Err.Error()
}

func (e *PermissionError) Unwrap() error { return e.Err }
