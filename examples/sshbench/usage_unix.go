//go:build unix

package main

import "syscall"

// ownCPU returns the seconds that this process has spent in all its threads.
func ownCPU() float64 { return cpuOfWho(syscall.RUSAGE_SELF) }

// childrenCPU is that of its children which have ended.
func childrenCPU() float64 { return cpuOfWho(syscall.RUSAGE_CHILDREN) }

func cpuOfWho(who int) float64 {
	var r syscall.Rusage
	if err := syscall.Getrusage(who, &r); err != nil {
		return 0
	}
	return float64(r.Utime.Nano()+r.Stime.Nano()) / 1e9
}
