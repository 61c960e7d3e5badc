package main

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh"
)

// TestDaemon: the command returns when the server listens; SIGHUP reads the
// configuration again and lets connections live; so does SIGTERM, which
// removes the PID file.
func TestDaemon(t *testing.T) {
	s := newSite(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	r := &running{site: s, addr: l.Addr().String()}
	l.Close()
	config := s.path("sshd_config")
	write := func(text string) {
		require.NoError(t, os.WriteFile(config, []byte("ListenAddress "+r.addr+"\n"+text), 0o600))
	}
	write("SetEnv GENERATION=first\n")
	s.args[1] = config
	out, err := program(t, append(s.args, "-E", s.path("log"))...).CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Empty(t, out)
	data, err := os.ReadFile(s.path("pid"))
	require.NoError(t, err)
	pid, err := strconv.Atoi(strings.TrimSpace(string(data)))
	require.NoError(t, err)
	t.Cleanup(func() {
		_ = syscall.Kill(pid, syscall.SIGKILL)
		if t.Failed() {
			log, _ := os.ReadFile(s.path("log"))
			t.Logf("%s", log)
		}
	})
	generation := func() string {
		c, err := ssh.Dial(t.Context(), "tcp", r.addr, s.clientConfig())
		require.NoError(t, err)
		defer c.Close()
		out, err := c.Command("echo $GENERATION").Output(t.Context())
		require.NoError(t, err)
		return strings.TrimSpace(string(out))
	}
	require.Equal(t, "first", generation())
	old := r.dial(t)

	// What has become of the file is of no concern until SIGHUP.
	write("NoSuchKeyword yes\n")
	require.Equal(t, "first", generation())

	require.NoError(t, syscall.Kill(pid, syscall.SIGHUP))
	logHas := func(text string, times int) {
		t.Helper()
		require.Eventually(t, func() bool {
			log, err := os.ReadFile(s.path("log"))
			return err == nil && bytes.Count(log, []byte(text)) >= times
		}, 20*time.Second, 10*time.Millisecond, text)
	}
	logHas("not restarting", 1)
	require.Equal(t, "first", generation(), "a bad configuration does not replace a good one")

	write("SetEnv GENERATION=second\n")
	require.NoError(t, syscall.Kill(pid, syscall.SIGHUP))
	logHas("Server listening on ", 2)
	require.Equal(t, "second", generation())
	got, err := old.Command("echo $GENERATION").Output(t.Context())
	require.NoError(t, err)
	require.Equal(t, "first\n", string(got), "the connection from before goes on")

	require.NoError(t, syscall.Kill(pid, syscall.SIGTERM))
	require.Eventually(t, func() bool {
		_, err := os.Stat(s.path("pid"))
		return errors.Is(err, os.ErrNotExist)
	}, 20*time.Second, 10*time.Millisecond)
	_, err = old.Command("true").Output(t.Context())
	require.NoError(t, err, "and outlives the server")
	_, err = net.Dial("tcp", r.addr)
	require.Error(t, err)
}

// pipeEnds are a program's standard input and output as a connection.
type pipeEnds struct {
	io.Reader
	io.WriteCloser
}

func TestInetd(t *testing.T) {
	s := newSite(t)
	cmd := program(t, append(s.args, "-i", "-e")...)
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	c, err := ssh.NewClient(t.Context(), pipeEnds{out, in}, "pipe:22", s.clientConfig())
	require.NoError(t, err)
	got, err := c.Command("echo $SSH_CONNECTION").Output(t.Context())
	require.NoError(t, err)
	require.Equal(t, "UNKNOWN 65535 UNKNOWN 65535\n", string(got))
	require.NoError(t, c.Close())
	require.NoError(t, cmd.Wait())
}

func TestInetdProtocolMismatch(t *testing.T) {
	for input, log := range map[string]string{
		"":                       "Connection closed by UNKNOWN port 65535 [preauth]",
		"SSH-1.5-HALLO\n":        "Protocol major versions differ for UNKNOWN port 65535: SSH-1.5-HALLO vs. SSH-2.0-",
		"GET / HTTP/1.1\r\n\r\n": "banner exchange: Connection from UNKNOWN port 65535: invalid format",
	} {
		cmd := program(t, append(newSite(t).args, "-i", "-e")...)
		var out, errOut bytes.Buffer
		cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(input), &out, &errOut
		require.Equal(t, exitFatal, exitStatus(t, cmd.Run()), "%q", input)
		require.True(t, strings.HasPrefix(out.String(), "SSH-2.0-"), "%q", &out)
		require.Contains(t, errOut.String(), log)
	}
}

func TestLoginGraceTime(t *testing.T) {
	r := newSite(t, "LoginGraceTime=1").start(t)
	conn, err := net.Dial("tcp", r.addr)
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, conn.SetDeadline(time.Now().Add(20*time.Second)))
	_, err = io.ReadAll(conn)
	require.NoError(t, err)
	r.log.wait(t, "Timeout before authentication for 127.0.0.1 port ")

	// It counts until the login only.
	c := r.dial(t)
	require.NoError(t, c.Command("sleep 1.5").Run(t.Context()))
}

func TestMaxStartups(t *testing.T) {
	r := newSite(t, "MaxStartups=1").start(t)
	c := r.dial(t) // who has logged in does not count
	var first net.Conn
	require.Eventually(t, func() bool { // the listener hears of a login a little later than the client
		var err error
		first, err = net.Dial("tcp", r.addr)
		require.NoError(t, err)
		line, _ := bufio.NewReader(first).ReadString('\n')
		return strings.HasPrefix(line, "SSH-2.0-")
	}, 20*time.Second, 50*time.Millisecond)
	second, err := net.Dial("tcp", r.addr)
	require.NoError(t, err)
	defer second.Close()
	got, err := io.ReadAll(second)
	require.NoError(t, err)
	require.Equal(t, "Exceeded MaxStartups\r\n", string(got))
	first.Close()
	require.Eventually(t, func() bool {
		third, err := ssh.Dial(t.Context(), "tcp", r.addr, r.clientConfig())
		if err != nil {
			return false
		}
		third.Close()
		return true
	}, 20*time.Second, 50*time.Millisecond)
	require.NoError(t, c.Command("true").Run(t.Context()))
}

func TestConfigurationIsChecked(t *testing.T) {
	s := newSite(t)
	require.NoError(t, program(t, append(s.args, "-t")...).Run())
	for _, c := range []struct{ option, say string }{
		{"NoSuchKeyword=1", "Bad configuration option: NoSuchKeyword"},
		{"Ciphers=rot13", "Bad SSH2 cipher spec 'rot13'"},
		{"MACs=+crc", "Bad SSH2 mac spec 'crc'"},
		{"ChrootDirectory=/var/empty", "ChrootDirectory is not supported"},
		{"Ciphers=rijndael-cbc@lysator.liu.se", "this server supports none of rijndael-cbc@lysator.liu.se"},
	} {
		out, err := program(t, append(s.args, "-t", "-o", c.option)...).CombinedOutput()
		require.Equal(t, exitError, exitStatus(t, err), c.option)
		require.Contains(t, string(out), c.say)
	}
	for _, option := range []string{"HostKeyAlgorithms=+ssh-rsa", "KexAlgorithms=sntrup761x25519-sha512@openssh.com,curve25519-sha256", "ChrootDirectory=none"} {
		out, err := program(t, append(s.args, "-t", "-o", option)...).CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
	out, err := program(t, "-f", "none", "-t", "-h", s.path("authorized_keys")).CombinedOutput()
	require.Equal(t, exitError, exitStatus(t, err))
	require.Contains(t, string(out), "no hostkeys available")
}

func TestDump(t *testing.T) {
	out, err := program(t, "-T", "-f", "none", "-o", "RekeyLimit 1G 1h", "-o", "Ciphers=^aes256-ctr").Output()
	require.NoError(t, err)
	lines := strings.Split(string(out), "\n")
	require.Contains(t, lines, "rekeylimit 1073741824 3600")
	require.Contains(t, string(out), "\nciphers aes256-ctr,")
	require.Contains(t, string(out), "\nkexalgorithms mlkem768x25519-sha256,")
}
