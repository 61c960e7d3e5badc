//go:build unix

package hostkeys

import (
	"io/fs"
	"os"
	"syscall"
)

// unprotected reports whether the running user's own key is open to others. A
// key of another user is as that user wants it, as OpenSSH has it too.
func unprotected(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return info.Mode().Perm()&0o077 != 0 && (!ok || int64(stat.Uid) == int64(os.Getuid()))
}
