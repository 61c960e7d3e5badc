package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"os/exec"
	"slices"
	"sync"
	"syscall"

	"github.com/fairlead-go/ssh/examples/internal/cmdline"
	"github.com/fairlead-go/ssh/examples/internal/serverconfig"
)

// Descriptors of a connection's process, after the standard ones. Its standard
// input is a briefing.
const (
	fdConnection = 3
	fdStartup    = 4 // closed when the user has logged in
)

// A briefing is what the listener tells the process of a connection: the
// configuration as it was read when the listener started, whatever has become
// of the files since.
type briefing struct {
	File  *serverconfig.File
	Flags *cmdline.SSHD
}

// children are the processes of a listener's connections.
type children struct {
	settings *settings
	startups *startups
	briefing []byte

	mu      sync.Mutex
	running map[int]struct{} // by process id
}

func newChildren(s *settings) *children {
	b, err := json.Marshal(briefing{s.file, s.flags})
	if err != nil {
		panic(err) // it holds strings, numbers and truth values only
	}
	return &children{settings: s, startups: newStartups(s.opts), briefing: b, running: make(map[int]struct{})}
}

// take gives conn to a process of its own, unless there are too many that have
// not logged in.
func (c *children) take(conn *net.TCPConn) {
	defer conn.Close()
	from := endpointOf(conn.RemoteAddr())
	if !c.startups.begin(from.Addr()) {
		to := endpointOf(conn.LocalAddr())
		c.settings.log.infof("drop connection from [%s]:%d on [%s]:%d past MaxStartups", from.Addr(), from.Port(), to.Addr(), to.Port())
		_, _ = io.WriteString(conn, "Exceeded MaxStartups\r\n") // a few bytes into an empty buffer
		return
	}
	over, err := c.start(conn)
	if err != nil {
		c.settings.log.errorf("connection from %s: %v", from, err)
		c.startups.end(from.Addr())
		return
	}
	go func() {
		// It ends by being closed, on login or with the process.
		_, _ = io.Copy(io.Discard, over)
		over.Close()
		c.startups.end(from.Addr())
	}()
}

// start returns the reading end of the process's fdStartup.
func (c *children) start(conn *net.TCPConn) (startup *os.File, err error) {
	socket, err := conn.File()
	if err != nil {
		return nil, err
	}
	defer socket.Close()
	ours, theirs, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer theirs.Close()
	cmd := &exec.Cmd{
		Path: ownProgram(), Args: []string{"sshd: connection"},
		Env:        append(os.Environ(), roleVariable+"="+roleConnection),
		Stdin:      bytes.NewReader(c.briefing),
		Stderr:     os.Stderr,
		ExtraFiles: []*os.File{socket, theirs},
		// A key pressed in the listener's terminal is not meant for it.
		SysProcAttr: &syscall.SysProcAttr{Setsid: true},
	}
	if err := cmd.Start(); err != nil {
		ours.Close()
		return nil, err
	}
	pid := cmd.Process.Pid
	c.mu.Lock()
	c.running[pid] = struct{}{}
	c.mu.Unlock()
	go func() {
		_ = cmd.Wait() // it has logged itself what there is to say
		c.mu.Lock()
		delete(c.running, pid)
		c.mu.Unlock()
	}()
	return ours, nil
}

func (c *children) pids() []int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Collect(maps.Keys(c.running))
}

// ownProgram is a path of the program that runs, even if its file has been
// replaced or removed since.
func ownProgram() string {
	const self = "/proc/self/exe"
	if _, err := os.Stat(self); err == nil {
		return self
	}
	path, err := os.Executable()
	if err != nil {
		return os.Args[0]
	}
	return path
}

// serveChild is the life of a connection's process.
func serveChild() int {
	var b briefing
	if err := json.NewDecoder(os.Stdin).Decode(&b); err != nil {
		fmt.Fprintln(os.Stderr, "sshd: briefing:", err)
		return exitFatal
	}
	s, err := newSettings(b.File, b.Flags)
	if err == nil {
		err = s.loadHostKeys()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "sshd:", err)
		return exitFatal
	}
	f := os.NewFile(fdConnection, "connection")
	conn, err := net.FileConn(f)
	f.Close()
	if err != nil {
		s.log.fatalf("connection: %v", err)
		return exitFatal
	}
	startup := os.NewFile(fdStartup, "startup")
	// What the user runs must not hold it open.
	closeOnExec(startup)
	return s.serveConn(conn, startup.Close)
}
