package serverconfig

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fairlead-go/ssh/examples/internal/config"
)

type (
	opts    = Options
	keyword = config.Keyword[opts]
)

func boolean(name string, f func(*opts) *bool) keyword     { return config.Bool(name, f) }
func text(name string, f func(*opts) *string) keyword      { return config.String(name, f) }
func list(name string, f func(*opts) *config.List) keyword { return config.Algorithms(name, f) }

func adding(name string, f func(*opts) *[]string) keyword { return config.Strings(name, true, f) }

func enum(name string, f func(*opts) *string, values ...string) keyword {
	means := map[string]string{}
	for _, v := range values {
		as, value, renamed := strings.Cut(v, "=")
		if !renamed {
			value = v
		}
		means[as] = value
	}
	return config.Enum(name, means, f)
}

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
		Show: func(o *opts) []string { return []string{strconv.FormatInt(int64(*f(o)/time.Second), 10)} },
	}
}

func commandOf(name string, f func(*opts) *string) keyword { return config.Command(name, f) }

var forwarding = []string{"yes", "no", "local", "remote", "all=yes", "true=yes", "false=no"}

// global is the keywords that may not stand in a Match block.
var global = []keyword{
	{
		Name: "Port", Repeat: true,
		Set: func(o *opts, a []string) error {
			p, err := config.ParsePort(a[0])
			if err == nil && len(o.Port) >= 256 {
				err = errors.New("too many ports")
			}
			o.Port = append(o.Port, p)
			return err
		},
		Show: func(o *opts) (s []string) {
			for _, p := range o.Port {
				s = append(s, strconv.Itoa(p))
			}
			return s
		},
	},
	enum("AddressFamily", func(o *opts) *string { return &o.AddressFamily }, "any", "inet", "inet6"),
	{
		Name: "ListenAddress", Repeat: true, Many: true, // "rdomain NAME" may follow; it is not ours
		Set: func(o *opts, a []string) error {
			if len(a) != 1 {
				return errors.New("extra arguments at end of line")
			}
			if _, _, err := config.SplitHostPort(a[0]); err != nil {
				return err
			}
			o.ListenAddress = append(o.ListenAddress, a[0])
			return nil
		},
		Show: func(o *opts) []string { _, a := o.Listen(); return a },
	},
	text("PidFile", func(o *opts) *string { return &o.PidFile }),
	boolean("StrictModes", func(o *opts) *bool { return &o.StrictModes }),
	config.Strings("HostKey", true, func(o *opts) *[]string { return &o.HostKey }),
	config.Strings("HostCertificate", true, func(o *opts) *[]string { return &o.HostCertificate }),
	text("HostKeyAgent", func(o *opts) *string { return &o.HostKeyAgent }),
	text("SecurityKeyProvider", func(o *opts) *string { return &o.SecurityKeyProvider }),
	text("ModuliFile", func(o *opts) *string { return &o.ModuliFile }),
	duration("LoginGraceTime", func(o *opts) *time.Duration { return &o.LoginGraceTime }),
	{
		Name: "MaxStartups",
		Set:  func(o *opts, a []string) (err error) { o.MaxStartups, err = parseStartups(a[0]); return err },
		Show: func(o *opts) []string {
			s := o.MaxStartups
			return []string{fmt.Sprintf("%d:%d:%d", s.Begin, s.Rate, s.Full)}
		},
	},
	{
		Name: "PerSourceMaxStartups",
		Set: func(o *opts, a []string) (err error) {
			if !strings.EqualFold(a[0], None) {
				o.PerSourceMaxStartups, err = config.ParseInt(a[0], 0, 1<<30)
			}
			return err
		},
	},
	list("Ciphers", func(o *opts) *config.List { return &o.Ciphers }),
	list("MACs", func(o *opts) *config.List { return &o.MACs }),
	list("KexAlgorithms", func(o *opts) *config.List { return &o.KexAlgorithms }),
	list("HostKeyAlgorithms", func(o *opts) *config.List { return &o.HostKeyAlgorithms }),
	enum("Compression", func(o *opts) *string { return &o.Compression }, "yes", "no", "delayed=yes", "true=yes", "false=no"),
	boolean("TCPKeepAlive", func(o *opts) *bool { return &o.TCPKeepAlive }),
	enum("FingerprintHash", func(o *opts) *string { return &o.FingerprintHash }, "md5", "sha256"),
	boolean("PrintMotd", func(o *opts) *bool { return &o.PrintMotd }),
	boolean("PrintLastLog", func(o *opts) *bool { return &o.PrintLastLog }),
	text("PermitUserEnvironment", func(o *opts) *string { return &o.PermitUserEnvironment }),
	boolean("UseDNS", func(o *opts) *bool { return &o.UseDNS }),
	{Name: "VersionAddendum", Raw: true, Set: func(o *opts, a []string) error { o.VersionAddendum = a[0]; return nil }},
	{
		Name: "Subsystem", Raw: true, Repeat: true,
		Set: func(o *opts, a []string) error {
			words, err := config.Split(a[0])
			if err != nil {
				return err
			}
			if len(words) < 2 {
				return errors.New("missing subsystem command")
			}
			if _, there := o.SubsystemCommand(words[0]); there {
				return fmt.Errorf("subsystem '%s' already defined", config.Printable(words[0]))
			}
			// The command goes to a shell as written, except that one quoted path loses its quotes.
			command := words[1]
			if len(words) > 2 {
				command = strings.TrimLeft(strings.TrimSpace(a[0])[len(words[0]):], " \t")
			}
			o.Subsystem = append(o.Subsystem, Subsystem{words[0], command})
			return nil
		},
		Show: func(o *opts) (s []string) {
			for _, sub := range o.Subsystem {
				s = append(s, sub.Name+" "+sub.Command)
			}
			return s
		},
	},
	duration("UnusedConnectionTimeout", func(o *opts) *time.Duration { return &o.UnusedConnectionTimeout }),
}

// matchable is the keywords that may stand in a Match block.
var matchable = []keyword{
	config.Enum("LogLevel", map[string]string{
		"quiet": "QUIET", "fatal": "FATAL", "error": "ERROR", "info": "INFO", "verbose": "VERBOSE",
		"debug": "DEBUG1", "debug1": "DEBUG1", "debug2": "DEBUG2", "debug3": "DEBUG3",
	}, func(o *opts) *string { return &o.LogLevel }),
	{
		Name: "AuthorizedKeysFile", Many: true,
		Set:  func(o *opts, a []string) error { o.AuthorizedKeysFile = slices.Clone(a); return nil },
		Show: func(o *opts) []string { return []string{strings.Join(o.AuthorizedKeysFile, " ")} },
	},
	commandOf("AuthorizedKeysCommand", func(o *opts) *string { return &o.AuthorizedKeysCommand }),
	text("AuthorizedKeysCommandUser", func(o *opts) *string { return &o.AuthorizedKeysCommandUser }),
	text("AuthorizedPrincipalsFile", func(o *opts) *string { return &o.AuthorizedPrincipalsFile }),
	commandOf("AuthorizedPrincipalsCommand", func(o *opts) *string { return &o.AuthorizedPrincipalsCommand }),
	text("AuthorizedPrincipalsCommandUser", func(o *opts) *string { return &o.AuthorizedPrincipalsCmdUser }),
	text("TrustedUserCAKeys", func(o *opts) *string { return &o.TrustedUserCAKeys }),
	text("RevokedKeys", func(o *opts) *string { return &o.RevokedKeys }),
	{
		Name: "AuthenticationMethods", Many: true,
		Set: func(o *opts, a []string) error { return setMethods(o, a) },
		Show: func(o *opts) []string {
			if len(o.AuthenticationMethods) == 0 {
				return []string{"any"}
			}
			return []string{strings.Join(o.AuthenticationMethods, " ")}
		},
	},
	boolean("PubkeyAuthentication", func(o *opts) *bool { return &o.PubkeyAuthentication }),
	{
		Name: "PubkeyAuthOptions", Many: true,
		Set: func(o *opts, a []string) error {
			for _, option := range a {
				switch strings.ToLower(option) {
				case None:
				case "touch-required":
					o.TouchRequired = true
				case "verify-required":
					o.VerifyRequired = true
				default:
					return fmt.Errorf("unsupported PubkeyAuthOptions option %s", config.Printable(option))
				}
			}
			return nil
		},
		Show: func(o *opts) []string {
			var s []string
			if o.TouchRequired {
				s = append(s, "touch-required")
			}
			if o.VerifyRequired {
				s = append(s, "verify-required")
			}
			if s == nil {
				return []string{None}
			}
			return s
		},
	},
	boolean("PasswordAuthentication", func(o *opts) *bool { return &o.PasswordAuthentication }),
	boolean("KbdInteractiveAuthentication", func(o *opts) *bool { return &o.KbdInteractiveAuthentication }),
	boolean("HostbasedAuthentication", func(o *opts) *bool { return &o.HostbasedAuthentication }),
	boolean("PermitEmptyPasswords", func(o *opts) *bool { return &o.PermitEmptyPasswords }),
	enum("PermitRootLogin", func(o *opts) *string { return &o.PermitRootLogin },
		"yes", "no", "prohibit-password", "without-password=prohibit-password", "forced-commands-only"),
	adding("AllowUsers", func(o *opts) *[]string { return &o.AllowUsers }),
	adding("DenyUsers", func(o *opts) *[]string { return &o.DenyUsers }),
	adding("AllowGroups", func(o *opts) *[]string { return &o.AllowGroups }),
	adding("DenyGroups", func(o *opts) *[]string { return &o.DenyGroups }),
	config.Int("MaxAuthTries", 1, 1<<20, func(o *opts) *int { return &o.MaxAuthTries }),
	config.Int("MaxSessions", 0, 1<<20, func(o *opts) *int { return &o.MaxSessions }),
	duration("ClientAliveInterval", func(o *opts) *time.Duration { return &o.ClientAliveInterval }),
	config.Int("ClientAliveCountMax", 0, 1<<20, func(o *opts) *int { return &o.ClientAliveCountMax }),
	boolean("ExposeAuthInfo", func(o *opts) *bool { return &o.ExposeAuthInfo }),
	list("PubkeyAcceptedAlgorithms", func(o *opts) *config.List { return &o.PubkeyAcceptedAlgorithms }),
	list("HostbasedAcceptedAlgorithms", func(o *opts) *config.List { return &o.HostbasedAcceptedAlgorithms }),
	list("CASignatureAlgorithms", func(o *opts) *config.List { return &o.CASignatureAlgorithms }),
	config.Int("RequiredRSASize", 0, 16384, func(o *opts) *int { return &o.RequiredRSASize }),
	{
		Name: "RekeyLimit", Many: true,
		Set:  func(o *opts, a []string) (err error) { o.RekeyLimit, err = config.ParseRekey(a); return err },
		Show: func(o *opts) []string { return []string{o.RekeyLimit.String()} },
	},
	enum("AllowTcpForwarding", func(o *opts) *string { return &o.AllowTCPForwarding }, forwarding...),
	enum("AllowStreamLocalForwarding", func(o *opts) *string { return &o.AllowStreamLocalForwarding }, forwarding...),
	boolean("AllowAgentForwarding", func(o *opts) *bool { return &o.AllowAgentForwarding }),
	boolean("DisableForwarding", func(o *opts) *bool { return &o.DisableForwarding }),
	enum("GatewayPorts", func(o *opts) *string { return &o.GatewayPorts }, "yes", "no", "clientspecified", "true=yes", "false=no"),
	{
		Name: "PermitOpen", Many: true, Set: func(o *opts, a []string) error { return setPermits(&o.PermitOpen, a, true) },
		Show: func(o *opts) []string { return showPermits(o.PermitOpen) },
	},
	{
		Name: "PermitListen", Many: true, Set: func(o *opts, a []string) error { return setPermits(&o.PermitListen, a, false) },
		Show: func(o *opts) []string { return showPermits(o.PermitListen) },
	},
	enum("PermitTunnel", func(o *opts) *string { return &o.PermitTunnel }, "yes", "no", "point-to-point", "ethernet"),
	boolean("PermitTTY", func(o *opts) *bool { return &o.PermitTTY }),
	boolean("PermitUserRC", func(o *opts) *bool { return &o.PermitUserRC }),
	commandOf("ForceCommand", func(o *opts) *string { return &o.ForceCommand }),
	text("ChrootDirectory", func(o *opts) *string { return &o.ChrootDirectory }),
	text("Banner", func(o *opts) *string { return &o.Banner }),
	adding("AcceptEnv", func(o *opts) *[]string { return &o.AcceptEnv }),
	{
		Name: "SetEnv", Many: true,
		Set: func(o *opts, a []string) error {
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
		},
		Show: func(o *opts) []string { return o.SetEnv },
	},
	boolean("X11Forwarding", func(o *opts) *bool { return &o.X11Forwarding }),
	boolean("StreamLocalBindUnlink", func(o *opts) *bool { return &o.StreamLocalBindUnlink }),
	config.Strings("ChannelTimeout", false, func(o *opts) *[]string { return &o.ChannelTimeout }),
}

// table is every keyword that sshd_config(5) has, but Match and Include. The
// privilege separation, PAM and other mechanisms that are not here are accepted.
var table = func() config.Table[opts] {
	all := slices.Clone(global)
	for _, k := range matchable {
		k.InMatch = true
		all = append(all, k)
	}
	all = append(all, config.Ignored[opts](
		"UsePAM", "UsePrivilegeSeparation", "UseLogin", "Protocol", "ServerKeyBits", "KeyRegenerationInterval",
		"RhostsRSAAuthentication", "RSAAuthentication", "RhostsAuthentication", "SyslogFacility", "IPQoS", "X11DisplayOffset",
		"X11UseLocalhost", "XAuthLocation", "LogVerbose", "PAMServiceName", "DebianBanner", "GSSAPIAuthentication",
		"GSSAPICleanupCredentials", "GSSAPIKeyExchange", "GSSAPIStrictAcceptorCheck", "GSSAPIStoreCredentialsOnRekey",
		"KerberosAuthentication", "KerberosGetAFSToken", "KerberosOrLocalPasswd", "KerberosTicketCleanup", "IgnoreRhosts",
		"IgnoreUserKnownHosts", "HostbasedUsesNameFromPacketOnly", "PerSourceNetBlockSize", "PerSourcePenalties",
		"PerSourcePenaltyExemptList", "RDomain", "SshdSessionPath",
		"SshdAuthPath", "StreamLocalBindMask", "RefuseConnection", "CheckMail", "VerifyReverseMapping",
		"ReverseMappingCheck", "AuthorizedKeysFile2", "GSSAPIIndicators", "WarnWeakCrypto",
	)...)
	return config.MakeTable(all, map[string]string{
		"ChallengeResponseAuthentication": "KbdInteractiveAuthentication",
		"SkeyAuthentication":              "KbdInteractiveAuthentication",
		"DSAAuthentication":               "PubkeyAuthentication",
		"HostDSAKey":                      "HostKey",
		"KeepAlive":                       "TCPKeepAlive",
		"PubkeyAcceptedKeyTypes":          "PubkeyAcceptedAlgorithms",
		"HostbasedAcceptedKeyTypes":       "HostbasedAcceptedAlgorithms",
	})
}()

func parseStartups(s string) (Startups, error) {
	parts := strings.Split(s, ":")
	n := make([]int, len(parts))
	for i, p := range parts {
		var err error
		if n[i], err = config.ParseInt(p, 1, 1<<30); err != nil {
			return Startups{}, fmt.Errorf("illegal MaxStartups spec: %w", err)
		}
	}
	switch {
	case len(n) == 1:
		return Startups{n[0], 100, n[0]}, nil
	case len(n) == 3 && n[0] <= n[2] && n[1] <= 100:
		return Startups{n[0], n[1], n[2]}, nil
	}
	return Startups{}, errors.New("illegal MaxStartups spec")
}

func setMethods(o *opts, a []string) error {
	for _, methods := range a {
		if (methods == "any") && len(a) > 1 {
			return errors.New("\"any\" must appear alone in AuthenticationMethods")
		}
		for m := range strings.SplitSeq(methods, ",") {
			name, _, _ := strings.Cut(m, ":")
			if !slices.Contains([]string{"any", "none", "publickey", "password", "keyboard-interactive", "hostbased", "gssapi-with-mic"}, name) {
				return fmt.Errorf("unknown authentication method %s", config.Printable(m))
			}
		}
	}
	o.AuthenticationMethods = slices.Clone(a)
	return nil
}

// setPermits checks host:port words; "any" allows all, "none" nothing.
func setPermits(to *[]string, a []string, needHost bool) error {
	if len(a) == 1 && (a[0] == "any" || a[0] == "none") {
		*to = slices.Clone(a)
		return nil
	}
	for _, p := range a {
		host, port := "", p
		if i := strings.LastIndexByte(p, ':'); i >= 0 {
			host, port = p[:i], p[i+1:]
		} else if needHost {
			return fmt.Errorf("missing host in %s", config.Printable(p))
		}
		if needHost && host == "" {
			return fmt.Errorf("missing host in %s", config.Printable(p))
		}
		if _, err := config.ParsePort(port); err != nil && port != "*" {
			return err
		}
	}
	*to = slices.Clone(a)
	return nil
}

func showPermits(v []string) []string {
	if len(v) == 0 {
		return []string{"any"}
	}
	return []string{strings.Join(v, " ")}
}
