//go:build interop

package interop

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh"
	"github.com/fairlead-go/ssh/auth"
	"github.com/fairlead-go/ssh/internal/fidotest"
	"github.com/fairlead-go/ssh/keys"
	"github.com/fairlead-go/ssh/keys/agent"
	"github.com/fairlead-go/ssh/transport"
	"github.com/fairlead-go/ssh/wire"
)

// skDummy is OpenSSH's security key made of software. Its key handles are
// private keys: 64 bytes for Ed25519, PEM for ECDSA.
const skDummy = regress + "/misc/sk-dummy/sk-dummy.so"

// dummy is the same device for this library.
type dummy struct{ counter uint32 }

func (d *dummy) Assert(_ context.Context, r *keys.AssertionRequest) (*keys.AssertionResponse, error) {
	var key crypto.Signer
	if r.Algorithm == keys.KeySKEd25519 {
		if len(r.KeyHandle) != ed25519.PrivateKeySize {
			return nil, errors.New("not a key handle")
		}
		key = ed25519.PrivateKey(r.KeyHandle)
	} else {
		block, _ := pem.Decode(r.KeyHandle)
		if block == nil {
			return nil, errors.New("not a key handle")
		}
		var err error
		if key, err = x509.ParseECPrivateKey(block.Bytes); err != nil {
			return nil, err
		}
	}
	d.counter++
	a := &keys.AssertionResponse{Flags: r.Flags & (keys.SKUserPresence | keys.SKUserVerification), Counter: d.counter}
	o := fidotest.Operation{Application: r.Application, Flags: a.Flags, Counter: a.Counter, Hash: r.Hash}
	if r.Algorithm == keys.SKWebAuthnECDSA256 { // as a browser
		a.Origin = "https://example.com"
		a.ClientData = fmt.Appendf(nil, `{"type":"webauthn.get","challenge":"%s","origin":"%s","crossOrigin":false}`,
			base64.RawURLEncoding.EncodeToString(r.Data), a.Origin)
		o.Hash = sha256.Sum256(a.ClientData)
	}
	var err error
	a.Signature, err = o.Sign(key)
	return a, err
}

// enrol makes a key of the dummy device.
func enrol(t testing.TB, keyType string, flags uint8) *keys.PrivateKey {
	t.Helper()
	var key crypto.Signer
	var handle []byte
	if keyType == keys.KeySKEd25519 {
		_, k, err := ed25519.GenerateKey(nil)
		require.NoError(t, err)
		key, handle = k, k
	} else {
		k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		require.NoError(t, err)
		der, err := x509.MarshalECPrivateKey(k)
		require.NoError(t, err)
		key, handle = k, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der})
	}
	public, err := keys.NewSecurityKeyPublic(key.Public(), "ssh:")
	require.NoError(t, err)
	private, err := keys.NewSecurityKey(&keys.SecurityKey{PublicKey: public, Flags: flags, KeyHandle: handle})
	require.NoError(t, err)
	return private
}

var skTypes = map[string]string{"ed25519-sk": keys.KeySKEd25519, "ecdsa-sk": keys.KeySKECDSA256}

// TestSecurityKeys logs in with keys that ask their user for this and that, by
// lines that demand it, from OpenSSH's client and ours, at OpenSSH's server and ours.
func TestSecurityKeys(t *testing.T) {
	t.Parallel()
	const touch, verify = keys.SKUserPresence, keys.SKUserVerification
	type key struct {
		*keys.PrivateKey
		file string
		in   bool
		why  string
	}
	dir := t.TempDir()
	var list []key
	var lines []byte
	for name, keyType := range skTypes {
		for i, c := range []struct {
			options string
			flags   uint8
			in      bool
		}{
			{"", touch, true},
			{"", 0, false},
			{"no-touch-required ", 0, true},
			{"verify-required ", touch, false},
			{"verify-required ", touch | verify, true},
			{"verify-required,no-touch-required ", verify, true},
		} {
			k := key{enrol(t, keyType, c.flags), filepath.Join(dir, fmt.Sprint(name, i)), c.in, fmt.Sprintf("%s%s flags %d", c.options, keyType, c.flags)}
			if i == 0 { // one that ssh-keygen has made
				makeSecurityKey(t, name, k.file)
				data, err := os.ReadFile(k.file)
				require.NoError(t, err)
				k.PrivateKey, err = keys.ParsePrivateKey(data, nil)
				require.NoError(t, err)
			} else {
				data, err := k.MarshalOpenSSH(keys.MarshalOptions{})
				require.NoError(t, err)
				require.NoError(t, os.WriteFile(k.file, data, 0o600))
			}
			lines = append(append(lines, c.options...), keys.MarshalAuthorizedKey(k.PublicKey(), "")...)
			list = append(list, k)
		}
	}
	authorized := filepath.Join(login(t).folder(t), "authorized_keys")
	require.NoError(t, os.WriteFile(authorized, lines, 0o644))
	for name, program := range map[string]string{"OpenSSH": peer(t, "sshd"), "ours": ourSSHD(t)} {
		t.Run("to "+name, func(t *testing.T) {
			s := sshd(t, program, "AuthorizedKeysFile "+authorized, "StrictModes no",
				"PubkeyAcceptedAlgorithms +"+keys.SKWebAuthnECDSA256) // which OpenSSH 9.2 must be told to
			for _, k := range list {
				signer, err := keys.NewSecurityKeySigner(k.PrivateKey, new(dummy))
				require.NoError(t, err)
				require.Equal(t, k.in, logsIn(t, s, signer) == nil, k.why)
				if k.PublicKey().Type() == keys.KeySKECDSA256 {
					browser, err := keys.NewSecurityKeySigner(k.PrivateKey, new(dummy), keys.SKWebAuthnECDSA256)
					require.NoError(t, err)
					require.Equal(t, k.in, logsIn(t, s, browser) == nil, "%s, in a browser", k.why)
				}

				if k.SecurityKey().Flags&verify != 0 {
					continue // ssh asks for a PIN, which the dummy has not
				}
				for _, program := range []string{peer(t, "ssh"), ourSSH(t)} {
					cmd := openSSH{program}.command(t, s, options{
						key: &keyPair{openSSH: k.file}, settings: []string{"SecurityKeyProvider " + skDummy},
					}, "echo in")
					r := ended(t, cmd)
					require.Equal(t, k.in, r.stdout == "in\n", "%s by %s: %v", k.why, program, r)
				}
			}
		})
	}
}

// TestSecurityKeysOfAnAgent has ssh-agent sign.
func TestSecurityKeysOfAnAgent(t *testing.T) {
	t.Parallel()
	socket := filepath.Join(t.TempDir(), "agent")
	cmd := exec.Command(peer(t, "ssh-agent"), "-D", "-a", socket, "-P", skDummy)
	_, _ = background(t, cmd)
	var client *agent.Client
	require.Eventually(t, func() bool {
		var err error
		client, err = agent.Dial(t.Context(), socket)
		return err == nil
	}, patience, patience/1000)
	defer client.Close()
	var lines []byte
	dir := t.TempDir()
	for name, keyType := range skTypes {
		k := enrol(t, keyType, keys.SKUserPresence)
		data, err := k.MarshalOpenSSH(keys.MarshalOptions{})
		require.NoError(t, err)
		file := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(file, data, 0o600))
		add := exec.Command(peer(t, "ssh-add"), "-S", skDummy, file)
		add.Env = append(os.Environ(), "SSH_AUTH_SOCK="+socket)
		succeeds(t, add)
		lines = append(lines, keys.MarshalAuthorizedKey(k.PublicKey(), "")...)
	}
	authorized := filepath.Join(login(t).folder(t), "authorized_keys")
	require.NoError(t, os.WriteFile(authorized, lines, 0o644))
	s := sshd(t, peer(t, "sshd"), "AuthorizedKeysFile "+authorized, "StrictModes no")
	signers, err := client.Signers(t.Context())
	require.NoError(t, err)
	require.Len(t, signers, len(skTypes))
	for _, signer := range signers {
		require.NoError(t, logsIn(t, s, signer), signer.PublicKey().Type())
		require.Equal(t, []string{signer.PublicKey().Type()}, signer.Algorithms())
	}
	// Our program finds them there by their public halves.
	r := succeeds(t, openSSH{ourSSH(t)}.command(t, s, options{
		key: &keyPair{openSSH: filepath.Join(dir, "ecdsa-sk")}, settings: []string{"IdentityAgent " + socket},
	}, "echo in"))
	require.Equal(t, "in\n", r.stdout)
}

func makeSecurityKey(t testing.TB, keyType, file string) {
	t.Helper()
	cmd := exec.Command(peer(t, "ssh-keygen"), "-q", "-t", keyType, "-N", "", "-f", file)
	cmd.Env = append(os.Environ(), "SSH_SK_PROVIDER="+skDummy)
	succeeds(t, cmd)
}

func logsIn(t testing.TB, s *server, signer keys.Signer) error {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	client, err := ssh.Dial(ctx, "tcp", s.address(), &ssh.ClientConfig{
		User: s.user.name, Auth: []auth.Method{auth.PublicKeys(signer)}, VerifyHostKey: transport.InsecureAcceptAnyHostKey,
	})
	if err != nil {
		return err
	}
	return client.Close()
}

// TestSignaturesOfSecurityKeys verifies those that OpenSSH tests itself with:
// of devices, and of a browser.
func TestSignaturesOfSecurityKeys(t *testing.T) {
	t.Parallel()
	dir := regress + "/unittests/sshsig/testdata/"
	read := func(name string) []byte {
		b, err := os.ReadFile(dir + name)
		require.NoError(t, err)
		return b
	}
	for name, want := range map[string]*keys.Assertion{
		"ecdsa_sk":          {Flags: keys.SKUserPresence, Counter: 0x12345678},
		"ed25519_sk":        {Flags: keys.SKUserPresence, Counter: 0x12345678},
		"ecdsa_sk_webauthn": {Flags: keys.SKUserPresence, Counter: 799, Origin: "https://www.mindrot.org"},
	} {
		key, _, err := keys.ParsePublicKeyLine(read(name + ".pub"))
		require.NoError(t, err)
		block, _ := pem.Decode(read(name + ".sig"))
		require.NotNil(t, block)
		r := wire.NewReader(block.Bytes) // PROTOCOL.sshsig
		r.Raw(len("SSHSIG"))
		r.Uint32()
		r.Bytes() // public key
		namespace := r.Text()
		r.Bytes()
		require.Equal(t, "sha512", r.Text())
		signature := r.Bytes()
		require.NoError(t, r.End())
		require.Equal(t, strings.TrimSpace(string(read("namespace"))), namespace)
		hash := sha512.Sum512(read("signed-data"))
		message := wire.AppendString([]byte("SSHSIG"), namespace)
		message = wire.AppendString(message, "")
		message = wire.AppendString(message, "sha512")
		message = wire.AppendString(message, hash[:])
		sig, err := keys.ParseSignature(signature)
		require.NoError(t, err)
		got, err := keys.VerifyAssertion(key, sig.Format, message, signature)
		require.NoError(t, err, name)
		require.Equal(t, want, got)
		require.Error(t, keys.Verify(key, sig.Format, message[1:], signature))
	}
}

// TestSecurityKeyCertificates has sshd judge security keys with certificates,
// which may waive the touch or demand more.
func TestSecurityKeyCertificates(t *testing.T) {
	t.Parallel()
	ca, err := keys.GenerateKey(keys.KeyEd25519, 0)
	require.NoError(t, err)
	file := filepath.Join(login(t).folder(t), "ca.pub")
	require.NoError(t, os.WriteFile(file, keys.MarshalAuthorizedKey(ca.PublicKey(), ""), 0o644))
	s := sshd(t, peer(t, "sshd"), "TrustedUserCAKeys "+file)
	const touch, verify = keys.SKUserPresence, keys.SKUserVerification
	for _, keyType := range skTypes {
		for _, c := range []struct {
			option, extension string
			flags             uint8
			in                bool
		}{
			{"", "", touch, true},
			{"", "", 0, false},
			{"", keys.NoTouchRequired, 0, true},
			{keys.VerifyRequiredOption, "", touch, false},
			{keys.VerifyRequiredOption, "", touch | verify, true},
		} {
			k := enrol(t, keyType, c.flags)
			claims := keys.CertificateClaims{
				Type: keys.UserCertificate, Key: k.PublicKey(), KeyID: "an id", Principals: []string{s.user.name},
				ValidBefore: keys.Forever, CriticalOptions: map[string]string{}, Extensions: keys.StandardExtensions(),
			}
			if c.option != "" {
				claims.CriticalOptions[c.option] = ""
			}
			if c.extension != "" {
				claims.Extensions[c.extension] = ""
			}
			certificate, err := claims.Issue(t.Context(), ca)
			require.NoError(t, err)
			signer, err := keys.NewSecurityKeySigner(k, new(dummy))
			require.NoError(t, err)
			certified, err := keys.NewCertificateSigner(certificate, signer)
			require.NoError(t, err)
			require.Equal(t, c.in, logsIn(t, s, certified) == nil, "%s: %+v", keyType, c)
		}
	}
}
