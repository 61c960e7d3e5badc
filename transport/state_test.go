package transport

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh/kex"
	"github.com/fairlead-go/ssh/wire"
)

// What becomes of a message.
const (
	fatal     = "ends the connection"
	delivered = "reaches the layer above"
	quiet     = "is taken without an answer"
	answered  = "is answered"
	unknown   = "is answered UNIMPLEMENTED"
)

// A protocolState is one in which a peer can be when it sends a message.
type protocolState struct {
	name   string
	strict bool
	enter  func(p *rawPeer) // after identification
	keyed  bool
	auth   bool
	rekey  bool
}

func protocolStates() []protocolState {
	kexInit := func(p *rawPeer) { p.sendKexInit(); p.expectKexInit() }
	kexDone := func(p *rawPeer) {
		kexInit(p)
		p.startKex()
		for p.x.Result() == nil {
			payload, err := p.recv()
			require.NoError(p.t, err)
			p.kexStep(payload)
		}
		p.expectNewKeys() // ours is not sent
	}
	keyed := func(p *rawPeer) { kexInit(p); p.finishKex(); p.expect(wire.MsgExtInfo) }
	var states []protocolState
	for _, strict := range []bool{true, false} {
		s := fmt.Sprintf("strict=%v ", strict)
		states = append(states,
			protocolState{name: s + "identified", strict: strict, enter: func(*rawPeer) {}},
			protocolState{name: s + "KEXINIT sent", strict: strict, enter: kexInit},
			protocolState{name: s + "before NEWKEYS", strict: strict, enter: kexDone},
		)
		if !strict {
			continue // it makes no difference later
		}
		states = append(states,
			protocolState{name: s + "keyed", strict: strict, enter: keyed, keyed: true},
			protocolState{name: s + "authenticated", strict: strict, enter: keyed, keyed: true, auth: true},
			protocolState{name: s + "rekeying", strict: strict, enter: keyed, keyed: true, auth: true, rekey: true},
			protocolState{name: s + "rekeying early", strict: strict, enter: keyed, keyed: true, rekey: true},
		)
	}
	return states
}

// fate is the allow-list: what the transport does with each message.
func (s *protocolState) fate(role kex.Role, m byte) string {
	transport := map[byte]string{wire.MsgIgnore: quiet, wire.MsgDebug: quiet, wire.MsgUnimplemented: quiet}
	if !s.keyed {
		switch fate, ok := transport[m]; {
		case ok && (!s.strict || s.name == "strict=true identified"): // there it is the KEXINIT after it that fails
			return fate
		case m == wire.MsgKexInit && (s.name == "strict=true identified" || s.name == "strict=false identified"):
			return answered
		}
		return fatal
	}
	if fate, ok := transport[m]; ok {
		return fate
	}
	switch {
	case m == wire.MsgExtInfo:
		return quiet
	case m == wire.MsgPing:
		return answered
	case m == wire.MsgPong, m == wire.MsgNewKeys, m >= 30 && m <= 49:
		return fatal
	case m == wire.MsgKexInit:
		if s.rekey {
			return fatal
		}
		return answered
	case m == 5, m == 6, m >= 50 && m <= 79:
		switch {
		case !s.auth && s.rekey:
			return fatal
		case !s.auth:
			return delivered
		case role == kex.Server && m == wire.MsgUserauthRequest:
			return quiet
		}
		return fatal
	case m >= 80 && m <= 82, m >= 90 && m <= 100:
		if s.auth {
			return delivered
		}
		return fatal
	}
	return unknown
}

// sample returns a message with a body that its number can have.
func sample(m byte, p *rawPeer) []byte {
	switch m {
	case wire.MsgKexInit:
		i := p.settings.proposal(p.sessionID == nil)
		if p.change != nil {
			p.change(i)
		}
		return i.marshal(nil)
	case wire.MsgNewKeys:
		return []byte{m}
	case wire.MsgExtInfo:
		return []byte{m, 0, 0, 0, 0}
	case wire.MsgUnimplemented:
		return []byte{m, 0, 0, 0, 0}
	case wire.MsgPing, wire.MsgPong:
		return wire.AppendString([]byte{m}, "x")
	}
	return []byte{m, 0, 0, 0, 0, 0, 0, 0, 0}
}

func TestDefect_WrongState(t *testing.T) {
	cfg := Config{KeyExchanges: []string{"curve25519-sha256"}}
	forRoles(t, func(t *testing.T, role kex.Role) {
		for _, s := range protocolStates() {
			t.Run(s.name, func(t *testing.T) {
				t.Parallel()
				for m := range 256 {
					if m == wire.MsgDisconnect || m == wire.MsgNewKeys && s.name[len(s.name)-7:] == "NEWKEYS" {
						continue // the one ends it as it should, the other belongs there
					}
					if raceEnabled && m > 120 && m != wire.MsgPing && m != wire.MsgPong {
						continue // nobody knows the others
					}
					tryMessage(t, cfg, role, &s, byte(m))
					if t.Failed() {
						return
					}
				}
			})
		}
	})
}

func tryMessage(t *testing.T, cfg Config, role kex.Role, s *protocolState, m byte) {
	c, p := begin(t, role, cfg)
	defer p.nc.Close()
	p.settings.KeyExchanges = cfg.KeyExchanges
	if !s.strict {
		p.change = withoutStrict
	}
	p.identify()
	s.enter(p)
	var got chan []byte
	if s.keyed {
		<-c.done
		require.NoError(t, c.err)
		if s.auth {
			c.SetAuthenticated()
		}
		got = readAll(c.Conn)
	}
	if s.rekey {
		p.sendKexInit()
		p.expectKexInit()
	}
	if !s.keyed && s.name[len(s.name)-10:] == "identified" {
		p.expectKexInit()
	}
	if role == kex.Server && s.rekey || role == kex.Client && (s.rekey || s.name[len(s.name)-4:] == "sent") {
		// A client has sent its first message by now.
		if role == kex.Client {
			p.expect(wire.MsgKexFirst)
		}
	}
	p.send(sample(m, p))
	fate := s.fate(role, m)
	if fate != fatal || m < 30 || m > 49 { // a server may take its time over those
		p.send(appendDisconnect(nil, wire.DisconnectByApplication, "done"))
	}

	var replies [][]byte
	for {
		payload, err := p.recv()
		if err != nil {
			break
		}
		replies = append(replies, payload)
		if payload[0] == wire.MsgDisconnect {
			break
		}
	}
	p.nc.Close()
	<-c.done
	err := c.err
	var above [][]byte
	if s.keyed {
		for b := range got {
			above = append(above, b)
		}
		err = c.Err()
	}
	what := fmt.Sprintf("%s in state %s: message %d must be one that %s; error %v, replies %v", roleName(role), s.name, m, fate, err, replies)
	var protocol *ProtocolError
	var gone *DisconnectError
	if fate == fatal {
		require.Empty(t, above, what)
		if m < 30 || m > 49 {
			require.ErrorAs(t, err, &protocol, what)
		}
		require.False(t, errorsAsDisconnect(err), what)
		require.NotEmpty(t, replies, what)
		require.Equal(t, byte(wire.MsgDisconnect), replies[len(replies)-1][0], what)
		return
	}
	require.ErrorAs(t, err, &gone, what)
	require.True(t, gone.Remote, what)
	if fate == delivered {
		require.Len(t, above, 1, what)
		require.Equal(t, m, above[0][0], what)
		return
	}
	require.Empty(t, above, what)
}

func errorsAsDisconnect(err error) bool { _, ok := err.(*DisconnectError); return ok }
