//go:build !race

// Nothing here is concurrent, and the race detector multiplies its time.

package ssh_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh"
	"github.com/fairlead-go/ssh/auth"
	"github.com/fairlead-go/ssh/channel"
	"github.com/fairlead-go/ssh/internal/certtest"
	"github.com/fairlead-go/ssh/internal/sshdtest"
	"github.com/fairlead-go/ssh/keys"
	"github.com/fairlead-go/ssh/transport"
	"github.com/fairlead-go/ssh/wire"
)

// What OpenSSH's sshd makes of certificates, and what our server does.

// sshdKeys are the keys of these tests.
type sshdKeys struct {
	user, ca, other, rsaCA *keys.PrivateKey
}

// A certCase is a certificate that is shown to both servers.
type certCase struct {
	name string
	// line is the authorized_keys file, in which <CA>, <RSA> and <USER> stand
	// for the keys. Empty: the authority is one of TrustedUserCAKeys.
	line string
	// change changes the certificate, and sign says who signs it, with which
	// algorithm. nil: the authority does.
	change func(f *certtest.Fields, k *sshdKeys)
	sign   func(k *sshdKeys) (by *keys.PrivateKey, algorithm string)
	// algorithm is what the client calls the key, if not what it is.
	algorithm string
	// stricter says why we refuse what this sshd accepts.
	stricter string
}

func withOption(name, value string) func(*certtest.Fields, *sshdKeys) {
	return func(f *certtest.Fields, _ *sshdKeys) { f.Critical = certtest.TextOption(name, value) }
}

func withCritical(b []byte) func(*certtest.Fields, *sshdKeys) {
	return func(f *certtest.Fields, _ *sshdKeys) { f.Critical = b }
}

func withExtensions(parts ...[]byte) func(*certtest.Fields, *sshdKeys) {
	return func(f *certtest.Fields, _ *sshdKeys) { f.Extensions = bytes.Join(parts, nil) }
}

func withPrincipals(names ...string) func(*certtest.Fields, *sshdKeys) {
	return func(f *certtest.Fields, _ *sshdKeys) { f.Principals = certtest.Names(names...) }
}

func flag(name string) []byte { return certtest.Option(name, nil) }

func certCases(me string) []certCase {
	many := make([]string, 256)
	for i := range many {
		many[i] = "x"
	}
	many[255] = me
	now := uint64(time.Now().Unix())
	cases := []certCase{
		{name: "good"},
		{name: "type 0", change: func(f *certtest.Fields, _ *sshdKeys) { f.Type = 0 }},
		{name: "host's", change: func(f *certtest.Fields, _ *sshdKeys) { f.Type = 2 }},
		{name: "type 3", change: func(f *certtest.Fields, _ *sshdKeys) { f.Type = 3 }},
		{name: "no principals", change: withPrincipals()},
		{name: "empty principal", change: withPrincipals("")},
		{name: "other principal", change: withPrincipals("nobody-" + me)},
		{name: "two principals", change: withPrincipals("x", me)},
		{name: "principal in capitals", change: withPrincipals(strings.ToUpper(me))},
		{name: "pattern as principal", change: withPrincipals("*")},
		{name: "list as principal", change: withPrincipals("x," + me)},
		{name: "256 principals", change: withPrincipals(many...)},
		{name: "257 principals", change: withPrincipals(append([]string{"x"}, many...)...)},
		{name: "principals cut", change: func(f *certtest.Fields, _ *sshdKeys) { f.Principals = append(f.Principals, 0, 0, 0) }},
		{name: "zero byte in principal", change: withPrincipals(me, "x\x00y")},
		{name: "zero byte after principal", change: withPrincipals(me + "\x00"), stricter: "it is no part of a name"},
		{name: "zero byte in key ID", change: func(f *certtest.Fields, _ *sshdKeys) { f.KeyID = "a\x00b" }},
		{name: "empty key ID", change: func(f *certtest.Fields, _ *sshdKeys) { f.KeyID = "" }},
		{name: "expired", change: func(f *certtest.Fields, _ *sshdKeys) { f.Before = now - 60 }},
		{name: "expires now", change: func(f *certtest.Fields, _ *sshdKeys) { f.Before = now }},
		{name: "not yet valid", change: func(f *certtest.Fields, _ *sshdKeys) { f.After = now + 3600 }},
		{name: "never valid", change: func(f *certtest.Fields, _ *sshdKeys) { f.After, f.Before = now+10, now-10 }},
		{name: "validity past 2^63", change: func(f *certtest.Fields, _ *sshdKeys) { f.Before = math.MaxUint64 - 1 }},
		{name: "begins past 2^63", change: func(f *certtest.Fields, _ *sshdKeys) { f.After = math.MaxUint64 - 1 }},
		{name: "ends at 0", change: func(f *certtest.Fields, _ *sshdKeys) { f.Before = 0 }},
		{name: "reserved", change: func(f *certtest.Fields, _ *sshdKeys) { f.Reserved = []byte("x") }},

		{name: "other authority", sign: func(k *sshdKeys) (*keys.PrivateKey, string) { return k.other, keys.KeyEd25519 }},
		{name: "authority is the key", sign: func(k *sshdKeys) (*keys.PrivateKey, string) { return k.user, keys.KeyEd25519 }},
		{name: "RSA authority, SHA-512", sign: func(k *sshdKeys) (*keys.PrivateKey, string) { return k.rsaCA, keys.RSASHA512 }},
		{name: "RSA authority, SHA-256", sign: func(k *sshdKeys) (*keys.PrivateKey, string) { return k.rsaCA, keys.RSASHA256 }},
		{name: "RSA authority, SHA-1", sign: func(k *sshdKeys) (*keys.PrivateKey, string) { return k.rsaCA, "ssh-rsa" }},
		{name: "other's signature", change: func(f *certtest.Fields, k *sshdKeys) { f.Authority = k.ca.PublicKey().Marshal() },
			sign: func(k *sshdKeys) (*keys.PrivateKey, string) { return k.other, keys.KeyEd25519 }},
		{name: "no authority", change: func(f *certtest.Fields, _ *sshdKeys) { f.Authority = nil }},
		{name: "bytes after authority", change: func(f *certtest.Fields, _ *sshdKeys) { f.Authority = append(bytes.Clone(f.Authority), 0) }},
		{name: "authority is a certificate", change: func(f *certtest.Fields, k *sshdKeys) { f.Authority = nested(k) }},
		{name: "no signature", sign: func(*sshdKeys) (*keys.PrivateKey, string) { return nil, "" }},

		{name: "algorithm of the plain key", algorithm: keys.KeyEd25519},
		{name: "algorithm of another type", algorithm: keys.CertificateAlgorithm(keys.KeyECDSA256)},
		{name: "algorithm that is none", algorithm: "none"},
		{name: "format of the plain key", change: func(f *certtest.Fields, _ *sshdKeys) { f.Name = keys.KeyEd25519 }},
		{name: "format of another type", change: func(f *certtest.Fields, _ *sshdKeys) { f.Name = keys.CertificateAlgorithm(keys.KeyECDSA256) }},
		{name: "format that is none", change: func(f *certtest.Fields, _ *sshdKeys) { f.Name = "none-cert-v01@openssh.com" }},

		{name: "force-command", change: withOption(keys.ForceCommandOption, "echo forced")},
		{name: "force-command of nothing", change: withOption(keys.ForceCommandOption, "")},
		{name: "force-command without string", change: withCritical(flag(keys.ForceCommandOption))},
		{name: "force-command cut", change: withCritical(certtest.Option(keys.ForceCommandOption, []byte{0, 0, 0, 9, 'e'}))},
		{name: "bytes after force-command", change: withCritical(certtest.Option(keys.ForceCommandOption, append(wire.AppendString(nil, "echo"), 0)))},
		{name: "zero byte in force-command", change: withOption(keys.ForceCommandOption, "echo\x00forced")},
		{name: "force-command twice", change: withCritical(append(certtest.TextOption(keys.ForceCommandOption, "echo a"), certtest.TextOption(keys.ForceCommandOption, "echo b")...))},
		{name: "source-address", change: withOption(keys.SourceAddressOption, "127.0.0.1")},
		{name: "source-address by network", change: withOption(keys.SourceAddressOption, "192.0.2.0/24,127.0.0.0/8")},
		{name: "source-address elsewhere", change: withOption(keys.SourceAddressOption, "192.0.2.0/24,::/0")},
		{name: "source-address of nothing", change: withOption(keys.SourceAddressOption, "")},
		{name: "source-address without string", change: withCritical(flag(keys.SourceAddressOption))},
		{name: "source-address with host bits", change: withOption(keys.SourceAddressOption, "127.0.0.1/8")},
		{name: "source-address with a wildcard", change: withOption(keys.SourceAddressOption, "127.*")},
		{name: "source-address by name", change: withOption(keys.SourceAddressOption, "localhost")},
		{name: "source-address negated", change: withOption(keys.SourceAddressOption, "!192.0.2.1")},
		{name: "source-address with a bad entry", change: withOption(keys.SourceAddressOption, "127.0.0.1,x")},
		{name: "source-address with an empty entry", change: withOption(keys.SourceAddressOption, "127.0.0.1,")},
		{name: "source-address of a long mask", change: withOption(keys.SourceAddressOption, "127.0.0.1/33")},
		{name: "source-address as extension", change: withExtensions(certtest.TextOption(keys.SourceAddressOption, "192.0.2.0/24"))},
		{name: "verify-required", change: withCritical(flag(keys.VerifyRequiredOption))},
		{name: "verify-required with a value", change: withOption(keys.VerifyRequiredOption, "yes")},
		{name: "unknown option", change: withOption("new@example.com", "x")},
		{name: "unknown option without value", change: withCritical(flag("new@example.com"))},
		{name: "empty option name", change: withCritical(flag(""))},
		{name: "extension as option", change: withCritical(flag(keys.PermitPTY))},
		{name: "option cut", change: withCritical([]byte{0, 0, 0, 1, 'x'})},
		{name: "options in another order", change: withCritical(append(flag(keys.VerifyRequiredOption), certtest.TextOption(keys.ForceCommandOption, "echo forced")...))},

		{name: "no extensions", change: withExtensions()},
		{name: "unknown extension", change: withExtensions(flag(keys.PermitPTY), flag("x@example.com"))},
		{name: "unknown extension with odd data", change: withExtensions(flag(keys.PermitPTY), certtest.Option("x@example.com", []byte{9}))},
		{name: "extension with value", change: withExtensions(certtest.TextOption(keys.PermitPTY, "yes"))},
		{name: "extension cut", change: withExtensions(flag(keys.PermitPTY), []byte{0})},
		{name: "extensions in another order", change: withExtensions(flag(keys.PermitUserRC), flag(keys.PermitPTY))},
		{name: "extension twice", change: withExtensions(flag(keys.PermitPTY), flag(keys.PermitPTY)), stricter: "each name may stand there once"},
		{name: "forwarding alone", change: withExtensions(flag(keys.PermitPortForwarding))},
		{name: "terminal alone", change: withExtensions(flag(keys.PermitPTY))},
		{name: "extensions in capitals", change: withExtensions(flag("PERMIT-PTY"))},
	}
	lines := []certCase{
		{name: "good", line: "cert-authority <CA>"},
		{name: "not an authority", line: "<CA>"},
		{name: "key as authority", line: "cert-authority <USER>"},
		{name: "the plain key", line: "<USER>"},
		{name: "second line", line: "cert-authority <RSA>\n<CA>\ncert-authority <CA>"},
		{name: "principals", line: `cert-authority,principals="x,<ME>" <CA>`},
		{name: "other principals", line: `cert-authority,principals="x" <CA>`},
		{name: "no principals in line", line: `cert-authority,principals="" <CA>`},
		{name: "principals after an empty one", line: `cert-authority,principals="x,,<ME>" <CA>`},
		{name: "pattern in line", line: `cert-authority,principals="*" <CA>`},
		{name: "line names another", line: `cert-authority,principals="x" <CA>`, change: withPrincipals("x")},
		{name: "second line's principals", line: `cert-authority,principals="x" <CA>` + "\n" + `cert-authority,principals="y" <CA>`, change: withPrincipals("y")},
		{name: "neither names", line: `cert-authority <CA>`, change: withPrincipals("x")},
		{name: "no principals", line: "cert-authority <CA>", change: withPrincipals(), stricter: "OpenSSH does so too since 10.3"},
		{name: "no principals, line has some", line: `cert-authority,principals="x" <CA>`, change: withPrincipals()},
		{name: "from", line: `cert-authority,from="127.0.0.1" <CA>`},
		{name: "from elsewhere", line: `cert-authority,from="192.0.2.1" <CA>`},
		{name: "both from", line: `cert-authority,from="127.0.0.1" <CA>`, change: withOption(keys.SourceAddressOption, "127.0.0.0/8")},
		{name: "line's from elsewhere", line: `cert-authority,from="192.0.2.1" <CA>`, change: withOption(keys.SourceAddressOption, "127.0.0.0/8")},
		{name: "certificate's from elsewhere", line: `cert-authority,from="127.0.0.1" <CA>`, change: withOption(keys.SourceAddressOption, "192.0.2.0/24")},
		{name: "expired line", line: `cert-authority,expiry-time="20200101" <CA>`},
		{name: "expired", line: "cert-authority <CA>", change: func(f *certtest.Fields, _ *sshdKeys) { f.Before = 1 }},
		{name: "unknown option", line: "cert-authority <CA>", change: withOption("x@example.com", "")},
		{name: "line's command", line: `cert-authority,command="echo line" <CA>`},
		{name: "same commands", line: `cert-authority,command="echo line" <CA>`, change: withOption(keys.ForceCommandOption, "echo line")},
		{name: "other commands", line: `cert-authority,command="echo line" <CA>`, change: withOption(keys.ForceCommandOption, "echo forced")},
		{name: "second line's command", line: `cert-authority,command="echo line" <CA>` + "\n" + `cert-authority,no-pty <CA>`, change: withOption(keys.ForceCommandOption, "echo forced")},
		{name: "certificate's command", line: `cert-authority <CA>`, change: withOption(keys.ForceCommandOption, "echo forced")},
		{name: "restricted line", line: `cert-authority,restrict <CA>`},
		{name: "line without forwarding", line: `cert-authority,no-port-forwarding <CA>`},
		{name: "line without a terminal", line: `cert-authority,no-pty <CA>`},
		{name: "nothing permitted", line: `cert-authority,pty,port-forwarding <CA>`, change: withExtensions()},
		{name: "permitopen", line: `cert-authority,permitopen="127.0.0.1:2" <CA>`},
		{name: "permitopen to it", line: `cert-authority,permitopen="127.0.0.1:1" <CA>`},
		{name: "SHA-1", line: "cert-authority <RSA>", sign: func(k *sshdKeys) (*keys.PrivateKey, string) { return k.rsaCA, "ssh-rsa" }},
		{name: "RSA", line: "cert-authority <RSA>", sign: func(k *sshdKeys) (*keys.PrivateKey, string) { return k.rsaCA, keys.RSASHA512 }},
	}
	for _, c := range lines {
		c.name = "line: " + c.name
		cases = append(cases, c)
	}
	return cases
}

// nested returns a certificate for the authority's key.
func nested(k *sshdKeys) []byte {
	claims := keys.CertificateClaims{
		Type: keys.UserCertificate, Key: k.ca.PublicKey(), Principals: []string{"x"}, ValidBefore: keys.Forever,
	}
	c, err := claims.Issue(context.Background(), k.ca)
	if err != nil {
		panic(err)
	}
	return c.Marshal()
}

// A rawKey is a certificate as it came off the press: nobody has parsed it.
type rawKey struct {
	keys.PublicKey
	algorithm string
	blob      []byte
}

func (k rawKey) Type() string         { return k.algorithm }
func (k rawKey) Marshal() []byte      { return k.blob }
func (k rawKey) Algorithms() []string { return []string{k.algorithm} }

type rawSigner struct {
	key    *keys.PrivateKey
	public rawKey
}

func (s rawSigner) PublicKey() keys.PublicKey { return s.public }
func (s rawSigner) Algorithms() []string      { return s.public.Algorithms() }

func (s rawSigner) Sign(ctx context.Context, algorithm string, data []byte) (*keys.Signature, error) {
	sig, err := s.key.Sign(ctx, keys.KeyEd25519, data)
	if err == nil && algorithm != keys.KeyEd25519 {
		sig.Format = keys.SignatureFormat(algorithm) // which the client insists on
	}
	return sig, err
}

// signer returns what the client logs in with.
func (c *certCase) signer(t *testing.T, k *sshdKeys, me string) keys.Signer {
	t.Helper()
	public := wire.NewReader(k.user.PublicKey().Marshal())
	f := certtest.Fields{
		Name: keys.CertificateAlgorithm(public.Text()), Key: public.Rest(), Type: 1, KeyID: "an id",
		Principals: certtest.Names(me), Before: math.MaxUint64,
		Extensions: bytes.Join([][]byte{flag(keys.PermitPortForwarding), flag(keys.PermitPTY)}, nil),
	}
	by, algorithm := k.ca, keys.KeyEd25519
	if c.sign != nil {
		by, algorithm = c.sign(k)
	}
	if by != nil {
		f.Authority = by.PublicKey().Marshal()
	}
	if c.change != nil {
		c.change(&f, k)
	}
	blob := f.Unsigned()
	switch {
	case by == nil:
		blob = wire.AppendString(blob, "")
	case algorithm == "ssh-rsa":
		blob = wire.AppendString(blob, sha1Signature(t, by, blob))
	default:
		sig, err := by.Sign(t.Context(), algorithm, blob)
		require.NoError(t, err)
		blob = wire.AppendString(blob, sig.Marshal())
	}
	called := c.algorithm
	if called == "" {
		called = keys.CertificateAlgorithm(keys.KeyEd25519)
	}
	return rawSigner{k.user, rawKey{k.user.PublicKey(), called, blob}}
}

// effects are what a login may do, as far as these tests look.
type effects struct {
	In       bool // logged in at all
	Output   string
	Terminal bool
	Forward  bool
}

func effectsOf(ctx context.Context, address, me string, signer keys.Signer) (e effects, err error) {
	c, err := ssh.Dial(ctx, "tcp", address, &ssh.ClientConfig{
		User: me, Auth: []auth.Method{auth.PublicKeys(signer)}, VerifyHostKey: transport.InsecureAcceptAnyHostKey,
	})
	if _, denied := errors.AsType[*auth.Error](err); denied {
		return e, nil
	}
	if err != nil {
		return e, err
	}
	defer c.Close()
	e.In = true
	if out, err := c.Command("echo free").Output(ctx); err == nil {
		e.Output = strings.TrimSpace(string(out))
	}
	shell := c.Command("echo free")
	shell.PTY = &channel.PTY{Term: "dumb"}
	_, err = shell.Output(ctx)
	e.Terminal = err == nil
	if e.Output == "free" { // a forced command forwards by other rules here
		_, err = c.Dial(ctx, "tcp", "127.0.0.1:1")
		open, refused := errors.AsType[*channel.OpenError](err)
		if !refused {
			return e, err
		}
		e.Forward = open.Reason != channel.AdministrativelyProhibited
	}
	return e, nil
}

// TestCertificatesAsSSHD shows certificates that are wrong in each way to
// OpenSSH's server and to ours, and compares what the login may do.
func TestCertificatesAsSSHD(t *testing.T) {
	u, err := user.Current()
	require.NoError(t, err)
	me := u.Username
	rsaCA, err := keys.GenerateKey(keys.KeyRSA, 2048)
	require.NoError(t, err)
	hostKey, err := newKey(t).MarshalOpenSSH(keys.MarshalOptions{})
	require.NoError(t, err)

	// Each case has keys of its own, so that all can be in one file.
	cases := certCases(me)
	signers := make([]keys.Signer, len(cases))
	cas := []*keys.PrivateKey{rsaCA}
	var authorized strings.Builder
	text := func(k *keys.PrivateKey) string {
		return strings.TrimSpace(string(keys.MarshalAuthorizedKey(k.PublicKey(), "")))
	}
	for i, c := range cases {
		k := &sshdKeys{user: newKey(t), ca: newKey(t), other: newKey(t), rsaCA: rsaCA}
		signers[i] = c.signer(t, k, me)
		if c.line == "" {
			cas = append(cas, k.ca)
		}
		lines := strings.NewReplacer("<CA>", text(k.ca), "<RSA>", text(k.rsaCA), "<USER>", text(k.user), "<ME>", me)
		fmt.Fprintln(&authorized, lines.Replace(c.line))
	}
	dir := t.TempDir()
	trustedFile, authorizedFile := filepath.Join(dir, "trusted"), filepath.Join(dir, "authorized_keys")
	var trusted []keys.PublicKey
	var trustedLines strings.Builder
	for _, k := range cas {
		trusted = append(trusted, k.PublicKey())
		fmt.Fprintln(&trustedLines, text(k))
	}
	require.NoError(t, os.WriteFile(trustedFile, []byte(trustedLines.String()), 0o600))
	require.NoError(t, os.WriteFile(authorizedFile, []byte(authorized.String()), 0o600))

	file := func(string) string { return authorizedFile }
	ours := func(cfg auth.ServerConfig) string {
		cfg.FailureDelay = -1
		return serve(t, &ssh.Server{
			Auth: cfg, AllowPTY: true, MaxStartups: -1, MaxStartupsPerSource: -1,
			Forward: channel.ForwardConfig{PermitDial: func(context.Context, channel.TCPIPChannel) bool { return true }},
			Handler: ssh.HandlerFunc(func(s *ssh.Session) {
				if s.Command() != auth.EmptyCommand { // which a shell knows
					echoHandler(s)
				}
			}),
		})
	}
	addresses := map[bool][2]string{ // by whether lines decide: sshd's and ours
		false: {
			sshdtest.Start(t, hostKey, "AuthorizedKeysFile none", "TrustedUserCAKeys "+trustedFile),
			ours(auth.ServerConfig{Certificate: auth.TrustedAuthorities(trusted...)}),
		},
		true: {
			sshdtest.Start(t, hostKey, "AuthorizedKeysFile "+authorizedFile),
			ours(auth.ServerConfig{PublicKey: ssh.AuthorizedKeys(file), Certificate: ssh.AuthorizedCertificates(file)}),
		},
	}

	// sshd sleeps most of the time that a login takes.
	type result struct {
		e   effects
		err error
	}
	results := make([][2]result, len(cases))
	queue := make(chan int, len(cases))
	for i := range cases {
		queue <- i
	}
	close(queue)
	var workers sync.WaitGroup
	for range 12 {
		workers.Go(func() {
			for i := range queue {
				for side, address := range addresses[cases[i].line != ""] {
					e, err := effectsOf(t.Context(), address, me, signers[i])
					results[i][side] = result{e, err}
				}
			}
		})
	}
	workers.Wait()
	accepted := 0
	for i, c := range cases {
		theirs, ours := results[i][0], results[i][1]
		t.Run(c.name, func(t *testing.T) {
			require.NoError(t, theirs.err)
			require.NoError(t, ours.err)
			if ours.e.In {
				accepted++
			}
			if c.stricter == "" {
				require.Equal(t, theirs.e, ours.e, "sshd's, and ours")
				return
			}
			require.True(t, theirs.e.In, "sshd refuses it, too: no more difference")
			require.False(t, ours.e.In, c.stricter)
		})
	}
	require.Greater(t, accepted, 25, "the tests' own certificates are good")
}
