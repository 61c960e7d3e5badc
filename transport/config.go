package transport

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"time"

	"github.com/fairlead-go/ssh/kex"
	"github.com/fairlead-go/ssh/keys"
)

// Defaults of Config.
const (
	DefaultRekeyBytes       = 1 << 30 // RFC 4253 section 9 recommends a gigabyte
	DefaultRekeyPackets     = 1 << 31 // RFC 4344 section 3.1
	DefaultRekeyInterval    = time.Hour
	DefaultHandshakeTimeout = 30 * time.Second
	DefaultRekeyTimeout     = 30 * time.Second
	DefaultWriteTimeout     = 2 * time.Minute
	DefaultSoftwareVersion  = "Fairlead_0.1"
)

// Config is what both roles share. The zero value is safe and complete: every
// zero field means the default that its comment names.
type Config struct {
	// The algorithms to propose, preferred first. nil means the default,
	// which KeyExchanges, Ciphers and MACs return; an empty list is an error,
	// but for MACs. SupportedKeyExchanges has more that can be named.
	KeyExchanges []string
	Ciphers      []string
	MACs         []string

	// Compression, likewise, of the names that Compressions returns. nil
	// means none. It pays on slow links, costs a sender some 0.8 MB of memory
	// while it sends and a receiver 32 KiB, and tells an observer, who sees
	// sizes, something of the content.
	Compression []string

	// LegacyAlgorithms are those of what the function LegacyAlgorithms
	// returns that may be used: they may stand in the lists, and a list that
	// is nil ends with them. It is for a peer that has nothing better, and
	// for connections to that peer alone. Package ssh takes its Signatures
	// for users' keys too.
	LegacyAlgorithms Algorithms

	// New keys are agreed on after this many bytes or packets in either
	// direction, or this long after the last time. Zero means the Default
	// constants; RekeyPackets may not exceed DefaultRekeyPackets. A negative
	// RekeyInterval means never by time.
	RekeyBytes    uint64
	RekeyPackets  uint64
	RekeyInterval time.Duration

	// HandshakeTimeout bounds the time from the first byte to the first
	// keys, less what VerifyHostKey takes; RekeyTimeout any later key
	// exchange; WriteTimeout the time that the peer may take no byte of what
	// we send. Zero means the Default constants, negative no bound.
	HandshakeTimeout time.Duration
	RekeyTimeout     time.Duration
	WriteTimeout     time.Duration

	// SoftwareVersion is what follows SSH-2.0- in our identification, with
	// comments if any (RFC 4253 section 4.2). Default: DefaultSoftwareVersion.
	SoftwareVersion string

	// Logger, where set, gets the connection's milestones at level Debug:
	// versions, negotiated algorithms, key exchanges, the end. No secrets.
	// It is called by the goroutines that carry the connection: a handler
	// that blocks stalls it.
	Logger *slog.Logger

	// Trace, where set, is called as things happen.
	Trace *Trace
}

// A Trace is a set of hooks, each optional, called by the goroutines that
// carry the connection. They must return at once and may not call its methods.
type Trace struct {
	// PacketSent and PacketReceived see each message number and the
	// payload's size in bytes.
	PacketSent     func(message byte, size int)
	PacketReceived func(message byte, size int)
	// KeyExchanged is called when new keys are in use in both directions.
	KeyExchanged func(State)
}

// A HostKeyVerifier decides whether key, which the server has proven to hold,
// is that of the server at address, as it was dialled. remote may be nil. Any
// error refuses the server.
type HostKeyVerifier = func(ctx context.Context, address string, remote net.Addr, key keys.PublicKey) error

// InsecureAcceptAnyHostKey is a HostKeyVerifier that accepts every server, and
// with it every attacker between here and there. It is for tests.
func InsecureAcceptAnyHostKey(context.Context, string, net.Addr, keys.PublicKey) error { return nil }

// ClientConfig configures a client's transport.
type ClientConfig struct {
	Config

	// Address is what was dialled, for VerifyHostKey.
	Address string

	// VerifyHostKey decides on the server's key, once for each connection:
	// when keys are exchanged again the key must be the same. Required.
	VerifyHostKey HostKeyVerifier

	// HostKeyAlgorithms are the signature algorithms to accept of the
	// server, preferred first. nil means what HostKeyAlgorithms returns.
	HostKeyAlgorithms []string

	// GuessKeyExchange sends the first message of the preferred key exchange
	// at once, and not when the server's proposal is there (RFC 4253 section
	// 7): a round trip less with a server that prefers the same key exchange
	// and host key algorithm, or that has both and announces
	// kexguess2@matt.ucc.asn.au, as ours and Dropbear's do. Another that
	// keeps to the RFC ignores the message, as OpenSSH's does with its usual
	// host keys. With one that knows no guesses, or judges them by the key
	// exchange alone, the connection fails.
	// HostKeyAlgorithms must begin with what the server has. Pass this
	// package's HostKeyAlgorithms to a knownhosts.DB's as the preferred ones: then
	// certificates come first only where an authority is known.
	GuessKeyExchange bool
}

// ServerConfig configures a server's transport.
type ServerConfig struct {
	Config

	// HostKeys prove who the server is, preferred first; at least one. A
	// signer of keys.NewCertificateSigner with a host's certificate offers
	// that; the key alone belongs beside it, for clients that know no authority.
	HostKeys []keys.Signer

	// PublicKeyAlgorithms are announced as server-sig-algs (RFC 8308
	// section 3.1): those which the authentication layer will verify.
	// nil means keys.Algorithms.
	PublicKeyAlgorithms []string

	// Moduli are the groups to choose from in
	// diffie-hellman-group-exchange-sha256, where Config.KeyExchanges names
	// it. nil means those of RFC 3526.
	Moduli *kex.Moduli
}

// settings is a validated Config with the defaults filled in.
type settings struct {
	Config
	client              *ClientConfig // nil on a server
	server              *ServerConfig // nil on a client
	hostKeyAlgorithms   []string
	publicKeyAlgorithms []string
}

func (c *Config) settings(role kex.Role) (*settings, error) {
	s := &settings{Config: *c}
	var err error
	in := func(names []string) func(string) bool {
		return func(name string) bool { return slices.Contains(names, name) }
	}
	legacy, admitted := LegacyAlgorithms(), c.LegacyAlgorithms
	for _, l := range []struct {
		to *[]string
		choice
	}{
		{&s.KeyExchanges, choice{"key exchange", c.KeyExchanges, KeyExchanges(role), in(SupportedKeyExchanges()),
			legacy.KeyExchanges, admitted.KeyExchanges}},
		{&s.Ciphers, choice{"cipher", c.Ciphers, Ciphers(), in(Ciphers()), legacy.Ciphers, admitted.Ciphers}},
		{&s.MACs, choice{"MAC", c.MACs, MACs(), in(MACs()), legacy.MACs, admitted.MACs}},
		{&s.Compression, choice{"compression", c.Compression, []string{compressionNone}, in(compressions), nil, nil}},
		{new([]string), choice{"signature", nil, nil, nil, legacy.Signatures, admitted.Signatures}},
	} {
		if *l.to, err = l.list(); err != nil {
			return nil, err
		}
	}
	if c.RekeyPackets > DefaultRekeyPackets {
		return nil, fmt.Errorf("transport: RekeyPackets is %d, more than %d", c.RekeyPackets, uint64(DefaultRekeyPackets))
	}
	orDefault(&s.RekeyBytes, DefaultRekeyBytes)
	orDefault(&s.RekeyPackets, DefaultRekeyPackets)
	orDefault(&s.RekeyInterval, DefaultRekeyInterval)
	orDefault(&s.HandshakeTimeout, DefaultHandshakeTimeout)
	orDefault(&s.RekeyTimeout, DefaultRekeyTimeout)
	orDefault(&s.WriteTimeout, DefaultWriteTimeout)
	orDefault(&s.SoftwareVersion, DefaultSoftwareVersion)
	if err := checkSoftwareVersion(s.SoftwareVersion); err != nil {
		return nil, err
	}
	if s.Trace == nil {
		s.Trace = new(Trace)
	}
	return s, nil
}

func orDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

func (c *ClientConfig) settings() (*settings, error) {
	if c == nil || c.VerifyHostKey == nil {
		return nil, ErrNoVerifier
	}
	s, err := c.Config.settings(kex.Client)
	if err != nil {
		return nil, err
	}
	s.hostKeyAlgorithms, err = choice{"host key", c.HostKeyAlgorithms, HostKeyAlgorithms(), knownHostKeyAlgorithm,
		keys.LegacyAlgorithms(), c.LegacyAlgorithms.Signatures}.list()
	if err != nil {
		return nil, err
	}
	client := *c
	s.client = &client
	return s, nil
}

func (c *ServerConfig) settings() (*settings, error) {
	if c == nil || len(c.HostKeys) == 0 {
		return nil, ErrNoHostKey
	}
	s, err := c.Config.settings(kex.Server)
	if err != nil {
		return nil, err
	}
	for _, k := range c.HostKeys {
		if cert, ok := k.PublicKey().(*keys.Certificate); ok && cert.CertificateType() != keys.HostCertificate {
			return nil, ErrUserCertificate
		}
		for _, algorithm := range signerAlgorithms(k, c.LegacyAlgorithms.Signatures) {
			if !slices.Contains(s.hostKeyAlgorithms, algorithm) {
				s.hostKeyAlgorithms = append(s.hostKeyAlgorithms, algorithm)
			}
		}
	}
	if len(s.hostKeyAlgorithms) == 0 {
		return nil, ErrNoHostKey // a security key's file, for example, signs nothing
	}
	s.publicKeyAlgorithms = c.PublicKeyAlgorithms
	if s.publicKeyAlgorithms == nil {
		s.publicKeyAlgorithms = append(keys.Algorithms(), c.LegacyAlgorithms.Signatures...)
	}
	server := *c
	server.HostKeys = slices.Clone(c.HostKeys)
	s.server = &server
	return s, nil
}

func knownHostKeyAlgorithm(name string) bool {
	return slices.Contains(keys.SupportedAlgorithms(), keys.SignatureFormat(name))
}
