//go:build unix && !linux

package login

// waitExit cannot wait without reaping here.
func waitExit(int) bool { return false }
