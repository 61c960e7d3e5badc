package auth

import (
	"errors"
	"fmt"
	"maps"
	"path"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/fairlead-go/ssh/keys"
)

// Permissions say what a login may do. A nil *Permissions, and the zero value,
// allow everything that the server's own configuration does; each field takes
// something away or fixes it. No callback can grant with it what the server
// does not offer.
type Permissions struct {
	// ForceCommand runs in place of whatever the client asks for: command,
	// shell or subsystem. Empty: the client chooses.
	ForceCommand string
	// Environment is set for the session, each entry as NAME=value.
	Environment []string

	NoPTY             bool
	NoPortForwarding  bool // neither direction
	NoAgentForwarding bool
	NoX11Forwarding   bool
	NoUserRC          bool

	// PermitOpen lists the only destinations of direct-tcpip, PermitListen the
	// only listening addresses of tcpip-forward, as host:port with * for any
	// host or any port; IPv6 addresses in brackets. PermitListen also takes a
	// bare port, for any host, and hosts that are patterns, with * for any
	// characters and ? for any one. nil: no limit. Empty but not nil: none at
	// all.
	PermitOpen, PermitListen []string

	// Tunnel is the only tun device that may be forwarded to: a number, or
	// "any", as the empty string. It is for the handler of such channels to
	// ask AllowsTunnel.
	Tunnel string

	// VerifyRequired: each security key of the login must have verified its
	// user, as by a PIN.
	VerifyRequired bool
	// NoTouchRequired: the security key that this login was proven with need
	// not have been touched. It gives, where all other fields take, and so
	// counts only in what the PublicKey callback returns for that key.
	NoTouchRequired bool

	// Values carry what the caller wants to find again in [Identity].
	Values map[string]any
}

// Clone returns a copy that shares nothing with p but what Values hold.
func (p *Permissions) Clone() *Permissions {
	if p == nil {
		return nil
	}
	c := *p
	c.Environment = slices.Clone(p.Environment)
	c.PermitOpen = slices.Clone(p.PermitOpen)
	c.PermitListen = slices.Clone(p.PermitListen)
	c.Values = maps.Clone(p.Values)
	return &c
}

// ErrConflict: two sets of permissions that cannot both hold. Authentication
// is then refused.
var ErrConflict = errors.New("auth: permissions contradict each other")

// Combine returns what both a and b allow: restrictions add up, lists of
// permitted addresses intersect, environments and values unite. It is how the
// permissions of several methods in a row become those of the login. Two
// different forced commands or tun devices, or different values for one
// variable or one key of Values, are an error that wraps [ErrConflict]. Neither
// argument changes.
func Combine(a, b *Permissions) (*Permissions, error) {
	if a == nil {
		return b.Clone(), nil
	}
	c := a.Clone()
	if b == nil {
		return c, nil
	}
	var ok bool
	switch {
	case c.ForceCommand == "":
		c.ForceCommand = b.ForceCommand
	case b.ForceCommand != "" && b.ForceCommand != c.ForceCommand:
		return nil, fmt.Errorf("%w: two forced commands", ErrConflict)
	}
	for _, entry := range b.Environment {
		name, _, _ := strings.Cut(entry, "=")
		i := slices.IndexFunc(c.Environment, func(have string) bool {
			n, _, _ := strings.Cut(have, "=")
			return n == name
		})
		if i < 0 {
			c.Environment = append(c.Environment, entry)
		} else if c.Environment[i] != entry {
			return nil, fmt.Errorf("%w: two values for environment variable %q", ErrConflict, name)
		}
	}
	c.NoPTY = c.NoPTY || b.NoPTY
	c.NoPortForwarding = c.NoPortForwarding || b.NoPortForwarding
	c.NoAgentForwarding = c.NoAgentForwarding || b.NoAgentForwarding
	c.NoX11Forwarding = c.NoX11Forwarding || b.NoX11Forwarding
	c.NoUserRC = c.NoUserRC || b.NoUserRC
	if c.Tunnel, ok = narrowerTunnel(c.Tunnel, b.Tunnel); !ok {
		return nil, fmt.Errorf("%w: two tun devices", ErrConflict)
	}
	c.VerifyRequired = c.VerifyRequired || b.VerifyRequired
	c.NoTouchRequired = c.NoTouchRequired && b.NoTouchRequired
	c.PermitOpen = intersect(c.PermitOpen, b.PermitOpen, false)
	c.PermitListen = intersect(c.PermitListen, b.PermitListen, true)
	for key, value := range b.Values {
		have, ok := c.Values[key]
		if ok && !reflect.DeepEqual(have, value) {
			return nil, fmt.Errorf("%w: two values for %q", ErrConflict, key)
		}
		if c.Values == nil {
			c.Values = make(map[string]any)
		}
		c.Values[key] = value
	}
	return c, nil
}

// skPolicy returns what the security key of a login must have asked its user.
func (p *Permissions) skPolicy() keys.SKPolicy {
	if p == nil {
		return keys.SKPolicy{}
	}
	return keys.SKPolicy{NoTouchRequired: p.NoTouchRequired, VerifyRequired: p.VerifyRequired}
}

// AllowsOpen reports whether direct-tcpip may go to host and port.
func (p *Permissions) AllowsOpen(host string, port uint32) bool {
	return p == nil || !p.NoPortForwarding && permits(p.PermitOpen, host, port, false)
}

// AllowsListen reports whether tcpip-forward may listen on host and port, as
// the client asked for them: an empty host is any interface, and port 0 is one
// that the server picks, which only a pattern with any port allows.
func (p *Permissions) AllowsListen(host string, port uint32) bool {
	return p == nil || !p.NoPortForwarding && permits(p.PermitListen, host, port, true)
}

// anyTunnel stands for every tun device, as the empty string does.
const anyTunnel = "any"

// AllowsTunnel reports whether packets may be forwarded to and from a tun
// device, by its number in decimal; an empty device is one that the server
// picks.
func (p *Permissions) AllowsTunnel(device string) bool {
	return p == nil || !p.NoPortForwarding && (p.Tunnel == "" || p.Tunnel == anyTunnel || p.Tunnel == device)
}

// narrowerTunnel returns the device that both a and b allow, if there is one.
func narrowerTunnel(a, b string) (string, bool) {
	switch {
	case a == "" || a == anyTunnel && b != "":
		return b, true
	case b == "" || b == anyTunnel || a == b:
		return a, true
	}
	return "", false
}

// A hostPort is one entry of a permit list; "*" stands for any.
type hostPort struct{ host, port string }

func parseHostPort(entry string, barePort bool) (hostPort, bool) {
	i := strings.LastIndexByte(entry, ':')
	if i < 0 {
		if !barePort {
			return hostPort{}, false
		}
		entry, i = "*:"+entry, 1
	}
	h := hostPort{host: entry[:i], port: entry[i+1:]}
	if inner, ok := strings.CutPrefix(h.host, "["); ok {
		if h.host, ok = strings.CutSuffix(inner, "]"); !ok {
			return hostPort{}, false
		}
	} else if strings.Contains(h.host, ":") {
		return hostPort{}, false // an IPv6 address without its brackets
	}
	h.host = strings.ToLower(h.host)
	if h.port != "*" {
		n, err := strconv.ParseUint(h.port, 10, 16)
		if err != nil {
			return hostPort{}, false
		}
		h.port = strconv.FormatUint(n, 10)
	}
	return h, h.host != ""
}

func (h hostPort) String() string {
	if strings.Contains(h.host, ":") {
		return "[" + h.host + "]:" + h.port
	}
	return h.host + ":" + h.port
}

// permits reports whether list allows the address. An entry that does not
// parse allows nothing.
func permits(list []string, host string, port uint32, listening bool) bool {
	if list == nil {
		return true
	}
	host = strings.ToLower(host)
	want := strconv.FormatUint(uint64(port), 10)
	return slices.ContainsFunc(list, func(entry string) bool {
		h, ok := parseHostPort(entry, listening)
		return ok && matchesHost(h.host, host, listening) && (h.port == "*" || h.port == want)
	})
}

// matchesHost compares hosts in lower case. path.Match knows more than the two
// wildcards; what it takes for more, no host is.
func matchesHost(pattern, host string, listening bool) bool {
	if !listening {
		return pattern == "*" || pattern == host
	}
	ok, err := path.Match(pattern, host)
	return ok && err == nil || pattern == host
}

// intersect returns a list that permits what both a and b do, and less where
// two patterns for hosts have something in common.
func intersect(a, b []string, listening bool) []string {
	if a == nil {
		return slices.Clone(b)
	}
	if b == nil {
		return a
	}
	both := []string{}
	for _, x := range a {
		hx, ok := parseHostPort(x, listening)
		if !ok {
			continue
		}
		for _, y := range b {
			hy, ok := parseHostPort(y, listening)
			if !ok {
				continue
			}
			host, okHost := narrower(hx.host, hy.host, listening)
			port, okPort := narrower(hx.port, hy.port, false)
			if entry := (hostPort{host, port}).String(); okHost && okPort && !slices.Contains(both, entry) {
				both = append(both, entry)
			}
		}
	}
	return both
}

// narrower returns the one of x and y that stands for no more than the other.
func narrower(x, y string, listening bool) (string, bool) {
	switch {
	case x == y || matchesHost(x, y, listening) && !isPattern(y):
		return y, true
	case matchesHost(y, x, listening) && !isPattern(x):
		return x, true
	case x == "*":
		return y, true
	case y == "*":
		return x, true
	}
	return "", false
}

func isPattern(host string) bool { return strings.ContainsAny(host, "*?") }
