package auth

import (
	"context"
	"io"
	"reflect"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh/internal/packettest"
	"github.com/fairlead-go/ssh/keys"
	"github.com/fairlead-go/ssh/wire"
)

func TestRoundUp(t *testing.T) {
	for _, tt := range []struct{ d, want time.Duration }{
		{0, 50}, {49, 50}, {50, 50}, {51, 100}, {100, 100}, {101, 200}, {3199, 3200}, {3201, 6400}, {60000, 6400},
	} {
		require.Equal(t, tt.want*time.Millisecond, roundUp(tt.d*time.Millisecond, 50*time.Millisecond), "%v", tt.d)
	}
}

// A user who exists and one who does not get the same bytes at the same times,
// though the callbacks do not take the same time for them.
func TestDefect_UserEnumeration(t *testing.T) {
	type event struct {
		at time.Duration
		p  string
	}
	work := func(a *Attempt) {
		if a.User == "real" {
			time.Sleep(37 * time.Millisecond)
		} else {
			time.Sleep(time.Millisecond)
		}
	}
	for _, tt := range []struct {
		name   string
		method string
		fields func(t *testing.T, user string) []byte
		floor  bool
	}{
		{"none", MethodNone, func(*testing.T, string) []byte { return nil }, true},
		{"password", MethodPassword, func(*testing.T, string) []byte { return (&passwordFields{password: []byte("guess")}).append(nil) }, true},
		{"password change", MethodPassword, func(*testing.T, string) []byte {
			return (&passwordFields{change: true, password: []byte("guess"), newPassword: []byte("x")}).append(nil)
		}, true},
		{"query", MethodPublicKey, func(*testing.T, string) []byte {
			return (&publicKeyFields{algorithm: keys.KeyEd25519, blob: keyA.PublicKey().Marshal()}).append(nil)
		}, true},
		{"signature", MethodPublicKey, func(t *testing.T, user string) []byte {
			return signedFields(t, keyA, keys.KeyEd25519, session().ID, user).append(nil)
		}, true},
		{"bad signature", MethodPublicKey, func(t *testing.T, user string) []byte {
			return signedFields(t, keyA, keys.KeyEd25519, []byte("other"), user).append(nil)
		}, true},
		{"interactive", MethodKeyboardInteractive, func(*testing.T, string) []byte { return new(interactiveFields).append(nil) }, true},
		{"unknown method", "unknown", func(*testing.T, string) []byte { return nil }, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			transcript := func(t *testing.T, user string) (events []event) {
				start := time.Now()
				sc := &ServerConfig{
					None: func(_ context.Context, a *Attempt) (*Permissions, error) { work(a); return nil, errWrong },
					Password: func(_ context.Context, a *Attempt, _ []byte) (*Permissions, error) {
						work(a)
						return nil, errWrong
					},
					ChangePassword: func(_ context.Context, a *Attempt, _, _ []byte) (*Permissions, error) {
						work(a)
						return nil, errWrong
					},
					PublicKey: func(_ context.Context, a *Attempt, _ keys.PublicKey) (*Permissions, error) {
						work(a)
						return nil, errWrong
					},
					KeyboardInteractive: func(_ context.Context, a *Attempt, _ func(context.Context, *Challenge) ([]string, error)) (*Permissions, error) {
						work(a)
						return nil, errWrong
					},
				}
				r, end := serve(t, false, sc)
				for range defaultMaxAuthTries + 1 {
					m := userauthRequest{user: user, service: serviceConnection, method: tt.method, fields: tt.fields(t, user)}
					if r.c.QueuePacket(m.append(nil)) != nil {
						break
					}
					p, err := r.c.ReadPacket()
					events = append(events, event{time.Since(start), string(p)})
					if err != nil {
						break
					}
				}
				_, err := end()
				require.ErrorIs(t, err, ErrTooManyAttempts)
				return events
			}
			synctest.Test(t, func(t *testing.T) {
				real, unknown := transcript(t, "real"), transcript(t, "nobody")
				require.Equal(t, real, unknown)
				require.GreaterOrEqual(t, len(real), defaultMaxAuthTries)
				for i, e := range real {
					if tt.floor {
						require.Equal(t, time.Duration(i+1)*defaultFailureDelay, e.at)
					} else {
						require.Zero(t, e.at)
					}
				}
			})
		})
	}
}

// The floor counts from the client's last message, so that the time a person
// takes to answer does not use it up.
func TestFloorAfterDialogue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, end := serve(t, false, allMethods())
		r.interactive()
		r.recv(msgInfoRequest)
		time.Sleep(10 * time.Second)
		start := time.Now()
		r.answer("no")
		r.failure()
		require.Equal(t, defaultFailureDelay, time.Since(start))
		r.c.Fail(io.EOF)
		_, err := end()
		require.Error(t, err)
	})
}

func TestFailureDelayOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sc := allMethods()
		sc.FailureDelay = -1
		start := time.Now()
		r, end := serve(t, false, sc)
		r.password("no")
		r.failure()
		require.Zero(t, time.Since(start))
		r.c.Fail(io.EOF)
		_, err := end()
		require.Error(t, err)
	})
}

// An error at each verifying step refuses, with the same bytes at the same
// time, also where permissions come with it.
func TestDefect_ErrorIsNotARefusal(t *testing.T) {
	grant := &Permissions{}
	type mk = func(sc *ServerConfig)
	verified := func(sc *ServerConfig) {
		*sc = *allMethods()
		sc.None = AllowAnonymous
		sc.Verified = func(context.Context, *Identity) ([]string, error) { return nil, io.EOF }
	}
	sendPassword := func(r *raw) { r.password("secret") }
	sendNone := func(r *raw) { r.request(MethodNone, nil) }
	sendSign := func(r *raw) { r.sign(keyA) }
	dialogue := func(r *raw) { r.interactive(); r.recv(msgInfoRequest); r.answer("42") }
	var first []byte
	for _, tt := range []struct {
		name string
		set  mk
		send func(r *raw)
	}{
		{"none", func(sc *ServerConfig) {
			sc.None = func(context.Context, *Attempt) (*Permissions, error) { return grant, io.EOF }
		}, sendNone},
		{"password", func(sc *ServerConfig) {
			sc.Password = func(context.Context, *Attempt, []byte) (*Permissions, error) { return grant, io.EOF }
		}, sendPassword},
		{"password change", func(sc *ServerConfig) {
			sc.ChangePassword = func(context.Context, *Attempt, []byte, []byte) (*Permissions, error) { return grant, io.EOF }
		}, func(r *raw) {
			r.request(MethodPassword, (&passwordFields{change: true}).append(nil))
		}},
		{"password to change, without a way to", func(sc *ServerConfig) {
			sc.Password = func(context.Context, *Attempt, []byte) (*Permissions, error) {
				return grant, &PasswordChangeRequired{}
			}
		}, sendPassword},
		{"query", func(sc *ServerConfig) {
			sc.PublicKey = func(context.Context, *Attempt, keys.PublicKey) (*Permissions, error) { return grant, io.EOF }
		}, func(r *raw) { r.query(keyA) }},
		{"signed key", func(sc *ServerConfig) {
			sc.PublicKey = func(context.Context, *Attempt, keys.PublicKey) (*Permissions, error) { return grant, io.EOF }
		}, sendSign},
		{"interactive", func(sc *ServerConfig) {
			sc.KeyboardInteractive = func(context.Context, *Attempt, func(context.Context, *Challenge) ([]string, error)) (*Permissions, error) {
				return grant, io.EOF
			}
		}, func(r *raw) { r.interactive() }},
		{"interactive after answers", func(sc *ServerConfig) {
			sc.KeyboardInteractive = func(ctx context.Context, _ *Attempt, ask func(context.Context, *Challenge) ([]string, error)) (*Permissions, error) {
				_, err := ask(ctx, &Challenge{Questions: make([]Question, 1)})
				require.NoError(t, err)
				return grant, context.Canceled
			}
		}, dialogue},
		{"verified after none", verified, sendNone},
		{"verified after password", verified, sendPassword},
		{"verified after key", verified, sendSign},
		{"verified after interactive", verified, dialogue},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sc := allMethods()
				tt.set(sc)
				start := time.Now()
				r, end := serve(t, false, sc)
				tt.send(r)
				p := r.recv(wire.MsgUserauthFailure)
				require.Equal(t, defaultFailureDelay, time.Since(start))
				if first == nil {
					first = p
				}
				require.Equal(t, first, p)
				r.c.Fail(io.EOF)
				id, err := end()
				require.Nil(t, id)
				require.Error(t, err)
			})
		})
	}
}

// Every restriction survives every method, as the only one, and as the first
// or the second of two, and Verified cannot take it away.
func TestDefect_RestrictionDroppedOnOnePath(t *testing.T) {
	var restrictions []*Permissions
	for i := range reflect.TypeFor[Permissions]().NumField() {
		if reflect.TypeFor[Permissions]().Field(i).Name == "NoTouchRequired" {
			continue // it takes nothing away
		}
		p := new(Permissions)
		switch f := reflect.ValueOf(p).Elem().Field(i); f.Interface().(type) {
		case bool:
			f.SetBool(true)
		case string:
			f.SetString("x")
		case []string:
			f.Set(reflect.ValueOf([]string{"x:1"}))
		case map[string]any:
			f.Set(reflect.ValueOf(map[string]any{"x": i}))
		default:
			t.Fatal("a field of a type that the test does not know")
		}
		restrictions = append(restrictions, p)
	}
	paths := []struct {
		name   string
		server func(sc *ServerConfig, p *Permissions)
		client Method
	}{
		{MethodNone, func(sc *ServerConfig, p *Permissions) {
			sc.None = func(context.Context, *Attempt) (*Permissions, error) { return p, nil }
		}, Password("unused")},
		{MethodPassword, func(sc *ServerConfig, p *Permissions) {
			sc.Password = func(context.Context, *Attempt, []byte) (*Permissions, error) { return p, nil }
		}, Password("secret")},
		{"password change", func(sc *ServerConfig, p *Permissions) {
			sc.Password = func(context.Context, *Attempt, []byte) (*Permissions, error) { return nil, &PasswordChangeRequired{} }
			sc.ChangePassword = func(context.Context, *Attempt, []byte, []byte) (*Permissions, error) { return p, nil }
		}, Password("secret")},
		{MethodPublicKey, func(sc *ServerConfig, p *Permissions) {
			sc.PublicKey = func(_ context.Context, a *Attempt, _ keys.PublicKey) (*Permissions, error) {
				if a.Query {
					return nil, nil // says less for the query than for the proof
				}
				return p, nil
			}
		}, PublicKeys(slowSigner{keyA})},
		{MethodKeyboardInteractive, func(sc *ServerConfig, p *Permissions) {
			sc.KeyboardInteractive = func(ctx context.Context, _ *Attempt, ask func(context.Context, *Challenge) ([]string, error)) (*Permissions, error) {
				_, err := ask(ctx, &Challenge{})
				return p, err
			}
		}, KeyboardInteractive(answers(""), 0)},
	}
	change := func(context.Context, *PasswordChange) (string, error) { return "new", nil }
	for _, path := range paths {
		for i, p := range restrictions {
			t.Run(path.name+" "+strconv.Itoa(i), func(t *testing.T) {
				bubble(t, func(t *testing.T, backlog int) {
					sc := new(ServerConfig)
					path.server(sc, p)
					sc.Verified = func(_ context.Context, id *Identity) ([]string, error) {
						if backlog == 0 {
							id.Permissions = nil
						} else {
							*id.Permissions = Permissions{}
						}
						return nil, nil
					}
					r := login(t, backlog, &ClientConfig{User: "bob", Methods: []Method{path.client}, ChangePassword: change}, sc)
					require.NoError(t, r.clientErr)
					require.Equal(t, p, r.id.Permissions)
				})
			})
			for _, second := range paths[1:] {
				if second.client.Name() == path.client.Name() {
					continue
				}
				for _, order := range []string{"first", "second"} {
					t.Run(path.name+" "+second.name+" "+strconv.Itoa(i)+" "+order, func(t *testing.T) {
						bubble(t, func(t *testing.T, backlog int) {
							sc := new(ServerConfig)
							if order == "first" {
								path.server(sc, p)
								second.server(sc, nil)
							} else {
								path.server(sc, nil)
								second.server(sc, p)
							}
							sc.Verified = func(_ context.Context, id *Identity) ([]string, error) {
								id.Permissions = nil
								if len(id.Methods) == 1 {
									return []string{second.client.Name()}, nil
								}
								return nil, nil
							}
							cc := &ClientConfig{User: "bob", Methods: []Method{path.client, second.client}, ChangePassword: change}
							r := login(t, backlog, cc, sc)
							require.NoError(t, r.clientErr)
							require.Len(t, r.id.Methods, 2)
							require.Equal(t, p, r.id.Permissions)
						})
					})
				}
			}
		}
	}
}

// Verified may add restrictions.
func TestVerifiedAddsPermissions(t *testing.T) {
	bubble(t, func(t *testing.T, backlog int) {
		sc := allMethods()
		sc.Verified = func(_ context.Context, id *Identity) ([]string, error) {
			require.Nil(t, id.Permissions)
			id.Permissions = &Permissions{NoPTY: true}
			id.User = "root" // changes a copy
			id.Methods = nil
			return nil, nil
		}
		r := login(t, backlog, &ClientConfig{User: "bob", Methods: []Method{Password("secret")}}, sc)
		require.Equal(t, &Identity{User: "bob", Methods: []Proof{{Method: MethodPassword}}, Permissions: &Permissions{NoPTY: true}}, r.id)
	})
}

// What contradicts the permissions of an earlier method is refused, and the
// earlier ones stand.
func TestConflictingPermissionsRefuse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := packettest.Pair(1)
		sc := allMethods()
		sc.Password = func(_ context.Context, _ *Attempt, p []byte) (*Permissions, error) {
			return &Permissions{ForceCommand: string(p)}, nil
		}
		sc.Verified = func(_ context.Context, id *Identity) ([]string, error) {
			if len(id.Methods) == 1 {
				return []string{MethodPassword}, nil
			}
			return nil, nil
		}
		var why error
		sc.Log = func(_ *Attempt, err error) { why = err }
		done := make(chan *Identity, 1)
		go func() {
			id, _ := Server(t.Context(), b, session(), sc)
			done <- id
		}()
		r := &raw{t, a}
		m := serviceMessage{wire.MsgServiceRequest, serviceUserauth}
		r.send(m.append(nil))
		r.recv(wire.MsgServiceAccept)
		r.password("one")
		require.True(t, r.failure().partial)
		r.password("two")
		require.False(t, r.failure().partial)
		require.ErrorIs(t, why, ErrConflict)
		r.password("one")
		r.recv(wire.MsgUserauthSuccess)
		require.Equal(t, "one", (<-done).Permissions.ForceCommand)
	})
}
