package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh/keys"
)

// Key files that OpenSSL and PuTTY made. The encrypted ones have the passphrase
// "correct horse", and those in PEM do not show their public key.
var plainIdentities = map[string]string{
	"PKCS #8": `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgeebvD8GUuI+1WNgo
TqIbUfvgvCzs+4EthneZhrHMrPGhRANCAAR8VwGzMZ+HL0FChgpWEejoGS6JJ5uz
r+OtPVy/kuy/yoEyVh09wpQGeB+gxNb3+9/HKfXbZjLULnT9RCqkSskx
-----END PRIVATE KEY-----
`,
	"SEC 1": `-----BEGIN EC PRIVATE KEY-----
MDECAQEEIHnm7w/BlLiPtVjYKE6iG1H74Lws7PuBLYZ3mYaxzKzxoAoGCCqGSM49
AwEH
-----END EC PRIVATE KEY-----
`,
	"PuTTY": `PuTTY-User-Key-File-2: ssh-ed25519
Encryption: none
Comment: a comment, "odd" \ 1: 2
Public-Lines: 2
AAAAC3NzaC1lZDI1NTE5AAAAIHChMISUrma32DA7SGvqdB2qqRxUegFOfiSGGIB/
5uDB
Private-Lines: 1
AAAAIE4NkMxWCLQRE8F6ekGICMJkAcH1Fae3pWL4MQ6uf/9y
Private-MAC: c1ed1f349376cb53ab9ecf48b0b89bb20879a34c
`,
}

var lockedIdentities = map[string]string{
	"PKCS #8": `-----BEGIN ENCRYPTED PRIVATE KEY-----
MIHrMFYGCSqGSIb3DQEFDTBJMCgGCSqGSIb3DQEFDDAbBAgrM09goIQPjgIBAjAM
BggqhkiG9w0CCQUAMB0GCWCGSAFlAwQBKgQQV3WiKqH1shddDQvRUaAIHASBkMM7
dv5FXuhFIniTVJAf3RR1rhL2TngRAwHlScFqrzDK9JtGRJ0eM1J9JfR91AfpJVmy
qEr25ilA2zO8XMu9xyZpmbLAs4XwLjR9KKKXBHQsWqpMYJAvity/pHVutf4usJ7Q
wbFmUxnoyx6y0QRDPL8l15WJpISlrxv/PUU1zTLQ1906yKWiLXDK9d0W14VS1A==
-----END ENCRYPTED PRIVATE KEY-----
`,
	"PEM of old": `-----BEGIN EC PRIVATE KEY-----
Proc-Type: 4,ENCRYPTED
DEK-Info: AES-256-CBC,77C47E21D41673D44E43E992811F739C

0Eucd8rkYsr07BbZXWQHmYjWdrjV0ceflvgN8xxHlI+l9rsEUOD9bBMfBkh/t9F4
gczDSyKMK+Tm51OVw7NPrOr1DLHwrNlm18HcBW1IeHwq/rG7vCtP++rcrufOSnGk
9STLwSzVl3wDOSKTyvA2HTZmTS1N+CbAkOVBNAJgKb4=
-----END EC PRIVATE KEY-----
`,
	"PuTTY": `PuTTY-User-Key-File-3: ssh-ed25519
Encryption: aes256-cbc
Comment: a comment, "odd" \ 1: 2
Public-Lines: 2
AAAAC3NzaC1lZDI1NTE5AAAAIHChMISUrma32DA7SGvqdB2qqRxUegFOfiSGGIB/
5uDB
Key-Derivation: Argon2id
Argon2-Memory: 64
Argon2-Passes: 2
Argon2-Parallelism: 1
Argon2-Salt: 963b015e678268550b8ca1097bd975c0
Private-Lines: 1
bFocUziIXx/O0quTBTVUgVARlmCWXnLys6fWwCzRBWtt4Q2R2rXZTcTfHdG6z/86
Private-MAC: 8b801b374ccac98e0b0061bf98a1036cbee617a3a9aad4a3d40b0441e5e81f21
`,
}

// identitySite is a site that the key of a file lets in to.
func identitySite(t *testing.T, file, passphrase string) *site {
	t.Helper()
	s := newSite(t, nil)
	key, err := keys.ParsePrivateKey([]byte(file), []byte(passphrase))
	require.NoError(t, err)
	s.letIn(key)
	s.keyFile = filepath.Join(s.dir, "identity")
	require.NoError(t, os.WriteFile(s.keyFile, []byte(file), 0o600))
	return s
}

func TestIdentityFormats(t *testing.T) {
	for name, file := range plainIdentities {
		t.Run(name, func(t *testing.T) {
			s := identitySite(t, file, "")
			got := execute(t, nil, s.args("-oBatchMode=yes", "echo", "in")...)
			require.Equal(t, "in\n", got.stdout, got.stderr)
		})
	}
}

// A file that does not show its public key is opened when its turn has come.
func TestLockedIdentityFormats(t *testing.T) {
	for name, file := range lockedIdentities {
		t.Run(name, func(t *testing.T) {
			s := identitySite(t, file, "correct horse")
			p := onTerminal(t, s.args("echo", "in")...)
			p.expect("Enter passphrase for key '" + s.keyFile + "': ")
			p.enter("wrong\r")
			p.expect("Enter passphrase for key '" + s.keyFile + "': ")
			p.enter("correct horse\r")
			p.expect("in\r\n")
			require.Equal(t, 0, p.status())

			// Nobody is asked if another key does.
			other := filepath.Join(s.dir, "other")
			require.NoError(t, os.Rename(s.keyFile, other))
			writeKey(t, s.keyFile, newKey(t), "")
			key, err := keys.ParsePrivateKey(readAll(t, s.keyFile), nil)
			require.NoError(t, err)
			s.letIn(key)
			p = onTerminal(t, append(s.args(), "-i", other, "echo", "in")...)
			p.expect("in\r\n")
			require.Equal(t, 0, p.status())
		})
	}
}

func readAll(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	return b
}

// A public key file of any format names the agent's key to use.
func TestPublicIdentityFormats(t *testing.T) {
	k := newKey(t)
	pkix, err := keys.MarshalPKIX(k.PublicKey())
	require.NoError(t, err)
	line := keys.MarshalAuthorizedKey(k.PublicKey(), "a comment")
	for name, data := range map[string][]byte{
		"line": line, "PKIX": pkix, "RFC 4716": keys.MarshalRFC4716(k.PublicKey(), "a comment"), "two lines": append(line, line...),
	} {
		require.True(t, keys.Equal(k.PublicKey(), parsePublic(data)), name)
	}
	require.Nil(t, parsePublic([]byte("garbage")))
}
