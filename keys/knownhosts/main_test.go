package knownhosts

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh/keys"
)

// writerEnv makes the test binary a process that learns keys into a file.
const writerEnv = "KNOWNHOSTS_TEST_WRITER"

func TestMain(m *testing.M) {
	if file := os.Getenv(writerEnv); file != "" {
		if err := writer(file, os.Args[1]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// generate returns the same key for the same type and number.
var generate = func() func(t testing.TB, keyType string, n int) keys.PublicKey {
	var mu sync.Mutex
	made := make(map[string]keys.PublicKey)
	return func(t testing.TB, keyType string, n int) keys.PublicKey {
		mu.Lock()
		defer mu.Unlock()
		id := fmt.Sprint(keyType, n)
		if made[id] == nil {
			bits := 0
			if keyType == keys.KeyRSA {
				bits = 2048
			}
			k, err := keys.GenerateKey(keyType, bits)
			require.NoError(t, err)
			made[id] = k.PublicKey()
		}
		return made[id]
	}
}()

func ed(t testing.TB, n int) keys.PublicKey { return generate(t, keys.KeyEd25519, n) }

// text returns a key as it stands in a file.
func text(k keys.PublicKey) string {
	return k.Type() + " " + base64.StdEncoding.EncodeToString(k.Marshal())
}

func write(t testing.TB, content string) string {
	path := filepath.Join(t.TempDir(), "known_hosts")
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	return path
}

func open(t testing.TB, files ...string) *DB {
	db, err := Open(files...)
	require.NoError(t, err)
	return db
}

func read(t testing.TB, path string) string {
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(b)
}

var somewhere = &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 22}

// sshKeygen runs ssh-keygen and returns its output, also if it fails.
func sshKeygen(t testing.TB, args ...string) (string, error) {
	cmd := exec.Command("ssh-keygen", args...)
	var out bytes.Buffer
	cmd.Stdout = &out
	err := cmd.Run()
	if _, ok := err.(*exec.ExitError); err != nil && !ok {
		require.NoError(t, err)
	}
	return strings.TrimSpace(out.String()), err
}
