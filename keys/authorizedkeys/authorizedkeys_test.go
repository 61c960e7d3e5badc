package authorizedkeys

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh/keys"
)

// generate returns the same ed25519 key for the same number.
var generate = func() func(t testing.TB, n int) *keys.PrivateKey {
	var mu sync.Mutex
	made := make(map[int]*keys.PrivateKey)
	return func(t testing.TB, n int) *keys.PrivateKey {
		mu.Lock()
		defer mu.Unlock()
		if made[n] == nil {
			k, err := keys.GenerateKey(keys.KeyEd25519, 0)
			require.NoError(t, err)
			made[n] = k
		}
		return made[n]
	}
}()

func ed(t testing.TB, n int) keys.PublicKey { return generate(t, n).PublicKey() }

func text(k keys.PublicKey) string {
	return k.Type() + " " + base64.StdEncoding.EncodeToString(k.Marshal())
}

func TestOptions(t *testing.T) {
	restricted := Options{Restrict: true, NoPTY: true, NoPortForwarding: true, NoAgentForwarding: true, NoX11Forwarding: true, NoUserRC: true}
	with := func(change func(o *Options)) Options {
		o := restricted
		change(&o)
		return o
	}
	for _, c := range []struct {
		options string
		want    Options
	}{
		{`command="ls -l"`, Options{Command: "ls -l", HasCommand: true}},
		{`command=""`, Options{HasCommand: true}},
		{`COMMAND="Ls"`, Options{Command: "Ls", HasCommand: true}},
		{`command="echo \"a, b\" # 'c' \\ \n"`, Options{Command: `echo "a, b" # 'c' \\ \n`, HasCommand: true}},
		{`command="a\\"b"`, Options{Command: `a\"b`, HasCommand: true}},
		{`command="x",no-pty`, Options{Command: "x", HasCommand: true, NoPTY: true}},
		{`no-pty,no-port-forwarding,no-agent-forwarding,no-X11-forwarding,no-user-rc`,
			Options{NoPTY: true, NoPortForwarding: true, NoAgentForwarding: true, NoX11Forwarding: true, NoUserRC: true}},
		{`No-PTY`, Options{NoPTY: true}},
		{`pty`, Options{}},
		{`no-pty,pty`, Options{}},
		{`pty,no-pty`, Options{NoPTY: true}},
		{`,,no-pty,,pty,,`, Options{}},
		{`restrict`, restricted},
		{`restrict,pty`, with(func(o *Options) { o.NoPTY = false })},
		{`pty,restrict`, restricted},
		{`restrict,port-forwarding,agent-forwarding,x11-forwarding,user-rc`,
			Options{Restrict: true, NoPTY: true}},
		{`restrict,command="x"`, with(func(o *Options) { o.Command, o.HasCommand = "x", true })},
		{`cert-authority,principals="a,b"`, Options{CertAuthority: true, Principals: []string{"a", "b"}}},
		{`principals="",cert-authority`, Options{CertAuthority: true, Principals: []string{""}}},
		{`environment="A=1",environment="B_2==x",environment="A=2",environment="C="`, Options{Environment: []string{"A=1", "B_2==x", "C="}}},
		{`environment="A=1",environment="AB=2"`, Options{Environment: []string{"A=1", "AB=2"}}},
		{`from="10.0.0.0/8,!10.1.0.0/16,*.Example.com,::1,fe80::1%eth0,10.0.0.?"`,
			Options{From: []string{"10.0.0.0/8", "!10.1.0.0/16", "*.Example.com", "::1", "fe80::1%eth0", "10.0.0.?"}}},
		{`expiry-time="20300102Z"`, Options{ExpiryTime: time.Date(2030, 1, 2, 0, 0, 0, 0, time.UTC)}},
		{`expiry-time="20310102Z",expiry-time="203001020304Z",expiry-time="20320102Z"`, Options{ExpiryTime: time.Date(2030, 1, 2, 3, 4, 0, 0, time.UTC)}},
		{`permitopen="h:80",permitopen="[::1]:*",permitopen="h/81",permitopen=":1",permitopen="*:65535"`,
			Options{PermitOpen: []string{"h:80", "[::1]:*", "h:81", ":1", "*:65535"}}},
		{`permitlisten="8080",permitlisten="*",permitlisten="localhost:80"`, Options{PermitListen: []string{"*:8080", "*:*", "localhost:80"}}},
		{`tunnel="0"`, Options{Tunnel: "0"}},
		{`tunnel="Any"`, Options{Tunnel: "any"}},
		{`tunnel="1",tunnel="2"`, Options{Tunnel: "2"}},
		{`no-touch-required,verify-required`, Options{NoTouchRequired: true, VerifyRequired: true}},
		{`no-touch-required,touch-required,verify-required,no-verify-required`, Options{}},
	} {
		t.Run(c.options, func(t *testing.T) {
			for _, format := range []string{"%s %s", "\t %s \t %s", "%s %s comment", "%s %s\r\n"} {
				e, err := ParseLine(fmt.Appendf(nil, format, c.options, text(ed(t, 0))))
				require.NoError(t, err)
				require.Equal(t, c.want, e.Options)
				require.True(t, keys.Equal(ed(t, 0), e.Key))
			}
		})
	}
}

// Nothing that is not understood in full lets anyone in.
func TestDefect_BadLines(t *testing.T) {
	k := text(ed(t, 0))
	blob := strings.Fields(k)[1]
	for _, line := range []string{
		// options
		"unknown " + k, "pty,unknown " + k, "no-unknown " + k, "ptyx " + k, "no- " + k, "no-no-pty " + k, "pty=\"x\" " + k, "no-pty=\"\" " + k,
		"no-restrict " + k, "no-cert-authority " + k, "no-command=\"x\" " + k, "command " + k, "from " + k, "=\"x\" " + k, "\"pty\" " + k, "pty\"\" " + k,
		"command=x " + k, "command=\"x " + k, "command=\"x\\\" " + k, "command='x' " + k, "command=\"x\"pty " + k, "command=\"x\"\"y\" " + k, "command= \"x\" " + k,
		"command = \"x\" " + k, "pty, no-pty " + k, "pty no-pty " + k, "command=\"x\",command=\"y\" " + k, "from=\"a\",from=\"b\" " + k, "cert-authority,principals=\"a\",principals=\"b\" " + k, "principals=\"a\" " + k,
		"pty;no-pty " + k, "pty\v" + k, "restrict\r" + k, "restrict\u00a0" + k, "\ufeffrestrict " + k,
		"environment=\"A\" " + k, "environment=\"=x\" " + k, "environment=\"A-B=x\" " + k, "environment=\"\" " + k, "environment=\" A=x\" " + k,
		"from=\"\" " + k, "from=\"a,,b\" " + k, "from=\"a,!\" " + k, "from=\"10.0.0.1/8\" " + k, "from=\"10.0.0.0/33\" " + k, "from=\"10.0.0.0/x\" " + k, "from=\"10.0/8\" " + k, "from=\"10.1\" " + k, "from=\"*/8\" " + k,
		"expiry-time=\"\" " + k, "expiry-time=\"2030\" " + k, "expiry-time=\"20300102 \" " + k, "expiry-time=\"20301302\" " + k, "expiry-time=\"2030010203\" " + k,
		"expiry-time=\"20300102ZZ\" " + k, "expiry-time=\"20300230\" " + k, "expiry-time=\"Z\" " + k, "expiry-time=\"never\" " + k, "expiry-time=\"20300102T0304\" " + k, "expiry-time=\"19690101\" " + k,
		"permitopen=\"h\" " + k, "permitopen=\"80\" " + k, "permitopen=\"h:0\" " + k, "permitopen=\"h:65536\" " + k, "permitopen=\"h:-1\" " + k, "permitopen=\"h:\" " + k, "permitopen=\"::1:22\" " + k,
		"permitopen=\"[::1:22\" " + k, "permitopen=\"[::1]22\" " + k, "permitopen=\"h:80,i:80\" " + k, "permitopen=\"none\" " + k, "permitopen=\"h:80:90\" " + k, "permitopen=\"[h]\" " + k, "permitopen=\"[\" " + k,
		"permitopen=\"" + strings.Repeat("h", 1025) + ":1\" " + k, "permitlisten=\"\" " + k, "permitlisten=\"0\" " + k, "permitlisten=\"h\" " + k, "permitlisten=\"h:\" " + k,
		"tunnel=\"\" " + k, "tunnel=\"x\" " + k, "tunnel=\"-1\" " + k, "tunnel=\"2147483647\" " + k, "tunnel=\"99999999999999999999\" " + k,
		// keys
		"ssh-ed25519", "ssh-ed25519 ", "ssh-ed25519 AAAA", "ssh-rsa " + blob, "ssh-ed25519 " + blob[1:], "ssh-ed25519 " + blob + "AAAA", "ssh-ed25519 " + blob + "=", "ssh-ed25519" + blob,
		"SSH-ED25519 " + blob, "no-such-type " + blob, "pty no-such-type " + blob, blob, "x", "pty", "pty ", "pty #", "\"", "pty ssh-ed25519", "pty\x00 " + k, k + "\x00", "pty #" + k, "pty # " + k,
		"1024 65537 1234567890", "1024 65537 1234567890 comment", "ssh-ed25519\n" + blob, k + "\n" + k,
		"ssh-rsa ssh-ed25519 " + blob, "ssh-ed25519 " + k,
	} {
		e, err := ParseLine([]byte(line))
		require.Error(t, err, "%q", line)
		require.Nil(t, e)
		require.NotContains(t, err.Error(), "\x00")
	}
}

func TestParse(t *testing.T) {
	a, b := ed(t, 0), ed(t, 1)
	data := "# comment\r\n\r\n" + text(a) + " first key \r\n   \n\t# x\nnonsense\n  no-pty\t" + text(b) + "\nunknown " + text(a)
	entries, bad := Parse([]byte(data))
	require.Len(t, entries, 2)
	require.Equal(t, 3, entries[0].Line)
	require.Equal(t, "first key", entries[0].Comment)
	require.Equal(t, 7, entries[1].Line)
	require.True(t, entries[1].Options.NoPTY)
	require.Len(t, bad, 2)
	require.Equal(t, 6, bad[0].Line)
	require.EqualError(t, bad[1], `authorizedkeys: line 8: option "unknown": unknown option`)
	require.ErrorIs(t, bad[1], errOption)

	entries, bad = Parse(nil)
	require.Empty(t, entries)
	require.Empty(t, bad)

	cause := errors.New("disk on fire")
	entries, _, err := Read(iotest.TimeoutReader(iotest.OneByteReader(strings.NewReader(data))))
	require.ErrorIs(t, err, iotest.ErrTimeout)
	require.Empty(t, entries)
	_, _, err = Read(iotest.ErrReader(cause))
	require.ErrorIs(t, err, cause)
}

// The tail of a line that is too long is no line of its own, and its head is
// not either: what was cut off could have been the key's restrictions.
func TestDefect_LongLine(t *testing.T) {
	k := text(ed(t, 0))
	fits := `command="` + strings.Repeat("x", 64<<10-len(k)-11) + `" ` + k
	require.Len(t, fits, 64<<10)
	entries, bad := Parse([]byte(fits + "\r\n"))
	require.Len(t, entries, 1)
	require.Empty(t, bad)
	for _, line := range []string{
		"x" + fits,
		k + " " + strings.Repeat("x", 64<<10),
		`command="` + strings.Repeat("x", 64<<10-len(`command="`)-1) + "\" " + k,
		`from="10.0.0.1` + strings.Repeat(",10.0.0.1", 8000) + `" ` + k,
		strings.Repeat(" ", 1<<20) + k,
	} {
		entries, bad := Parse([]byte("#\n" + line + "\nno-pty " + text(ed(t, 1))))
		require.Len(t, entries, 1)
		require.True(t, keys.Equal(ed(t, 1), entries[0].Key))
		require.Equal(t, 3, entries[0].Line)
		require.Len(t, bad, 1)
		require.Equal(t, 2, bad[0].Line)
	}
}

// Lines made to be costly end in time that grows with their length only.
func TestDefect_CostlyLines(t *testing.T) {
	k := text(ed(t, 0))
	const n = 60 << 10
	for _, line := range []string{
		strings.Repeat(`"`, n), strings.Repeat(`\"`, n/2), strings.Repeat(",", n) + " " + k, strings.Repeat("pty,", n/4) + " " + k,
		`environment="` + strings.Repeat(`A=1",environment="`, n/18) + `A=1" ` + k,
		`from="` + strings.Repeat("*a", n/2) + `" ` + k,
		`from="` + strings.Repeat("!*,", n/3) + `x" ` + k,
		`permitopen="` + strings.Repeat("[", n) + `" ` + k,
		"ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAA" + strings.Repeat("A", n),
	} {
		entries, _ := Parse([]byte(line))
		for _, e := range entries {
			e.Options.AllowsFrom(netip.MustParseAddr("10.0.0.1"), strings.Repeat("a", 255))
		}
	}
	many := strings.Repeat(k+"\n", 5000)
	entries, _ := Parse([]byte(many))
	require.Len(t, entries, 5000)
}

func TestAllowsFrom(t *testing.T) {
	for _, c := range []struct {
		from, addr, host string
		want             bool
	}{
		{"10.0.0.1", "10.0.0.1", "", true},
		{"10.0.0.1", "10.0.0.10", "", false},
		{"10.0.0.1", "::ffff:10.0.0.1", "", true},
		{"::ffff:10.0.0.1", "10.0.0.1", "", true},
		{"::ffff:10.0.0.0/104", "10.0.0.1", "", true},
		{"10.0.0.0/8", "10.200.0.1", "", true},
		{"10.0.0.0/8", "11.0.0.1", "", false},
		{"0.0.0.0/0", "10.0.0.1", "", true},
		{"0.0.0.0/0", "::1", "", false},
		{"::/0", "10.0.0.1", "", false},
		{"::/0", "2001:db8::1", "", true},
		{"2001:db8::/32", "2001:db8::1", "", true},
		{"2001:DB8:0::1", "2001:db8::1", "", true},
		{"2001:db8:*", "2001:db8::1", "", true},
		{"2001:DB8:*", "2001:db8::1", "", true},
		{"fe80::1", "fe80::1%eth0", "", true},
		{"fe80::1%eth0", "fe80::1%eth0", "", true},
		{"fe80::1%eth1", "fe80::1%eth0", "", false},
		{"fe80::/10", "fe80::1%eth0", "", true},
		{"10.0.0.?", "10.0.0.1", "", true},
		{"10.0.0.?", "10.0.0.11", "", false},
		{"*", "10.0.0.1", "", true},
		{"10.0.0.0/8,!10.0.0.1", "10.0.0.1", "", false},
		{"!10.0.0.1,10.0.0.0/8", "10.0.0.1", "", false},
		{"!10.0.0.1,10.0.0.0/8", "10.0.0.2", "", true},
		{"!10.0.0.1", "10.0.0.2", "", false},
		{"!10.0.0.0/24,*", "10.0.0.2", "", false},
		{"!10.*,*.example.com", "10.0.0.2", "h.example.com", false},
		{"h.example.com", "10.0.0.1", "h.example.com", true},
		{"H.Example.com", "10.0.0.1", "h.EXAMPLE.com", true},
		{"*.example.com", "10.0.0.1", "h.example.com", true},
		{"*.example.com", "10.0.0.1", "", false},
		{"*.example.com,!h.example.com", "10.0.0.1", "h.example.com", false},
		{"10.0.0.0/8,!h.example.com", "10.0.0.1", "h.example.com", false},
		{"10.0.0.1", "10.9.9.9", "10.0.0.1", false},
	} {
		o := Options{From: strings.Split(c.from, ",")}
		require.Equal(t, c.want, o.AllowsFrom(netip.MustParseAddr(c.addr), c.host), "%+v", c)
	}
}

func TestDefect_FromFailsClosed(t *testing.T) {
	addr := netip.MustParseAddr("10.0.0.1")
	require.True(t, Options{}.AllowsFrom(netip.Addr{}, ""), "no from option")
	require.False(t, (&Options{From: []string{"*"}}).AllowsFrom(netip.Addr{}, ""), "a peer without an IP address")
	require.False(t, (&Options{From: []string{"*"}}).AllowsFrom(netip.Addr{}, "host"))
	for _, from := range [][]string{{}, {""}, {"*", ""}, {"*", "!"}, {"*", "10.0.0.1/8"}, {"*", "!10.0.0.0/99"}, {"*", "!10.1"}} {
		require.False(t, Options{From: from}.AllowsFrom(addr, ""), "%q", from)
	}
}

func TestFind(t *testing.T) {
	a, b := text(ed(t, 0)), text(ed(t, 1))
	entries, bad := Parse([]byte(strings.Join([]string{
		"cert-authority " + a,
		`command="old",expiry-time="20200101Z" ` + a,
		`command="local",from="127.0.0.1" ` + a,
		`command="net",from="10.0.0.0/8" ` + a,
		`command="later",from="10.0.0.0/8" ` + a,
		`expiry-time="20200101Z" ` + b,
		`from="10.0.0.1" ` + b,
	}, "\n")))
	require.Empty(t, bad)
	local, far := netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("192.0.2.1")

	e, err := Find(entries, Login{Key: ed(t, 0), Remote: local})
	require.NoError(t, err)
	require.Equal(t, "local", e.Options.Command, "lines that refuse are passed over")
	e, err = Find(entries, Login{Key: ed(t, 0), Remote: netip.MustParseAddr("10.0.0.1")})
	require.NoError(t, err)
	require.Equal(t, "net", e.Options.Command, "the first counts")
	limit := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	e, err = Find(entries, Login{Key: ed(t, 0), Remote: local, Time: limit})
	require.NoError(t, err)
	require.Equal(t, "old", e.Options.Command)
	e, err = Find(entries, Login{Key: ed(t, 0), Remote: local, Time: limit.Add(time.Second)})
	require.NoError(t, err)
	require.Equal(t, "local", e.Options.Command)

	_, err = Find(entries, Login{Key: ed(t, 2), Remote: local})
	require.ErrorIs(t, err, ErrNotFound)
	_, err = Find(entries, Login{Remote: local})
	require.ErrorIs(t, err, ErrNotFound)
	_, err = Find(entries[:1], Login{Key: ed(t, 0), Remote: local})
	require.ErrorIs(t, err, ErrNotFound, "an authority is no login key")
	_, err = Find(entries, Login{Key: ed(t, 1), Remote: far})
	require.ErrorIs(t, err, ErrExpired)
	require.EqualError(t, err, "authorizedkeys: key has expired (line 6)")
	_, err = Find(entries[6:], Login{Key: ed(t, 1), Remote: far})
	require.ErrorIs(t, err, ErrFrom)
	var refused *RefusedError
	require.ErrorAs(t, err, &refused)
	require.Equal(t, 7, refused.Line)
	_, err = Find(entries[6:], Login{Key: ed(t, 1)})
	require.ErrorIs(t, err, ErrFrom)
}

func TestReadFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "authorized_keys")
	_, _, err := ReadFile(path)
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.ErrorContains(t, err, path)
	require.NoError(t, os.WriteFile(path, []byte("x\n"+text(ed(t, 0))+"\n"), 0o600))
	entries, bad, err := ReadFile(path)
	require.NoError(t, err)
	require.Len(t, entries, 1)
	require.Len(t, bad, 1)
	require.Equal(t, path, bad[0].File)
	require.ErrorContains(t, bad[0], path+":1: ")

	require.NoError(t, os.WriteFile(path, []byte(text(ed(t, 0))+strings.Repeat("\n", MaxFile)), 0o600))
	_, _, err = ReadFile(path)
	require.ErrorIs(t, err, ErrTooLarge)
	var notRegular *PermissionError
	_, _, err = ReadFile(filepath.Dir(path))
	require.ErrorAs(t, err, &notRegular)
}
