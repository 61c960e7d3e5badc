//go:build interop

package interop

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// exhaustive is whether to run what takes minutes too: "make exhaustive".
var exhaustive = os.Getenv("INTEROP") == "exhaustive"

// scratch is a folder that every user may enter, unlike testing.T.TempDir's.
// It is removed when the tests have ended.
var scratch string

// environment is what the tests were started with.
var environment []string

func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "interop:", err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	if os.Geteuid() != 0 {
		return 0, errors.New("these tests make a user to log in as, and start servers that let that user in: run them as root")
	}
	if scratch, err = os.MkdirTemp("", "fairlead-interop-"); err != nil {
		return 0, err
	}
	defer os.RemoveAll(scratch)
	if err := os.Chmod(scratch, 0o755); err != nil {
		return 0, err
	}
	// sshd's privilege separation folder, which its boot scripts make.
	if err := os.MkdirAll("/run/sshd", 0o755); err != nil {
		return 0, err
	}
	environment = os.Environ()
	// No agent and no settings of whoever runs the tests.
	for _, name := range []string{"SSH_AUTH_SOCK", "SSH_ASKPASS", "SSH_ASKPASS_REQUIRE", "DISPLAY", "WAYLAND_DISPLAY"} {
		os.Unsetenv(name)
	}
	os.Setenv("HOME", filepath.Join(scratch, "nohome"))
	defer func() { err = errors.Join(err, removeAccount()) }()
	return m.Run(), nil
}

// built is one of our programs, built when the first test asks for it.
type built struct {
	once sync.Once
	path string
	err  error
}

func (b *built) get(t testing.TB, name string) string {
	t.Helper()
	b.once.Do(func() {
		b.path = filepath.Join(scratch, "bin", name)
		cmd := exec.Command("go", "build", "-o", b.path, "../"+name)
		cmd.Env = environment // where the build cache is
		var out []byte
		if out, b.err = cmd.CombinedOutput(); b.err != nil {
			b.err = fmt.Errorf("building %s: %w\n%s", name, b.err, out)
		}
	})
	require.NoError(t, b.err)
	return b.path
}

var builtSSH, builtSSHD built

func ourSSH(t testing.TB) string  { return builtSSH.get(t, "ssh") }
func ourSSHD(t testing.TB) string { return builtSSHD.get(t, "sshd") }

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

// patience is how long one program may take.
const patience = 60 * time.Second

// A result is what became of a program.
type result struct {
	status         int // -1: it was killed
	stdout, stderr string
}

func (r *result) String() string {
	return fmt.Sprintf("status %d\nstdout: %.2000s\nstderr: %.4000s", r.status, r.stdout, r.stderr)
}

// ended runs cmd to its end. What it leaves running is killed.
//
// Its standard output is a file and not a pipe, for Dropbear 2022.83: when the
// channel's last data waits for a full pipe while SSH_MSG_CHANNEL_CLOSE comes,
// dbclient closes the channel after it has looked whether any is left, and does
// not look again until the server sends something, whichever server it is.
func ended(t testing.TB, cmd *exec.Cmd) *result {
	t.Helper()
	stdout, err := os.Create(filepath.Join(t.TempDir(), "stdout"))
	require.NoError(t, err)
	defer stdout.Close()
	var stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = stdout, &stderr
	start(t, cmd)
	timer := time.AfterFunc(patience, func() { kill(cmd) })
	err = cmd.Wait()
	intime := timer.Stop()
	output, readErr := os.ReadFile(stdout.Name())
	require.NoError(t, readErr)
	r := &result{cmd.ProcessState.ExitCode(), string(output), stderr.String()}
	require.True(t, intime, "%v took longer than %v\n%v", cmd.Args, patience, r)
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		require.NoError(t, err, "%v\n%v", cmd.Args, r)
	}
	return r
}

// succeeds runs cmd and requires status 0.
func succeeds(t testing.TB, cmd *exec.Cmd) *result {
	t.Helper()
	r := ended(t, cmd)
	require.Zero(t, r.status, "%v\n%v", cmd.Args, r)
	return r
}

// start starts cmd in a process group of its own, which ends with the test.
func start(t testing.TB, cmd *exec.Cmd) {
	t.Helper()
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	}
	cmd.WaitDelay = 5 * time.Second
	require.NoError(t, cmd.Start(), "%v", cmd.Args)
	t.Cleanup(func() { kill(cmd) })
}

// kill ends the process group that start has made.
func kill(cmd *exec.Cmd) { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }

// background runs cmd until the test ends or stop is called. done is closed
// when it has ended.
func background(t testing.TB, cmd *exec.Cmd) (stop func(), done <-chan struct{}) {
	t.Helper()
	var log bytes.Buffer
	cmd.Stderr = &log
	start(t, cmd)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = cmd.Wait()
	}()
	stop = sync.OnceFunc(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-ended:
		case <-time.After(5 * time.Second):
			kill(cmd)
			<-ended
		}
	})
	t.Cleanup(func() {
		stop()
		if t.Failed() {
			t.Logf("%v\n%.4000s", cmd.Args, log.String())
		}
	})
	return stop, ended
}

// lastPort is from where freePort goes on, below the system's own choices.
var lastPort atomic.Uint32

func init() { lastPort.Store(10000 + rand.Uint32N(10000)) }

// freePort returns a port that nobody listens on, and that no other test gets.
func freePort(t testing.TB) int {
	for range 1000 {
		port := int(lastPort.Add(1))
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			l.Close()
			return port
		}
	}
	t.Fatal("no free port")
	return 0
}

// waitForPort waits until the program that done tells of listens.
func waitForPort(t testing.TB, port int, done <-chan struct{}) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			conn.Close()
			return
		}
		select {
		case <-done:
			t.Fatalf("the program has ended before it listened on port %d", port)
		case <-time.After(20 * time.Millisecond):
			require.True(t, time.Now().Before(deadline), "nobody listens on port %d: %v", port, err)
		}
	}
}

// randomBytes returns the same bytes each time.
func randomBytes(n int) []byte {
	b := make([]byte, n)
	_, _ = io.ReadFull(rand.NewChaCha8([32]byte{'f'}), b)
	return b
}
