package keys_test

import (
	"context"
	"fmt"
	"log"
	"net/netip"
	"time"

	"github.com/fairlead-go/ssh/keys"
)

// An authority certifies a user's key for eight hours, and a server that
// trusts the authority looks at the certificate.
func ExampleCertificateClaims_Issue() {
	authority, err := keys.GenerateKey(keys.KeyEd25519, 0)
	if err != nil {
		log.Fatal(err)
	}
	user, err := keys.GenerateKey(keys.KeyEd25519, 0)
	if err != nil {
		log.Fatal(err)
	}
	claims := &keys.CertificateClaims{
		Type:        keys.UserCertificate,
		Key:         user.PublicKey(),
		KeyID:       "alice's laptop",
		Principals:  []string{"alice"},
		ValidAfter:  time.Now().Add(-time.Minute),
		ValidBefore: time.Now().Add(8 * time.Hour),
		CriticalOptions: map[string]string{
			keys.SourceAddressOption: "192.0.2.0/24",
		},
		Extensions: keys.StandardExtensions(),
	}
	certificate, err := claims.Issue(context.Background(), authority)
	if err != nil {
		log.Fatal(err)
	}
	// keys.MarshalAuthorizedKey(certificate, "") is the line of a -cert.pub
	// file, and this logs in with it.
	signer, err := keys.NewCertificateSigner(certificate, user)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(signer.PublicKey().Type())

	check := &keys.CertificateCheck{
		Type:        keys.UserCertificate,
		Authorities: []keys.PublicKey{authority.PublicKey()},
		Principals:  []string{"alice"},
		Address:     netip.MustParseAddr("192.0.2.7"),
	}
	fmt.Println(certificate.Check(check))
	check.Principals = []string{"root"}
	fmt.Println(certificate.Check(check) == nil)
	// Output:
	// ssh-ed25519-cert-v01@openssh.com
	// <nil>
	// false
}
