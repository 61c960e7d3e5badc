package keys

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/fairlead-go/ssh/keys/internal/textfile"
)

// Why a certificate is not accepted. Every [CertificateError] is one of these,
// or has an [*OptionError] or the error of [CertificateCheck.Revoked].
var (
	ErrCertificateType    = errors.New("certificate is for the other kind of principal, user or host")
	ErrUnknownAuthority   = errors.New("authority is not trusted")
	ErrAuthorityAlgorithm = errors.New("authority signed with an algorithm that is not allowed")
	ErrNotYetValid        = errors.New("certificate is not valid yet")
	ErrCertificateExpired = errors.New("certificate has expired")
	ErrPrincipal          = errors.New("name is not a principal of the certificate")
	ErrSourceAddress      = errors.New("certificate is not valid from this address")
)

// A CertificateError says which certificate was not accepted, and why.
type CertificateError struct {
	KeyID     string // not escaped
	Serial    uint64
	Authority PublicKey
	Err       error
}

func (e *CertificateError) Error() string {
	return "keys: certificate " + quote(e.KeyID) + " (serial " + strconv.FormatUint(e.Serial, 10) + ") of authority " +
		e.Authority.Type() + " " + FingerprintSHA256(e.Authority) + ": " + e.Err.Error()
}

func (e *CertificateError) Unwrap() error { return e.Err }

// A CertificateCheck is what is asked of a certificate. The zero value accepts
// none.
type CertificateCheck struct {
	// Type is the type that the certificate must have.
	Type CertificateType
	// Authorities are trusted; one of them must have signed.
	Authorities []PublicKey
	// Principals are names of which the certificate must have one. It must
	// name a user exactly. For a host, in lower case, its names may be patterns
	// with '*' for any characters and '?' for any one. A certificate without
	// principals is for nobody.
	Principals []string
	// Address is where a user logs in from. The zero value is in no network of
	// the option source-address.
	Address netip.Addr
	// Time is when the certificate must be valid. Zero: now.
	Time time.Time
	// SignatureAlgorithms are those that authorities may sign with. Nil:
	// [CASignatureAlgorithms].
	SignatureAlgorithms []string
	// Revoked, if set, is asked about the certificate, the key that it
	// certifies, and the authority's. An error refuses the certificate.
	Revoked func(PublicKey) error
}

// Check returns nil if the certificate is all that is asked of it, including
// that none of its critical options is unknown or malformed. What they and
// the extensions say is for the caller to enforce, by [Certificate.Options];
// source-address aside. Errors are [*CertificateError].
func (c *Certificate) Check(want *CertificateCheck) error {
	if err := c.check(want); err != nil {
		return &CertificateError{KeyID: c.keyID, Serial: c.serial, Authority: c.ca, Err: err}
	}
	return nil
}

func (c *Certificate) check(want *CertificateCheck) error {
	algorithms := want.SignatureAlgorithms
	if algorithms == nil {
		algorithms = CASignatureAlgorithms()
	}
	switch {
	case c.certType != want.Type:
		return ErrCertificateType
	case !slices.ContainsFunc(want.Authorities, func(k PublicKey) bool { return Equal(k, c.ca) }):
		return ErrUnknownAuthority
	case !slices.Contains(algorithms, c.signatureFormat):
		return fmt.Errorf("%w: %s", ErrAuthorityAlgorithm, quote(c.signatureFormat))
	}
	if want.Revoked != nil {
		for _, k := range []PublicKey{c, c.key, c.ca} {
			if err := want.Revoked(k); err != nil {
				return err
			}
		}
	}
	if err := c.checkTime(want.Time); err != nil {
		return err
	}
	if !slices.ContainsFunc(want.Principals, c.names) {
		return ErrPrincipal
	}
	options, err := c.Options()
	if err != nil {
		return err
	}
	if !options.AllowsAddress(want.Address) {
		return ErrSourceAddress
	}
	return nil
}

func (c *Certificate) checkTime(t time.Time) error {
	if t.IsZero() {
		t = time.Now()
	}
	now := uint64(max(t.Unix(), 0))
	switch {
	case now < c.validAfter:
		return ErrNotYetValid
	case now >= c.validBefore:
		return ErrCertificateExpired
	}
	return nil
}

// names reports whether name is one of the certificate's principals.
func (c *Certificate) names(name string) bool {
	if name == "" {
		return false
	}
	if c.certType == HostCertificate {
		return slices.ContainsFunc(c.principals, func(p string) bool { return textfile.Match(p, name) })
	}
	return slices.Contains(c.principals, name)
}
