package auth

import (
	"context"
	"errors"

	"github.com/fairlead-go/ssh/wire"
)

// Method password (RFC 4252 section 8).

// msgPasswdChangereq is number 60 of this method.
const msgPasswdChangereq = 60

// passwordFields follow the method's name. The passwords are aliases.
type passwordFields struct {
	change                bool
	password, newPassword []byte // the second with change only
}

func (m *passwordFields) append(b []byte) []byte {
	b = wire.AppendString(wire.AppendBool(b, m.change), m.password)
	if m.change {
		b = wire.AppendString(b, m.newPassword)
	}
	return b
}

func (m *passwordFields) parse(fields []byte) error {
	r := wire.NewReader(fields)
	m.change, m.password = r.Bool(), r.Bytes()
	if m.change {
		m.newPassword = r.Bytes()
	}
	if err := r.End(); err != nil {
		return malformed("password request", err)
	}
	return nil
}

// passwdChangereq is USERAUTH_PASSWD_CHANGEREQ.
type passwdChangereq struct {
	prompt, language string
}

func (m *passwdChangereq) append(b []byte) []byte {
	b = wire.AppendString(append(b, msgPasswdChangereq), m.prompt)
	return wire.AppendString(b, m.language)
}

func (m *passwdChangereq) parse(p []byte) error {
	r := expect(p, msgPasswdChangereq)
	m.prompt, m.language = r.Text(), r.Text()
	if err := r.End(); err != nil {
		return malformed("USERAUTH_PASSWD_CHANGEREQ", err)
	}
	return nil
}

// PasswordChangeRequired is returned by a server's password callbacks for a
// password that is right but must be changed first.
type PasswordChangeRequired struct {
	Prompt string // for the client to show
}

// Error implements error.
func (e *PasswordChangeRequired) Error() string {
	return "auth: a new password is required: " + wire.Escape(e.Prompt, wire.MaxShown)
}

func judgePassword(s *server, a *Attempt, fields []byte) (verdict, error) {
	defer clear(fields)
	var m passwordFields
	if err := m.parse(fields); err != nil {
		return verdict{}, failMessage(s.pc, err)
	}
	var permissions *Permissions
	var err error
	switch {
	case !m.change:
		permissions, err = s.cfg.Password(s.ctx, a, m.password)
	case s.cfg.ChangePassword != nil:
		permissions, err = s.cfg.ChangePassword(s.ctx, a, m.password, m.newPassword)
	default:
		err = ErrNotOffered
	}
	if required, ok := errors.AsType[*PasswordChangeRequired](err); ok && s.cfg.ChangePassword != nil {
		reply := passwdChangereq{prompt: required.Prompt}
		return verdict{reply: reply.append(nil), err: err}, nil
	}
	if err != nil {
		return denied(err), nil
	}
	return verdict{proof: &Proof{Method: MethodPassword}, permissions: permissions}, nil
}

// Password is method password with one fixed password, tried once.
func Password(password string) Method {
	return PasswordPrompt(func(context.Context) (string, error) { return password, nil }, 1)
}

// PasswordPrompt is method password with a password from prompt, which is
// asked up to tries times, 0 for 3. An error of prompt ends this method and
// goes into [Error.Errs]; others are still tried.
func PasswordPrompt(prompt func(ctx context.Context) (string, error), tries int) Method {
	if tries <= 0 {
		tries = defaultTries
	}
	return &passwordMethod{prompt: prompt, tries: tries}
}

type passwordMethod struct {
	prompt func(context.Context) (string, error)
	tries  int
}

func (*passwordMethod) Name() string { return MethodPassword }
func (m *passwordMethod) start() clientMethod {
	return &passwordRun{passwordMethod: m, left: m.tries}
}

// passwordRun is a passwordMethod's state on one connection.
type passwordRun struct {
	*passwordMethod
	left int
}

func (r *passwordRun) attempt(c *client) (outcome, error) {
	if r.left == 0 {
		return outcome{spent: true}, nil
	}
	r.left--
	password, err := r.prompt(c.ctx)
	if err != nil {
		return c.giveUp(MethodPassword, err)
	}
	old := []byte(password)
	defer func() { clear(old) }()
	if err := c.sendPassword(&passwordFields{password: old}); err != nil {
		return outcome{}, err
	}
	for changes := 0; ; changes++ {
		p, err := c.reply(wire.MsgUserauthSuccess, wire.MsgUserauthFailure, msgPasswdChangereq)
		if err != nil {
			return outcome{}, err
		}
		if p[0] != msgPasswdChangereq {
			return c.decide(p)
		}
		var m passwdChangereq
		if err := m.parse(p); err != nil {
			return outcome{}, failMessage(c.pc, err)
		}
		if changes == maxPasswordChanges {
			return outcome{}, c.tooMany("requests to change the password")
		}
		if c.cfg.ChangePassword == nil {
			return c.giveUp(MethodPassword, ErrPasswordExpired)
		}
		changed, err := c.cfg.ChangePassword(c.ctx, &PasswordChange{User: c.cfg.User, Prompt: m.prompt})
		if err != nil {
			return c.giveUp(MethodPassword, err)
		}
		fresh := []byte(changed)
		err = c.sendPassword(&passwordFields{change: true, password: old, newPassword: fresh})
		clear(fresh)
		if err != nil {
			return outcome{}, err
		}
	}
}

// partial implements clientMethod: a password already given is not what a
// server that wants another method more can be after, but a prompt may know
// another.
func (r *passwordRun) partial() {
	if r.tries > 1 {
		r.left = r.tries
	}
}

// ErrPasswordExpired: the server wants a new password and the client's
// configuration has no ChangePassword.
var ErrPasswordExpired = errors.New("auth: the server requires the password to be changed")

// A PasswordChange is a server's request for a new password.
type PasswordChange struct {
	User   string
	Prompt string // the server's text; escape before printing
}

// sendPassword sends a password request and wipes the message.
func (c *client) sendPassword(m *passwordFields) error {
	size := 9 + len(m.password) + len(m.newPassword)
	fields := m.append(make([]byte, 0, size))
	defer clear(fields)
	return c.request(MethodPassword, fields)
}
