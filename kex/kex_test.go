package kex

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"errors"
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh/wire"
)

var (
	testTranscript = Transcript{
		ClientVersion: []byte("SSH-2.0-client"),
		ServerVersion: []byte("SSH-2.0-server with a comment"),
		ClientKexInit: append([]byte{wire.MsgKexInit}, "what the client proposed"...),
		ServerKexInit: append([]byte{wire.MsgKexInit}, "what the server proposed, which is longer"...),
	}
	testSeed   = ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, ed25519.SeedSize))
	testPublic = wire.AppendString(wire.AppendString(nil, "ssh-ed25519"), testSeed.Public().(ed25519.PublicKey))
)

func testHostKey() *HostKey {
	return &HostKey{Public: testPublic, Sign: func(h []byte) ([]byte, error) {
		return wire.AppendString(wire.AppendString(nil, "ssh-ed25519"), ed25519.Sign(testSeed, h)), nil
	}}
}

func newClient(t testing.TB, method string) Exchange {
	x, err := New(method, Config{Role: Client, Transcript: testTranscript})
	require.NoError(t, err)
	return x
}

func newServer(t testing.TB, method string) Exchange {
	x, err := New(method, Config{Role: Server, Transcript: testTranscript, HostKey: testHostKey()})
	require.NoError(t, err)
	return x
}

// begin returns a client that has sent its first message, and that message.
func begin(t testing.TB, method string) (client Exchange, init []byte) {
	client = newClient(t, method)
	out, done, err := client.Step(nil)
	require.NoError(t, err)
	require.False(t, done)
	require.Len(t, out, 1)
	return client, out[0]
}

// answer returns a server that has taken init, and its reply.
func answer(t testing.TB, method string, init []byte) (server Exchange, reply []byte) {
	server = newServer(t, method)
	out, done, err := server.Step(init)
	require.NoError(t, err)
	require.True(t, done)
	require.Len(t, out, 1)
	return server, out[0]
}

// respondTo is the server's half of an agreement, all of it.
func respondTo(t *testing.T, a agreement, ours []byte) (value, secret []byte, err error) {
	answer, err := a.answer()
	require.NoError(t, err)
	return answer(ours)
}

// fixedOffer is an agreement whose client has a given key.
type fixedOffer struct {
	agreement
	value []byte
	agree func(peer []byte) ([]byte, error)
}

func (f fixedOffer) offer() ([]byte, func([]byte) ([]byte, error), error) {
	return f.value, f.agree, nil
}

// fixOffer returns the method's agreement with one client key, for tests that
// need many clients.
func fixOffer(t testing.TB, method string) fixedOffer {
	a := agreements[method]
	require.NotNil(t, a)
	if m, ok := a.(modp); ok { // its exponent is good for one use
		d := m()
		x, public, err := d.generate()
		require.NoError(t, err)
		return fixedOffer{a, mpintContent(public), func(peer []byte) ([]byte, error) {
			theirs, err := d.parse(peer)
			if err != nil {
				return nil, err
			}
			return d.agree(new(big.Int).Set(x), theirs)
		}}
	}
	value, agree, err := a.offer()
	require.NoError(t, err)
	return fixedOffer{a, value, agree}
}

// agreements are those of the methods with two messages.
var agreements = map[string]agreement{
	"mlkem768x25519-sha256":              hybrid{mlkem768, x25519, crypto.SHA256},
	"sntrup761x25519-sha512":             hybrid{sntrup, x25519, crypto.SHA512},
	"sntrup761x25519-sha512@openssh.com": hybrid{sntrup, x25519, crypto.SHA512},
	"mlkem768nistp256-sha256":            hybrid{mlkem768, p256, crypto.SHA256},
	"mlkem1024nistp384-sha384":           hybrid{mlkem1024, p384, crypto.SHA384},
	"curve25519-sha256":                  x25519,
	"curve25519-sha256@libssh.org":       x25519,
	"ecdh-sha2-nistp256":                 p256,
	"ecdh-sha2-nistp384":                 p384,
	"ecdh-sha2-nistp521":                 p521,
	"diffie-hellman-group14-sha256":      group14,
	"diffie-hellman-group16-sha512":      group16,
	"diffie-hellman-group18-sha512":      group18,
	"diffie-hellman-group14-sha1":        group14,
	"diffie-hellman-group1-sha1":         group1,
}

// begin returns a client that has sent its first message.
func (f fixedOffer) begin(t testing.TB, method string) Exchange {
	client := newClient(t, method)
	require.NoError(t, ecdhShaped(client.(*machine), f, false))
	_, done, err := client.Step(nil)
	require.NoError(t, err)
	require.False(t, done)
	return client
}

// requireFailed steps x, which must fail in a way that is target, then stay so.
func requireFailed(t testing.TB, x Exchange, in []byte, target error, msg ...any) {
	t.Helper()
	out, done, err := x.Step(in)
	require.ErrorIs(t, err, target, msg...)
	require.False(t, done, msg...)
	require.Empty(t, out, msg...)
	require.Nil(t, x.Result(), msg...)
	var typed *Error
	require.True(t, errors.As(err, &typed), msg...)
	require.NotEmpty(t, typed.Method)

	_, done, again := x.Step(in)
	require.Equal(t, err, again, msg...)
	require.False(t, done, msg...)
	require.Nil(t, x.Result(), msg...)
}

// twoMessages returns the methods but for group exchange, which has four
// messages, and tests of its own.
func twoMessages() []string {
	return slices.DeleteFunc(append(Methods(), LegacyMethods()...), func(method string) bool {
		return strings.HasPrefix(method, "diffie-hellman-group-exchange")
	})
}

// finiteField reports whether the method's values are numbers of any length.
func finiteField(method string) bool { return strings.HasPrefix(method, "diffie-hellman-group") }

const gex = "diffie-hellman-group-exchange-sha256"

func forEachMethod(t *testing.T, f func(t *testing.T, method string)) {
	for _, method := range twoMessages() {
		t.Run(method, func(t *testing.T) { f(t, method) })
	}
}

func TestBothRolesAgree(t *testing.T) {
	hashes := map[string]crypto.Hash{
		"mlkem768x25519-sha256":              crypto.SHA256,
		"sntrup761x25519-sha512":             crypto.SHA512,
		"sntrup761x25519-sha512@openssh.com": crypto.SHA512,
		"mlkem768nistp256-sha256":            crypto.SHA256,
		"mlkem1024nistp384-sha384":           crypto.SHA384,
		"curve25519-sha256":                  crypto.SHA256,
		"curve25519-sha256@libssh.org":       crypto.SHA256,
		"ecdh-sha2-nistp256":                 crypto.SHA256,
		"ecdh-sha2-nistp384":                 crypto.SHA384,
		"ecdh-sha2-nistp521":                 crypto.SHA512,
		"diffie-hellman-group14-sha256":      crypto.SHA256,
		"diffie-hellman-group16-sha512":      crypto.SHA512,
		"diffie-hellman-group18-sha512":      crypto.SHA512,
		"diffie-hellman-group14-sha1":        crypto.SHA1,
		"diffie-hellman-group1-sha1":         crypto.SHA1,
	}
	forEachMethod(t, func(t *testing.T, method string) {
		secrets := map[string]bool{}
		rounds := 20
		if finiteField(method) {
			rounds = 3
		}
		for range rounds {
			client, init := begin(t, method)
			require.Nil(t, client.Result())
			require.Equal(t, byte(30), init[0])
			server, reply := answer(t, method, init)
			require.Equal(t, byte(31), reply[0])
			sent := bytes.Clone(reply)
			out, done, err := client.Step(reply)
			require.NoError(t, err)
			require.True(t, done)
			require.Empty(t, out)
			require.Equal(t, sent, reply, "Step changes nothing of its input")

			c, s := client.Result(), server.Result()
			require.Equal(t, s, c)
			require.Equal(t, hashes[method], c.Hash)
			require.Len(t, c.H, c.Hash.Size())
			require.Equal(t, testPublic, c.HostKey)
			clear(reply)
			require.Equal(t, s, c, "the result does not alias the message")

			r := wire.NewReader(c.Signature)
			require.Equal(t, "ssh-ed25519", r.Text())
			require.True(t, ed25519.Verify(testSeed.Public().(ed25519.PublicKey), c.H, r.Bytes()))
			require.NoError(t, r.End())

			require.False(t, secrets[string(c.K)], "ephemeral keys are fresh")
			secrets[string(c.K)] = true
		}
	})
}

func TestStepAfterDone(t *testing.T) {
	forEachMethod(t, func(t *testing.T, method string) {
		client, init := begin(t, method)
		server, reply := answer(t, method, init)
		_, _, err := client.Step(reply)
		require.NoError(t, err)
		for _, x := range []Exchange{client, server} {
			before := x.Result()
			for _, in := range [][]byte{nil, init, reply} {
				out, done, err := x.Step(in)
				require.ErrorIs(t, err, ErrFinished)
				require.False(t, done)
				require.Empty(t, out)
			}
			require.Same(t, before, x.Result())
			require.NotNil(t, before)
		}
	})
}

func TestMethods(t *testing.T) {
	server := []string{
		"mlkem768x25519-sha256", "sntrup761x25519-sha512", "sntrup761x25519-sha512@openssh.com",
		"curve25519-sha256", "curve25519-sha256@libssh.org",
		"ecdh-sha2-nistp256", "ecdh-sha2-nistp384", "ecdh-sha2-nistp521",
	}
	client := append(slices.Clone(server), "diffie-hellman-group-exchange-sha256",
		"diffie-hellman-group16-sha512", "diffie-hellman-group18-sha512", "diffie-hellman-group14-sha256")
	all := append(slices.Clone(client), "mlkem768nistp256-sha256", "mlkem1024nistp384-sha384")
	old := []string{"diffie-hellman-group-exchange-sha1", "diffie-hellman-group14-sha1", "diffie-hellman-group1-sha1"}
	for range 2 {
		require.Equal(t, server, Proposal(Server))
		require.Equal(t, client, Proposal(Client))
		require.Equal(t, all, Methods())
		require.Equal(t, old, LegacyMethods())
		require.Empty(t, Proposal(0))
		clear(Methods()) // the slices are the caller's
		clear(Proposal(Client))
	}
	for _, name := range append(all, old...) {
		require.True(t, Supported(name))
		require.Equal(t, strings.HasPrefix(name, "mlkem") || strings.HasPrefix(name, "sntrup"), PostQuantum(name))
	}
	for _, name := range []string{"", "none", "Curve25519-sha256", "ext-info-c", "kex-strict-c-v00@openssh.com"} {
		require.False(t, Supported(name))
		require.False(t, PostQuantum(name))
	}
}

func TestNewRefuses(t *testing.T) {
	_, err := New("curve25519\x1b[2J", Config{Role: Client, Transcript: testTranscript})
	var unknown *UnknownMethodError
	require.True(t, errors.As(err, &unknown))
	require.Equal(t, "curve25519\x1b[2J", unknown.Method)
	require.Equal(t, `kex: unknown method "curve25519\x1b[2J"`, err.Error())

	client := Config{Role: Client, Transcript: testTranscript}
	server := Config{Role: Server, Transcript: testTranscript, HostKey: testHostKey()}
	for name, change := range map[string]func() Config{
		"zero value":            func() Config { return Config{} },
		"no role":               func() Config { c := server; c.Role = 0; return c },
		"role out of range":     func() Config { c := server; c.Role = 3; return c },
		"client with host key":  func() Config { c := client; c.HostKey = testHostKey(); return c },
		"server without":        func() Config { c := server; c.HostKey = nil; return c },
		"empty host key":        func() Config { c := server; c.HostKey = &HostKey{Sign: c.HostKey.Sign}; return c },
		"host key without Sign": func() Config { c := server; c.HostKey = &HostKey{Public: testPublic}; return c },
		"no client version":     func() Config { c := client; c.Transcript.ClientVersion = nil; return c },
		"no server version":     func() Config { c := client; c.Transcript.ServerVersion = nil; return c },
		"no client KEXINIT":     func() Config { c := server; c.Transcript.ClientKexInit = nil; return c },
		"no server KEXINIT":     func() Config { c := client; c.Transcript.ServerKexInit = []byte{}; return c },
		"not a KEXINIT":         func() Config { c := client; c.Transcript.ServerKexInit = []byte{21}; return c },
	} {
		x, err := New("curve25519-sha256", change())
		require.Nil(t, x, name)
		var typed *Error
		require.True(t, errors.As(err, &typed), name)
	}
}

func TestNewKeepsNothingOfTheTranscript(t *testing.T) {
	const method = "curve25519-sha256"
	cfg := Config{Role: Client, Transcript: Transcript{
		ClientVersion: bytes.Clone(testTranscript.ClientVersion),
		ServerVersion: bytes.Clone(testTranscript.ServerVersion),
		ClientKexInit: bytes.Clone(testTranscript.ClientKexInit),
		ServerKexInit: bytes.Clone(testTranscript.ServerKexInit),
	}}
	client, err := New(method, cfg)
	require.NoError(t, err)
	for _, b := range [][]byte{cfg.Transcript.ClientVersion, cfg.Transcript.ServerVersion,
		cfg.Transcript.ClientKexInit, cfg.Transcript.ServerKexInit} {
		clear(b)
	}
	out, _, err := client.Step(nil)
	require.NoError(t, err)
	server, reply := answer(t, method, out[0])
	_, _, err = client.Step(reply)
	require.NoError(t, err)
	require.Equal(t, server.Result().H, client.Result().H)
}

// Both sides have to have seen the same negotiation: what an attacker changes
// in it changes the exchange hash that the server signs.
func TestTranscriptIsBound(t *testing.T) {
	const method = "curve25519-sha256"
	for i, change := range []func(tr *Transcript){
		func(tr *Transcript) { tr.ClientVersion = []byte("SSH-2.0-clienT") },
		func(tr *Transcript) { tr.ServerVersion = []byte("SSH-2.0-serveR") },
		func(tr *Transcript) { tr.ClientKexInit = append(bytes.Clone(tr.ClientKexInit), 0) },
		func(tr *Transcript) { tr.ServerKexInit = tr.ServerKexInit[:len(tr.ServerKexInit)-1] },
		func(tr *Transcript) { // the same bytes, split elsewhere
			both := slices.Concat(tr.ClientVersion, tr.ServerVersion)
			tr.ClientVersion, tr.ServerVersion = both[:5], both[5:]
		},
	} {
		cfg := Config{Role: Client, Transcript: testTranscript}
		change(&cfg.Transcript)
		client, err := New(method, cfg)
		require.NoError(t, err)
		out, _, err := client.Step(nil)
		require.NoError(t, err)
		server, reply := answer(t, method, out[0])
		_, _, err = client.Step(reply)
		require.NoError(t, err)
		require.Equal(t, server.Result().K, client.Result().K, i)
		require.NotEqual(t, server.Result().H, client.Result().H, i)
	}
}

func TestSignFails(t *testing.T) {
	broken := errors.New("the token was pulled out")
	for name, sign := range map[string]func([]byte) ([]byte, error){
		"error":               func([]byte) ([]byte, error) { return nil, broken },
		"error and signature": func([]byte) ([]byte, error) { return []byte("signature"), broken },
		"no signature":        func([]byte) ([]byte, error) { return nil, nil },
	} {
		_, init := begin(t, "curve25519-sha256")
		server, err := New("curve25519-sha256", Config{
			Role: Server, Transcript: testTranscript, HostKey: &HostKey{Public: testPublic, Sign: sign},
		})
		require.NoError(t, err)
		requireFailed(t, server, init, ErrSign, name)
		_, _, err = server.Step(init)
		require.Equal(t, name != "no signature", errors.Is(err, broken), name)
	}
}

// The encoding of K decides all keys. Secrets with a high bit or a leading
// zero are rare enough to slip past tests with random ones.
func TestSecretEncoding(t *testing.T) {
	for _, tc := range []struct {
		method       string
		secret, want []byte
	}{
		{"curve25519-sha256", []byte{0x7f, 1}, []byte{0, 0, 0, 2, 0x7f, 1}},
		{"curve25519-sha256", []byte{0x80, 1}, []byte{0, 0, 0, 3, 0, 0x80, 1}},
		{"curve25519-sha256", []byte{0, 0x80, 1}, []byte{0, 0, 0, 3, 0, 0x80, 1}},
		{"ecdh-sha2-nistp521", []byte{0, 0, 1, 2}, []byte{0, 0, 0, 2, 1, 2}},
		{"mlkem768x25519-sha256", []byte{0x80, 1}, []byte{0, 0, 0, 2, 0x80, 1}},
		{"sntrup761x25519-sha512", []byte{0x80, 1}, []byte{0, 0, 0, 2, 0x80, 1}},
		{"sntrup761x25519-sha512", []byte{0, 0, 1}, []byte{0, 0, 0, 3, 0, 0, 1}},
		{"mlkem768x25519-sha256", []byte{0, 0, 1}, []byte{0, 0, 0, 3, 0, 0, 1}},
	} {
		x := newClient(t, tc.method).(*machine)
		secret := bytes.Clone(tc.secret)
		x.complete([]byte("K_S"), secret)
		require.Equal(t, tc.want, x.result.K)
		require.Equal(t, make([]byte, len(secret)), secret, "cleared")
	}
}

func TestCurveSizes(t *testing.T) {
	for _, c := range []curve{x25519, p256, p384, p521} {
		value, _, err := c.offer()
		require.NoError(t, err)
		require.Len(t, value, c.publicSize)
	}
}
