//go:build interop

package interop

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh/keys"
)

// A keyPair is a key and its files in the formats of OpenSSH, Dropbear and
// PuTTY. The latter two are made by those programs' own converters, which
// thereby judge how this library writes keys.
type keyPair struct {
	name                     string
	key                      *keys.PrivateKey
	openSSH, dropbear, putty string
}

var keyTypes = []struct {
	name, keyType string
	bits          int
}{
	{"ed25519", keys.KeyEd25519, 0},
	{"ecdsa256", keys.KeyECDSA256, 0},
	{"ecdsa384", keys.KeyECDSA384, 0},
	{"ecdsa521", keys.KeyECDSA521, 0},
	{"rsa", keys.KeyRSA, 2048},
}

var (
	onceUserKeys = sync.OnceValues(func() ([]keyPair, error) { return makeKeys("user") })
	onceHostKeys = sync.OnceValues(func() ([]keyPair, error) { return makeKeys("host") })
)

// userKeys returns keys that open the account, one of each type.
func userKeys(t testing.TB) []keyPair {
	t.Helper()
	pairs, err := onceUserKeys()
	require.NoError(t, err)
	return pairs
}

// hostKeys returns the keys of all servers, one of each type.
func hostKeys(t testing.TB) []keyPair {
	t.Helper()
	pairs, err := onceHostKeys()
	require.NoError(t, err)
	return pairs
}

func makeKeys(whose string) (pairs []keyPair, err error) {
	for _, kt := range keyTypes {
		k, err := keys.GenerateKey(kt.keyType, kt.bits)
		if err != nil {
			return nil, err
		}
		k.Comment = whose + " " + kt.name
		data, err := k.MarshalOpenSSH(keys.MarshalOptions{})
		if err != nil {
			return nil, err
		}
		p := keyPair{name: kt.name, key: k, openSSH: filepath.Join(scratch, whose+"-"+kt.name)}
		p.dropbear, p.putty = p.openSSH+".dropbear", p.openSSH+".ppk"
		if err := os.WriteFile(p.openSSH, data, 0o600); err != nil {
			return nil, err
		}
		for _, args := range [][]string{
			{"dropbearconvert", "openssh", "dropbear", p.openSSH, p.dropbear},
			{"puttygen", p.openSSH, "-O", "private", "-o", p.putty},
		} {
			if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
				return nil, fmt.Errorf("%s: %w\n%s", strings.Join(args, " "), err, out)
			}
		}
		pairs = append(pairs, p)
	}
	return pairs, nil
}

// hostAlias is the name of all servers in knownHosts.
const hostAlias = "server"

// knownHosts returns a known_hosts file with all host keys.
func knownHosts(t testing.TB) string {
	t.Helper()
	pairs := hostKeys(t)
	name := filepath.Join(scratch, "known_hosts")
	onceKnownHosts.Do(func() {
		var b []byte
		for _, p := range pairs {
			b = fmt.Appendf(b, "%s %s", hostAlias, keys.MarshalAuthorizedKey(p.key.PublicKey(), ""))
		}
		require.NoError(t, os.WriteFile(name, b, 0o644))
	})
	return name
}

var onceKnownHosts sync.Once
