package clientconfig

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/fairlead-go/ssh/examples/internal/config"
)

type (
	opts    = Options
	keyword = config.Keyword[opts]
)

func boolean(name string, f func(*opts) *bool) keyword   { return config.Bool(name, f) }
func text(name string, f func(*opts) *string) keyword    { return config.String(name, f) }
func words(name string, f func(*opts) *[]string) keyword { return config.Strings(name, false, f) }
func list(name string, f func(*opts) *config.List) keyword {
	return config.Algorithms(name, f)
}

func enum(name string, f func(*opts) *string, values ...string) keyword {
	means := make(map[string]string)
	for _, v := range values {
		as, value, renamed := strings.Cut(v, "=")
		if !renamed {
			value = v
		}
		means[as] = value
	}
	return config.Enum(name, means, f)
}

// duration is a time whose "none" is 0.
func duration(name string, f func(*opts) *time.Duration) keyword {
	return keyword{
		Name: name,
		Set: func(o *opts, a []string) (err error) {
			if strings.EqualFold(a[0], None) {
				*f(o) = 0
				return nil
			}
			*f(o), err = config.ParseTime(a[0])
			return err
		},
		Show: func(o *opts) []string { return []string{seconds(*f(o))} },
	}
}

// file is a String whose lines add up, as IdentityFile's do.
func files(name string, f func(*opts) *[]string, after func(*opts)) keyword {
	return keyword{
		Name: name, Repeat: true,
		Set: func(o *opts, a []string) error {
			if !slices.Contains(*f(o), a[0]) {
				*f(o) = append(*f(o), a[0])
			}
			if after != nil {
				after(o)
			}
			return nil
		},
		Show: func(o *opts) []string { return *f(o) },
	}
}

func forwards(name string, dynamic, listenZero bool, f func(*opts) *[]config.Forward) keyword {
	return keyword{
		Name: name, Many: true, Repeat: true,
		Set: func(o *opts, a []string) error {
			if len(a) > 2 {
				return errors.New("extra arguments at end of line")
			}
			fwd, err := config.ParseForward(strings.Join(a, ":"), dynamic, listenZero)
			if err == nil {
				*f(o) = append(*f(o), fwd)
			}
			return err
		},
		Show: func(o *opts) (lines []string) {
			for _, fwd := range *f(o) {
				lines = append(lines, strings.TrimSpace(fwd.Listen()+" "+fwd.Destination()))
			}
			return lines
		},
	}
}

// replaced lets the first line replace a default that is not empty.
func replaced(k keyword, f func(*opts) *[]string) keyword {
	k.Set = func(o *opts, a []string) error {
		*f(o) = slices.Clone(a)
		return nil
	}
	return k
}

func commaList(name string, f func(*opts) *[]string) keyword {
	return keyword{
		Name: name,
		Set:  func(o *opts, a []string) error { *f(o) = strings.Split(a[0], ","); return nil },
		Show: func(o *opts) []string { return []string{strings.Join(*f(o), ",")} },
	}
}

var yesNoAsk = []string{"yes", "no", "ask", "true=yes", "false=no"}

// table is every keyword that ssh_config(5) has, but Host, Match and Include.
var table = config.MakeTable(slices.Concat([]keyword{
	text("Hostname", func(o *opts) *string { return &o.HostName }),
	text("HostKeyAlias", func(o *opts) *string { return &o.HostKeyAlias }),
	config.Int("Port", 1, 65535, func(o *opts) *int { return &o.Port }),
	text("User", func(o *opts) *string { return &o.User }),
	enum("AddressFamily", func(o *opts) *string { return &o.AddressFamily }, "any", "inet", "inet6"),
	text("BindAddress", func(o *opts) *string { return &o.BindAddress }),
	text("BindInterface", func(o *opts) *string { return &o.BindInterface }),
	duration("ConnectTimeout", func(o *opts) *time.Duration { return &o.ConnectTimeout }),
	config.Int("ConnectionAttempts", 1, 1<<20, func(o *opts) *int { return &o.ConnectionAttempts }),
	config.Command("ProxyCommand", func(o *opts) *string { return &o.ProxyCommand }),
	text("ProxyJump", func(o *opts) *string { return &o.ProxyJump }),
	boolean("ProxyUseFdpass", func(o *opts) *bool { return &o.ProxyUseFdpass }),

	replaced(words("GlobalKnownHostsFile", func(o *opts) *[]string { return &o.GlobalKnownHostsFile }), func(o *opts) *[]string { return &o.GlobalKnownHostsFile }),
	replaced(words("UserKnownHostsFile", func(o *opts) *[]string { return &o.UserKnownHostsFile }), func(o *opts) *[]string { return &o.UserKnownHostsFile }),
	config.Command("KnownHostsCommand", func(o *opts) *string { return &o.KnownHostsCommand }),
	text("RevokedHostKeys", func(o *opts) *string { return &o.RevokedHostKeys }),
	enum("StrictHostKeyChecking", func(o *opts) *string { return &o.StrictHostKeyChecking }, "yes", "no", "ask", "accept-new", "true=yes", "false=no", "off=no"),
	boolean("CheckHostIP", func(o *opts) *bool { return &o.CheckHostIP }),
	boolean("HashKnownHosts", func(o *opts) *bool { return &o.HashKnownHosts }),
	enum("UpdateHostkeys", func(o *opts) *string { return &o.UpdateHostKeys }, yesNoAsk...),
	boolean("NoHostAuthenticationForLocalhost", func(o *opts) *bool { return &o.NoHostAuthForLocal }),
	boolean("VisualHostKey", func(o *opts) *bool { return &o.VisualHostKey }),
	enum("FingerprintHash", func(o *opts) *string { return &o.FingerprintHash }, "md5", "sha256"),
	enum("VerifyHostKeyDNS", func(o *opts) *string { return &o.VerifyHostKeyDNS }, yesNoAsk...),

	boolean("BatchMode", func(o *opts) *bool { return &o.BatchMode }),
	boolean("PubkeyAuthentication", func(o *opts) *bool { return &o.PubkeyAuthentication }),
	boolean("PasswordAuthentication", func(o *opts) *bool { return &o.PasswordAuthentication }),
	boolean("KbdInteractiveAuthentication", func(o *opts) *bool { return &o.KbdInteractiveAuthentication }),
	boolean("HostbasedAuthentication", func(o *opts) *bool { return &o.HostbasedAuthentication }),
	commaList("PreferredAuthentications", func(o *opts) *[]string { return &o.PreferredAuthentications }),
	config.Int("NumberOfPasswordPrompts", 1, 1<<20, func(o *opts) *int { return &o.NumberOfPasswordPrompts }),
	files("IdentityFile", func(o *opts) *[]string { return &o.IdentityFile }, func(o *opts) { o.IdentityFileGiven = true }),
	files("CertificateFile", func(o *opts) *[]string { return &o.CertificateFile }, nil),
	boolean("IdentitiesOnly", func(o *opts) *bool { return &o.IdentitiesOnly }),
	text("IdentityAgent", func(o *opts) *string { return &o.IdentityAgent }),
	{Name: "AddKeysToAgent", Many: true, Set: func(o *opts, a []string) error { o.AddKeysToAgent = strings.Join(a, " "); return nil }},
	text("ForwardAgent", func(o *opts) *string { return &o.ForwardAgent }),
	text("SecurityKeyProvider", func(o *opts) *string { return &o.SecurityKeyProvider }),
	text("PKCS11Provider", func(o *opts) *string { return &o.PKCS11Provider }),
	boolean("GSSAPIAuthentication", func(o *opts) *bool { return &o.GSSAPIAuthentication }),
	boolean("GSSAPIDelegateCredentials", func(o *opts) *bool { return &o.GSSAPIDelegateCredentials }),
	boolean("EnableSSHKeysign", func(o *opts) *bool { return &o.EnableSSHKeysign }),

	list("Ciphers", func(o *opts) *config.List { return &o.Ciphers }),
	list("MACs", func(o *opts) *config.List { return &o.MACs }),
	list("KexAlgorithms", func(o *opts) *config.List { return &o.KexAlgorithms }),
	list("HostKeyAlgorithms", func(o *opts) *config.List { return &o.HostKeyAlgorithms }),
	list("PubkeyAcceptedAlgorithms", func(o *opts) *config.List { return &o.PubkeyAcceptedAlgorithms }),
	list("HostbasedAcceptedAlgorithms", func(o *opts) *config.List { return &o.HostbasedAcceptedAlgorithms }),
	list("CASignatureAlgorithms", func(o *opts) *config.List { return &o.CASignatureAlgorithms }),
	config.Int("RequiredRSASize", 0, 16384, func(o *opts) *int { return &o.RequiredRSASize }),
	{
		Name: "RekeyLimit", Many: true,
		Set:  func(o *opts, a []string) (err error) { o.RekeyLimit, err = config.ParseRekey(a); return err },
		Show: func(o *opts) []string { return []string{o.RekeyLimit.String()} },
	},
	boolean("Compression", func(o *opts) *bool { return &o.Compression }),

	duration("ServerAliveInterval", func(o *opts) *time.Duration { return &o.ServerAliveInterval }),
	config.Int("ServerAliveCountMax", 0, 1<<20, func(o *opts) *int { return &o.ServerAliveCountMax }),
	boolean("TCPKeepAlive", func(o *opts) *bool { return &o.TCPKeepAlive }),

	forwards("LocalForward", false, false, func(o *opts) *[]config.Forward { return &o.LocalForward }),
	forwards("RemoteForward", true, true, func(o *opts) *[]config.Forward { return &o.RemoteForward }),
	dynamicForward(),
	boolean("GatewayPorts", func(o *opts) *bool { return &o.GatewayPorts }),
	boolean("ExitOnForwardFailure", func(o *opts) *bool { return &o.ExitOnForwardFailure }),
	boolean("ClearAllForwardings", func(o *opts) *bool { return &o.ClearAllForwardings }),
	boolean("StreamLocalBindUnlink", func(o *opts) *bool { return &o.StreamLocalUnlink }),
	text("StreamLocalBindMask", func(o *opts) *string { return &o.StreamLocalBindMask }),
	words("PermitRemoteOpen", func(o *opts) *[]string { return &o.PermitRemoteOpen }),

	enum("RequestTTY", func(o *opts) *string { return &o.RequestTTY }, "yes", "no", "force", "auto", "true=yes", "false=no"),
	enum("SessionType", func(o *opts) *string { return &o.SessionType }, "none", "subsystem", "default"),
	config.Command("RemoteCommand", func(o *opts) *string { return &o.RemoteCommand }),
	boolean("StdinNull", func(o *opts) *bool { return &o.StdinNull }),
	boolean("ForkAfterAuthentication", func(o *opts) *bool { return &o.ForkAfterAuthentication }),
	{
		Name: "EscapeChar",
		Set:  func(o *opts, a []string) (err error) { o.EscapeChar, err = parseEscape(a[0]); return err },
	},
	{Name: "SendEnv", Many: true, Repeat: true, Set: setSendEnv, Show: func(o *opts) []string { return o.SendEnv }},
	{Name: "SetEnv", Many: true, Set: setSetEnv, Show: func(o *opts) []string { return o.SetEnv }},
	config.Command("LocalCommand", func(o *opts) *string { return &o.LocalCommand }),
	boolean("PermitLocalCommand", func(o *opts) *bool { return &o.PermitLocalCommand }),
	config.Enum("LogLevel", logLevels, func(o *opts) *string { return &o.LogLevel }),
	words("LogVerbose", func(o *opts) *[]string { return &o.LogVerbose }),
	text("SyslogFacility", func(o *opts) *string { return &o.SyslogFacility }),

	boolean("ForwardX11", func(o *opts) *bool { return &o.ForwardX11 }),
	boolean("ForwardX11Trusted", func(o *opts) *bool { return &o.ForwardX11Trusted }),
	duration("ForwardX11Timeout", func(o *opts) *time.Duration { return &o.ForwardX11Timeout }),
	text("XAuthLocation", func(o *opts) *string { return &o.XAuthLocation }),
	enum("ControlMaster", func(o *opts) *string { return &o.ControlMaster }, "yes", "no", "ask", "auto", "autoask", "true=yes", "false=no"),
	text("ControlPath", func(o *opts) *string { return &o.ControlPath }),
	text("ControlPersist", func(o *opts) *string { return &o.ControlPersist }),
	boolean("EnableEscapeCommandline", func(o *opts) *bool { return &o.EnableEscapeCommandline }),
	text("IgnoreUnknown", func(o *opts) *string { return &o.IgnoreUnknown }),
	text("Tag", func(o *opts) *string { return &o.Tag }),
	text("ObscureKeystrokeTiming", func(o *opts) *string { return &o.ObscureKeystrokeTiming }),
	words("IPQoS", func(o *opts) *[]string { return &o.IPQoS }),
	enum("Tunnel", func(o *opts) *string { return &o.Tunnel }, "yes", "no", "true=yes", "false=no", "point-to-point", "ethernet"),
	text("TunnelDevice", func(o *opts) *string { return &o.TunnelDevice }),
	enum("CanonicalizeHostname", func(o *opts) *string { return &o.CanonicalizeHostname }, "yes", "no", "always", "none=no", "true=yes", "false=no"),
	config.Int("CanonicalizeMaxDots", 0, 1<<20, func(o *opts) *int { return &o.CanonicalizeMaxDots }),
	boolean("CanonicalizeFallbackLocal", func(o *opts) *bool { return &o.CanonicalizeFallbackLocal }),
	words("CanonicalDomains", func(o *opts) *[]string { return &o.CanonicalDomains }),
	words("CanonicalizePermittedCNAMEs", func(o *opts) *[]string { return &o.CanonicalizePermittedCNAMEs }),
	text("StdioForward", func(o *opts) *string { return &o.StdioForward }),
}, config.Ignored[opts](
	"Protocol", "Cipher", "UsePrivilegedPort", "UseRoaming", "RhostsRSAAuthentication", "RSAAuthentication",
	"FallBackToRsh", "UseRsh", "CompressionLevel", "SmartcardDevice", "ChannelTimeout", "GSSAPIKeyExchange",
	"GSSAPITrustDns", "GSSAPIServerIdentity", "GSSAPIClientIdentity", "GSSAPIRenewalForcesRekey", "GSSAPIKexAlgorithms",
	"VersionAddendum", "WarnWeakCrypto", "RefuseConnection",
)), map[string]string{
	"ChallengeResponseAuthentication": "KbdInteractiveAuthentication",
	"SkeyAuthentication":              "KbdInteractiveAuthentication",
	"TISAuthentication":               "KbdInteractiveAuthentication",
	"DSAAuthentication":               "PubkeyAuthentication",
	"IdentityFile2":                   "IdentityFile",
	"GlobalKnownHostsFile2":           "GlobalKnownHostsFile",
	"UserKnownHostsFile2":             "UserKnownHostsFile",
	"PubkeyAcceptedKeyTypes":          "PubkeyAcceptedAlgorithms",
	"HostbasedKeyTypes":               "HostbasedAcceptedAlgorithms",
	"HostbasedAcceptedKeyTypes":       "HostbasedAcceptedAlgorithms",
	"KeepAlive":                       "TCPKeepAlive",
})

func dynamicForward() keyword {
	k := forwards("DynamicForward", true, false, func(o *opts) *[]config.Forward { return &o.DynamicForward })
	add := k.Set
	k.Many = false
	k.Set = func(o *opts, a []string) error {
		if err := add(o, a); err != nil {
			return err
		}
		if last := o.DynamicForward[len(o.DynamicForward)-1]; !last.Dynamic {
			return fmt.Errorf("bad dynamic forwarding specification %s", config.Printable(a[0]))
		}
		return nil
	}
	return k
}

// parseEscape reads "none", "c" or "^c" (a control character).
func parseEscape(s string) (int, error) {
	switch {
	case s == None:
		return -1, nil
	case len(s) == 1:
		return int(s[0]), nil
	case len(s) == 2 && s[0] == '^' && s[1] >= 64 && s[1] < 128:
		return int(s[1] & 31), nil
	}
	return 0, fmt.Errorf("bad escape character %s", config.Printable(s))
}

// setSendEnv adds patterns; "-PATTERN" takes away those before it that match.
func setSendEnv(o *opts, a []string) error {
	for _, p := range a {
		if p == "" || strings.Contains(p, "=") {
			return fmt.Errorf("invalid environment name %s", config.Printable(p))
		}
		if out, remove := strings.CutPrefix(p, "-"); remove {
			o.SendEnv = slices.DeleteFunc(o.SendEnv, func(q string) bool { return config.MatchPattern(q, out) })
		} else {
			o.SendEnv = append(o.SendEnv, p)
		}
	}
	return nil
}

// setSetEnv takes NAME=value words; the first value of a name wins.
func setSetEnv(o *opts, a []string) error {
	for _, v := range a {
		name, _, ok := strings.Cut(v, "=")
		if !ok || name == "" {
			return fmt.Errorf("invalid environment setting %s", config.Printable(v))
		}
		if !slices.ContainsFunc(o.SetEnv, func(e string) bool { return strings.HasPrefix(e, name+"=") }) {
			o.SetEnv = append(o.SetEnv, v)
		}
	}
	return nil
}
