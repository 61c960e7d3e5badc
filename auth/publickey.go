package auth

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/fairlead-go/ssh/keys"
	"github.com/fairlead-go/ssh/wire"
)

// Method publickey (RFC 4252 section 7, RFC 8332).

// msgUserauthPKOK is number 60 of this method.
const msgUserauthPKOK = 60

// publicKeyFields follow the method's name. The slices are aliases.
type publicKeyFields struct {
	signed    bool // otherwise a query
	algorithm string
	blob      []byte
	signature []byte // with signed only
}

func (m *publicKeyFields) append(b []byte) []byte {
	b = m.appendUnsigned(b)
	if m.signed {
		b = wire.AppendString(b, m.signature)
	}
	return b
}

// appendUnsigned appends the part that a signature covers.
func (m *publicKeyFields) appendUnsigned(b []byte) []byte {
	b = wire.AppendString(wire.AppendBool(b, m.signed), m.algorithm)
	return wire.AppendString(b, m.blob)
}

func (m *publicKeyFields) parse(fields []byte) error {
	r := wire.NewReader(fields)
	m.signed, m.algorithm, m.blob = r.Bool(), readName(&r), r.Bytes()
	if m.signed {
		m.signature = r.Bytes()
	}
	if err := r.End(); err != nil {
		return malformed("publickey request", err)
	}
	return nil
}

// publicKeyOK is USERAUTH_PK_OK: the query's own algorithm and blob.
type publicKeyOK struct {
	algorithm string
	blob      []byte // an alias
}

func (m *publicKeyOK) append(b []byte) []byte {
	b = wire.AppendString(append(b, msgUserauthPKOK), m.algorithm)
	return wire.AppendString(b, m.blob)
}

func (m *publicKeyOK) parse(p []byte) error {
	r := expect(p, msgUserauthPKOK)
	m.algorithm, m.blob = r.Text(), r.Bytes()
	if err := r.End(); err != nil {
		return malformed("USERAUTH_PK_OK", err)
	}
	return nil
}

// signedData returns what the signature of m covers: the session identifier
// and the request up to the signature.
func signedData(sessionID []byte, user string, m *publicKeyFields) []byte {
	b := wire.AppendString(nil, sessionID)
	request := userauthRequest{user: user, service: serviceConnection, method: MethodPublicKey}
	return m.appendUnsigned(request.append(b))
}

func judgePublicKey(s *server, a *Attempt, fields []byte) (verdict, error) {
	var m publicKeyFields
	if err := m.parse(fields); err != nil {
		return verdict{}, failMessage(s.pc, err)
	}
	a.Algorithm, a.Query = m.algorithm, !m.signed
	key, err := s.checkKey(&m)
	if err != nil {
		return denied(err), nil
	}
	if m.signed {
		// Before the callback, which so sees a proven key or is asked a
		// question, and nothing between.
		a.Assertion, err = verify(key, m.algorithm, signedData(s.session.ID, s.user, &m), m.signature)
		if err != nil {
			return denied(err), nil
		}
	}
	permissions, err := s.judgeKey(a, key)
	if err == nil {
		err = permissions.skPolicy().Check(a.Assertion)
	}
	if err != nil {
		return denied(err), nil
	}
	if !m.signed {
		reply := publicKeyOK{algorithm: m.algorithm, blob: m.blob}
		return verdict{reply: reply.append(nil)}, nil
	}
	return verdict{
		proof:       &Proof{Method: MethodPublicKey, Key: key, Algorithm: m.algorithm, Assertion: a.Assertion},
		permissions: permissions,
	}, nil
}

// verify is keys.VerifyAssertion, and keys.VerifyLegacy for an algorithm that is
// allowed although it is not safe.
func verify(key keys.PublicKey, algorithm string, data, signature []byte) (*keys.Assertion, error) {
	if slices.Contains(keys.LegacyAlgorithms(), algorithm) {
		return nil, keys.VerifyLegacy(key, algorithm, data, signature)
	}
	return keys.VerifyAssertion(key, algorithm, data, signature)
}

// checkKey parses the key or certificate and refuses an algorithm that is not
// allowed or not the key's, and a key that has been proven already, with a
// certificate or without: two proofs are of two keys.
func (s *server) checkKey(m *publicKeyFields) (keys.PublicKey, error) {
	if !slices.Contains(s.cfg.PublicKeyAlgorithms, m.algorithm) {
		return nil, fmt.Errorf("auth: public key algorithm %.64q is not allowed", m.algorithm)
	}
	key, err := keys.ParseKeyOrCertificate(m.blob)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(key.Algorithms(), m.algorithm) && !slices.Contains(keys.LegacyAlgorithmsOf(key), m.algorithm) {
		return nil, fmt.Errorf("auth: algorithm %s is not one of the %s key", m.algorithm, key.Type())
	}
	for _, proof := range s.proven {
		if keys.Equal(keys.PlainKey(proof.Key), keys.PlainKey(key)) {
			return nil, errors.New("auth: the key has been used already")
		}
	}
	return key, nil
}

// PublicKeys is method publickey with these keys, in order. A key that is in
// memory ([keys.SignsAtOnce]) signs at once; for others the server is asked
// first whether the key would do, since a signature may need a person. A key
// with a certificate is one by [keys.NewCertificateSigner]; put it before the
// key alone, where that is to be tried too.
//
// Where this is the first method and its first key is in memory and no RSA key,
// login begins with that key, and takes a round trip less than by asking which
// methods there are. So the server learns of the key even where it takes none.
func PublicKeys(signers ...keys.Signer) Method {
	signers = slices.Clone(signers)
	load := func(context.Context) ([]keys.Signer, error) { return signers, nil }
	return &publicKeyMethod{load, signers}
}

// PublicKeysFunc is [PublicKeys] with the keys that load returns. It is called
// once a connection, when the server first allows the method. An error goes
// into [Error.Errs], and the keys that came with it are used.
func PublicKeysFunc(load func(ctx context.Context) ([]keys.Signer, error)) Method {
	return &publicKeyMethod{load: load}
}

type publicKeyMethod struct {
	load    func(context.Context) ([]keys.Signer, error)
	signers []keys.Signer // where they are known before load
}

func (*publicKeyMethod) Name() string          { return MethodPublicKey }
func (m *publicKeyMethod) start() clientMethod { return &publicKeyRun{publicKeyMethod: m} }

// publicKeyRun is a publicKeyMethod's state on one connection.
type publicKeyRun struct {
	*publicKeyMethod
	loaded  bool
	signers []keys.Signer
	next    int // index of the next key to try
}

// partial implements clientMethod: keys refused before may do now. Those that
// were proven are skipped.
func (r *publicKeyRun) partial() { r.next = 0 }

// attempt tries one key.
func (r *publicKeyRun) attempt(c *client) (outcome, error) {
	if !r.loaded {
		r.loaded = true
		var err error
		if r.signers, err = r.load(c.ctx); err != nil {
			c.errs = append(c.errs, fmt.Errorf("%s: %w", MethodPublicKey, err))
		}
	}
	for r.next < len(r.signers) {
		signer := r.signers[r.next]
		r.next++
		if out, tried, err := r.try(c, signer); tried || err != nil {
			return out, err
		}
	}
	return outcome{spent: true}, nil
}

// try returns tried only after a FAILURE or SUCCESS of the server.
func (r *publicKeyRun) try(c *client, signer keys.Signer) (out outcome, tried bool, err error) {
	if signer == nil || signer.PublicKey() == nil {
		return outcome{}, false, nil
	}
	key := signer.PublicKey()
	m := publicKeyFields{blob: key.Marshal()}
	if c.proven(key) || r.duplicate(key) {
		return outcome{}, false, nil
	}
	m.algorithm = c.signatureAlgorithm(signer)
	if m.algorithm == "" {
		c.keyError(key, errors.New("the server takes no signature algorithm of this key"))
		return outcome{}, false, nil
	}
	if !keys.SignsAtOnce(signer) {
		out, err := c.queryKey(&m)
		if err != nil || out.failed {
			return out, true, err
		}
	}
	m.signed = true
	sign := signer.Sign
	if old, ok := signer.(keys.LegacySigner); ok && slices.Contains(old.LegacyAlgorithms(), m.algorithm) {
		sign = old.SignLegacy
	}
	sig, err := sign(c.ctx, m.algorithm, signedData(c.session.ID, c.cfg.User, &m))
	if err == nil && (sig == nil || sig.Format != keys.SignatureFormat(m.algorithm)) {
		err = errors.New("signer used another algorithm than it was asked for")
	}
	if err != nil {
		if c.ctx.Err() != nil {
			return outcome{}, false, c.ended(err)
		}
		c.keyError(key, err)
		return outcome{}, false, nil
	}
	m.signature = sig.Marshal()
	if err := c.request(MethodPublicKey, m.append(nil)); err != nil {
		return outcome{}, false, err
	}
	p, err := c.reply(wire.MsgUserauthSuccess, wire.MsgUserauthFailure)
	if err != nil {
		return outcome{}, false, err
	}
	out, err = c.decide(p)
	out.key, out.algorithm = key, m.algorithm
	return out, true, err
}

// queryKey asks whether the key would do. The outcome is failed, or the server
// waits for a signature.
func (c *client) queryKey(m *publicKeyFields) (outcome, error) {
	if err := c.request(MethodPublicKey, m.append(nil)); err != nil {
		return outcome{}, err
	}
	p, err := c.reply(wire.MsgUserauthFailure, msgUserauthPKOK)
	if err != nil {
		return outcome{}, err
	}
	if p[0] == wire.MsgUserauthFailure {
		out, err := c.decide(p)
		if err == nil && out.isPartial {
			return out, fail(c.pc, errors.New("auth: server reports partial success where nothing was proven"),
				wire.DisconnectProtocolError, "partial success of a key query")
		}
		return out, err
	}
	var ok publicKeyOK
	if err := ok.parse(p); err != nil {
		return outcome{}, failMessage(c.pc, err)
	}
	if ok.algorithm != m.algorithm || !bytes.Equal(ok.blob, m.blob) {
		return outcome{}, fail(c.pc, errors.New("auth: server answers for another key than it was asked about"),
			wire.DisconnectProtocolError, "USERAUTH_PK_OK for another key")
	}
	return outcome{}, nil
}

// signatureAlgorithm returns the signer's first algorithm that the server has
// announced, or its first where the server has announced nothing. Servers of
// old announced only what was new for ssh-rsa keys, so other keys are tried
// even so.
func (c *client) signatureAlgorithm(signer keys.Signer) string {
	var announced []string
	if c.session.ServerSigAlgs != nil {
		announced = c.session.ServerSigAlgs()
	}
	usable := slices.DeleteFunc(slices.Clone(signer.Algorithms()), func(name string) bool { return name == keys.KeyRSA })
	for _, name := range usable {
		if slices.Contains(announced, keys.SignatureFormat(name)) {
			return name
		}
	}
	// A server that announces nothing may be older than what is safe.
	if old, ok := signer.(keys.LegacySigner); ok {
		for _, name := range old.LegacyAlgorithms() {
			if slices.Contains(c.cfg.LegacyAlgorithms, name) && (announced == nil || slices.Contains(announced, name)) {
				return name
			}
		}
	}
	if len(usable) > 0 && (announced == nil || usable[0] == signer.PublicKey().Type()) {
		return usable[0]
	}
	return ""
}

// duplicate reports whether a key before the current one is the same.
func (r *publicKeyRun) duplicate(key keys.PublicKey) bool {
	return slices.ContainsFunc(r.signers[:r.next-1], func(s keys.Signer) bool {
		return s != nil && keys.Equal(s.PublicKey(), key)
	})
}

func (c *client) keyError(key keys.PublicKey, err error) {
	c.errs = append(c.errs, fmt.Errorf("%s %s %s: %w", MethodPublicKey, key.Type(), keys.FingerprintSHA256(key), err))
}
