package hostkeys

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh/keys"
)

// TestLoadCertificate loads what ssh-keygen makes for a server.
func TestLoadCertificate(t *testing.T) {
	dir := t.TempDir()
	hosts, err := LoadOrCreate(dir)
	require.NoError(t, err)
	ca := filepath.Join(dir, "ca")
	keygen := func(args ...string) {
		t.Helper()
		out, err := exec.Command("ssh-keygen", args...).CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
	keygen("-q", "-t", "ed25519", "-N", "", "-f", ca)
	for _, h := range hosts {
		keygen("-q", "-s", ca, "-h", "-I", "id", "-n", "host.example", h.Path+".pub")
		s, err := LoadCertificate(h.Path+"-cert.pub", Signers(hosts)...)
		require.NoError(t, err)
		c := s.PublicKey().(*keys.Certificate)
		require.True(t, keys.Equal(h.Signer.PublicKey(), c.Key()))
		_, err = s.Sign(t.Context(), s.Algorithms()[0], []byte("data"))
		require.NoError(t, err)
	}
	path := hosts[0].Path + "-cert.pub"
	_, err = LoadCertificate(path, Signers(hosts[1:])...)
	require.ErrorIs(t, err, ErrNoKey)
	_, err = LoadCertificate(path+".none", Signers(hosts)...)
	require.ErrorIs(t, err, fs.ErrNotExist)
	_, err = LoadCertificate(hosts[0].Path+".pub", Signers(hosts)...)
	var unknown *keys.UnknownTypeError
	require.ErrorAs(t, err, &unknown)
	keygen("-q", "-s", ca, "-I", "id", "-n", "alice", hosts[0].Path+".pub")
	_, err = LoadCertificate(path, Signers(hosts)...)
	require.ErrorIs(t, err, ErrUserCertificate)
	require.NoError(t, os.WriteFile(path, make([]byte, maxFile+1), 0o600))
	_, err = LoadCertificate(path, Signers(hosts)...)
	var file *FileError
	require.ErrorAs(t, err, &file)
	require.Equal(t, path, file.Path)
}
