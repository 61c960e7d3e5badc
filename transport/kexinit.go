package transport

import (
	"cmp"
	"crypto/rand"
	"slices"

	"github.com/fairlead-go/ssh/kex"
	"github.com/fairlead-go/ssh/wire"
)

// Pseudo-algorithms in the key exchange list of the first SSH_MSG_KEXINIT.
const (
	extInfoClient   = "ext-info-c" // RFC 8308 section 2.1
	extInfoServer   = "ext-info-s"
	strictKexClient = "kex-strict-c-v00@openssh.com" // OpenSSH's PROTOCOL section 1.10
	strictKexServer = "kex-strict-s-v00@openssh.com"
	kexGuess        = "kexguess2@matt.ucc.asn.au" // Dropbear's: see agreement.goodGuess
)

// kexInit is SSH_MSG_KEXINIT (RFC 4253 section 7.1).
type kexInit struct {
	cookie            [16]byte
	kexAlgorithms     []string
	hostKeyAlgorithms []string
	ciphers           [2][]string // client to server, server to client
	macs              [2][]string
	compression       [2][]string
	languages         [2][]string
	firstKexFollows   bool
	reserved          uint32
}

func (m *kexInit) marshal(b []byte) []byte {
	b = append(b, wire.MsgKexInit)
	b = append(b, m.cookie[:]...)
	b = wire.AppendNameList(b, m.kexAlgorithms)
	b = wire.AppendNameList(b, m.hostKeyAlgorithms)
	for _, lists := range [][2][]string{m.ciphers, m.macs, m.compression, m.languages} {
		b = wire.AppendNameList(b, lists[0])
		b = wire.AppendNameList(b, lists[1])
	}
	b = wire.AppendBool(b, m.firstKexFollows)
	return wire.AppendUint32(b, m.reserved)
}

func parseKexInit(payload []byte) (*kexInit, error) {
	r := wire.NewReader(payload)
	m := new(kexInit)
	if r.Byte() != wire.MsgKexInit {
		r.Fail(wire.ErrInvalid)
	}
	copy(m.cookie[:], r.Raw(len(m.cookie)))
	m.kexAlgorithms = r.NameList()
	m.hostKeyAlgorithms = r.NameList()
	for _, lists := range []*[2][]string{&m.ciphers, &m.macs, &m.compression, &m.languages} {
		lists[0] = r.NameList()
		lists[1] = r.NameList()
	}
	m.firstKexFollows = r.Bool()
	m.reserved = r.Uint32()
	if err := r.End(); err != nil {
		return nil, protocolErrorf("SSH_MSG_KEXINIT: %v", err)
	}
	return m, nil
}

// proposal returns our SSH_MSG_KEXINIT. The pseudo-algorithms stand in the
// first one only.
func (s *settings) proposal(first bool) *kexInit {
	m := &kexInit{
		kexAlgorithms:     slices.Clone(s.KeyExchanges),
		hostKeyAlgorithms: s.hostKeyAlgorithms,
		ciphers:           [2][]string{s.Ciphers, s.Ciphers},
		macs:              [2][]string{s.MACs, s.MACs},
		compression:       [2][]string{s.Compression, s.Compression},
	}
	rand.Read(m.cookie[:])
	if first && s.client != nil {
		m.kexAlgorithms = append(m.kexAlgorithms, extInfoClient, strictKexClient)
		if s.client.GuessKeyExchange && kex.CanOffer(m.kexAlgorithms[0]) {
			m.firstKexFollows = true
			m.kexAlgorithms = append(m.kexAlgorithms, kexGuess)
		}
	}
	if first && s.server != nil {
		m.kexAlgorithms = append(m.kexAlgorithms, extInfoServer, strictKexServer, kexGuess)
	}
	return m
}

// suite is what one direction goes through.
type suite struct {
	cipher *cipherMethod
	mac    *macMethod // nil where the cipher authenticates

	compression string
}

func (d *suite) macName() string {
	if d.mac == nil {
		return ""
	}
	return d.mac.name
}

// agreement is the outcome of negotiation (RFC 4253 section 7.1).
type agreement struct {
	kexAlgorithm     string
	hostKeyAlgorithm string
	clientToServer   suite
	serverToClient   suite
	// goodGuess: a key exchange packet that was sent ahead is the right one,
	// because both sides prefer the method and the host key algorithm that
	// were agreed on (RFC 4253 section 7). Where both announce kexGuess it is
	// enough that the client does.
	goodGuess bool
}

// suites returns what we receive and what we send through.
func (a *agreement) suites(role kex.Role) (in, out *suite) {
	if role == kex.Server {
		return &a.clientToServer, &a.serverToClient
	}
	return &a.serverToClient, &a.clientToServer
}

// groupBits is the size of group to ask for in a group exchange: that which is
// as strong as the stronger cipher's key (NIST SP 800-57 part 1, table 2), as
// far as there are any.
func (a *agreement) groupBits() int {
	strength := func(c *cipherMethod) int { return cmp.Or(c.strength, c.keySize) }
	switch size := max(strength(a.clientToServer.cipher), strength(a.serverToClient.cipher)); {
	case size <= 16:
		return 3072
	case size <= 24:
		return 7680
	}
	return 8192
}

// negotiate finds, for each list, the client's first name that the server has
// too. ours tells which of the two is ours, for the error.
func negotiate(client, server *kexInit, ours kex.Role) (*agreement, error) {
	common := func(kind string, c, s []string) (string, error) {
		for _, name := range c {
			if slices.Contains(s, name) && !pseudo(name) {
				return name, nil
			}
		}
		if ours == kex.Server {
			c, s = s, c
		}
		return "", &NegotiationError{Kind: kind, Ours: c, Theirs: s}
	}
	a := new(agreement)
	var err error
	if a.kexAlgorithm, err = common("key exchange", client.kexAlgorithms, server.kexAlgorithms); err != nil {
		return nil, err
	}
	if a.hostKeyAlgorithm, err = common("host key", client.hostKeyAlgorithms, server.hostKeyAlgorithms); err != nil {
		return nil, err
	}
	directions := [2]struct {
		name  string
		suite *suite
	}{{"client to server", &a.clientToServer}, {"server to client", &a.serverToClient}}
	for i, d := range directions {
		name, err := common("cipher "+d.name, client.ciphers[i], server.ciphers[i])
		if err != nil {
			return nil, err
		}
		d.suite.cipher = cipherByName(name)
		if d.suite.cipher.aead == nil {
			if name, err = common("MAC "+d.name, client.macs[i], server.macs[i]); err != nil {
				return nil, err
			}
			d.suite.mac = macByName(name)
		}
		d.suite.compression, err = common("compression "+d.name, client.compression[i], server.compression[i])
		if err != nil {
			return nil, err
		}
	}
	prefers := func(side *kexInit) bool {
		return side.kexAlgorithms[0] == a.kexAlgorithm && side.hostKeyAlgorithms[0] == a.hostKeyAlgorithm
	}
	relaxed := slices.Contains(client.kexAlgorithms, kexGuess) && slices.Contains(server.kexAlgorithms, kexGuess)
	a.goodGuess = prefers(client) && (relaxed || prefers(server))
	return a, nil
}

// pseudo reports whether name stands in a list of methods without being one.
func pseudo(name string) bool {
	switch name {
	case extInfoClient, extInfoServer, strictKexClient, strictKexServer, kexGuess:
		return true
	}
	return false
}
