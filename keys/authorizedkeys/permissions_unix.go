//go:build unix

package authorizedkeys

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

const openNonblock = syscall.O_NONBLOCK // a FIFO must not keep the server waiting

var (
	errOwner    = errors.New("belongs to another user")
	errWritable = errors.New("writable by group or others")
)

// CheckPermissions returns nil only if no one but root and the user with the
// number uid can have written the file, as StrictModes of sshd_config(5)
// demands: the file, and each folder above it up to home, or to the root where
// it is not under home or home is empty, belongs to one of them and is not writable by group or
// others. Symbolic links are followed first. The error is a [*PermissionError]
// or one of reading the file system.
func CheckPermissions(path, home string, uid int) error {
	real, err := realPath(path)
	if err != nil {
		return fmt.Errorf("authorizedkeys: %w", err)
	}
	if home != "" {
		if home, err = realPath(home); err != nil {
			home = "" // check all folders
		}
	}
	if err := checkMode(real, uid, fs.FileMode.IsRegular, errNotRegular); err != nil {
		return err
	}
	for dir := real; dir != home && dir != filepath.Dir(dir); {
		dir = filepath.Dir(dir)
		if err := checkMode(dir, uid, fs.FileMode.IsDir, errors.New("not a folder")); err != nil {
			return err
		}
	}
	return nil
}

func realPath(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	return filepath.EvalSymlinks(path)
}

func checkMode(path string, uid int, kind func(fs.FileMode) bool, errKind error) error {
	info, err := os.Lstat(path)
	if err != nil {
		return fmt.Errorf("authorizedkeys: %w", err)
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	switch {
	case !kind(info.Mode()):
		return &PermissionError{Path: path, Err: errKind}
	case !ok || stat.Uid != 0 && int64(stat.Uid) != int64(uid):
		return &PermissionError{Path: path, Err: errOwner}
	case info.Mode().Perm()&0o022 != 0:
		return &PermissionError{Path: path, Err: errWritable}
	}
	return nil
}
