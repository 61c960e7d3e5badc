//go:build !unix

package hostkeys

import "io/fs"

// unprotected cannot be told from the mode bits of this system.
func unprotected(fs.FileInfo) bool { return false }
