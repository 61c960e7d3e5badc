package transport

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/fairlead-go/ssh/kex"
	"github.com/fairlead-go/ssh/keys"
	"github.com/fairlead-go/ssh/transport/internal/inflate"
	"github.com/fairlead-go/ssh/wire"
)

// A key exchange (RFC 4253 sections 7 to 9), the first and every later one, in
// execution order:
//
//  1. startKexLocked: we crossed a limit, or the peer's KEXINIT came. Our
//     KEXINIT is sealed and rekeying set, both under mu: from here on writers
//     wait, queued packets are deferred, and only key exchange goes out.
//  2. onKexInit, the reader: the peer's KEXINIT; negotiation; the method's
//     machine is made.
//  3. onKexMessage, the reader: the method's messages, until it has a result.
//     A server signs on a goroutine of its own when keys are exchanged again,
//     since a signer may be an agent or a token, and the reader waits for
//     nobody.
//  4. agreed: the host key is judged, keys are derived, NEWKEYS is sealed, and
//     our direction changes keys, all before anything else can go out. What
//     was deferred follows, and writers go on.
//  5. onNewKeys, the reader: the peer's direction changes keys, and the
//     exchange is complete.
//
// In the first exchange the goroutine in Client or Server is the reader.

// keyExchange is an exchange after the peer's KEXINIT. It belongs to the
// reader, except while a goroutine signs.
type keyExchange struct {
	first     bool
	agreement *agreement
	exchange  kex.Exchange
	// skip: the peer guessed wrong, so its next message is to be ignored
	// (RFC 4253 section 7).
	skip bool
	// sent: the method's first message has gone out with our KEXINIT, as a
	// guess that turned out right.
	sent bool
	// extInfo: the peer takes SSH_MSG_EXT_INFO after our NEWKEYS.
	extInfo bool
	// signing: a goroutine has the exchange. No message of the peer's can be
	// due before that has sent one. Conn.mu.
	signing bool
	// incoming is what NEWKEYS will put in place, nil until the exchange has
	// its result. Conn.mu.
	incoming packetCipher
}

// ourExchange is an exchange from our KEXINIT to both NEWKEYS. Conn.mu.
type ourExchange struct {
	proposal *kexInit
	payload  []byte
	timeout  *time.Timer
	done     chan struct{} // closed when new keys are in use both ways
}

func (e *ourExchange) end() {
	if e.timeout != nil {
		e.timeout.Stop()
	}
}

// startKexLocked begins a key exchange unless one is under way or may not be
// begun. mu is held.
func (c *Conn) startKexLocked() {
	first := c.sessionID == nil
	if c.err != nil || c.exchange != nil || !first && !c.mayRekey {
		return
	}
	c.beginLocked(first)
}

// beginLocked seals our KEXINIT. mu is held.
func (c *Conn) beginLocked(first bool) {
	proposal := c.settings.proposal(first)
	e := &ourExchange{proposal: proposal, payload: proposal.marshal(nil), done: make(chan struct{})}
	c.exchange = e
	c.rekeying = true
	c.seal(e.payload, nil)
	if c.interval != nil {
		c.interval.Stop()
	}
	if t := c.settings.RekeyTimeout; !first && t > 0 {
		e.timeout = time.AfterFunc(t, func() {
			c.Fail(&TimeoutError{Wait: "the peer did not finish exchanging keys"})
		})
	}
}

// startRekey begins a key exchange from outside the lock.
func (c *Conn) startRekey() {
	c.mu.Lock()
	c.startKexLocked()
	c.flushAndUnlock(true)
}

// resetIntervalLocked starts RekeyInterval anew. mu is held.
func (c *Conn) resetIntervalLocked() {
	if c.settings.RekeyInterval < 0 || !c.mayRekey {
		return
	}
	if c.interval == nil {
		c.interval = time.AfterFunc(c.settings.RekeyInterval, c.startRekey)
		return
	}
	c.interval.Reset(c.settings.RekeyInterval)
}

// ErrRekeyTooEarly is returned by Rekey before SetAuthenticated.
var ErrRekeyTooEarly = errors.New("transport: keys are exchanged again only after authentication")

// Rekey exchanges keys now and waits until that is done; where an exchange is
// under way already it waits for that one. It needs a goroutine in ReadPacket,
// and may not be called by it.
func (c *Conn) Rekey(ctx context.Context) error {
	c.mu.Lock()
	c.startKexLocked()
	e, err := c.exchange, c.err
	c.flushAndUnlock(true)
	switch {
	case err != nil:
		return err
	case e == nil:
		return ErrRekeyTooEarly
	}
	select {
	case <-e.done:
		return nil
	case <-c.dead:
		return c.Err()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// onKexInit handles the peer's SSH_MSG_KEXINIT.
func (c *Conn) onKexInit(payload []byte) error {
	if c.kx != nil {
		return c.unexpected(wire.MsgKexInit)
	}
	if !c.authenticated {
		if c.preAuthExchanges++; c.preAuthExchanges > maxPreAuthExchanges {
			return protocolErrorf("too many key exchanges before authentication")
		}
	}
	theirs, err := parseKexInit(payload)
	if err != nil {
		return err
	}
	payload = slices.Clone(payload)

	c.mu.Lock()
	first := c.sessionID == nil
	if c.err == nil && c.exchange == nil {
		c.beginLocked(first)
	}
	e, err := c.exchange, c.err
	c.flushAndUnlock(true)
	if err != nil {
		return err
	}

	client, server := e.proposal, theirs
	transcript := kex.Transcript{
		ClientVersion: []byte(c.clientVersion), ServerVersion: []byte(c.serverVersion),
		ClientKexInit: e.payload, ServerKexInit: payload,
	}
	if c.role == kex.Server {
		client, server = theirs, e.proposal
		transcript.ClientKexInit, transcript.ServerKexInit = payload, e.payload
	}
	if first {
		c.strict = slices.Contains(client.kexAlgorithms, strictKexClient) &&
			slices.Contains(server.kexAlgorithms, strictKexServer)
		if c.strict && c.in.seq != 1 {
			return protocolErrorf("strict key exchange: a message came before SSH_MSG_KEXINIT")
		}
		c.mu.Lock()
		c.state.ClientVersion, c.state.ServerVersion = c.clientVersion, c.serverVersion
		c.state.StrictKex = c.strict
		c.mu.Unlock()
	}
	a, err := negotiate(client, server, c.role)
	if err != nil {
		return err
	}
	kx := &keyExchange{
		first: first, agreement: a,
		skip: theirs.firstKexFollows && !a.goodGuess,
		sent: e.proposal.firstKexFollows && a.goodGuess,
	}
	if first {
		kx.extInfo = slices.Contains(theirs.kexAlgorithms, extInfoClient) ||
			slices.Contains(theirs.kexAlgorithms, extInfoServer)
	}
	cfg := kex.Config{Role: c.role, Transcript: transcript, Offer: c.offer}
	c.offer = nil
	if c.role == kex.Client {
		cfg.GroupBits = a.groupBits()
	} else {
		cfg.Moduli = c.settings.server.Moduli
		if cfg.HostKey, err = c.hostKeyFor(a.hostKeyAlgorithm); err != nil {
			return err
		}
	}
	if cfg.Ahead = first && c.role == kex.Server; cfg.Ahead && !(theirs.firstKexFollows && a.goodGuess) {
		c.flushCollected() // so that the client has what it needs meanwhile
	}
	if kx.exchange, err = kex.New(a.kexAlgorithm, cfg); err != nil {
		return err
	}
	c.kx = kx
	if c.role == kex.Client {
		return c.step(kx, nil)
	}
	return nil
}

// makeOffer has a client make its ephemeral key for the method that it prefers
// while the server's identification and proposal are on their way, since it is
// most likely to be the one. Where it guesses so aloud, what it says goes with
// our proposal.
func (c *Conn) makeOffer() (err error) {
	if c.role == kex.Server {
		return nil
	}
	if !c.settings.client.GuessKeyExchange {
		c.flushCollected()
	}
	if c.offer, err = kex.NewOffer(c.settings.KeyExchanges[0]); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.exchange != nil && c.exchange.proposal.firstKexFollows {
		c.seal(c.offer.Init(), nil)
	}
	return nil
}

// hostKeyFor finds the host key that signs with algorithm.
func (c *Conn) hostKeyFor(algorithm string) (*kex.HostKey, error) {
	for _, signer := range c.settings.server.HostKeys {
		if !slices.Contains(signerAlgorithms(signer, c.settings.LegacyAlgorithms.Signatures), algorithm) {
			continue
		}
		sign := signer.Sign
		if old, ok := signer.(keys.LegacySigner); ok && slices.Contains(old.LegacyAlgorithms(), algorithm) {
			sign = old.SignLegacy
		}
		return &kex.HostKey{
			Public: signer.PublicKey().Marshal(),
			Sign: func(h []byte) ([]byte, error) {
				signature, err := sign(c.ctx, algorithm, h)
				if err != nil {
					return nil, fmt.Errorf("transport: host key cannot sign: %w", err)
				}
				return signature.Marshal(), nil
			},
		}, nil
	}
	return nil, &UnknownAlgorithmError{Kind: "host key", Name: algorithm}
}

// onKexMessage handles a message of the key exchange method's own.
func (c *Conn) onKexMessage(payload []byte) error {
	kx := c.kx
	if kx == nil {
		return c.unexpected(payload[0])
	}
	c.mu.Lock()
	early := kx.signing || kx.incoming != nil
	sign := !early && !kx.skip && !kx.first && c.role == kex.Server
	kx.signing = kx.signing || sign
	c.mu.Unlock()
	switch {
	case early:
		return c.unexpected(payload[0])
	case kx.skip:
		kx.skip = false
		return nil
	case !sign:
		return c.step(kx, payload)
	}
	payload = slices.Clone(payload)
	go func() {
		if err := c.step(kx, payload); err != nil {
			c.Fail(err)
		}
	}()
	return nil
}

// step gives the method's machine the peer's message, nil at a client's first
// step, and sends what it answers.
func (c *Conn) step(kx *keyExchange, payload []byte) error {
	out, done, err := kx.exchange.Step(payload)
	if err != nil {
		return err
	}
	if done {
		return c.agreed(kx, out)
	}
	if kx.sent {
		kx.sent = false
		return nil
	}
	c.mu.Lock()
	for _, p := range out {
		c.seal(p, nil)
	}
	kx.signing = false
	c.flushAndUnlock(true)
	return nil
}

// verifyUntouched is keys.Verify, without asking that somebody touched the host
// key, if it is a security key: nobody sits before a server, and OpenSSH's
// tells the device not to wait for one.
func verifyUntouched(key keys.PublicKey, algorithm string, data, signature []byte) error {
	_, err := keys.VerifyAssertion(key, algorithm, data, signature)
	return err
}

// agreed takes the method's result: it judges the host key, derives keys, sends
// the method's last messages and NEWKEYS, and changes the keys of our
// direction.
func (c *Conn) agreed(kx *keyExchange, out [][]byte) error {
	res := kx.exchange.Result()
	if err := c.judgeHostKey(kx, res); err != nil {
		return err
	}
	sessionID := c.sessionID
	if kx.first {
		sessionID = slices.Clone(res.H)
	}
	derive := func(tag byte, n int) []byte { return res.DeriveKey(tag, sessionID, n) }
	// RFC 4253 section 7.2 names the letters.
	toServer, err := kx.agreement.clientToServer.newPacketCipher(derive, 'A', 'C', 'E')
	if err != nil {
		return err
	}
	toClient, err := kx.agreement.serverToClient.newPacketCipher(derive, 'B', 'D', 'F')
	if err != nil {
		return err
	}
	clear(res.K)
	outgoing, incoming := toServer, toClient
	if c.role == kex.Server {
		outgoing, incoming = toClient, toServer
	}

	c.mu.Lock()
	defer c.flushAndUnlock(true)
	if c.err != nil {
		return c.err
	}
	for _, p := range out {
		c.seal(p, nil)
	}
	c.seal([]byte{wire.MsgNewKeys}, nil)
	c.out.setCipher(outgoing)
	c.out.usage = usage{}
	_, ours := kx.agreement.suites(c.role)
	c.out.compression = ours.compression
	c.deflateLocked(compresses(ours.compression, c.mayRekey))
	if c.strict {
		c.out.seq = 0
	}
	if kx.first {
		c.sessionID = sessionID
	}
	kx.incoming = incoming
	c.noteLocked(kx, res, sessionID)
	if kx.extInfo {
		c.seal(c.appendExtInfo(nil), nil)
	}
	c.resumeLocked()
	return nil
}

// resumeLocked sends what was deferred and lets writers go on. mu is held.
func (c *Conn) resumeLocked() {
	c.rekeying = false
	deferred := wire.NewReader(c.out.deferred)
	for deferred.Len() > 0 {
		c.seal(deferred.Bytes(), nil)
	}
	c.out.deferred = nil
	c.passRoomLocked()
}

// noteLocked records what was agreed on for State. mu is held.
func (c *Conn) noteLocked(kx *keyExchange, res *kex.Result, sessionID []byte) {
	a := kx.agreement
	in, out := a.suites(c.role)
	s := &c.state
	s.SessionID = sessionID
	s.KeyExchange = a.kexAlgorithm
	s.PostQuantum = kex.PostQuantum(a.kexAlgorithm)
	s.GroupAsked, s.GroupBits = res.GroupAsked, res.GroupBits
	s.HostKey, s.HostKeyAlgorithm = c.hostKey, a.hostKeyAlgorithm
	s.In = Direction{Cipher: in.cipher.name, MAC: in.macName(), Compression: in.compression}
	s.Out = Direction{Cipher: out.cipher.name, MAC: out.macName(), Compression: out.compression}
}

// judgeHostKey checks, on a client, that the server holds the key that it
// showed, and that this is the key it must have: in the first exchange the
// verifier says so, later the first one's is required. On a server it notes
// our key.
func (c *Conn) judgeHostKey(kx *keyExchange, res *kex.Result) error {
	if !kx.first && string(res.HostKey) != string(c.hostKeyBlob) && c.role == kex.Client {
		return c.hostKeyError(kx, errors.New("the server changed its host key within the connection"))
	}
	if kx.first {
		key, err := keys.ParseKeyOrCertificate(res.HostKey)
		if err != nil {
			return c.hostKeyError(kx, err)
		}
		c.hostKey, c.hostKeyBlob = key, res.HostKey
	}
	if c.role == kex.Server {
		return nil
	}
	verify := verifyUntouched
	if slices.Contains(keys.LegacyAlgorithms(), kx.agreement.hostKeyAlgorithm) {
		verify = keys.VerifyLegacy // agreed on, so it is admitted
	}
	if err := verify(c.hostKey, kx.agreement.hostKeyAlgorithm, res.H, res.Signature); err != nil {
		return c.hostKeyError(kx, err)
	}
	if !kx.first {
		return nil
	}
	// The user may be asked, which is not the peer's time.
	c.handshake.pause()
	defer c.handshake.resume()
	cfg := c.settings.client
	if err := cfg.VerifyHostKey(c.ctx, cfg.Address, c.RemoteAddr(), c.hostKey); err != nil {
		return c.hostKeyError(kx, err)
	}
	return nil
}

func (c *Conn) hostKeyError(kx *keyExchange, err error) error {
	address := ""
	if c.settings.client != nil {
		address = c.settings.client.Address
	}
	return &HostKeyError{Address: address, Algorithm: kx.agreement.hostKeyAlgorithm, Err: err}
}

// onNewKeys handles the peer's SSH_MSG_NEWKEYS: the keys of its direction
// change, and the exchange is complete.
func (c *Conn) onNewKeys(payload []byte) error {
	kx := c.kx
	if kx == nil || len(payload) != 1 {
		return c.unexpected(wire.MsgNewKeys)
	}
	c.mu.Lock()
	if kx.incoming == nil {
		c.mu.Unlock()
		return c.unexpected(wire.MsgNewKeys)
	}
	if err := c.err; err != nil { // no timer starts any more
		c.mu.Unlock()
		return err
	}
	c.in.cipher, c.in.geo = kx.incoming, kx.incoming.geometry()
	c.in.usage = usage{}
	theirs, _ := kx.agreement.suites(c.role)
	c.in.compression, c.in.inflate = theirs.compression, nil
	if compresses(theirs.compression, c.authenticated) {
		c.in.inflate = new(inflate.Decoder)
	}
	if c.strict {
		c.in.seq = 0
	}
	c.kx = nil
	c.keyed = true
	c.useless = 0
	e := c.exchange
	c.exchange = nil
	e.end()
	close(e.done)
	c.resetIntervalLocked()
	c.state.KeyExchanges++
	// What came in meanwhile may have crossed a limit already.
	if c.out.usage.over(c.settings) {
		c.startKexLocked()
	}
	c.passRoomLocked()
	c.flushAndUnlock(true)
	if c.settings.Logger != nil || c.settings.Trace.KeyExchanged != nil {
		s := c.State()
		c.log("keys exchanged", "method", s.KeyExchange, "host key", s.HostKeyAlgorithm, "strict", s.StrictKex,
			"cipher in", s.In.Cipher, "mac in", s.In.MAC, "cipher out", s.Out.Cipher, "mac out", s.Out.MAC)
		if f := c.settings.Trace.KeyExchanged; f != nil {
			f(s)
		}
	}
	return nil
}
