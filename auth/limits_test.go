package auth

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh/internal/packettest"
	"github.com/fairlead-go/ssh/keys"
	"github.com/fairlead-go/ssh/wire"
)

// Whatever a client goes on with, the server ends it, after as many rounds as
// its bounds say.
func TestDefect_EndlessAuthenticationServer(t *testing.T) {
	endlessDialogue := func(ctx context.Context, _ *Attempt, ask func(context.Context, *Challenge) ([]string, error)) (*Permissions, error) {
		for {
			if _, err := ask(ctx, &Challenge{}); err != nil {
				return nil, err
			}
		}
	}
	for _, tt := range []struct {
		name  string
		round func(r *raw, n int) // sends one message
		want  int                 // rounds, the last of which is the one too many
	}{
		{"none", func(r *raw, _ int) { r.request(MethodNone, nil) }, 1 + defaultMaxAuthTries},
		{"unknown method", func(r *raw, _ int) { r.request("unknown", nil) }, defaultMaxAuthTries},
		{"wrong password", func(r *raw, _ int) { r.password("no") }, defaultMaxAuthTries},
		{"refused query", func(r *raw, _ int) { r.query(keyB) }, defaultMaxAuthTries},
		{"unproven key", func(r *raw, _ int) {
			f := signedFields(r.t, keyA, keys.KeyEd25519, []byte("other"), "bob")
			r.request(MethodPublicKey, f.append(nil))
		}, defaultMaxAuthTries},
		{"aborted dialogue", func(r *raw, _ int) { r.interactive() }, 1 + defaultMaxAuthTries}, // the last is judged when the next comes
		{"accepted query", func(r *raw, _ int) { r.query(keyA) }, 1 + defaultMaxAttempts},
		{"partial success", func(r *raw, _ int) { r.password("secret") }, 1 + defaultMaxAttempts},
		{"password to change", func(r *raw, _ int) { r.password("old") }, 1 + defaultMaxAttempts},
		{"dialogue", func(r *raw, n int) {
			if n == 1 {
				r.interactive()
			} else {
				r.answer()
			}
		}, 1 + defaultMaxAttempts},
		{"a mixture", func(r *raw, n int) {
			switch n % 3 {
			case 0:
				r.query(keyA)
			case 1:
				r.password("secret")
			case 2:
				r.password("old")
			}
		}, 1 + defaultMaxAttempts},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r, end := serve(t, false, &ServerConfig{
					PublicKey:           keyIs(keyA),
					KeyboardInteractive: endlessDialogue,
					Password: func(_ context.Context, _ *Attempt, p []byte) (*Permissions, error) {
						switch string(p) {
						case "secret":
							return nil, nil
						case "old":
							return nil, &PasswordChangeRequired{}
						}
						return nil, errWrong
					},
					ChangePassword: func(context.Context, *Attempt, []byte, []byte) (*Permissions, error) { return nil, nil },
					Verified: func(context.Context, *Identity) ([]string, error) {
						return []string{MethodPassword, MethodPublicKey}, nil
					},
				})
				rounds := 0
				for r.c.Err() == nil && rounds < 1000 {
					rounds++
					tt.round(r, rounds)
					synctest.Wait()
					time.Sleep(time.Second) // for the refusal
					synctest.Wait()
				}
				id, err := end()
				require.Nil(t, id)
				require.ErrorIs(t, err, ErrTooManyAttempts)
				isProtocolError(t, err, wire.DisconnectNoMoreAuthMethodsAvailable)
				require.Equal(t, tt.want, rounds)
			})
		})
	}
}

func TestMaxAuthTries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sc := allMethods()
		sc.MaxAuthTries, sc.MaxAttempts = 1, 3
		r, end := serve(t, false, sc)
		r.request(MethodNone, nil) // free, this once
		r.failure()
		r.query(keyA) // answered with yes: no failure
		r.recv(msgUserauthPKOK)
		r.password("no")
		r.end()
		_, err := end()
		require.ErrorIs(t, err, ErrTooManyAttempts)

		r, end = serve(t, false, sc)
		r.request(MethodNone, nil)
		r.failure()
		r.query(keyA)
		r.recv(msgUserauthPKOK)
		r.sign(keyA)
		r.recv(wire.MsgUserauthSuccess)
		_, err = end()
		require.NoError(t, err)
	})
}

// Whatever a server goes on with, the client ends it.
func TestDefect_EndlessAuthenticationClient(t *testing.T) {
	var many []keys.Signer
	for range maxRequests {
		many = append(many, slowSigner{mustKey(keys.KeyEd25519, 0)})
	}
	secret := func(context.Context) (string, error) { return "secret", nil }
	all := []string{MethodPublicKey, MethodPassword, MethodKeyboardInteractive, "unknown"}
	for _, tt := range []struct {
		name   string
		method Method
		reply  func(r *raw, p []byte) // to p
		want   int                    // replies at least until the end
	}{
		{"banners", Password("secret"), func(r *raw, _ []byte) {
			m := userauthBanner{message: "x"}
			for range maxBanners + 1 {
				_ = r.c.QueuePacket(m.append(nil))
			}
		}, 1},
		{"long banners", Password("secret"), func(r *raw, _ []byte) {
			m := userauthBanner{message: strings.Repeat("x", maxBannerBytes/2)}
			for range 3 {
				_ = r.c.QueuePacket(m.append(nil))
			}
		}, 1},
		{"partial success", PasswordPrompt(secret, 2), func(r *raw, _ []byte) { r.fail(true, all...) }, maxPartials + 1},
		{"partial success of keys", PublicKeys(many[:40]...), func(r *raw, p []byte) {
			var m userauthRequest
			var f publicKeyFields
			require.NoError(r.t, m.parse(p))
			require.NoError(r.t, f.parse(m.fields))
			if f.signed {
				r.fail(true, all...)
				return
			}
			ok := publicKeyOK{f.algorithm, f.blob}
			r.send(ok.append(nil))
		}, 2 * (maxPartials + 1)},
		{"questions", KeyboardInteractive(answers(""), 0), func(r *raw, _ []byte) {
			m := infoRequest{}
			r.send(m.append(nil))
		}, maxInfoRequests + 1},
		{"password changes", Password("secret"), func(r *raw, _ []byte) {
			m := passwdChangereq{}
			r.send(m.append(nil))
		}, maxPasswordChanges + 1},
		{"refused keys", PublicKeys(many...), func(r *raw, _ []byte) { r.fail(false, all...) }, maxRequests - 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r, end := connect(t, false, &ClientConfig{User: "bob", Methods: []Method{tt.method},
					ChangePassword: func(context.Context, *PasswordChange) (string, error) { return "", nil }})
				r.fail(false, all...)
				replies := 0
				for {
					p, err := r.c.ReadPacket()
					if err != nil {
						break
					}
					replies++
					tt.reply(r, append([]byte{}, p...))
				}
				res, err := end()
				require.Nil(t, res)
				require.ErrorIs(t, err, ErrTooManyAttempts)
				isProtocolError(t, err, wire.DisconnectProtocolError)
				require.InDelta(t, tt.want, replies, 1)
			})
		})
	}
	t.Run("refusals", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r, end := connect(t, false, &ClientConfig{User: "bob", Methods: []Method{
				Password("a"), PasswordPrompt(secret, 2), KeyboardInteractive(answers(""), 0), PublicKeys(keyA)}})
			replies := 0
			for r.c.Err() == nil {
				r.fail(false, all...)
				if _, err := r.c.ReadPacket(); err != nil {
					break
				}
				replies++
			}
			_, err := end()
			_, ok := errors.AsType[*Error](err)
			require.True(t, ok)
			require.Equal(t, 1+2+1+1, replies)
		})
	})
}

func TestServerTimeout(t *testing.T) {
	for _, tt := range []struct {
		name  string
		enter func(r *raw)
	}{
		{"before the service request", nil},
		{"before the first request", func(*raw) {}},
		{"in a dialogue", func(r *raw) { r.interactive(); r.recv(msgInfoRequest) }},
		{"in a callback", func(r *raw) { r.password("slow") }},
		{"in the delay", func(r *raw) { r.query(mustKey(keys.KeyEd25519, 0)) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sc := allMethods()
				var cause error
				sc.Password = func(ctx context.Context, _ *Attempt, _ []byte) (*Permissions, error) {
					<-ctx.Done()
					cause = context.Cause(ctx)
					return nil, nil // too late to let anyone in
				}
				sc.FailureDelay = time.Hour
				start := time.Now()
				r, end := serve(t, tt.enter == nil, sc)
				if tt.enter != nil {
					tt.enter(r)
				}
				r.end()
				id, err := end()
				require.Nil(t, id)
				require.Equal(t, defaultTimeout, time.Since(start))
				require.ErrorIs(t, err, ErrTimeout)
				require.ErrorIs(t, err, os.ErrDeadlineExceeded)
				if tt.name == "in a callback" {
					require.Equal(t, ErrTimeout, cause)
				}
			})
		})
	}
	t.Run("none", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			sc := allMethods()
			sc.Timeout = -1
			r, end := serve(t, false, sc)
			time.Sleep(24 * time.Hour)
			r.password("secret")
			r.recv(wire.MsgUserauthSuccess)
			_, err := end()
			require.NoError(t, err)
		})
	})
}

// Once authentication has succeeded neither the timeout nor the context
// touches the connection.
func TestContextEndsWithAuthentication(t *testing.T) {
	bubble(t, func(t *testing.T, backlog int) {
		ctx, cancel := context.WithCancel(t.Context())
		a, b := packettest.Pair(backlog)
		done := make(chan error, 1)
		go func() {
			_, err := Server(ctx, b, session(), allMethods())
			done <- err
		}()
		_, err := Client(ctx, a, session(), &ClientConfig{User: "bob", Methods: []Method{Password("secret")}})
		require.NoError(t, err)
		require.NoError(t, <-done)
		cancel()
		time.Sleep(24 * time.Hour)
		require.NoError(t, a.Err())
		require.NoError(t, b.Err())
	})
}

// A deafTape cannot be failed and remembers the very slices it was to send.
type deafTape struct{ *tape }

func (c deafTape) Fail(error) {}
func (c deafTape) QueuePacket(p []byte) error {
	c.sent = append(c.sent, p)
	return nil
}

// A context that ends just before success wins, however long the connection
// takes to notice.
func TestCancelBeatsSuccess(t *testing.T) {
	cause := errors.New("cause")
	t.Run("server", func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		request := userauthRequest{user: "bob", service: serviceConnection, method: MethodNone}
		c := deafTape{&tape{r: wire.NewReader(record((&serviceMessage{wire.MsgServiceRequest, serviceUserauth}).append(nil), request.append(nil)))}}
		id, err := Server(ctx, c, session(), &ServerConfig{None: func(context.Context, *Attempt) (*Permissions, error) {
			cancel(cause)
			return nil, nil
		}})
		require.Equal(t, cause, err)
		require.Nil(t, id)
		require.Len(t, c.sent, 1, "SERVICE_ACCEPT and no SUCCESS")
	})
	t.Run("client", func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		c := deafTape{&tape{r: wire.NewReader(record((&serviceMessage{wire.MsgServiceAccept, serviceUserauth}).append(nil),
			(&userauthBanner{}).append(nil), []byte{wire.MsgUserauthSuccess}))}}
		res, err := Client(ctx, c, session(), &ClientConfig{User: "bob", Banner: func(string) { cancel(cause) }})
		require.Equal(t, cause, err)
		require.Nil(t, res)
	})
}

// The client wipes each request that it has sent.
func TestClientWipesRequests(t *testing.T) {
	failure := userauthFailure{methods: []string{MethodPassword, MethodKeyboardInteractive}}
	c := deafTape{&tape{r: wire.NewReader(record(
		(&serviceMessage{wire.MsgServiceAccept, serviceUserauth}).append(nil), failure.append(nil),
		(&passwdChangereq{}).append(nil), failure.append(nil),
		(&infoRequest{Challenge: Challenge{Questions: make([]Question, 1)}}).append(nil), []byte{wire.MsgUserauthSuccess}))}}
	_, err := Client(t.Context(), c, session(), &ClientConfig{
		User:           "bob",
		ChangePassword: func(context.Context, *PasswordChange) (string, error) { return "new", nil },
		Methods:        []Method{Password("old"), KeyboardInteractive(answers("42"), 1)},
	})
	require.NoError(t, err)
	require.Len(t, c.sent, 6)
	for _, p := range c.sent[1:] {
		require.Equal(t, make([]byte, len(p)), p)
	}
}

func TestCancel(t *testing.T) {
	cause := errors.New("cause")
	t.Run("server", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			_, b := packettest.Pair(1)
			time.AfterFunc(time.Second, func() { cancel(cause) })
			_, err := Server(ctx, b, session(), allMethods())
			require.Equal(t, cause, err)
			require.Equal(t, cause, b.Err())
		})
	})
	t.Run("ask", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			sc := allMethods()
			sc.KeyboardInteractive = func(ctx context.Context, _ *Attempt, ask func(context.Context, *Challenge) ([]string, error)) (*Permissions, error) {
				ctx, cancel := context.WithTimeoutCause(ctx, time.Second, cause)
				defer cancel()
				_, err := ask(ctx, &Challenge{})
				require.ErrorIs(t, err, cause)
				return nil, nil
			}
			r, end := serve(t, false, sc)
			r.interactive()
			r.recv(msgInfoRequest)
			id, err := end()
			require.Nil(t, id)
			require.ErrorIs(t, err, cause)
		})
	})
	for _, tt := range []struct {
		name   string
		method Method
	}{
		{"client waiting", Password("secret")},
		{"client prompting", PasswordPrompt(func(ctx context.Context) (string, error) { <-ctx.Done(); return "", ctx.Err() }, 0)},
		{"client asked", KeyboardInteractive(func(ctx context.Context, _ *Challenge) ([]string, error) { <-ctx.Done(); return nil, ctx.Err() }, 0)},
		{"client signing", PublicKeys(waitingSigner{keyA})},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancelCause(t.Context())
				a, b := packettest.Pair(1)
				done := make(chan error, 1)
				go func() {
					sc := allMethods()
					sc.Timeout = -1
					sc.FailureDelay = time.Hour // long enough to be waited for
					sc.Password = passwordIs("other")
					_, err := Server(t.Context(), b, session(), sc)
					done <- err
				}()
				time.AfterFunc(time.Second, func() { cancel(cause) })
				_, err := Client(ctx, a, session(), &ClientConfig{User: "bob", Methods: []Method{tt.method}, ReplyTimeout: -1})
				require.Equal(t, cause, err)
				require.Equal(t, cause, a.Err())
				require.Error(t, <-done)
			})
		})
	}
}

type waitingSigner struct{ keys.Signer }

func (waitingSigner) Sign(ctx context.Context, _ string, _ []byte) (*keys.Signature, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func TestClientReplyTimeout(t *testing.T) {
	for _, enter := range []func(r *raw){
		nil,
		func(*raw) {},
		func(r *raw) { r.fail(false, MethodPassword); r.recv(wire.MsgUserauthRequest) },
	} {
		synctest.Test(t, func(t *testing.T) {
			prompt := func(context.Context) (string, error) {
				time.Sleep(time.Hour) // a person may take long
				return "secret", nil
			}
			r, end := connect(t, enter == nil, &ClientConfig{User: "bob", ReplyTimeout: time.Minute, Methods: []Method{PasswordPrompt(prompt, 0)}})
			if enter != nil {
				enter(r)
			}
			start := time.Now()
			r.end()
			_, err := end()
			require.ErrorIs(t, err, ErrTimeout)
			require.ErrorIs(t, err, os.ErrDeadlineExceeded)
			require.Implements(t, (*interface{ Timeout() bool })(nil), ErrTimeout)
			require.Equal(t, time.Minute, time.Since(start))
		})
	}
}

// A connection that ends tells both sides why, and what had been tried.
func TestConnectionEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, end := connect(t, false, &ClientConfig{User: "bob", Methods: []Method{Password("no")}})
		r.fail(false, MethodPassword)
		r.recv(wire.MsgUserauthRequest)
		r.c.Fail(io.EOF)
		_, err := end()
		require.ErrorIs(t, err, io.EOF)
		require.EqualError(t, err, "auth: connection ended after trying password: EOF")
		s, ended := serve(t, false, allMethods())
		s.c.Fail(io.EOF)
		_, err = ended()
		require.ErrorIs(t, err, io.EOF)
	})
}
