package ssh

import (
	"net"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSourceOf(t *testing.T) {
	for address, want := range map[string]string{
		"192.0.2.1:22":          "192.0.2.1/32",
		"[::ffff:192.0.2.1]:22": "192.0.2.1/32",
		"[2001:db8:1:2:3::4]:5": "2001:db8:1:2::/64",
		"[fe80::1%eth0]:5":      "fe80::/64",
	} {
		addr := net.TCPAddrFromAddrPort(netip.MustParseAddrPort(address))
		require.Equal(t, want, sourceOf(addr).String(), address)
	}
	require.False(t, sourceOf(nil).IsValid())
	require.False(t, sourceOf(&net.UnixAddr{Name: "x", Net: "unix"}).IsValid())
}

// TestDefect_PreAuthExhaustion: one source gets its share of the connections
// that have not logged in, and all together no more than the bound.
func TestDefect_PreAuthExhaustion(t *testing.T) {
	a, b := netip.MustParsePrefix("192.0.2.1/32"), netip.MustParsePrefix("2001:db8::/64")
	var s startups
	for range 2 {
		require.NoError(t, s.add(a, 4, 2))
	}
	require.ErrorIs(t, s.add(a, 4, 2), ErrTooManyStartups)
	require.NoError(t, s.add(b, 4, 2))
	require.NoError(t, s.add(netip.Prefix{}, 4, 2))
	require.ErrorIs(t, s.add(b, 4, 2), ErrTooManyStartups, "all together")
	for _, source := range []netip.Prefix{a, a, b, {}} {
		s.remove(source)
	}
	require.Zero(t, s.all)
	require.Empty(t, s.source)

	for range defaultMaxStartups / 2 {
		require.NoError(t, s.add(a, 0, 0))
	}
	require.Error(t, s.add(a, 0, 0))
	for range 1000 {
		require.NoError(t, s.add(b, -1, -1))
	}
}
