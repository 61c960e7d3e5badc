//go:build interop

package interop

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh/keys"
)

// puttygen runs the program and returns what it prints.
func puttygen(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.Command("puttygen", args...).CombinedOutput()
	require.NoError(t, err, "puttygen %q: %s", args, out)
	return string(out)
}

// passphraseFile writes a passphrase for puttygen, which takes none as an argument.
func passphraseFile(t *testing.T, passphrase string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "passphrase")
	require.NoError(t, os.WriteFile(path, []byte(passphrase), 0o600))
	return path
}

func readKeyFile(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	return data
}

// What puttygen writes of each key, in each format of its own, is that key;
// with a passphrase, nothing else opens it.
func TestPuttygenPrivateKeys(t *testing.T) {
	passphrase := passphraseFile(t, "correct horse")
	for _, pair := range userKeys(t) {
		for _, params := range []string{
			"version=2", "version=3,kdf=argon2id,memory=64,passes=3", "version=3,kdf=argon2i,memory=64,passes=3,parallelism=2", "version=3",
		} {
			t.Run(pair.name+" "+params, func(t *testing.T) {
				dir := t.TempDir()
				plain, locked := filepath.Join(dir, "plain"), filepath.Join(dir, "locked")
				puttygen(t, pair.openSSH, "-C", "a comment", "-O", "private", "--ppk-param", params, "-o", plain)
				key, err := keys.ParsePrivateKey(readKeyFile(t, plain), nil)
				require.NoError(t, err)
				require.True(t, keys.Equal(pair.key.PublicKey(), key.PublicKey()))
				require.Equal(t, "a comment", key.Comment)

				puttygen(t, pair.openSSH, "-P", "--new-passphrase", passphrase, "-O", "private", "--ppk-param", params, "-o", locked)
				file := readKeyFile(t, locked)
				_, err = keys.ParsePrivateKey(file, nil)
				needed, ok := errors.AsType[*keys.PassphraseNeededError](err)
				require.True(t, ok, "%v", err)
				require.True(t, keys.Equal(pair.key.PublicKey(), needed.PublicKey))
				_, err = keys.ParsePrivateKey(file, []byte("correct horsf"))
				require.ErrorIs(t, err, keys.ErrWrongPassphrase)
				key, err = keys.ParsePrivateKey(file, []byte("correct horse"))
				require.NoError(t, err)
				require.True(t, keys.Equal(pair.key.PublicKey(), key.PublicKey()))
				for n := 0; n < len(file)-1; n += 7 {
					_, err := keys.ParsePrivateKey(file[:n], []byte("correct horse"))
					require.Error(t, err, "%d bytes", n)
				}
			})
		}
		for _, format := range []string{"private-openssh", "private-openssh-new"} {
			t.Run(pair.name+" "+format, func(t *testing.T) {
				path := filepath.Join(t.TempDir(), "key")
				puttygen(t, pair.putty, "-P", "--new-passphrase", passphrase, "-O", format, "-o", path)
				key, err := keys.ParsePrivateKey(readKeyFile(t, path), []byte("correct horse"))
				require.NoError(t, err)
				require.True(t, keys.Equal(pair.key.PublicKey(), key.PublicKey()))
				_, err = keys.ParsePrivateKey(readKeyFile(t, path), []byte("correct"))
				require.ErrorIs(t, err, keys.ErrWrongPassphrase)
			})
		}
	}
}

// puttygen reads what we write, and has the same lines and fingerprints.
func TestPuttygenReadsOurs(t *testing.T) {
	passphrase := passphraseFile(t, "correct horse")
	for _, pair := range userKeys(t) {
		public := pair.key.PublicKey()
		line := string(keys.MarshalAuthorizedKey(public, "a comment"))
		for _, cipher := range []string{"aes256-ctr", "aes256-cbc"} { // it has no others
			t.Run(pair.name+" "+cipher, func(t *testing.T) {
				file, err := pair.key.MarshalOpenSSH(keys.MarshalOptions{Passphrase: []byte("correct horse"), Cipher: cipher, Rounds: 2})
				require.NoError(t, err)
				path := filepath.Join(t.TempDir(), "key")
				require.NoError(t, os.WriteFile(path, file, 0o600))
				require.Equal(t, line, puttygen(t, path, "--old-passphrase", passphrase, "-C", "a comment", "-O", "public-openssh"))
			})
		}
		t.Run(pair.name+" public", func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "key.pub")
			fits := strings.Repeat("y", 60) // PuTTY knows no lines that are continued
			for _, comment := range []string{"a comment", fits} {
				require.NoError(t, os.WriteFile(path, keys.MarshalRFC4716(public, comment), 0o600))
				require.Equal(t, string(keys.MarshalAuthorizedKey(public, comment)), puttygen(t, path, "-O", "public-openssh"))
			}
			for _, comment := range []string{"a comment", strings.Repeat("a long comment ", 20) + "."} {
				require.NoError(t, os.WriteFile(path, keys.MarshalAuthorizedKey(public, comment), 0o600))
				key, got, err := keys.ParsePublicKeyFile([]byte(puttygen(t, path, "-O", "public")))
				require.NoError(t, err)
				require.True(t, keys.Equal(public, key))
				require.Equal(t, comment, got)
				bits := keys.Bits(public)
				if public.Type() == keys.KeyEd25519 {
					bits = 255 // as PuTTY counts
				}
				require.Equal(t, fmt.Sprintf("%s %d %s\n", public.Type(), bits, keys.FingerprintSHA256(public)), puttygen(t, path, "-l"))
				require.Contains(t, puttygen(t, path, "-l", "-E", "md5"), strings.TrimPrefix(keys.FingerprintMD5(public), "MD5:"))
			}
		})
	}
}

// PuTTY puts a key's certificate into its file; the key is the same.
func TestPuttygenCertificate(t *testing.T) {
	pair, authority := userKeys(t)[0], hostKeys(t)[0]
	dir := t.TempDir()
	public, withCertificate := filepath.Join(dir, "key.pub"), filepath.Join(dir, "key.ppk")
	require.NoError(t, os.WriteFile(public, keys.MarshalAuthorizedKey(pair.key.PublicKey(), ""), 0o600))
	out, err := exec.Command("ssh-keygen", "-s", authority.openSSH, "-I", "id", "-n", "ann", public).CombinedOutput()
	require.NoError(t, err, "%s", out)
	puttygen(t, pair.putty, "--certificate", filepath.Join(dir, "key-cert.pub"), "-O", "private", "-o", withCertificate)
	file := readKeyFile(t, withCertificate)
	require.Contains(t, string(file), "-cert-v01@openssh.com\n")
	key, err := keys.ParsePrivateKey(file, nil)
	require.NoError(t, err)
	require.True(t, keys.Equal(pair.key.PublicKey(), key.PublicKey()))
	shown, _, err := keys.ParsePublicKeyFile(file)
	require.NoError(t, err)
	require.True(t, keys.Equal(pair.key.PublicKey(), shown))
}
