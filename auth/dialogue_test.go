package auth

import (
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh/wire"
)

// Tests of password and keyboard-interactive.

func TestPasswordPrompt(t *testing.T) {
	bubble(t, func(t *testing.T, backlog int) {
		typed := []string{"a", "b", "secret", "d"}
		prompts := 0
		prompt := func(context.Context) (string, error) { prompts++; return typed[prompts-1], nil }
		r := login(t, backlog, &ClientConfig{User: "bob", Methods: []Method{PasswordPrompt(prompt, 0)}}, allMethods())
		require.NoError(t, r.clientErr)
		require.Equal(t, 3, prompts)

		prompts = 0
		r = login(t, backlog, &ClientConfig{User: "bob", Methods: []Method{PasswordPrompt(prompt, 2)}}, allMethods())
		require.Error(t, r.clientErr)
		require.Equal(t, 2, prompts)
	})
}

// changeServer requires a new password, and wants it longer than 3 bytes.
func changeServer() *ServerConfig {
	return &ServerConfig{
		Password: func(_ context.Context, _ *Attempt, p []byte) (*Permissions, error) {
			if string(p) != "old" {
				return nil, errWrong
			}
			return nil, &PasswordChangeRequired{Prompt: "new one please"}
		},
		ChangePassword: func(_ context.Context, _ *Attempt, old, fresh []byte) (*Permissions, error) {
			if string(old) != "old" {
				return nil, errWrong
			}
			if len(fresh) <= 3 {
				return nil, &PasswordChangeRequired{Prompt: "longer"}
			}
			return &Permissions{NoPTY: true}, nil
		},
	}
}

func TestPasswordChange(t *testing.T) {
	bubble(t, func(t *testing.T, backlog int) {
		var prompts []string
		cc := &ClientConfig{User: "bob", Methods: []Method{Password("old")},
			ChangePassword: func(_ context.Context, c *PasswordChange) (string, error) {
				require.Equal(t, "bob", c.User)
				prompts = append(prompts, c.Prompt)
				return "new+"[:len(prompts)+2], nil
			}}
		r := login(t, backlog, cc, changeServer())
		require.NoError(t, r.clientErr)
		require.NoError(t, r.serverErr)
		require.Equal(t, []string{"new one please", "longer"}, prompts)
		require.Equal(t, &Permissions{NoPTY: true}, r.id.Permissions)

		cc.ChangePassword = nil
		r = login(t, backlog, cc, changeServer())
		require.ErrorIs(t, r.clientErr, ErrPasswordExpired)
		require.Nil(t, r.id)

		no := errors.New("no")
		cc.ChangePassword = func(context.Context, *PasswordChange) (string, error) { return "", no }
		r = login(t, backlog, cc, changeServer())
		require.ErrorIs(t, r.clientErr, no)
		require.Nil(t, r.id)
	})
}

// A change that nobody asked for is decided by ChangePassword, and without one
// it is refused, as is a password that would have to be changed.
func TestPasswordChangeUnasked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		change := func(old string) []byte {
			f := passwordFields{change: true, password: []byte(old), newPassword: []byte("fresh")}
			return f.append(nil)
		}
		r, end := serve(t, false, changeServer())
		r.request(MethodPassword, change("guess"))
		require.False(t, r.failure().partial)
		r.request(MethodPassword, change("old"))
		r.recv(wire.MsgUserauthSuccess)
		_, err := end()
		require.NoError(t, err)

		sc := changeServer()
		sc.ChangePassword = nil
		r, end = serve(t, false, sc)
		r.request(MethodPassword, change("old"))
		r.failure()
		r.password("old")
		r.failure()
		r.c.Fail(io.EOF)
		id, _ := end()
		require.Nil(t, id)
	})
}

// The bytes that the callback was given are wiped when it has returned.
func TestServerWipesPasswords(t *testing.T) {
	bubble(t, func(t *testing.T, backlog int) {
		var kept [][]byte
		sc := changeServer()
		password, change := sc.Password, sc.ChangePassword
		sc.Password = func(ctx context.Context, a *Attempt, p []byte) (*Permissions, error) {
			kept = append(kept, p)
			return password(ctx, a, p)
		}
		sc.ChangePassword = func(ctx context.Context, a *Attempt, old, fresh []byte) (*Permissions, error) {
			kept = append(kept, old, fresh)
			return change(ctx, a, old, fresh)
		}
		sc.Log = func(*Attempt, error) {
			for _, p := range kept {
				require.Equal(t, make([]byte, len(p)), p)
			}
		}
		r := login(t, backlog, &ClientConfig{User: "bob", Methods: []Method{Password("old")},
			ChangePassword: func(context.Context, *PasswordChange) (string, error) { return "fresh", nil }}, sc)
		require.NoError(t, r.clientErr)
		require.Len(t, kept, 3)
	})
}

func TestInteractiveRounds(t *testing.T) {
	bubble(t, func(t *testing.T, backlog int) {
		rounds := []*Challenge{
			{Name: "Login", Instruction: "Two things", Questions: []Question{{"Password: ", false}, {"Colour? ", true}}},
			{Instruction: "Only to read"},
			{Questions: []Question{{"Code: ", true}}},
		}
		sc := &ServerConfig{KeyboardInteractive: func(ctx context.Context, _ *Attempt, ask func(context.Context, *Challenge) ([]string, error)) (*Permissions, error) {
			var all []string
			for _, c := range rounds {
				got, err := ask(ctx, c)
				if err != nil {
					return nil, err
				}
				all = append(all, got...)
			}
			require.Equal(t, []string{"Password: !", "Colour? !", "Code: !"}, all)
			return nil, nil
		}}
		var seen []*Challenge
		answer := func(_ context.Context, c *Challenge) ([]string, error) {
			seen = append(seen, c)
			var out []string
			for _, q := range c.Questions {
				out = append(out, q.Prompt+"!")
			}
			return out, nil
		}
		r := login(t, backlog, &ClientConfig{User: "bob", Methods: []Method{KeyboardInteractive(answer, 1)}}, sc)
		require.NoError(t, r.clientErr)
		require.NoError(t, r.serverErr)
		require.Equal(t, rounds, seen)
	})
}

// A refusal without a question is not worth a second try; one after a question is.
func TestInteractiveTries(t *testing.T) {
	bubble(t, func(t *testing.T, backlog int) {
		dialogues := 0
		sc := allMethods()
		sc.KeyboardInteractive = func(context.Context, *Attempt, func(context.Context, *Challenge) ([]string, error)) (*Permissions, error) {
			dialogues++
			return nil, errWrong
		}
		cc := &ClientConfig{User: "bob", Methods: []Method{KeyboardInteractive(answers("no"), 0)}}
		require.Error(t, login(t, backlog, cc, sc).clientErr)
		require.Equal(t, 1, dialogues)

		asked := 0
		cc.Methods[0] = KeyboardInteractive(func(ctx context.Context, c *Challenge) ([]string, error) {
			asked++
			return answers("no")(ctx, c)
		}, 0)
		require.Error(t, login(t, backlog, cc, allMethods()).clientErr)
		require.Equal(t, defaultTries, asked)
	})
}

// The wrong number of answers refuses, on either side, whatever the server's
// callback makes of ask's error.
func TestInteractiveAnswerCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sc := allMethods()
		sc.KeyboardInteractive = func(ctx context.Context, _ *Attempt, ask func(context.Context, *Challenge) ([]string, error)) (*Permissions, error) {
			got, err := ask(ctx, &Challenge{Questions: []Question{{}, {}}})
			require.Error(t, err)
			require.Nil(t, got)
			_, again := ask(ctx, &Challenge{})
			require.Equal(t, err, again)
			return nil, nil // an error swallowed
		}
		r, end := serve(t, false, sc)
		for _, given := range [][]string{nil, {"1"}, {"1", "2", "3"}} {
			r.interactive()
			r.recv(msgInfoRequest)
			r.answer(given...)
			require.False(t, r.failure().partial)
		}
		r.c.Fail(io.EOF)
		id, _ := end()
		require.Nil(t, id)
	})
	bubble(t, func(t *testing.T, backlog int) {
		short := func(context.Context, *Challenge) ([]string, error) { return nil, nil }
		r := login(t, backlog, &ClientConfig{User: "bob", Methods: []Method{KeyboardInteractive(short, 0)}}, allMethods())
		require.ErrorContains(t, r.clientErr, "0 answers to 1 questions")
	})
}

func TestInteractiveTooManyQuestions(t *testing.T) {
	bubble(t, func(t *testing.T, backlog int) {
		sc := &ServerConfig{KeyboardInteractive: func(ctx context.Context, _ *Attempt, ask func(context.Context, *Challenge) ([]string, error)) (*Permissions, error) {
			_, _ = ask(ctx, &Challenge{Questions: make([]Question, maxQuestions+1)})
			return nil, nil
		}}
		r := login(t, backlog, &ClientConfig{User: "bob", Methods: []Method{KeyboardInteractive(answers(""), 0)}}, sc)
		require.Error(t, r.clientErr)
		require.Nil(t, r.id)
	})
}

// A request inside a dialogue ends it: the old one gets no answer and proves
// nothing, the new one is served whole.
func TestInteractiveAborted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sc := allMethods()
		var ask2 func(context.Context, *Challenge) ([]string, error)
		sc.KeyboardInteractive = func(ctx context.Context, _ *Attempt, ask func(context.Context, *Challenge) ([]string, error)) (*Permissions, error) {
			ask2 = ask
			_, err := ask(ctx, &Challenge{})
			require.ErrorIs(t, err, ErrAborted)
			return nil, nil // an error swallowed
		}
		var logged []error
		sc.Log = func(_ *Attempt, err error) { logged = append(logged, err) }
		r, end := serve(t, false, sc)
		r.interactive()
		r.recv(msgInfoRequest)
		r.password("secret")
		r.recv(wire.MsgUserauthSuccess)
		id, err := end()
		require.NoError(t, err)
		require.Equal(t, []Proof{{Method: MethodPassword}}, id.Methods)
		require.Equal(t, []error{ErrAborted, nil}, logged)
		_, err = ask2(t.Context(), &Challenge{})
		require.ErrorContains(t, err, "over")
	})
}
