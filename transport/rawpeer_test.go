package transport

import (
	"io"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh/kex"
	"github.com/fairlead-go/ssh/keys"
	"github.com/fairlead-go/ssh/transport/internal/inflate"
	"github.com/fairlead-go/ssh/wire"
)

// A rawPeer speaks the protocol one message at a time, as a test's script
// says, right or wrong. It is a Conn that was never started: it has no
// goroutine and decides nothing.
type rawPeer struct {
	*Conn
	t  testing.TB
	nc net.Conn

	// change alters each of its KEXINITs.
	change func(*kexInit)

	ours, theirs               *kexInit
	oursPayload, theirsPayload []byte
	agreement                  *agreement
	x                          kex.Exchange
	nextIn, nextOut            packetCipher
}

func newRawPeer(t testing.TB, nc net.Conn, role kex.Role, cfg Config) *rawPeer {
	t.Helper()
	var s *settings
	var err error
	if role == kex.Client {
		s, err = clientConfig(cfg).settings()
	} else {
		s, err = serverConfig(cfg).settings()
	}
	require.NoError(t, err)
	return &rawPeer{Conn: newConn(nc, s, role), t: t, nc: nc}
}

func withoutStrict(m *kexInit) {
	m.kexAlgorithms = slices.DeleteFunc(m.kexAlgorithms, func(name string) bool {
		return name == strictKexClient || name == strictKexServer
	})
}

func (p *rawPeer) sendBytes(b []byte) {
	p.t.Helper()
	p.nc.SetWriteDeadline(time.Now().Add(20 * time.Second))
	_, err := p.nc.Write(b)
	require.NoError(p.t, err)
}

// sealed returns the packet of a payload, not yet sent.
func (p *rawPeer) sealed(payload []byte) []byte {
	p.seal(payload, nil)
	b := p.out.takePending(nil)
	return b
}

func (p *rawPeer) send(payload []byte) {
	p.t.Helper()
	p.sendBytes(p.sealed(payload))
}

func (p *rawPeer) recv() ([]byte, error) {
	p.nc.SetReadDeadline(time.Now().Add(20 * time.Second))
	payload, err := p.next()
	return slices.Clone(payload), err
}

// expect reads the next message, which must have the given number.
func (p *rawPeer) expect(number byte) []byte {
	p.t.Helper()
	payload, err := p.recv()
	require.NoError(p.t, err)
	if payload[0] == wire.MsgDisconnect && number != wire.MsgDisconnect {
		require.FailNow(p.t, parseDisconnect(payload).Error())
	}
	require.Equal(p.t, number, payload[0])
	return payload
}

// expectDisconnect reads until an SSH_MSG_DISCONNECT and returns it.
func (p *rawPeer) expectDisconnect() *DisconnectError {
	p.t.Helper()
	for {
		payload, err := p.recv()
		require.NoError(p.t, err)
		if payload[0] == wire.MsgDisconnect {
			return parseDisconnect(payload).(*DisconnectError)
		}
	}
}

// hangUp waits for the other side to end the connection and closes it.
func (p *rawPeer) hangUp() {
	p.nc.SetReadDeadline(time.Now().Add(20 * time.Second))
	_, err := io.Copy(io.Discard, p.nc)
	require.NoError(p.t, err)
	p.nc.Close()
}

func (p *rawPeer) identify() {
	p.t.Helper()
	ours := versionPrefix + "raw"
	p.sendBytes([]byte(ours + "\r\n"))
	p.nc.SetReadDeadline(time.Now().Add(20 * time.Second))
	theirs, err := p.readVersion()
	require.NoError(p.t, err)
	p.clientVersion, p.serverVersion = ours, theirs
	if p.role == kex.Server {
		p.clientVersion, p.serverVersion = theirs, ours
	}
}

func (p *rawPeer) sendKexInit() {
	p.t.Helper()
	p.ours = p.settings.proposal(p.sessionID == nil)
	if p.change != nil {
		p.change(p.ours)
	}
	p.oursPayload = p.ours.marshal(nil)
	p.send(p.oursPayload)
}

func (p *rawPeer) expectKexInit() {
	p.t.Helper()
	p.theirsPayload = p.expect(wire.MsgKexInit)
	var err error
	p.theirs, err = parseKexInit(p.theirsPayload)
	require.NoError(p.t, err)
}

// startKex makes the method's machine from both KEXINITs; a client sends its
// first message.
func (p *rawPeer) startKex() {
	p.t.Helper()
	client, server := p.ours, p.theirs
	tr := kex.Transcript{
		ClientVersion: []byte(p.clientVersion), ServerVersion: []byte(p.serverVersion),
		ClientKexInit: p.oursPayload, ServerKexInit: p.theirsPayload,
	}
	if p.role == kex.Server {
		client, server = p.theirs, p.ours
		tr.ClientKexInit, tr.ServerKexInit = p.theirsPayload, p.oursPayload
	}
	if p.sessionID == nil {
		p.strict = slices.Contains(client.kexAlgorithms, strictKexClient) &&
			slices.Contains(server.kexAlgorithms, strictKexServer)
	}
	var err error
	p.agreement, err = negotiate(client, server, p.role)
	require.NoError(p.t, err)
	cfg := kex.Config{Role: p.role, Transcript: tr}
	if p.role == kex.Server {
		cfg.HostKey, err = p.hostKeyFor(p.agreement.hostKeyAlgorithm)
		require.NoError(p.t, err)
	}
	p.x, err = kex.New(p.agreement.kexAlgorithm, cfg)
	require.NoError(p.t, err)
	if p.role == kex.Client {
		p.kexStep(nil)
	}
}

// kexStep gives the machine a message, sends what it answers, and derives keys
// when it is done.
func (p *rawPeer) kexStep(in []byte) {
	p.t.Helper()
	out, done, err := p.x.Step(in)
	require.NoError(p.t, err)
	for _, b := range out {
		p.send(b)
	}
	if !done {
		return
	}
	res := p.x.Result()
	if p.sessionID == nil {
		p.sessionID = slices.Clone(res.H)
	}
	derive := func(tag byte, n int) []byte { return res.DeriveKey(tag, p.sessionID, n) }
	toServer, err := p.agreement.clientToServer.newPacketCipher(derive, 'A', 'C', 'E')
	require.NoError(p.t, err)
	toClient, err := p.agreement.serverToClient.newPacketCipher(derive, 'B', 'D', 'F')
	require.NoError(p.t, err)
	p.nextOut, p.nextIn = toServer, toClient
	if p.role == kex.Server {
		p.nextOut, p.nextIn = toClient, toServer
	}
}

func (p *rawPeer) sendNewKeys() {
	p.t.Helper()
	p.send([]byte{wire.MsgNewKeys})
	p.out.cipher, p.out.geo = p.nextOut, p.nextOut.geometry()
	_, ours := p.agreement.suites(p.role)
	p.out.compression = ours.compression
	p.deflateLocked(compresses(ours.compression, p.authenticated))
	if p.strict {
		p.out.seq = 0
	}
}

func (p *rawPeer) expectNewKeys() {
	p.t.Helper()
	p.expect(wire.MsgNewKeys)
	p.Conn.in.cipher, p.Conn.in.geo = p.nextIn, p.nextIn.geometry()
	theirs, _ := p.agreement.suites(p.role)
	p.Conn.in.compression, p.Conn.in.inflate = theirs.compression, nil
	if compresses(theirs.compression, p.authenticated) {
		p.Conn.in.inflate = new(inflate.Decoder)
	}
	if p.strict {
		p.Conn.in.seq = 0
	}
}

// finishKex runs an exchange from after both KEXINITs to after both NEWKEYS.
func (p *rawPeer) finishKex() {
	p.t.Helper()
	p.startKex()
	for p.x.Result() == nil {
		payload, err := p.recv()
		require.NoError(p.t, err)
		p.kexStep(payload)
	}
	p.sendNewKeys()
	p.expectNewKeys()
}

func (p *rawPeer) handshake() {
	p.t.Helper()
	p.identify()
	p.sendKexInit()
	p.expectKexInit()
	p.finishKex()
}

// rekey begins a key exchange and carries it through.
func (p *rawPeer) rekey() {
	p.t.Helper()
	p.sendKexInit()
	for {
		payload, err := p.recv()
		require.NoError(p.t, err)
		if payload[0] == wire.MsgKexInit {
			p.theirsPayload = payload
			p.theirs, err = parseKexInit(payload)
			require.NoError(p.t, err)
			break
		}
	}
	p.finishKex()
}

// answerRekey carries through a key exchange that the other side begins.
func (p *rawPeer) answerRekey() {
	p.t.Helper()
	p.expectKexInit()
	p.sendKexInit()
	p.finishKex()
}

// A tested is a Conn that a rawPeer talks to.
type tested struct {
	*Conn
	err  error
	done chan struct{} // the handshake is over
}

func roleName(r kex.Role) string {
	if r == kex.Client {
		return "client"
	}
	return "server"
}

func otherRole(r kex.Role) kex.Role {
	if r == kex.Client {
		return kex.Server
	}
	return kex.Client
}

// begin starts a Conn of the given role with a rawPeer at its other end.
func begin(t testing.TB, role kex.Role, cfg Config) (*tested, *rawPeer) {
	t.Helper()
	a, b := socketPair(t)
	return beginOn(t, a, b, role, cfg), newRawPeer(t, b, otherRole(role), Config{})
}

func beginOn(t testing.TB, nc net.Conn, peer net.Conn, role kex.Role, cfg Config) *tested {
	return beginWith(t, peer, func() (*Conn, error) {
		if role == kex.Client {
			return Client(t.Context(), nc, clientConfig(cfg))
		}
		return Server(t.Context(), nc, serverConfig(cfg))
	})
}

func beginWith(t testing.TB, peer net.Conn, start func() (*Conn, error)) *tested {
	c := &tested{done: make(chan struct{})}
	go func() {
		defer close(c.done)
		c.Conn, c.err = start()
	}()
	t.Cleanup(func() {
		peer.Close()
		<-c.done
		if c.Conn != nil {
			c.Fail(&ConnectionError{Op: "read", Err: net.ErrClosed})
			<-c.flushed
		}
	})
	return c
}

// keyed is begin, with the handshake done.
func keyed(t testing.TB, role kex.Role, cfg Config, change func(*kexInit)) (*tested, *rawPeer) {
	t.Helper()
	c, p := begin(t, role, cfg)
	p.change = change
	p.handshake()
	<-c.done
	require.NoError(t, c.err)
	if slices.Contains(p.ours.kexAlgorithms, extInfoClient) || slices.Contains(p.ours.kexAlgorithms, extInfoServer) {
		p.expect(wire.MsgExtInfo)
	}
	return c, p
}

// loggedIn is keyed, with the connection protocol running and a goroutine that
// reads; what it reads goes to got, and got is closed at the end.
func loggedIn(t testing.TB, role kex.Role, cfg Config, change func(*kexInit)) (c *tested, p *rawPeer, got chan []byte) {
	t.Helper()
	c, p = keyed(t, role, cfg, change)
	c.SetAuthenticated()
	return c, p, readAll(c.Conn)
}

func readAll(c *Conn) chan []byte {
	got := make(chan []byte, 1<<12)
	go func() {
		defer close(got)
		for {
			payload, err := c.ReadPacket()
			if err != nil {
				return
			}
			got <- slices.Clone(payload)
		}
	}()
	return got
}

// forRoles runs a test for a client and for a server.
func forRoles(t *testing.T, f func(t *testing.T, role kex.Role)) {
	for _, role := range []kex.Role{kex.Client, kex.Server} {
		t.Run(roleName(role), func(t *testing.T) { f(t, role) })
	}
}

// otherHostKey is not the test's usual one.
var otherHostKey = func() *keys.PrivateKey {
	k, err := keys.GenerateKey(keys.KeyEd25519, 0)
	if err != nil {
		panic(err)
	}
	return k
}()

func data(size int) []byte {
	b := make([]byte, size)
	b[0] = wire.MsgChannelData
	for i := 1; i < size; i++ {
		b[i] = byte(i)
	}
	return b
}
