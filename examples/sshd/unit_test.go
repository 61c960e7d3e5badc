package main

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh/auth"
	"github.com/fairlead-go/ssh/examples/internal/account"
	"github.com/fairlead-go/ssh/examples/internal/config"
	"github.com/fairlead-go/ssh/examples/internal/serverconfig"
	"github.com/fairlead-go/ssh/keys"
	"github.com/fairlead-go/ssh/transport"
)

func TestDefect_LogLinesCannotBeForged(t *testing.T) {
	var out strings.Builder
	l := &logger{level: info, stderr: &out}
	l.infof("Invalid user %s from nowhere", "x\r\nAccepted password for root\x1b[2J\xff")
	require.Equal(t, "Invalid user x\\015\\012Accepted password for root\\033[2J\\377 from nowhere\r\n", out.String())
	out.Reset()
	l.debugf("not at this level")
	require.Empty(t, out.String())
	l.setLevel(debug3)
	l.slog().With("a", 1).Debug("report", "b", "c")
	require.Equal(t, "debug2: report a=1 b=c\r\n", out.String())
}

func TestStartupsDrop(t *testing.T) {
	s := &startups{limit: serverconfig.Startups{Begin: 10, Rate: 30, Full: 100}}
	chance := func(all int) (n int) {
		s.all = all
		for die := range 100 {
			if s.drop(die) {
				n++
			}
		}
		return n
	}
	require.Equal(t, 0, chance(9))
	require.Equal(t, 30, chance(10))
	require.Equal(t, 65, chance(55))
	require.Equal(t, 99, chance(99))
	require.Equal(t, 100, chance(100))
}

func TestStartupsPerSource(t *testing.T) {
	o := serverconfig.Defaults()
	o.PerSourceMaxStartups = 1
	s := newStartups(o)
	a, b := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	require.True(t, s.begin(a))
	require.False(t, s.begin(a))
	require.True(t, s.begin(b))
	s.end(a)
	require.True(t, s.begin(a))
	s.end(a)
	s.end(b)
	require.Empty(t, s.source)
	require.Zero(t, s.all)
}

func TestAuthenticationMethods(t *testing.T) {
	proof := func(method string) auth.Proof { return auth.Proof{Method: method} }
	for _, c := range []struct {
		lists  []string
		proven []string
		next   []string // of the last; nil: complete
	}{
		{nil, []string{"password"}, nil},
		{[]string{"publickey,password"}, []string{"publickey"}, []string{"password"}},
		{[]string{"publickey,password"}, []string{"publickey", "password"}, nil},
		{[]string{"publickey,keyboard-interactive:pam", "publickey,password"}, []string{"publickey"}, []string{"keyboard-interactive", "password"}},
		{[]string{"publickey,keyboard-interactive:pam", "publickey,password"}, []string{"publickey", "keyboard-interactive"}, nil},
		{[]string{"password", "publickey,password"}, []string{"password"}, nil},
	} {
		conn := &connection{settings: &settings{}, opts: serverconfig.Defaults(), methods: c.lists}
		id := &auth.Identity{Permissions: &auth.Permissions{}}
		var next []string
		for _, m := range c.proven {
			require.True(t, conn.isNext(m))
			id.Methods = append(id.Methods, proof(m))
			var err error
			next, err = conn.verified(t.Context(), id)
			require.NoError(t, err)
		}
		require.Equal(t, c.next, next, "%v after %v", c.lists, c.proven)
	}
	conn := &connection{settings: &settings{}, opts: serverconfig.Defaults(), methods: []string{"publickey,password"}}
	require.False(t, conn.isNext("password"))
	_, err := conn.verified(t.Context(), &auth.Identity{Methods: []auth.Proof{proof("password")}, Permissions: &auth.Permissions{}})
	require.ErrorIs(t, err, errNotNow)
}

// TestOneKeyIsOneProof: "publickey,publickey" takes two keys.
func TestOneKeyIsOneProof(t *testing.T) {
	key, err := keys.GenerateKey(keys.KeyEd25519, 0)
	require.NoError(t, err)
	conn := &connection{settings: &settings{}, opts: serverconfig.Defaults()}
	for _, query := range []bool{true, false} {
		_, err = conn.publicKey(t.Context(), &auth.Attempt{
			User: "u", Method: "publickey", Query: query,
			Proven: []auth.Proof{{Method: "publickey", Key: key.PublicKey()}},
		}, key.PublicKey())
		require.ErrorIs(t, err, errKeyUsed)
	}
}

func TestPermitRootLogin(t *testing.T) {
	root := &account.User{Name: "root"}
	always := func(*serverconfig.Options) bool { return true }
	for _, c := range []struct {
		option, method string
		admitted       bool
	}{
		{"yes", "password", true}, {"yes", "publickey", true}, {"no", "publickey", false}, {"no", "password", false},
		{"prohibit-password", "publickey", true}, {"prohibit-password", "password", false}, {"prohibit-password", "keyboard-interactive", false},
		{"forced-commands-only", "publickey", true}, {"forced-commands-only", "password", false},
	} {
		o := serverconfig.Defaults()
		o.PermitRootLogin = c.option
		conn := &connection{settings: &settings{}, opts: o, known: true, name: "root", account: root}
		err := conn.admit(&auth.Attempt{User: "root", Method: c.method}, always)
		require.Equal(t, c.admitted, err == nil, "%v", c)
		require.Equal(t, c.option == "forced-commands-only", conn.rootMay(&auth.Permissions{}) != nil)
		require.NoError(t, conn.rootMay(&auth.Permissions{ForceCommand: "x"}))
	}
}

// TestFarewell: the words in which programs look for the end of a connection.
func TestFarewell(t *testing.T) {
	remote := netip.MustParseAddrPort("192.0.2.1:1234")
	for _, c := range []struct {
		err    error
		login  bool
		want   string
		status int
	}{
		{&transport.DisconnectError{Remote: true, Reason: 11, Message: "bye"}, false,
			"Received disconnect from 192.0.2.1 port 1234:11: bye [preauth]\r\nDisconnected from invalid user u 192.0.2.1 port 1234 [preauth]\r\n", exitFatal},
		{&transport.ConnectionError{Op: "read", Err: io.ErrUnexpectedEOF}, false, "Connection closed by invalid user u 192.0.2.1 port 1234 [preauth]\r\n", exitFatal},
		{&transport.ConnectionError{Op: "read", Err: syscall.ECONNRESET}, false, "Connection reset by invalid user u 192.0.2.1 port 1234 [preauth]\r\n", exitFatal},
		{fmt.Errorf("x: %w", errGrace), false, "Timeout before authentication for 192.0.2.1 port 1234\r\n", exitFatal},
		{auth.ErrTooManyAttempts, false, "maximum authentication attempts exceeded for invalid user u from 192.0.2.1 port 1234 ssh2 [preauth]\r\n" +
			"Disconnecting invalid user u 192.0.2.1 port 1234: Too many authentication failures [preauth]\r\n", exitFatal},
		{&transport.NegotiationError{Kind: "cipher client to server", Theirs: []string{"a", "b"}}, false,
			"Unable to negotiate with 192.0.2.1 port 1234: no matching cipher found. Their offer: a,b [preauth]\r\n", exitFatal},
		{&transport.ConnectionError{Op: "read", Err: io.ErrUnexpectedEOF}, true, "Connection closed by user u 192.0.2.1 port 1234\r\n", exitOK},
		{&transport.TimeoutError{Wait: "x"}, true, "Timeout, client not responding from user u 192.0.2.1 port 1234\r\n", exitFatal},
		{&transport.DisconnectError{}, true, "Disconnected from user u 192.0.2.1 port 1234\r\n", exitOK},
		{errors.New("odd"), true, "Disconnecting user u 192.0.2.1 port 1234: odd\r\n", exitFatal},
	} {
		var out strings.Builder
		conn := &connection{settings: &settings{log: &logger{level: info, stderr: &out}}, remote: remote, name: "u"}
		cleaned := false
		conn.atEnd(func() { cleaned = true })
		if c.login {
			conn.account = &account.User{Name: "u"}
			conn.done.Store(true)
		}
		require.Equal(t, c.status, conn.ended(c.err))
		require.Equal(t, c.want, out.String())
		require.True(t, cleaned)
	}
}

func TestChooseAlgorithms(t *testing.T) {
	o := serverconfig.Defaults()
	o.MACs = config.List{Op: '^', Names: []string{"hmac-md5", "hmac-sha2-512"}}
	o.Ciphers = config.List{Op: '+', Names: []string{"rijndael-cbc@lysator.liu.se"}}
	o.KexAlgorithms = config.List{Op: '-', Names: []string{"ecdh-*"}}
	a, missing, err := chooseAlgorithms(o)
	require.NoError(t, err)
	require.Equal(t, []string{"hmac-md5", "hmac-sha2-512"}, a.macs[:2])
	require.Len(t, missing, 1)
	require.Contains(t, missing[0], "rijndael-cbc")
	require.NotContains(t, a.kex, "ecdh-sha2-nistp256")
	require.Equal(t, transport.Ciphers(), a.ciphers)
}

func TestAsUser(t *testing.T) {
	if os.Geteuid() != 0 {
		require.NoError(t, asUser(&account.User{UID: 12345}, func() error { return nil }), "the only rights are one's own")
		return
	}
	secret := filepath.Join(t.TempDir(), "secret")
	require.NoError(t, os.WriteFile(secret, []byte("x"), 0o600))
	read := func() error { _, err := os.ReadFile(secret); return err }
	require.NoError(t, asUser(&account.User{}, read))
	require.ErrorIs(t, asUser(&account.User{UID: 65534, GID: 65534}, read), os.ErrPermission)
	require.NoError(t, read(), "rights come back")
}

// A process that is to run a file first does that with the session's output and
// without its input, and becomes the session's command whatever the file does.
func TestRunRC(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "it's rc")
	require.NoError(t, os.WriteFile(file, []byte("echo rc $V; cat; exit 3\n"), 0o600))
	cmd := program(t, posixShell, "-c", posixShell+" "+quoteShell(file), endOfRC, posixShell, "-sh", "-c", "echo $0; cat; echo ${"+roleVariable+"-gone}; exit 7")
	cmd.Env = append(cmd.Env, roleVariable+"="+roleRC, "V=1")
	cmd.Stdin = strings.NewReader("input\n")
	out, err := cmd.CombinedOutput()
	require.Equal(t, 7, exitStatus(t, err))
	require.Equal(t, "rc 1\n-sh\ninput\ngone\n", string(out))

	cmd = program(t, "/no/such/file", endOfRC, posixShell, "sh", "-c", "echo ran")
	cmd.Env = append(cmd.Env, roleVariable+"="+roleRC)
	out, err = cmd.Output()
	require.NoError(t, err)
	require.Equal(t, "ran\n", string(out))
	for _, args := range [][]string{nil, {endOfRC, posixShell, "sh"}, {posixShell, endOfRC}, {posixShell}, {posixShell, endOfRC, "/no/such/file", "x"}} {
		cmd := program(t, args...)
		cmd.Env = append(cmd.Env, roleVariable+"="+roleRC)
		_, err := cmd.Output()
		require.Equal(t, exitError, exitStatus(t, err), "%q", args)
	}
}
