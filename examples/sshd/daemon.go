package main

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// fdReady is where a detached listener says that it listens.
const fdReady = 3

// detach starts this program again, in a session of its own and without a
// terminal, and returns when that listens, or does not.
//
// The working directory stays, so that the command line means the same when
// SIGHUP has it read again.
func (s *settings) detach() int {
	if err := s.loadHostKeys(); err != nil {
		fmt.Fprintf(os.Stderr, "sshd: %v\n", err)
		return exitError
	}
	ready, theirs, err := os.Pipe()
	if err != nil {
		fmt.Fprintln(os.Stderr, "sshd:", err)
		return exitError
	}
	defer ready.Close()
	cmd := &exec.Cmd{
		Path: ownProgram(), Args: os.Args,
		Env:         append(os.Environ(), roleVariable+"="+roleDaemon, readyVariable+"=1"),
		SysProcAttr: &syscall.SysProcAttr{Setsid: true},
		ExtraFiles:  []*os.File{theirs},
	}
	if s.flags.LogStderr || s.flags.LogFile != "" {
		cmd.Stderr = os.Stderr
	}
	err = cmd.Start()
	theirs.Close()
	if err != nil {
		fmt.Fprintln(os.Stderr, "sshd:", err)
		return exitError
	}
	if line, _ := bufio.NewReader(ready).ReadString('\n'); line == "" {
		_ = cmd.Wait()
		return exitFatal // the log says why
	}
	return exitOK
}

// readyVariable says that fdReady is there.
const readyVariable = "FAIRLEAD_SSHD_READY"

// reportReady tells who waits for it that the server listens: the process that
// was started from the command line, and systemd.
func reportReady() {
	if os.Getenv(readyVariable) != "" {
		os.Unsetenv(readyVariable)
		f := os.NewFile(fdReady, "ready")
		_, _ = f.WriteString("listening\n")
		f.Close()
	}
	notifySystemd("READY=1")
}

func (s *settings) writePID() error {
	if s.opts.PidFile == "" {
		return nil
	}
	return os.WriteFile(s.opts.PidFile, []byte(strconv.Itoa(os.Getpid())+"\n"), 0o644)
}

func (s *settings) removePID() {
	if s.opts.PidFile != "" {
		_ = os.Remove(s.opts.PidFile)
	}
}

// childrenVariable names the processes that a listener has left to the one
// that takes its place.
const childrenVariable = "FAIRLEAD_SSHD_CHILDREN"

// restart runs the program's file, which may be a newer one, in the place of
// this process. It returns only if that fails.
func restart(children []int) error {
	path, err := os.Executable()
	if err != nil {
		return err
	}
	path = strings.TrimSuffix(path, " (deleted)")
	var list []string
	for _, pid := range children {
		list = append(list, strconv.Itoa(pid))
	}
	env := append(os.Environ(), roleVariable+"="+roleDaemon, childrenVariable+"="+strings.Join(list, ","))
	return syscall.Exec(path, os.Args, env)
}

// adoptChildren waits for the processes of the listener before a restart, so
// that none of them stays behind as a zombie.
func adoptChildren() {
	for field := range strings.SplitSeq(os.Getenv(childrenVariable), ",") {
		if pid, err := strconv.Atoi(field); err == nil {
			go func() {
				var status unix.WaitStatus
				for {
					if _, err := unix.Wait4(pid, &status, 0, nil); !errors.Is(err, unix.EINTR) {
						return
					}
				}
			}()
		}
	}
	os.Unsetenv(childrenVariable)
}

// notifySystemd sends a state to systemd (sd_notify(3)) where that has started
// the server and waits for it.
func notifySystemd(state string) {
	name := os.Getenv("NOTIFY_SOCKET")
	if name == "" {
		return
	}
	conn, err := net.Dial("unixgram", name)
	if err != nil {
		return
	}
	defer conn.Close()
	_, _ = conn.Write([]byte(state))
}

func closeOnExec(f *os.File) { unix.CloseOnExec(int(f.Fd())) }
