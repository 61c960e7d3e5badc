package hostkeys

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// renameNew renames the file if the new name is free. linkErr is why it could
// not be linked.
func renameNew(name, path string, linkErr error) error {
	err := unix.Renameat2(unix.AT_FDCWD, name, unix.AT_FDCWD, path, unix.RENAME_NOREPLACE)
	if err == nil {
		return nil
	}
	if errors.Is(err, unix.EEXIST) {
		return &os.LinkError{Op: "rename", Old: name, New: path, Err: err}
	}
	return linkErr
}
