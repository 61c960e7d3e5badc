package hostkeys

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh/keys"
)

// starterEnv makes the test binary a server that starts in that folder.
const starterEnv = "HOSTKEYS_TEST_STARTER"

func TestMain(m *testing.M) {
	if dir := os.Getenv(starterEnv); dir != "" {
		hosts, err := LoadOrCreate(dir)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		for _, h := range hosts {
			fmt.Println(keys.FingerprintSHA256(h.Signer.PublicKey()), h.Created)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

var files = []string{"ssh_host_ed25519_key", "ssh_host_ecdsa_key", "ssh_host_rsa_key"}

func snapshot(t *testing.T, dir string) map[string]string {
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	content := make(map[string]string)
	for _, e := range entries {
		info, err := e.Info()
		require.NoError(t, err)
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		require.NoError(t, err)
		content[e.Name()] = fmt.Sprint(info.ModTime(), info.Mode(), string(b))
	}
	return content
}

func TestLoadOrCreate(t *testing.T) {
	dir := t.TempDir()
	hosts, err := LoadOrCreate(dir)
	require.NoError(t, err)
	require.Len(t, hosts, 3)
	require.Len(t, Signers(hosts), 3)
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, entries, 6, "nothing but the keys stays behind")
	for i, keyType := range []string{keys.KeyEd25519, keys.KeyECDSA256, keys.KeyRSA} {
		h := hosts[i]
		require.True(t, h.Created)
		require.Equal(t, filepath.Join(dir, files[i]), h.Path)
		require.Equal(t, keyType, h.Signer.PublicKey().Type())
		sig, err := h.Signer.Sign(t.Context(), h.Signer.Algorithms()[0], []byte("data"))
		require.NoError(t, err)
		require.NoError(t, h.Signer.PublicKey().Verify([]byte("data"), sig))
		for path, mode := range map[string]fs.FileMode{h.Path: 0o600, h.Path + ".pub": 0o644} {
			info, err := os.Stat(path)
			require.NoError(t, err)
			require.Equal(t, mode, info.Mode().Perm(), path)
		}
		// ssh-keygen reads both and agrees on what they are.
		public, err := exec.Command("ssh-keygen", "-y", "-f", h.Path).Output()
		require.NoError(t, err)
		written, err := os.ReadFile(h.Path + ".pub")
		require.NoError(t, err)
		require.Equal(t, strings.Fields(string(public))[:2], strings.Fields(string(written))[:2])
		out, err := exec.Command("ssh-keygen", "-l", "-f", h.Path).Output()
		require.NoError(t, err)
		require.Contains(t, string(out), keys.FingerprintSHA256(h.Signer.PublicKey()))
		if keyType == keys.KeyRSA {
			require.True(t, bytes.HasPrefix(out, []byte("3072 ")), "%s", out)
		}
	}

	before := snapshot(t, dir)
	again, err := LoadOrCreate(dir)
	require.NoError(t, err)
	require.Equal(t, before, snapshot(t, dir), "a second start changes nothing")
	for i := range again {
		require.False(t, again[i].Created)
		require.True(t, keys.Equal(hosts[i].Signer.PublicKey(), again[i].Signer.PublicKey()))
	}

	// A missing public key is written anew, the same as before.
	require.NoError(t, os.Remove(hosts[1].Path+".pub"))
	_, err = LoadOrCreate(dir)
	require.NoError(t, err)
	after := snapshot(t, dir)
	require.Len(t, after, 6)
	require.Equal(t, before[files[1]], after[files[1]])
	_, old, _ := strings.Cut(before[files[1]+".pub"], "ecdsa-")
	_, made, _ := strings.Cut(after[files[1]+".pub"], "ecdsa-")
	require.NotEmpty(t, old)
	require.Equal(t, old, made)

	// Both public files are those of OpenSSH's making as well.
	for _, h := range hosts {
		out, err := exec.Command("ssh-keygen", "-l", "-f", h.Path+".pub").Output()
		require.NoError(t, err)
		require.Contains(t, string(out), keys.FingerprintSHA256(h.Signer.PublicKey()))
	}
}

func TestLoadsOpenSSHKeys(t *testing.T) {
	for _, keyType := range []string{"ed25519", "ecdsa", "rsa"} {
		path := filepath.Join(t.TempDir(), "key")
		require.NoError(t, exec.Command("ssh-keygen", "-q", "-t", keyType, "-N", "", "-f", path).Run())
		h, err := Load(path)
		require.NoError(t, err)
		require.False(t, h.Created)
		require.NoError(t, ensurePublic(h))
	}
}

// One bad file must stop the start: to go on without it, or with a new key in
// its place, would look like an attack to every client that knows the old one.
func TestDefect_BadFiles(t *testing.T) {
	good := t.TempDir()
	_, err := LoadOrCreate(good)
	require.NoError(t, err)
	read := func(name string) []byte {
		b, err := os.ReadFile(filepath.Join(good, name))
		require.NoError(t, err)
		return b
	}
	passphrase := filepath.Join(t.TempDir(), "key")
	require.NoError(t, exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "secret", "-f", passphrase).Run())
	encrypted, err := os.ReadFile(passphrase)
	require.NoError(t, err)
	key := read(files[0])

	for name, c := range map[string]struct {
		file    string
		content []byte
		check   func(t *testing.T, err error)
	}{
		"empty":            {files[0], nil, nil},
		"garbage":          {files[1], []byte("garbage\n"), nil},
		"half a key":       {files[0], key[:len(key)/2], nil},
		"public key":       {files[0], read(files[0] + ".pub"), nil},
		"large":            {files[2], bytes.Repeat([]byte("x"), maxFile+1), func(t *testing.T, err error) { require.ErrorIs(t, err, errTooLarge) }},
		"encrypted":        {files[0], encrypted, func(t *testing.T, err error) { require.ErrorAs(t, err, new(*keys.PassphraseNeededError)) }},
		"empty public":     {files[0] + ".pub", nil, nil},
		"garbage public":   {files[2] + ".pub", []byte("ssh-rsa AAAA\n"), nil},
		"another public":   {files[0] + ".pub", read(files[1] + ".pub"), func(t *testing.T, err error) { require.ErrorIs(t, err, ErrPublicKeyMismatch) }},
		"several publics":  {files[0] + ".pub", append(read(files[0]+".pub"), read(files[1]+".pub")...), nil},
		"large public key": {files[0] + ".pub", bytes.Repeat([]byte("x"), maxFile+1), nil},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			require.NoError(t, os.CopyFS(dir, os.DirFS(good)))
			for _, f := range files {
				require.NoError(t, os.Chmod(filepath.Join(dir, f), 0o600))
			}
			path := filepath.Join(dir, c.file)
			require.NoError(t, os.WriteFile(path, c.content, 0o600))
			before := snapshot(t, dir)
			_, err := LoadOrCreate(dir)
			var fileErr *FileError
			require.ErrorAs(t, err, &fileErr)
			require.Equal(t, path, fileErr.Path)
			require.True(t, strings.HasPrefix(err.Error(), "hostkeys: "+path+": "), err.Error())
			require.Equal(t, 1, strings.Count(err.Error(), path))
			if c.check != nil {
				c.check(t, err)
			}
			require.Equal(t, before, snapshot(t, dir), "no file changes")
		})
	}

	t.Run("folder in the place of a key", func(t *testing.T) {
		dir := t.TempDir()
		require.NoError(t, os.Mkdir(filepath.Join(dir, files[0]), 0o700))
		_, err := LoadOrCreate(dir)
		require.ErrorIs(t, err, errNotRegular)
	})
	t.Run("link to nowhere", func(t *testing.T) {
		dir := t.TempDir()
		require.NoError(t, os.Symlink(filepath.Join(dir, "nowhere"), filepath.Join(dir, files[0])))
		_, err := LoadOrCreate(dir)
		require.ErrorIs(t, err, fs.ErrNotExist)
		require.ErrorContains(t, err, files[0])
	})
	t.Run("no folder", func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "none")
		_, err := LoadOrCreate(dir)
		require.ErrorIs(t, err, fs.ErrNotExist)
		require.ErrorContains(t, err, dir)
		require.NoDirExists(t, dir)
	})
}

func TestLoadErrors(t *testing.T) {
	path := filepath.Join(t.TempDir(), "none")
	_, err := Load(path)
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.EqualError(t, err, "hostkeys: "+path+": no such file or directory")
}

func TestDefect_ConcurrentStarters(t *testing.T) {
	dir := t.TempDir()
	const starters = 4
	out := make([]string, starters)
	var wg sync.WaitGroup
	for i := range starters {
		wg.Go(func() {
			cmd := exec.Command(os.Args[0])
			cmd.Env = append(os.Environ(), starterEnv+"="+dir)
			b, err := cmd.CombinedOutput()
			if err != nil {
				t.Errorf("starter: %v\n%s", err, b)
			}
			out[i] = string(b)
		})
	}
	wg.Wait()
	require.Len(t, snapshot(t, dir), 6)
	created := 0
	for _, o := range out {
		created += strings.Count(o, " true")
		require.Equal(t, strings.ReplaceAll(out[0], " true", " false"), strings.ReplaceAll(o, " true", " false"))
	}
	require.Equal(t, 3, created, "each key is made once")
}

// Whenever a writer stops, there is the whole file or none: a half-written
// one is under another name only.
func TestDefect_Crash(t *testing.T) {
	dir := t.TempDir()
	for _, f := range files { // what crashes leave behind
		require.NoError(t, os.WriteFile(filepath.Join(dir, "."+f+".123"), []byte("-----BEGIN OPENSSH"), 0o600))
	}
	hosts, err := LoadOrCreate(dir)
	require.NoError(t, err)
	for _, h := range hosts {
		require.True(t, h.Created)
	}
	// After the private key and before the public one.
	require.NoError(t, os.Remove(hosts[0].Path+".pub"))
	again, err := LoadOrCreate(dir)
	require.NoError(t, err)
	require.True(t, keys.Equal(hosts[0].Signer.PublicKey(), again[0].Signer.PublicKey()))
	require.FileExists(t, hosts[0].Path+".pub")
}

func TestWriteNew(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	require.NoError(t, writeNew(path, []byte("first"), 0o644))
	require.ErrorIs(t, writeNew(path, []byte("second"), 0o644), fs.ErrExist)
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, "first", string(b))
	require.Len(t, snapshot(t, dir), 1)

	cause := errors.New("no links")
	other := filepath.Join(dir, "other")
	require.NoError(t, os.WriteFile(other, []byte("second"), 0o600))
	require.Error(t, renameNew(other, path, cause))
	b, err = os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, "first", string(b))
}
