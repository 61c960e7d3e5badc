package keys

import (
	"bytes"
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh/internal/certtest"
)

func FuzzParseCertificate(f *testing.F) {
	for _, typ := range allTypes {
		claims := userClaims()
		claims.Key = generated()[typ].PublicKey()
		f.Add(issue(f, claims).Marshal())
	}
	forged := newForge()
	forged.Critical = certtest.TextOption(ForceCommandOption, "ls")
	f.Add(forged.blob(f))
	f.Fuzz(func(t *testing.T, blob []byte) {
		defer watch(t)()
		c, err := ParseCertificate(blob)
		if err != nil {
			if c != nil {
				t.Fatal("both a certificate and an error")
			}
			_ = err.Error()
			return
		}
		if !bytes.Equal(c.Marshal(), blob) {
			t.Fatalf("%x marshals to %x", blob, c.Marshal())
		}
		if err := c.Check(&CertificateCheck{Type: c.CertificateType()}); err == nil {
			t.Fatal("accepted by a check that trusts no authority")
		}
		_, _ = c.Options()
		c.Claims()
	})
}

func FuzzCertificateBody(f *testing.F) {
	forged := newForge()
	f.Add(uint32(1), "id", forged.Principals, certtest.TextOption(SourceAddressOption, "::/0"), certtest.Option(PermitPTY, nil))
	f.Add(uint32(2), "", []byte(nil), []byte(nil), []byte(nil))
	f.Fuzz(func(t *testing.T, certType uint32, keyID string, principals, critical, extensions []byte) {
		defer watch(t)()
		forged := newForge()
		forged.Type, forged.KeyID, forged.Principals = certType, keyID, principals
		forged.Critical, forged.Extensions = critical, extensions
		c, err := ParseCertificate(forged.blob(t))
		if err != nil {
			_ = err.Error()
			return
		}
		check := userCheck()
		check.Type, check.Principals, check.Time = c.CertificateType(), c.Principals(), time.Time{}
		if err := c.Check(check); err != nil {
			_ = err.Error()
			return
		}
		claims := c.Claims()
		again, err := claims.Issue(context.Background(), authority())
		if err != nil {
			return // an empty principal beside a good one
		}
		a, err := c.Options()
		require.NoError(t, err)
		b, err := again.Options()
		require.NoError(t, err)
		require.Equal(t, a, b)
	})
}
