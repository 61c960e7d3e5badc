//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package knownhosts

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// tryLock locks f if no one else has. A file system without locks leaves the
// writers to the atomicity of one append.
func tryLock(f *os.File) (bool, error) {
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		switch {
		case err == nil, errors.Is(err, unix.ENOTSUP), errors.Is(err, unix.ENOSYS), errors.Is(err, unix.ENOLCK), errors.Is(err, unix.EINVAL):
			return true, nil
		case errors.Is(err, unix.EWOULDBLOCK):
			return false, nil
		case !errors.Is(err, unix.EINTR):
			return false, &os.PathError{Op: "flock", Path: f.Name(), Err: err}
		}
	}
}
