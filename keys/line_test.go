package keys

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh/wire"
)

func TestPublicKeyLineRoundTrip(t *testing.T) {
	forEachType(t, func(t *testing.T, k *PrivateKey) {
		for _, comment := range []string{"", "me@host", "a comment  with spaces", "# odd", "ünï"} {
			line := MarshalAuthorizedKey(k.PublicKey(), comment)
			require.True(t, strings.HasSuffix(string(line), "\n"))
			key, got, err := ParsePublicKeyLine(line)
			require.NoError(t, err)
			require.True(t, Equal(k.PublicKey(), key))
			require.Equal(t, comment, got)
			require.Equal(t, line, MarshalAuthorizedKey(key, got))
		}
		bare := strings.TrimSpace(string(MarshalAuthorizedKey(k.PublicKey(), "")))
		for n := range bare {
			_, _, err := ParsePublicKeyLine([]byte(bare[:n]))
			require.Error(t, err, "%d characters", n)
		}
	})
}

// No comment makes a second line, which could be another key.
func TestPublicKeyLineCommentStaysOnIt(t *testing.T) {
	k := generated()[KeyEd25519].PublicKey()
	for comment, want := range map[string]string{
		"a\nssh-ed25519 AAAA": "a ssh-ed25519 AAAA",
		"a\r\x00\x1b[2Jb\x7f": "a   [2Jb",
		"\n":                  "",
		"  a  ":               "a",
	} {
		line := string(MarshalAuthorizedKey(k, comment))
		require.Equal(t, 1, strings.Count(line, "\n"))
		_, got, err := ParsePublicKeyLine([]byte(line))
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
}

func TestPublicKeyLineForms(t *testing.T) {
	k := generated()[KeyEd25519].PublicKey()
	encoded := base64.StdEncoding.EncodeToString(k.Marshal())
	for _, line := range []string{
		"ssh-ed25519 " + encoded,
		"ssh-ed25519\t" + encoded + "\r\n",
		"  \tssh-ed25519 \t  " + encoded + " \n",
		"\n\nssh-ed25519 " + encoded + " \n\n",
	} {
		key, comment, err := ParsePublicKeyLine([]byte(line))
		require.NoError(t, err, "%q", line)
		require.True(t, Equal(k, key))
		require.Empty(t, comment)
	}

	for _, line := range []string{
		"", "\n", " ", "# comment", "#ssh-ed25519 " + encoded, "ssh-ed25519", "ssh-ed25519 ",
		encoded,
		"ssh-ed25519 " + encoded + "\nssh-ed25519 " + encoded,
		"ssh-ed25519\x00 " + encoded,
		"ssh-ed25519 " + encoded + " a\x00b",
	} {
		_, _, err := ParsePublicKeyLine([]byte(line))
		require.ErrorIs(t, err, ErrUnknownFormat, "%q", line)
	}

	var unknown *UnknownTypeError
	for _, line := range []string{"ssh-dss " + encoded, "no-pty ssh-ed25519 " + encoded, "example.org ssh-ed25519 " + encoded} {
		_, _, err := ParsePublicKeyLine([]byte(line))
		require.ErrorAs(t, err, &unknown, "%q", line)
	}

	var malformed *MalformedError
	of256 := base64.StdEncoding.EncodeToString(generated()[KeyECDSA256].PublicKey().Marshal())
	padded := base64.StdEncoding.EncodeToString(append(generated()[KeyRSA].PublicKey().Marshal(), 0))
	for _, line := range []string{
		"ssh-ed25519 " + of256, "ecdsa-sha2-nistp384 " + of256,
		"ssh-ed25519 " + encoded[:len(encoded)-1], "ssh-ed25519 " + encoded + "AAAA", "ssh-ed25519 " + encoded + "=",
		"ssh-ed25519 !" + encoded[1:], "ssh-ed25519 A", "ssh-ed25519 AAAA", "ssh-rsa " + padded,
		"ssh-ed25519 " + strings.NewReplacer("+", "-", "/", "_").Replace("AAAA+/AA"),
	} {
		_, _, err := ParsePublicKeyLine([]byte(line))
		require.ErrorAs(t, err, &malformed, "%q", line)
	}
	_, _, err := ParsePublicKeyLine([]byte("ssh-rsa " + padded))
	require.ErrorIs(t, err, wire.ErrTrailing)
}

func TestFingerprintForms(t *testing.T) {
	forEachType(t, func(t *testing.T, k *PrivateKey) {
		require.Regexp(t, `^SHA256:[A-Za-z0-9+/]{43}$`, FingerprintSHA256(k.PublicKey()))
		require.Regexp(t, `^MD5(:[0-9a-f]{2}){16}$`, FingerprintMD5(k.PublicKey()))
	})
}
