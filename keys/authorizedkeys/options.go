package authorizedkeys

import (
	"errors"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/fairlead-go/ssh/keys/internal/keyline"
	"github.com/fairlead-go/ssh/keys/internal/textfile"
)

// Options are what a line says before its key. The zero value is that of a line
// with a key alone, which restricts nothing.
type Options struct {
	// Command is to be run whatever the client asks for, where HasCommand is
	// set; it may be empty.
	Command    string
	HasCommand bool
	// Environment holds "NAME=value" strings, each name once. Names consist of
	// ASCII letters, digits and underscores.
	Environment []string
	// From holds the patterns that the client's address or name must match; see
	// [Options.AllowsFrom]. Nil lets all in, empty but not nil none.
	From []string
	// ExpiryTime is the last second at which the key is accepted. Zero means
	// that it does not expire.
	ExpiryTime time.Time

	// CertAuthority: the key certifies others and does not log in itself.
	CertAuthority bool
	// Principals, where not nil, holds the names of which a certificate must
	// have one. A line has it beside cert-authority only.
	Principals []string

	// Restrict: the line said restrict. It has no meaning of its own, since it
	// is in the fields below, save what later options of the line gave back.
	Restrict          bool
	NoPTY             bool
	NoPortForwarding  bool
	NoAgentForwarding bool
	NoX11Forwarding   bool
	NoUserRC          bool

	// PermitOpen, where not nil, holds all the destinations that may be
	// connected to, as "host:port", where the port may be "*". IPv6 addresses
	// are in brackets.
	PermitOpen []string
	// PermitListen, where not nil, holds all the addresses that may be listened
	// on, in the same form. The host is "*" where the file gives only a port.
	PermitListen []string
	// Tunnel, where not empty, is the one tun device that may be used: a
	// number, or "any".
	Tunnel string

	// NoTouchRequired: a signature by a security key counts even if no one
	// touched it.
	NoTouchRequired bool
	// VerifyRequired: a security key must have verified its user, as by a PIN.
	VerifyRequired bool
}

var (
	errTwice    = errors.New("given twice")
	errEnv      = errors.New("not a name, an equals sign and a value")
	errPermit   = errors.New("not a host and a port")
	errTunnel   = errors.New("not a tun device")
	errOption   = errors.New("unknown option")
	errNoValue  = errors.New("needs a value")
	errHasValue = errors.New("takes no value")

	errPrincipals = errors.New("option principals without cert-authority")
)

// flags are the options without a value. Those that can be negated, with "no-"
// before the name, are called with false then.
var flags = map[string]struct {
	set       func(o *Options, on bool)
	negatable bool
}{
	"cert-authority":   {set: func(o *Options, on bool) { o.CertAuthority = on }},
	"restrict":         {set: func(o *Options, on bool) { o.restrict() }},
	"pty":              {func(o *Options, on bool) { o.NoPTY = !on }, true},
	"port-forwarding":  {func(o *Options, on bool) { o.NoPortForwarding = !on }, true},
	"agent-forwarding": {func(o *Options, on bool) { o.NoAgentForwarding = !on }, true},
	"x11-forwarding":   {func(o *Options, on bool) { o.NoX11Forwarding = !on }, true},
	"user-rc":          {func(o *Options, on bool) { o.NoUserRC = !on }, true},
	"touch-required":   {func(o *Options, on bool) { o.NoTouchRequired = !on }, true},
	"verify-required":  {func(o *Options, on bool) { o.VerifyRequired = on }, true},
}

func (o *Options) restrict() {
	o.Restrict = true
	o.NoPTY, o.NoPortForwarding, o.NoAgentForwarding, o.NoX11Forwarding, o.NoUserRC = true, true, true, true, true
}

// values are the options with a value.
var values = map[string]func(o *Options, value string) error{
	"command": func(o *Options, value string) error {
		if o.HasCommand {
			return errTwice
		}
		o.Command, o.HasCommand = value, true
		return nil
	},
	"environment": (*Options).addEnvironment,
	"from": func(o *Options, value string) error {
		if o.From != nil {
			return errTwice
		}
		o.From = strings.Split(value, ",")
		_, err := parseFrom(o.From)
		return err
	},
	"principals": func(o *Options, value string) error {
		if o.Principals != nil {
			return errTwice
		}
		o.Principals = strings.Split(value, ",")
		return nil
	},
	"expiry-time": func(o *Options, value string) error {
		t, err := keyline.ParseTime(value, time.Local)
		if err == nil && (o.ExpiryTime.IsZero() || t.Before(o.ExpiryTime)) {
			o.ExpiryTime = t
		}
		return err
	},
	"permitopen": func(o *Options, value string) error {
		permit, err := parsePermit(value)
		o.PermitOpen = append(o.PermitOpen, permit)
		return err
	},
	"permitlisten": func(o *Options, value string) error {
		if !strings.Contains(value, ":") {
			value = "*:" + value
		}
		permit, err := parsePermit(value)
		o.PermitListen = append(o.PermitListen, permit)
		return err
	},
	"tunnel": func(o *Options, value string) error {
		if textfile.Lower(value) == "any" {
			o.Tunnel = "any"
			return nil
		}
		// The two greatest numbers mean "any" and an error in OpenSSH.
		n, err := parseDecimal(value, math.MaxInt32-2)
		if err != nil {
			return errTunnel
		}
		o.Tunnel = strconv.Itoa(n)
		return nil
	},
}

// parseOptions parses options with commas between. Empty ones are let pass, as
// sshd does it. Whatever else is not known makes the whole an error, since it
// may have been meant to restrict.
func parseOptions(s string) (*Options, error) {
	o := new(Options)
	if err := keyline.Options(s, o.set); err != nil {
		return nil, err
	}
	if o.Principals != nil && !o.CertAuthority {
		return nil, errPrincipals
	}
	return o, nil
}

func (o *Options) set(name, value string, hasValue bool) error {
	if hasValue {
		return o.setValue(name, value)
	}
	return o.setFlag(name)
}

func (o *Options) setFlag(name string) error {
	flag, ok := flags[name]
	on := true
	if !ok {
		if name, negated := strings.CutPrefix(name, "no-"); negated {
			flag = flags[name]
			ok, on = flag.negatable, false
		}
	}
	if !ok {
		if values[name] != nil {
			return errNoValue
		}
		return errOption
	}
	flag.set(o, on)
	return nil
}

func (o *Options) setValue(name, value string) error {
	if set := values[name]; set != nil {
		return set(o, value)
	}
	if _, ok := flags[strings.TrimPrefix(name, "no-")]; ok {
		return errHasValue
	}
	return errOption
}

// addEnvironment takes the first value of each name.
func (o *Options) addEnvironment(value string) error {
	name, _, ok := strings.Cut(value, "=")
	if !ok || name == "" {
		return errEnv
	}
	for _, c := range []byte(name) {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '_' {
			return errEnv
		}
	}
	for _, had := range o.Environment {
		if strings.HasPrefix(had, name) && had[len(name)] == '=' {
			return nil
		}
	}
	o.Environment = append(o.Environment, value)
	return nil
}

// maxHost is NI_MAXHOST, past which sshd refuses a host name.
const maxHost = 1024

// parsePermit checks "host:port" or "host/port" and returns it in the first
// form. Host is empty, a name, an IPv4 address or anything in brackets.
func parsePermit(s string) (string, error) {
	var end int
	if strings.HasPrefix(s, "[") {
		end = strings.IndexByte(s, ']') + 1
	} else {
		end = strings.IndexAny(s, ":/")
	}
	if end < 0 || end >= len(s) || end > maxHost || s[end] != ':' && s[end] != '/' {
		return "", errPermit
	}
	host, port := s[:end], s[end+1:]
	if port == "*" {
		return host + ":*", nil
	}
	n, err := parseDecimal(port, math.MaxUint16)
	if err != nil || n == 0 {
		return "", errPermit
	}
	return host + ":" + strconv.Itoa(n), nil
}

// parseDecimal parses a number of at most limit, of digits alone.
func parseDecimal(s string, limit int) (int, error) {
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return 0, strconv.ErrSyntax
		}
	}
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil || n > uint64(limit) {
		return 0, strconv.ErrRange
	}
	return int(n), nil
}
