//go:build interop

package interop

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// The example programs, built once for all tests.
var ourSSH, ourSSHD string

func TestMain(m *testing.M) {
	os.Exit(build(m))
}

func build(m *testing.M) int {
	dir, err := os.MkdirTemp("", "fairlead-interop")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	cmd := exec.Command("go", "build", "-o", dir, "../ssh", "../sshd")
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	if err := cmd.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "building the example programs:", err)
		return 1
	}
	ourSSH, ourSSHD = filepath.Join(dir, "ssh"), filepath.Join(dir, "sshd")
	os.Unsetenv("SSH_AUTH_SOCK")
	return m.Run()
}

// peer returns the path of a program that these tests cannot do without.
func peer(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		path = "/usr/sbin/" + name
		if _, err := os.Stat(path); err != nil {
			t.Fatalf("%s is not installed: run make peers", name)
		}
	}
	return path
}
