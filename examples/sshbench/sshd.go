package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// sshdPath finds OpenSSH's server, which wants to be called by its full path.
func sshdPath() (string, error) {
	for _, dir := range []string{"/usr/sbin", "/usr/local/sbin", "/usr/bin"} {
		if path, err := exec.LookPath(filepath.Join(dir, "sshd")); err == nil {
			return path, nil
		}
	}
	return exec.LookPath("sshd")
}

// startSSHD starts an sshd in dir, where the keys of the host and of the user
// are, and lets the current user in.
func startSSHD(ctx context.Context, dir string, rekey uint64) (*serverProcess, error) {
	path, err := sshdPath()
	if err != nil {
		return nil, err
	}
	if os.Geteuid() == 0 {
		os.MkdirAll("/run/sshd", 0o755) // which sshd wants, and boot scripts make
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	addr := l.Addr().(*net.TCPAddr)
	l.Close() // for sshd to have
	lines := []string{
		"ListenAddress " + addr.String(),
		"HostKey " + filepath.Join(dir, "host_key"),
		"AuthorizedKeysFile " + filepath.Join(dir, "authorized_keys"),
		"PidFile none",
		"StrictModes no",
		"UsePAM no",
		"PrintMotd no",
		"PrintLastLog no",
		"LogLevel ERROR",
		"MaxStartups 1000",
		"MaxSessions 1000",
	}
	if rekey != 0 {
		lines = append(lines, fmt.Sprint("RekeyLimit ", rekey))
	}
	config := filepath.Join(dir, "sshd_config")
	if err := os.WriteFile(config, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		return nil, err
	}
	cmd := exec.Command(path, "-D", "-E", filepath.Join(dir, "log"), "-f", config)
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	s := newServerProcess(cmd, addr.String())
	for {
		if c, err := net.Dial("tcp", s.addr); err == nil {
			c.Close()
			return s, nil
		}
		select {
		case <-time.After(10 * time.Millisecond):
		case <-s.ended:
			log, _ := os.ReadFile(filepath.Join(dir, "log"))
			return nil, fmt.Errorf("sshd has ended: %q", log)
		case <-ctx.Done():
			return nil, errors.Join(context.Cause(ctx), s.stop())
		}
	}
}

// ticksPerSecond is what Linux counts in, in /proc/PID/stat, on every machine
// that Go runs on.
const ticksPerSecond = 100

// cpuSecondsOfTree reads what a process has spent, together with those of its
// children that have ended: for sshd, connections and their programs, with
// logging in. 0 where there is no /proc.
func cpuSecondsOfTree(pid int) float64 {
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	// proc(5): the name, in parentheses, is the second field; the four times
	// are the 14th to the 17th.
	_, rest, _ := strings.Cut(string(line), ") ")
	fields := strings.Fields(rest)
	if len(fields) < 15 {
		return 0
	}
	var ticks float64
	for _, f := range fields[11:15] {
		n, _ := strconv.ParseFloat(f, 64)
		ticks += n
	}
	return ticks / ticksPerSecond
}
