package channel

import (
	"fmt"
	"math"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/fairlead-go/ssh/wire"
)

// Channel and request types of TCP forwarding (RFC 4254 section 7).
const (
	typeDirectTCPIP           = "direct-tcpip"
	typeForwardedTCPIP        = "forwarded-tcpip"
	requestTCPIPForward       = "tcpip-forward"
	requestCancelTCPIPForward = "cancel-tcpip-forward"
)

// maxHost bounds a host in forwarding messages. A DNS name has at most 255
// bytes; the rest is room for a zone.
const maxHost = 511

// TCPIPChannel is what opens a direct-tcpip or a forwarded-tcpip channel
// (RFC 4254 sections 7.1 and 7.2). All of it is the peer's claim.
type TCPIPChannel struct {
	// Host and Port are where a direct-tcpip channel is to connect to, or,
	// in a forwarded-tcpip channel, the address that was connected to.
	Host string
	Port uint32 // at most 65535
	// Originator is the numeric address that the connection came from.
	Originator     string
	OriginatorPort uint32
}

// Append appends the type-specific data of CHANNEL_OPEN.
func (m TCPIPChannel) Append(b []byte) []byte {
	b = wire.AppendString(b, m.Host)
	b = wire.AppendUint32(b, m.Port)
	b = wire.AppendString(b, m.Originator)
	return wire.AppendUint32(b, m.OriginatorPort)
}

// ParseTCPIPChannel decodes the type-specific data of a direct-tcpip or
// forwarded-tcpip CHANNEL_OPEN.
func ParseTCPIPChannel(extra []byte) (TCPIPChannel, error) {
	r := wire.NewReader(extra)
	m := TCPIPChannel{r.Text(), r.Uint32(), r.Text(), r.Uint32()}
	if r.Err() == nil && (!validHost(m.Host) || m.Port > math.MaxUint16 || !validHost(m.Originator)) {
		r.Fail(wire.ErrInvalid)
	}
	if err := r.End(); err != nil {
		return TCPIPChannel{}, fmt.Errorf("channel: direct-tcpip or forwarded-tcpip: %w", err)
	}
	return m, nil
}

// tcpipForward is the payload of tcpip-forward and cancel-tcpip-forward
// (RFC 4254 section 7.1). The two must be equal for a cancel to match.
type tcpipForward struct {
	host string
	port uint32
}

func (m tcpipForward) append(b []byte) []byte {
	b = wire.AppendString(b, m.host)
	return wire.AppendUint32(b, m.port)
}

func parseTCPIPForward(payload []byte) (tcpipForward, error) {
	r := wire.NewReader(payload)
	m := tcpipForward{r.Text(), r.Uint32()}
	if r.Err() == nil && (!validHost(m.host) || m.port > math.MaxUint16) {
		r.Fail(wire.ErrInvalid)
	}
	if err := r.End(); err != nil {
		return tcpipForward{}, fmt.Errorf("channel: tcpip-forward: %w", err)
	}
	return m, nil
}

// validHost refuses what is no host on any system and would lie in a log:
// control characters, white space, and names longer than any can be.
func validHost(host string) bool {
	return len(host) <= maxHost && !strings.ContainsFunc(host, func(c rune) bool { return c <= ' ' || c == 0x7f })
}

// An Addr is the address of one end of a channel that is no IP address: a
// name that only the far side can resolve, or a channel that has no address.
type Addr struct {
	Net     string // such as "tcp"
	Address string // such as "db.internal:5432"
}

// Network implements net.Addr.
func (a Addr) Network() string { return a.Net }

// String implements net.Addr.
func (a Addr) String() string { return a.Address }

// tcpAddr returns a *net.TCPAddr where host is an IP address, and the name as
// it is where only the far side can resolve it.
func tcpAddr(host string, port uint32) net.Addr {
	if ip, err := netip.ParseAddr(host); err == nil && port <= math.MaxUint16 {
		return net.TCPAddrFromAddrPort(netip.AddrPortFrom(ip, uint16(port)))
	}
	return Addr{"tcp", net.JoinHostPort(host, strconv.FormatUint(uint64(port), 10))}
}

// originator splits an address for the originator fields of a channel. What
// is not a TCP address goes out as the unspecified address.
func originator(a net.Addr) (host string, port uint32) {
	if a, ok := a.(*net.TCPAddr); ok && a != nil && a.IP != nil {
		return a.AddrPort().Addr().Unmap().String(), uint32(a.Port)
	}
	return "0.0.0.0", 0
}
