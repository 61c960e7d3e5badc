// Package clientconfig reads ssh_config files and -o options as ssh(1) does.
//
// [Load] reads everything that applies to one host; what it returns is complete,
// with defaults, tokens expanded where that needs no connection.
package clientconfig

import (
	"fmt"
	"time"

	"github.com/fairlead-go/ssh/examples/internal/config"
)

// Values of StrictHostKeyChecking, RequestTTY, SessionType and ControlMaster.
const (
	Yes       = "yes"
	No        = "no"
	Ask       = "ask"
	Auto      = "auto"
	Force     = "force"
	AcceptNew = "accept-new"
	Default   = "default"
	None      = "none"
	Subsystem = "subsystem"
)

// Options is what ssh_config says about one host. The names are the keywords'.
type Options struct {
	OriginalHost string // as typed

	HostName     string // where to connect
	HostKeyAlias string // "": the host name
	Port         int
	User         string

	AddressFamily      string // any, inet, inet6
	BindAddress        string
	ConnectTimeout     time.Duration // 0: the system's
	ConnectionAttempts int
	ProxyCommand       string // "": none
	ProxyJump          string // "": none
	ProxyUseFdpass     bool

	GlobalKnownHostsFile  []string
	UserKnownHostsFile    []string
	KnownHostsCommand     string
	RevokedHostKeys       string
	StrictHostKeyChecking string // yes, no, ask, accept-new
	CheckHostIP           bool
	HashKnownHosts        bool
	UpdateHostKeys        string // yes, no, ask
	NoHostAuthForLocal    bool
	VisualHostKey         bool
	FingerprintHash       string

	BatchMode                    bool
	PubkeyAuthentication         bool
	PasswordAuthentication       bool
	KbdInteractiveAuthentication bool
	HostbasedAuthentication      bool
	PreferredAuthentications     []string
	NumberOfPasswordPrompts      int
	IdentityFile                 []string
	IdentityFileGiven            bool // some IdentityFile line was read
	CertificateFile              []string
	IdentitiesOnly               bool
	IdentityAgent                string // "": $SSH_AUTH_SOCK; "none": no agent
	AddKeysToAgent               string
	ForwardAgent                 string // "no", "yes" or a socket

	Ciphers                     config.List
	MACs                        config.List
	KexAlgorithms               config.List
	HostKeyAlgorithms           config.List
	PubkeyAcceptedAlgorithms    config.List
	HostbasedAcceptedAlgorithms config.List
	CASignatureAlgorithms       config.List
	RequiredRSASize             int
	RekeyLimit                  config.Rekey
	Compression                 bool

	ServerAliveInterval time.Duration // 0: never
	ServerAliveCountMax int
	TCPKeepAlive        bool

	LocalForward         []config.Forward
	RemoteForward        []config.Forward
	DynamicForward       []config.Forward
	GatewayPorts         bool
	ExitOnForwardFailure bool
	ClearAllForwardings  bool
	StreamLocalUnlink    bool
	PermitRemoteOpen     []string
	StdioForward         string // -W: host:port

	RequestTTY              string // auto, yes, no, force
	SessionType             string // default, none, subsystem
	RemoteCommand           string
	StdinNull               bool
	ForkAfterAuthentication bool
	EscapeChar              int // -1: none
	SendEnv                 []string
	SetEnv                  []string // NAME=value
	LocalCommand            string
	PermitLocalCommand      bool
	LogLevel                string // QUIET, FATAL, ERROR, INFO, VERBOSE, DEBUG1 to DEBUG3

	ForwardX11                  bool
	ForwardX11Trusted           bool
	ControlMaster               string
	ControlPath                 string
	EnableEscapeCommandline     bool
	IgnoreUnknown               string
	CanonicalizeHostname        string
	Tag                         string
	LogVerbose                  []string
	ObscureKeystrokeTiming      string
	ControlPersist              string
	StreamLocalBindMask         string
	SecurityKeyProvider         string
	VerifyHostKeyDNS            string
	SyslogFacility              string
	Tunnel                      string
	TunnelDevice                string
	IPQoS                       []string
	PKCS11Provider              string
	XAuthLocation               string
	BindInterface               string
	GSSAPIAuthentication        bool
	GSSAPIDelegateCredentials   bool
	EnableSSHKeysign            bool
	ForwardX11Timeout           time.Duration
	CanonicalizeMaxDots         int
	CanonicalizeFallbackLocal   bool
	CanonicalDomains            []string
	CanonicalizePermittedCNAMEs []string
}

// Defaults returns the options where no file says anything.
func Defaults() *Options {
	return &Options{
		Port: 22, AddressFamily: "any", ConnectionAttempts: 1,
		StrictHostKeyChecking: Ask, UpdateHostKeys: No, FingerprintHash: "sha256",
		PubkeyAuthentication: true, PasswordAuthentication: true, KbdInteractiveAuthentication: true,
		PreferredAuthentications: []string{"publickey", "keyboard-interactive", "password"},
		NumberOfPasswordPrompts:  3, AddKeysToAgent: No, ForwardAgent: No, RequiredRSASize: 1024,
		ServerAliveCountMax: 3, TCPKeepAlive: true,
		RequestTTY: Auto, SessionType: Default, EscapeChar: '~', LogLevel: "INFO",
		ControlMaster: No, CanonicalizeHostname: No,
		GlobalKnownHostsFile: []string{"/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2"},
		UserKnownHostsFile:   []string{"~/.ssh/known_hosts", "~/.ssh/known_hosts2"},
	}
}

// DefaultIdentityFiles is where a user's keys are when no IdentityFile says.
var DefaultIdentityFiles = []string{
	"~/.ssh/id_rsa", "~/.ssh/id_ecdsa", "~/.ssh/id_ecdsa_sk", "~/.ssh/id_ed25519", "~/.ssh/id_ed25519_sk",
}

// HostKeyName returns the name and port that the host's key is known by:
// "name:port", where an alias always stands with port 22.
func (o *Options) HostKeyName() (name string, port int) {
	if o.HostKeyAlias != "" {
		return o.HostKeyAlias, 22
	}
	return o.HostName, o.Port
}

// Verbosity orders the log levels: -2 for QUIET to 4 for DEBUG3.
func Verbosity(level string) int { return verbosity[level] }

var verbosity = map[string]int{
	"QUIET": -2, "FATAL": -1, "ERROR": -1, "INFO": 0, "VERBOSE": 1, "DEBUG1": 2, "DEBUG2": 3, "DEBUG3": 4,
}

var logLevels = map[string]string{
	"quiet": "QUIET", "fatal": "FATAL", "error": "ERROR", "info": "INFO", "verbose": "VERBOSE",
	"debug": "DEBUG1", "debug1": "DEBUG1", "debug2": "DEBUG2", "debug3": "DEBUG3",
}

func seconds(d time.Duration) string { return fmt.Sprint(int64(d / time.Second)) }
