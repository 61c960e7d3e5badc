package main

import (
	"crypto/sha1"
	"crypto/sha256"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh"
	"github.com/fairlead-go/ssh/auth"
	"github.com/fairlead-go/ssh/keys"
	"github.com/fairlead-go/ssh/keys/krl"
)

// TestRevokedKeys: a file in either form, which is read again when it has
// changed, and revokes everything while it cannot be read.
func TestRevokedKeys(t *testing.T) {
	s := newSite(t)
	other, err := keys.GenerateKey(keys.KeyEd25519, 0)
	require.NoError(t, err)
	list := func(revoke func(l *krl.List)) []byte {
		l := new(krl.List)
		revoke(l)
		return l.Marshal()
	}
	mine := s.key.PublicKey()
	s.args = append([]string{"-o", "RevokedKeys=" + s.path("revoked")}, s.args...)
	r := s.start(t)
	for _, c := range []struct {
		name  string
		file  []byte // nil: none
		works bool
		log   string
	}{
		{"no file", nil, false, "Error checking authentication key ED25519 "},
		{"empty", []byte{}, true, ""},
		{"key", keys.MarshalAuthorizedKey(mine, "lost"), false, "WARNING: authentication attempt with a revoked ED25519 "},
		{"another key", keys.MarshalAuthorizedKey(other.PublicKey(), ""), true, ""},
		{"no key", []byte("no-pty " + string(keys.MarshalAuthorizedKey(other.PublicKey(), ""))), false, "line 1: "},
		{"list", list(func(l *krl.List) { l.RevokeKey(mine) }), false, "by its key"},
		{"list, SHA-1", list(func(l *krl.List) { l.RevokeSHA1(sha1.Sum(mine.Marshal())) }), false, "by its SHA-1"},
		{"list, SHA-256", list(func(l *krl.List) { l.RevokeSHA256(sha256.Sum256(mine.Marshal())) }), false, "by its SHA-256"},
		{"list of another", list(func(l *krl.List) { l.RevokeKey(other.PublicKey()) }), true, ""},
		{"half a list", list(func(l *krl.List) { l.RevokeKey(other.PublicKey()) })[:70], false, "malformed list"},
		{"gone again", nil, false, "no such file"},
	} {
		if c.file == nil {
			_ = os.Remove(s.path("revoked"))
		} else {
			require.NoError(t, os.WriteFile(s.path("revoked"), c.file, 0o600))
		}
		client, err := ssh.Dial(t.Context(), "tcp", r.addr, r.clientConfig())
		if c.works {
			require.NoError(t, err, c.name)
			client.Close()
			continue
		}
		var refused *auth.Error
		require.ErrorAs(t, err, &refused, c.name)
		r.log.wait(t, c.log)
	}
	require.Error(t, r.openssh(t, "ssh", "127.0.0.1", "true").Run())
	require.NoError(t, os.WriteFile(s.path("revoked"), nil, 0o600))
	require.NoError(t, r.openssh(t, "ssh", "127.0.0.1", "true").Run())
}
