package transport

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh/kex"
	"github.com/fairlead-go/ssh/keys"
	"github.com/fairlead-go/ssh/wire"
)

func proposals(t *testing.T) (client, server *kexInit) {
	cs, err := clientConfig(Config{}).settings()
	require.NoError(t, err)
	ss, err := serverConfig(Config{}).settings()
	require.NoError(t, err)
	return cs.proposal(true), ss.proposal(true)
}

func TestNegotiate(t *testing.T) {
	tests := []struct {
		name   string
		change func(client, server *kexInit)
		check  func(t *testing.T, a *agreement)
	}{
		{"defaults", func(_, _ *kexInit) {}, func(t *testing.T, a *agreement) {
			require.Equal(t, KeyExchanges(kex.Server)[0], a.kexAlgorithm)
			require.Equal(t, keys.KeyEd25519, a.hostKeyAlgorithm)
			require.Equal(t, Ciphers()[0], a.clientToServer.cipher.name)
			require.Equal(t, Ciphers()[0], a.serverToClient.cipher.name)
			require.True(t, a.goodGuess)
		}},
		{"the client's order counts", func(c, s *kexInit) {
			c.kexAlgorithms = []string{"unheard-of", "ecdh-sha2-nistp521", "curve25519-sha256"}
			s.kexAlgorithms = []string{"curve25519-sha256", "ecdh-sha2-nistp521"}
			c.ciphers[0] = []string{"aes256-ctr", "aes128-ctr"}
			s.ciphers[0] = []string{"aes128-ctr", "aes256-ctr"}
		}, func(t *testing.T, a *agreement) {
			require.Equal(t, "ecdh-sha2-nistp521", a.kexAlgorithm)
			require.Equal(t, "aes256-ctr", a.clientToServer.cipher.name)
			require.False(t, a.goodGuess)
		}},
		{"directions differ", func(c, s *kexInit) {
			c.ciphers = [2][]string{{"aes128-ctr"}, {"chacha20-poly1305@openssh.com"}}
			c.macs = [2][]string{{"hmac-sha2-512"}, {"unheard-of"}}
		}, func(t *testing.T, a *agreement) {
			require.Equal(t, "aes128-ctr", a.clientToServer.cipher.name)
			require.Equal(t, "hmac-sha2-512", a.clientToServer.macName())
			require.Equal(t, "chacha20-poly1305@openssh.com", a.serverToClient.cipher.name)
			require.Nil(t, a.serverToClient.mac)
		}},
		{"AEAD ignores MACs", func(c, s *kexInit) {
			c.ciphers = [2][]string{{"aes128-gcm@openssh.com"}, {"aes256-gcm@openssh.com"}}
			c.macs = [2][]string{}
			s.macs = [2][]string{{"x"}, {"y"}}
		}, func(t *testing.T, a *agreement) {
			require.Nil(t, a.clientToServer.mac)
			require.Nil(t, a.serverToClient.mac)
		}},
		{"pseudo-algorithms first", func(c, s *kexInit) {
			pseudos := []string{extInfoClient, extInfoServer, strictKexClient, strictKexServer, kexGuess}
			c.kexAlgorithms = append(slices.Clone(pseudos), "curve25519-sha256")
			s.kexAlgorithms = append(slices.Clone(pseudos), "curve25519-sha256")
		}, func(t *testing.T, a *agreement) { require.Equal(t, "curve25519-sha256", a.kexAlgorithm) }},
		{"languages do not matter", func(c, s *kexInit) {
			c.languages = [2][]string{{"tlh"}, {"en"}}
			s.languages = [2][]string{{"sjn"}, nil}
		}, func(t *testing.T, a *agreement) { require.True(t, a.goodGuess) }},
		{"guess by host key", func(c, s *kexInit) {
			c.hostKeyAlgorithms = []string{"unheard-of", keys.KeyEd25519}
		}, func(t *testing.T, a *agreement) { require.False(t, a.goodGuess) }},
		{"guess that the server does not prefer", func(c, s *kexInit) {
			slices.Reverse(s.kexAlgorithms[:2])
		}, func(t *testing.T, a *agreement) { require.False(t, a.goodGuess) }},
		{"the same, where both take it", func(c, s *kexInit) {
			c.kexAlgorithms = append(c.kexAlgorithms, kexGuess)
			slices.Reverse(s.kexAlgorithms[:2])
			s.hostKeyAlgorithms = []string{"unheard-of", keys.KeyEd25519}
		}, func(t *testing.T, a *agreement) { require.True(t, a.goodGuess) }},
		{"the same, but the server cannot", func(c, s *kexInit) {
			c.kexAlgorithms = append(c.kexAlgorithms, kexGuess)
			s.kexAlgorithms = s.kexAlgorithms[1:]
		}, func(t *testing.T, a *agreement) { require.False(t, a.goodGuess) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			client, server := proposals(t)
			tt.change(client, server)
			a, err := negotiate(client, server, kex.Client)
			require.NoError(t, err)
			b, err := negotiate(client, server, kex.Server)
			require.NoError(t, err)
			require.Equal(t, a, b)
			tt.check(t, a)
		})
	}
}

func TestNothingInCommon(t *testing.T) {
	tests := []struct {
		kind string
		list func(m *kexInit) *[]string
	}{
		{"key exchange", func(m *kexInit) *[]string { return &m.kexAlgorithms }},
		{"host key", func(m *kexInit) *[]string { return &m.hostKeyAlgorithms }},
		{"cipher client to server", func(m *kexInit) *[]string { return &m.ciphers[0] }},
		{"cipher server to client", func(m *kexInit) *[]string { return &m.ciphers[1] }},
		{"MAC client to server", func(m *kexInit) *[]string { return &m.macs[0] }},
		{"MAC server to client", func(m *kexInit) *[]string { return &m.macs[1] }},
		{"compression client to server", func(m *kexInit) *[]string { return &m.compression[0] }},
		{"compression server to client", func(m *kexInit) *[]string { return &m.compression[1] }},
	}
	for _, tt := range tests {
		t.Run(tt.kind, func(t *testing.T) {
			for _, lists := range [][2][]string{{{"a", "b"}, {"c"}}, {{"a"}, nil}, {nil, {"c"}}, {nil, nil}} {
				client, server := proposals(t)
				for _, m := range []*kexInit{client, server} {
					m.ciphers = [2][]string{{"aes128-ctr"}, {"aes128-ctr"}}
				}
				*tt.list(client), *tt.list(server) = lists[0], lists[1]
				_, err := negotiate(client, server, kex.Client)
				var ne *NegotiationError
				require.ErrorAs(t, err, &ne)
				require.Equal(t, &NegotiationError{Kind: tt.kind, Ours: lists[0], Theirs: lists[1]}, ne)
				_, err = negotiate(client, server, kex.Server)
				require.ErrorAs(t, err, &ne)
				require.Equal(t, &NegotiationError{Kind: tt.kind, Ours: lists[1], Theirs: lists[0]}, ne)
				require.Contains(t, err.Error(), tt.kind)
			}
		})
	}

	t.Run("only pseudo-algorithms", func(t *testing.T) {
		client, server := proposals(t)
		client.kexAlgorithms = []string{extInfoClient, strictKexClient, strictKexServer}
		server.kexAlgorithms = client.kexAlgorithms
		_, err := negotiate(client, server, kex.Client)
		require.Error(t, err)
	})

	t.Run("the peer is told", func(t *testing.T) {
		forRoles(t, func(t *testing.T, role kex.Role) {
			c, p := begin(t, role, Config{})
			p.change = func(m *kexInit) { m.ciphers[1] = []string{"rot13"} }
			p.identify()
			p.sendKexInit()
			d := p.expectDisconnect()
			require.EqualValues(t, wire.DisconnectKeyExchangeFailed, d.Reason)
			require.Equal(t, "no common algorithm for cipher server to client", d.Message)
			p.nc.Close()
			<-c.done
			var ne *NegotiationError
			require.ErrorAs(t, c.err, &ne)
			require.Equal(t, []string{"rot13"}, ne.Theirs)
			require.Equal(t, Ciphers(), ne.Ours)
		})
	})
}

func TestKexInitMessage(t *testing.T) {
	client, server := proposals(t)
	client.firstKexFollows, client.reserved = true, 7
	client.languages = [2][]string{{"en", "de"}, {"fr"}}
	for _, m := range []*kexInit{client, server, {}} {
		b := m.marshal(nil)
		got, err := parseKexInit(b)
		require.NoError(t, err)
		require.Equal(t, b, got.marshal(nil))
		for i := range b {
			_, err := parseKexInit(b[:i])
			require.Error(t, err, i)
		}
		_, err = parseKexInit(append(b, 0))
		require.Error(t, err)
	}
	b := server.marshal(nil)
	b[0]++
	_, err := parseKexInit(b)
	require.Error(t, err)
	require.NotEqual(t, client.cookie, server.cookie)
	require.NotZero(t, client.cookie)
}

// TestProposalsOfLaterExchanges hold no pseudo-algorithms.
func TestProposalsOfLaterExchanges(t *testing.T) {
	cs, _ := clientConfig(Config{}).settings()
	ss, _ := serverConfig(Config{}).settings()
	for _, s := range []*settings{cs, ss} {
		require.True(t, slices.ContainsFunc(s.proposal(true).kexAlgorithms, pseudo))
		require.False(t, slices.ContainsFunc(s.proposal(false).kexAlgorithms, pseudo))
	}
	require.False(t, slices.Contains(cs.proposal(true).kexAlgorithms, strictKexServer))
	require.False(t, slices.Contains(ss.proposal(true).kexAlgorithms, strictKexClient))
}
