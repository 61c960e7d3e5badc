//go:build interop

package interop

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh/keys"
)

// keyOptions are options of authorized_keys lines. In them, <T> stands for the
// port of a service, and <L> for that which the client asks to listen on. What
// a login by such a line may do is compared between OpenSSH's sshd and ours.
var keyOptions = []string{
	"", "restrict", "restrict,pty", "restrict,port-forwarding", "restrict,user-rc", "restrict,agent-forwarding", "restrict,X11-forwarding",
	"no-pty", "no-port-forwarding", "no-user-rc", "no-agent-forwarding", "no-X11-forwarding", "pty,port-forwarding,user-rc,agent-forwarding,x11-forwarding", "no-pty,restrict,pty", "pty,restrict",
	`command="echo forced [$SSH_ORIGINAL_COMMAND]; tty"`, `command="echo forced",no-pty`, `command=""`, `restrict,command="echo forced"`, `command="echo \"quoted\" 'too', with a comma"`, `command="exit 7"`, `command="sftp-server",no-user-rc`,
	`environment="FOO=one"`, `environment="FOO=one",environment="FOO=two"`, `environment="FOO="`, `environment="PATH=/nowhere:/bin:/usr/bin"`, `environment="HOME=/elsewhere"`, `environment="USER=else"`, `environment="SSH_CONNECTION=x"`, `environment="SHELL=/bin/false"`, `environment="SSH_ORIGINAL_COMMAND=x"`, `environment="FOO=a b"`, `environment="FOO=\"q\""`,
	`environment="RC_TEST=1"`, `environment="RC_TEST=1",no-user-rc`, `environment="RC_TEST=1",restrict`, `environment="RC_TEST=1",restrict,user-rc`, `environment="RC_TEST=1",command="echo forced"`,
	`from="127.0.0.1"`, `from="10.0.0.0/8"`, `from="!127.0.0.1,*"`, `from="*,!127.0.0.0/8"`, `from="127.0.0.0/8,!10.0.0.0/8"`, `from="localhost"`, `from="local*"`, `from="!localhost,*"`, `from="::1"`,
	`expiry-time="20200101"`, `expiry-time="20990101"`, `expiry-time="20990101Z",expiry-time="20200101Z"`,
	`permitopen="127.0.0.1:<T>"`, `permitopen="127.0.0.1:*"`, `permitopen="*:<T>"`, `permitopen="*:*"`, `permitopen="localhost:<T>"`, `permitopen="127.0.0.1:1"`, `permitopen="127.0.0.*:<T>"`, `permitopen="127.0.0.1:1",permitopen="127.0.0.1:<T>"`, `permitopen="[127.0.0.1]:<T>"`, `permitopen="127.0.0.1:<T>",no-port-forwarding`, `restrict,permitopen="127.0.0.1:<T>"`, `restrict,port-forwarding,permitopen="127.0.0.1:<T>"`, `permitopen="127.0.0.1:1",command="echo forced"`,
	`permitlisten="<L>"`, `permitlisten="127.0.0.1:<L>"`, `permitlisten="localhost:<L>"`, `permitlisten="127.0.0.?:<L>"`, `permitlisten="127.*:<L>"`, `permitlisten="*:<L>"`, `permitlisten="*"`, `permitlisten="127.0.0.1:*"`, `permitlisten="1"`, `permitlisten="127.0.0.1:1",permitlisten="127.0.0.1:<L>"`, `permitlisten="<L>",no-port-forwarding`, `restrict,permitlisten="<L>"`, `restrict,port-forwarding,permitlisten="<L>"`,
	`tunnel="0"`, `unknown`, `no-unknown`, `principals="a"`, `cert-authority`, `no-touch-required`, `verify-required`, `pty,unknown,pty`,
}

// mustSee is what OpenSSH's sshd does with some of them: otherwise two servers
// that refuse everything would agree.
var mustSee = map[string][]string{
	"":         {"status 0\nFOO= PATH=", "\nTERMINAL\r\n", "remote forward success", `"hello\n"`},
	"restrict": {"no terminal: true", "without a terminal: status 0", "remote forward failure", "prohibited: true"},
	`command="echo forced [$SSH_ORIGINAL_COMMAND]; tty"`:  {"forced [echo", "\nTERMINAL\r\n", "forced [internal-sftp]"},
	`environment="RC_TEST=1"`:                             {"rc ran as fairlead"},
	`environment="RC_TEST=1",restrict,user-rc`:            {"rc ran as fairlead"},
	`from="localhost"`:                                    {"status 0\n"},
	`from="!localhost,*"`:                                 {"status 255\n"},
	`permitopen="127.0.0.1:1",permitopen="127.0.0.1:<T>"`: {`to 127.0.0.1: status 0 "hello\n"`, `to localhost: status 255 ""`},
}

// TestKeyOptions has OpenSSH's client log in by each line, with a terminal, a
// port to listen on and a command; and have a connection made. All lines take
// minutes: unless exhaustive, it is those of mustSee.
func TestKeyOptions(t *testing.T) {
	t.Parallel()
	user := login(t)
	rc := filepath.Join(user.home, ".ssh", "rc")
	require.NoError(t, os.WriteFile(rc, []byte("test -n \"$RC_TEST\" && echo rc ran as $(id -un) in $(pwd)\n"), 0o644))

	target := greeter(t)
	dir := t.TempDir()
	lines := filepath.Join(user.folder(t), "authorized_keys") // where the user may read it
	config := []string{"AuthorizedKeysFile " + lines, "StrictModes no", "PermitUserEnvironment yes", "UseDNS yes"}
	listen := make([]int, len(keyOptions))
	var file []byte
	for i, options := range keyOptions {
		k, err := keys.GenerateKey(keys.KeyEd25519, 0)
		require.NoError(t, err)
		private, err := k.MarshalOpenSSH(keys.MarshalOptions{})
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(dir, strconv.Itoa(i)), private, 0o600))
		listen[i] = freePort(t)
		options = strings.NewReplacer("<T>", strconv.Itoa(target), "<L>", strconv.Itoa(listen[i])).Replace(options)
		file = fmt.Appendf(file, "%s %s", options, keys.MarshalAuthorizedKey(k.PublicKey(), ""))
	}
	require.NoError(t, os.WriteFile(lines, file, 0o644))
	theirs, ours := sshd(t, peer(t, "sshd"), config...), sshd(t, ourSSHD(t), config...)

	for i, options := range keyOptions {
		if !exhaustive && mustSee[options] == nil {
			continue
		}
		t.Run(options, func(t *testing.T) {
			t.Parallel()
			key := filepath.Join(dir, strconv.Itoa(i))
			want := observe(t, theirs, key, options, listen[i], target)
			for _, text := range mustSee[options] {
				require.Contains(t, want, text)
			}
			require.Equal(t, want, observe(t, ours, key, options, listen[i], target))
		})
	}
}

var (
	forwardOutcome = regexp.MustCompile(`remote forward (success|failure) for`)
	port           = regexp.MustCompile(`\b\d{4,5}\b`)
	terminal       = regexp.MustCompile(`/dev/pts/\d+`)
)

// observe returns what the key may do on a server, as text to compare.
func observe(t *testing.T, s *server, key, options string, listen, target int) string {
	t.Helper()
	client := func(args ...string) *result {
		return ended(t, exec.Command(peer(t, "ssh"), append([]string{
			"-F", "none", "-i", key, "-o", "IdentitiesOnly=yes", "-o", "IdentityAgent=none", "-o", "BatchMode=yes", "-o", "PreferredAuthentications=publickey",
			"-o", "UserKnownHostsFile=" + knownHosts(t), "-o", "HostKeyAlias=" + hostAlias, "-o", "LogLevel=DEBUG1",
			"-p", strconv.Itoa(s.port), "-l", s.user.name,
		}, args...)...))
	}
	clean := func(text string) string {
		return terminal.ReplaceAllString(port.ReplaceAllString(text, "PORT"), "TERMINAL")
	}
	var saw strings.Builder
	command := `echo "FOO=$FOO PATH=$PATH HOME=$HOME USER=$USER SHELL=$SHELL SSH_CONNECTION=$SSH_CONNECTION ORIGINAL=$SSH_ORIGINAL_COMMAND"; tty`
	r := client("-tt", "-R", fmt.Sprintf("127.0.0.1:%d:127.0.0.1:1", listen), "127.0.0.1", command)
	noTerminal := strings.Contains(r.stderr, "PTY allocation request failed")
	fmt.Fprintf(&saw, "status %d\n%s", r.status, clean(r.stdout))
	fmt.Fprintf(&saw, "forward: %v, no terminal: %v\n", forwardOutcome.FindAllString(r.stderr, -1), noTerminal)
	if strings.Contains(r.stderr, "Permission denied (publickey") {
		return saw.String()
	}
	if noTerminal {
		r := client("127.0.0.1", command+"; true")
		fmt.Fprintf(&saw, "without a terminal: status %d\n%s\n", r.status, clean(r.stdout))
	}
	to := func(host string) {
		r := client("-W", fmt.Sprintf("%s:%d", host, target), "127.0.0.1")
		fmt.Fprintf(&saw, "to %s: status %d %q, prohibited: %v\n", host, r.status, r.stdout, strings.Contains(r.stderr, "administratively prohibited"))
	}
	to("127.0.0.1")
	if strings.Contains(options, "permitopen") {
		to("localhost")
	}
	if strings.Contains(options, "command") || strings.Contains(options, "RC_TEST") {
		r := client("-s", "127.0.0.1", "sftp")
		fmt.Fprintf(&saw, "subsystem: status %d %q\n", r.status, r.stdout)
	}
	return saw.String()
}

// greeter says "hello" to whoever comes, on a port of all loopback addresses
// that there are.
func greeter(t *testing.T) (onPort int) {
	t.Helper()
	onPort = freePort(t)
	for i, host := range []string{"127.0.0.1", "::1"} {
		l, err := net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(onPort)))
		if i > 0 && err != nil {
			break // a machine without IPv6
		}
		require.NoError(t, err)
		t.Cleanup(func() { l.Close() })
		go func() {
			for {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				_, _ = io.WriteString(conn, "hello\n")
				conn.Close()
			}
		}()
	}
	return onPort
}
