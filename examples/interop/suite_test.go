//go:build interop

package interop

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fairlead-go/ssh/keys"
	"github.com/fairlead-go/ssh/transport"
)

// OpenSSH's regression suite, as Debian's package openssh-tests installs it,
// with its helper programs built.
const regress = "/usr/lib/openssh/regress"

type suiteScript struct {
	script string
	roles  string // c: our client, s: our server, b: both
}

// suite is which scripts judge our client, our server, and both together.
// Those that only look at one side stand there alone.
var suite = []suiteScript{
	{"rekey", "sc"},
	{"kextype", "csb"},
	{"keytype", "csb"},
	{"exit-status", "csb"},
	{"stderr-data", "csb"},
	{"transfer", "csb"},
	{"yes-head", "csb"},
	{"stderr-after-eof", "csb"},
	{"broken-pipe", "csb"},
	{"connect", "csb"},
	{"proxy-connect", "csb"},
	{"envpass", "csb"},
	{"banner", "csb"},
	{"exit-status-signal", "csb"},
	{"proto-version", "s"},
	{"proto-mismatch", "s"},
}

// furtherSuite is run when exhaustive is: it takes minutes.
var furtherSuite = []suiteScript{
	{"rekey", "b"},
	{"cert-hostkey", "c"},
	{"cert-userkey", "s"},
	{"try-ciphers", "cs"},
	{"dhgex", "cs"},
	{"putty-kex", "s"},
	{"putty-ciphers", "s"},
	{"integrity", "cs"},
	{"hostkey-agent", "cs"},
	{"cert-file", "cs"},
	{"multipubkey", "cs"},
	{"limit-keytype", "cs"},
	{"keyscan", "sb"},
	{"brokenkeys", "csb"},
	{"authinfo", "sb"},
	{"reexec", "sb"},
	{"localcommand", "cb"},
	{"knownhosts", "cb"},
	{"host-expand", "cb"},
	{"connect-uri", "cb"},
	{"portnum", "cb"},
	{"login-timeout", "sb"},
	{"reconfigure", "sb"},
	{"allow-deny-users", "sb"},
	{"principals-command", "s"},
	{"keys-command", "s"},
	{"key-options", "csb"},
	{"forcecommand", "csb"},
}

// edits are what is changed in scripts, old text and new in turn, where the
// suite of OpenSSH 9.2 does not ask for what later ones do, or asks ssh itself
// instead of the program that is judged.
var edits = map[string][]string{
	"hostkey-agent": {"`ssh -Q key-sig |", "`${SSH} -Q key-sig | grep -v ^sk- |"},
	// Since 10.3 a certificate without principals is for nobody.
	"cert-hostkey": {
		`"empty principals"	success`, `"empty principals"	failure`,
		`success "-h -V-1w:+2w"`, `success "-h -n $HOSTS -V-1w:+2w"`,
	},
	// And a certified RSA key does not sign with SHA-1.
	"cert-userkey": {
		`"empty principals"	success`, `"empty principals"	failure`,
		`s/^rsa/ssh-rsa/`, `s/^rsa/rsa-sha2-512/`,
	},
}

// scriptFile returns the path of a script, which is in a folder with all that
// the suite has, even where it has been edited.
func scriptFile(t *testing.T, script string) string {
	name := script + ".sh"
	path := filepath.Join(regress, name)
	if edits[script] == nil {
		return path
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	text := string(data)
	for pair := range slices.Chunk(edits[script], 2) {
		if !strings.Contains(text, pair[0]) {
			t.Fatalf("%s has no %q", name, pair[0])
		}
		text = strings.ReplaceAll(text, pair[0], pair[1])
	}
	dir := t.TempDir()
	entries, err := os.ReadDir(regress)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name() == name {
			continue
		}
		if err := os.Symlink(filepath.Join(regress, e.Name()), filepath.Join(dir, e.Name())); err != nil {
			t.Fatal(err)
		}
	}
	path = filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// nextPort gives each script a port of its own: some are daemons' tests.
var nextPort atomic.Int32

// TestOpenSSHSuite runs OpenSSH's own tests with the example programs in the
// place of its ssh, its sshd, and both.
func TestOpenSSHSuite(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat(filepath.Join(regress, "test-exec.sh")); err != nil {
		t.Fatal("Debian's package openssh-tests is not installed: run make peers")
	}
	nextPort.Store(4300)
	roles := map[rune]string{'c': "our client", 's': "our server", 'b': "both"}
	type run struct {
		script string
		role   rune
	}
	scripts := suite
	if exhaustive {
		scripts = slices.Concat(suite, furtherSuite)
	}
	queue := make(chan run, 3*len(scripts))
	for _, s := range scripts {
		for _, role := range s.roles {
			queue <- run{s.script, role}
		}
	}
	close(queue)
	one := func(script string, role rune) {
		t.Run(script+"/"+roles[role], func(t *testing.T) {
			ssh, sshd := peer(t, "ssh"), peer(t, "sshd")
			switch role {
			case 'c', 'b':
				ssh = launcher(t, ourSSH(t))
			case 's':
				ssh = narrowedSSH(t, ssh)
			}
			if role == 's' || role == 'b' {
				sshd = launcher(t, ourSSHD(t))
			}
			runScript(t, script, ssh, sshd)
		})
	}
	// They sleep most of the time: hence more of them at once than there are
	// processors, and those that take long first.
	var workers sync.WaitGroup
	for range 6 {
		workers.Go(func() {
			for r := range queue {
				one(r.script, r.role)
			}
		})
	}
	workers.Wait()
}

// launcher returns a small script that runs program: the suite copies the
// client's binary as test data, and a Go program is a large one.
func launcher(t *testing.T, program string) string {
	path := filepath.Join(t.TempDir(), filepath.Base(program))
	script := fmt.Sprintf("#!/bin/sh\nexec %s \"$@\"\n", program)
	if err := os.WriteFile(path, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// narrowedSSH returns a script that is OpenSSH's ssh, except that it lists only
// those algorithms that our server has too: the suite tries all that ssh -Q
// names.
func narrowedSSH(t *testing.T, ssh string) string {
	old := transport.LegacyAlgorithms()
	names := slices.Concat(transport.SupportedKeyExchanges(), old.KeyExchanges, transport.Ciphers(), old.Ciphers,
		transport.MACs(), old.MACs, keys.SupportedAlgorithms(), keys.SupportedCertificateAlgorithms(), old.Signatures)
	// A server has no authenticator to sign with.
	names = slices.DeleteFunc(names, func(name string) bool { return strings.Contains(name, "sk-") })
	dir := t.TempDir()
	list, script := filepath.Join(dir, "names"), filepath.Join(dir, "ssh")
	if err := os.WriteFile(list, []byte(strings.Join(names, "\n")+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf(`#!/bin/sh
previous= query=
for word; do
	test "$previous" = -Q && query=$word
	previous=$word
done
case $query in
kex | cipher | cipher-auth | mac | key-plain | key-sig)
	%[1]s -Q "$query" | grep -Fx -f %[2]s
	exit
esac
exec %[1]s "$@"
`, ssh, list)
	if err := os.WriteFile(script, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	return script
}

// runScript runs one script of the suite and shows its log where it fails.
func runScript(t *testing.T, script, ssh, sshd string) {
	// Not a folder that is named after the test: hostkey-agent drops each line
	// of a configuration that has "hostkey" in it.
	obj, err := os.MkdirTemp("", "suite")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(obj) })
	for _, helper := range []string{"netcat", "modpipe", "mkdtemp", "check-perm", "setuid-allowed"} {
		data, err := os.ReadFile(filepath.Join(regress, helper))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(obj, helper), data, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 18*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", filepath.Join(regress, "test-exec.sh"), obj, scriptFile(t, script))
	cmd.Dir = obj
	cmd.WaitDelay = 5 * time.Second
	cmd.Env = append(slices.Clone(os.Environ()),
		"TEST_SHELL=/bin/sh",
		"BUILDDIR="+regress,
		"OBJ="+obj,
		"TEST_SSH_UNSAFE_PERMISSIONS=1",
		"TEST_SSH_PORT="+strconv.Itoa(int(nextPort.Add(1))),
		"TEST_SSH_SSH="+ssh,
		"TEST_SSH_SSHD="+sshd,
		"TEST_SSH_SFTPSERVER=/usr/lib/openssh/sftp-server",
		"TEST_SSH_PLINK="+peer(t, "plink"),
		"TEST_SSH_PUTTYGEN="+peer(t, "puttygen"),
	)
	if script != "envpass" { // which sets variables itself
		// So that bash does not read the .bashrc of whoever runs this, which may
		// say something.
		cmd.Env = append(cmd.Env, "TEST_SSH_SSHD_CONFOPTS=SetEnv SHLVL=1")
	}
	// A file and not a pipe: some scripts leave processes behind that hold it.
	output, err := os.Create(filepath.Join(t.TempDir(), "output"))
	if err != nil {
		t.Fatal(err)
	}
	defer output.Close()
	cmd.Stdout, cmd.Stderr = output, output
	err = cmd.Run()
	out, readErr := os.ReadFile(output.Name())
	if err == nil && readErr == nil && !strings.Contains(string(out), "SKIPPED") {
		return
	}
	var log strings.Builder
	for _, name := range []string{"failed-regress.log", "failed-ssh.log", "failed-sshd.log"} {
		data, _ := os.ReadFile(filepath.Join(obj, name))
		fmt.Fprintf(&log, "--- end of %s\n%s\n", name, data[max(0, len(data)-3000):])
	}
	t.Fatalf("%s: %v\n%s\n%s", script, err, out, log.String())
}
