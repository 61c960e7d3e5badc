package transport

import (
	"slices"

	"github.com/fairlead-go/ssh/keys"
)

// State tells what a connection has negotiated and carried.
type State struct {
	ClientVersion string // identification, without CR LF; the peer's is not to be trusted with a terminal
	ServerVersion string
	SessionID     []byte

	KeyExchange string // method
	PostQuantum bool   // the method withstands a quantum computer
	// In a group exchange, the size of group that the client asked for and of
	// the one that the server chose, in bits; else 0.
	GroupAsked, GroupBits int
	StrictKex             bool // both sides follow strict key exchange

	HostKey          keys.PublicKey // the server's
	HostKeyAlgorithm string         // with which it signed

	In, Out Direction // as seen from here

	KeyExchanges uint64 // completed, the first one included
}

// Direction is what protects one direction, and what it carried.
type Direction struct {
	Cipher      string
	MAC         string // empty where the cipher authenticates
	Compression string // as negotiated; zlib@openssh.com begins with the login
	Bytes       uint64 // encrypted, framing included
	Packets     uint64
}

// State returns what was negotiated last, and counters.
func (c *Conn) State() State {
	c.mu.Lock()
	s := c.state
	c.mu.Unlock()
	s.SessionID = slices.Clone(s.SessionID)
	s.In.Bytes, s.In.Packets = c.received.bytes.Load(), c.received.packets.Load()
	s.Out.Bytes, s.Out.Packets = c.sent.bytes.Load(), c.sent.packets.Load()
	return s
}
