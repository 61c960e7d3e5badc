package auth

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh/keys"
	"github.com/fairlead-go/ssh/wire"
)

// Every state of both roles gets every message number. What is not in the
// state's literal list ends the connection and reaches no callback.

func TestDefect_MessageInWrongStateServer(t *testing.T) {
	for _, state := range []struct {
		name    string
		allowed []byte
		enter   func(r *raw)
	}{
		{"before service request", []byte{5}, nil},
		{"before first request", []byte{50}, func(*raw) {}},
		{"after none", []byte{50}, func(r *raw) { r.request(MethodNone, nil); r.failure() }},
		{"after query", []byte{50}, func(r *raw) { r.query(keyA); r.recv(msgUserauthPKOK) }},
		{"after change request", []byte{50}, func(r *raw) { r.password("old"); r.recv(msgPasswdChangereq) }},
		{"after partial success", []byte{50}, func(r *raw) { r.password("secret"); r.failure() }},
		{"in dialogue", []byte{50, 61}, func(r *raw) { r.interactive(); r.recv(msgInfoRequest) }},
		{"after dialogue", []byte{50}, func(r *raw) { r.interactive(); r.recv(msgInfoRequest); r.answer("no"); r.failure() }},
	} {
		t.Run(state.name, func(t *testing.T) {
			for number := range 256 {
				synctest.Test(t, func(t *testing.T) {
					calls, before := 0, 0
					sc := &ServerConfig{
						Password: func(_ context.Context, _ *Attempt, p []byte) (*Permissions, error) {
							calls++
							if string(p) == "old" {
								return nil, &PasswordChangeRequired{}
							}
							return nil, nil
						},
						ChangePassword: func(context.Context, *Attempt, []byte, []byte) (*Permissions, error) { calls++; return nil, nil },
						PublicKey:      func(context.Context, *Attempt, keys.PublicKey) (*Permissions, error) { calls++; return nil, nil },
						KeyboardInteractive: func(ctx context.Context, a *Attempt, ask func(context.Context, *Challenge) ([]string, error)) (*Permissions, error) {
							calls++
							return answerIs("42")(ctx, a, ask)
						},
						Verified: func(_ context.Context, id *Identity) ([]string, error) {
							calls++
							return []string{MethodPublicKey}, nil
						},
					}
					r, end := serve(t, state.enter == nil, sc)
					if state.enter != nil {
						state.enter(r)
					}
					synctest.Wait()
					before = calls
					r.send([]byte{byte(number)})
					r.end()
					id, err := end()
					require.Nil(t, id)
					isProtocolError(t, err, wire.DisconnectProtocolError)
					if slices.Contains(state.allowed, byte(number)) {
						require.ErrorIs(t, err, wire.ErrTruncated, "message %d was looked into", number)
					} else {
						require.ErrorContains(t, err, fmt.Sprintf("message %d is not allowed here", number))
					}
					require.Equal(t, before, calls)
				})
			}
		})
	}
}

func TestDefect_MessageInWrongStateClient(t *testing.T) {
	for _, state := range []struct {
		name    string
		allowed []byte
		method  Method
		enter   func(r *raw)
	}{
		{"before service accept", []byte{6}, nil, nil},
		{"after none", []byte{51, 52, 53}, nil, func(*raw) {}},
		{"after query", []byte{51, 53, 60}, PublicKeys(slowSigner{keyA}), func(r *raw) { r.fail(false, MethodPublicKey) }},
		{"after signature", []byte{51, 52, 53}, PublicKeys(keyA), func(r *raw) { r.fail(false, MethodPublicKey) }},
		{"after query and signature", []byte{51, 52, 53}, PublicKeys(slowSigner{keyA}), func(r *raw) {
			r.fail(false, MethodPublicKey)
			r.recv(wire.MsgUserauthRequest)
			ok := publicKeyOK{keyA.Algorithms()[0], keyA.PublicKey().Marshal()}
			r.send(ok.append(nil))
		}},
		{"after password", []byte{51, 52, 53, 60}, Password("secret"), func(r *raw) { r.fail(false, MethodPassword) }},
		{"after interactive", []byte{51, 52, 53, 60}, KeyboardInteractive(answers("42"), 0), func(r *raw) { r.fail(false, MethodKeyboardInteractive) }},
	} {
		t.Run(state.name, func(t *testing.T) {
			for number := range 256 {
				synctest.Test(t, func(t *testing.T) {
					calls := 0
					cfg := &ClientConfig{
						User:           "bob",
						Banner:         func(string) { calls++ },
						ChangePassword: func(context.Context, *PasswordChange) (string, error) { calls++; return "", nil },
					}
					if state.method != nil {
						cfg.Methods = []Method{state.method}
					}
					r, end := connect(t, state.enter == nil, cfg)
					if state.enter != nil {
						state.enter(r)
						if state.method != nil {
							r.recv(wire.MsgUserauthRequest)
						}
					}
					r.send([]byte{byte(number)})
					res, err := end()
					if number == wire.MsgUserauthSuccess && slices.Contains(state.allowed, 52) {
						require.NoError(t, err)
						return
					}
					require.Nil(t, res)
					isProtocolError(t, err, wire.DisconnectProtocolError)
					if slices.Contains(state.allowed, byte(number)) {
						require.ErrorIs(t, err, wire.ErrTruncated, "message %d was looked into", number)
					} else {
						require.ErrorContains(t, err, fmt.Sprintf("message %d is not allowed here", number))
					}
					require.Zero(t, calls)
					r.end()
				})
			}
		})
	}
}

func TestDefect_UserOrServiceChanges(t *testing.T) {
	for _, tt := range []struct {
		name    string
		before  func(r *raw)
		request userauthRequest
		reason  uint32
	}{
		{"user at once", func(r *raw) { r.request(MethodNone, nil); r.failure() },
			userauthRequest{user: "root", service: serviceConnection, method: MethodNone}, wire.DisconnectProtocolError},
		{"user after refusal", func(r *raw) { r.password("no"); r.failure() },
			userauthRequest{user: "root", service: serviceConnection, method: MethodNone}, wire.DisconnectProtocolError},
		{"user after query", func(r *raw) { r.query(keyA); r.recv(msgUserauthPKOK) },
			userauthRequest{user: "", service: serviceConnection, method: MethodNone}, wire.DisconnectProtocolError},
		{"user after partial success", func(r *raw) { r.password("secret"); require.True(r.t, r.failure().partial) },
			userauthRequest{user: "bob ", service: serviceConnection, method: MethodNone}, wire.DisconnectProtocolError},
		{"user in dialogue", func(r *raw) { r.interactive(); r.recv(msgInfoRequest) },
			userauthRequest{user: "root", service: serviceConnection, method: MethodNone}, wire.DisconnectProtocolError},
		{"service after partial success", func(r *raw) { r.password("secret"); require.True(r.t, r.failure().partial) },
			userauthRequest{user: "bob", service: "ssh-other", method: MethodNone}, wire.DisconnectServiceNotAvailable},
		{"service at once", func(*raw) {},
			userauthRequest{user: "bob", service: serviceUserauth, method: MethodNone}, wire.DisconnectServiceNotAvailable},
		{"long user name", func(*raw) {},
			userauthRequest{user: string(make([]byte, maxUserName+1)), service: serviceConnection, method: MethodNone}, wire.DisconnectIllegalUserName},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sc := allMethods()
				sc.Verified = func(context.Context, *Identity) ([]string, error) { return []string{MethodPublicKey}, nil }
				var users []string
				sc.Log = func(a *Attempt, _ error) { users = append(users, a.User) }
				r, end := serve(t, false, sc)
				tt.before(r)
				r.send(tt.request.append(nil))
				r.end()
				id, err := end()
				require.Nil(t, id)
				isProtocolError(t, err, tt.reason)
				for _, u := range users {
					require.Equal(t, "bob", u)
				}
			})
		})
	}
}

func TestOtherServiceIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, service := range []string{serviceConnection, "", "ssh-userauth\x00"} {
			r, end := serve(t, true, allMethods())
			m := serviceMessage{wire.MsgServiceRequest, service}
			r.send(m.append(nil))
			r.end()
			_, err := end()
			isProtocolError(t, err, wire.DisconnectServiceNotAvailable)
		}
		r, end := connect(t, true, &ClientConfig{User: "bob"})
		m := serviceMessage{wire.MsgServiceAccept, serviceConnection}
		r.send(m.append(nil))
		r.end()
		_, err := end()
		isProtocolError(t, err, wire.DisconnectProtocolError)
	})
}

// Fields of a method that do not parse end the connection; no callback sees them.
func TestMalformedFieldsEndTheConnection(t *testing.T) {
	var k publicKeyFields
	k.blob = keyA.PublicKey().Marshal()
	k.algorithm = keys.KeyEd25519
	signed := signedFields(t, keyA, keys.KeyEd25519, session().ID, "bob")
	for _, tt := range []struct {
		method string
		fields []byte
	}{
		{MethodNone, nil},
		{MethodPassword, (&passwordFields{password: []byte("secret")}).append(nil)},
		{MethodPassword, (&passwordFields{change: true, password: []byte("secret"), newPassword: []byte("new")}).append(nil)},
		{MethodPublicKey, k.append(nil)},
		{MethodPublicKey, signed.append(nil)},
		{MethodKeyboardInteractive, new(interactiveFields).append(nil)},
	} {
		bad := [][]byte{append(slices.Clone(tt.fields), 0)}
		for n := range tt.fields {
			bad = append(bad, tt.fields[:n])
		}
		for _, fields := range bad {
			synctest.Test(t, func(t *testing.T) {
				sc := allMethods()
				sc.None = AllowAnonymous
				sc.Log = func(*Attempt, error) { t.Error("a decision was made") }
				r, end := serve(t, false, sc)
				r.request(tt.method, fields)
				r.end()
				id, err := end()
				require.Nil(t, id)
				isProtocolError(t, err, wire.DisconnectProtocolError)
			})
		}
	}
}
