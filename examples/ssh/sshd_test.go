package main

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh/keys"
)

// startSSHD runs OpenSSH's server for the user of the test, and returns what
// leads there. Without the server installed the test fails.
func startSSHD(t *testing.T, config ...string) *site {
	t.Helper()
	program, err := exec.LookPath("sshd")
	if err != nil {
		program = "/usr/sbin/sshd" // sshd wants its whole path
	}
	me, err := user.Current()
	require.NoError(t, err)
	if me.Uid == "0" {
		require.NoError(t, os.MkdirAll("/run/sshd", 0o755))
	}
	s := &site{t: t, dir: t.TempDir(), user: me.Username, hostKey: newKey(t), key: newKey(t), port: freePort(t)}
	path := func(name string) string { return filepath.Join(s.dir, name) }
	s.keyFile, s.known = path("key"), path("known_hosts")
	writeKey(t, s.keyFile, s.key, "")
	writeKey(t, path("host_key"), s.hostKey, "")
	s.learn(s.hostKey.PublicKey())
	require.NoError(t, os.WriteFile(path("authorized_keys"), keys.MarshalAuthorizedKey(s.key.PublicKey(), ""), 0o600))
	lines := append(config, "ListenAddress 127.0.0.1", "Port "+s.port, "HostKey "+path("host_key"), "AuthorizedKeysFile "+path("authorized_keys"),
		"StrictModes no", "PidFile none", "PermitRootLogin yes", "PasswordAuthentication no", "KbdInteractiveAuthentication no",
		"PrintMotd no", "PrintLastLog no", "AcceptEnv LC_*", "Subsystem sftp internal-sftp", "StreamLocalBindUnlink yes")
	require.NoError(t, os.WriteFile(path("sshd_config"), []byte(strings.Join(lines, "\n")+"\n"), 0o600))
	log, err := os.Create(path("sshd.log"))
	require.NoError(t, err)
	defer log.Close()
	cmd := exec.Command(program, "-D", "-e", "-f", path("sshd_config"))
	cmd.Stderr = log
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			data, _ := os.ReadFile(path("sshd.log"))
			t.Logf("sshd's log:\n%s", data[max(0, len(data)-4000):])
		}
	})
	require.Eventually(t, func() bool {
		conn, err := net.Dial("tcp", "127.0.0.1:"+s.port)
		if err == nil {
			conn.Close()
		}
		return err == nil
	}, patience, 10*time.Millisecond)
	s.options = []string{"-F", "none", "-p", s.port, "-o", "UserKnownHostsFile=" + s.known, "-o", "GlobalKnownHostsFile=none"}
	return s
}

func TestSSHD(t *testing.T) {
	s := startSSHD(t)
	t.Run("command", func(t *testing.T) {
		got := execute(t, strings.NewReader("input"), s.args("cat; echo err >&2; exit 7")...)
		require.Equal(t, result{"input", "err\n", 7}, got)
	})
	t.Run("signal", func(t *testing.T) {
		require.Equal(t, 255, execute(t, nil, s.args("kill -KILL $$")...).status)
	})
	t.Run("data", func(t *testing.T) {
		data := make([]byte, 10<<20)
		_, _ = rand.NewChaCha8([32]byte{2}).Read(data)
		got := execute(t, bytes.NewReader(data), s.args("-oRekeyLimit=1M", "cat")...)
		require.Equal(t, 0, got.status, got.stderr)
		require.Equal(t, sha256.Sum256(data), sha256.Sum256([]byte(got.stdout)))
	})
	t.Run("closed output", func(t *testing.T) {
		cmd := newProgram(t, append([]string{"-c", `"$0" "$@" | head -n 2`, os.Args[0]}, s.args("yes")...)...)
		cmd.Path, cmd.Args[0] = "/bin/sh", "sh"
		out, err := cmd.Output()
		require.NoError(t, err)
		require.Equal(t, "y\ny\n", string(out))
	})
	t.Run("environment", func(t *testing.T) {
		got := execute(t, nil, s.args("-oSetEnv=LC_X=1", "echo $LC_X")...)
		require.Equal(t, result{"1\n", "", 0}, got)
	})
	t.Run("subsystem", func(t *testing.T) {
		cmd := newProgram(t, s.args("-s", "sftp")...)
		in, err := cmd.StdinPipe()
		require.NoError(t, err)
		out, err := cmd.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		_, err = io.WriteString(in, "\x00\x00\x00\x05\x01\x00\x00\x00\x03") // SSH_FXP_INIT, version 3
		require.NoError(t, err)
		answer := make([]byte, 9)
		_, err = io.ReadFull(out, answer)
		require.NoError(t, err)
		require.Equal(t, "\x02\x00\x00\x00\x03", string(answer[4:]))
		in.Close()
		require.NoError(t, cmd.Wait())
	})
	t.Run("terminal", func(t *testing.T) {
		p := onTerminal(t, s.args("-t", `stty size; stty -a | grep -o "intr = [^;]*"; read line; stty size; exit 9`)...)
		p.expect("33 101\r\nintr = ^C\r\n")
		require.NoError(t, pty.Setsize(p.tty, &pty.Winsize{Cols: 80, Rows: 24}))
		time.Sleep(200 * time.Millisecond) // the change has no answer
		p.enter("on\r")
		p.expect("on\r\n24 80\r\n")
		p.expect("Connection to 127.0.0.1 closed.")
		require.Equal(t, 9, p.status())
	})
	t.Run("interrupt", func(t *testing.T) {
		p := onTerminal(t, s.args("-t", "trap 'echo caught; exit 5' INT; echo ready; while :; do sleep 0.1; done")...)
		p.expect("ready\r\n")
		p.enter("\x03")
		p.expect("caught\r\n")
		require.Equal(t, 5, p.status())
	})
}

func TestSSHDForwards(t *testing.T) {
	s := startSSHD(t)
	echo, local, remote := echoPort(t), freePort(t), freePort(t)
	dir := t.TempDir()
	// Through a socket at the server, to a socket here, to the port.
	far, near := filepath.Join(dir, "far"), filepath.Join(dir, "near")
	tunnel(t, s, "-L", local+":127.0.0.1:"+echo, "-R", remote+":127.0.0.1:"+echo,
		"-R", far+":127.0.0.1:"+echo, "-L", near+":"+far)
	for _, to := range [][2]string{{"tcp", "127.0.0.1:" + local}, {"tcp", "127.0.0.1:" + remote}, {"unix", near}} {
		conn, err := net.Dial(to[0], to[1])
		requireEcho(t, conn, err)
	}
}

// Keys that only an agent has, also with just their public half named, and the
// agent lent to the far side.
func TestAgent(t *testing.T) {
	s := startSSHD(t)
	socket := filepath.Join(t.TempDir(), "agent")
	agent := exec.Command("ssh-agent", "-D", "-a", socket)
	require.NoError(t, agent.Start())
	t.Cleanup(func() { _ = agent.Process.Kill(); _ = agent.Wait() })
	require.Eventually(t, func() bool {
		conn, err := net.Dial("unix", socket)
		if err == nil {
			conn.Close()
		}
		return err == nil
	}, patience, 10*time.Millisecond)
	other := filepath.Join(s.dir, "other")
	writeKey(t, other, newKey(t), "")
	for _, file := range []string{other, s.keyFile} {
		add := exec.Command("ssh-add", "-q", file)
		add.Env = append(os.Environ(), "SSH_AUTH_SOCK="+socket)
		out, err := add.CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
	public := s.keyFile + ".pub"
	require.NoError(t, os.WriteFile(public, keys.MarshalAuthorizedKey(s.key.PublicKey(), "comment"), 0o644))
	require.NoError(t, os.Remove(s.keyFile))
	for _, c := range []struct {
		args    []string
		offered int // keys
		out     string
		status  int
	}{
		{[]string{"-i", other}, 2, "in\n", 0}, // named keys first
		{[]string{"-i", public, "-oIdentitiesOnly=yes"}, 1, "in\n", 0},
		{[]string{"-i", s.keyFile, "-oIdentitiesOnly=yes"}, 1, "in\n", 0},
		{[]string{"-i", other, "-oIdentitiesOnly=yes"}, 1, "", 255},
		{[]string{"-i", other, "-oIdentityAgent=none"}, 1, "", 255},
	} {
		cmd := newProgram(t, append(append(append(c.args, "-v", "-oBatchMode=yes"), s.options...), "127.0.0.1", "echo in")...)
		cmd.Env = append(cmd.Env, "SSH_AUTH_SOCK="+socket)
		var stdout, stderr bytes.Buffer
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		_ = cmd.Run()
		require.Equal(t, c.status, cmd.ProcessState.ExitCode(), "%v\n%s", c.args, &stderr)
		require.Equal(t, c.out, stdout.String())
		require.Equal(t, c.offered, strings.Count(stderr.String(), "Offering public key"), &stderr)
	}
	for option, want := range map[string]int{"-A": 2, "-oForwardAgent=" + socket: 2, "-oForwardAgent=$OTHER_SOCK": 2, "-a": 0} {
		cmd := newProgram(t, append(append([]string{option, "-i", public}, s.options...), "127.0.0.1", "ssh-add -l 2>/dev/null | grep -c SHA256:")...)
		cmd.Env = append(cmd.Env, "SSH_AUTH_SOCK="+socket, "OTHER_SOCK="+socket)
		out, _ := cmd.Output()
		require.Equal(t, fmt.Sprintf("%d\n", want), string(out), option)
	}
}
