package transport

import (
	"bytes"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh/kex"
	"github.com/fairlead-go/ssh/keys"
)

var rsaHostKey = func() *keys.PrivateKey {
	k, err := keys.GenerateKey(keys.KeyRSA, 2048)
	if err != nil {
		panic(err)
	}
	return k
}()

// TestLegacyAlgorithms: none of them is in a default, each is refused unless
// it is admitted, and what is admitted and not named comes last.
func TestLegacyAlgorithms(t *testing.T) {
	all := LegacyAlgorithms()
	require.Equal(t, Algorithms{
		KeyExchanges: []string{"diffie-hellman-group-exchange-sha1", "diffie-hellman-group14-sha1", "diffie-hellman-group1-sha1"},
		Ciphers:      []string{"aes128-cbc", "aes192-cbc", "aes256-cbc", "3des-cbc"},
		MACs: []string{"hmac-sha1-etm@openssh.com", "hmac-sha1", "hmac-sha1-96-etm@openssh.com", "hmac-sha1-96",
			"hmac-md5-etm@openssh.com", "hmac-md5", "hmac-md5-96-etm@openssh.com", "hmac-md5-96"},
		Signatures: []string{"ssh-rsa"},
	}, all)
	type list struct {
		kind     string
		names    []string
		defaults func(kex.Role) []string
		set      func(c *ClientConfig, names []string) // what to propose
		admit    func(a *Algorithms, names []string)
		got      func(m *kexInit) []string
	}
	roleless := func(f func() []string) func(kex.Role) []string { return func(kex.Role) []string { return f() } }
	for _, l := range []list{
		{"key exchange", all.KeyExchanges, KeyExchanges,
			func(c *ClientConfig, names []string) { c.KeyExchanges = names },
			func(a *Algorithms, names []string) { a.KeyExchanges = names },
			func(m *kexInit) []string {
				return slices.DeleteFunc(slices.Clone(m.kexAlgorithms), pseudo)
			}},
		{"cipher", all.Ciphers, roleless(Ciphers),
			func(c *ClientConfig, names []string) { c.Ciphers = names },
			func(a *Algorithms, names []string) { a.Ciphers = names },
			func(m *kexInit) []string { return m.ciphers[0] }},
		{"MAC", all.MACs, roleless(MACs),
			func(c *ClientConfig, names []string) { c.MACs = names },
			func(a *Algorithms, names []string) { a.MACs = names },
			func(m *kexInit) []string { return m.macs[1] }},
		{"host key", all.Signatures, roleless(HostKeyAlgorithms),
			func(c *ClientConfig, names []string) { c.HostKeyAlgorithms = names },
			func(a *Algorithms, names []string) { a.Signatures = names },
			func(m *kexInit) []string { return m.hostKeyAlgorithms }},
	} {
		proposal := func(c *ClientConfig) []string {
			s, err := c.settings()
			require.NoError(t, err)
			return l.got(s.proposal(true))
		}
		c := clientConfig(Config{})
		require.Equal(t, l.defaults(kex.Client), proposal(c))
		for _, name := range l.names {
			c = clientConfig(Config{})
			l.set(c, []string{name})
			_, err := c.settings()
			require.Equal(t, &LegacyAlgorithmError{Kind: l.kind, Name: name}, err)
			require.ErrorContains(t, err, "needs LegacyAlgorithms")
			l.admit(&c.LegacyAlgorithms, []string{name})
			require.Equal(t, []string{name}, proposal(c))
			l.set(c, nil)
			require.Equal(t, append(l.defaults(kex.Client), name), proposal(c))
			l.set(c, l.defaults(kex.Client)[:1])
			require.Equal(t, l.defaults(kex.Client)[:1], proposal(c), "admitted is not proposed")
		}
		for _, bad := range [][]string{{"unheard-of"}, l.defaults(kex.Client)[:1], {l.names[0], l.names[0]}} {
			c = clientConfig(Config{})
			l.admit(&c.LegacyAlgorithms, bad)
			_, err := c.settings()
			var unknown *UnknownAlgorithmError
			require.ErrorAs(t, err, &unknown, bad)
		}
		c = clientConfig(Config{LegacyAlgorithms: all})
		l.set(c, []string{"unheard-of"})
		_, err := c.settings()
		require.Equal(t, &UnknownAlgorithmError{Kind: l.kind, Name: "unheard-of"}, err)
	}
}

// TestLegacyConnections uses each legacy algorithm, in both roles, with new keys
// on the way.
func TestLegacyConnections(t *testing.T) {
	legacy := LegacyAlgorithms()
	var configs []Config
	for _, name := range legacy.KeyExchanges {
		configs = append(configs, Config{KeyExchanges: []string{name}})
	}
	for _, d := range legacySuites() {
		configs = append(configs, Config{Ciphers: []string{d.cipher.name}, MACs: []string{d.mac.name}})
	}
	for _, cfg := range configs {
		t.Run(strings.Join(slices.Concat(cfg.KeyExchanges, cfg.Ciphers, cfg.MACs), " "), func(t *testing.T) {
			noLeaks(t)
			cfg.LegacyAlgorithms = legacy
			cfg.RekeyBytes = 64 << 10
			a, b := socketPair(t)
			sc := serverConfig(cfg)
			sc.HostKeys = []keys.Signer{rsaHostKey}
			cc := clientConfig(cfg)
			cc.HostKeyAlgorithms = legacy.Signatures
			client, server := authenticated(t, a, b, cc, sc)
			exchangeData(t, client, server, 50, 50, 5000)
			s := server.State()
			require.Equal(t, "ssh-rsa", s.HostKeyAlgorithm)
			if cfg.KeyExchanges != nil {
				require.Equal(t, cfg.KeyExchanges[0], s.KeyExchange)
			} else {
				require.Equal(t, cfg.Ciphers[0], s.In.Cipher)
				require.Equal(t, cfg.MACs[0], s.Out.MAC)
			}
			require.Greater(t, s.KeyExchanges, uint64(2))
		})
	}
}

// TestLegacySignatureIsNotTaken: a server that signs with SHA-1 where something
// else was agreed on is refused, and one that admits it does not offer it for
// another type of key.
func TestLegacySignatureIsNotTaken(t *testing.T) {
	sc := serverConfig(Config{LegacyAlgorithms: LegacyAlgorithms()})
	s, err := sc.settings()
	require.NoError(t, err)
	require.NotContains(t, s.hostKeyAlgorithms, "ssh-rsa")
	sc.HostKeys = []keys.Signer{rsaHostKey}
	s, err = sc.settings()
	require.NoError(t, err)
	require.Equal(t, []string{"rsa-sha2-512", "rsa-sha2-256", "ssh-rsa"}, s.hostKeyAlgorithms)
	sc.LegacyAlgorithms = Algorithms{}
	s, err = sc.settings()
	require.NoError(t, err)
	require.Equal(t, []string{"rsa-sha2-512", "rsa-sha2-256"}, s.hostKeyAlgorithms)
}

// TestDefect_CBCTellsNothing (CVE-2008-5161): whatever a block says that is
// taken for the head of a packet, and whatever is wrong, reading ends after as
// many bytes, with the same error.
func TestDefect_CBCTellsNothing(t *testing.T) {
	for _, d := range legacySuites() {
		if d.cipher.mode == nil || d.mac.etm || !strings.HasSuffix(d.cipher.name, "-cbc") {
			continue
		}
		t.Run(d.String(), func(t *testing.T) {
			longest := lengthSize + maxPacketLength + d.mac.size
			good := offline(t, &d, nil)
			good.seal(data(100), nil)
			first := slices.Clone(good.out.pending)
			var heads [][]byte
			for _, length := range []int64{-1, 0, 5, 12, 28, 60, 4092, maxPacketLength - 4, maxPacketLength, maxPacketLength + 4, 1 << 31} {
				c := offline(t, &d, nil)
				c.seal(data(100), nil)
				b := packet(c, data(100), 64+c.out.geo.padding(100), length, -1)
				b[len(b)-1] ^= 1 // the MAC, if that is where it is
				heads = append(heads, b)
			}
			for i, head := range heads {
				for _, missing := range []int{1, 0} {
					all := slices.Concat(first, head, make([]byte, longest))[:len(first)+longest-missing]
					rest := bytes.NewReader(append(all, make([]byte, 1<<20*(1-missing))...))
					c := offline(t, &d, rest)
					_, err := c.next()
					require.NoError(t, err)
					_, err = c.next()
					if missing > 0 {
						require.ErrorIs(t, err, io.ErrUnexpectedEOF, i)
						continue
					}
					require.Equal(t, ErrIntegrity, err, i)
					require.Equal(t, 1<<20, rest.Len()+c.in.w-c.in.r, i)
				}
			}
		})
	}
}
