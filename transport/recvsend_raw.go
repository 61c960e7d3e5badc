//go:build linux && (amd64 || arm64 || loong64 || riscv64) && !race && !msan && !asan

package transport

import (
	"syscall"
	"unsafe"
)

// The runtime is not told of these system calls, as it is of those that may wait.
// Telling costs more than its time: the runtime's monitor is woken, which then
// looks every 20 µs what goes on, and wakes another thread where a call has taken
// that long. These calls never wait. They copy at most longestCall, in about
// 0.1 ms, in which the garbage collector cannot stop this thread.
//
// The detectors of races and of uninitialized memory want to know what was read,
// and get the ordinary calls.

const longestCall = bigBuffer

// recvNow reads from a socket without waiting: EAGAIN says that there is nothing.
// b is not empty.
func recvNow(fd int, b []byte) (int, error) {
	return rawCall(syscall.SYS_RECVFROM, fd, b, syscall.MSG_DONTWAIT)
}

// sendNow writes to a socket without waiting: EAGAIN says that there is no room.
// b is not empty.
func sendNow(fd int, b []byte) (int, error) {
	return rawCall(syscall.SYS_SENDTO, fd, b, syscall.MSG_DONTWAIT|syscall.MSG_NOSIGNAL)
}

// setLowWater sets how much fd must have before the kernel tells of it.
func setLowWater(fd, n int) bool {
	v := int32(n)
	_, _, errno := syscall.RawSyscall6(syscall.SYS_SETSOCKOPT, uintptr(fd), syscall.SOL_SOCKET, syscall.SO_RCVLOWAT,
		uintptr(unsafe.Pointer(&v)), unsafe.Sizeof(v), 0)
	return errno == 0
}

func rawCall(number uintptr, fd int, b []byte, flags uintptr) (int, error) {
	b = b[:min(len(b), longestCall)]
	for {
		n, _, errno := syscall.RawSyscall6(number, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)), flags, 0, 0)
		switch errno {
		case 0:
			return int(n), nil
		case syscall.EINTR:
			continue
		}
		return 0, errno
	}
}
