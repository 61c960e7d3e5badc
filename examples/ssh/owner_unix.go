//go:build unix

package main

import (
	"io/fs"
	"os"
	"syscall"
)

// ours says that the file belongs to who runs the program: the permissions of
// others' files are their own affair.
func ours(info fs.FileInfo) bool {
	s, ok := info.Sys().(*syscall.Stat_t)
	return !ok || int(s.Uid) == os.Getuid()
}
