package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh/examples/internal/progress"
	"github.com/fairlead-go/ssh/keys"
	"github.com/fairlead-go/ssh/keys/knownhosts"
)

// inTempDir makes temporary folders appear in one of the test's.
func inTempDir(t testing.TB) (dir string) {
	t.Helper()
	dir = t.TempDir()
	t.Setenv("TMPDIR", dir)
	return dir
}

func requireEmpty(t *testing.T, dir string) {
	t.Helper()
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, left)
}

func TestStory(t *testing.T) {
	for _, terminal := range []bool{false, true} {
		t.Run(fmt.Sprintf("terminal=%t", terminal), func(t *testing.T) {
			dir := inTempDir(t)
			var out bytes.Buffer
			s := &story{out: &out, size: 3<<20 + 5, terminal: terminal, width: 100}
			require.NoError(t, s.tell(t.Context()), "%s", &out)
			requireEmpty(t, dir)

			told := out.String()
			for i, step := range steps {
				require.Contains(t, told, fmt.Sprintf("\n%d. %s\n", i+1, step.title))
			}
			for _, line := range []string{
				`ssh_host_ed25519_key 0600  \.pub 0644  SHA256:[A-Za-z0-9+/]{43}\n`,
				`ssh_host_ecdsa_key   0600  \.pub 0644  SHA256:`,
				`ssh_host_rsa_key     0600  \.pub 0644  SHA256:`,
				`\| hostkeys:\s+(\| )?\S+/broken/ssh_host_ed25519_key:\s`,
				`\| \|1\|\S+ ssh-ed25519 `,
				`key exchange +mlkem768x25519-sha256`,
				`strict kex +yes`,
				`user "alice" denied`,
				`Logged in as alice by publickey with SHA256:`,
				`\| Hello from the far side\n`,
				`\| stdout: fine\n   \| stderr: trouble\n   \| exit status: 3\n`,
				`\| anchor\n   \| fairlead\n   \| mooring\n`,
				`\| far\$ tty; .*\n   \| /dev/\S+\n   \| 24 80\n   \| 50 132\n   \| far\$ exit 7\n`,
				`\| Lunch today: fish soup\.\n`,
				`administratively\s+(\| )?prohibited`,
				` up +100% .* 3\.0 MiB .*/s  in 00:0\d`,
				` down +100% .* 3\.0 MiB .*/s  in 00:0\d`,
				`SHA-256 at the far side, and of what came back: [0-9a-f]{16}`,
				`new keys came [1-9]\d+ times`,
				`All that the server got of it: KEXINIT, its half of the key exchange, DISCONNECT\.`,
				`All 8 steps worked`,
				`goroutines: (\d+) before, \d+ after`,
			} {
				require.Regexp(t, line, told)
			}
			require.Equal(t, terminal, strings.Contains(told, "\r"), "a line is drawn again on terminals only")
			if _, err := exec.LookPath("ssh"); err == nil {
				require.Contains(t, told, "| Hello from OpenSSH\n   | exit status: 5\n")
			}
		})
	}
}

// The refusal of a changed host names the line, the file and both keys.
func TestChangedHostError(t *testing.T) {
	inTempDir(t)
	s := newStory(t)
	require.NoError(t, s.makeHostKeys(t.Context()))
	require.NoError(t, s.meetUnknownHost(t.Context()))
	known := s.server.hostKeys[0].Signer.PublicKey()
	require.NoError(t, s.stopServer())
	impostor, err := startFarSide(filepath.Join(s.folder, "impostor"), s.addr, s.key.PublicKey(), nil)
	require.NoError(t, err)
	defer impostor.stop()
	_, err = s.connect(t.Context(), s.config(s.key))
	require.ErrorIs(t, err, knownhosts.ErrHostKeyChanged)
	require.ErrorContains(t, err, s.knownHosts()+":1")
	require.ErrorContains(t, err, keys.FingerprintSHA256(known))
	require.ErrorContains(t, err, keys.FingerprintSHA256(impostor.hostKeys[0].Signer.PublicKey()))
}

// A step that fails ends the story with an error that names it, and everything
// is removed.
func TestFailingStep(t *testing.T) {
	dir := inTempDir(t)
	old := steps
	defer func() { steps = old }()
	broken := errors.New("broken on purpose")
	steps = append(steps[:5:5], step{"Nothing works", func(*story, context.Context) error { return broken }}, old[6])

	var out bytes.Buffer
	s := &story{out: &out, size: 1}
	err := s.tell(t.Context())
	require.ErrorIs(t, err, broken)
	require.EqualError(t, err, "step 6 (Nothing works) failed: broken on purpose")
	require.NotContains(t, out.String(), "\n7. ")
	require.NotContains(t, out.String(), "worked")
	requireEmpty(t, dir)
}

// An interrupt ends a story in the middle of a step.
func TestInterrupt(t *testing.T) {
	dir := inTempDir(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out := writerFunc(func(p []byte) (int, error) {
		if bytes.Contains(p, []byte(" of random bytes")) {
			cancel()
		}
		return len(p), nil
	})
	s := &story{out: out, size: 64 << 20}
	err := s.tell(ctx)
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorContains(t, err, "step 5 ")
	requireEmpty(t, dir)
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// Goroutines that remain are an error that shows them.
func TestWaitForGoroutines(t *testing.T) {
	_, err := waitForGoroutines(0)
	require.ErrorContains(t, err, "TestWaitForGoroutines")
}

// newStory returns a story that has a folder and nothing in it.
func newStory(t testing.TB) *story {
	s := &story{out: io.Discard, folder: t.TempDir()}
	t.Cleanup(func() { require.NoError(t, s.cleanUp()) })
	return s
}

func BenchmarkUpload(b *testing.B) {
	benchmarkTransfer(b, func(files *sftpClient, near, far string, bar *progress.Bar) error {
		return upload(files.Client, near, far, bar)
	})
}

func BenchmarkDownload(b *testing.B) {
	benchmarkTransfer(b, func(files *sftpClient, near, far string, bar *progress.Bar) error {
		return download(files.Client, far, near, bar)
	})
}

func benchmarkTransfer(b *testing.B, transfer func(files *sftpClient, near, far string, bar *progress.Bar) error) {
	const size = 64 << 20
	s := newStory(b)
	ctx := b.Context()
	require.NoError(b, s.makeHostKeys(ctx))
	require.NoError(b, s.meetUnknownHost(ctx))
	var err error
	s.client, err = s.connect(ctx, s.config(s.key))
	require.NoError(b, err)
	files, err := s.openSFTP(ctx)
	require.NoError(b, err)
	near, far := filepath.Join(s.folder, "near.bin"), filepath.Join(s.server.folder, "files", "far.bin")
	for _, name := range []string{near, far} {
		_, err = makeFile(name, size)
		require.NoError(b, err)
	}
	b.SetBytes(size)
	b.ReportAllocs()
	for b.Loop() {
		bar := progress.New(io.Discard, "", size, progress.Options{})
		require.NoError(b, transfer(files, near, "far.bin", bar))
	}
	require.NoError(b, files.close(ctx))
}
