package transport

import (
	"context"
	"net"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh/keys"
)

// hostCertificate returns a key of the type and a signer of a certificate for it.
func hostCertificate(t testing.TB, certType keys.CertificateType, keyType string) (key *keys.PrivateKey, certified keys.Signer) {
	t.Helper()
	bits := 0
	if keyType == keys.KeyRSA {
		bits = 2048
	}
	key, err := keys.GenerateKey(keyType, bits)
	require.NoError(t, err)
	claims := keys.CertificateClaims{
		Type: certType, Key: key.PublicKey(), Principals: []string{"test"}, ValidBefore: keys.Forever,
	}
	c, err := claims.Issue(context.Background(), testHostKey)
	require.NoError(t, err)
	certified, err = keys.NewCertificateSigner(c, key)
	require.NoError(t, err)
	return key, certified
}

// TestHostCertificate: a server that has a certificate shows it to a client
// that asks for it, and its key to one that does not.
func TestHostCertificate(t *testing.T) {
	for _, keyType := range []string{keys.KeyEd25519, keys.KeyECDSA256, keys.KeyRSA} {
		key, certified := hostCertificate(t, keys.HostCertificate, keyType)
		for _, algorithm := range slices.Concat(key.Algorithms(), certified.Algorithms()) {
			t.Run(algorithm, func(t *testing.T) {
				want := certified.PublicKey()
				if slices.Contains(key.Algorithms(), algorithm) {
					want = key.PublicKey()
				}
				a, b := tcpPair(t)
				cc, sc := clientConfig(Config{}), serverConfig(Config{})
				sc.HostKeys = []keys.Signer{certified, key}
				cc.HostKeyAlgorithms = []string{algorithm, keys.KeyECDSA384}
				var shown keys.PublicKey
				cc.VerifyHostKey = func(_ context.Context, address string, _ net.Addr, key keys.PublicKey) error {
					require.Equal(t, "test:22", address)
					shown = key
					return nil
				}
				client, server := authenticated(t, a, b, cc, sc)
				require.True(t, keys.Equal(want, shown))
				for _, c := range []*Conn{client, server} {
					require.True(t, keys.Equal(want, c.State().HostKey))
					require.Equal(t, algorithm, c.State().HostKeyAlgorithm)
				}
				for _, c := range []*Conn{client, server} {
					go func() {
						for {
							if _, err := c.ReadPacket(); err != nil {
								return
							}
						}
					}()
				}
				require.NoError(t, client.Rekey(t.Context()))
				require.NoError(t, server.Rekey(t.Context()))
			})
		}
	}
}

// A client that has not said what it wants is shown the plain key.
func TestHostCertificateIsNotTheDefault(t *testing.T) {
	key, certified := hostCertificate(t, keys.HostCertificate, keys.KeyEd25519)
	a, b := tcpPair(t)
	sc := serverConfig(Config{})
	sc.HostKeys = []keys.Signer{certified, key}
	client, _ := connect(t, a, b, clientConfig(Config{}), sc)
	require.True(t, keys.Equal(key.PublicKey(), client.State().HostKey))
}

// TestDefect_UserCertificateAsHost: a server does not start with one.
func TestDefect_UserCertificateAsHost(t *testing.T) {
	key, certified := hostCertificate(t, keys.UserCertificate, keys.KeyEd25519)
	sc := serverConfig(Config{})
	sc.HostKeys = []keys.Signer{key, certified}
	_, err := sc.settings()
	require.ErrorIs(t, err, ErrUserCertificate)
}

// A posing signer shows a key under algorithms that are not the key's.
type posingSigner struct {
	keys.Signer
	public keys.PublicKey
}

func (s posingSigner) PublicKey() keys.PublicKey { return s.public }

// TestDefect_CertificateAlgorithmMismatch: what is shown must be what was
// agreed on, a certificate or a plain key.
func TestDefect_CertificateAlgorithmMismatch(t *testing.T) {
	key, certified := hostCertificate(t, keys.HostCertificate, keys.KeyEd25519)
	for name, posing := range map[string]posingSigner{
		"a key for a certificate": {certified, key.PublicKey()},
		"a certificate for a key": {key, certified.PublicKey()},
	} {
		t.Run(name, func(t *testing.T) {
			a, b := tcpPair(t)
			cc, sc := clientConfig(Config{}), serverConfig(Config{})
			sc.HostKeys = []keys.Signer{posing}
			cc.VerifyHostKey = func(context.Context, string, net.Addr, keys.PublicKey) error {
				t.Error("asked about a key that has proven nothing")
				return nil
			}
			done := make(chan struct{})
			go func() {
				defer close(done)
				if _, err := Server(context.Background(), b, sc); err == nil {
					t.Error("the server does not notice")
				}
			}()
			_, err := Client(t.Context(), a, cc)
			var bad *keys.AlgorithmError
			require.ErrorAs(t, err, &bad)
			<-done
		})
	}
}
