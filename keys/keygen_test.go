package keys

import (
	"bytes"
	"crypto/sha512"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh/wire"
)

// ssh-keygen is the peer of these tests. They fail where it is missing.

// keygenKey has ssh-keygen make a key and returns the path of its private file.
func keygenKey(t *testing.T, typ, passphrase string, args ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "key")
	args = append([]string{"-q", "-f", path, "-N", passphrase, "-C", "a comment"}, args...)
	sshKeygen(t, nil, append(args, keygenArgs[typ]...)...)
	return path
}

func TestKeygenFilesParse(t *testing.T) {
	for _, typ := range allTypes {
		for _, format := range []string{"RFC4716", "PEM", "PKCS8"} {
			for _, passphrase := range []string{"", "correct horse"} {
				name := typ + " " + format
				if passphrase != "" {
					name += " with passphrase"
				}
				t.Run(name, func(t *testing.T) {
					path := keygenKey(t, typ, passphrase, "-m", format, "-a", "2")
					file := readFile(t, path)
					public, comment, err := ParsePublicKeyLine(readFile(t, path+".pub"))
					require.NoError(t, err)
					require.Equal(t, "a comment", comment)

					openSSH := bytes.HasPrefix(file, []byte("-----BEGIN OPENSSH"))
					// ssh-keygen has no other form for ed25519.
					require.Equal(t, format == "RFC4716" || typ == KeyEd25519, openSSH)
					if passphrase != "" {
						var needed *PassphraseNeededError
						_, err := ParsePrivateKey(file, nil)
						require.ErrorAs(t, err, &needed)
						require.Equal(t, openSSH, Equal(public, needed.PublicKey))
						_, err = ParsePrivateKey(file, []byte("wrong"))
						require.ErrorIs(t, err, ErrWrongPassphrase)
					}
					k, err := ParsePrivateKey(file, []byte(passphrase))
					require.NoError(t, err)
					require.True(t, Equal(public, k.PublicKey()))
					if openSSH {
						require.Equal(t, "a comment", k.Comment)
					}
					signAndVerify(t, k, public)
				})
			}
		}
	}
}

// A file of ssh-keygen's default work factor and key sizes.
func TestKeygenDefaults(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	sshKeygen(t, nil, "-q", "-f", path, "-t", "rsa", "-N", "correct horse")
	k, err := ParsePrivateKey(readFile(t, path), []byte("correct horse"))
	require.NoError(t, err)
	public, comment, err := ParsePublicKeyLine(readFile(t, path+".pub"))
	require.NoError(t, err)
	require.True(t, Equal(public, k.PublicKey()))
	require.Equal(t, comment, k.Comment)
}

func TestKeygenFilesTruncated(t *testing.T) {
	forEachType(t, func(t *testing.T, k *PrivateKey) {
		file := readFile(t, keygenKey(t, k.PublicKey().Type(), ""))
		for n := range len(bytes.TrimSpace(file)) {
			_, err := ParsePrivateKey(file[:n], nil)
			require.Error(t, err, "%d bytes", n)
		}
	})
}

func TestKeygenReadsOurs(t *testing.T) {
	forEachType(t, func(t *testing.T, k *PrivateKey) {
		for _, passphrase := range []string{"", "correct horse"} {
			file := marshalPrivate(t, k, MarshalOptions{Passphrase: []byte(passphrase), Rounds: 2})
			path := writeFile(t, "key", file)

			line := sshKeygen(t, nil, "-y", "-P", passphrase, "-f", path)
			public, comment, err := ParsePublicKeyLine([]byte(line))
			require.NoError(t, err)
			require.True(t, Equal(k.PublicKey(), public))
			require.Equal(t, k.Comment, comment)
			require.Equal(t, line, string(MarshalAuthorizedKey(k.PublicKey(), k.Comment)))

			require.Contains(t, sshKeygen(t, nil, "-l", "-f", path), " "+FingerprintSHA256(k.PublicKey())+" ")

			// It can be rewritten, here with another passphrase, and read again.
			sshKeygen(t, nil, "-q", "-p", "-P", passphrase, "-N", "another", "-a", "1", "-f", path)
			got, err := ParsePrivateKey(readFile(t, path), []byte("another"))
			require.NoError(t, err)
			requireSamePrivate(t, k, got)
		}
	})
}

func TestKeygenFingerprints(t *testing.T) {
	forEachType(t, func(t *testing.T, k *PrivateKey) {
		path := writeFile(t, "key.pub", MarshalAuthorizedKey(k.PublicKey(), k.Comment))
		sha := strings.Fields(sshKeygen(t, nil, "-l", "-E", "sha256", "-f", path))
		require.Equal(t, sha[1], FingerprintSHA256(k.PublicKey()))
		require.Equal(t, sha[2], k.Comment)
		md5 := strings.Fields(sshKeygen(t, nil, "-l", "-E", "md5", "-f", path))
		require.Equal(t, md5[1], FingerprintMD5(k.PublicKey()))
	})
}

// The SSHSIG format (OpenSSH's PROTOCOL.sshsig) carries plain signatures
// between ssh-keygen and this package; RSA keys use rsa-sha2-512 in it.
func sshsigData(message []byte) []byte {
	sum := sha512.Sum512(message)
	b := []byte("SSHSIG")
	b = wire.AppendString(b, "file")
	b = wire.AppendString(b, "")
	b = wire.AppendString(b, "sha512")
	return wire.AppendString(b, sum[:])
}

func TestKeygenVerifiesOurs(t *testing.T) {
	message := []byte("a message\n")
	forEachType(t, func(t *testing.T, k *PrivateKey) {
		sign := func(algorithm string) string {
			sig, err := k.Sign(t.Context(), algorithm, sshsigData(message))
			require.NoError(t, err)
			b := wire.AppendUint32([]byte("SSHSIG"), 1)
			b = wire.AppendString(b, k.PublicKey().Marshal())
			b = wire.AppendString(b, "file")
			b = wire.AppendString(b, "")
			b = wire.AppendString(b, "sha512")
			b = wire.AppendString(b, sig.Marshal())
			return writeFile(t, "sig", pem.EncodeToMemory(&pem.Block{Type: "SSH SIGNATURE", Bytes: b}))
		}
		allowed := writeFile(t, "allowed", append([]byte("me "), MarshalAuthorizedKey(k.PublicKey(), "")...))
		for _, algorithm := range k.Algorithms() {
			out := sshKeygen(t, message, "-Y", "verify", "-f", allowed, "-I", "me", "-n", "file", "-s", sign(algorithm))
			require.Contains(t, out, `Good "file" signature for me`)
		}
	})
}

func TestKeygenSignsForUs(t *testing.T) {
	message := []byte("a message\n")
	forEachType(t, func(t *testing.T, k *PrivateKey) {
		key := writeFile(t, "key", marshalPrivate(t, k, MarshalOptions{}))
		file := writeFile(t, "message", message)
		for _, algorithm := range k.Algorithms() {
			if algorithm == RSASHA256 {
				continue // ssh-keygen makes no such signature
			}
			require.NoError(t, os.RemoveAll(file+".sig"))
			sshKeygen(t, nil, "-Y", "sign", "-f", key, "-n", "file", file)
			block, rest := pem.Decode(readFile(t, file+".sig"))
			require.NotNil(t, block)
			require.Empty(t, rest)
			r := wire.NewReader(block.Bytes)
			require.Equal(t, "SSHSIG", string(r.Raw(6)))
			require.Equal(t, uint32(1), r.Uint32())
			require.Equal(t, k.PublicKey().Marshal(), r.Bytes())
			require.Equal(t, "file", r.Text())
			require.Empty(t, r.Bytes())
			require.Equal(t, "sha512", r.Text())
			signature := r.Bytes()
			require.NoError(t, r.End())
			require.NoError(t, Verify(k.PublicKey(), algorithm, sshsigData(message), signature))
			require.ErrorIs(t, Verify(k.PublicKey(), algorithm, sshsigData([]byte("another")), signature), ErrBadSignature)
		}
	})
}
