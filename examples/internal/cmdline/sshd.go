package cmdline

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/fairlead-go/ssh/examples/internal/config"
)

// SSHDUsage is what sshd prints when its command line is wrong.
const SSHDUsage = `usage: sshd [-46DdeGiqTtV] [-C connection_spec] [-c host_cert_file]
            [-E log_file] [-f config_file] [-g login_grace_time]
            [-h host_key_file] [-o option] [-p port] [-u len]
`

// SSHD is sshd's command line.
type SSHD struct {
	// Config is what the flags say as "Keyword=value" lines, for serverconfig.Load.
	Config     []string
	ConfigFile string // -f; "": not given; "none" reads no file
	LogFile    string // -E; "": not given

	Debug      int  // -d, up to 3: one connection, in the foreground, log on standard error
	Foreground bool // -D
	LogStderr  bool // -e
	Inetd      bool // -i: one connection, on standard input and output
	Quiet      bool // -q
	Test       bool // -t: check the configuration and keys, and end
	Dump       bool // -T: as -t, and print the configuration
	Version    bool // -V

	Spec map[string]string // -C: user, host, addr, laddr, lport, for -T
}

const sshdFlags = "46C:E:DGQRTVb:c:deg:f:h:ik:o:p:qrtu:"

// ParseSSHD reads args, the program's name not among them.
func ParseSSHD(args []string) (*SSHD, error) {
	c := new(SSHD)
	g := getopt{flags: sshdFlags, args: args}
	set := func(keyword, value string) { c.Config = append(c.Config, keyword+"="+value) }
	for {
		flag, arg, ok, err := g.next()
		if err != nil {
			return nil, err
		}
		if !ok {
			break
		}
		switch flag {
		case '4':
			set("AddressFamily", "inet")
		case '6':
			set("AddressFamily", "inet6")
		case 'C':
			if err := c.spec(arg); err != nil {
				return nil, err
			}
		case 'c':
			set("HostCertificate", quoted(arg))
		case 'D':
			c.Foreground = true
		case 'd':
			c.Debug = min(c.Debug+1, 3)
		case 'e':
			c.LogStderr = true
		case 'E':
			c.LogFile = arg
		case 'f':
			c.ConfigFile = arg
		case 'g':
			if _, err := config.ParseTime(arg); err != nil {
				return nil, fmt.Errorf("Invalid login grace time.") //nolint:staticcheck,revive // OpenSSH's words
			}
			set("LoginGraceTime", arg)
		case 'h':
			set("HostKey", quoted(arg))
		case 'i':
			c.Inetd = true
		case 'o':
			c.Config = append(c.Config, arg)
		case 'p':
			if n, err := strconv.Atoi(arg); err != nil || n < 1 || n > 65535 {
				return nil, fmt.Errorf("Bad port number.") //nolint:staticcheck,revive // OpenSSH's words
			}
			set("Port", arg)
		case 'q':
			c.Quiet = true
		case 'r': // never re-executes itself as it is
		case 'b', 'k', 'Q', 'u': // mean nothing since protocol 1
		case 't':
			c.Test = true
		case 'T', 'G':
			c.Dump = true
		case 'V':
			c.Version = true
		case 'R':
			return nil, usageError("-R is for sshd's own use")
		}
	}
	if len(g.args) > 0 {
		return nil, usageError("Extra argument %s.", config.Printable(g.args[0]))
	}
	if c.Debug > 0 {
		c.Config = append([]string{fmt.Sprintf("LogLevel=DEBUG%d", c.Debug)}, c.Config...)
	} else if c.Quiet {
		c.Config = append([]string{"LogLevel=QUIET"}, c.Config...)
	}
	return c, nil
}

// spec reads "key=value,…", as it stands after -C.
func (c *SSHD) spec(s string) error {
	if c.Spec == nil {
		c.Spec = make(map[string]string)
	}
	for part := range strings.SplitSeq(s, ",") {
		if part == "" {
			continue
		}
		key, value, ok := strings.Cut(part, "=")
		switch key {
		case "user", "host", "addr", "laddr", "lport", "rdomain":
			if !ok {
				return fmt.Errorf("Invalid test mode specification %s", config.Printable(part)) //nolint:staticcheck // OpenSSH's words
			}
			c.Spec[key] = value
		case "invalid-user":
			c.Spec[key] = ""
		default:
			return fmt.Errorf("Invalid test mode specification %s", config.Printable(part)) //nolint:staticcheck // OpenSSH's words
		}
	}
	return nil
}
