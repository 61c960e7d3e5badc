package auth

import (
	"context"
	"errors"
	"io"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh/keys"
	"github.com/fairlead-go/ssh/wire"
)

// Whatever was asked about before, the identity is that of the key that
// signed, with the permissions that came with it.
func TestDefect_KeyQueryIsNoProof(t *testing.T) {
	sc := func() *ServerConfig {
		return &ServerConfig{PublicKey: func(_ context.Context, a *Attempt, k keys.PublicKey) (*Permissions, error) {
			who := "B"
			if keys.Equal(k, keyA.PublicKey()) {
				who = "A"
			}
			return &Permissions{Values: map[string]any{"key": who, "query": a.Query}}, nil
		}}
	}
	synctest.Test(t, func(t *testing.T) {
		r, end := serve(t, false, sc())
		r.query(keyA)
		r.recv(msgUserauthPKOK)
		r.query(keyB)
		r.recv(msgUserauthPKOK)
		r.sign(keyA)
		r.recv(wire.MsgUserauthSuccess)
		id, err := end()
		require.NoError(t, err)
		require.Len(t, id.Methods, 1)
		require.True(t, keys.Equal(keyA.PublicKey(), id.Methods[0].Key))
		require.Equal(t, map[string]any{"key": "A", "query": false}, id.Permissions.Values)
	})
	t.Run("query is no progress", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			cfg := sc()
			cfg.Password = passwordIs("secret")
			verified := 0
			cfg.Verified = func(_ context.Context, id *Identity) ([]string, error) {
				verified++
				require.Len(t, id.Methods, verified)
				return []string{MethodPublicKey}, nil
			}
			r, end := serve(t, false, cfg)
			r.query(keyA)
			r.recv(msgUserauthPKOK)
			require.Zero(t, verified)
			r.password("secret")
			require.True(t, r.failure().partial)
			r.query(keyA)
			r.recv(msgUserauthPKOK)
			require.Equal(t, 1, verified)
			r.password("secret")
			require.Equal(t, userauthFailure{methods: []string{MethodPublicKey}}, r.failure())
			r.c.Fail(io.EOF)
			id, err := end()
			require.Nil(t, id)
			require.ErrorIs(t, err, io.EOF)
		})
	})
	t.Run("bad signature after a good query", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			cfg := sc()
			cfg.Verified = func(context.Context, *Identity) ([]string, error) {
				t.Error("nothing was proven")
				return nil, nil
			}
			good := keyIs(keyA)
			asked := 0
			cfg.PublicKey = func(ctx context.Context, a *Attempt, k keys.PublicKey) (*Permissions, error) {
				asked++
				require.True(t, a.Query)
				require.Empty(t, a.Proven)
				return good(ctx, a, k)
			}
			r, end := serve(t, false, cfg)
			r.query(keyA)
			r.recv(msgUserauthPKOK)
			f := signedFields(t, keyA, keys.KeyEd25519, session().ID, "bob")
			f.signature[len(f.signature)-1] ^= 1
			r.request(MethodPublicKey, f.append(nil))
			require.False(t, r.failure().partial)
			require.Equal(t, 1, asked)
			r.c.Fail(io.EOF)
			id, _ := end()
			require.Nil(t, id)
		})
	})
	t.Run("client", func(t *testing.T) { // a server's yes to a query is no login, and no step towards one
		for _, reply := range [][]byte{{wire.MsgUserauthSuccess}, (&userauthFailure{methods: []string{MethodPublicKey}, partial: true}).append(nil)} {
			synctest.Test(t, func(t *testing.T) {
				r, end := connect(t, false, &ClientConfig{User: "bob", Methods: []Method{PublicKeys(slowSigner{keyA})}})
				r.fail(false, MethodPublicKey)
				r.recv(wire.MsgUserauthRequest)
				r.send(reply)
				res, err := end()
				require.Nil(t, res)
				isProtocolError(t, err, wire.DisconnectProtocolError)
			})
		}
	})
}

// A signature is good for one session, user, algorithm and key.
func TestSignatureIsBound(t *testing.T) {
	id := session().ID
	for name, fields := range map[string]func(t *testing.T) *publicKeyFields{
		"other session": func(t *testing.T) *publicKeyFields {
			return signedFields(t, keyA, keys.KeyEd25519, []byte("other"), "bob")
		},
		"other user": func(t *testing.T) *publicKeyFields { return signedFields(t, keyA, keys.KeyEd25519, id, "root") },
		"other key": func(t *testing.T) *publicKeyFields {
			f := signedFields(t, keyA, keys.KeyEd25519, id, "bob")
			f.blob = keyB.PublicKey().Marshal()
			return f
		},
		"no signature": func(t *testing.T) *publicKeyFields {
			f := signedFields(t, keyA, keys.KeyEd25519, id, "bob")
			f.signature = nil
			return f
		},
		"algorithm of another type": func(t *testing.T) *publicKeyFields {
			f := signedFields(t, keyA, keys.KeyEd25519, id, "bob")
			f.algorithm = keys.KeyECDSA256
			return f
		},
		"signature of another algorithm": func(t *testing.T) *publicKeyFields {
			f := &publicKeyFields{signed: true, algorithm: keys.RSASHA512, blob: keyRSA.PublicKey().Marshal()}
			sig, err := keyRSA.Sign(t.Context(), keys.RSASHA256, signedData(id, "bob", f))
			require.NoError(t, err)
			f.signature = sig.Marshal()
			return f
		},
		"SHA-1": func(t *testing.T) *publicKeyFields {
			f := signedFields(t, keyRSA, keys.RSASHA256, id, "bob")
			f.algorithm = keys.KeyRSA
			return f
		},
		"key is garbage": func(t *testing.T) *publicKeyFields {
			return &publicKeyFields{signed: true, algorithm: keys.KeyEd25519, blob: []byte("garbage")}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sc := allMethods()
				sc.PublicKey = func(context.Context, *Attempt, keys.PublicKey) (*Permissions, error) {
					t.Error("the callback saw an unproven key")
					return nil, nil
				}
				r, end := serve(t, false, sc)
				r.request(MethodPublicKey, fields(t).append(nil))
				require.False(t, r.failure().partial)
				r.c.Fail(io.EOF)
				got, _ := end()
				require.Nil(t, got)
			})
		})
	}
}

func TestPublicKeyAlgorithmsAreAllowList(t *testing.T) {
	bubble(t, func(t *testing.T, backlog int) {
		sc := allMethods()
		sc.PublicKeyAlgorithms = []string{keys.RSASHA256}
		r := login(t, backlog, &ClientConfig{User: "bob", Methods: []Method{PublicKeys(keyA, keyRSA)}}, sc)
		require.Error(t, r.clientErr, "the client does not know the list")
		a, end := serve(t, false, sc)
		f := signedFields(t, keyRSA, keys.RSASHA256, session().ID, "bob")
		a.request(MethodPublicKey, f.append(nil))
		a.recv(wire.MsgUserauthSuccess)
		id, err := end()
		require.NoError(t, err)
		require.Equal(t, keys.RSASHA256, id.Methods[0].Algorithm)
	})
}

// manySigner has algorithms of the test's choice.
type manySigner struct {
	keys.Signer
	algorithms []string
}

func (s manySigner) Algorithms() []string { return s.algorithms }

func TestClientChoosesAlgorithm(t *testing.T) {
	all := []string{keys.KeyRSA, keys.RSASHA512, keys.RSASHA256}
	for _, tt := range []struct {
		signer    keys.Signer
		announced []string
		want      string
	}{
		{keyRSA, nil, keys.RSASHA512},
		{keyRSA, []string{keys.RSASHA256, keys.KeyRSA}, keys.RSASHA256},
		{keyRSA, []string{keys.RSASHA256, keys.RSASHA512}, keys.RSASHA512},
		{keyRSA, []string{keys.KeyRSA}, ""},
		{keyRSA, []string{}, ""},
		{manySigner{keyRSA, all}, nil, keys.RSASHA512},
		{manySigner{keyRSA, all}, []string{keys.KeyRSA}, ""},
		{manySigner{keyRSA, all[:1]}, nil, ""},
		{manySigner{keyRSA, nil}, nil, ""},
		{keyA, nil, keys.KeyEd25519},
		{keyA, []string{keys.RSASHA256, keys.RSASHA512}, keys.KeyEd25519}, // servers that announce only what is new
		{keyECDSA, []string{keys.KeyECDSA256}, keys.KeyECDSA256},
	} {
		c := &client{cfg: &ClientConfig{}, session: &Session{ServerSigAlgs: func() []string { return tt.announced }}}
		require.Equal(t, tt.want, c.signatureAlgorithm(tt.signer), "%v of %v", tt.signer.Algorithms(), tt.announced)
	}
	for _, tt := range []struct {
		signer    keys.Signer
		announced []string
		want      string
	}{
		{keyRSA, nil, keys.RSASHA1},
		{keyRSA, []string{keys.RSASHA1}, keys.RSASHA1},
		{keyRSA, []string{keys.RSASHA1, keys.RSASHA256}, keys.RSASHA256},
		{keyRSA, []string{}, ""},
		{keyRSA, []string{keys.KeyEd25519}, ""},
		{manySigner{keyRSA, all}, nil, keys.RSASHA512}, // not a LegacySigner
		{keyA, nil, keys.KeyEd25519},
		{keyA, []string{keys.RSASHA1}, keys.KeyEd25519},
	} {
		c := &client{cfg: &ClientConfig{LegacyAlgorithms: keys.LegacyAlgorithms()}, session: &Session{ServerSigAlgs: func() []string { return tt.announced }}}
		require.Equal(t, tt.want, c.signatureAlgorithm(tt.signer), "%v", tt.announced)
	}
}

// TestLegacySignatures: SHA-1 logs in only where both sides admit it.
func TestLegacySignatures(t *testing.T) {
	for _, tt := range []struct{ client, server bool }{{true, true}, {true, false}, {false, true}, {false, false}} {
		sc := &ServerConfig{FailureDelay: -1, PublicKey: keyIs(keyRSA)}
		cc := &ClientConfig{User: "alice", Methods: []Method{PublicKeys(keyRSA)}}
		if tt.client {
			cc.LegacyAlgorithms = keys.LegacyAlgorithms()
		}
		if tt.server {
			sc.LegacyAlgorithms = keys.LegacyAlgorithms()
			sc.PublicKeyAlgorithms = keys.LegacyAlgorithms()
		}
		bubble(t, func(t *testing.T, backlog int) {
			r := login(t, backlog, cc, sc)
			if tt.client != tt.server {
				require.Error(t, r.clientErr)
				return
			}
			require.NoError(t, r.clientErr)
			want := keys.RSASHA512
			if tt.client {
				want = keys.RSASHA1
			}
			require.Equal(t, want, r.client.Algorithm)
		})
	}
}

// brokenSigner cannot sign, or signs with what it was not asked for.
type brokenSigner struct {
	keys.Signer
	sig *keys.Signature
	err error
}

func (s brokenSigner) Sign(context.Context, string, []byte) (*keys.Signature, error) {
	return s.sig, s.err
}

func TestClientSkipsBrokenSigners(t *testing.T) {
	bubble(t, func(t *testing.T, backlog int) {
		locked := errors.New("locked")
		loadErr := errors.New("agent is away")
		cfg := &ClientConfig{User: "bob", Methods: []Method{
			PublicKeysFunc(func(context.Context) ([]keys.Signer, error) {
				return []keys.Signer{
					brokenSigner{keyA, nil, locked},
					brokenSigner{keyB, nil, nil},
					brokenSigner{keyECDSA, &keys.Signature{Format: keys.KeyECDSA384}, nil},
					manySigner{keyRSA, []string{keys.KeyRSA}},
				}, loadErr
			}),
			Password("no"),
		}}
		r := login(t, backlog, cfg, allMethods())
		e, ok := errors.AsType[*Error](r.clientErr)
		require.True(t, ok)
		require.Len(t, e.Errs, 5)
		require.ErrorIs(t, e, locked)
		require.ErrorIs(t, e, loadErr)
		require.Equal(t, []string{MethodPublicKey, MethodPassword}, e.Tried)
		require.ErrorContains(t, e, keys.FingerprintSHA256(keyA.PublicKey()))

		cfg.Methods = append(cfg.Methods, Password("secret"))
		require.NoError(t, login(t, backlog, cfg, allMethods()).clientErr)
	})
}

// A server that answers for another key than it was asked about gets no
// signature.
func TestClientRefusesAnswerForAnotherKey(t *testing.T) {
	for _, ok := range []publicKeyOK{
		{keys.KeyEd25519, keyB.PublicKey().Marshal()},
		{keys.KeyECDSA256, keyA.PublicKey().Marshal()},
		{},
	} {
		synctest.Test(t, func(t *testing.T) {
			r, end := connect(t, false, &ClientConfig{User: "bob", Methods: []Method{PublicKeys(slowSigner{keyA})}})
			r.fail(false, MethodPublicKey)
			r.recv(wire.MsgUserauthRequest)
			r.send(ok.append(nil))
			r.end()
			_, err := end()
			isProtocolError(t, err, wire.DisconnectProtocolError)
		})
	}
}

// A key refused before a partial success is tried again after it, a proven one
// is not, and the keys are loaded once.
func TestKeysAfterPartialSuccess(t *testing.T) {
	bubble(t, func(t *testing.T, backlog int) {
		sc := allMethods()
		sc.PublicKey = func(_ context.Context, a *Attempt, k keys.PublicKey) (*Permissions, error) {
			if keys.Equal(k, keyA.PublicKey()) == (len(a.Proven) == 0) {
				return nil, errWrong // A is good only as the second
			}
			return nil, nil
		}
		sc.Verified = func(_ context.Context, id *Identity) ([]string, error) {
			if len(id.Methods) == 1 {
				return []string{MethodPublicKey}, nil
			}
			return nil, nil
		}
		loads := 0
		cfg := &ClientConfig{User: "bob", Methods: []Method{PublicKeysFunc(func(context.Context) ([]keys.Signer, error) {
			loads++
			return []keys.Signer{keyA, slowSigner{keyB}}, nil
		})}}
		r := login(t, backlog, cfg, sc)
		require.NoError(t, r.clientErr)
		require.Equal(t, 1, loads)
		require.True(t, slices.EqualFunc(r.id.Methods, []keys.Signer{keyB, keyA},
			func(p Proof, k keys.Signer) bool { return keys.Equal(p.Key, k.PublicKey()) }))
	})
}

// A query is refused without asking anybody when its algorithm is not the
// key's, whatever the list of allowed ones says.
func TestQueryAlgorithmIsTheKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sc := allMethods()
		sc.PublicKey = func(context.Context, *Attempt, keys.PublicKey) (*Permissions, error) {
			t.Error("the callback was asked")
			return nil, nil
		}
		r, end := serve(t, false, sc)
		for _, f := range []publicKeyFields{
			{algorithm: keys.RSASHA256, blob: keyA.PublicKey().Marshal()},
			{algorithm: keys.KeyECDSA384, blob: keyECDSA.PublicKey().Marshal()},
			{algorithm: keys.KeyRSA, blob: keyRSA.PublicKey().Marshal()},
		} {
			r.request(MethodPublicKey, f.append(nil))
			require.False(t, r.failure().partial)
		}
		r.c.Fail(io.EOF)
		_, err := end()
		require.Error(t, err)
	})
}

// TestBeginsWithKey: a login whose first method is a key in memory with one
// algorithm begins with it; any other asks which methods there are.
func TestBeginsWithKey(t *testing.T) {
	later := PublicKeysFunc(func(context.Context) ([]keys.Signer, error) { return []keys.Signer{keyA}, nil })
	for name, c := range map[string]struct {
		methods []Method
		config  func(*ServerConfig)
		seen    []string
		method  string // by which the login succeeds
	}{
		"key":              {methods: []Method{PublicKeys(keyA)}, seen: []string{"publickey"}, method: MethodPublicKey},
		"second key":       {methods: []Method{PublicKeys(keyB, keyA)}, config: onlyKeyA, seen: []string{"publickey", "publickey"}, method: MethodPublicKey},
		"RSA key":          {methods: []Method{PublicKeys(keyRSA)}, seen: []string{"none", "publickey"}, method: MethodPublicKey},
		"key of a device":  {methods: []Method{PublicKeys(struct{ keys.Signer }{keyA})}, seen: []string{"none", "publickey", "publickey"}, method: MethodPublicKey},
		"keys loaded late": {methods: []Method{later}, seen: []string{"none", "publickey"}, method: MethodPublicKey},
		"no key":           {methods: []Method{PublicKeys(), Password("secret")}, seen: []string{"none", "password"}, method: MethodPassword},
		"another first":    {methods: []Method{Password("secret"), PublicKeys(keyA)}, seen: []string{"none", "password"}, method: MethodPassword},
		"useless key": {methods: []Method{PublicKeys(keyB), Password("secret")}, config: onlyKeyA,
			seen: []string{"publickey", "password"}, method: MethodPassword},
		"everybody is let in": {methods: []Method{PublicKeys(keyB)},
			config: func(sc *ServerConfig) { *sc = ServerConfig{None: AllowAnonymous} },
			seen:   []string{"publickey", "none"}, method: MethodNone},
		"everybody is let in, no key is": {methods: []Method{PublicKeys(keyA, keyB)},
			config: func(sc *ServerConfig) { *sc = ServerConfig{None: AllowAnonymous, PublicKey: keyIs(keyECDSA)} },
			seen:   []string{"publickey", "publickey", "none"}, method: MethodNone},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, backlog int) {
				sc := allMethods()
				if c.config != nil {
					c.config(sc)
				}
				var seen []string
				sc.Log = func(a *Attempt, _ error) { seen = append(seen, a.Method) }
				r := login(t, backlog, &ClientConfig{User: "bob", Methods: c.methods}, sc)
				require.NoError(t, r.clientErr)
				require.Equal(t, c.method, r.client.Method)
				require.Equal(t, c.seen, seen)
			})
		})
	}
}

func onlyKeyA(sc *ServerConfig) { sc.PublicKey = keyIs(keyA) }
