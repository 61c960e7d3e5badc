// Package serverconfig reads sshd_config files and -o options as sshd(8) does.
//
// [Load] reads the files once; [File.Options] gives the options that hold for
// everyone, [File.For] those of one connection and user, Match blocks included.
package serverconfig

import (
	"errors"
	"fmt"
	"net/netip"
	"os/user"
	"path/filepath"
	"strings"
	"time"

	"github.com/fairlead-go/ssh/examples/internal/config"
)

// Values of PermitRootLogin, AllowTcpForwarding and GatewayPorts.
const (
	Yes              = "yes"
	No               = "no"
	ProhibitPassword = "prohibit-password"
	ForcedCommands   = "forced-commands-only"
	Local            = "local"
	Remote           = "remote"
	ClientSpecified  = "clientspecified"
	None             = "none"
)

// Options is what sshd_config says. The names are the keywords'.
type Options struct {
	Port          []int
	AddressFamily string   // any, inet, inet6
	ListenAddress []string // as written; see Listen
	PidFile       string   // "": none
	LogLevel      string
	StrictModes   bool

	HostKey         []string
	HostCertificate []string
	HostKeyAgent    string

	SecurityKeyProvider string // of host keys; a library, or internal
	ModuliFile          string

	AuthorizedKeysFile           []string // see AuthorizedKeys
	AuthorizedKeysCommand        string
	AuthorizedKeysCommandUser    string
	AuthorizedPrincipalsFile     string
	AuthorizedPrincipalsCommand  string
	AuthorizedPrincipalsCmdUser  string
	TrustedUserCAKeys            string
	RevokedKeys                  string
	AuthenticationMethods        []string // lists, one of which must be passed; nil: any method
	PubkeyAuthentication         bool
	TouchRequired                bool // PubkeyAuthOptions: of security keys, whatever a key's line says
	VerifyRequired               bool
	PasswordAuthentication       bool
	KbdInteractiveAuthentication bool
	HostbasedAuthentication      bool
	PermitEmptyPasswords         bool
	PermitRootLogin              string
	AllowUsers, DenyUsers        []string
	AllowGroups, DenyGroups      []string
	MaxAuthTries                 int
	LoginGraceTime               time.Duration // 0: no limit
	MaxStartups                  Startups
	PerSourceMaxStartups         int // 0: no limit
	MaxSessions                  int
	ClientAliveInterval          time.Duration // 0: never
	ClientAliveCountMax          int
	TCPKeepAlive                 bool
	ExposeAuthInfo               bool
	FingerprintHash              string
	Ciphers, MACs, KexAlgorithms config.List
	HostKeyAlgorithms            config.List
	PubkeyAcceptedAlgorithms     config.List
	HostbasedAcceptedAlgorithms  config.List
	CASignatureAlgorithms        config.List
	RequiredRSASize              int
	RekeyLimit                   config.Rekey
	Compression                  string // yes, delayed, no
	AllowTCPForwarding           string // yes, no, local, remote
	AllowStreamLocalForwarding   string
	AllowAgentForwarding         bool
	DisableForwarding            bool
	GatewayPorts                 string // no, yes, clientspecified
	PermitOpen, PermitListen     []string
	PermitTunnel                 string
	PermitTTY                    bool
	PermitUserRC                 bool
	PermitUserEnvironment        string // no, yes or patterns
	ForceCommand                 string
	ChrootDirectory              string
	Banner                       string // a file; "": none
	PrintMotd                    bool
	PrintLastLog                 bool
	AcceptEnv                    []string
	SetEnv                       []string
	Subsystem                    []Subsystem
	UseDNS                       bool
	X11Forwarding                bool
	VersionAddendum              string
	StreamLocalBindUnlink        bool
	UnusedConnectionTimeout      time.Duration
	ChannelTimeout               []string
}

// A Subsystem is a command by name; "internal-sftp" is the server's own.
type Subsystem struct{ Name, Command string }

// Startups is MaxStartups: unauthenticated connections are refused with Rate
// percent chance from Begin on, rising to certainty at Full.
type Startups struct{ Begin, Rate, Full int }

// Defaults returns the options where no file says anything.
func Defaults() *Options {
	return &Options{
		AddressFamily: "any", PidFile: "/run/sshd.pid", LogLevel: "INFO", StrictModes: true,
		PubkeyAuthentication: true, PasswordAuthentication: true, KbdInteractiveAuthentication: true,
		PermitRootLogin: ProhibitPassword, MaxAuthTries: 6, LoginGraceTime: 120 * time.Second,
		MaxStartups: Startups{10, 30, 100}, MaxSessions: 10, ClientAliveCountMax: 3, TCPKeepAlive: true,
		ModuliFile: "/etc/ssh/moduli", SecurityKeyProvider: "internal", FingerprintHash: "sha256", RequiredRSASize: 1024, Compression: Yes,
		AllowTCPForwarding: Yes, AllowStreamLocalForwarding: Yes, AllowAgentForwarding: true,
		GatewayPorts: No, PermitTunnel: No, PermitTTY: true, PermitUserRC: true, PermitUserEnvironment: No,
		PrintMotd: true, PrintLastLog: true,
	}
}

// fill sets what has a default only when no line gave a value.
func (o *Options) fill() {
	if len(o.Port) == 0 {
		o.Port = []int{22}
	}
	if len(o.AuthorizedKeysFile) == 0 {
		o.AuthorizedKeysFile = []string{".ssh/authorized_keys", ".ssh/authorized_keys2"}
	}
	for _, s := range []*string{&o.Banner, &o.PidFile, &o.ForceCommand, &o.ChrootDirectory, &o.AuthorizedKeysCommand,
		&o.AuthorizedPrincipalsCommand, &o.AuthorizedPrincipalsFile, &o.TrustedUserCAKeys, &o.RevokedKeys, &o.HostKeyAgent, &o.VersionAddendum} {
		if *s == None {
			*s = ""
		}
	}
	if len(o.AuthenticationMethods) == 1 && o.AuthenticationMethods[0] == "any" {
		o.AuthenticationMethods = nil
	}
	if len(o.AuthorizedKeysFile) == 1 && o.AuthorizedKeysFile[0] == None {
		o.AuthorizedKeysFile = nil
	}
}

// Listen returns the addresses to listen on as "host:port" for net.Listen;
// an empty host is every address. Network is tcp, tcp4 or tcp6.
func (o *Options) Listen() (network string, addresses []string) {
	network = map[string]string{"inet": "tcp4", "inet6": "tcp6"}[o.AddressFamily]
	if network == "" {
		network = "tcp"
	}
	join := func(host string, port int) string {
		if strings.Contains(host, ":") {
			host = "[" + host + "]"
		}
		return fmt.Sprintf("%s:%d", host, port)
	}
	if len(o.ListenAddress) == 0 {
		for _, p := range o.Port {
			addresses = append(addresses, join("", p))
		}
	}
	for _, a := range o.ListenAddress {
		host, port, _ := config.SplitHostPort(a) // checked when it was read
		if host == "0.0.0.0" && network == "tcp6" || host == "*" {
			host = ""
		}
		if port >= 0 {
			addresses = append(addresses, join(host, port))
			continue
		}
		for _, p := range o.Port {
			addresses = append(addresses, join(host, p))
		}
	}
	return network, addresses
}

// A User is who logs in, as far as these options ask.
type User struct {
	Name, Home string
	UID        int
}

// AuthorizedKeys returns the paths of u's authorized_keys files: tokens
// replaced, relative ones below the home directory, "none" left out.
func (o *Options) AuthorizedKeys(u *User) ([]string, error) {
	var out []string
	for _, f := range o.AuthorizedKeysFile {
		if strings.EqualFold(f, None) {
			continue
		}
		path, err := UserPath(f, u)
		if err != nil {
			return nil, fmt.Errorf("AuthorizedKeysFile: %w", err)
		}
		out = append(out, path)
	}
	return out, nil
}

// UserPath replaces %h, %u and %U in path and puts it below the home directory if it is relative.
func UserPath(path string, u *User) (string, error) {
	path, err := config.Expand(path, map[byte]string{'h': u.Home, 'u': u.Name, 'U': fmt.Sprint(u.UID)})
	if err != nil {
		return "", err
	}
	if !filepath.IsAbs(path) {
		path = filepath.Join(u.Home, path)
	}
	return path, nil
}

// AllowsUser says whether AllowUsers and its three siblings let the user in
// from addr and host (which may be empty); the error says which one did not,
// in OpenSSH's words without the user's name.
// groups is asked only if a group keyword is there.
func (o *Options) AllowsUser(name, host string, addr netip.Addr, groups func() ([]string, error)) error {
	matches := func(patterns []string) bool {
		for _, p := range patterns {
			if matchUserHost(name, host, addr, p) {
				return true
			}
		}
		return false
	}
	if matches(o.DenyUsers) {
		return errors.New("not allowed because listed in DenyUsers")
	}
	if len(o.AllowUsers) > 0 && !matches(o.AllowUsers) {
		return errors.New("not allowed because not listed in AllowUsers")
	}
	if len(o.DenyGroups)+len(o.AllowGroups) == 0 {
		return nil
	}
	names, err := groups()
	if err != nil {
		return fmt.Errorf("groups of user %s: %w", config.Printable(name), err)
	}
	inGroup := func(patterns []string) bool {
		for _, n := range names {
			if config.MatchList(n, strings.Join(patterns, ",")) > 0 {
				return true
			}
		}
		return false
	}
	if inGroup(o.DenyGroups) {
		return errors.New("not allowed because a group is listed in DenyGroups")
	}
	if len(o.AllowGroups) > 0 && !inGroup(o.AllowGroups) {
		return errors.New("not allowed because none of user's groups are listed in AllowGroups")
	}
	return nil
}

// matchUserHost matches USER or USER@HOST, where HOST is a pattern for the
// host name or the address, or address/bits.
func matchUserHost(name, host string, addr netip.Addr, pattern string) bool {
	i := strings.LastIndexByte(pattern, '@')
	if i < 0 {
		return config.MatchPattern(name, pattern)
	}
	if !config.MatchPattern(name, pattern[:i]) {
		return false
	}
	return host != "" && config.MatchHost(host, pattern[i+1:]) > 0 || config.MatchAddress(addr, pattern[i+1:]) > 0
}

// SubsystemCommand returns the command of a subsystem.
func (o *Options) SubsystemCommand(name string) (command string, ok bool) {
	for _, s := range o.Subsystem {
		if s.Name == name {
			return s.Command, true
		}
	}
	return "", false
}

// AcceptsEnv says whether a client may set the variable.
func (o *Options) AcceptsEnv(name string) bool {
	for _, p := range o.AcceptEnv {
		if config.MatchPattern(name, p) {
			return true
		}
	}
	return false
}

// groupNames is the default of Conn.Groups.
func groupNames(name string) ([]string, error) {
	u, err := user.Lookup(name)
	if err != nil {
		return nil, err
	}
	ids, err := u.GroupIds()
	if err != nil {
		return nil, err
	}
	var names []string
	for _, id := range ids {
		if g, err := user.LookupGroupId(id); err == nil {
			names = append(names, g.Name)
		}
	}
	return names, nil
}
