package keys

import (
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// ssh-keygen shows the same line and picture of every type of key, and of
// certificates.
func TestKeygenRandomArt(t *testing.T) {
	shown := []PublicKey{}
	for _, k := range generated() {
		shown = append(shown, k.PublicKey())
	}
	for _, file := range [][]byte{rfc4716Example, rfc4716Continued} {
		k, _, err := ParsePublicKeyFile(file)
		require.NoError(t, err)
		shown = append(shown, k)
	}
	for _, blob := range [][]byte{
		joinStrings([]byte(KeySKEd25519), make([]byte, 32), []byte("ssh:")),
		joinStrings([]byte(KeySKECDSA256), []byte("nistp256"), fields(t, subject().PublicKey().Marshal())[2], []byte("ssh:")),
	} {
		k, err := ParsePublicKey(blob)
		require.NoError(t, err)
		shown = append(shown, k)
	}
	for _, k := range shown[:len(shown):len(shown)] {
		claims := userClaims()
		claims.Key = k
		shown = append(shown, issue(t, claims))
	}
	for range 100 { // more walks, so that some reach every edge
		k, err := GenerateKey(KeyEd25519, 0)
		require.NoError(t, err)
		shown = append(shown, k.PublicKey())
	}
	var lines []byte
	for _, k := range shown {
		lines = append(lines, MarshalAuthorizedKey(k, "x")...)
	}
	path := writeFile(t, "keys", lines)
	for hash, f := range map[string]struct{ fingerprint, art func(PublicKey) string }{
		"sha256": {FingerprintSHA256, RandomArtSHA256},
		"md5":    {FingerprintMD5, RandomArtMD5},
	} {
		rows := strings.Split(strings.TrimSuffix(sshKeygen(t, nil, "-lv", "-E", hash, "-f", path), "\n"), "\n")
		require.Len(t, rows, 12*len(shown))
		for i, k := range shown {
			head := strings.Fields(rows[12*i])
			require.Equal(t, strconv.Itoa(Bits(k)), head[0])
			require.Equal(t, f.fingerprint(k), head[1])
			require.Equal(t, "("+ShortName(k)+")", head[3])
			require.Equal(t, strings.Join(rows[12*i+1:12*i+12], "\n"), f.art(k), k.Type())
		}
	}
}

func TestShortNames(t *testing.T) {
	for name, want := range map[string]string{
		KeyEd25519: "ED25519", KeyRSA: "RSA", KeyECDSA521: "ECDSA", KeySKECDSA256: "ECDSA-SK", KeySKEd25519: "ED25519-SK",
		KeyMLDSA44Ed25519: "MLDSA44-ED25519",
	} {
		require.Equal(t, want, ShortName(named{name}))
		require.Equal(t, 256, Bits(named{name}))
	}
	// The longest title is cut as ssh-keygen cuts it.
	require.True(t, strings.HasPrefix(RandomArtSHA256(named{KeyMLDSA44Ed25519}), "+[MLDSA44-ED25519-+\n"))
}

// A named key has a type that may not be supported.
type named struct{ name string }

func (n named) Type() string                    { return n.name }
func (n named) Marshal() []byte                 { return nil }
func (n named) Algorithms() []string            { return nil }
func (n named) Verify([]byte, *Signature) error { return ErrBadSignature }
