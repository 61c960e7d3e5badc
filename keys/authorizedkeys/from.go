package authorizedkeys

import (
	"errors"
	"net/netip"
	"strings"

	"github.com/fairlead-go/ssh/keys/internal/textfile"
)

var (
	errEmptyPattern = errors.New("empty pattern")
	errAddress      = errors.New("not an address, or not one of that mask length")
)

// fromPattern is one of the patterns of the from option: a network, an address
// as a network of one, or text with wildcards.
type fromPattern struct {
	negated bool
	network netip.Prefix // invalid for text
	zone    string       // of an IPv6 address; empty for any
	text    string       // in lower case
}

// parseFrom parses patterns. What sshd would let match nothing at all, it
// refuses: a network with host bits or too long a mask, and an address in an
// old notation.
func parseFrom(patterns []string) ([]fromPattern, error) {
	parsed := make([]fromPattern, 0, len(patterns))
	for _, s := range patterns {
		var p fromPattern
		s, p.negated = strings.CutPrefix(s, "!")
		if s == "" {
			return nil, errEmptyPattern
		}
		p.text = textfile.Lower(s)
		if strings.Contains(s, "/") {
			network, err := netip.ParsePrefix(s)
			if err != nil || network.Masked() != network {
				return nil, errAddress
			}
			p.network = unmap(network)
		} else if addr, err := netip.ParseAddr(s); err == nil {
			p.zone = addr.Zone()
			addr = addr.WithZone("").Unmap()
			p.network = netip.PrefixFrom(addr, addr.BitLen())
		} else if strings.Trim(s, "0123456789.") == "" {
			return nil, errAddress
		}
		parsed = append(parsed, p)
	}
	return parsed, nil
}

// unmap returns a network of IPv4 addresses mapped to IPv6 as what it is.
func unmap(p netip.Prefix) netip.Prefix {
	if p.Addr().Is4In6() && p.Bits() >= 96 {
		return netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	return p
}

func (p *fromPattern) matches(addr netip.Addr, text, host string) bool {
	if p.network.IsValid() {
		return p.network.Contains(addr.WithZone("")) && (p.zone == "" || p.zone == addr.Zone())
	}
	return textfile.Match(p.text, text) || textfile.Match(p.text, host)
}

// AllowsFrom reports whether a client at addr may log in, which it may where
// From is nil. Otherwise its address must be in one of From's networks, or
// match one of the patterns as text; or host, the client's name, must. '*' and
// '?' stand for any characters and any one. Nothing helps where a pattern with
// '!' before it matches the address or the name, or where one is malformed, or
// addr is the zero value. An IPv4 address mapped to IPv6 counts as IPv4.
//
// host may be empty. Give it only if the name has been resolved back to addr:
// otherwise the client chooses it.
func (o Options) AllowsFrom(addr netip.Addr, host string) bool {
	if o.From == nil {
		return true
	}
	patterns, err := parseFrom(o.From)
	if err != nil || !addr.IsValid() {
		return false
	}
	addr = addr.Unmap()
	text := addr.String()
	host = textfile.Lower(host)
	if host == "" {
		host = text
	}
	allowed := false
	for i := range patterns {
		if !patterns[i].matches(addr, text, host) {
			continue
		}
		if patterns[i].negated {
			return false
		}
		allowed = true
	}
	return allowed
}
