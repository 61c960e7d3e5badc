package login

import (
	"errors"

	"golang.org/x/sys/unix"
)

// waitExit waits until the child has ended and leaves it to be reaped, which
// keeps its process id from being used again. It says whether it could.
func waitExit(pid int) bool {
	for {
		err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if !errors.Is(err, unix.EINTR) {
			return err == nil
		}
	}
}
