package ssh

import (
	"errors"
	"net"
	"net/netip"
)

const defaultMaxStartups = 100

// ErrTooManyStartups: a connection was refused because of MaxStartups or
// MaxStartupsPerSource.
var ErrTooManyStartups = errors.New("ssh: too many connections that have not logged in")

// startups counts the connections that have not logged in.
type startups struct {
	all    int
	source map[netip.Prefix]int // those with an address
}

// add counts one connection more, unless that is one too many.
func (s *startups) add(source netip.Prefix, most, mostPerSource int) error {
	if most == 0 {
		most = defaultMaxStartups
	}
	if mostPerSource == 0 {
		mostPerSource = (most + 1) / 2
	}
	if most > 0 && s.all >= most || source.IsValid() && mostPerSource > 0 && s.source[source] >= mostPerSource {
		return ErrTooManyStartups
	}
	s.all++
	if source.IsValid() {
		if s.source == nil {
			s.source = make(map[netip.Prefix]int)
		}
		s.source[source]++
	}
	return nil
}

func (s *startups) remove(source netip.Prefix) {
	s.all--
	if !source.IsValid() {
		return
	}
	if s.source[source]--; s.source[source] == 0 {
		delete(s.source, source)
	}
}

// sourceOf returns what counts as one client: an IPv4 address, or the network
// of 64 bits that an IPv6 host has to itself. It is not valid where there is
// no address.
func sourceOf(remote net.Addr) netip.Prefix {
	addr := addrOf(remote)
	if !addr.IsValid() {
		return netip.Prefix{}
	}
	prefix, _ := addr.WithZone("").Prefix(min(addr.BitLen(), 64)) // the size is one that addr has
	return prefix
}
