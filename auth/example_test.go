package auth_test

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"

	"github.com/fairlead-go/ssh/auth"
	"github.com/fairlead-go/ssh/internal/packettest"
	"github.com/fairlead-go/ssh/keys"
)

// A client with a key, and a password should the server not know the key.
func ExampleClient() {
	clientEnd, serverEnd := packettest.Pair(1) // in place of two transport connections
	session := &auth.Session{ID: []byte("session identifier")}
	go auth.Server(context.Background(), serverEnd, session, &auth.ServerConfig{
		Password: func(_ context.Context, _ *auth.Attempt, password []byte) (*auth.Permissions, error) {
			if subtle.ConstantTimeCompare(password, []byte("secret")) != 1 { // compare hashes instead
				return nil, errors.New("wrong password")
			}
			return nil, nil
		},
	})

	key, err := keys.GenerateKey(keys.KeyEd25519, 0)
	if err != nil {
		fmt.Println(err)
		return
	}
	result, err := auth.Client(context.Background(), clientEnd, session, &auth.ClientConfig{
		User:    "gopher",
		Methods: []auth.Method{auth.PublicKeys(key), auth.Password("secret")},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("logged in by", result.Method)
	// Output: logged in by password
}

// A server that wants a key first and then a code.
func ExampleServer() {
	clientEnd, serverEnd := packettest.Pair(1) // in place of two transport connections
	session := &auth.Session{ID: []byte("session identifier")}
	key, err := keys.GenerateKey(keys.KeyEd25519, 0)
	if err != nil {
		fmt.Println(err)
		return
	}
	authorized := key.PublicKey()

	go auth.Client(context.Background(), clientEnd, session, &auth.ClientConfig{
		User: "gopher",
		Methods: []auth.Method{
			auth.PublicKeys(key),
			auth.KeyboardInteractive(func(_ context.Context, c *auth.Challenge) ([]string, error) {
				return []string{"42"}, nil
			}, 1),
		},
	})

	identity, err := auth.Server(context.Background(), serverEnd, session, &auth.ServerConfig{
		PublicKey: func(_ context.Context, a *auth.Attempt, key keys.PublicKey) (*auth.Permissions, error) {
			if a.User != "gopher" || !keys.Equal(key, authorized) {
				return nil, errors.New("key is not authorised")
			}
			return &auth.Permissions{NoPortForwarding: true}, nil
		},
		KeyboardInteractive: func(ctx context.Context, a *auth.Attempt, ask func(context.Context, *auth.Challenge) ([]string, error)) (*auth.Permissions, error) {
			answers, err := ask(ctx, &auth.Challenge{Questions: []auth.Question{{Prompt: "Code: "}}})
			if err != nil {
				return nil, err
			}
			if answers[0] != "42" {
				return nil, errors.New("wrong code")
			}
			return nil, nil
		},
		Verified: func(_ context.Context, id *auth.Identity) (next []string, err error) {
			if len(id.Methods) == 1 && id.Methods[0].Method == auth.MethodPublicKey {
				return []string{auth.MethodKeyboardInteractive}, nil
			}
			if len(id.Methods) < 2 {
				return []string{auth.MethodPublicKey}, nil
			}
			return nil, nil
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, proof := range identity.Methods {
		fmt.Println(identity.User, "proved", proof.Method)
	}
	fmt.Println("may forward:", identity.Permissions.AllowsOpen("db", 5432))
	// Output:
	// gopher proved publickey
	// gopher proved keyboard-interactive
	// may forward: false
}

// What a login may do is the stricter of what each of its methods allows.
func ExampleCombine() {
	byKey := &auth.Permissions{PermitOpen: []string{"db:*", "web:80"}}
	byCode := &auth.Permissions{PermitOpen: []string{"*:5432"}, NoPTY: true}
	both, err := auth.Combine(byKey, byCode)
	fmt.Println(both.PermitOpen, both.NoPTY, err)
	// Output: [db:5432] true <nil>
}
