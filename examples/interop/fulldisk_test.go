//go:build interop

package interop

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/pkg/sftp"
	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh"
	"github.com/fairlead-go/ssh/auth"
	"github.com/fairlead-go/ssh/transport"
)

// smallDisk returns a file on a disk that has room for 1 MiB; in a container
// that may not mount one, the device that is always full.
func smallDisk(t *testing.T, a *account) string {
	t.Helper()
	dir := a.folder(t)
	err := syscall.Mount("none", dir, "tmpfs", 0, "size=1m,mode=0777")
	if errors.Is(err, syscall.EPERM) {
		return "/dev/full"
	}
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, syscall.Unmount(dir, syscall.MNT_DETACH)) })
	return filepath.Join(dir, "file")
}

// TestFullDisk fills a disk by SFTP. The client is told why, its connection
// goes on, and so does that of somebody else.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	data := randomBytes(3 << 20)
	s := sshd(t, ourSSHD(t))
	dial := func(t *testing.T) *ssh.Client {
		c, err := ssh.Dial(t.Context(), "tcp", s.address(), &ssh.ClientConfig{
			User: s.user.name, Auth: []auth.Method{auth.PublicKeys(userKeys(t)[0].key)},
			VerifyHostKey: transport.InsecureAcceptAnyHostKey,
		})
		require.NoError(t, err)
		t.Cleanup(func() { c.Close() })
		return c
	}
	bystander := dial(t)

	t.Run("library", func(t *testing.T) {
		name := smallDisk(t, s.user)
		c := dial(t)
		fs, end := sftpOver(t, c)
		defer end()
		file, err := fs.Create(name)
		require.NoError(t, err)
		_, err = io.Copy(file, bytes.NewReader(data))
		var status *sftp.StatusError
		require.ErrorAs(t, err, &status)
		require.ErrorContains(t, err, "no space left on device")
		_ = file.Close()
		if name != "/dev/full" {
			there, err := os.ReadFile(name)
			require.NoError(t, err)
			require.NotEmpty(t, there)
			require.True(t, bytes.HasPrefix(data, there), "what is there is what was sent")
			require.NoError(t, fs.Remove(name))
		}
		fine := filepath.Join(s.user.folder(t), "fine")
		other, err := fs.Create(fine)
		require.NoError(t, err)
		_, err = other.Write(data)
		require.NoError(t, err)
		require.NoError(t, other.Close())
		sameFile(t, data, fine)
	})

	here := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(here, "big"), data, 0o644))
	for _, p := range []struct {
		name   string
		client client
		ignore string // a line's failure is no reason to end
	}{
		{"OpenSSH", openSSH{peer(t, "ssh")}, "-"},
		{"PuTTY", putty{}, ""},
	} {
		t.Run(p.name, func(t *testing.T) {
			name, fine := smallDisk(t, s.user), filepath.Join(s.user.folder(t), "fine")
			cmd := p.client.sftp(t, s, here, p.ignore+"put big "+name, "put big "+fine)
			if p.ignore == "" {
				cmd.Args = append([]string{cmd.Args[0], "-be"}, cmd.Args[1:]...)
			}
			r := ended(t, cmd)
			// These programs have their own words for an error.
			require.Regexp(t, `(?i)writ\w+.*: failure`, r.stdout+r.stderr, "%v", r)
			sameFile(t, data, fine)
		})
	}

	out, err := bystander.Command("echo fine").Output(t.Context())
	require.NoError(t, err)
	require.Equal(t, "fine\n", string(out))
}

// sftpOver starts SFTP over a connection of the library.
func sftpOver(t *testing.T, c *ssh.Client) (*sftp.Client, func()) {
	t.Helper()
	cmd := c.Subsystem("sftp")
	stdin, err := cmd.StdinPipe()
	require.NoError(t, err)
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start(t.Context()))
	fs, err := sftp.NewClientPipe(stdout, stdin)
	require.NoError(t, err)
	return fs, func() {
		require.NoError(t, fs.Close())
		require.NoError(t, cmd.Wait(t.Context()))
	}
}
