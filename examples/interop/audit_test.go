//go:build interop

package interop

import (
	"context"
	"net"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh"
	"github.com/fairlead-go/ssh/auth"
	"github.com/fairlead-go/ssh/kex"
	"github.com/fairlead-go/ssh/keys"
	"github.com/fairlead-go/ssh/transport"
)

// An audit is what ssh-audit (Debian's package of that name) says of each
// algorithm.
type audit struct {
	names map[string]string   // an algorithm's kind: kex, key, enc or mac
	fails map[string][]string // what it holds to be broken, and why
	text  string
}

var (
	auditedName  = regexp.MustCompile(`^\((kex|key|enc|mac)\) ([^ ]+)`)
	auditedLevel = regexp.MustCompile(`(?:--|` + "`" + `-) \[(info|warn|fail)\] (.*)`)
)

func readAudit(text string) audit {
	a := audit{names: make(map[string]string), fails: make(map[string][]string), text: text}
	name := ""
	for line := range strings.Lines(text) {
		if m := auditedName.FindStringSubmatch(line); m != nil {
			name = m[2]
			a.names[name] = m[1]
		}
		if m := auditedLevel.FindStringSubmatch(line); m != nil && m[1] == "fail" {
			a.fails[name] = append(a.fails[name], strings.TrimSpace(m[2]))
		}
	}
	return a
}

// auditServer lets ssh-audit judge a server.
func auditServer(t *testing.T, cfg transport.Config, types ...string) audit {
	t.Helper()
	s := &ssh.Server{Transport: cfg, Auth: auth.ServerConfig{None: auth.AllowAnonymous}, Handler: ssh.HandlerFunc(func(*ssh.Session) {})}
	for _, k := range hostKeys(t) {
		if slices.Contains(types, k.name) {
			s.HostKeys = append(s.HostKeys, k.key)
		}
	}
	require.Len(t, s.HostKeys, len(types))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	go s.Serve(l)
	defer s.Close()
	r := ended(t, exec.Command(peer(t, "ssh-audit"), "-n", "-p", strconv.Itoa(l.Addr().(*net.TCPAddr).Port), "127.0.0.1"))
	return readAudit(r.stdout)
}

// auditClient lets ssh-audit judge a client.
func auditClient(t *testing.T, cfg ssh.ClientConfig) audit {
	t.Helper()
	port := freePort(t)
	cfg.User, cfg.VerifyHostKey = "nobody", transport.InsecureAcceptAnyHostKey
	// It judges the first client that comes, once it listens.
	ctx, cancel := context.WithCancel(t.Context())
	var dialing sync.WaitGroup
	dialing.Go(func() {
		for ctx.Err() == nil {
			if c, err := ssh.Dial(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), &cfg); err == nil {
				c.Close()
			}
			time.Sleep(50 * time.Millisecond)
		}
	})
	r := ended(t, exec.Command(peer(t, "ssh-audit"), "-n", "-c", "-p", strconv.Itoa(port), "-t", "60"))
	cancel()
	dialing.Wait()
	return readAudit(r.stdout)
}

// check fails the test unless ssh-audit has seen all names and holds none but
// those that may to be broken.
func (a audit) check(t *testing.T, mayFail func(name, why string) bool, lists map[string][]string) {
	t.Helper()
	for kind, names := range lists {
		require.NotEmpty(t, names)
		for _, name := range names {
			require.Equal(t, kind, a.names[name], "%s\n%s", name, a.text)
		}
	}
	for name, reasons := range a.fails {
		for _, why := range reasons {
			require.True(t, mayFail(name, why), "%s: %s\n%s", name, why, a.text)
		}
	}
	require.NotContains(t, a.text, "(cve)")
	require.NotContains(t, a.text, "(sec)")
}

// nistCurve is what ssh-audit holds against every server and client that has
// elliptic curves of NIST's, OpenSSH's among them: docs/security.md says why
// they are there.
func nistCurve(name, why string) bool {
	return strings.Contains(name, "nistp") && why == "using weak elliptic curves"
}

func nothing(string, string) bool { return false }

// without drops the names with NIST's curves.
func without(names []string) []string {
	return slices.DeleteFunc(names, func(name string) bool { return strings.Contains(name, "nistp") })
}

// TestAudit has ssh-audit judge the defaults of both roles, and what is left
// of them without NIST's curves.
func TestAudit(t *testing.T) {
	t.Parallel()
	t.Run("server", func(t *testing.T) {
		auditServer(t, transport.Config{}, "ed25519", "ecdsa256", "rsa").check(t, nistCurve, map[string][]string{
			"kex": transport.KeyExchanges(kex.Server), "enc": transport.Ciphers(), "mac": transport.MACs(),
			"key": {keys.KeyEd25519, keys.KeyECDSA256, keys.RSASHA512, keys.RSASHA256},
		})
		narrow := transport.Config{KeyExchanges: without(transport.KeyExchanges(kex.Server))}
		auditServer(t, narrow, "ed25519", "rsa").check(t, nothing, map[string][]string{"kex": narrow.KeyExchanges})
	})
	t.Run("client", func(t *testing.T) {
		auditClient(t, ssh.ClientConfig{}).check(t, nistCurve, map[string][]string{
			"kex": transport.KeyExchanges(kex.Client), "enc": transport.Ciphers(), "mac": transport.MACs(),
			"key": transport.HostKeyAlgorithms(),
		})
		narrow := ssh.ClientConfig{
			HostKeyAlgorithms: without(transport.HostKeyAlgorithms()),
			Transport:         transport.Config{KeyExchanges: without(transport.KeyExchanges(kex.Client))},
		}
		auditClient(t, narrow).check(t, nothing, map[string][]string{"kex": narrow.Transport.KeyExchanges, "key": narrow.HostKeyAlgorithms})
	})
	t.Run("legacy", func(t *testing.T) { // it does find what is bad
		a := auditServer(t, transport.Config{LegacyAlgorithms: transport.LegacyAlgorithms()}, "rsa")
		for _, name := range []string{"3des-cbc", "hmac-md5", "diffie-hellman-group1-sha1", "ssh-rsa"} {
			require.NotEmpty(t, a.fails[name], "%s\n%s", name, a.text)
		}
	})
}
