//go:build interop

package interop

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh/keys"
)

// options is how a client program shall log in, and what else it shall do.
type options struct {
	key       *keyPair // nil: the first of userKeys
	password  string   // instead of a key, and typed by nobody
	tty       bool
	noTTY     bool
	verbose   bool
	noCommand bool
	local     string // -L
	remote    string // -R
	subsystem bool
	settings  []string // lines of configuration, where the client has such, which override others
	extra     []string // further arguments
}

// A client is a client program, with its sftp and scp.
type client interface {
	command(t testing.TB, s *server, o options, command ...string) *exec.Cmd
	// sftp runs batch, lines of commands, in the folder dir.
	sftp(t testing.TB, s *server, dir string, batch ...string) *exec.Cmd
	// scp copies; "remote:" stands before a path at the server.
	scp(t testing.TB, s *server, from, to string) []*exec.Cmd
	// keyExchanges counts those of a command that ran with options.verbose.
	keyExchanges(t testing.TB, s *server, r *result) int
}

// quietly is the environment of a program that finds nothing at home.
func quietly(t testing.TB, env ...string) []string {
	return append(os.Environ(), append(env, "HOME="+t.TempDir())...)
}

// openSSH is OpenSSH's ssh, or a program that behaves like it.
type openSSH struct{ program string }

// config writes a configuration for s and o.
func (c openSSH) config(t testing.TB, s *server, o options) string {
	t.Helper()
	lines := append(slices.Clone(o.settings),
		"Host server",
		"HostName 127.0.0.1",
		fmt.Sprintf("Port %d", s.port),
		"User "+s.user.name,
		"HostKeyAlias "+hostAlias,
		"UserKnownHostsFile "+knownHosts(t),
		"GlobalKnownHostsFile none",
		"StrictHostKeyChecking yes",
		"IdentitiesOnly yes",
		"RekeyLimit 1M",
		"ConnectTimeout 30",
		"LogLevel VERBOSE",
	)
	if o.password == "" {
		key := o.key
		if key == nil {
			key = &userKeys(t)[0]
		}
		lines = append(lines, "IdentityFile "+key.openSSH, "BatchMode yes", "PreferredAuthentications publickey")
	} else {
		lines = append(lines, "PubkeyAuthentication no", "NumberOfPasswordPrompts 1")
	}
	if o.noCommand {
		lines = append(lines, "ExitOnForwardFailure yes")
	}
	name := filepath.Join(t.TempDir(), "ssh_config")
	require.NoError(t, os.WriteFile(name, []byte(strings.Join(lines, "\n")+"\n"), 0o600))
	return name
}

func (c openSSH) command(t testing.TB, s *server, o options, command ...string) *exec.Cmd {
	t.Helper()
	args := append([]string{"-F", c.config(t, s, o)}, o.extra...)
	if o.tty {
		args = append(args, "-tt")
	}
	if o.noTTY {
		args = append(args, "-T")
	}
	if o.verbose {
		args = append(args, "-v")
	}
	if o.noCommand {
		args = append(args, "-N")
	}
	if o.local != "" {
		args = append(args, "-L", o.local)
	}
	if o.remote != "" {
		args = append(args, "-R", o.remote)
	}
	if o.subsystem {
		args = append(args, "-s")
	}
	cmd := exec.Command(c.program, append(append(args, "server"), command...)...)
	cmd.Env = quietly(t, "SSH_ASKPASS_REQUIRE=force", "SSH_ASKPASS="+askpass(t), "THE_PASSWORD="+o.password)
	return cmd
}

func (c openSSH) sftp(t testing.TB, s *server, dir string, batch ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(peer(t, "sftp"), "-F", c.config(t, s, options{}), "-S", c.program, "-b", batchFile(t, batch), "server")
	cmd.Dir = dir
	return cmd
}

func (c openSSH) scp(t testing.TB, s *server, from, to string) []*exec.Cmd {
	t.Helper()
	place := func(name string) string { return strings.Replace(name, "remote:", "server:", 1) }
	conf := c.config(t, s, options{})
	return []*exec.Cmd{
		exec.Command(peer(t, "scp"), "-F", conf, "-S", c.program, place(from), place(to)),
		exec.Command(peer(t, "scp"), "-O", "-F", conf, "-S", c.program, place(from), place(to)),
	}
}

func (openSSH) keyExchanges(_ testing.TB, _ *server, r *result) int {
	return strings.Count(r.stderr, "SSH2_MSG_NEWKEYS received")
}

// askpass returns a program that answers every question with a password.
func askpass(t testing.TB) string {
	t.Helper()
	onceAskpass.Do(func() { script(t, filepath.Join(scratch, "askpass"), `printf '%s\n' "$THE_PASSWORD"`) })
	return filepath.Join(scratch, "askpass")
}

var onceAskpass sync.Once

func script(t testing.TB, name, text string) {
	t.Helper()
	require.NoError(t, os.WriteFile(name, []byte("#!/bin/sh\n"+text+"\n"), 0o755))
}

func batchFile(t testing.TB, lines []string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "batch")
	require.NoError(t, os.WriteFile(name, []byte(strings.Join(lines, "\n")+"\n"), 0o600))
	return name
}

// dbclient is Dropbear's client, which has neither an sftp nor, in Debian, an
// scp of its own: OpenSSH's run over it.
type dbclient struct{}

func (dbclient) args(t testing.TB, s *server, o options) []string {
	t.Helper()
	// It keeps known hosts nowhere but in the home folder.
	args := append([]string{"-y", "-y", "-p", strconv.Itoa(s.port), "-l", s.user.name}, o.extra...)
	if o.password == "" {
		key := o.key
		if key == nil {
			key = &userKeys(t)[0]
		}
		args = append(args, "-i", key.dropbear)
	}
	return args
}

func (c dbclient) command(t testing.TB, s *server, o options, command ...string) *exec.Cmd {
	t.Helper()
	args := c.args(t, s, o)
	if o.tty {
		args = append(args, "-t")
	}
	if o.noTTY {
		args = append(args, "-T")
	}
	if o.noCommand {
		args = append(args, "-N")
	}
	if o.local != "" {
		args = append(args, "-L", o.local)
	}
	if o.remote != "" {
		args = append(args, "-R", o.remote)
	}
	if o.subsystem {
		args = append(args, "-s")
	}
	cmd := exec.Command(peer(t, "dbclient"), append(append(args, "127.0.0.1"), command...)...)
	cmd.Env = quietly(t)
	if o.password != "" {
		cmd.Env = append(cmd.Env, "DROPBEAR_PASSWORD="+o.password)
	}
	return cmd
}

func (c dbclient) sftp(t testing.TB, s *server, dir string, batch ...string) *exec.Cmd {
	t.Helper()
	over := strings.Join(c.command(t, s, options{subsystem: true}, "sftp").Args, " ")
	cmd := exec.Command(peer(t, "sftp"), "-b", batchFile(t, batch), "-D", over)
	cmd.Env = quietly(t)
	cmd.Dir = dir
	return cmd
}

func (c dbclient) scp(t testing.TB, s *server, from, to string) []*exec.Cmd {
	t.Helper()
	// scp calls it as "ssh -x -oThis=… -- host command".
	wrapper := filepath.Join(t.TempDir(), "wrapper")
	script(t, wrapper, `while [ "$1" != -- ]; do shift; done
shift
exec `+peer(t, "dbclient")+" "+strings.Join(c.args(t, s, options{}), " ")+` "$@"`)
	place := func(name string) string { return strings.Replace(name, "remote:", "127.0.0.1:", 1) }
	cmd := exec.Command(peer(t, "scp"), "-O", "-S", wrapper, place(from), place(to))
	cmd.Env = quietly(t)
	return []*exec.Cmd{cmd}
}

// keyExchanges looks into our server's log: Debian's Dropbear cannot tell.
func (dbclient) keyExchanges(t testing.TB, s *server, _ *result) int {
	t.Helper()
	log, err := os.ReadFile(s.log)
	require.NoError(t, err)
	return strings.Count(string(log), "keys exchanged")
}

// putty is PuTTY's plink, psftp and pscp.
type putty struct{}

func (putty) run(t testing.TB, program string, s *server, o options, rest ...string) *exec.Cmd {
	t.Helper()
	args := append([]string{"-batch", "-P", strconv.Itoa(s.port), "-l", s.user.name}, o.extra...)
	for _, k := range hostKeys(t) {
		args = append(args, "-hostkey", keys.FingerprintSHA256(k.key.PublicKey()))
	}
	if o.password == "" {
		key := o.key
		if key == nil {
			key = &userKeys(t)[0]
		}
		args = append(args, "-i", key.putty)
	} else {
		file := filepath.Join(t.TempDir(), "password")
		require.NoError(t, os.WriteFile(file, []byte(o.password+"\n"), 0o600))
		args = append(args, "-pwfile", file)
	}
	cmd := exec.Command(peer(t, program), append(args, rest...)...)
	cmd.Env = quietly(t)
	return cmd
}

func (c putty) command(t testing.TB, s *server, o options, command ...string) *exec.Cmd {
	t.Helper()
	if o.tty {
		o.extra = append(o.extra, "-t")
	}
	if o.noTTY {
		o.extra = append(o.extra, "-T")
	}
	if o.verbose {
		o.extra = append(o.extra, "-v")
	}
	if o.noCommand {
		o.extra = append(o.extra, "-N")
	}
	if o.local != "" {
		o.extra = append(o.extra, "-L", o.local)
	}
	if o.remote != "" {
		o.extra = append(o.extra, "-R", o.remote)
	}
	if o.subsystem {
		o.extra = append(o.extra, "-s")
	}
	return c.run(t, "plink", s, o, append([]string{"127.0.0.1"}, command...)...)
}

func (c putty) sftp(t testing.TB, s *server, dir string, batch ...string) *exec.Cmd {
	t.Helper()
	cmd := c.run(t, "psftp", s, options{}, "-b", batchFile(t, batch), "127.0.0.1")
	cmd.Dir = dir
	return cmd
}

func (c putty) scp(t testing.TB, s *server, from, to string) []*exec.Cmd {
	t.Helper()
	place := func(name string) string { return strings.Replace(name, "remote:", "127.0.0.1:", 1) }
	return []*exec.Cmd{
		c.run(t, "pscp", s, options{extra: []string{"-sftp"}}, place(from), place(to)),
		c.run(t, "pscp", s, options{extra: []string{"-scp"}}, place(from), place(to)),
	}
}

func (putty) keyExchanges(_ testing.TB, _ *server, r *result) int {
	return strings.Count(r.stderr, "key re-exchange")
}
