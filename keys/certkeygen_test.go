package keys

import (
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestCertificateKeygenReadsOurs(t *testing.T) {
	forEachType(t, func(t *testing.T, k *PrivateKey) {
		claims := userClaims()
		claims.Key = k.PublicKey()
		claims.ValidAfter, claims.ValidBefore = time.Unix(1_600_000_000, 0), time.Unix(1_900_000_000, 0)
		claims.CriticalOptions[ForceCommandOption] = "/bin/ls -l"
		claims.CriticalOptions[VerifyRequiredOption] = ""
		claims.CriticalOptions["new@example.com"] = "text"
		claims.Extensions[NoTouchRequired] = ""
		claims.Extensions["more@example.com"] = ""
		for _, ca := range generated() {
			c, err := claims.Issue(t.Context(), ca)
			require.NoError(t, err)
			t.Setenv("TZ", "UTC")
			out := sshKeygen(t, nil, "-L", "-f", writeFile(t, "k-cert.pub", MarshalAuthorizedKey(c, "")))
			for _, want := range []string{
				"Type: " + c.Type() + " user certificate",
				"Public key: " + shortName(k) + "-CERT " + FingerprintSHA256(k.PublicKey()),
				"Signing CA: " + shortName(ca) + " " + FingerprintSHA256(ca.PublicKey()) + " (using " + ca.Algorithms()[0] + ")",
				`Key ID: "alice's laptop"`,
				"Serial: 7",
				"Valid: from 2020-09-13T12:26:40 to 2030-03-17T17:46:40",
				"Principals: \n                alice\n                staff\n",
				"force-command /bin/ls -l\n",
				"source-address 192.0.2.0/24,2001:db8::1\n",
				"verify-required\n",
				"new@example.com UNKNOWN OPTION",
				"Extensions: \n                more@example.com UNKNOWN FLAG OPTION",
				"no-touch-required\n                permit-X11-forwarding\n                permit-agent-forwarding\n" +
					"                permit-port-forwarding\n                permit-pty\n                permit-user-rc\n",
			} {
				require.Contains(t, out, want)
			}
		}
	})
	claims := userClaims()
	claims.Type, claims.ValidAfter, claims.ValidBefore = HostCertificate, time.Time{}, Forever
	claims.CriticalOptions, claims.Extensions = nil, nil
	out := sshKeygen(t, nil, "-L", "-f", writeFile(t, "k-cert.pub", MarshalAuthorizedKey(issue(t, claims), "")))
	for _, want := range []string{"host certificate", "Valid: forever", "Critical Options: (none)", "Extensions: (none)"} {
		require.Contains(t, out, want)
	}
}

func shortName(k Signer) string {
	if t := k.PublicKey().Type(); strings.HasPrefix(t, "ecdsa") {
		return "ECDSA"
	}
	return strings.ToUpper(strings.TrimPrefix(k.PublicKey().Type(), "ssh-"))
}

func TestCertificateWeReadKeygens(t *testing.T) {
	paths := map[string]string{}
	for _, typ := range allTypes {
		paths[typ] = keygenKey(t, typ, "")
	}
	for _, caPath := range paths {
		ca, _, err := ParsePublicKeyLine(readFile(t, caPath+".pub"))
		require.NoError(t, err)
		for _, path := range paths {
			key, err := ParsePrivateKey(readFile(t, path), nil)
			require.NoError(t, err)
			read := func(args ...string) *Certificate {
				sshKeygen(t, nil, append(append([]string{"-q", "-s", caPath}, args...), path+".pub")...)
				c, comment, err := ParseCertificateLine(readFile(t, path+"-cert.pub"))
				require.NoError(t, err)
				require.Equal(t, "a comment", comment)
				require.True(t, Equal(key.PublicKey(), c.Key()))
				require.True(t, Equal(ca, c.Authority()))
				_, err = NewCertificateSigner(c, key)
				require.NoError(t, err)
				return c
			}
			c := read("-I", "an id", "-z", "18446744073709551615", "-n", "alice,bob", "-V", "20200101000000Z:20300101000000Z",
				"-O", "force-command=ls", "-O", "source-address=192.0.2.0/24", "-O", "verify-required", "-O", "no-touch-required",
				"-O", "no-pty", "-O", "critical:c@example.com=value", "-O", "extension:e@example.com")
			require.Equal(t, &CertificateClaims{
				Type: UserCertificate, Key: key.PublicKey(), KeyID: "an id", Serial: math.MaxUint64,
				Principals:  []string{"alice", "bob"},
				ValidAfter:  time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC),
				ValidBefore: time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC),
				CriticalOptions: map[string]string{
					ForceCommandOption: "ls", SourceAddressOption: "192.0.2.0/24", VerifyRequiredOption: "", "c@example.com": "value",
				},
				Extensions: map[string]string{
					NoTouchRequired: "", PermitAgentForwarding: "", PermitPortForwarding: "", PermitUserRC: "",
					PermitX11Forwarding: "", "e@example.com": "",
				},
			}, c.Claims())
			c = read("-I", "host", "-h", "-n", "host.example")
			require.Equal(t, HostCertificate, c.CertificateType())
			require.NoError(t, c.Check(&CertificateCheck{Type: HostCertificate, Authorities: []PublicKey{ca}, Principals: []string{"host.example"}}))
			require.True(t, c.Claims().ValidBefore.Equal(Forever))
			require.True(t, c.Claims().ValidAfter.IsZero())
		}
	}
	// SHA-1 is not taken from an authority.
	caPath, path := paths[KeyRSA], paths[KeyEd25519]
	sshKeygen(t, nil, "-q", "-s", caPath, "-t", "ssh-rsa", "-I", "x", "-n", "x", path+".pub")
	data, err := os.ReadFile(path + "-cert.pub")
	require.NoError(t, err)
	_, _, err = ParseCertificateLine(data)
	var bad *AlgorithmError
	require.ErrorAs(t, err, &bad)
	require.Equal(t, "ssh-rsa", bad.Algorithm)
}
