package keys

import (
	"bytes"
	"encoding/pem"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh/wire"
)

// allFileCiphers are written out so that one lost from the table fails a test.
var allFileCiphers = []string{
	"aes256-ctr", "aes192-ctr", "aes128-ctr",
	"aes256-cbc", "aes192-cbc", "aes128-cbc",
	"aes256-gcm@openssh.com", "aes128-gcm@openssh.com", "chacha20-poly1305@openssh.com",
}

func TestPrivateKeyCiphers(t *testing.T) {
	k := generated()[KeyEd25519]
	for _, name := range allFileCiphers {
		t.Run(name, func(t *testing.T) {
			file := marshalPrivate(t, k, MarshalOptions{Passphrase: []byte("open"), Rounds: 1, Cipher: name})
			block, _ := pem.Decode(file)
			r := wire.NewReader(block.Bytes[len(opensshMagic):])
			require.Equal(t, name, r.Text())

			got, err := ParsePrivateKey(file, []byte("open"))
			require.NoError(t, err)
			requireSamePrivate(t, k, got)
			_, err = ParsePrivateKey(file, []byte("wrong"))
			require.ErrorIs(t, err, ErrWrongPassphrase)
			needed, ok := errors.AsType[*PassphraseNeededError](second(ParsePrivateKey(file, nil)))
			require.True(t, ok)
			require.True(t, Equal(k.PublicKey(), needed.PublicKey))

			for n := range block.Bytes {
				_, err := parseOpenSSH(block.Bytes[:n], []byte("open"))
				require.Error(t, err, "%d bytes", n)
				require.NotErrorIs(t, err, ErrWrongPassphrase, "%d bytes", n)
			}
			_, err = parseOpenSSH(append(bytes.Clone(block.Bytes), 0), []byte("open"))
			require.ErrorIs(t, err, wire.ErrTrailing)
		})
	}
}

func second[T any](_ T, err error) error { return err }

// With a cipher that authenticates, no bit of section or tag can change.
func TestDefect_PrivateKeyTagChecked(t *testing.T) {
	k := generated()[KeyEd25519]
	for _, name := range []string{"aes256-gcm@openssh.com", "aes128-gcm@openssh.com", "chacha20-poly1305@openssh.com"} {
		c := lookupOpenSSHCipher(name)
		key, iv := bytes.Repeat([]byte{7}, c.keySize), bytes.Repeat([]byte{9}, c.ivSize)
		section, err := k.appendSection(nil, c.block)
		require.NoError(t, err)
		sealed, err := c.seal(key, iv, bytes.Clone(section))
		require.NoError(t, err)
		require.Len(t, sealed, len(section)+c.tagSize)
		for i := range sealed {
			bad := bytes.Clone(sealed)
			bad[i] ^= 1 << (i % 8)
			_, err := c.open(key, iv, bad)
			require.ErrorIs(t, err, errTag, "%s, byte %d", name, i)
		}
		opened, err := c.open(key, iv, sealed)
		require.NoError(t, err)
		require.Equal(t, section, opened)
	}
}

func TestMarshalCipherRefused(t *testing.T) {
	k := generated()[KeyEd25519]
	for _, name := range []string{"none", "3des-cbc", "AES256-CTR", "aes256-ctr,aes128-ctr"} {
		_, err := k.MarshalOpenSSH(MarshalOptions{Passphrase: []byte("p"), Cipher: name})
		unsupported, ok := errors.AsType[*UnsupportedError](err)
		require.True(t, ok, name)
		require.Equal(t, name, unsupported.Name)
	}
	_, err := k.MarshalOpenSSH(MarshalOptions{Cipher: "aes256-ctr"})
	require.ErrorIs(t, err, errCipherWithoutPassphrase)
}

func TestKeygenCiphers(t *testing.T) {
	k := generated()[KeyEd25519]
	for _, name := range append([]string{"3des-cbc"}, allFileCiphers...) {
		t.Run(name, func(t *testing.T) {
			// Ours is read by ssh-keygen, which then encrypts it in its own way.
			o := MarshalOptions{Passphrase: []byte("correct horse"), Rounds: 1, Cipher: name}
			if name == "3des-cbc" {
				o.Cipher = ""
			}
			path := writeFile(t, "key", marshalPrivate(t, k, o))
			line := sshKeygen(t, nil, "-y", "-P", "correct horse", "-f", path)
			require.Equal(t, string(MarshalAuthorizedKey(k.PublicKey(), k.Comment)), line)

			sshKeygen(t, nil, "-q", "-p", "-Z", name, "-P", "correct horse", "-N", "another", "-a", "1", "-f", path)
			file := readFile(t, path)
			block, _ := pem.Decode(file)
			require.Contains(t, string(block.Bytes), name)
			got, err := ParsePrivateKey(file, []byte("another"))
			require.NoError(t, err)
			requireSamePrivate(t, k, got)
			_, err = ParsePrivateKey(file, []byte("correct horse"))
			require.ErrorIs(t, err, ErrWrongPassphrase)
			for n := range block.Bytes {
				_, err := parseOpenSSH(block.Bytes[:n], []byte("another"))
				require.Error(t, err, "%d bytes", n)
			}
		})
	}
}
