package transport

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh/kex"
	"github.com/fairlead-go/ssh/keys"
	"github.com/fairlead-go/ssh/wire"
)

// drained waits for the peer to have handled all that was sent.
func (p *rawPeer) drained() {
	p.t.Helper()
	p.send(wire.AppendString([]byte{wire.MsgPing}, "drained?"))
	for {
		payload, err := p.recv()
		require.NoError(p.t, err)
		if payload[0] == wire.MsgPong && string(payload[5:]) == "drained?" {
			return
		}
	}
}

func extInfo(pairs ...string) []byte {
	b := wire.AppendUint32([]byte{wire.MsgExtInfo}, uint32(len(pairs)/2))
	for _, s := range pairs {
		b = wire.AppendString(b, s)
	}
	return b
}

func TestExtInfo(t *testing.T) {
	c, p, _ := loggedIn(t, kex.Client, Config{}, nil)
	require.Nil(t, c.ServerSigAlgs())
	_, err := c.Ping(context.Background())
	require.ErrorIs(t, err, ErrPingUnsupported)

	p.send(extInfo(extServerSigAlgs, "ssh-ed25519,rsa-sha2-512", "x", "a\x00b"))
	p.drained()
	require.Equal(t, []string{"ssh-ed25519", "rsa-sha2-512"}, c.ServerSigAlgs())
	v, ok := c.Extension("x")
	require.True(t, ok)
	require.Equal(t, "a\x00b", string(v))

	// A later one adds and overrides.
	p.send(extInfo(extServerSigAlgs, "", "y", ""))
	p.drained()
	require.Equal(t, []string{}, c.ServerSigAlgs())
	_, ok = c.Extension("x")
	require.True(t, ok)
	_, ok = c.Extension("y")
	require.True(t, ok)
}

func TestExtInfoBounds(t *testing.T) {
	many := func(n int, from int) (pairs []string) {
		for i := range n {
			pairs = append(pairs, fmt.Sprint("e", from+i), "")
		}
		return pairs
	}
	big := strings.Repeat("x", maxExtensionBytes)
	bad := map[string][][]byte{
		"too many":            {extInfo(many(maxExtensions+1, 0)...)},
		"too many in all":     {extInfo(many(maxExtensions, 0)...), extInfo("one more", "")},
		"too big":             {extInfo("a", big)},
		"too big in all":      {extInfo("a", big[:len(big)/2]), extInfo("b", big[:len(big)/2])},
		"count of 2^32-1":     {{wire.MsgExtInfo, 0xff, 0xff, 0xff, 0xff}},
		"count past the end":  {{wire.MsgExtInfo, 0, 0, 0, 1}},
		"trailing byte":       {append(extInfo("a", "b"), 0)},
		"string past the end": {{wire.MsgExtInfo, 0, 0, 0, 1, 0, 0, 0, 9, 'x'}},
		"no count":            {{wire.MsgExtInfo}},
	}
	forRoles(t, func(t *testing.T, role kex.Role) {
		for name, messages := range bad {
			t.Run(name, func(t *testing.T) {
				c, p, got := loggedIn(t, role, Config{}, nil)
				for _, m := range messages[:len(messages)-1] {
					p.send(m)
					p.drained()
				}
				p.send(messages[len(messages)-1])
				require.EqualValues(t, wire.DisconnectProtocolError, p.expectDisconnect().Reason)
				p.nc.Close()
				for range got {
				}
				var pe *ProtocolError
				require.ErrorAs(t, c.Err(), &pe)
			})
		}
		t.Run("as much as is allowed", func(t *testing.T) {
			c, p, _ := loggedIn(t, role, Config{}, nil)
			p.send(extInfo(many(maxExtensions, 0)...))
			p.send(extInfo("e0", big[:maxExtensionBytes-1000]))
			p.drained()
			require.NoError(t, c.Err())
		})
	})
}

// TestOurExtInfo: a server says which keys it takes, and each side that it
// answers pings.
func TestOurExtInfo(t *testing.T) {
	forRoles(t, func(t *testing.T, role kex.Role) {
		_, p := begin(t, role, Config{})
		p.handshake()
		payload := p.expect(wire.MsgExtInfo)
		require.NoError(t, p.onExtInfo(payload))
		v, ok := p.Extension(extPing)
		require.True(t, ok)
		require.Equal(t, "0", string(v))
		if role == kex.Server {
			require.Equal(t, keys.Algorithms(), p.ServerSigAlgs())
		} else {
			_, ok := p.Extension(extInfoInAuth)
			require.True(t, ok)
			require.Nil(t, p.ServerSigAlgs())
		}
	})
	t.Run("not to a peer that does not ask", func(t *testing.T) {
		c, p := begin(t, kex.Server, Config{})
		p.change = func(m *kexInit) { m.kexAlgorithms = []string{"curve25519-sha256"} }
		p.handshake()
		<-c.done
		require.NoError(t, c.err)
		require.NoError(t, c.QueuePacket([]byte{wire.MsgUserauthFailure}))
		p.expect(wire.MsgUserauthFailure)
	})
}

func TestPingAnswers(t *testing.T) {
	c, p, _ := loggedIn(t, kex.Server, Config{}, nil)
	for _, s := range []string{"", "x", strings.Repeat("y", 30000)} {
		p.send(wire.AppendString([]byte{wire.MsgPing}, s))
		require.Equal(t, wire.AppendString([]byte{wire.MsgPong}, s), p.expect(wire.MsgPong))
	}
	// Ours are answered in order, also those that nobody waits for any more.
	p.send(extInfo(extPing, "0"))
	p.drained()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := c.Ping(ctx)
	require.ErrorIs(t, err, context.Canceled)
	done := make(chan error, 1)
	go func() { _, err := c.Ping(t.Context()); done <- err }()
	first, second := p.expect(wire.MsgPing), p.expect(wire.MsgPing)
	first[0], second[0] = wire.MsgPong, wire.MsgPong
	p.send(first)
	p.drained()
	require.Empty(t, done)
	p.send(second)
	require.NoError(t, <-done)
	// No more may wait than a fixed number.
	for range maxPings {
		_, err = c.Ping(ctx)
		require.ErrorIs(t, err, context.Canceled)
	}
	_, err = c.Ping(t.Context())
	var te *TimeoutError
	require.ErrorAs(t, err, &te)
	require.NoError(t, c.Err())
}

func TestPongs(t *testing.T) {
	scripts := map[string]func(c *tested, p *rawPeer){
		"unsolicited": func(c *tested, p *rawPeer) { p.send(wire.AppendString([]byte{wire.MsgPong}, "x")) },
		"other data": func(c *tested, p *rawPeer) {
			p.send(extInfo(extPing, "0"))
			p.drained()
			go c.Ping(context.Background())
			p.expect(wire.MsgPing)
			p.send(wire.AppendString([]byte{wire.MsgPong}, "x"))
		},
		"twice": func(c *tested, p *rawPeer) {
			p.send(extInfo(extPing, "0"))
			p.drained()
			go c.Ping(context.Background())
			b := p.expect(wire.MsgPing)
			b[0] = wire.MsgPong
			p.send(b)
			p.send(b)
		},
		"malformed":      func(c *tested, p *rawPeer) { p.send([]byte{wire.MsgPong, 0}) },
		"malformed ping": func(c *tested, p *rawPeer) { p.send([]byte{wire.MsgPing, 0, 0, 0, 0, 0}) },
	}
	for name, script := range scripts {
		t.Run(name, func(t *testing.T) {
			c, p, got := loggedIn(t, kex.Server, Config{}, nil)
			script(c, p)
			require.EqualValues(t, wire.DisconnectProtocolError, p.expectDisconnect().Reason)
			p.nc.Close()
			for range got {
			}
			var pe *ProtocolError
			require.ErrorAs(t, c.Err(), &pe)
		})
	}
}

// TestUnimplementedCarriesTheSequenceNumber of the packet that it answers (RFC
// 4253 section 11.4), which strict key exchange began anew.
func TestUnimplementedCarriesTheSequenceNumber(t *testing.T) {
	for _, strict := range []bool{true, false} {
		var change func(*kexInit)
		if !strict {
			change = withoutStrict
		}
		_, p, _ := loggedIn(t, kex.Server, Config{}, change)
		for range 2 {
			for _, m := range []byte{200, 8, 22, 255} {
				p.send([]byte{wire.MsgIgnore})
				seq := p.out.seq
				p.send([]byte{m})
				require.Equal(t, appendUnimplemented(nil, seq), p.expect(wire.MsgUnimplemented))
			}
			p.rekey()
		}
	}
}

// TestDefect_UselessMessages: a flood of messages that ask for nothing ends.
func TestDefect_UselessMessages(t *testing.T) {
	c, p := keyed(t, kex.Server, Config{}, nil)
	c.SetAuthenticated()
	const most = 10000
	c.useless = maxUseless - most // all that went before
	got := readAll(c.Conn)
	flood := make(chan struct{})
	go func() {
		defer close(flood)
		for {
			p.seal([]byte{wire.MsgIgnore, 0, 0, 0, 0}, nil)
			if len(p.out.pending) > 1<<16 {
				_, err := p.nc.Write(p.out.takePending(nil))
				if err != nil {
					return
				}
			}
		}
	}()
	p.expectDisconnect()
	p.nc.Close()
	<-flood
	for range got {
	}
	require.ErrorContains(t, c.Err(), "ask for nothing")
	require.LessOrEqual(t, c.State().In.Packets, uint64(most+10))
}

// TestDefect_PreAuthCaps: an unauthenticated peer may send so much and no more,
// in bytes and in packets, before and after the first keys.
func TestDefect_PreAuthCaps(t *testing.T) {
	type script struct {
		name string
		body []byte
	}
	forRoles(t, func(t *testing.T, role kex.Role) {
		for _, s := range []script{
			{"packets", []byte{wire.MsgIgnore, 0, 0, 0, 0}},
			{"bytes", append([]byte{wire.MsgIgnore}, make([]byte, 200<<10)...)},
			{"packets for authentication", []byte{wire.MsgUserauthRequest}},
			{"bytes for authentication", append([]byte{wire.MsgUserauthRequest}, make([]byte, 200<<10)...)},
		} {
			for _, hasKeys := range []bool{false, true} {
				if !hasKeys && s.body[0] != wire.MsgIgnore {
					continue // fatal at once
				}
				t.Run(fmt.Sprintf("%s keyed=%v", s.name, hasKeys), func(t *testing.T) {
					c, p := begin(t, role, Config{})
					p.change = withoutStrict
					var got chan []byte
					if hasKeys {
						p.handshake()
						<-c.done
						require.NoError(t, c.err)
						got = readAll(c.Conn)
					} else {
						p.identify()
					}
					sentBytes := 0
					packets := 0
					for ; packets < 2*maxPreAuthPackets && sentBytes < 2*maxPreAuthBytes; packets++ {
						b := p.sealed(s.body)
						if _, err := p.nc.Write(b); err != nil {
							break
						}
						sentBytes += len(b)
					}
					p.expectDisconnect()
					p.nc.Close()
					<-c.done
					err := c.err
					if hasKeys {
						n := 0
						for b := range got {
							n += len(b)
						}
						err = c.Err()
						require.LessOrEqual(t, n, maxPreAuthBytes)
					}
					var pe *ProtocolError
					require.ErrorAs(t, err, &pe)
					require.ErrorContains(t, err, "too much sent")
				})
			}
		}
	})
}

// TestDisconnectMessages: some peers leave out the strings.
func TestDisconnectMessages(t *testing.T) {
	whole := appendDisconnect(nil, 11, "bye")
	for n := range len(whole) + 1 {
		if n == 0 {
			continue
		}
		de, ok := parseDisconnect(whole[:n]).(*DisconnectError)
		require.True(t, ok)
		require.True(t, de.Remote)
		if n >= 12 {
			require.Equal(t, &DisconnectError{Reason: 11, Message: "bye", Remote: true}, de)
		}
	}
	require.True(t, bytes.HasSuffix(whole, []byte{0, 0, 0, 0}), "language tag")
}

// TestDefect_TerminalEscapes: what a peer wrote is escaped in every error.
func TestDefect_TerminalEscapes(t *testing.T) {
	const evil = "\x1b]0;owned\x07\r\n\u202e"
	for _, err := range []error{
		&DisconnectError{Message: evil, Remote: true},
		&VersionError{Line: evil, Why: "x"},
	} {
		for _, r := range err.Error() {
			require.True(t, r >= ' ' && r <= '~', "%q", err.Error())
		}
	}
}
