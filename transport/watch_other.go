//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package transport

import "syscall"

// A watcher would wait for a socket without sleeping. How is known for Linux
// only.
type watcher struct{}

func (*watcher) watch(int, []byte) (int, error) { return 0, syscall.EAGAIN }

func (*watcher) noteRead(int, int) {}

func (*watcher) unquiet(int) bool { return false }
