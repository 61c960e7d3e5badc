//go:build darwin || dragonfly || freebsd || netbsd || openbsd || (linux && (race || msan || asan || !(amd64 || arm64 || loong64 || riscv64)))

package transport

import "syscall"

// setLowWater sets how much fd must have before the kernel tells of it.
func setLowWater(fd, n int) bool {
	return syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_RCVLOWAT, n) == nil
}

// recvNow reads from a socket without waiting: EAGAIN says that there is nothing.
// b is not empty.
func recvNow(fd int, b []byte) (n int, err error) {
	err = syscall.EINTR
	for err == syscall.EINTR {
		n, err = syscall.Read(fd, b) // the runtime has made the socket one that does not wait
	}
	return max(n, 0), err
}

// sendNow writes to a socket without waiting: EAGAIN says that there is no room.
// b is not empty.
func sendNow(fd int, b []byte) (n int, err error) {
	err = syscall.EINTR
	for err == syscall.EINTR {
		n, err = syscall.SendmsgN(fd, b, nil, nil, syscall.MSG_DONTWAIT)
	}
	return max(n, 0), err
}
