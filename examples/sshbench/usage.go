package main

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
)

// A usage is what a process has used so far, and what it holds.
type usage struct {
	CPU        float64 // seconds, of user and system
	Heap       uint64  // bytes of objects
	RSS        uint64  // bytes; 0 where the system does not tell it
	Goroutines int
}

const settledArgument = "settled"

func ownUsage() usage {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return usage{CPU: ownCPU(), Heap: m.HeapAlloc, RSS: residentBytes(), Goroutines: runtime.NumGoroutine()}
}

// settle collects garbage, twice because what pools hold survives once, and
// returns the memory to the system.
func settle() {
	runtime.GC()
	runtime.GC()
	debug.FreeOSMemory()
}

// residentBytes reads Linux's /proc/self/statm.
func residentBytes() uint64 {
	line, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	var size, resident uint64
	fmt.Sscan(string(line), &size, &resident)
	return resident * uint64(os.Getpagesize())
}

// withProfile runs f, and where file is not "" profiles it.
func withProfile(file string, f func() error) error {
	if file == "" {
		return f()
	}
	out, err := os.Create(file)
	if err != nil {
		return err
	}
	defer out.Close()
	if err := pprof.StartCPUProfile(out); err != nil {
		return err
	}
	defer pprof.StopCPUProfile()
	return f()
}
