package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"

	"github.com/fairlead-go/ssh/auth"
	"github.com/fairlead-go/ssh/examples/internal/terminal"
)

// errUntrusted keeps passwords from a server whose key is not the known one.
var errUntrusted = errors.New("disabled to avoid man-in-the-middle attacks")

// methods returns the ways to log in, in the order of PreferredAuthentications.
// done is called when the login is over.
func (c *connection) methods() (methods []auth.Method, done func()) {
	o, identities := c.o, &identities{connection: c}
	enabled := map[string]bool{
		auth.MethodPublicKey:           o.PubkeyAuthentication,
		auth.MethodPassword:            o.PasswordAuthentication,
		auth.MethodKeyboardInteractive: o.KbdInteractiveAuthentication,
	}
	for i, name := range o.PreferredAuthentications {
		name = strings.TrimSpace(name)
		if !enabled[name] || slices.Contains(o.PreferredAuthentications[:i], name) {
			continue
		}
		switch name {
		case auth.MethodPublicKey:
			methods = append(methods, auth.PublicKeysFunc(identities.signers))
		case auth.MethodPassword:
			methods = append(methods, auth.PasswordPrompt(c.passwordPrompt(), o.NumberOfPasswordPrompts))
		case auth.MethodKeyboardInteractive:
			methods = append(methods, auth.KeyboardInteractive(c.answer, o.NumberOfPasswordPrompts))
		}
	}
	return methods, identities.close
}

func (c *connection) passwordPrompt() func(context.Context) (string, error) {
	asked := false
	return func(ctx context.Context) (string, error) {
		if c.untrusted {
			return "", errUntrusted
		}
		if asked {
			c.log.errorf("Permission denied, please try again.")
		} else {
			c.log.debugf("Next authentication method: password")
		}
		asked = true
		return c.prompt.Ask(ctx, fmt.Sprintf("%s@%s's password: ", c.o.User, c.shownHost()), false)
	}
}

// shownHost is the host as the user calls it in questions.
func (c *connection) shownHost() string {
	if c.o.HostKeyAlias != "" {
		return c.o.HostKeyAlias
	}
	return c.o.HostName
}

// answer puts a server's questions to the user, each with the login's name
// before it, so that no server can pass its question off as another's.
func (c *connection) answer(ctx context.Context, ch *auth.Challenge) ([]string, error) {
	if c.untrusted {
		return nil, errUntrusted
	}
	for _, text := range []string{ch.Name, ch.Instruction} {
		if text != "" {
			fmt.Fprintf(os.Stderr, "%s\r\n", strings.TrimRight(terminal.Sanitize(text), "\n"))
		}
	}
	answers := make([]string, len(ch.Questions))
	for i, q := range ch.Questions {
		prompt := fmt.Sprintf("(%s@%s) %s", c.o.User, c.shownHost(), terminal.Sanitize(q.Prompt))
		var err error
		if answers[i], err = c.prompt.Ask(ctx, prompt, q.Echo); err != nil {
			return nil, err
		}
	}
	return answers, nil
}

// banner shows the text that the server wants its users to have read.
func (c *connection) banner(message string) {
	if c.log.at(levelInfo) {
		fmt.Fprint(os.Stderr, terminal.Sanitize(message))
	}
}

// loggedIn tells how and where.
func (c *connection) loggedIn() {
	login := c.client.Login()
	c.log.debugf("Authentication succeeded (%s).", login.Method)
	where := "via proxy"
	if tcp, ok := c.remote.(*net.TCPAddr); ok {
		where = fmt.Sprintf("[%s]:%d", tcp.IP, tcp.Port)
	}
	c.log.verbosef("Authenticated to %s (%s) using %q.", c.o.HostName, where, login.Method)
}
