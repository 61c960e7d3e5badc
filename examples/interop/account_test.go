//go:build interop

package interop

import (
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh/keys"
)

// An account is a local user, made for these tests and removed when they end,
// who can log in with a password and with each of userKeys.
type account struct {
	name, home, password string
	uid, gid             int
	err                  error
}

var (
	theAccount     account
	theAccountOnce sync.Once
)

// login returns the account.
func login(t testing.TB) *account {
	t.Helper()
	pairs := userKeys(t)
	theAccountOnce.Do(func() { theAccount.err = theAccount.create(pairs) })
	require.NoError(t, theAccount.err)
	return &theAccount
}

func (a *account) create(pairs []keyPair) error {
	a.name = fmt.Sprintf("fairlead%d", os.Getpid())
	a.home = filepath.Join(scratch, "home")
	a.password = "correct horse battery staple"
	if err := patiently("", "useradd", "-M", "-d", a.home, "-s", "/bin/sh", a.name); err != nil {
		return err
	}
	if err := patiently(a.name+":"+a.password+"\n", "chpasswd"); err != nil {
		return err
	}
	u, err := user.Lookup(a.name)
	if err != nil {
		return err
	}
	a.uid, _ = strconv.Atoi(u.Uid)
	a.gid, _ = strconv.Atoi(u.Gid)
	var authorized []byte
	for _, k := range pairs {
		authorized = append(authorized, keys.MarshalAuthorizedKey(k.key.PublicKey(), k.name)...)
	}
	for _, dir := range []string{a.home, filepath.Join(a.home, ".ssh")} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			return err
		}
	}
	file := filepath.Join(a.home, ".ssh", "authorized_keys")
	if err := os.WriteFile(file, authorized, 0o600); err != nil {
		return err
	}
	for _, name := range []string{a.home, filepath.Dir(file), file} {
		if err := os.Chown(name, a.uid, a.gid); err != nil {
			return err
		}
	}
	return nil
}

// removeAccount undoes create.
func removeAccount() error {
	if theAccount.uid == 0 {
		return nil
	}
	return patiently("", "userdel", "-f", theAccount.name)
}

// patiently runs a program that fails while another one has the user database.
func patiently(stdin, program string, args ...string) error {
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		cmd := exec.Command(program, args...)
		cmd.Stdin = strings.NewReader(stdin)
		out, err := cmd.CombinedOutput()
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s: %w\n%s", program, err, out)
		}
	}
}

// folder makes a new folder in the account's home.
func (a *account) folder(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp(a.home, "test-")
	require.NoError(t, err)
	require.NoError(t, os.Chown(dir, a.uid, a.gid))
	return dir
}
