package clientconfig

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh/examples/internal/config"
)

// load writes text as the only file and reads it for host.
func load(t *testing.T, text, host string, commandLine ...string) (*Options, error) {
	t.Helper()
	home := t.TempDir()
	file := filepath.Join(home, "config")
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	env := map[string]string{"FOO": "bar", "SHELL": "/bin/sh"}
	return Load(t.Context(), &Source{
		Host: host, File: file, CommandLine: commandLine, LocalUser: "me", Home: home,
		LookupEnv: func(n string) (string, bool) { v, ok := env[n]; return v, ok },
	})
}

func mustLoad(t *testing.T, text, host string, commandLine ...string) *Options {
	t.Helper()
	o, err := load(t, text, host, commandLine...)
	require.NoError(t, err)
	return o
}

func TestDefaults(t *testing.T) {
	o, err := Load(t.Context(), &Source{Host: "h", File: None, LocalUser: "me", Home: "/home/me"})
	require.NoError(t, err)
	require.Equal(t, "h", o.HostName)
	require.Equal(t, "me", o.User)
	require.Equal(t, 22, o.Port)
	require.Equal(t, Ask, o.StrictHostKeyChecking)
	require.Equal(t, "/home/me/.ssh/id_ed25519", o.IdentityFile[3])
	require.False(t, o.IdentityFileGiven)
	require.Equal(t, []string{"/home/me/.ssh/known_hosts", "/home/me/.ssh/known_hosts2"}, o.UserKnownHostsFile)
	require.Equal(t, int('~'), o.EscapeChar)
	require.Equal(t, 0, Verbosity(o.LogLevel))
	name, port := o.HostKeyName()
	require.Equal(t, "h", name)
	require.Equal(t, 22, port)
}

// The configuration that OpenSSH's regression suite makes.
func TestRegressionSuite(t *testing.T) {
	o := mustLoad(t, `Host *
	Hostname		127.0.0.1
	HostKeyAlias		localhost-with-alias
	Port			4242
	User			root
	GlobalKnownHostsFile	/obj/known_hosts
	UserKnownHostsFile	/obj/known_hosts
	PubkeyAuthentication	yes
	ChallengeResponseAuthentication	no
	PasswordAuthentication	no
	BatchMode		yes
	StrictHostKeyChecking	yes
	LogLevel		DEBUG3
IdentityFile /obj/ssh-ed25519
IdentityFile /obj/ssh-rsa
proxycommand sh /obj/sshd-log-wrapper.sh -i -f "/obj/sshd_proxy" # x
`, "999.999.999.999", "LogLevel=QUIET")
	require.Equal(t, "127.0.0.1", o.HostName)
	require.Equal(t, "999.999.999.999", o.OriginalHost)
	require.Equal(t, 4242, o.Port)
	require.Equal(t, "root", o.User)
	require.True(t, o.BatchMode)
	require.False(t, o.KbdInteractiveAuthentication)
	require.Equal(t, "QUIET", o.LogLevel)
	require.Equal(t, []string{"/obj/ssh-ed25519", "/obj/ssh-rsa"}, o.KeyFiles())
	require.Equal(t, []string{"/obj/known_hosts"}, o.UserKnownHostsFile)
	name, port := o.HostKeyName()
	require.Equal(t, "localhost-with-alias", name)
	require.Equal(t, 22, port)
	cmd, err := o.ProxyShellCommand()
	require.NoError(t, err)
	require.Equal(t, `sh /obj/sshd-log-wrapper.sh -i -f "/obj/sshd_proxy" # x`, cmd)
}

func TestFirstValueWins(t *testing.T) {
	o := mustLoad(t, `
User=early
Host web*
  Port 8022
  user late
  IdentityFile one
  SendEnv LANG LC_*
  SetEnv A=1 B="2 3" A=4
  UserKnownHostsFile f1 f2
Host !web1 *
  Port 9022
  IdentityFile two
  IdentityFile one
  SendEnv -LC_* FOO
  SetEnv C=1
  UserKnownHostsFile f3
`, "web2")
	require.Equal(t, "early", o.User)
	require.Equal(t, 8022, o.Port)
	require.Equal(t, []string{"one", "two"}, o.IdentityFile)
	require.Equal(t, []string{"LANG", "FOO"}, o.SendEnv)
	require.Equal(t, []string{"A=1", "B=2 3"}, o.SetEnv)
	require.Equal(t, []string{"f1", "f2"}, o.UserKnownHostsFile)

	o = mustLoad(t, "Host web* !web1\nPort 1\nHost *\nPort 2", "web1")
	require.Equal(t, 2, o.Port, "a negated pattern keeps the block away")
	o = mustLoad(t, "Port 1", "h", "Port=3", "port 4", "IdentityFile=x")
	require.Equal(t, 3, o.Port)
	require.Equal(t, []string{"x"}, o.IdentityFile)
}

func TestMatch(t *testing.T) {
	for _, c := range []struct {
		line string
		want bool
	}{
		{"all", true}, {"host real.example", true}, {"host typed", false}, {"originalhost typed", true}, {"originalhost=typed", true},
		{"host *.example user ann", true}, {"host *.example user bob", false}, {"!user bob", true}, {"user a*,!ann", false}, {"localuser me", true},
		{"exec true", true}, {`exec "test %h = real.example -a %n = typed -a %r = ann -a %p = 22"`, true}, {`exec "exit 3"`, false}, {`!exec "exit 3"`, true},
		{"tagged x", false}, {"canonical", false}, {"localnetwork 127.0.0.0/8", true}, {"localnetwork 203.0.113.0/24", false},
		{"host real.example originalhost typed user ann localuser me", true},
	} {
		o := mustLoad(t, "Hostname real.example\nUser ann\nMatch "+c.line+"\nPort 77\n", "typed")
		require.Equal(t, c.want, o.Port == 77, c.line)
	}
	for _, bad := range []string{"", "nosuch x", "host", "all host x", "user", `exec "%z"`, `host "`} {
		_, err := load(t, "Match "+bad+"\nPort 1", "typed")
		require.ErrorContains(t, err, "line 1", bad)
	}
}

// A command of a block that cannot apply is not run.
func TestMatchExecNotRun(t *testing.T) {
	ran := filepath.Join(t.TempDir(), "ran")
	o := mustLoad(t, "Match originalhost other exec \"touch "+ran+"\"\nPort 1", "typed")
	require.Equal(t, 22, o.Port)
	require.NoFileExists(t, ran)
}

func TestMatchFinal(t *testing.T) {
	o := mustLoad(t, `
Match final host real
  Port 7
Host typed
  Hostname real
  LocalForward 1 h:1
  IdentityFile one
Match !final
  User first
`, "typed")
	require.Equal(t, 7, o.Port)
	require.Equal(t, "real", o.HostName)
	require.Len(t, o.LocalForward, 1, "two passes do not add twice")
	require.Equal(t, []string{"one"}, o.IdentityFile)
}

func TestInclude(t *testing.T) {
	home := t.TempDir()
	write := func(name, text string) {
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(home, name)), 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(home, name), []byte(text), 0o600))
	}
	read := func(host string) (*Options, error) {
		return Load(t.Context(), &Source{Host: host, LocalUser: "me", Home: home, SystemFile: filepath.Join(home, "system")})
	}
	o, err := read("a")
	require.NoError(t, err, "the usual files may be missing")
	require.Equal(t, 22, o.Port)
	write("system", "User sys\nPort 99\n")
	write(".ssh/config", "Include conf.d/* ~/more missing\nHost a\n Include "+home+"/onlya\nCompression yes\nHost *\nPort 5\n")
	write(".ssh/conf.d/1", "Host b\nUser fromb\n")
	write(".ssh/conf.d/2", "ConnectTimeout 3\n")
	write("more", "Host a\nHostname more.example\n")
	write("onlya", "Host *\nServerAliveInterval 1m\nHost b\nServerAliveCountMax 9")
	o, err = read("a")
	require.NoError(t, err)
	require.Equal(t, "sys", o.User)
	require.Equal(t, 5, o.Port)
	require.Equal(t, "more.example", o.HostName)
	require.Equal(t, 3*time.Second, o.ConnectTimeout)
	require.Equal(t, time.Minute, o.ServerAliveInterval)
	require.True(t, o.Compression, "an Include's Host blocks end with its file")
	o, err = read("b")
	require.NoError(t, err)
	require.Equal(t, "fromb", o.User)
	require.Zero(t, o.ServerAliveInterval, "what is included by a block of another host does not apply")
	require.Equal(t, 3, o.ServerAliveCountMax)

	write(".ssh/conf.d/1", "Include conf.d/1")
	_, err = read("a")
	require.ErrorContains(t, err, "too many")
	write(".ssh/conf.d/1", "Bogus 1")
	_, err = read("a")
	require.ErrorContains(t, err, "conf.d/1: line 1: Bad configuration option: Bogus")
}

func TestErrors(t *testing.T) {
	for line, want := range map[string]string{
		"Bogus x":                       "line 2: Bad configuration option: Bogus",
		"Port x":                        "line 2",
		"Port":                          "line 2: missing argument of Port",
		"Port 1 2":                      "line 2: keyword port extra arguments at end of line",
		"User \"x":                      "line 2: invalid quotes",
		"Host":                          "line 2",
		"Host \"x":                      "line 2",
		"Include":                       "line 2",
		"Include [":                     "line 2",
		"StrictHostKeyChecking perhaps": "line 2",
		"LocalForward 1":                "line 2",
		"LocalForward 1 h:1 x":          "line 2",
		"DynamicForward 1:h:1":          "line 2",
		"EscapeChar xy":                 "line 2",
		"SetEnv x":                      "line 2",
		"SendEnv A=b":                   "line 2",
		"RekeyLimit 1":                  "line 2",
		"LogLevel loud":                 "line 2",
		"Ciphers a,,b":                  "line 2",
		"ConnectTimeout soon":           "line 2",
	} {
		for _, block := range []string{"Host *", "Host other"} { // a bad line is an error wherever it stands
			_, err := load(t, block+"\n"+line, "h")
			require.ErrorContains(t, err, want, line)
		}
		if keyword, _, _ := strings.Cut(line, " "); keyword != "Host" && keyword != "Include" {
			_, err := load(t, "", "h", line)
			require.ErrorContains(t, err, "command-line: line 0", line)
		}
	}
	_, err := load(t, "Bogus 1\nPort 1\nBogus2 2", "h")
	require.ErrorContains(t, err, "Bogus2")
	require.ErrorContains(t, err, "terminating, 2 bad configuration options")
	_, err = Load(t.Context(), &Source{Host: "h", File: "/nonexistent/config"})
	require.ErrorContains(t, err, "Can't open user config file /nonexistent/config")
	for _, bad := range []string{"IdentityFile %z", "IdentityFile ${NOTSET}", "RemoteCommand %z", "UserKnownHostsFile %"} {
		_, err = load(t, bad, "h")
		require.Error(t, err, bad)
	}
	o := mustLoad(t, "IgnoreUnknown bog*,x\nBogus 1\nPort 4", "h")
	require.Equal(t, 4, o.Port)
}

func TestTokens(t *testing.T) {
	o := mustLoad(t, `Hostname %h.example
User ann
Port 99
IdentityFile ~/.ssh/%u-%r@%h:%p-%n-%%
CertificateFile ${FOO}/%i
ControlPath ~
RemoteCommand echo %n "%r"
ProxyCommand nc %h %p %r %n %% "%h"
PermitLocalCommand yes
LocalCommand printf "%%s\n" "%n" "%h" %T
LocalForward /%h /${FOO}
IdentityAgent $AGENT
ForwardAgent ~/sock
`, "web")
	require.Equal(t, "web.example", o.HostName)
	require.Regexp(t, `/\.ssh/me-ann@web\.example:99-web-%$`, o.IdentityFile[0])
	require.Equal(t, "bar/", o.CertificateFile[0][:4])
	require.True(t, strings.HasSuffix(o.ControlPath, "/"))
	require.Equal(t, `echo web "ann"`, o.RemoteCommand)
	require.Equal(t, "/web.example", o.LocalForward[0].Path)
	require.Equal(t, "/bar", o.LocalForward[0].HostPath)
	require.Equal(t, "$AGENT", o.IdentityAgent)
	require.True(t, strings.HasSuffix(o.ForwardAgent, "/sock"))
	cmd, err := o.ProxyShellCommand()
	require.NoError(t, err)
	require.Equal(t, `nc web.example 99 ann web % "web.example"`, cmd)
	cmd, err = o.LocalShellCommand("me", "/home/me")
	require.NoError(t, err)
	require.Equal(t, `printf "%s\n" "web" "web.example" NONE`, cmd)
	o.PermitLocalCommand = false
	cmd, err = o.LocalShellCommand("me", "/home/me")
	require.NoError(t, err)
	require.Empty(t, cmd)
	o.ProxyCommand = "%z"
	_, err = o.ProxyShellCommand()
	require.Error(t, err)
}

func TestNone(t *testing.T) {
	o := mustLoad(t, "ProxyCommand none\nUserKnownHostsFile none\nIdentityFile none\nProxyJump none\nEscapeChar none\nConnectTimeout none\nPort 2\n", "h")
	require.Empty(t, o.ProxyCommand)
	require.Empty(t, o.UserKnownHostsFile)
	require.Empty(t, o.KeyFiles())
	require.Empty(t, o.ProxyJump)
	require.Equal(t, -1, o.EscapeChar)
	require.Equal(t, []string{"port 2"}, func() (out []string) {
		for _, l := range o.Dump() {
			if strings.HasPrefix(l, "port ") {
				out = append(out, l)
			}
		}
		return out
	}())
}

func TestForwardingsAndAlgorithms(t *testing.T) {
	o := mustLoad(t, `LocalForward 8080 web:80
LocalForward [::1]:8081 [::2]:81
RemoteForward 0 h:1
RemoteForward 1080
DynamicForward 127.0.0.1:1080
Ciphers ^aes128-ctr
KexAlgorithms +a,b
RekeyLimit 1M 1h
EscapeChar ^]
`, "h")
	require.Equal(t, "8080", o.LocalForward[0].Listen())
	require.Equal(t, "[::2]:81", o.LocalForward[1].Destination())
	require.True(t, o.RemoteForward[1].Dynamic)
	require.Equal(t, "127.0.0.1", o.DynamicForward[0].Bind)
	require.Equal(t, config.List{Op: '^', Names: []string{"aes128-ctr"}}, o.Ciphers)
	require.Equal(t, config.Rekey{Bytes: 1 << 20, Interval: time.Hour}, o.RekeyLimit)
	require.Equal(t, 29, o.EscapeChar)
	o = mustLoad(t, "LocalForward 1 h:1\nClearAllForwardings yes", "h")
	require.Empty(t, o.LocalForward)
}

func FuzzLoad(f *testing.F) {
	f.Add("Host a\nPort 1\nMatch host x user y\nUser \"q\"\n")
	f.Add("LocalForward 1 h:1\nSetEnv A=1\nCiphers +x\nRekeyLimit 1M 1h")
	f.Fuzz(func(t *testing.T, text string) {
		if low := strings.ToLower(text); strings.Contains(low, "exec") || strings.Contains(low, "include") {
			return // runs commands, reads files
		}
		o, err := load(t, text, "h")
		if err == nil {
			require.NotEmpty(t, o.HostName)
			require.NotZero(t, o.Port)
		}
	})
}
