package main

import (
	"context"
	"errors"
	"time"

	"github.com/fairlead-go/ssh/auth"
	"github.com/fairlead-go/ssh/examples/internal/account"
	"github.com/fairlead-go/ssh/examples/internal/serverconfig"
)

// refusal is the least time that it takes to refuse a password, whether there
// is such a user or not, so that the time tells nobody which names are real.
const refusal = 1500 * time.Millisecond

func (c *connection) password(ctx context.Context, a *auth.Attempt, password []byte) (*auth.Permissions, error) {
	started := time.Now()
	admitted := c.admit(a, func(o *serverconfig.Options) bool { return o.PasswordAuthentication })
	return c.judgePassword(ctx, started, admitted, password)
}

// keyboardInteractive asks for the password as a question.
func (c *connection) keyboardInteractive(ctx context.Context, a *auth.Attempt,
	ask func(context.Context, *auth.Challenge) ([]string, error),
) (*auth.Permissions, error) {
	admitted := c.admit(a, func(o *serverconfig.Options) bool { return o.KbdInteractiveAuthentication })
	if errors.Is(admitted, errNotOffered) || errors.Is(admitted, errNotNow) {
		return nil, admitted // the answer would be of no use
	}
	answers, err := ask(ctx, &auth.Challenge{Questions: []auth.Question{{Prompt: "Password: "}}})
	if err != nil {
		return nil, err
	}
	return c.judgePassword(ctx, time.Now(), admitted, []byte(answers[0]))
}

func (c *connection) judgePassword(ctx context.Context, started time.Time, admitted error, password []byte) (*auth.Permissions, error) {
	err := admitted
	if err == nil {
		err = account.CheckPassword(ctx, c.account.Name, password, c.opts.PermitEmptyPasswords)
	}
	if err == nil {
		return c.grant(ctx, nil)
	}
	if errors.Is(err, account.ErrNoChecker) {
		c.log.errorf("%v", err)
	}
	select {
	case <-time.After(time.Until(started.Add(refusal))):
	case <-ctx.Done():
	}
	return nil, err
}
