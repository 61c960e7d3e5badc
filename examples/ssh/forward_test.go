package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh"
	"github.com/fairlead-go/ssh/channel"
)

// echoPort serves connections by sending back what they send.
func echoPort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				_, _ = io.Copy(conn, conn)
			}()
		}
	}()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

// tunnel runs the program until the test's end; it has logged in, and
// listens, when it returns.
func tunnel(t *testing.T, s *site, args ...string) *exec.Cmd {
	t.Helper()
	cmd := newProgram(t, append([]string{"-oPermitLocalCommand=yes", "-oLocalCommand=echo up", "-oExitOnForwardFailure=yes", "-N"}, append(args, s.args()...)...)...)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	cmd.Stderr = os.Stderr
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "up\n", line)
	return cmd
}

// requireEcho sends through conn and expects it back, then EOF after its own.
func requireEcho(t *testing.T, conn net.Conn, err error) {
	t.Helper()
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, conn.SetDeadline(time.Now().Add(patience)))
	data := bytes.Repeat([]byte("echo"), 50000)
	go func() {
		_, _ = conn.Write(data)
		_ = conn.(interface{ CloseWrite() error }).CloseWrite()
	}()
	got, err := io.ReadAll(conn)
	require.NoError(t, err)
	require.True(t, bytes.Equal(data, got))
}

func TestForwards(t *testing.T) {
	s := newSite(t, nil)
	echo, local, remote, socket := echoPort(t), freePort(t), freePort(t), filepath.Join(t.TempDir(), "socket")
	tunnel(t, s, "-L", local+":127.0.0.1:"+echo, "-R", remote+":127.0.0.1:"+echo, "-L", socket+":127.0.0.1:"+echo)
	for range 3 {
		conn, err := net.Dial("tcp", "127.0.0.1:"+local)
		requireEcho(t, conn, err)
		conn, err = net.Dial("tcp", "127.0.0.1:"+remote)
		requireEcho(t, conn, err)
		conn, err = net.Dial("unix", socket)
		requireEcho(t, conn, err)
	}
	info, err := os.Stat(socket)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
}

func TestForwardFailures(t *testing.T) {
	s := newSite(t, func(srv *ssh.Server) { srv.Forward = channel.ForwardConfig{} })
	taken := echoPort(t)
	got := execute(t, nil, s.args("-L", "127.0.0.1:"+taken+":h:1", "echo", "x")...)
	require.Equal(t, "x\n", got.stdout)
	require.Contains(t, got.stderr, "bind [127.0.0.1]:"+taken+": Address already in use\r\n")
	got = execute(t, nil, s.args("-oExitOnForwardFailure=yes", "-L", "127.0.0.1:"+taken+":h:1", "echo", "x")...)
	require.Equal(t, 255, got.status)
	require.Empty(t, got.stdout)
	got = execute(t, nil, s.args("-R", "77:h:1", "echo", "x")...)
	require.Equal(t, result{"x\n", "Warning: remote port forwarding failed for listen port 77\r\n", 0}, got)
	got = execute(t, nil, s.args("-oExitOnForwardFailure=yes", "-R", "77:h:1", "echo", "x")...)
	require.Equal(t, result{"", "Error: remote port forwarding failed for listen port 77\r\n", 255}, got)
	got = execute(t, nil, s.args("-W", "127.0.0.1:"+taken)...)
	require.Equal(t, 255, got.status)
	require.Contains(t, got.stderr, "open failed: administratively prohibited")
	require.True(t, strings.HasSuffix(got.stderr, "stdio forwarding failed\r\n"), got.stderr)
}

func TestStdioAndJump(t *testing.T) {
	s := newSite(t, nil)
	got := execute(t, strings.NewReader("there and back"), s.args("-W", "127.0.0.1:"+echoPort(t))...)
	require.Equal(t, result{"there and back", "", 0}, got)

	config := filepath.Join(s.dir, "config")
	require.NoError(t, os.WriteFile(config, fmt.Appendf(nil, "Host *\nHostname 127.0.0.1\nUser ann\nPort %s\nIdentityFile %s\nUserKnownHostsFile %s\nBatchMode yes\n",
		s.port, s.keyFile, s.known), 0o600))
	got = execute(t, strings.NewReader("in"), "-F", config, "-J", "one,ssh://ann@two:"+s.port, "three", "cat")
	require.Equal(t, result{"in", "", 0}, got)
	self, err := os.Executable()
	require.NoError(t, err)
	got = execute(t, strings.NewReader("in"), "-F", config, "-oProxyCommand="+self+" -F "+config+" -W %h:%p one", "two", "cat")
	require.Equal(t, result{"in", "", 0}, got)
}

func TestBackgroundAndControl(t *testing.T) {
	s := newSite(t, nil)
	echo, local, control := echoPort(t), freePort(t), filepath.Join(t.TempDir(), "control")
	options := []string{"-S", control, "-L", local + ":127.0.0.1:" + echo}
	got := execute(t, nil, append(options, s.args("-f", "-N", "-M")...)...)
	require.Equal(t, result{"", "", 0}, got)
	conn, err := net.Dial("tcp", "127.0.0.1:"+local)
	requireEcho(t, conn, err)
	got = execute(t, nil, "-F", "none", "-S", control, "-O", "check", "host")
	require.Equal(t, 0, got.status)
	require.Regexp(t, `^Master running \(pid=\d+\)\r\n$`, got.stderr)
	got = execute(t, nil, "-F", "none", "-S", control, "-O", "exit", "host")
	require.Equal(t, result{"", "Exit request sent.\r\n", 0}, got)
	require.Eventually(t, func() bool {
		_, err := os.Stat(control)
		return os.IsNotExist(err)
	}, patience, 10*time.Millisecond)
	got = execute(t, nil, "-F", "none", "-S", control, "-O", "check", "host")
	require.Equal(t, result{"", "Control socket connect(" + control + "): No such file or directory\r\n", 255}, got)

	got = execute(t, nil, append([]string{"-oHostKeyAlias=stranger", "-oBatchMode=yes"}, s.args("-f", "echo")...)...)
	require.Equal(t, 255, got.status, "what fails before going to the background says so")
}

func TestSOCKS(t *testing.T) {
	s := newSite(t, nil)
	echo, local, remote := echoPort(t), freePort(t), freePort(t)
	tunnel(t, s, "-D", local, "-R", remote, "-oPermitRemoteOpen=127.0.0.1:"+echo)
	port := make([]byte, 2)
	n := 0
	_, _ = fmt.Sscan(echo, &n)
	port[0], port[1] = byte(n>>8), byte(n)
	for name, c := range map[string]struct{ greeting, request, answer string }{
		"4":       {"", "\x04\x01" + string(port) + "\x7f\x00\x00\x01me\x00", "\x00\x5a"},
		"4A":      {"", "\x04\x01" + string(port) + "\x00\x00\x00\x01\x00127.0.0.1\x00", "\x00\x5a"},
		"5":       {"\x05\x02\x01\x00", "\x05\x01\x00\x01\x7f\x00\x00\x01" + string(port), "\x05\x00"},
		"5 named": {"\x05\x01\x00", "\x05\x01\x00\x03\x09127.0.0.1" + string(port), "\x05\x00"},
	} {
		for _, through := range []string{local, remote} {
			conn, err := net.Dial("tcp", "127.0.0.1:"+through)
			require.NoError(t, err)
			require.NoError(t, conn.SetDeadline(time.Now().Add(patience)))
			if c.greeting != "" {
				_, err = io.WriteString(conn, c.greeting)
				require.NoError(t, err)
				_, err = io.ReadFull(conn, make([]byte, 2))
				require.NoError(t, err)
			}
			_, err = io.WriteString(conn, c.request)
			require.NoError(t, err)
			answer := make([]byte, 8)
			if c.greeting != "" {
				answer = make([]byte, 10)
			}
			_, err = io.ReadFull(conn, answer)
			require.NoError(t, err, name)
			require.Equal(t, c.answer, string(answer[:2]), name)
			requireEcho(t, conn, nil)
		}
	}
}

func TestSOCKSRefusals(t *testing.T) {
	for _, c := range []struct{ in, out string }{
		{"", ""},
		{"\x06", ""},
		{"\x04\x02\x00\x01\x7f\x00\x00\x01\x00", ""},                                                      // BIND
		{"\x04\x01\x00\x00\x7f\x00\x00\x01\x00", ""},                                                      // port 0
		{"\x04\x01\x00\x01\x7f\x00\x00\x01" + strings.Repeat("x", 300), ""},                               // endless name
		{"\x04\x01\x00\x01\x7f\x00\x00\x01\x00", "\x00\x5b\x00\x00\x00\x00\x00\x00"},                      // not reached
		{"\x05\x01\x02", "\x05\xff"},                                                                      // password only
		{"\x05\x01\x00\x05\x03\x00\x01", "\x05\x00\x05\x07\x00\x01\x00\x00\x00\x00\x00\x00"},              // UDP
		{"\x05\x01\x00\x05\x01\x00\x09", "\x05\x00"},                                                      // address type
		{"\x05\x01\x00\x05\x01\x00\x03\x00\x00\x01", "\x05\x00"},                                          // no name
		{"\x05\x01\x00\x05\x01\x00\x03\x01h\x00\x01", "\x05\x00\x05\x05\x00\x01\x00\x00\x00\x00\x00\x00"}, // not reached
	} {
		here, there := net.Pipe()
		out := make(chan string, 1)
		go func() {
			go func() { _, _ = io.WriteString(there, c.in); time.Sleep(20 * time.Millisecond); there.Close() }()
			b, _ := io.ReadAll(there)
			out <- string(b)
		}()
		conn, err := socks(t.Context(), here, func(context.Context, string) (net.Conn, error) { return nil, net.ErrClosed })
		here.Close()
		require.Error(t, err, "%q", c.in)
		require.Nil(t, conn)
		require.Equal(t, c.out, <-out, "%q", c.in)
	}
}

func TestPermits(t *testing.T) {
	require.True(t, permits(nil, "h", "1"))
	require.True(t, permits([]string{"any"}, "h", "1"))
	require.False(t, permits([]string{"none"}, "h", "1"))
	require.True(t, permits([]string{"x:1", "[::1]:*"}, "::1", "1"))
	require.False(t, permits([]string{"x:1", "*:2"}, "h", "1"))
}
