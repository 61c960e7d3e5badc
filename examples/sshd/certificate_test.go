package main

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh"
	"github.com/fairlead-go/ssh/auth"
	"github.com/fairlead-go/ssh/keys"
)

// TestTrustedUserCAKeys: who may log in by a certificate, and what it may do.
func TestTrustedUserCAKeys(t *testing.T) {
	s := newSite(t)
	ca, err := keys.GenerateKey(keys.KeyEd25519, 0)
	require.NoError(t, err)
	user, err := keys.GenerateKey(keys.KeyEd25519, 0)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(s.path("ca.pub"), keys.MarshalAuthorizedKey(ca.PublicKey(), ""), 0o600))
	s.args = append([]string{
		"-o", "TrustedUserCAKeys=" + s.path("ca.pub"), "-o", "AuthorizedPrincipalsFile=" + s.path("principals"),
	}, s.args...)
	free := s.start(t)
	s.args = append([]string{"-o", "ForceCommand=echo configured"}, s.args...)
	forced := s.start(t)
	for _, c := range []struct {
		name, principals string
		command          string // of the certificate
		free, forced     string // what is printed; empty: refused
	}{
		{"no file", "", "", "", ""},
		{"another name", "other\n", "", "", ""},
		{"a name", "other\nstaff\n", "", "asked\n", "configured\n"},
		{"unknown option", "unknown staff\n", "", "", ""},
		{"elsewhere", "from=\"192.0.2.1\" staff\n", "", "", ""},
		{"line's command", "command=\"echo line\" staff\n", "", "line\n", "configured\n"},
		{"certificate's command", "staff\n", "echo certificate", "certificate\n", "configured\n"},
		{"two commands", "command=\"echo line\" staff\n", "echo certificate", "", ""},
	} {
		_ = os.Remove(s.path("principals"))
		if c.principals != "" {
			require.NoError(t, os.WriteFile(s.path("principals"), []byte(c.principals), 0o600))
		}
		claims := keys.CertificateClaims{
			Type: keys.UserCertificate, Key: user.PublicKey(), KeyID: "an id", Principals: []string{"staff"}, ValidBefore: keys.Forever,
		}
		if c.command != "" {
			claims.CriticalOptions = map[string]string{keys.ForceCommandOption: c.command}
		}
		certificate, err := claims.Issue(t.Context(), ca)
		require.NoError(t, err)
		signer, err := keys.NewCertificateSigner(certificate, user)
		require.NoError(t, err)
		for address, want := range map[string]string{free.addr: c.free, forced.addr: c.forced} {
			cfg := free.clientConfig()
			cfg.Auth = []auth.Method{auth.PublicKeys(signer)}
			client, err := ssh.Dial(t.Context(), "tcp", address, cfg)
			if want == "" {
				var refused *auth.Error
				require.ErrorAs(t, err, &refused, c.name)
				continue
			}
			require.NoError(t, err, c.name)
			out, err := client.Command("echo asked").Output(t.Context())
			require.NoError(t, err, c.name)
			require.Equal(t, want, string(out), c.name)
			client.Close()
		}
	}
	free.log.wait(t, "ED25519-CERT "+keys.FingerprintSHA256(user.PublicKey())+" ID an id (serial 0) CA ED25519 "+keys.FingerprintSHA256(ca.PublicKey()))
}
