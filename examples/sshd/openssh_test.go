package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh/keys"
)

func exitStatus(t *testing.T, err error) int {
	if err == nil {
		return 0
	}
	var exit *exec.ExitError
	require.True(t, errors.As(err, &exit), "%v", err)
	return exit.ExitCode()
}

func TestOpenSSH(t *testing.T) {
	r := newSite(t, "RekeyLimit=1M").start(t)

	t.Run("command", func(t *testing.T) {
		data := bytes.Repeat([]byte("0123456789abcdef"), 640<<10) // 10 MiB
		cmd := r.openssh(t, "ssh", "127.0.0.1", "cat; echo err >&2; exit 3")
		var out, errOut bytes.Buffer
		cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(data), &out, &errOut
		require.Equal(t, 3, exitStatus(t, cmd.Run()))
		require.True(t, bytes.Equal(data, out.Bytes()))
		require.Equal(t, "err\n", errOut.String())
		r.log.wait(t, "Accepted publickey for "+r.user+" from 127.0.0.1 port ")
		r.log.wait(t, " ssh2: ED25519 "+keys.FingerprintSHA256(r.key.PublicKey()))
		r.log.wait(t, ":11: disconnected by user\r\nDisconnected from user "+r.user+" 127.0.0.1 port ")
	})
	t.Run("shell", func(t *testing.T) {
		cmd := r.openssh(t, "ssh", "-T", "127.0.0.1")
		cmd.Stdin = strings.NewReader("echo $0; exit 4\n")
		out, err := cmd.Output()
		require.Equal(t, 4, exitStatus(t, err))
		require.True(t, strings.HasPrefix(string(out), "-"), "a login shell: %q", out)
	})
	t.Run("terminal", func(t *testing.T) {
		out, err := r.openssh(t, "ssh", "-tt", "127.0.0.1", `test "$(tty)" = "$SSH_TTY" && echo "$SSH_TTY"; stty size; exit 5`).Output()
		require.Equal(t, 5, exitStatus(t, err))
		require.Regexp(t, `^/dev/.*\r\n\d+ \d+\r\n$`, string(out))
	})
	t.Run("sftp", func(t *testing.T) {
		data := bytes.Repeat([]byte("sftp"), 1<<18)
		require.NoError(t, os.WriteFile(r.path("local"), data, 0o600))
		cmd := r.openssh(t, "sftp", "-b", "-", "127.0.0.1")
		cmd.Stdin = strings.NewReader("put " + r.path("local") + " " + r.path("remote") + "\nget " + r.path("remote") + " " + r.path("back") + "\n")
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
		got, err := os.ReadFile(r.path("back"))
		require.NoError(t, err)
		require.True(t, bytes.Equal(data, got))
	})
	t.Run("scp", func(t *testing.T) {
		require.NoError(t, os.WriteFile(r.path("copied"), []byte("copy"), 0o600))
		out, err := r.openssh(t, "scp", r.path("copied"), "127.0.0.1:"+r.path("copy")).CombinedOutput()
		require.NoError(t, err, "%s", out)
		got, err := os.ReadFile(r.path("copy"))
		require.NoError(t, err)
		require.Equal(t, "copy", string(got))
	})
	t.Run("keyscan", func(t *testing.T) {
		_, port, _ := strings.Cut(r.addr, ":")
		out, err := exec.Command("ssh-keyscan", "-p", port, "-t", "ed25519", "127.0.0.1").Output()
		require.NoError(t, err)
		require.Contains(t, string(out), strings.TrimSpace(string(keys.MarshalAuthorizedKey(r.hostKey, ""))))
	})
}

// A server that is told to exchange groups takes them from ModuliFile, and
// from the library where there is none.
func TestModuliFile(t *testing.T) {
	const method = "diffie-hellman-group-exchange-sha256"
	for file, warning := range map[string]string{
		"/etc/ssh/moduli": "",
		"/nowhere/moduli": "WARNING: open /nowhere/moduli",
		"/dev/null":       "WARNING: /dev/null: kex: moduli file has no usable group",
	} {
		r := newSite(t, "KexAlgorithms=+"+method, "ModuliFile="+file).start(t)
		out, err := r.openssh(t, "ssh", "-o", "KexAlgorithms="+method, "127.0.0.1", "echo hello").CombinedOutput()
		require.NoError(t, err, "%s", out)
		require.Contains(t, string(out), "hello\n")
		if warning != "" {
			r.log.wait(t, warning)
		} else {
			require.NotContains(t, r.log.String(), "WARNING")
		}
	}
}
