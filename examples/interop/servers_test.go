//go:build interop

package interop

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A server is a server program that runs and lets the account in.
type server struct {
	port int
	user *account
	log  string // a file; "": it logs to its standard error
}

func (s *server) address() string { return "127.0.0.1:" + strconv.Itoa(s.port) }

// sshd starts an OpenSSH sshd, or a program that behaves like it, with further
// lines of configuration.
func sshd(t testing.TB, program string, config ...string) *server {
	t.Helper()
	s := &server{port: freePort(t), user: login(t)}
	dir := t.TempDir()
	s.log = filepath.Join(dir, "log")
	lines := append(config,
		fmt.Sprintf("Port %d", s.port),
		"ListenAddress 127.0.0.1",
		"PidFile none",
		"AllowUsers "+s.user.name,
		"PasswordAuthentication yes",
		"KbdInteractiveAuthentication yes",
		"Subsystem sftp internal-sftp",
		"RekeyLimit 1M",
		"PrintMotd no",
		"PrintLastLog no",
		"MaxStartups 100",
		"MaxAuthTries 3",
		"LogLevel DEBUG2",
	)
	for _, k := range hostKeys(t) {
		lines = append(lines, "HostKey "+k.openSSH)
	}
	conf := filepath.Join(dir, "sshd_config")
	require.NoError(t, os.WriteFile(conf, []byte(strings.Join(lines, "\n")+"\n"), 0o600))
	s.run(t, exec.Command(program, "-D", "-E", s.log, "-f", conf))
	return s
}

// dropbear starts a Dropbear server with host keys of some types; it takes at
// most four.
func dropbear(t testing.TB, types ...string) *server {
	t.Helper()
	s := &server{port: freePort(t), user: login(t)}
	args := []string{"-F", "-E", "-m", "-P", "", "-p", s.address()}
	for _, k := range hostKeys(t) {
		if slices.Contains(types, k.name) {
			args = append(args, "-r", k.dropbear)
		}
	}
	s.run(t, exec.Command(peer(t, "dropbear"), args...))
	return s
}

// run starts the server and waits until it listens. The end of its log is
// shown when the test fails.
func (s *server) run(t testing.TB, cmd *exec.Cmd) {
	t.Helper()
	t.Cleanup(func() {
		if t.Failed() && s.log != "" {
			log, _ := os.ReadFile(s.log)
			t.Logf("end of the server's log:\n%s", log[max(0, len(log)-4000):])
		}
	})
	_, done := background(t, cmd)
	waitForPort(t, s.port, done)
}
