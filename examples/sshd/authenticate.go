package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/fairlead-go/ssh"
	"github.com/fairlead-go/ssh/auth"
	"github.com/fairlead-go/ssh/examples/internal/account"
	"github.com/fairlead-go/ssh/examples/internal/serverconfig"
	"github.com/fairlead-go/ssh/keys"
)

// Why an attempt is refused. The client is told none of it.
var (
	errNobody      = errors.New("no such user, or one who may not log in")
	errNotOffered  = errors.New("method is not offered to this user")
	errNotNow      = errors.New("method is not the next in AuthenticationMethods")
	errRootRefused = errors.New("ROOT LOGIN REFUSED")
	errKeyUsed     = errors.New("key has proven a method already")
)

// lookupTimeout bounds the search for a user in what is not a local file.
const lookupTimeout = 30 * time.Second

// identify looks up who wants to log in, on the first request.
func (c *connection) identify(a *auth.Attempt) {
	if c.known {
		return
	}
	c.known = true
	c.name, _, _ = strings.Cut(a.User, ":") // a "style" may follow, which nothing here has a use for
	ctx, cancel := context.WithTimeout(context.Background(), lookupTimeout)
	defer cancel()
	u, err := account.Lookup(ctx, c.name)
	if err != nil && !errors.Is(err, account.ErrUnknown) {
		c.log.errorf("user %s: %v", c.name, err)
	}
	c.invalid = err != nil
	before := c.opts
	if opts, err := c.file.For(c.match()); err != nil {
		c.log.errorf("reprocess config: %v", err)
		u = nil
	} else {
		c.setOptions(opts)
	}
	c.methods = slices.Clone(c.opts.AuthenticationMethods)
	if banner, err := readBanner(c.opts); err == nil && c.opts.Banner != before.Banner && banner != "" {
		_ = a.SendBanner(banner) // one that a Match block has for this user
	}
	if u == nil {
		c.log.infof("Invalid user %s from %s", c.name, c.peer())
		return
	}
	if err := c.mayLogIn(u); err != nil {
		c.log.infof("User %s from %s %v", c.name, address(c.remote), err)
		return
	}
	c.account = u
}

func (c *connection) mayLogIn(u *account.User) error {
	if euid := os.Geteuid(); euid != 0 && uint32(euid) != u.UID {
		return errors.New("the server runs for another user, and only root can let others in")
	}
	// What nologin(5) says is for those who have proven who they are.
	if err := u.CanLogin(); err != nil {
		if _, ok := errors.AsType[*account.NoLoginError](err); !ok {
			return err
		}
	}
	return c.opts.AllowsUser(u.Name, c.host, c.remote.Addr(), u.GroupNames)
}

// admit decides whether method may be tried now, before it is judged. What it
// refuses is judged all the same, as far as that takes time.
func (c *connection) admit(a *auth.Attempt, enabled func(*serverconfig.Options) bool) error {
	c.identify(a)
	switch {
	case c.account == nil:
		return errNobody
	case !enabled(c.opts):
		return errNotOffered
	case !c.isNext(a.Method):
		return errNotNow
	case c.account.UID == 0 && c.opts.PermitRootLogin == serverconfig.No:
		return errRootRefused
	case c.account.UID == 0 && c.opts.PermitRootLogin != serverconfig.Yes && a.Method != auth.MethodPublicKey:
		return errRootRefused
	}
	return nil
}

// isNext says whether a list of AuthenticationMethods goes on with method.
func (c *connection) isNext(method string) bool {
	return len(c.methods) == 0 || slices.ContainsFunc(c.methods, func(list string) bool { return firstMethod(list) == method })
}

func firstMethod(list string) string {
	method, _, _ := strings.Cut(list, ",")
	method, _, _ = strings.Cut(method, ":") // a device of keyboard-interactive
	return method
}

// verified is called for each method that was proven. It returns what
// AuthenticationMethods asks for next.
func (c *connection) verified(_ context.Context, id *auth.Identity) (next []string, err error) {
	if err := c.rootMay(id.Permissions); err != nil {
		return nil, err
	}
	if len(c.methods) == 0 {
		return nil, nil
	}
	last := id.Methods[len(id.Methods)-1]
	var left []string
	for _, list := range c.methods {
		if firstMethod(list) != last.Method {
			continue
		}
		_, rest, more := strings.Cut(list, ",")
		if !more {
			return nil, nil
		}
		left = append(left, rest)
		next = append(next, firstMethod(rest))
	}
	if left == nil {
		return nil, errNotNow
	}
	c.methods = left
	return next, nil
}

// rootMay refuses root a login without a forced command where
// PermitRootLogin asks for one.
func (c *connection) rootMay(p *auth.Permissions) error {
	if c.account != nil && c.account.UID == 0 && c.opts.PermitRootLogin == serverconfig.ForcedCommands && p.ForceCommand == "" {
		return errRootRefused
	}
	return nil
}

// none lets in those who have no password, where PermitEmptyPasswords does.
func (c *connection) none(ctx context.Context, a *auth.Attempt) (*auth.Permissions, error) {
	err := c.admit(a, func(o *serverconfig.Options) bool { return o.PermitEmptyPasswords && o.PasswordAuthentication })
	if err != nil {
		return nil, err
	}
	if err := account.CheckPassword(ctx, c.account.Name, nil, true); err != nil {
		return nil, err
	}
	return c.grant(ctx, nil)
}

// logAttempt writes the line that tells of one attempt.
func (c *connection) logAttempt(a *auth.Attempt, err error) {
	if a.Query && err == nil {
		return // it proves nothing and refuses nothing
	}
	c.identify(a)
	outcome, at := "Failed", verbose
	switch {
	case err == nil:
		outcome, at = "Accepted", info
	case errors.Is(err, auth.ErrPartialSuccess):
		outcome, at = "Partial", info
	case errors.Is(err, auth.ErrAborted):
		return
	default:
		c.tries++
		if errors.Is(err, errRootRefused) {
			c.log.infof("ROOT LOGIN REFUSED FROM %s", c.peer())
		}
		c.log.debugf("%s of %s: %v", a.Method, c.name, err)
		if c.account == nil || a.Method == auth.MethodPassword || a.Method == auth.MethodKeyboardInteractive ||
			c.tries >= c.opts.MaxAuthTries/2 {
			at = info
		}
	}
	method := a.Method
	if method == auth.MethodKeyboardInteractive {
		method += "/pam"
	}
	detail := ""
	if k := c.lastKey; k != nil && method == auth.MethodPublicKey {
		detail = ": " + describeKey(k)
		c.lastKey = nil
	}
	c.log.printf(at, "%s %s for %s from %s ssh2%s", outcome, method, c.user(), c.peer(), detail)
}

// user names the user of an attempt.
func (c *connection) user() string {
	if c.account == nil {
		return "invalid user " + c.name
	}
	return c.name
}

// describeKey is a key or certificate as the log has it, such as
// "ED25519 SHA256:…".
func describeKey(k keys.PublicKey) string {
	text := keys.ShortName(k) + " " + keys.FingerprintSHA256(k)
	if c, ok := k.(*keys.Certificate); ok {
		text += fmt.Sprintf(" ID %s (serial %d) CA %s", c.KeyID(), c.Serial(), describeKey(c.Authority()))
	}
	return text
}

// exposeAuthInfo writes the file of SSH_USER_AUTH, for ExposeAuthInfo.
func (c *connection) exposeAuthInfo(conn *ssh.ServerConn) error {
	c.done.Store(true)
	if !c.opts.ExposeAuthInfo {
		return nil
	}
	f, err := os.CreateTemp("", "sshauth.")
	if err != nil {
		return err
	}
	defer f.Close()
	c.authInfo = f.Name()
	c.atEnd(func() { os.Remove(f.Name()) })
	for _, p := range conn.Identity().Methods {
		line := p.Method
		if p.Key != nil {
			line += " " + strings.TrimSpace(string(keys.MarshalAuthorizedKey(p.Key, "")))
		}
		if _, err := fmt.Fprintln(f, line); err != nil {
			return err
		}
	}
	if os.Geteuid() == 0 {
		return f.Chown(int(c.account.UID), int(c.account.GID))
	}
	return nil
}
