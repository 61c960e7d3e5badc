package main

import (
	"runtime"

	"golang.org/x/sys/unix"

	"github.com/fairlead-go/ssh/examples/internal/account"
)

// asUser runs f, which reads files, with the rights that the user has to them.
func asUser(u *account.User, f func() error) error {
	if unix.Geteuid() != 0 || u.UID == 0 {
		return f()
	}
	// These belong to the thread alone. One that could not be put back is
	// not unlocked, and ends with its goroutine.
	failed := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		gid, err := unix.SetfsgidRetGid(int(u.GID))
		if err != nil {
			failed <- err
			return
		}
		uid, err := unix.SetfsuidRetUid(int(u.UID))
		if err != nil {
			failed <- err
			return
		}
		err = f()
		_, uidErr := unix.SetfsuidRetUid(uid)
		_, gidErr := unix.SetfsgidRetGid(gid)
		if uidErr == nil && gidErr == nil {
			runtime.UnlockOSThread()
		}
		failed <- err
	}()
	return <-failed
}

// dup2 makes to a descriptor of what from is one of.
func dup2(from, to int) error { return unix.Dup3(from, to, 0) }
