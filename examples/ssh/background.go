package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/fairlead-go/ssh/examples/internal/clientconfig"
)

// A Go program cannot fork. So with -f a second process does all of the work
// and asks all of the questions, on the same terminal; the first waits until
// that one says that it is logged in, then leaves it alone.

// readyEnv tells the second process that it is that, and readyFD is the pipe
// on which it says so.
const (
	readyEnv = "FAIRLEAD_SSH_READY"
	readyFD  = 3
)

// inBackground says whether this is the second process. It is asked once,
// before any other program is started, which would inherit the marks.
func inBackground() bool {
	if os.Getenv(readyEnv) == "" {
		return false
	}
	syscall.CloseOnExec(readyFD)
	os.Unsetenv(readyEnv)
	return true
}

// background runs this program again and returns when it is ready or has ended.
func background(ctx context.Context, args []string) int {
	status, err := startBackground(ctx, args)
	if err != nil {
		fmt.Fprintf(os.Stderr, "ssh: %v\r\n", err)
		return failure
	}
	return status
}

func startBackground(ctx context.Context, args []string) (int, error) {
	self, err := os.Executable()
	if err != nil {
		return 0, err
	}
	ready, theirs, err := os.Pipe()
	if err != nil {
		return 0, err
	}
	defer ready.Close()
	cmd := exec.Command(self, args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), readyEnv+"=1")
	cmd.ExtraFiles = []*os.File{theirs}
	err = cmd.Start()
	theirs.Close()
	if err != nil {
		return 0, err
	}
	stop := context.AfterFunc(ctx, func() {
		if killed, ok := errors.AsType[killedError](context.Cause(ctx)); ok {
			_ = cmd.Process.Signal(killed.signal)
		}
	})
	defer stop()
	if n, _ := ready.Read(make([]byte, 1)); n == 1 {
		return 0, nil
	}
	_ = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code >= 0 {
		return code, nil
	}
	return failure, nil
}

// goToBackground leaves the terminal, and standard input and output too where
// no remote program uses them, and tells the first process.
func (c *connection) goToBackground() error {
	c.log.debugf("forking to background")
	if _, err := syscall.Setsid(); err != nil {
		c.log.debugf("setsid: %v", err)
	}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer null.Close()
	streams := []int{0}
	if c.o.SessionType == clientconfig.None {
		streams = append(streams, 1)
		if c.log.to != os.Stderr || !c.log.at(levelDebug) {
			streams = append(streams, 2)
		}
	}
	for _, fd := range streams {
		if err := unix.Dup2(int(null.Fd()), fd); err != nil {
			return err
		}
	}
	c.log.detach()
	ready := os.NewFile(readyFD, "ready")
	if ready == nil {
		return nil
	}
	defer ready.Close()
	_, err = ready.Write([]byte{1})
	return err
}
