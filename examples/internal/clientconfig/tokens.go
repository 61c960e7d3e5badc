package clientconfig

import (
	"crypto/sha1" //nolint:gosec // %C is defined as SHA-1; nothing secret depends on it
	"encoding/hex"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"

	"github.com/fairlead-go/ssh/examples/internal/config"
)

func addrOf(ip net.IP) netip.Addr {
	a, _ := netip.AddrFromSlice(ip)
	return a.Unmap()
}

// tokens returns the values of the percent tokens of ssh_config(5).
func (l *loader) tokens() map[byte]string {
	host, alias := l.hostName(), l.o.HostKeyAlias
	if alias == "" {
		alias = l.src.Host
	}
	local, _ := os.Hostname()
	short, _, _ := strings.Cut(local, ".")
	port := strconv.Itoa(l.o.Port)
	hash := sha1.Sum([]byte(local + host + port + l.user() + l.o.ProxyJump))
	if l.o.ProxyJump == None {
		hash = sha1.Sum([]byte(local + host + port + l.user()))
	}
	return map[byte]string{
		'h': host, 'n': l.src.Host, 'p': port, 'r': l.user(), 'u': l.src.LocalUser,
		'd': l.src.Home, 'i': strconv.Itoa(os.Getuid()), 'k': alias, 'j': l.o.ProxyJump,
		'l': local, 'L': short, 'C': hex.EncodeToString(hash[:]),
	}
}

// finish expands tokens and fills in what depends on other options.
func (l *loader) finish() (*Options, error) {
	o := l.o
	o.HostName = l.hostName()
	var err error
	if o.HostName == "" {
		o.HostName = l.src.Host
	}
	if o.User == "" {
		o.User = l.src.LocalUser
	}
	tokens := l.tokens()
	expand := func(name string, s *string, env bool) {
		if err != nil || *s == "" || *s == None {
			return
		}
		v := *s
		if env {
			if v, err = config.ExpandEnv(v, l.src.LookupEnv); err != nil {
				err = fmt.Errorf("%s: %w", name, err)
				return
			}
			v = config.Tilde(v, l.src.Home)
		}
		if v, err = config.Expand(v, tokens); err != nil {
			err = fmt.Errorf("%s: %w", name, err)
			return
		}
		*s = v
	}
	expandAll := func(name string, list []string) {
		for i := range list {
			expand(name, &list[i], true)
		}
	}
	if len(o.IdentityFile) == 0 {
		o.IdentityFile = append(o.IdentityFile, DefaultIdentityFiles...)
	}
	expandAll("IdentityFile", o.IdentityFile)
	expandAll("CertificateFile", o.CertificateFile)
	expandAll("UserKnownHostsFile", o.UserKnownHostsFile)
	expandAll("GlobalKnownHostsFile", o.GlobalKnownHostsFile)
	expand("ControlPath", &o.ControlPath, true)
	expand("RevokedHostKeys", &o.RevokedHostKeys, true)
	// "$NAME" alone names a variable that holds the socket; it is looked up when used.
	variable := func(s string) bool { return strings.HasPrefix(s, "$") && !strings.HasPrefix(s, "${") }
	if !variable(o.IdentityAgent) {
		expand("IdentityAgent", &o.IdentityAgent, true)
	}
	if !variable(o.ForwardAgent) {
		expand("ForwardAgent", &o.ForwardAgent, true)
	}
	expand("RemoteCommand", &o.RemoteCommand, false)
	expand("KnownHostsCommand", &o.KnownHostsCommand, false)
	for _, list := range [][]config.Forward{o.LocalForward, o.RemoteForward} {
		for i := range list {
			expand("Forward", &list[i].Path, true)
			expand("Forward", &list[i].HostPath, true)
		}
	}
	if err != nil {
		return nil, err
	}
	for _, s := range []*string{&o.ProxyCommand, &o.ProxyJump, &o.RemoteCommand, &o.LocalCommand, &o.KnownHostsCommand} {
		if *s == None {
			*s = ""
		}
	}
	for _, list := range []*[]string{&o.UserKnownHostsFile, &o.GlobalKnownHostsFile, &o.IdentityFile} {
		if len(*list) == 1 && (*list)[0] == None {
			*list = nil
		}
	}
	if o.BatchMode {
		// No one is there to answer.
		o.PasswordAuthentication, o.KbdInteractiveAuthentication = false, false
		if o.StrictHostKeyChecking == Ask {
			o.StrictHostKeyChecking = Yes
		}
	}
	if o.ClearAllForwardings {
		o.LocalForward, o.RemoteForward, o.DynamicForward = nil, nil, nil
	}
	return o, nil
}

// ProxyShellCommand returns ProxyCommand with its tokens replaced, for "exec"
// by the user's shell; "" if there is none. Of the tokens, it knows %h, %k, %n, %p and %r.
func (o *Options) ProxyShellCommand() (string, error) {
	if o.ProxyCommand == "" {
		return "", nil
	}
	alias := o.HostKeyAlias
	if alias == "" {
		alias = o.OriginalHost
	}
	s, err := config.Expand(o.ProxyCommand, map[byte]string{
		'h': o.HostName, 'n': o.OriginalHost, 'p': strconv.Itoa(o.Port), 'r': o.User, 'k': alias,
	})
	if err != nil {
		return "", fmt.Errorf("ProxyCommand: %w", err)
	}
	return s, nil
}

// LocalShellCommand returns LocalCommand with its tokens replaced; "" if there
// is none or it is not permitted.
func (o *Options) LocalShellCommand(localUser, home string) (string, error) {
	if o.LocalCommand == "" || !o.PermitLocalCommand {
		return "", nil
	}
	l := &loader{src: Source{Host: o.OriginalHost, LocalUser: localUser, Home: home}, o: o, host: o.HostName}
	tokens := l.tokens()
	tokens['T'] = "NONE"
	s, err := config.Expand(o.LocalCommand, tokens)
	if err != nil {
		return "", fmt.Errorf("LocalCommand: %w", err)
	}
	return s, nil
}

// Dump returns the options as ssh -G prints them.
func (o *Options) Dump() []string { return table.Dump(o) }

// KeyFiles returns the identity files without doubles, in order.
func (o *Options) KeyFiles() []string {
	var out []string
	seen := make(map[string]bool)
	for _, f := range o.IdentityFile {
		if f != "" && f != None && !seen[f] {
			seen[f] = true
			out = append(out, f)
		}
	}
	return out
}
