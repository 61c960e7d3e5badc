package keys

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/fairlead-go/ssh/wire"
)

// CertificateClaims is what an authority says of a key: fill it and call
// [CertificateClaims.Issue].
type CertificateClaims struct {
	// Type is who is named: users or hosts.
	Type CertificateType
	// Key is the key to certify, which is not a certificate itself.
	Key PublicKey
	// KeyID is a name for the certificate, which servers log.
	KeyID string
	// Serial is the certificate's number, by which it can be revoked.
	Serial uint64
	// Principals are the names of users or hosts, from 1 to 256. Hosts' are in
	// lower case and may be patterns.
	Principals []string
	// The certificate is valid from ValidAfter on, and before ValidBefore, in
	// whole seconds. A zero ValidAfter is the beginning of time; ValidBefore
	// must be set, if to [Forever].
	ValidAfter, ValidBefore time.Time
	// CriticalOptions restrict a user certificate, such as
	// [ForceCommandOption], by name, with their values.
	CriticalOptions map[string]string
	// Extensions permit things; see [StandardExtensions]. A certificate without
	// any lets its user run commands without a terminal, and no more.
	Extensions map[string]string
}

// Forever is the end of certificates that have none, and the latest time of
// which is spoken here.
var Forever = time.Date(9999, time.December, 31, 23, 59, 59, 0, time.UTC)

const endless = math.MaxUint64

var errPrincipalText = errors.New("principal is empty or holds a zero byte")

// claimError says why Issue does not issue.
func claimError(err error) error { return fmt.Errorf("keys: cannot issue certificate: %w", err) }

// Issue has ca sign the claims. ca's key is not a certificate; it signs with
// the first of its algorithms that [CASignatureAlgorithms] has. Issue refuses
// claims that no one would accept: without a principal, with a malformed value
// of an option, or with a critical option for a host; and such without an end.
// Other errors are ca's.
func (c *CertificateClaims) Issue(ctx context.Context, ca Signer) (*Certificate, error) {
	if err := c.check(); err != nil {
		return nil, claimError(err)
	}
	if ca == nil || ca.PublicKey() == nil {
		return nil, claimError(errNoKey)
	}
	authority := ca.PublicKey()
	if _, nested := authority.(*Certificate); nested {
		return nil, claimError(errors.New("the authority's key is a certificate itself"))
	}
	algorithms := ca.Algorithms()
	i := slices.IndexFunc(algorithms, func(name string) bool { return slices.Contains(CASignatureAlgorithms(), name) })
	if i < 0 {
		return nil, claimError(fmt.Errorf("no algorithm of the authority's %s key is one to sign certificates with", authority.Type()))
	}
	blob := c.marshal(authority)
	sig, err := ca.Sign(ctx, algorithms[i], blob)
	if err != nil {
		return nil, claimError(err)
	}
	blob = wire.AppendString(blob, sig.Marshal())
	cert, err := ParseCertificate(blob) // which verifies what ca has signed
	if err != nil {
		return nil, claimError(err)
	}
	if _, err := cert.Options(); err != nil && !errors.Is(err, ErrUnknownOption) {
		return nil, claimError(err)
	}
	return cert, nil
}

func (c *CertificateClaims) check() error {
	switch {
	case c.Type != UserCertificate && c.Type != HostCertificate:
		return errCertificateType
	case c.Key == nil:
		return errors.New("no key to certify")
	case lookupKeyType(c.Key.Type()) == nil:
		return &UnknownTypeError{Type: c.Key.Type()}
	case len(c.Principals) == 0:
		return errors.New("no principals, so that nobody would accept it")
	case len(c.Principals) > maxPrincipals:
		return errPrincipalCount
	case c.Type == HostCertificate && len(c.CriticalOptions) > 0:
		return errors.New("hosts' certificates have no critical options")
	case c.ValidBefore.IsZero():
		return errors.New("no end of its validity")
	case c.ValidBefore.Unix() < 0 || !c.ValidAfter.IsZero() && c.ValidAfter.Unix() < 0:
		return errors.New("validity before 1970")
	case c.validAfter() >= c.validBefore():
		return errors.New("validity ends before it begins")
	}
	for _, p := range c.Principals {
		if p == "" || hasZero(p) {
			return errPrincipalText
		}
	}
	return nil
}

func (c *CertificateClaims) validAfter() uint64 {
	if c.ValidAfter.IsZero() {
		return 0
	}
	return uint64(c.ValidAfter.Unix())
}

func (c *CertificateClaims) validBefore() uint64 {
	if !c.ValidBefore.Before(Forever) {
		return endless
	}
	return uint64(c.ValidBefore.Unix())
}

// marshal returns the certificate up to the signature, which covers it.
func (c *CertificateClaims) marshal(authority PublicKey) []byte {
	key := wire.NewReader(c.Key.Marshal())
	name := key.Text()
	var nonce [32]byte
	rand.Read(nonce[:])
	b := wire.AppendString(nil, certificateName(name))
	b = wire.AppendString(b, nonce[:])
	b = append(b, key.Rest()...)
	b = wire.AppendUint64(b, c.Serial)
	b = wire.AppendUint32(b, uint32(c.Type))
	b = wire.AppendString(b, c.KeyID)
	var principals []byte
	for _, p := range c.Principals {
		principals = wire.AppendString(principals, p)
	}
	b = wire.AppendString(b, principals)
	b = wire.AppendUint64(b, c.validAfter())
	b = wire.AppendUint64(b, c.validBefore())
	b = wire.AppendString(b, sortedOptions(c.CriticalOptions))
	b = wire.AppendString(b, sortedOptions(c.Extensions))
	b = wire.AppendString(b, "") // reserved
	return wire.AppendString(b, authority.Marshal())
}

// Claims returns what the certificate says, for display, or to be issued
// anew. The caller may change it.
func (c *Certificate) Claims() *CertificateClaims {
	claims := &CertificateClaims{
		Type: c.certType, Key: c.key, KeyID: c.keyID, Serial: c.serial, Principals: c.Principals(),
		ValidBefore:     certificateTime(c.validBefore),
		CriticalOptions: optionMap(c.critical), Extensions: optionMap(c.extensions),
	}
	if c.validAfter > 0 {
		claims.ValidAfter = certificateTime(c.validAfter)
	}
	return claims
}

func certificateTime(seconds uint64) time.Time {
	return time.Unix(int64(min(seconds, uint64(Forever.Unix()))), 0).UTC()
}
