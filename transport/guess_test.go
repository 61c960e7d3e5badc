package transport

import (
	"context"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh/kex"
	"github.com/fairlead-go/ssh/keys"
	"github.com/fairlead-go/ssh/wire"
)

// TestPeerGuesses: a key exchange message sent ahead counts if it is of the right
// method and is skipped if not (RFC 4253 section 7), in any exchange.
func TestPeerGuesses(t *testing.T) {
	forRoles(t, func(t *testing.T, role kex.Role) {
		for _, right := range []bool{true, false} {
			change := func(m *kexInit) {
				m.firstKexFollows = true
				if !right {
					m.kexAlgorithms = slices.Insert(m.kexAlgorithms, 0, "unheard-of")
				}
			}
			c, p := begin(t, role, Config{})
			p.change = change
			exchange := func() {
				p.sendKexInit()
				if !right {
					p.send([]byte{30, 1, 2, 3}) // the method's own, as far as we know
				}
				p.expectKexInit()
				p.finishKex()
			}
			p.identify()
			exchange()
			<-c.done
			require.NoError(t, c.err)
			p.expect(wire.MsgExtInfo)
			c.SetAuthenticated()
			got := readAll(c.Conn)
			exchange()
			p.send(data(3))
			require.Equal(t, data(3), <-got)
		}
	})
	t.Run("only one is skipped", func(t *testing.T) {
		c, p := begin(t, kex.Server, Config{})
		p.change = func(m *kexInit) {
			m.firstKexFollows = true
			m.kexAlgorithms = slices.Insert(m.kexAlgorithms, 0, "unheard-of")
		}
		p.identify()
		p.sendKexInit()
		p.send([]byte{30, 1, 2, 3})
		p.send([]byte{30, 1, 2, 3})
		p.expectDisconnect()
		p.nc.Close()
		<-c.done
		var ke *kex.Error
		require.ErrorAs(t, c.err, &ke)
	})
}

// guessing is clientConfig with a guess.
func guessing(cfg Config) *ClientConfig {
	cc := clientConfig(cfg)
	cc.GuessKeyExchange = true
	return cc
}

func beginGuessing(t *testing.T, cfg Config) (*tested, *rawPeer) {
	a, b := socketPair(t)
	c := beginWith(t, b, func() (*Conn, error) { return Client(t.Context(), a, guessing(cfg)) })
	return c, newRawPeer(t, b, kex.Server, Config{})
}

// TestGuess: a client that was asked to sends its first message before it knows
// anything of the server, and again if that was of no use.
func TestGuess(t *testing.T) {
	const again, anew = "again", "anew" // the same message, and that of another method
	withoutGuess := func(m *kexInit) {
		m.kexAlgorithms = slices.DeleteFunc(m.kexAlgorithms, func(name string) bool { return name == kexGuess })
	}
	unheardOf := func(names []string) []string { return slices.Insert(slices.Clone(names), 0, "unheard-of") }
	for _, tc := range []struct {
		name   string
		change func(*kexInit)
		sent   string
	}{
		{"right", func(*kexInit) {}, ""},
		{"preferred", withoutGuess, ""},
		{"not strict", withoutStrict, ""},
		{"possible", func(m *kexInit) {
			m.kexAlgorithms, m.hostKeyAlgorithms = unheardOf(m.kexAlgorithms), unheardOf(m.hostKeyAlgorithms)
		}, ""},
		{"other host key preferred", func(m *kexInit) { withoutGuess(m); m.hostKeyAlgorithms = unheardOf(m.hostKeyAlgorithms) }, again},
		{"other method preferred", func(m *kexInit) { withoutGuess(m); m.kexAlgorithms = unheardOf(m.kexAlgorithms) }, again},
		{"impossible", func(m *kexInit) { m.kexAlgorithms = m.kexAlgorithms[3:] }, anew},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c, p := beginGuessing(t, Config{})
			p.identify()
			p.expectKexInit()
			require.True(t, p.theirs.firstKexFollows)
			require.Equal(t, kexGuess, p.theirs.kexAlgorithms[len(p.theirs.kexAlgorithms)-1])
			init := p.expect(30)
			p.change = tc.change
			p.sendKexInit()
			p.startKex()
			if tc.sent != "" {
				second := p.expect(30)
				require.Equal(t, tc.sent == again, string(second) == string(init))
				init = second
			}
			p.kexStep(init)
			p.sendNewKeys()
			p.expectNewKeys()
			<-c.done
			require.NoError(t, c.err)

			// Nothing is guessed later: there is nothing to gain.
			c.SetAuthenticated()
			got := readAll(c.Conn)
			p.expect(wire.MsgExtInfo)
			p.change = nil
			p.rekey()
			require.False(t, p.theirs.firstKexFollows)
			p.send(data(3))
			require.Equal(t, data(3), <-got)
		})
	}
	t.Run("a group exchange cannot be guessed", func(t *testing.T) {
		const gex = "diffie-hellman-group-exchange-sha256"
		c, p := beginGuessing(t, Config{KeyExchanges: []string{gex}})
		p.change = func(m *kexInit) { m.kexAlgorithms = []string{gex} }
		p.handshake()
		<-c.done
		require.NoError(t, c.err)
		require.False(t, p.theirs.firstKexFollows)
		require.NotContains(t, p.theirs.kexAlgorithms, kexGuess)
	})
}

// TestGuessBetweenOurs has every method guessed.
func TestGuessBetweenOurs(t *testing.T) {
	for _, method := range SupportedKeyExchanges() {
		t.Run(method, func(t *testing.T) {
			cfg := Config{KeyExchanges: []string{method}}
			a, b := socketPair(t)
			client := beginWith(t, b, func() (*Conn, error) { return Client(t.Context(), a, guessing(cfg)) })
			server := beginOn(t, b, a, kex.Server, cfg)
			<-client.done
			<-server.done
			require.NoError(t, client.err)
			require.NoError(t, server.err)
			require.Equal(t, client.State().SessionID, server.State().SessionID)
		})
	}
}

// TestGuessWithOpenSSH: sshd has one host key here, so that a guess is right when
// the method is the one it prefers, and is skipped when not.
func TestGuessWithOpenSSH(t *testing.T) {
	address, hostKey := sshd(t)
	preferred := algorithmsOf(t, "kex")[0]
	for _, method := range []string{preferred, "curve25519-sha256", "mlkem768x25519-sha256", "ecdh-sha2-nistp256"} {
		t.Run(method, func(t *testing.T) {
			noLeaks(t)
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			nc, err := net.Dial("tcp", address)
			require.NoError(t, err)
			sent := 0
			cc := guessing(Config{
				KeyExchanges:     []string{method, "curve25519-sha256@libssh.org"},
				LegacyAlgorithms: LegacyAlgorithms(),
				Trace: &Trace{PacketSent: func(number byte, _ int) {
					if number == 30 {
						sent++
					}
				}},
			})
			c, err := Client(ctx, nc, cc)
			require.NoError(t, err)
			defer c.Close()
			require.True(t, keys.Equal(hostKey, c.State().HostKey))
			want := 2
			if method == preferred {
				want = 1
			}
			require.Equal(t, want, sent)
			require.NoError(t, c.WritePacket(nil, wire.AppendString([]byte{wire.MsgServiceRequest}, "ssh-userauth"), nil))
			payload, err := c.ReadPacket()
			require.NoError(t, err)
			require.EqualValues(t, wire.MsgServiceAccept, payload[0])
		})
	}
}
