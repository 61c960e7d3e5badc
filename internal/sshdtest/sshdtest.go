// Package sshdtest runs OpenSSH's sshd for tests.
package sshdtest

import (
	"bytes"
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Start starts sshd with the lines of a configuration, to which it adds an
// address to listen on and what lets the running user log in to it by a public
// key alone. hostKey is the PEM of a private key. It returns the address. The
// server ends with the test.
func Start(t testing.TB, hostKey []byte, lines ...string) (address string) {
	t.Helper()
	dir := t.TempDir()
	key, config := filepath.Join(dir, "host_key"), filepath.Join(dir, "sshd_config")
	check(t, os.WriteFile(key, hostKey, 0o600))
	lines = append(lines, "HostKey "+key, "PidFile none", "StrictModes no", "UsePAM no", "PermitRootLogin yes",
		"PasswordAuthentication no", "KbdInteractiveAuthentication no", "MaxAuthTries 10000", "LoginGraceTime 0", "MaxStartups 1000",
		"LogLevel ERROR", "")
	check(t, os.WriteFile(config, []byte(strings.Join(lines, "\n")), 0o600))
	if os.Getuid() == 0 {
		check(t, os.MkdirAll("/run/sshd", 0o755)) // where sshd empties its root
	}
	for range 10 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		check(t, err)
		address := l.Addr().String()
		check(t, l.Close())
		if run(t, config, address) {
			return address
		}
	}
	t.Fatal("sshd does not start")
	return ""
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// run reports whether sshd listens on the address: another process may have
// taken the port.
func run(t testing.TB, config, address string) bool {
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, "/usr/sbin/sshd", "-D", "-e", "-f", config, "-o", "ListenAddress="+address)
	var log bytes.Buffer
	cmd.Stderr = &log
	cmd.WaitDelay = time.Second
	check(t, cmd.Start())
	ended := make(chan struct{})
	go func() {
		cmd.Wait() //nolint:errcheck // it is killed
		close(ended)
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
	})
	for {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			conn.Close()
			return true
		}
		select {
		case <-ended:
			t.Logf("sshd: %s", log.String())
			return false
		case <-time.After(25 * time.Millisecond):
		}
	}
}
