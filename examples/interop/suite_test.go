//go:build interop

package interop

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// OpenSSH's regression suite, as Debian's package openssh-tests installs it,
// with its helper programs built.
const regress = "/usr/lib/openssh/regress"

// suite is which scripts judge our client, our server, and both together.
// Those that only look at one side stand there alone.
var suite = []struct {
	script string
	roles  string // c: our client, s: our server, b: both
}{
	{"rekey", "csb"},
	{"kextype", "csb"},
	{"keytype", "csb"},
	{"exit-status", "csb"},
	{"stderr-data", "csb"},
	{"transfer", "csb"},
	{"yes-head", "csb"},
	{"stderr-after-eof", "csb"},
	{"broken-pipe", "csb"},
	{"connect", "csb"},
	{"proxy-connect", "csb"},
	{"proto-version", "s"},
	{"proto-mismatch", "s"},
}

// nextPort gives each script a port of its own: some are daemons' tests.
var nextPort atomic.Int32

// TestOpenSSHSuite runs OpenSSH's own tests with the example programs in the
// place of its ssh, its sshd, and both.
func TestOpenSSHSuite(t *testing.T) {
	if _, err := os.Stat(filepath.Join(regress, "test-exec.sh")); err != nil {
		t.Fatal("Debian's package openssh-tests is not installed: run make peers")
	}
	// sshd's privilege separation folder, which its boot scripts make.
	if err := os.MkdirAll("/run/sshd", 0o755); err != nil {
		t.Fatal(err)
	}
	nextPort.Store(4300)
	roles := map[rune]string{'c': "our client", 's': "our server", 'b': "both"}
	for _, s := range suite {
		for _, role := range s.roles {
			t.Run(s.script+"/"+roles[role], func(t *testing.T) {
				t.Parallel()
				ssh, sshd := peer(t, "ssh"), peer(t, "sshd")
				if role == 'c' || role == 'b' {
					ssh = launcher(t, ourSSH)
				}
				if role == 's' || role == 'b' {
					sshd = launcher(t, ourSSHD)
				}
				runScript(t, s.script, ssh, sshd)
			})
		}
	}
}

// launcher returns a small script that runs program: the suite copies the
// client's binary as test data, and a Go program is a large one.
func launcher(t *testing.T, program string) string {
	path := filepath.Join(t.TempDir(), filepath.Base(program))
	script := fmt.Sprintf("#!/bin/sh\nexec %s \"$@\"\n", program)
	if err := os.WriteFile(path, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// runScript runs one script of the suite and shows its log where it fails.
func runScript(t *testing.T, script, ssh, sshd string) {
	obj := t.TempDir()
	for _, helper := range []string{"netcat", "modpipe", "mkdtemp", "check-perm", "setuid-allowed"} {
		data, err := os.ReadFile(filepath.Join(regress, helper))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(obj, helper), data, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 9*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", filepath.Join(regress, "test-exec.sh"), obj, filepath.Join(regress, script+".sh"))
	cmd.Dir = obj
	cmd.WaitDelay = 5 * time.Second
	cmd.Env = append(slices.Clone(os.Environ()),
		"TEST_SHELL=/bin/sh",
		"BUILDDIR="+regress,
		"OBJ="+obj,
		"TEST_SSH_UNSAFE_PERMISSIONS=1",
		"TEST_SSH_PORT="+strconv.Itoa(int(nextPort.Add(1))),
		"TEST_SSH_SSH="+ssh,
		"TEST_SSH_SSHD="+sshd,
		"TEST_SSH_SFTPSERVER=/usr/lib/openssh/sftp-server",
	)
	out, err := cmd.CombinedOutput()
	if err == nil {
		return
	}
	var log strings.Builder
	for _, name := range []string{"failed-regress.log", "failed-ssh.log", "failed-sshd.log"} {
		data, _ := os.ReadFile(filepath.Join(obj, name))
		fmt.Fprintf(&log, "--- end of %s\n%s\n", name, data[max(0, len(data)-3000):])
	}
	t.Fatalf("%s: %v\n%s\n%s", script, err, out, log.String())
}
