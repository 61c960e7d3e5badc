package login

import (
	"bytes"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"github.com/fairlead-go/ssh/examples/internal/account"
)

// Default PATHs, as Debian's sshd has them.
const (
	userPath = "/usr/local/bin:/usr/bin:/bin:/usr/games"
	rootPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
	mailDir  = "/var/mail"
)

// An Environment is what a session's variables come from. Later fields
// override earlier ones, and what the server itself says overrides all.
type Environment struct {
	User   *account.User
	Client []string // NAME=value, accepted from the client
	Key    []string // NAME=value, from the environment options of the authorized key
	File   []string // NAME=value, of ~/.ssh/environment, if that is permitted
	Server []string // NAME=value, of SetEnv

	Remote, Local netip.AddrPort // zero: not a network connection
	Term          string
	Agent         string // socket of the forwarded agent; "": none
	AuthInfo      string // file of SSH_USER_AUTH; "": none

	Forced   bool   // another command than the client's is run
	Original string // the client's command then; "" for a shell
}

// Build returns the environment, each name once. SSH_TTY is Start's to add.
func (e *Environment) Build() []string {
	var env vars
	env.add(e.Client...)
	u := e.User
	path := userPath
	if u.UID == 0 {
		path = rootPath
	}
	env.set("USER", u.Name)
	env.set("LOGNAME", u.Name)
	env.set("HOME", u.Home)
	env.set("PATH", path)
	env.set("MAIL", filepath.Join(mailDir, u.Name))
	env.set("SHELL", u.Shell)
	if tz, ok := os.LookupEnv("TZ"); ok {
		env.set("TZ", tz)
	}
	env.add(e.Key...)
	env.add(e.File...)
	env.add(e.Server...)

	remote, remotePort := endpoint(e.Remote)
	local, localPort := endpoint(e.Local)
	env.set("SSH_CLIENT", fmt.Sprintf("%s %d %d", remote, remotePort, localPort))
	env.set("SSH_CONNECTION", fmt.Sprintf("%s %d %s %d", remote, remotePort, local, localPort))
	for _, v := range [][2]string{{"TERM", e.Term}, {"SSH_AUTH_SOCK", e.Agent}, {"SSH_USER_AUTH", e.AuthInfo}} {
		if v[1] != "" {
			env.set(v[0], v[1])
		}
	}
	if e.Forced && e.Original != "" {
		env.set("SSH_ORIGINAL_COMMAND", e.Original)
	}
	return env
}

// endpoint gives the words that OpenSSH has for a connection that is not TCP's.
func endpoint(a netip.AddrPort) (string, uint16) {
	if !a.IsValid() {
		return "UNKNOWN", 65535
	}
	return a.Addr().Unmap().String(), a.Port()
}

type vars []string

func (v *vars) set(name, value string) {
	entry := name + "=" + value
	for i, e := range *v {
		if strings.HasPrefix(e, name+"=") {
			(*v)[i] = entry
			return
		}
	}
	*v = append(*v, entry)
}

func (v *vars) add(entries ...string) {
	for _, e := range entries {
		// A NUL would end the string early and make exec fail.
		if name, value, ok := strings.Cut(e, "="); ok && name != "" && !strings.Contains(e, "\x00") {
			v.set(name, value)
		}
	}
}

// maxEnvironmentFile bounds ~/.ssh/environment, in bytes.
const maxEnvironmentFile = 64 << 10

// ReadEnvironment returns the NAME=value lines of data, the contents of
// ~/.ssh/environment, for names that accept says yes to.
func ReadEnvironment(data []byte, accept func(name string) bool) []string {
	var out []string
	for line := range bytes.Lines(data[:min(len(data), maxEnvironmentFile)]) {
		s := strings.TrimRight(strings.TrimLeft(string(line), " \t"), "\r\n")
		if s == "" || s[0] == '#' {
			continue
		}
		if name, _, ok := strings.Cut(s, "="); ok && name != "" && accept(name) {
			out = append(out, s)
		}
	}
	return out
}
