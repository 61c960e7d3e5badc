package account

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const sample = `root:x:0:0:root:/root:/bin/bash
broken:x:1
ann:x:1000:1001:Ann,,,:/home/ann:
bad:x:minus:1:::
+nis::::::
`

func TestParsePasswd(t *testing.T) {
	u, err := parsePasswd([]byte(sample), "ann")
	require.NoError(t, err)
	require.Equal(t, &User{Name: "ann", UID: 1000, GID: 1001, Home: "/home/ann", Shell: "/bin/sh"}, u)
	u, err = parsePasswd([]byte(sample), "root")
	require.NoError(t, err)
	require.Equal(t, "/bin/bash", u.Shell)
	for _, name := range []string{"an", "Ann", "broken", "nobody", ""} {
		_, err = parsePasswd([]byte(sample), name)
		require.ErrorIs(t, err, ErrUnknown, name)
	}
	_, err = parsePasswd([]byte(sample), "bad")
	require.Error(t, err)
	require.NotErrorIs(t, err, ErrUnknown)
}

func TestLookup(t *testing.T) {
	u, err := Current(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, os.Geteuid(), u.UID)
	require.Contains(t, u.Groups, u.GID)
	names, err := u.GroupNames()
	require.NoError(t, err)
	require.NotEmpty(t, names)
	for _, name := range []string{"", "-x", "+", "no such user", "root:x", "a/b", "a\nroot", strings.Repeat("x", 300)} {
		_, err := Lookup(t.Context(), name)
		require.ErrorIs(t, err, ErrUnknown, "%q", name)
	}
}

func TestCanLogin(t *testing.T) {
	require.NoError(t, (&User{Name: "x", Shell: "/bin/sh"}).CanLogin())
	require.ErrorContains(t, (&User{Name: "x", Shell: "/nonexistent"}).CanLogin(), "does not exist")
	require.ErrorContains(t, (&User{Name: "x", Shell: "/etc/passwd"}).CanLogin(), "not executable")
	require.ErrorContains(t, (&User{Name: "x", Shell: "/bin"}).CanLogin(), "not executable")
}

// What must be refused without asking anybody.
func TestCheckPasswordRefuses(t *testing.T) {
	for _, c := range []struct{ name, password string }{
		{"root", ""}, {"", "x"}, {"-h", "x"}, {"root", "a\x00b"}, {"root", strings.Repeat("x", 512)},
	} {
		require.ErrorIs(t, CheckPassword(t.Context(), c.name, []byte(c.password), false), ErrWrongPassword)
	}
	require.Error(t, CheckPassword(t.Context(), "nosuchuser", []byte("x"), false))
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	require.Error(t, CheckPassword(canceled, "root", []byte("x"), false))
}

func TestCheckPasswordWithoutChecker(t *testing.T) {
	was := checkers
	checkers = []string{"/nonexistent"}
	defer func() { checkers = was }()
	require.ErrorIs(t, CheckPassword(t.Context(), "root", []byte("x"), false), ErrNoChecker)
	require.NoError(t, CheckExpiry(t.Context(), "root"))
}

// A real account, its password, its lock and its end. Making one needs root;
// otherwise the helper's answer is played by a script.
func TestCheckPassword(t *testing.T) {
	name, run := fixture(t)
	const password = "cörrect hörse"
	right := func() error { return CheckPassword(t.Context(), name, []byte(password), false) }
	require.NoError(t, right())
	require.ErrorIs(t, CheckPassword(t.Context(), name, []byte("wrong"), false), ErrWrongPassword)
	require.ErrorIs(t, CheckPassword(t.Context(), name, []byte(password+"x"), false), ErrWrongPassword)
	require.NoError(t, CheckExpiry(t.Context(), name))
	if run == nil {
		return
	}
	run("usermod", "-L", name)
	require.ErrorIs(t, right(), ErrWrongPassword)
	run("usermod", "-U", "-e", "2020-01-01", name)
	require.ErrorIs(t, CheckExpiry(t.Context(), name), ErrAccountExpired)
	run("usermod", "-e", "", name)
	run("chage", "-d", "0", name)
	require.ErrorIs(t, CheckExpiry(t.Context(), name), ErrPasswordExpired)
	u, err := Lookup(t.Context(), name)
	require.NoError(t, err)
	require.Equal(t, "/bin/sh", u.Shell)
}

func fixture(t *testing.T) (name string, run func(args ...string)) {
	t.Helper()
	const password = "cörrect hörse"
	_, err := exec.LookPath("useradd")
	if err != nil || os.Geteuid() != 0 {
		script := t.TempDir() + "/unix_chkpwd"
		require.NoError(t, os.WriteFile(script, []byte("#!/bin/sh\n[ $2 = chkexpiry ] && exit 0\n[ \"$(tr -d '\\0')\" = '"+password+"' ] || exit 7\n"), 0o700))
		was := checkers
		checkers = []string{script}
		t.Cleanup(func() { checkers = was })
		return "somebody", nil
	}
	name = fmt.Sprintf("flacct%d", os.Getpid())
	run = func(args ...string) {
		t.Helper()
		out, err := exec.Command(args[0], args[1:]...).CombinedOutput()
		require.NoError(t, err, "%v: %s", args, out)
	}
	run("useradd", "-M", "-d", "/", "-s", "/bin/sh", name)
	t.Cleanup(func() { _ = exec.Command("userdel", name).Run() })
	set := exec.Command("chpasswd")
	set.Stdin = strings.NewReader(name + ":" + password + "\n")
	out, err := set.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return name, run
}
