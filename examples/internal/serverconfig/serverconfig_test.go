package serverconfig

import (
	"encoding/json"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh/examples/internal/config"
)

func load(t *testing.T, text string, commandLine ...string) (*File, error) {
	t.Helper()
	name := filepath.Join(t.TempDir(), "sshd_config")
	require.NoError(t, os.WriteFile(name, []byte(text), 0o600))
	return Load(name, commandLine)
}

func mustLoad(t *testing.T, text string, commandLine ...string) *File {
	t.Helper()
	f, err := load(t, text, commandLine...)
	require.NoError(t, err)
	return f
}

func conn(user, addr string) *Conn {
	return &Conn{User: user, Address: netip.MustParseAddr(addr), Groups: func(u string) ([]string, error) {
		if u == "ann" {
			return []string{"ann", "wheel"}, nil
		}
		return nil, errors.New("no such user")
	}}
}

func TestDefaults(t *testing.T) {
	f, err := Load(None, nil)
	require.NoError(t, err)
	o := f.Options()
	require.Equal(t, []int{22}, o.Port)
	require.True(t, o.StrictModes)
	require.Equal(t, ProhibitPassword, o.PermitRootLogin)
	require.False(t, o.PermitEmptyPasswords)
	require.Equal(t, No, o.GatewayPorts)
	require.Equal(t, 2*time.Minute, o.LoginGraceTime)
	require.Equal(t, Startups{10, 30, 100}, o.MaxStartups)
	network, addresses := o.Listen()
	require.Equal(t, "tcp", network)
	require.Equal(t, []string{":22"}, addresses)
	paths, err := o.AuthorizedKeys(&User{Name: "ann", Home: "/home/ann"})
	require.NoError(t, err)
	require.Equal(t, []string{"/home/ann/.ssh/authorized_keys", "/home/ann/.ssh/authorized_keys2"}, paths)
	require.False(t, o.AcceptsEnv("LANG"))
}

// The configuration that OpenSSH's regression suite makes.
func TestRegressionSuite(t *testing.T) {
	o := mustLoad(t, `
	StrictModes		no
	Port			4242
	AddressFamily		inet
	ListenAddress		127.0.0.1
	#ListenAddress		::1
	PidFile			/obj/pidfile
	AuthorizedKeysFile	/obj/authorized_keys_%u
	LogLevel		DEBUG3
	AcceptEnv		_XXX_TEST_*
	AcceptEnv		_XXX_TEST
	Subsystem	sftp	/usr/lib/openssh/sftp-server
	UsePAM			yes
	StrictModes yes
	UsePrivilegeSeparation sandbox
	ModuliFile '/etc/ssh/moduli'
HostKey /obj/host.ssh-ed25519
HostKey /obj/host.ssh-rsa
Ciphers=aes128-ctr
	SetEnv PATH='/a b:/c'
DenyUsers=nobody
rekeylimit default 30
`, "PidFile=/other").Options()
	require.False(t, o.StrictModes)
	require.Equal(t, "/other", o.PidFile)
	network, addresses := o.Listen()
	require.Equal(t, "tcp4", network)
	require.Equal(t, []string{"127.0.0.1:4242"}, addresses)
	require.Equal(t, []string{"/obj/host.ssh-ed25519", "/obj/host.ssh-rsa"}, o.HostKey)
	paths, err := o.AuthorizedKeys(&User{Name: "root", Home: "/root"})
	require.NoError(t, err)
	require.Equal(t, []string{"/obj/authorized_keys_root"}, paths)
	require.True(t, o.AcceptsEnv("_XXX_TEST_A"))
	require.True(t, o.AcceptsEnv("_XXX_TEST"))
	require.False(t, o.AcceptsEnv("_XXX"))
	require.Equal(t, []string{"PATH=/a b:/c"}, o.SetEnv)
	command, ok := o.SubsystemCommand("sftp")
	require.True(t, ok)
	require.Equal(t, "/usr/lib/openssh/sftp-server", command)
	require.Equal(t, config.Rekey{Interval: 30 * time.Second}, o.RekeyLimit)
	require.Equal(t, config.List{Names: []string{"aes128-ctr"}}, o.Ciphers)
}

func TestListen(t *testing.T) {
	for text, want := range map[string]string{
		"Port 1\nPort 2":                             ":1 :2",
		"Port 1\nPort 2\nListenAddress 1.2.3.4":      "1.2.3.4:1 1.2.3.4:2",
		"ListenAddress 1.2.3.4\nPort 1":              "1.2.3.4:1",
		"ListenAddress ::1\nListenAddress [::2]:7":   "[::1]:22 [::2]:7",
		"ListenAddress localhost:9\nListenAddress *": "localhost:9 :22",
	} {
		_, got := mustLoad(t, text).Options().Listen()
		require.Equal(t, want, strings.Join(got, " "), text)
	}
}

func TestMatch(t *testing.T) {
	f := mustLoad(t, `
PasswordAuthentication no
AllowUsers global1
ForceCommand none
Banner /global
Match User ann
	PasswordAuthentication yes
	ForceCommand echo "for ann" # all of it
	AllowUsers ann
	AllowUsers ann2
	AuthorizedKeysFile /a%u
Match Group wheel,!staff Address 10.0.0.0/8
	PasswordAuthentication no
	Banner none
Match Address 192.0.2.0/24,!192.0.2.7
	PermitTTY no
Match User bob Host *.example
	MaxSessions 2
Match all
	X11Forwarding yes
	MaxAuthTries 2
`)
	o, err := f.For(conn("ann", "10.1.1.1"))
	require.NoError(t, err)
	require.True(t, o.PasswordAuthentication, "the first Match that applies wins")
	require.Equal(t, `echo "for ann" # all of it`, o.ForceCommand)
	require.Equal(t, []string{"ann", "ann2"}, o.AllowUsers, "a Match block's list replaces the global one")
	require.Equal(t, "", o.Banner)
	require.True(t, o.X11Forwarding)
	require.Equal(t, 2, o.MaxAuthTries)
	require.True(t, o.PermitTTY)

	o, err = f.For(conn("bob", "192.0.2.1"))
	require.NoError(t, err)
	require.False(t, o.PasswordAuthentication)
	require.False(t, o.PermitTTY)
	require.Equal(t, "/global", o.Banner)
	require.Equal(t, "", o.ForceCommand)
	require.Equal(t, 10, o.MaxSessions)
	c := conn("bob", "192.0.2.7")
	c.Host = "a.EXAMPLE"
	o, err = f.For(c)
	require.NoError(t, err)
	require.True(t, o.PermitTTY)
	require.Equal(t, 2, o.MaxSessions)

	require.False(t, f.Options().X11Forwarding, "without a connection no Match applies, not even all")
	o, err = f.For(&Conn{User: "x", Invalid: true, Groups: groupNames})
	require.NoError(t, err)
	require.True(t, o.PermitTTY, "a connection without an address matches no Address")
}

func TestMatchCriteria(t *testing.T) {
	for line, want := range map[string]bool{
		"User ann": true, "User a*,!ann": false, "user=ann": true, "Group wheel": true, "Group w*,!ann": false, "Group x": false,
		"Host 10.1.1.1": true, "Address 10.1.1.1": true, "Address 10.1.1.0/24 # comment": true, "LocalPort 22": true, "LocalPort 23": false,
		"LocalAddress 10.0.0.1": true, "RDomain x": false, "invalid-user": false, "all": true, "User ann Address 10.2.0.0/16": false,
	} {
		c := conn("ann", "10.1.1.1")
		c.Local, c.LocalPort = netip.MustParseAddr("10.0.0.1"), 22
		o, err := mustLoad(t, "Match "+line+"\nPermitTTY no").For(c)
		require.NoError(t, err)
		require.Equal(t, want, !o.PermitTTY, line)
	}
	for _, line := range []string{"", "all User x", "User all all", "Nosuch x", "User", "LocalPort x", "LocalPort 0", `User "`} {
		_, err := load(t, "Match "+line+"\nPermitTTY no")
		require.ErrorContains(t, err, "line 1", line)
	}
}

func TestErrors(t *testing.T) {
	for line, want := range map[string]string{
		"InvalidXXX=no":                       "line 1: Bad configuration option: InvalidXXX",
		"Port x":                              "line 1",
		"Port 70000":                          "line 1",
		"Port":                                "line 1: missing argument of Port",
		"Port 1 2":                            "extra arguments",
		"ListenAddress [::1":                  "line 1",
		"PermitRootLogin maybe":               "line 1",
		"MaxStartups 10:30":                   "line 1",
		"MaxStartups 10:300:20":               "line 1",
		"MaxStartups 0":                       "line 1",
		"PermitOpen nohost":                   "line 1",
		"PermitOpen :1":                       "line 1",
		"PermitOpen h:x":                      "line 1",
		"PermitListen x":                      "line 1",
		"AuthenticationMethods bogus":         "line 1",
		"AuthenticationMethods any publickey": "line 1",
		"Subsystem sftp":                      "line 1",
		"SetEnv x":                            "line 1",
		"LoginGraceTime soon":                 "line 1",
		"RekeyLimit 1":                        "line 1",
		"Include":                             "line 1",
		"Match User x\nPort 1":                "line 2: Directive 'Port' is not allowed within a Match block",
		"Match User x\nPermitTTY maybe":       "line 2",
		"Subsystem a b\nSubsystem a c":        "line 2: Subsystem: subsystem 'a' already defined",
	} {
		_, err := load(t, line)
		require.ErrorContains(t, err, want, line)
	}
	_, err := Load("/nonexistent/sshd_config", nil)
	require.ErrorIs(t, err, os.ErrNotExist)
	_, err = Load(None, []string{"Bogus=1"})
	require.EqualError(t, err, "command-line: line 0: Bad configuration option: Bogus")
	_, err = load(t, "A 1\nPort 1\nB 2")
	require.ErrorContains(t, err, "terminating, 2 bad configuration options")
}

func TestInclude(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	write("1.conf", "Banner /one\nMatch User ann\nPermitTTY no\n")
	write("2.conf", "MaxSessions 4\n")
	write("in.conf", "MaxAuthTries 1\nMatch User ann\nMaxSessions 1\n")
	main := write("main", "Include "+dir+"/?.conf "+dir+"/none*\nMaxSessions 9\nMatch Address 10.0.0.0/8\nInclude "+dir+"/in.conf\nBanner /match\n")
	f, err := Load(main, nil)
	require.NoError(t, err)
	o, err := f.For(conn("ann", "10.0.0.1"))
	require.NoError(t, err)
	require.False(t, o.PermitTTY)
	require.Equal(t, 1, o.MaxSessions)
	require.Equal(t, 1, o.MaxAuthTries)
	require.Equal(t, "/match", o.Banner)
	o, err = f.For(conn("bob", "10.0.0.1"))
	require.NoError(t, err)
	require.True(t, o.PermitTTY, "an included file's Match ends with the file")
	require.Equal(t, 4, o.MaxSessions)
	require.Equal(t, 1, o.MaxAuthTries)
	o, err = f.For(conn("ann", "11.0.0.1"))
	require.NoError(t, err)
	require.Equal(t, 6, o.MaxAuthTries, "an Include in a Match block applies with it")
	require.Equal(t, 4, o.MaxSessions)
	require.Equal(t, "/one", o.Banner)

	loop := write("loop", "Include "+filepath.Join(dir, "loop"))
	_, err = Load(loop, nil)
	require.ErrorContains(t, err, "too many")
}

func TestAllowsUser(t *testing.T) {
	groups := func() ([]string, error) { return []string{"ann", "wheel"}, nil }
	for _, c := range []struct {
		text, want string // want: "" or part of the error
	}{
		{"", ""},
		{"AllowUsers bob ann", ""},
		{"AllowUsers bob\nAllowUsers an?", ""},
		{"AllowUsers bob", "not listed in AllowUsers"},
		{"DenyUsers ann", "listed in DenyUsers"},
		{"AllowUsers ann\nDenyUsers a*", "listed in DenyUsers"},
		{"AllowUsers ann@10.0.0.0/8", ""},
		{"AllowUsers ann@10.0.0.*", ""},
		{"AllowUsers ann@host.example", ""},
		{"AllowUsers ann@11.0.0.0/8", "AllowUsers"},
		{"AllowUsers bob@10.0.0.0/8", "AllowUsers"},
		{"DenyUsers ann@HOST.*", "DenyUsers"},
		{"AllowGroups wheel", ""},
		{"AllowGroups staff", "AllowGroups"},
		{"DenyGroups w*", "DenyGroups"},
		{"AllowUsers ann\nAllowGroups staff", "AllowGroups"},
	} {
		err := mustLoad(t, c.text).Options().AllowsUser("ann", "host.example", netip.MustParseAddr("10.0.0.7"), groups)
		if c.want == "" {
			require.NoError(t, err, c.text)
		} else {
			require.ErrorContains(t, err, c.want, c.text)
		}
	}
	// An error is not a permission.
	failing := func() ([]string, error) { return nil, errors.New("no groups") }
	require.Error(t, mustLoad(t, "DenyGroups x").Options().AllowsUser("ann", "", netip.Addr{}, failing))
	// Without an address, no address can be matched.
	require.Error(t, mustLoad(t, "AllowUsers ann@*").Options().AllowsUser("ann", "", netip.Addr{}, groups))
}

func TestValues(t *testing.T) {
	o := mustLoad(t, `MaxStartups 3:50:9
PermitOpen 127.0.0.1:1 [::1]:2 h:* # comment
PermitListen 8080 lo:*
AuthenticationMethods publickey,password publickey,keyboard-interactive:pam
PermitRootLogin without-password
AllowTcpForwarding all
GatewayPorts ClientSpecified
Subsystem a internal-sftp
Subsystem b "/x y/z" -f "q r"
Subsystem c "/x y/z"
LoginGraceTime 0
PidFile none
AuthorizedKeysFile none
KbdInteractiveAuthentication no
ChallengeResponseAuthentication yes
VersionAddendum some words
SetEnv A=1 A=2
`).Options()
	require.Equal(t, Startups{3, 50, 9}, o.MaxStartups)
	require.Equal(t, []string{"127.0.0.1:1", "[::1]:2", "h:*"}, o.PermitOpen)
	require.Equal(t, []string{"publickey,password", "publickey,keyboard-interactive:pam"}, o.AuthenticationMethods)
	require.Equal(t, ProhibitPassword, o.PermitRootLogin)
	require.Equal(t, Yes, o.AllowTCPForwarding)
	require.Equal(t, ClientSpecified, o.GatewayPorts)
	require.Equal(t, []Subsystem{{"a", "internal-sftp"}, {"b", `"/x y/z" -f "q r"`}, {"c", "/x y/z"}}, o.Subsystem)
	require.Zero(t, o.LoginGraceTime)
	require.Empty(t, o.PidFile)
	require.Empty(t, o.AuthorizedKeysFile)
	require.False(t, o.KbdInteractiveAuthentication, "an older name is the same keyword")
	require.Equal(t, []string{"A=1"}, o.SetEnv)
}

func TestUserPath(t *testing.T) {
	u := &User{Name: "ann", Home: "/home/ann", UID: 7}
	for in, want := range map[string]string{"k": "/home/ann/k", "/k/%u/%U/%%": "/k/ann/7/%", "%h/x": "/home/ann/x"} {
		got, err := UserPath(in, u)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	_, err := UserPath("%z", u)
	require.Error(t, err)
}

// What -T prints can be read again and says the same.
func TestDumpReads(t *testing.T) {
	o := mustLoad(t, "Port 1\nPort 2\nListenAddress 1.2.3.4\nRekeyLimit 1M 1h\nCiphers +a\nAllowUsers a b\nPermitOpen h:1 h:2\nSubsystem sftp x").Options()
	dump := o.Dump()
	require.True(t, slices.Contains(dump, "listenaddress 1.2.3.4:2"))
	require.True(t, slices.Contains(dump, "rekeylimit 1048576 3600"))
	again := mustLoad(t, strings.Join(dump, "\n")).Options()
	require.Equal(t, dump, again.Dump())
}

func FuzzLoad(f *testing.F) {
	f.Add("Port 1\nMatch User a Address 10.0.0.0/8\nPermitTTY no\nMatch all\nBanner x")
	f.Add("Subsystem a b\nMaxStartups 1:2:3\nSetEnv A=1")
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Contains(strings.ToLower(text), "include") {
			return // reads files
		}
		file, err := load(t, text)
		if err != nil {
			return
		}
		_, err = file.For(conn("ann", "10.0.0.1"))
		require.NoError(t, err, "what loads holds for every connection")
	})
}

// What one process has read, another works by.
func TestFileInJSON(t *testing.T) {
	name := filepath.Join(t.TempDir(), "sshd_config")
	require.NoError(t, os.WriteFile(name, []byte("Banner /b\nMatch User x\n\tMaxSessions 3\n"), 0o600))
	f, err := Load(name, []string{"Port=2222"})
	require.NoError(t, err)
	data, err := json.Marshal(f)
	require.NoError(t, err)
	require.NoError(t, os.Remove(name))
	var got File
	require.NoError(t, json.Unmarshal(data, &got))
	for _, c := range []*Conn{nil, {User: "x"}, {User: "y"}} {
		want, err := f.For(c)
		require.NoError(t, err)
		have, err := got.For(c)
		require.NoError(t, err)
		require.Equal(t, want, have)
	}
	require.True(t, got.HasMatch())
	require.True(t, got.Sets("banner"))
	require.False(t, got.Sets("ChrootDirectory"))
	require.Error(t, json.Unmarshal([]byte(`[{"Line":{"Keyword":"NoSuch"}}]`), &got))
}
