package auth

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh/internal/packettest"
	"github.com/fairlead-go/ssh/keys"
	"github.com/fairlead-go/ssh/wire"
)

// allMethods accepts password "secret", answer "42" and every key here.
func allMethods() *ServerConfig {
	return &ServerConfig{
		Password:            passwordIs("secret"),
		PublicKey:           keyIs(keyA, keyB, keyECDSA, keyRSA),
		KeyboardInteractive: answerIs("42"),
	}
}

func TestLogin(t *testing.T) {
	for _, tt := range []struct {
		name      string
		methods   []Method
		method    string
		algorithm string
		key       keys.Signer
	}{
		{"password", []Method{Password("secret")}, MethodPassword, "", nil},
		{"second password", []Method{Password("no"), Password("secret")}, MethodPassword, "", nil},
		{"interactive", []Method{KeyboardInteractive(answers("42"), 1)}, MethodKeyboardInteractive, "", nil},
		{"ed25519", []Method{PublicKeys(keyA)}, MethodPublicKey, keys.KeyEd25519, keyA},
		{"ecdsa", []Method{PublicKeys(keyECDSA)}, MethodPublicKey, keys.KeyECDSA256, keyECDSA},
		{"rsa", []Method{PublicKeys(keyRSA)}, MethodPublicKey, keys.RSASHA512, keyRSA},
		{"asked first", []Method{PublicKeys(slowSigner{keyRSA})}, MethodPublicKey, keys.RSASHA512, keyRSA},
		{"later key", []Method{PublicKeys(mustKey(keys.KeyEd25519, 0), slowSigner{mustKey(keys.KeyEd25519, 0)}, keyB)},
			MethodPublicKey, keys.KeyEd25519, keyB},
		{"useless keys", []Method{PublicKeys(nil, &keys.PrivateKey{}, keyA)}, MethodPublicKey, keys.KeyEd25519, keyA},
		{"later method", []Method{Password("no"), PublicKeys(), KeyboardInteractive(answers("42"), 0)}, MethodKeyboardInteractive, "", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, backlog int) {
				r := login(t, backlog, &ClientConfig{User: "bob", Methods: tt.methods}, allMethods())
				require.NoError(t, r.clientErr)
				require.NoError(t, r.serverErr)
				require.Equal(t, tt.method, r.client.Method)
				require.Equal(t, tt.algorithm, r.client.Algorithm)
				require.Contains(t, r.client.Tried, tt.method)
				require.Equal(t, "bob", r.id.User)
				require.Nil(t, r.id.Permissions)
				require.Len(t, r.id.Methods, 1)
				proof := r.id.Methods[0]
				require.Equal(t, tt.method, proof.Method)
				require.Equal(t, tt.algorithm, proof.Algorithm)
				if tt.key != nil {
					require.True(t, keys.Equal(tt.key.PublicKey(), proof.Key))
					require.True(t, keys.Equal(tt.key.PublicKey(), r.client.Key))
				}
			})
		})
	}
}

func TestAnonymous(t *testing.T) {
	bubble(t, func(t *testing.T, backlog int) {
		r := login(t, backlog, &ClientConfig{User: "bob"}, &ServerConfig{None: AllowAnonymous})
		require.NoError(t, r.clientErr)
		require.NoError(t, r.serverErr)
		require.Equal(t, &ClientResult{Method: MethodNone}, r.client)
		require.Equal(t, &Identity{User: "bob", Methods: []Proof{{Method: MethodNone}}}, r.id)
	})
}

// A callback that is not set means that its method is refused, and is not in
// the list.
func TestUnsetMethodsAreRefused(t *testing.T) {
	bubble(t, func(t *testing.T, backlog int) {
		r := login(t, backlog, &ClientConfig{User: "bob", Methods: []Method{Password("secret")}}, &ServerConfig{PublicKey: keyIs(keyA)})
		e, ok := errors.AsType[*Error](r.clientErr)
		require.True(t, ok)
		require.Equal(t, &Error{User: "bob", Allowed: []string{MethodPublicKey}}, e)
		require.ErrorIs(t, r.serverErr, io.EOF)
		require.Nil(t, r.id)
	})
}

func TestDeniedError(t *testing.T) {
	bubble(t, func(t *testing.T, backlog int) {
		giveUp := errors.New("no terminal")
		cfg := &ClientConfig{User: "bob", Methods: []Method{
			PublicKeysFunc(func(context.Context) ([]keys.Signer, error) { return []keys.Signer{mustKey(keys.KeyEd25519, 0)}, nil }),
			Password("no"),
			KeyboardInteractive(func(context.Context, *Challenge) ([]string, error) { return nil, giveUp }, 0),
		}}
		r := login(t, backlog, cfg, allMethods())
		require.EqualError(t, r.clientErr, `auth: user "bob" denied: tried publickey, password, keyboard-interactive; `+
			`server allows publickey,password,keyboard-interactive; keyboard-interactive: no terminal`)
		require.ErrorIs(t, r.clientErr, giveUp)
	})
}

// An agent's protocol error among a client's own is not what the server is told.
func TestDeniedTellsServerItsOwnReason(t *testing.T) {
	bubble(t, func(t *testing.T, backlog int) {
		a, b := packettest.Pair(backlog)
		go Server(t.Context(), b, session(), allMethods())
		_, err := Client(t.Context(), a, session(), &ClientConfig{User: "bob", Methods: []Method{
			PasswordPrompt(func(context.Context) (string, error) {
				return "", wire.ProtocolErrorf(wire.DisconnectMACError, "of another connection")
			}, 0),
		}})
		_, ok := errors.AsType[*Error](err)
		require.True(t, ok)
		isProtocolError(t, a.Err(), wire.DisconnectNoMoreAuthMethodsAvailable)
		require.ErrorIs(t, a.Err(), err)
	})
}

func TestErrorEscapes(t *testing.T) {
	e := &Error{User: "a\x1b[2J\"", Tried: []string{"x\n"}, Allowed: []string{"\u202e"}}
	require.Equal(t, `auth: user "a\x1b[2J\"" denied: tried x\n; server allows \u202e`, e.Error())
	require.Equal(t, `auth: user "" denied: tried nothing; server allows nothing more`, new(Error).Error())
	require.Equal(t, `auth: a new password is required: \a`, (&PasswordChangeRequired{Prompt: "\a"}).Error())
}

func TestConfigFailsClosed(t *testing.T) {
	for name, cfg := range map[string]*ServerConfig{
		"nil":               nil,
		"zero":              {},
		"change alone":      {ChangePassword: func(context.Context, *Attempt, []byte, []byte) (*Permissions, error) { return nil, nil }},
		"verified alone":    {Verified: func(context.Context, *Identity) ([]string, error) { return nil, nil }},
		"unknown algorithm": {PublicKey: keyIs(), PublicKeyAlgorithms: []string{"ssh-rsa"}},
		"legacy algorithm":  {PublicKey: keyIs(), LegacyAlgorithms: []string{"ssh-dss"}},
		"negative tries":    {None: AllowAnonymous, MaxAuthTries: -1},
		"negative attempts": {None: AllowAnonymous, MaxAttempts: -1},
		"long banner":       {None: AllowAnonymous, Banner: strings.Repeat("x", maxBannerBytes+1)},
	} {
		id, err := Server(t.Context(), nil, session(), cfg)
		require.Error(t, err, name)
		require.Nil(t, id)
	}
	for _, s := range []*Session{nil, {}} {
		_, err := Server(t.Context(), nil, s, &ServerConfig{None: AllowAnonymous})
		require.Error(t, err)
		_, err = Client(t.Context(), nil, s, &ClientConfig{User: "bob"})
		require.Error(t, err)
	}
	for _, cfg := range []*ClientConfig{nil, {}, {User: "bob", Methods: []Method{nil}}, {User: "bob", LegacyAlgorithms: []string{"ssh-ed25519"}}} {
		_, err := Client(t.Context(), nil, session(), cfg)
		require.Error(t, err)
	}
}

// Several in a row, the rest chosen by the server after each: a key, then a
// password, then a second key.
func TestPartialSuccess(t *testing.T) {
	bubble(t, func(t *testing.T, backlog int) {
		sc := allMethods()
		var seen []int
		sc.Verified = func(_ context.Context, id *Identity) ([]string, error) {
			seen = append(seen, len(id.Methods))
			switch len(id.Methods) {
			case 1:
				return []string{MethodPassword, "unknown"}, nil
			case 2:
				return []string{MethodPublicKey}, nil
			}
			return nil, nil
		}
		var logged []error
		sc.Log = func(_ *Attempt, err error) { logged = append(logged, err) }
		r := login(t, backlog, &ClientConfig{User: "bob", Methods: []Method{PublicKeys(keyA, keyA, keyB), Password("secret")}}, sc)
		require.NoError(t, r.clientErr)
		require.NoError(t, r.serverErr)
		require.Equal(t, []int{1, 2, 3}, seen)
		require.Equal(t, []error{ErrPartialSuccess, ErrPartialSuccess, nil}, logged)
		var methods []string
		for _, p := range r.id.Methods {
			methods = append(methods, p.Method)
		}
		require.Equal(t, []string{MethodPublicKey, MethodPassword, MethodPublicKey}, methods)
		require.True(t, keys.Equal(keyA.PublicKey(), r.id.Methods[0].Key))
		require.True(t, keys.Equal(keyB.PublicKey(), r.id.Methods[2].Key))
		require.True(t, keys.Equal(keyB.PublicKey(), r.client.Key))
	})
}

// A client that cannot go on after a partial success says what is missing.
func TestPartialSuccessThenDenied(t *testing.T) {
	bubble(t, func(t *testing.T, backlog int) {
		sc := allMethods()
		sc.Verified = func(context.Context, *Identity) ([]string, error) { return []string{MethodPassword}, nil }
		r := login(t, backlog, &ClientConfig{User: "bob", Methods: []Method{PublicKeys(keyA)}}, sc)
		require.EqualError(t, r.clientErr, `auth: user "bob" denied: tried publickey; server allows password`)
		require.Nil(t, r.id)
	})
}

// After a partial success only what Verified named will do.
func TestPartialSuccessBinds(t *testing.T) {
	bubble(t, func(t *testing.T, _ int) {
		sc := allMethods()
		sc.None = AllowAnonymous
		sc.MaxAuthTries = 20
		sc.Verified = func(_ context.Context, id *Identity) ([]string, error) {
			if len(id.Methods) == 1 {
				return []string{MethodPublicKey}, nil
			}
			return nil, nil
		}
		r, end := serve(t, false, sc)
		r.sign(keyA)
		want := userauthFailure{methods: []string{MethodPublicKey}, partial: true}
		require.Equal(t, want, r.failure())
		want.partial = false
		for _, try := range []func(){
			func() { r.request(MethodNone, nil) },
			func() { r.password("secret") },
			r.interactive,
			func() { r.query(keyA) },
			func() { r.sign(keyA) }, // the same key is not a second one
		} {
			try()
			require.Equal(t, want, r.failure())
		}
		r.sign(keyB)
		r.recv(wire.MsgUserauthSuccess)
		id, err := end()
		require.NoError(t, err)
		require.Len(t, id.Methods, 2)
	})
}

func TestVerifiedRefuses(t *testing.T) {
	bubble(t, func(t *testing.T, _ int) {
		for name, verified := range map[string]func(context.Context, *Identity) ([]string, error){
			"error":          func(context.Context, *Identity) ([]string, error) { return nil, errWrong },
			"error and next": func(context.Context, *Identity) ([]string, error) { return []string{MethodPublicKey}, errWrong },
			"not configured": func(context.Context, *Identity) ([]string, error) { return []string{"hostbased", "none", ""}, nil },
			"contradicts itself": func(_ context.Context, id *Identity) ([]string, error) {
				id.Permissions = &Permissions{ForceCommand: "other"}
				return nil, nil
			},
		} {
			sc := allMethods()
			sc.None = func(context.Context, *Attempt) (*Permissions, error) { return &Permissions{ForceCommand: "one"}, nil }
			sc.Verified = verified
			r, end := serve(t, false, sc)
			r.request(MethodNone, nil)
			m := r.failure()
			require.False(t, m.partial, name)
			require.Equal(t, []string{MethodPublicKey, MethodPassword, MethodKeyboardInteractive}, m.methods)
			r.c.Fail(io.EOF)
			id, err := end()
			require.Nil(t, id)
			require.Error(t, err)
		}
	})
}

func TestBanners(t *testing.T) {
	bubble(t, func(t *testing.T, backlog int) {
		sc := allMethods()
		sc.Banner = "first"
		password := sc.Password
		sc.Password = func(ctx context.Context, a *Attempt, p []byte) (*Permissions, error) {
			require.NoError(t, a.SendBanner("second"))
			return password(ctx, a, p)
		}
		kept := new(Attempt)
		sc.Log = func(a *Attempt, _ error) { kept = a }
		var got []string
		r := login(t, backlog, &ClientConfig{User: "bob", Banner: func(m string) { got = append(got, m) },
			Methods: []Method{Password("no"), Password("secret")}}, sc)
		require.NoError(t, r.clientErr)
		require.Equal(t, []string{"first", "second", "second"}, got)
		require.Error(t, kept.SendBanner("late"))
	})
}

func TestServerBoundsItsBanners(t *testing.T) {
	bubble(t, func(t *testing.T, backlog int) {
		sent := 0
		sc := &ServerConfig{None: func(_ context.Context, a *Attempt) (*Permissions, error) {
			for a.SendBanner("x") == nil {
				sent++
			}
			return nil, nil
		}}
		r := login(t, backlog, &ClientConfig{User: "bob"}, sc)
		require.NoError(t, r.clientErr)
		require.Equal(t, maxBanners, sent)
	})
}

func TestLogTellsWhy(t *testing.T) {
	bubble(t, func(t *testing.T, backlog int) {
		sc := allMethods()
		var log []string
		sc.Log = func(a *Attempt, err error) {
			why := "ok"
			if err != nil {
				why = err.Error()
			}
			log = append(log, a.Method+" "+why)
		}
		r := login(t, backlog, &ClientConfig{User: "bob", Methods: []Method{Password("no"), PublicKeys(slowSigner{keyA})}}, sc)
		require.NoError(t, r.clientErr)
		require.Equal(t, []string{"none " + ErrNotOffered.Error(), "password wrong", "publickey ok", "publickey ok"}, log)
	})
}

func TestServerOffersOnlyListedMethods(t *testing.T) {
	bubble(t, func(t *testing.T, _ int) {
		r, end := serve(t, false, allMethods())
		want := []string{MethodPublicKey, MethodPassword, MethodKeyboardInteractive}
		for _, method := range []string{"hostbased", "gssapi-with-mic", "", "\x00", "none"} {
			r.request(method, []byte("whatever follows"))
			m := r.failure()
			require.True(t, slices.Equal(want, m.methods) && !m.partial)
		}
		r.password("secret")
		r.recv(wire.MsgUserauthSuccess)
		_, err := end()
		require.NoError(t, err)
	})
}

// A holdingConn keeps back what is queued while it is held.
type holdingConn struct {
	*packettest.Conn
	holds int
	kept  [][]byte
	most  int // packets that left at once
}

func (c *holdingConn) Hold() { c.holds++ }

func (c *holdingConn) Release() {
	c.holds--
	if c.holds > 0 {
		return
	}
	c.most = max(c.most, len(c.kept))
	for _, p := range c.kept {
		c.Conn.QueuePacket(p)
	}
	c.kept = nil
}

func (c *holdingConn) QueuePacket(p []byte) error {
	if c.holds > 0 {
		c.kept = append(c.kept, bytes.Clone(p))
		return nil
	}
	return c.Conn.QueuePacket(p)
}

// TestAnswersLeaveTogether: what a server says to requests that came together
// leaves together; but a banner does not wait for what it asks the user to do.
func TestAnswersLeaveTogether(t *testing.T) {
	for _, banner := range []bool{false, true} {
		bubble(t, func(t *testing.T, backlog int) {
			a, b := packettest.Pair(backlog)
			server := &holdingConn{Conn: b}
			sc := allMethods()
			shown := make(chan struct{})
			if banner {
				sc.PublicKey = func(_ context.Context, a *Attempt, _ keys.PublicKey) (*Permissions, error) {
					require.NoError(t, a.SendBanner("look at your phone"))
					<-shown
					return nil, nil
				}
			}
			ended := make(chan error)
			go func() {
				_, err := Client(t.Context(), a, session(), &ClientConfig{
					User: "bob", Methods: []Method{PublicKeys(keyA)}, Banner: func(string) { close(shown) },
				})
				ended <- err
			}()
			synctest.Wait() // it has said all that it can
			_, err := Server(t.Context(), server, session(), sc)
			require.NoError(t, err)
			require.NoError(t, <-ended)
			require.Equal(t, 2, server.most, "the service's acceptance, and what follows it")
			require.Zero(t, server.holds)
		})
	}
}
