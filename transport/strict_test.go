package transport

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh/kex"
	"github.com/fairlead-go/ssh/wire"
)

// protections are one of each kind of cipher.
var protections = []struct {
	name string
	cfg  Config
}{
	{"AEAD", Config{Ciphers: []string{"aes128-gcm@openssh.com"}}},
	{"chacha20-poly1305", Config{Ciphers: []string{"chacha20-poly1305@openssh.com"}}},
	{"ETM", Config{Ciphers: []string{"aes128-ctr"}, MACs: []string{"hmac-sha2-256-etm@openssh.com"}}},
	{"E&M", Config{Ciphers: []string{"aes128-ctr"}, MACs: []string{"hmac-sha2-256"}}},
}

// TestDefect_StrictKexSequenceNumbers: they begin anew at every NEWKEYS with
// strict key exchange, and never without.
func TestDefect_StrictKexSequenceNumbers(t *testing.T) {
	forRoles(t, func(t *testing.T, role kex.Role) {
		for _, protection := range protections {
			for _, strict := range []bool{true, false} {
				for _, ours := range []bool{true, false} {
					t.Run(fmt.Sprintf("%s strict=%v begun by us=%v", protection.name, strict, ours), func(t *testing.T) {
						var change func(*kexInit)
						if !strict {
							change = withoutStrict
						}
						c, p, got := loggedIn(t, role, protection.cfg, change)
						require.Equal(t, strict, c.State().StrictKex)
						numbers := func() (in, out uint32) {
							p.send(data(5))
							<-got // the reader has nothing to do now
							c.mu.Lock()
							defer c.mu.Unlock()
							return p.out.seq, c.out.seq
						}
						_, out := numbers()
						if strict {
							require.EqualValues(t, 1, out) // EXT_INFO
						} else {
							require.EqualValues(t, 4, out) // KEXINIT, a kex message, NEWKEYS, EXT_INFO
						}
						for range 2 {
							for range 5 {
								require.NoError(t, c.QueuePacket(data(9)))
								p.expect(wire.MsgChannelData)
							}
							_, before := numbers()
							if ours {
								done := make(chan error, 1)
								go func() { done <- c.Rekey(t.Context()) }()
								p.answerRekey()
								require.NoError(t, <-done)
							} else {
								p.rekey()
							}
							in, out := numbers()
							if strict {
								require.EqualValues(t, 1, in)
								require.EqualValues(t, 0, out)
							} else {
								require.EqualValues(t, before+3, out)
								require.Greater(t, in, uint32(3))
							}
							require.Equal(t, p.out.seq, in)
							require.Equal(t, p.Conn.in.seq, out)
						}
					})
				}
			}
		}
	})
}

// TestDefect_PrefixTruncation injects what is harmless in itself before the
// first NEWKEYS.
func TestDefect_PrefixTruncation(t *testing.T) {
	messages := map[string][]byte{
		"IGNORE":        {wire.MsgIgnore, 0, 0, 0, 0},
		"DEBUG":         {wire.MsgDebug, 0, 0, 0, 0, 0, 0, 0, 0, 0},
		"UNIMPLEMENTED": {wire.MsgUnimplemented, 0, 0, 0, 0},
		"EXT_INFO":      {wire.MsgExtInfo, 0, 0, 0, 0},
	}
	places := []string{"before KEXINIT", "after KEXINIT", "after the kex message"}
	forRoles(t, func(t *testing.T, role kex.Role) {
		for name, message := range messages {
			for _, place := range places {
				for _, strict := range []bool{true, false} {
					t.Run(fmt.Sprintf("%s %s strict=%v", name, place, strict), func(t *testing.T) {
						c, p := begin(t, role, Config{})
						if !strict {
							p.change = withoutStrict
						}
						p.identify()
						p.expectKexInit()
						inject := func(at string) {
							if at == place {
								p.send(message)
							}
						}
						inject("before KEXINIT")
						p.sendKexInit()
						inject("after KEXINIT")
						harmless := !strict && name != "EXT_INFO"
						if harmless || place == "after the kex message" {
							p.startKex()
							for p.x.Result() == nil {
								payload, err := p.recv()
								require.NoError(t, err)
								p.kexStep(payload)
							}
							inject("after the kex message")
						}
						if harmless {
							p.sendNewKeys()
							p.expectNewKeys()
							<-c.done
							require.NoError(t, c.err)
							return
						}
						p.hangUp()
						<-c.done
						var pe *ProtocolError
						require.ErrorAs(t, c.err, &pe)
					})
				}
			}
		}
	})
}

// TestDefect_StrictKexIsOfTheFirstExchange: the names mean nothing in a later
// KEXINIT, and nothing is lost without them; in a later exchange an IGNORE is
// as good as at any time.
func TestDefect_StrictKexIsOfTheFirstExchange(t *testing.T) {
	forRoles(t, func(t *testing.T, role kex.Role) {
		for _, strict := range []bool{true, false} {
			var change func(*kexInit)
			if !strict {
				change = withoutStrict
			}
			c, p, got := loggedIn(t, role, Config{}, change)
			p.change = func(m *kexInit) {
				if !strict {
					m.kexAlgorithms = append(m.kexAlgorithms, strictKexClient, strictKexServer, extInfoClient, extInfoServer)
				}
			}
			p.send([]byte{wire.MsgIgnore, 0, 0, 0, 0})
			p.sendKexInit()
			p.send([]byte{wire.MsgIgnore, 0, 0, 0, 0})
			p.expectKexInit()
			p.finishKex()
			p.send(data(3))
			require.Equal(t, data(3), <-got)
			require.NoError(t, c.QueuePacket(data(4)))
			p.expect(wire.MsgChannelData) // and no second EXT_INFO before it
			require.Equal(t, strict, c.State().StrictKex)
			require.Equal(t, strict, p.Conn.in.seq == 1)
		}
	})
}

// TestWrongOrder: messages of a key exchange that come twice or too early.
func TestWrongOrder(t *testing.T) {
	scripts := map[string]func(p *rawPeer){
		"second KEXINIT":  func(p *rawPeer) { p.sendKexInit(); p.sendKexInit() },
		"NEWKEYS at once": func(p *rawPeer) { p.send([]byte{wire.MsgNewKeys}) },
		"NEWKEYS early":   func(p *rawPeer) { p.sendKexInit(); p.send([]byte{wire.MsgNewKeys}) },
		"NEWKEYS with a body": func(p *rawPeer) {
			p.sendKexInit()
			p.expectKexInit()
			p.startKex()
			for p.x.Result() == nil {
				payload, err := p.recv()
				require.NoError(p.t, err)
				p.kexStep(payload)
			}
			p.send([]byte{wire.MsgNewKeys, 0})
		},
		"kex message twice": func(p *rawPeer) {
			p.sendKexInit()
			p.expectKexInit()
			p.startKex()
			for p.x.Result() == nil {
				payload, err := p.recv()
				require.NoError(p.t, err)
				p.kexStep(payload)
			}
			p.send([]byte{30})
		},
		"kex message before KEXINIT": func(p *rawPeer) { p.send([]byte{30}) },
		"KEXINIT cut short":          func(p *rawPeer) { p.send(p.settings.proposal(true).marshal(nil)[:50]) },
		"KEXINIT with trailing byte": func(p *rawPeer) { p.send(append(p.settings.proposal(true).marshal(nil), 0)) },
	}
	forRoles(t, func(t *testing.T, role kex.Role) {
		for name, script := range scripts {
			t.Run("first "+name, func(t *testing.T) {
				c, p := begin(t, role, Config{})
				p.identify()
				script(p)
				p.hangUp()
				<-c.done
				var pe *ProtocolError
				require.ErrorAs(t, c.err, &pe)
			})
			t.Run("later "+name, func(t *testing.T) {
				c, p, got := loggedIn(t, role, Config{}, nil)
				script(p)
				p.hangUp()
				for range got {
				}
				var pe *ProtocolError
				require.ErrorAs(t, c.Err(), &pe)
			})
		}
	})
}
