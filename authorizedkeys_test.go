package ssh_test

import (
	"context"
	"crypto/ed25519"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh"
	"github.com/fairlead-go/ssh/auth"
	"github.com/fairlead-go/ssh/channel"
	"github.com/fairlead-go/ssh/internal/fidotest"
	"github.com/fairlead-go/ssh/keys"
	"github.com/fairlead-go/ssh/transport"
)

// TestAuthorizedKeys logs in by lines with and without restrictions.
func TestAuthorizedKeys(t *testing.T) {
	checkGoroutines(t)
	file := filepath.Join(t.TempDir(), "authorized_keys")
	free, bound, away, expired, silent := newKey(t), newKey(t), newKey(t), newKey(t), newKey(t)
	line := func(options string, k *keys.PrivateKey) string {
		return options + string(keys.MarshalAuthorizedKey(k.PublicKey(), ""))
	}
	text := line("", free) +
		line(`command="echo bound",restrict,permitopen="127.0.0.1:1" `, bound) +
		line(`from="192.0.2.0/24" `, away) +
		line(`expiry-time="20200101" `, expired) +
		line(`command="" `, silent) +
		line(`no-such-option `, newKey(t))
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	addr := serve(t, &ssh.Server{
		AllowPTY: true,
		Auth: auth.ServerConfig{FailureDelay: -1, PublicKey: ssh.AuthorizedKeys(func(user string) string {
			return map[string]string{"alice": file, "bob": file + ".none"}[user]
		})},
		Forward: channel.ForwardConfig{PermitDial: func(context.Context, channel.TCPIPChannel) bool { return true }},
	})
	output := func(c *ssh.Client) string {
		out, err := c.Command("echo free").Output(t.Context())
		require.NoError(t, err)
		return string(out)
	}
	require.Equal(t, "free\n", output(dial(t, addr, auth.PublicKeys(free))))

	c := dial(t, addr, auth.PublicKeys(bound))
	require.Equal(t, "bound\n", output(c))
	shell := c.Shell()
	shell.PTY = &channel.PTY{Term: "vt100"}
	require.Error(t, shell.Run(t.Context()), "restrict takes terminals away")
	_, err := c.Dial(t.Context(), "tcp", "127.0.0.1:1")
	var open *channel.OpenError
	require.ErrorAs(t, err, &open)
	require.Equal(t, channel.AdministrativelyProhibited, open.Reason, "restrict takes forwarding away")

	var exit *ssh.ExitError
	_, err = dial(t, addr, auth.PublicKeys(silent)).Command("echo free").Output(t.Context())
	require.ErrorAs(t, err, &exit, "an empty command is forced, too")
	require.Equal(t, 127, exit.ExitCode())

	for user, key := range map[string]*keys.PrivateKey{"alice": newKey(t), "bob": free, "../alice": free} {
		refused(t, addr, user, key)
	}
	refused(t, addr, "alice", away)
	refused(t, addr, "alice", expired)
}

func refused(t *testing.T, addr, user string, key keys.Signer) {
	t.Helper()
	_, err := ssh.Dial(t.Context(), "tcp", addr, &ssh.ClientConfig{
		User: user, Auth: []auth.Method{auth.PublicKeys(key)}, VerifyHostKey: transport.InsecureAcceptAnyHostKey,
	})
	var denied *auth.Error
	require.ErrorAs(t, err, &denied)
}

// TestDefect_SecurityKeyOptionsDropped logs in with security keys that do or
// do not ask their user, by lines that do or do not ask for that.
func TestDefect_SecurityKeyOptionsDropped(t *testing.T) {
	checkGoroutines(t)
	file := filepath.Join(t.TempDir(), "authorized_keys")
	addr := serve(t, &ssh.Server{Auth: auth.ServerConfig{
		FailureDelay: -1, PublicKey: ssh.AuthorizedKeys(func(string) string { return file }),
	}})
	const touch, verify = keys.SKUserPresence, keys.SKUserVerification
	for _, c := range []struct {
		options string
		flags   uint8
		in      bool
	}{
		{"", touch, true},
		{"", 0, false},
		{"no-touch-required ", 0, true},
		{"touch-required ", 0, false},
		{"restrict ", 0, false},
		{"verify-required ", touch, false},
		{"verify-required ", touch | verify, true},
		{"verify-required ", verify, false},
		{"verify-required,no-touch-required ", verify, true},
		{"verify-required,no-touch-required ", 0, false},
	} {
		key := newSecurityKey(t, c.flags)
		line := c.options + string(keys.MarshalAuthorizedKey(key.PublicKey(), ""))
		require.NoError(t, os.WriteFile(file, []byte(line), 0o600))
		if c.in {
			dial(t, addr, auth.PublicKeys(key))
		} else {
			refused(t, addr, "alice", key)
		}
	}
}

// newSecurityKey returns a security key that asks its user for what flags say.
func newSecurityKey(t *testing.T, flags uint8) keys.Signer {
	t.Helper()
	_, key, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	public, err := keys.NewSecurityKeyPublic(key.Public(), "ssh:")
	require.NoError(t, err)
	private, err := keys.NewSecurityKey(&keys.SecurityKey{PublicKey: public, Flags: flags})
	require.NoError(t, err)
	signer, err := keys.NewSecurityKeySigner(private, softKey{key})
	require.NoError(t, err)
	return signer
}

// softKey is a FIDO device made of software.
type softKey struct{ key ed25519.PrivateKey }

func (s softKey) Assert(_ context.Context, r *keys.AssertionRequest) (*keys.AssertionResponse, error) {
	o := fidotest.Operation{Application: r.Application, Flags: r.Flags, Hash: r.Hash}
	sig, err := o.Sign(s.key)
	return &keys.AssertionResponse{Flags: r.Flags, Signature: sig}, err
}
