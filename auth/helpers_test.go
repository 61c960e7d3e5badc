package auth

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh/internal/packettest"
	"github.com/fairlead-go/ssh/keys"
	"github.com/fairlead-go/ssh/wire"
)

var (
	keyA     = mustKey(keys.KeyEd25519, 0)
	keyB     = mustKey(keys.KeyEd25519, 0)
	keyECDSA = mustKey(keys.KeyECDSA256, 0)
	keyRSA   = mustKey(keys.KeyRSA, 2048)

	errWrong = errors.New("wrong")
)

func mustKey(keyType string, bits int) *keys.PrivateKey {
	k, err := keys.GenerateKey(keyType, bits)
	if err != nil {
		panic(err)
	}
	return k
}

func session() *Session { return &Session{ID: []byte("session identifier")} }

// slowSigner is a key that is not in memory, so that the client asks first.
type slowSigner struct{ keys.Signer }

// bubble runs f for each backlog in a synctest bubble, which also shows that
// no goroutine remains.
func bubble(t *testing.T, f func(t *testing.T, backlog int)) {
	t.Helper()
	for _, backlog := range []int{0, 1} {
		synctest.Test(t, func(t *testing.T) { f(t, backlog) })
	}
}

type loginResult struct {
	client    *ClientResult
	clientErr error
	id        *Identity
	serverErr error
}

// login runs a real client against a real server.
func login(t *testing.T, backlog int, cc *ClientConfig, sc *ServerConfig) loginResult {
	t.Helper()
	return loginWith(t, backlog, cc, sc, session())
}

// loginWith is login where the server knows s of the connection.
func loginWith(t *testing.T, backlog int, cc *ClientConfig, sc *ServerConfig, s *Session) loginResult {
	t.Helper()
	a, b := packettest.Pair(backlog)
	var r loginResult
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.id, r.serverErr = Server(t.Context(), b, s, sc)
	}()
	r.client, r.clientErr = Client(t.Context(), a, session(), cc)
	<-done
	if r.clientErr == nil {
		require.NoError(t, a.Err())
		require.NoError(t, b.Err())
	}
	return r
}

// A raw is one end of a pair that a test speaks by hand.
type raw struct {
	t *testing.T
	c *packettest.Conn
}

func (r *raw) send(p []byte) {
	r.t.Helper()
	require.NoError(r.t, r.c.QueuePacket(p))
}

// recv returns a copy of the next message, which must have the number.
func (r *raw) recv(number byte) []byte {
	r.t.Helper()
	p, err := r.c.ReadPacket()
	require.NoError(r.t, err)
	require.Equal(r.t, number, p[0], "message number")
	return append([]byte{}, p...)
}

// end checks that the other side has ended the connection and said no more.
func (r *raw) end() {
	r.t.Helper()
	p, err := r.c.ReadPacket()
	require.Error(r.t, err, "got message %v", p)
}

// request sends a USERAUTH_REQUEST of user bob.
func (r *raw) request(method string, fields []byte) {
	r.t.Helper()
	m := userauthRequest{user: "bob", service: serviceConnection, method: method, fields: fields}
	r.send(m.append(nil))
}

func (r *raw) password(password string) {
	r.t.Helper()
	f := passwordFields{password: []byte(password)}
	r.request(MethodPassword, f.append(nil))
}

func (r *raw) query(k keys.Signer) {
	r.t.Helper()
	f := publicKeyFields{algorithm: k.Algorithms()[0], blob: k.PublicKey().Marshal()}
	r.request(MethodPublicKey, f.append(nil))
}

// signedFields returns a signed request's fields as a right client makes them.
func signedFields(t *testing.T, k keys.Signer, algorithm string, id []byte, user string) *publicKeyFields {
	f := &publicKeyFields{signed: true, algorithm: algorithm, blob: k.PublicKey().Marshal()}
	sig, err := k.Sign(t.Context(), algorithm, signedData(id, user, f))
	require.NoError(t, err)
	f.signature = sig.Marshal()
	return f
}

func (r *raw) sign(k keys.Signer) {
	r.t.Helper()
	f := signedFields(r.t, k, k.Algorithms()[0], session().ID, "bob")
	r.request(MethodPublicKey, f.append(nil))
}

func (r *raw) interactive() {
	r.t.Helper()
	r.request(MethodKeyboardInteractive, new(interactiveFields).append(nil))
}

func (r *raw) answer(answers ...string) {
	r.t.Helper()
	m := infoResponse{answers: answers}
	r.send(m.append(nil))
}

// failure receives a USERAUTH_FAILURE.
func (r *raw) failure() userauthFailure {
	r.t.Helper()
	var m userauthFailure
	require.NoError(r.t, m.parse(r.recv(wire.MsgUserauthFailure)))
	return m
}

func (r *raw) fail(partial bool, methods ...string) {
	r.t.Helper()
	m := userauthFailure{methods: methods, partial: partial}
	r.send(m.append(nil))
}

type serverEnd func() (*Identity, error)

// serve starts a real server and takes it past the service request, unless
// fresh.
func serve(t *testing.T, fresh bool, cfg *ServerConfig) (*raw, serverEnd) {
	t.Helper()
	a, b := packettest.Pair(1)
	var id *Identity
	var err error
	done := make(chan struct{})
	go func() {
		defer close(done)
		id, err = Server(t.Context(), b, session(), cfg)
	}()
	r := &raw{t, a}
	if !fresh {
		m := serviceMessage{wire.MsgServiceRequest, serviceUserauth}
		r.send(m.append(nil))
		r.recv(wire.MsgServiceAccept)
	}
	return r, func() (*Identity, error) {
		<-done
		if err != nil {
			require.Error(t, b.Err(), "the connection has been failed")
		}
		return id, err
	}
}

type clientEnd func() (*ClientResult, error)

// connect starts a real client, takes its first two requests, and accepts the
// one for the service, unless fresh.
func connect(t *testing.T, fresh bool, cfg *ClientConfig) (*raw, clientEnd) {
	t.Helper()
	a, b := packettest.Pair(1)
	var res *ClientResult
	var err error
	done := make(chan struct{})
	go func() {
		defer close(done)
		res, err = Client(t.Context(), b, session(), cfg)
	}()
	r := &raw{t, a}
	r.recv(wire.MsgServiceRequest)
	r.recv(wire.MsgUserauthRequest) // none, without waiting for an answer
	if !fresh {
		m := serviceMessage{wire.MsgServiceAccept, serviceUserauth}
		r.send(m.append(nil))
	}
	return r, func() (*ClientResult, error) {
		<-done
		if err != nil {
			require.Error(t, b.Err(), "the connection has been failed")
		}
		return res, err
	}
}

// passwordIs returns a Password callback that takes one.
func passwordIs(want string) func(context.Context, *Attempt, []byte) (*Permissions, error) {
	return func(_ context.Context, _ *Attempt, got []byte) (*Permissions, error) {
		if string(got) != want {
			return nil, errWrong
		}
		return nil, nil
	}
}

// keyIs returns a PublicKey callback that takes any of some.
func keyIs(want ...keys.Signer) func(context.Context, *Attempt, keys.PublicKey) (*Permissions, error) {
	return func(_ context.Context, _ *Attempt, got keys.PublicKey) (*Permissions, error) {
		for _, k := range want {
			if keys.Equal(k.PublicKey(), got) {
				return nil, nil
			}
		}
		return nil, errWrong
	}
}

type dialogueFunc = func(context.Context, *Attempt, func(context.Context, *Challenge) ([]string, error)) (*Permissions, error)

// answerIs returns a KeyboardInteractive callback with one question.
func answerIs(want string) dialogueFunc {
	return func(ctx context.Context, _ *Attempt, ask func(context.Context, *Challenge) ([]string, error)) (*Permissions, error) {
		answers, err := ask(ctx, &Challenge{Questions: []Question{{Prompt: "Code: "}}})
		if err == nil && answers[0] != want {
			err = errWrong
		}
		return nil, err
	}
}

// answers returns a client's callback that gives the same to each question.
func answers(answer string) func(context.Context, *Challenge) ([]string, error) {
	return func(_ context.Context, c *Challenge) ([]string, error) {
		var all []string
		for range c.Questions {
			all = append(all, answer)
		}
		return all, nil
	}
}

func isProtocolError(t *testing.T, err error, reason uint32) {
	t.Helper()
	pe, ok := errors.AsType[*wire.ProtocolError](err)
	require.True(t, ok, "%v is no ProtocolError", err)
	require.Equal(t, reason, pe.Reason)
}
