package cmdline

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/fairlead-go/ssh/examples/internal/config"
)

// SSHUsage is what ssh prints when its command line is wrong.
const SSHUsage = `usage: ssh [-46AaCfGgKkMNnqsTtVvXxYy] [-B bind_interface] [-b bind_address]
           [-c cipher_spec] [-D [bind_address:]port] [-E log_file]
           [-e escape_char] [-F configfile] [-I pkcs11] [-i identity_file]
           [-J destination] [-L address] [-l login_name] [-m mac_spec]
           [-O ctl_cmd] [-o option] [-P tag] [-p port] [-Q query_option]
           [-R address] [-S ctl_path] [-W host:port] [-w local_tun[:remote_tun]]
           destination [command [argument ...]]
`

// SSH is ssh's command line.
type SSH struct {
	Host    string
	Command string // the words joined by spaces; "": none

	// Config is what the flags say as "Keyword=value" lines, in the order in
	// which the first one wins, for clientconfig.Source.CommandLine.
	Config     []string
	ConfigFile string // -F; "": not given; "none" reads no file
	LogFile    string // -E; "": standard error

	Query   string // -Q: print what is supported of this, and end
	Version bool   // -V: print the version and end
	Dump    bool   // -G: print the configuration and end

	Identities []string // -i, to warn of those that are not there
	Control    string   // -O
}

const sshFlags = "1246ab:c:e:fgi:kl:m:no:p:qstvxAB:CD:E:F:GI:J:KL:MNO:P:Q:R:S:TVw:W:XYy"

// ParseSSH reads args, the program's name not among them. It returns a
// *UsageError for which SSHUsage is to be printed, or another error that says enough.
func ParseSSH(args []string) (*SSH, error) {
	c := new(SSH)
	p := &sshParser{SSH: c, getopt: getopt{flags: sshFlags, args: args}}
	if err := p.parse(); err != nil {
		return nil, err
	}
	return c, nil
}

type sshParser struct {
	*SSH
	getopt

	verbose       int
	logLevel, tty string // the last flag wins, whatever -o says
	userSet       bool
}

func (p *sshParser) parse() error {
	for {
		flag, arg, ok, err := p.next()
		if err != nil {
			return err
		}
		if ok {
			if err := p.flag(flag, arg); err != nil {
				return err
			}
			if p.Version || p.Query != "" {
				return nil
			}
			continue
		}
		if p.Host != "" || len(p.args) == 0 {
			break
		}
		if err := p.destination(p.args[0]); err != nil {
			return err
		}
		p.args = p.args[1:]
		if p.ended {
			break
		}
	}
	if p.Host == "" {
		return usageError("")
	}
	p.Command = strings.Join(p.args, " ")
	front := make([]string, 0, 2)
	if p.logLevel != "" {
		front = append(front, "LogLevel="+p.logLevel)
	}
	if p.tty != "" {
		front = append(front, "RequestTTY="+p.tty)
	}
	p.Config = append(front, p.Config...)
	return nil
}

func (p *sshParser) set(keyword, value string) { p.Config = append(p.Config, keyword+"="+value) }

// quoted makes one word of a value for the configuration's word splitter.
func quoted(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

// plain maps the flags that stand for a keyword and a fixed value.
var plain = map[byte][2]string{
	'4': {"AddressFamily", "inet"}, '6': {"AddressFamily", "inet6"},
	'A': {"ForwardAgent", "yes"}, 'a': {"ForwardAgent", "no"},
	'C': {"Compression", "yes"}, 'f': {"ForkAfterAuthentication", "yes"}, 'g': {"GatewayPorts", "yes"},
	'K': {"GSSAPIAuthentication", "yes"}, 'k': {"GSSAPIDelegateCredentials", "no"}, 'M': {"ControlMaster", "yes"},
	'N': {"SessionType", "none"}, 's': {"SessionType", "subsystem"}, 'n': {"StdinNull", "yes"},
	'X': {"ForwardX11", "yes"}, 'x': {"ForwardX11", "no"}, 'Y': {"ForwardX11Trusted", "yes"},
}

// valued maps the flags that stand for a keyword and their argument.
var valued = map[byte]string{
	'b': "BindAddress", 'B': "BindInterface", 'c': "Ciphers", 'D': "DynamicForward", 'e': "EscapeChar",
	'i': "IdentityFile", 'I': "PKCS11Provider", 'J': "ProxyJump", 'L': "LocalForward", 'm': "MACs",
	'P': "Tag", 'R': "RemoteForward", 'S': "ControlPath", 'w': "TunnelDevice",
}

func (p *sshParser) flag(flag byte, arg string) error {
	if kv, ok := plain[flag]; ok {
		p.set(kv[0], kv[1])
		if flag == 'f' {
			p.set("StdinNull", "yes")
		}
		return nil
	}
	if keyword, ok := valued[flag]; ok {
		if arg == "" {
			return usageError("option requires an argument -- %c", flag)
		}
		if flag == 'i' {
			p.Identities = append(p.Identities, arg)
		}
		p.set(keyword, quoted(arg))
		return nil
	}
	switch flag {
	case '1':
		return errors.New("SSH protocol v.1 is no longer supported")
	case '2', 'y':
	case 'E':
		p.LogFile = arg
	case 'F':
		p.ConfigFile = arg
	case 'G':
		p.Dump = true
	case 'l':
		if err := checkUser(arg); err != nil {
			return err
		}
		p.setUser(arg)
	case 'O':
		p.Control = arg
	case 'o':
		p.Config = append(p.Config, arg)
	case 'p':
		if n, err := config.ParsePort(arg); err != nil || n == 0 {
			return fmt.Errorf("Bad port '%s'", config.Printable(arg)) //nolint:staticcheck // OpenSSH's words
		}
		p.set("Port", arg)
	case 'Q':
		p.Query = arg
	case 'q':
		p.logLevel = "QUIET"
	case 'v':
		p.verbose = min(p.verbose+1, 3)
		p.logLevel = fmt.Sprintf("DEBUG%d", p.verbose)
	case 't':
		if p.tty == "yes" {
			p.tty = "force"
		} else if p.tty != "force" {
			p.tty = "yes"
		}
	case 'T':
		p.tty = "no"
	case 'V':
		p.Version = true
	case 'W':
		if _, port, err := config.SplitHostPort(arg); err != nil || port <= 0 {
			return fmt.Errorf("Bad stdio forwarding specification '%s'", config.Printable(arg)) //nolint:staticcheck // OpenSSH's words
		}
		p.set("StdioForward", quoted(arg))
		p.set("SessionType", "none")
		p.set("ExitOnForwardFailure", "yes")
		p.set("ClearAllForwardings", "yes")
		p.tty = "no"
	}
	return nil
}

func (p *sshParser) setUser(user string) {
	if !p.userSet {
		p.set("User", quoted(user))
		p.userSet = true
	}
}

// destination reads [user@]host or ssh://[user@]host[:port][/].
func (p *sshParser) destination(s string) error {
	host, user, port := s, "", ""
	if rest, ok := strings.CutPrefix(s, "ssh://"); ok {
		var err error
		if user, host, port, err = parseURI(rest); err != nil {
			return err
		}
	} else if i := strings.LastIndexByte(s, '@'); i >= 0 {
		user, host = s[:i], s[i+1:]
		if user == "" {
			return usageError("")
		}
	}
	if user != "" {
		if err := checkUser(user); err != nil {
			return err
		}
		p.setUser(user)
	}
	if port != "" {
		p.set("Port", port)
	}
	if host == "" {
		return usageError("")
	}
	if err := checkHost(host); err != nil {
		return err
	}
	p.Host = host
	return nil
}

func parseURI(s string) (user, host, port string, err error) {
	bad := usageError("bad URI ssh://%s", config.Printable(s))
	authority, path, _ := strings.Cut(s, "/")
	if path != "" {
		return "", "", "", bad
	}
	if i := strings.LastIndexByte(authority, '@'); i >= 0 {
		user, authority = authority[:i], authority[i+1:]
		user, _, _ = strings.Cut(user, ";") // ;fingerprint= and the like
		if user, err = url.PathUnescape(user); err != nil || user == "" {
			return "", "", "", bad
		}
	}
	host, n, err := config.SplitHostPort(authority)
	if err != nil || host == "" || n == 0 {
		return "", "", "", bad
	}
	if host, err = url.PathUnescape(host); err != nil {
		return "", "", "", bad
	}
	if n > 0 {
		port = fmt.Sprint(n)
	}
	return user, host, port, nil
}

// checkUser refuses what a shell would not take as a plain word, for the name
// may reach ProxyCommand, LocalCommand and Match exec.
func checkUser(s string) error {
	if strings.HasPrefix(s, "-") || strings.HasSuffix(s, `\`) || strings.ContainsAny(s, "'`\";&<>|(){}") ||
		slices.ContainsFunc([]byte(s), isControl) || strings.Contains(s, " -") || strings.Contains(s, "\t-") {
		return errors.New("remote username contains invalid characters")
	}
	return nil
}

func checkHost(s string) error {
	if strings.HasPrefix(s, "-") || strings.ContainsAny(s, "'`\"$\\;&<>|(){} \t") || slices.ContainsFunc([]byte(s), isControl) {
		return errors.New("hostname contains invalid characters")
	}
	return nil
}

func isControl(c byte) bool { return c < ' ' || c == 0x7f }
