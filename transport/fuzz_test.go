package transport

import (
	"bytes"
	"context"
	"net"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh/kex"
	"github.com/fairlead-go/ssh/wire"
)

func FuzzKexInit(f *testing.F) {
	for _, first := range []bool{true, false} {
		s, _ := clientConfig(Config{}).settings()
		f.Add(s.proposal(first).marshal(nil))
	}
	f.Add((&kexInit{firstKexFollows: true, reserved: 1}).marshal(nil))
	cs, err := clientConfig(Config{}).settings()
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := parseKexInit(b)
		if err != nil {
			return
		}
		again, err := parseKexInit(m.marshal(nil))
		require.NoError(t, err)
		require.Equal(t, m, again)
		ours := cs.proposal(true)
		if a, err := negotiate(ours, m, kex.Client); err == nil {
			require.False(t, pseudo(a.kexAlgorithm))
			require.NotNil(t, a.clientToServer.cipher)
			require.NotNil(t, a.serverToClient.cipher)
		}
		negotiate(m, ours, kex.Server)
	})
}

func FuzzExtInfo(f *testing.F) {
	f.Add(extInfo(extServerSigAlgs, "ssh-ed25519,rsa-sha2-256", extPing, "0"))
	f.Add(extInfo())
	f.Add([]byte{wire.MsgExtInfo, 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) == 0 {
			return
		}
		c := offline(t, nil, nil)
		if c.onExtInfo(b) != nil {
			require.Empty(t, c.peerExt)
			return
		}
		require.LessOrEqual(t, len(c.peerExt), maxExtensions)
		c.ServerSigAlgs()
	})
}

func FuzzIdentification(f *testing.F) {
	f.Add([]byte("SSH-2.0-x\r\n"), true)
	f.Add([]byte("welcome\n\nSSH-1.99-x y\nrest"), true)
	f.Add([]byte("SSH-1.5-x\n"), false)
	f.Add([]byte("SSH-2.0-\x00\n"), false)
	f.Fuzz(func(t *testing.T, b []byte, fromServer bool) {
		// All at once and byte by byte give the same.
		read := func(step int) (string, error) {
			v := versionReader{fromServer: fromServer}
			used := 0
			for end := min(step, len(b)); ; end = min(end+step, len(b)) {
				for {
					n, line, err := v.next(b[used:end])
					require.LessOrEqual(t, n, end-used)
					used += n
					if line != nil || err != nil {
						return string(line), err
					}
					if n == 0 {
						break
					}
				}
				if end == len(b) {
					return "", nil
				}
			}
		}
		whole, err := read(len(b) + 1)
		bytewise, err2 := read(1)
		require.Equal(t, err == nil, err2 == nil)
		require.Equal(t, whole, bytewise)
		require.Less(t, len(whole), maxVersionLen)
		if !fromServer && whole != "" {
			require.True(t, bytes.HasPrefix(b, []byte(whole)))
		}
	})
}

// seedHandshake is what a raw peer of the given role sends in a handshake.
func seedHandshake(f *testing.F, role kex.Role) []byte {
	_, p := begin(f, role, Config{})
	rec := &recorder{Conn: p.nc}
	p.nc = rec
	p.handshake()
	return rec.sent
}

type recorder struct {
	net.Conn
	sent []byte
}

func (r *recorder) Write(b []byte) (int, error) {
	r.sent = append(r.sent, b...)
	return r.Conn.Write(b)
}

// FuzzServer and FuzzClient feed a whole side what a peer might send.
func FuzzServer(f *testing.F) { fuzzSide(f, kex.Server) }
func FuzzClient(f *testing.F) { fuzzSide(f, kex.Client) }

func fuzzSide(f *testing.F, role kex.Role) {
	f.Add(seedHandshake(f, role))
	f.Add([]byte("SSH-2.0-x\r\n\x00\x00\x00\x0c\x06\x02\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"))
	f.Add([]byte("SSH-1.5-x\r\n"))
	f.Add([]byte("\x16\x03\x01"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var c *Conn
		var err error
		if role == kex.Server {
			c, err = Server(context.Background(), stream{bytes.NewReader(b)}, serverConfig(Config{}))
		} else {
			cc := clientConfig(Config{})
			cc.GuessKeyExchange = len(b)%2 == 0
			c, err = Client(context.Background(), stream{bytes.NewReader(b)}, cc)
		}
		if err == nil {
			// A client that replays another's messages gets as far as NEWKEYS,
			// which prove nothing; a server must have signed.
			require.Equal(t, kex.Server, role)
			payload, err := c.ReadPacket()
			require.Error(t, err) // nobody guesses keys
			require.Nil(t, payload)
			<-c.flushed
		}
	})
}

// FuzzProtected feeds a connection with keys what an honest cipher carried:
// messages of any content, one after the other, each with a length before it.
func FuzzProtected(f *testing.F) {
	script := func(messages ...[]byte) (b []byte) {
		for _, m := range messages {
			b = append(b, byte(len(m)>>8), byte(len(m)))
			b = append(b, m...)
		}
		return b
	}
	s, err := clientConfig(Config{}).settings()
	require.NoError(f, err)
	f.Add(script(data(5), []byte{wire.MsgIgnore}, extInfo("a", "b")), true, true)
	f.Add(script(s.proposal(false).marshal(nil), []byte{30, 0, 0, 0, 1, 2}, []byte{wire.MsgNewKeys}), true, true)
	f.Add(script(wire.AppendString([]byte{wire.MsgPing}, "x"), []byte{wire.MsgPong}), false, false)
	f.Add(script(appendDisconnect(nil, 2, "x")), false, true)
	d := testSuites()[1]
	f.Fuzz(func(t *testing.T, b []byte, isServer, authenticated bool) {
		from := offline(t, &d, nil)
		sent := 0
		for len(b) >= 2 {
			n := min(int(b[0])<<8|int(b[1]), len(b)-2)
			if n > 0 {
				from.seal(b[2:2+n], nil)
				sent++
			}
			b = b[2+n:]
		}
		c := offline(t, &d, bytes.NewReader(from.out.takePending(nil)))
		if isServer {
			c.role = kex.Server
			c.settings, _ = serverConfig(Config{}).settings()
		}
		c.clientVersion, c.serverVersion = "SSH-2.0-a", "SSH-2.0-b"
		c.sessionID, c.keyed, c.authenticated = []byte("id"), true, authenticated
		c.hostKey, c.hostKeyBlob = testHostKey.PublicKey(), testHostKey.PublicKey().Marshal()
		for n := 0; ; n++ {
			payload, err := c.ReadPacket()
			if err != nil {
				break
			}
			require.NotEmpty(t, payload)
			if layerOf(payload[0]) == layerConnection {
				require.True(t, authenticated)
			}
			require.LessOrEqual(t, n, sent)
		}
		<-c.flushed
		_, err := c.ReadPacket()
		require.Equal(t, c.Err(), err)
	})
}
