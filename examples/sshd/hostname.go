package main

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// reverseTimeout bounds the search for a client's name, and what it may delay a
// login by.
const reverseTimeout = 10 * time.Second

// clientName returns the client's name for UseDNS, in lower case, and "" where
// it has none: a name counts if it has the client's address, since otherwise
// whoever owns the address could choose it.
func (c *connection) clientName() string {
	addr := c.remote.Addr().Unmap()
	if !c.opts.UseDNS || !addr.IsValid() {
		return ""
	}
	ctx, cancel := context.WithTimeout(context.Background(), reverseTimeout)
	defer cancel()
	names, err := net.DefaultResolver.LookupAddr(ctx, addr.WithZone("").String())
	if err != nil || len(names) == 0 {
		c.log.debugf("no name for %s: %v", addr, err)
		return ""
	}
	name := strings.ToLower(strings.TrimSuffix(names[0], "."))
	if _, err := netip.ParseAddr(name); err == nil {
		c.log.infof("Nasty PTR record %q is set up for %s, ignoring", name, addr)
		return ""
	}
	back, err := net.DefaultResolver.LookupNetIP(ctx, "ip", name)
	if err != nil {
		c.log.infof("reverse mapping checking for %q [%s] failed: %v", name, addr, err)
		return ""
	}
	if !slices.ContainsFunc(back, func(a netip.Addr) bool { return a.Unmap().WithZone("") == addr.WithZone("") }) {
		c.log.infof("Address %s maps to %q, but this does not map back to the address.", addr, name)
		return ""
	}
	return name
}
