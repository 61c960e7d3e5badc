package config

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
)

// A Forward is one -L, -R or -D: what is listened on, and where its
// connections go. Ports are 0 to 65535; a Path is a Unix socket's and stands
// instead of host and port.
type Forward struct {
	Bind     string // "": the default, loopback unless GatewayPorts; "*": every address
	HasBind  bool   // a bind address was written, perhaps an empty one
	Port     int
	Path     string
	Host     string
	HostPort int
	HostPath string
	Dynamic  bool // no destination: a SOCKS proxy
}

// ParseForward reads "[bind:]port:host:hostport", a path in place of either
// pair, or, if dynamic is allowed, "[bind:]port" alone. listenZero allows port
// 0, which asks the listener to choose (remote forwarding only).
func ParseForward(s string, dynamic, listenZero bool) (Forward, error) {
	bad := fmt.Errorf("bad forwarding specification %s", Printable(s))
	fields, err := splitForward(s)
	if err != nil {
		return Forward{}, bad
	}
	var f Forward
	port := func(s string) int {
		n, perr := ParsePort(s)
		if perr != nil {
			err = bad
		}
		return n
	}
	isPath := func(s string) bool { return strings.Contains(s, "/") }
	n := len(fields)
	switch {
	case n == 1 && dynamic:
		f = Forward{Port: port(fields[0]), Dynamic: true}
	case n == 2 && isPath(fields[1]) && isPath(fields[0]):
		f = Forward{Path: fields[0], HostPath: fields[1]}
	case n == 2 && isPath(fields[1]):
		f = Forward{Port: port(fields[0]), HostPath: fields[1]}
	case n == 2 && dynamic:
		f = Forward{Bind: fields[0], HasBind: true, Port: port(fields[1]), Dynamic: true}
	case n == 3 && isPath(fields[0]):
		f = Forward{Path: fields[0], Host: fields[1], HostPort: port(fields[2])}
	case n == 3 && isPath(fields[2]):
		f = Forward{Bind: fields[0], HasBind: true, Port: port(fields[1]), HostPath: fields[2]}
	case n == 3:
		f = Forward{Port: port(fields[0]), Host: fields[1], HostPort: port(fields[2])}
	case n == 4:
		f = Forward{Bind: fields[0], HasBind: true, Port: port(fields[1]), Host: fields[2], HostPort: port(fields[3])}
	default:
		return Forward{}, bad
	}
	switch {
	case err != nil:
		return Forward{}, err
	case f.Path == "" && f.Port == 0 && !listenZero:
		return Forward{}, bad
	case !f.Dynamic && f.HostPath == "" && (f.HostPort == 0 || f.Host == ""):
		return Forward{}, bad
	}
	return f, nil
}

// splitForward cuts at colons; one field may be an address in brackets, and a
// backslash quotes a character.
func splitForward(s string) ([]string, error) {
	var fields []string
	for {
		var field strings.Builder
		i := 0
		if strings.HasPrefix(s, "[") {
			end := strings.IndexByte(s, ']')
			if end < 0 {
				return nil, errors.New("no closing bracket")
			}
			field.WriteString(s[1:end])
			i = end + 1
			if i < len(s) && s[i] != ':' {
				return nil, errors.New("garbage after bracket")
			}
		}
		for ; i < len(s) && s[i] != ':'; i++ {
			if s[i] == '\\' && i+1 < len(s) {
				i++
			}
			field.WriteByte(s[i])
		}
		fields = append(fields, field.String())
		if len(fields) > 4 {
			return nil, errors.New("too many fields")
		}
		if i == len(s) {
			return fields, nil
		}
		s = s[i+1:]
	}
}

// Listen returns the listening side as text: a path, or address and port.
func (f Forward) Listen() string {
	if f.Path != "" {
		return f.Path
	}
	if !f.HasBind {
		return strconv.Itoa(f.Port)
	}
	return net.JoinHostPort(f.Bind, strconv.Itoa(f.Port))
}

// Destination returns the other side as text; "" for a dynamic forwarding.
func (f Forward) Destination() string {
	switch {
	case f.Dynamic:
		return ""
	case f.HostPath != "":
		return f.HostPath
	}
	return net.JoinHostPort(f.Host, strconv.Itoa(f.HostPort))
}

// BindAddress returns the address that a listener for f binds: loopback unless
// one was written or gatewayPorts; "" means every address.
func (f Forward) BindAddress(gatewayPorts bool) string {
	switch {
	case f.HasBind && (f.Bind == "" || f.Bind == "*"):
		return ""
	case f.HasBind:
		return f.Bind
	case gatewayPorts:
		return ""
	}
	return "localhost"
}

// SplitHostPort reads "host", "host:port", "[v6]", "[v6]:port" or a bare IPv6
// address. port is -1 if none was given.
func SplitHostPort(s string) (host string, port int, err error) {
	bad := fmt.Errorf("bad address %s", Printable(s))
	rest := ""
	if strings.HasPrefix(s, "[") {
		end := strings.IndexByte(s, ']')
		if end < 0 {
			return "", 0, bad
		}
		host, rest = s[1:end], s[end+1:]
	} else if i := strings.IndexByte(s, ':'); i >= 0 && strings.Count(s, ":") == 1 {
		host, rest = s[:i], s[i:]
	} else {
		host = s
	}
	if rest == "" {
		return host, -1, nil
	}
	if rest[0] != ':' {
		return "", 0, bad
	}
	if port, err = ParsePort(rest[1:]); err != nil {
		return "", 0, bad
	}
	return host, port, nil
}
