//go:build !linux

package hostkeys

// renameNew has no way here that is safe against another process.
func renameNew(name, path string, linkErr error) error { return linkErr }
