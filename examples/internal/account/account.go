// Package account knows the users of this system as sshd needs them: who they
// are, with which shell, in which groups, and whether a password is theirs.
//
// Passwords are checked by unix_chkpwd, the helper of PAM's pam_unix, which
// every Linux distribution with PAM has: it reads /etc/shadow and knows every
// hash that crypt(3) knows, yescrypt included, and needs no code that handles
// the hashes here. As root it checks any user; otherwise only the one who
// runs it. Where it is not installed, no password is right.
package account

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A User is a line of /etc/passwd with the groups of /etc/group.
type User struct {
	Name   string
	UID    uint32
	GID    uint32
	Home   string
	Shell  string   // never empty
	Groups []uint32 // supplementary, with GID
}

// ErrUnknown is wrapped by the error about a user who is not there.
var ErrUnknown = errors.New("unknown user")

const (
	passwdFile = "/etc/passwd"
	noLogin    = "/etc/nologin"
)

// Lookup returns the user called name. Users of other sources than
// /etc/passwd (NIS, LDAP) are found by getent(1), where it is.
func Lookup(ctx context.Context, name string) (*User, error) {
	if !validName(name) {
		return nil, fmt.Errorf("%w %q", ErrUnknown, name)
	}
	data, err := os.ReadFile(passwdFile)
	if err != nil {
		return nil, err
	}
	u, err := parsePasswd(data, name)
	if errors.Is(err, ErrUnknown) {
		if out, gerr := exec.CommandContext(ctx, "getent", "passwd", "--", name).Output(); gerr == nil {
			u, err = parsePasswd(out, name)
		}
	}
	if err != nil {
		return nil, err
	}
	u.Groups = u.groups()
	return u, nil
}

// Current returns the user who runs the process.
func Current(ctx context.Context) (*User, error) {
	u, err := user.Current()
	if err != nil {
		return nil, err
	}
	return Lookup(ctx, u.Username)
}

// validName refuses what could be an option, a path or two fields.
func validName(s string) bool {
	return s != "" && len(s) <= 256 && s[0] != '-' && s[0] != '+' && !strings.ContainsAny(s, ":/,\n\x00")
}

func parsePasswd(data []byte, name string) (*User, error) {
	lines := bufio.NewScanner(bytes.NewReader(data))
	for lines.Scan() {
		f := strings.Split(lines.Text(), ":")
		if len(f) != 7 || f[0] != name {
			continue
		}
		uid, err := strconv.ParseUint(f[2], 10, 32)
		if err != nil {
			return nil, fmt.Errorf("user %s: bad user id", name)
		}
		gid, err := strconv.ParseUint(f[3], 10, 32)
		if err != nil {
			return nil, fmt.Errorf("user %s: bad group id", name)
		}
		u := &User{Name: name, UID: uint32(uid), GID: uint32(gid), Home: f[5], Shell: f[6]}
		if u.Shell == "" {
			u.Shell = "/bin/sh"
		}
		return u, nil
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	return nil, fmt.Errorf("%w %q", ErrUnknown, name)
}

func (u *User) groups() []uint32 {
	out := []uint32{u.GID}
	ids, err := (&user.User{Username: u.Name, Gid: strconv.FormatUint(uint64(u.GID), 10)}).GroupIds()
	if err != nil {
		return out // the user's own group alone is the least that may be had
	}
	for _, id := range ids {
		if n, err := strconv.ParseUint(id, 10, 32); err == nil && !slices.Contains(out, uint32(n)) {
			out = append(out, uint32(n))
		}
	}
	return out
}

// GroupNames returns the names of the user's groups.
func (u *User) GroupNames() ([]string, error) {
	var names []string
	for _, id := range u.Groups {
		g, err := user.LookupGroupId(strconv.FormatUint(uint64(id), 10))
		if err != nil {
			if _, unknown := errors.AsType[user.UnknownGroupIdError](err); unknown {
				continue
			}
			return nil, err
		}
		names = append(names, g.Name)
	}
	return names, nil
}

// CanLogin returns an error if the account may not be used: its shell is not
// an executable file, or root has asked for no logins by /etc/nologin, whose
// text the error then is. The others are in OpenSSH's words without the user's
// name.
func (u *User) CanLogin() error {
	info, err := os.Stat(u.Shell)
	if err != nil {
		return fmt.Errorf("not allowed because shell %s does not exist", u.Shell)
	}
	if !info.Mode().IsRegular() || info.Mode()&0o111 == 0 {
		return fmt.Errorf("not allowed because shell %s is not executable", u.Shell)
	}
	if u.UID != 0 {
		if text, err := os.ReadFile(noLogin); err == nil {
			return &NoLoginError{string(text)}
		}
	}
	return nil
}

// A NoLoginError is the presence of /etc/nologin.
type NoLoginError struct{ Text string }

func (e *NoLoginError) Error() string {
	return "logins are not allowed now: " + strings.TrimSpace(e.Text)
}

// Errors of CheckPassword and CheckExpiry.
var (
	ErrWrongPassword   = errors.New("wrong password")
	ErrNoChecker       = errors.New("unix_chkpwd is not installed: no password can be checked")
	ErrAccountExpired  = errors.New("account has expired")
	ErrPasswordExpired = errors.New("password has expired")
)

// Exit codes of unix_chkpwd, which are PAM's.
const (
	pamSuccess            = 0
	pamAuthError          = 7
	pamNewPasswordNeeded  = 12
	pamAccountExpired     = 13
	pamPasswordExpired    = 27
	checkTimeout          = 10 * time.Second
	maxPassword           = 511 // PAM_MAX_RESP_SIZE less the NUL; the helper cuts what is longer
	allowEmpty, denyEmpty = "nullok", "nonull"
)

// checkers is where distributions put the helper. It is run by its full path:
// PATH is not trusted with a password.
var checkers = []string{"/usr/sbin/unix_chkpwd", "/sbin/unix_chkpwd", "/usr/bin/unix_chkpwd", "/bin/unix_chkpwd"}

// CheckPassword returns nil if password is the user's. An empty password is
// never right unless empty allows it. The time it takes differs between known
// and unknown users: the caller evens that out.
func CheckPassword(ctx context.Context, name string, password []byte, empty bool) error {
	if !validName(name) || len(password) > maxPassword || bytes.IndexByte(password, 0) >= 0 || len(password) == 0 && !empty {
		return ErrWrongPassword
	}
	mode := denyEmpty
	if empty {
		mode = allowEmpty
	}
	code, err := check(ctx, name, mode, append(slices.Clone(password), 0))
	switch {
	case err != nil:
		return err
	case code == pamSuccess:
		return nil
	}
	return ErrWrongPassword
}

// CheckExpiry returns ErrAccountExpired or ErrPasswordExpired if the account
// may not be used any more. Only root is told about others; and where the
// helper is not installed nothing is known to have expired.
func CheckExpiry(ctx context.Context, name string) error {
	if !validName(name) {
		return fmt.Errorf("%w %q", ErrUnknown, name)
	}
	code, err := check(ctx, name, "chkexpiry", nil)
	if errors.Is(err, ErrNoChecker) {
		return nil
	}
	switch {
	case err != nil:
		return err
	case code == pamAccountExpired:
		return ErrAccountExpired
	case code == pamNewPasswordNeeded, code == pamPasswordExpired:
		return ErrPasswordExpired
	case code != pamSuccess && os.Geteuid() == 0:
		return fmt.Errorf("account of %q cannot be checked (%d)", name, code)
	}
	return nil
}

func check(ctx context.Context, name, mode string, input []byte) (code int, err error) {
	i := slices.IndexFunc(checkers, func(p string) bool { _, err := os.Stat(p); return err == nil })
	if i < 0 {
		return 0, ErrNoChecker
	}
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, checkers[i], name, mode)
	cmd.Stdin = bytes.NewReader(input)
	cmd.Env = []string{}
	cmd.Dir = "/"
	err = cmd.Run()
	if cause := ctx.Err(); cause != nil {
		return 0, cause
	}
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		if exit.ExitCode() <= 0 {
			return 0, fmt.Errorf("unix_chkpwd: %w", err)
		}
		return exit.ExitCode(), nil
	}
	return 0, err
}
