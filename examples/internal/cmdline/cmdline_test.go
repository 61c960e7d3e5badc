package cmdline

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSSH(t *testing.T) {
	for _, c := range []struct {
		args string // cut at blanks
		want SSH
	}{
		{"host", SSH{Host: "host"}},
		{"ann@host", SSH{Host: "host", Config: []string{`User="ann"`}}},
		{"a@b@host", SSH{Host: "host", Config: []string{`User="a@b"`}}},
		{"host ls -l /tmp", SSH{Host: "host", Command: "ls -l /tmp"}},
		{"-p 2222 -l ann bob@host", SSH{Host: "host", Config: []string{"Port=2222", `User="ann"`}}},
		{"bob@host -p2222 -l ann", SSH{Host: "host", Config: []string{`User="bob"`, "Port=2222"}}},
		{"host -N -v ls", SSH{Host: "host", Command: "ls", Config: []string{"LogLevel=DEBUG1", "SessionType=none"}}},
		{"host -- -v", SSH{Host: "host", Command: "-v"}},
		{"-- host -v", SSH{Host: "host", Command: "-v"}},
		{"host ls -v", SSH{Host: "host", Command: "ls -v"}},
		{"-Nnvvp22 host", SSH{Host: "host", Config: []string{"LogLevel=DEBUG2", "SessionType=none", "StdinNull=yes", "Port=22"}}},
		{"-q -tt host", SSH{Host: "host", Config: []string{"LogLevel=QUIET", "RequestTTY=force"}}},
		{"-ttT host", SSH{Host: "host", Config: []string{"RequestTTY=no"}}},
		{"-vvvvv host", SSH{Host: "host", Config: []string{"LogLevel=DEBUG3"}}},
		{"-f host", SSH{Host: "host", Config: []string{"ForkAfterAuthentication=yes", "StdinNull=yes"}}},
		{"-F none -E log -oPort=1 -o User=x host", SSH{Host: "host", ConfigFile: "none", LogFile: "log", Config: []string{"Port=1", "User=x"}}},
		{`-i a\b" -L 1:h:2 -R 3:h:4 -D 5 host`, SSH{Host: "host", Identities: []string{`a\b"`},
			Config: []string{`IdentityFile="a\\b\""`, `LocalForward="1:h:2"`, `RemoteForward="3:h:4"`, `DynamicForward="5"`}}},
		{"ssh://ann@host:2222", SSH{Host: "host", Config: []string{`User="ann"`, "Port=2222"}}},
		{"ssh://host/", SSH{Host: "host"}},
		{"ssh://a%40b@[::1]:22/ ls", SSH{Host: "::1", Command: "ls", Config: []string{`User="a@b"`, "Port=22"}}},
		{"-V", SSH{Version: true}},
		{"-Q key-plain", SSH{Query: "key-plain"}},
		{"-G host", SSH{Host: "host", Dump: true}},
		{"-W h:22 jump", SSH{Host: "jump", Config: []string{"RequestTTY=no", `StdioForward="h:22"`, "SessionType=none", "ExitOnForwardFailure=yes", "ClearAllForwardings=yes"}}},
		{"-46AaCgKkMXxYs2y -c c -m m -J j -e ^x -b a -B i -S p -w 1 -I k -P t -O check host", SSH{Host: "host", Control: "check", Config: []string{
			"AddressFamily=inet", "AddressFamily=inet6", "ForwardAgent=yes", "ForwardAgent=no", "Compression=yes", "GatewayPorts=yes",
			"GSSAPIAuthentication=yes", "GSSAPIDelegateCredentials=no", "ControlMaster=yes", "ForwardX11=yes", "ForwardX11=no", "ForwardX11Trusted=yes", "SessionType=subsystem",
			`Ciphers="c"`, `MACs="m"`, `ProxyJump="j"`, `EscapeChar="^x"`, `BindAddress="a"`, `BindInterface="i"`, `ControlPath="p"`, `TunnelDevice="1"`, `PKCS11Provider="k"`, `Tag="t"`}}},
	} {
		got, err := ParseSSH(strings.Fields(c.args))
		require.NoError(t, err, c.args)
		if len(got.Config) == 0 {
			got.Config = nil
		}
		require.Equal(t, &c.want, got, c.args)
	}
	got, err := ParseSSH([]string{"host", "", "echo", "a b"})
	require.NoError(t, err)
	require.Equal(t, " echo a b", got.Command, "words are joined as they are")
}

func TestSSHErrors(t *testing.T) {
	for _, args := range []string{
		"", "-v", "-z host", "-Z", "-p", "-p 0 host", "-p x host", "-p 70000 host", "@host", "ann@", "-1 host", "-W h host", "-W h:0 host", "host -z ls",
		"ssh://host/path", "ssh://host:0", "ssh://host:x", "ssh://@host", "ssh://", "ssh://%zz@host",
		"-l ${FOO} host", "${FOO}@host", "-l -x host", "a`b@host", "a;b@host", "-l a\\ host", "ho;st", "-- -host", "$h", "-l a\x07 host", "h\x07",
	} {
		_, err := ParseSSH(strings.Fields(args))
		require.Error(t, err, "%q", args)
	}
	var usage *UsageError
	_, err := ParseSSH([]string{"-z", "host"})
	require.ErrorAs(t, err, &usage)
	require.Equal(t, "unknown option -- z", usage.Message)
	_, err = ParseSSH([]string{"-p"})
	require.ErrorAs(t, err, &usage)
	require.Equal(t, "option requires an argument -- p", usage.Message)
	_, err = ParseSSH([]string{"-:", "host"})
	require.ErrorAs(t, err, &usage)
	_, err = ParseSSH([]string{"-l", "a -x", "host"})
	require.Error(t, err, "what could be an option to a proxy command")
}

func TestSSHD(t *testing.T) {
	for _, c := range []struct {
		args string
		want SSHD
	}{
		{"", SSHD{}},
		{"-D -e -p 22 -p2222 -f conf", SSHD{Foreground: true, LogStderr: true, ConfigFile: "conf", Config: []string{"Port=22", "Port=2222"}}},
		{"-ddd -h key -E log -o A=b", SSHD{Debug: 3, LogFile: "log", Config: []string{"LogLevel=DEBUG3", `HostKey="key"`, "A=b"}}},
		{"-tq -i", SSHD{Test: true, Quiet: true, Inetd: true, Config: []string{"LogLevel=QUIET"}}},
		{"-T -C user=x,host=h -C addr=1.2.3.4", SSHD{Dump: true, Spec: map[string]string{"user": "x", "host": "h", "addr": "1.2.3.4"}}},
		{"-46 -g 10s -u 0 -b 1 -k 2 -r -c cert -V", SSHD{Version: true, Config: []string{"AddressFamily=inet", "AddressFamily=inet6", "LoginGraceTime=10s", `HostCertificate="cert"`}}},
	} {
		got, err := ParseSSHD(strings.Fields(c.args))
		require.NoError(t, err, c.args)
		require.Equal(t, &c.want, got, c.args)
	}
	for _, args := range []string{"-Z", "-p", "-p 0", "-p x", "-g x", "extra", "-C bogus=1", "-C user", "-R", "-D extra"} {
		_, err := ParseSSHD(strings.Fields(args))
		require.Error(t, err, args)
	}
}

func FuzzSSH(f *testing.F) {
	f.Add("-vp22\nann@host\n-t\n--\nls")
	f.Add("ssh://a@[::1]:22/\nx")
	f.Fuzz(func(t *testing.T, s string) {
		c, err := ParseSSH(strings.Split(s, "\n"))
		if err == nil && !c.Version && c.Query == "" {
			require.NotEmpty(t, c.Host)
			require.NotContains(t, c.Host, "'")
		}
	})
}
