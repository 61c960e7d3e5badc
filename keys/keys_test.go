package keys

import (
	"crypto/rand"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh/wire"
)

// allTypes are the supported key types in the table's order, written out so
// that a type lost from the table fails a test.
var allTypes = []string{KeyEd25519, KeyECDSA256, KeyECDSA384, KeyECDSA521, KeyRSA}

// generated holds one key of each type: tests only read them.
var generated = sync.OnceValue(func() map[string]*PrivateKey {
	m := map[string]*PrivateKey{}
	for _, typ := range allTypes {
		bits := 0
		if typ == KeyRSA {
			bits = 2048
		}
		k, err := GenerateKey(typ, bits)
		if err != nil {
			panic(err)
		}
		k.Comment = "test@" + typ
		m[typ] = k
	}
	return m
})

// forEachType runs f with a key of each type, which f must not change.
func forEachType(t *testing.T, f func(t *testing.T, k *PrivateKey)) {
	for _, typ := range allTypes {
		t.Run(typ, func(t *testing.T) { f(t, generated()[typ]) })
	}
}

// sshKeygen runs ssh-keygen, which must be there and succeed, and returns what
// it prints.
func sshKeygen(t *testing.T, stdin []byte, args ...string) string {
	t.Helper()
	cmd := exec.Command("ssh-keygen", args...)
	cmd.Stdin = strings.NewReader(string(stdin))
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "ssh-keygen %q: %s", args, out)
	return string(out)
}

// writeFile writes a file that only its owner can read, and returns its path.
func writeFile(t *testing.T, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, data, 0o600))
	return path
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	return b
}

// signAndVerify proves that private signs what public verifies.
func signAndVerify(t *testing.T, private Signer, public PublicKey) {
	t.Helper()
	data := make([]byte, 100)
	rand.Read(data)
	require.NotEmpty(t, private.Algorithms())
	for _, algorithm := range private.Algorithms() {
		sig, err := private.Sign(t.Context(), algorithm, data)
		require.NoError(t, err)
		require.Equal(t, algorithm, sig.Format)
		require.NoError(t, Verify(public, algorithm, data, sig.Marshal()))
		require.NoError(t, public.Verify(data, sig))
	}
}

// fields splits b into the strings that it consists of.
func fields(t *testing.T, b []byte) [][]byte {
	t.Helper()
	var out [][]byte
	r := wire.NewReader(b)
	for r.Len() > 0 {
		out = append(out, r.Bytes())
	}
	require.NoError(t, r.End())
	return out
}

func joinStrings(parts ...[]byte) []byte {
	var b []byte
	for _, p := range parts {
		b = wire.AppendString(b, p)
	}
	return b
}

// keygenArgs are ssh-keygen's arguments for a key of each type.
var keygenArgs = map[string][]string{
	KeyEd25519:  {"-t", "ed25519"},
	KeyECDSA256: {"-t", "ecdsa", "-b", "256"},
	KeyECDSA384: {"-t", "ecdsa", "-b", "384"},
	KeyECDSA521: {"-t", "ecdsa", "-b", "521"},
	KeyRSA:      {"-t", "rsa", "-b", "2048"},
}
