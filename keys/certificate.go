package keys

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"github.com/fairlead-go/ssh/wire"
)

// A CertificateType says whom a certificate names.
type CertificateType uint32

// The types of certificates. There is no other.
const (
	UserCertificate CertificateType = 1
	HostCertificate CertificateType = 2
)

func (t CertificateType) String() string {
	switch t {
	case UserCertificate:
		return "user"
	case HostCertificate:
		return "host"
	}
	return fmt.Sprintf("CertificateType(%d)", uint32(t))
}

// What a certificate may hold at most. Principals as in OpenSSH.
const (
	maxPrincipals         = 256
	maxCertificateOptions = 256 // critical options, and again extensions
)

// A Certificate is a public key with what an authority says of it (OpenSSH's
// PROTOCOL.certkeys). The authority's signature has been verified: there is
// no Certificate without a valid one. Whether the authority is to be believed,
// and whether what it says holds here and now, is for [Certificate.Check].
//
// As a PublicKey it is that of the certified key under names of its own: its
// signatures carry the plain key's name, see [SignatureFormat].
type Certificate struct {
	typ  *keyType
	key  PublicKey // the certified key
	ca   PublicKey
	blob []byte

	serial                  uint64
	certType                CertificateType
	keyID                   string
	principals              []string
	validAfter, validBefore uint64 // seconds; [after, before)
	critical, extensions    []certificateOption
	signatureFormat         string // of the authority's signature
}

// A certificateOption is a critical option or an extension.
type certificateOption struct {
	name string
	data []byte
}

var (
	errCertificateType = errors.New("neither for a user nor for a host")
	errZeroByte        = errors.New("text holds a zero byte")
	errPrincipalCount  = fmt.Errorf("more than %d principals", maxPrincipals)
	errOptionCount     = fmt.Errorf("more than %d options", maxCertificateOptions)
	errOptionTwice     = errors.New("an option stands there twice")
)

// ParseCertificate parses a certificate in wire form, and verifies the
// authority's signature. It keeps no reference to blob. Errors are those of
// [ParsePublicKey], of the two keys in it as well; [ErrBadSignature] where the
// signature does not verify; and an [*UnknownTypeError] for an authority's key
// that is itself a certificate.
func ParseCertificate(blob []byte) (*Certificate, error) {
	blob = bytes.Clone(blob) // the options stay aliases of it
	r := wire.NewReader(blob)
	name := r.Bytes()
	if err := r.Err(); err != nil {
		return nil, &MalformedError{What: "certificate", Err: err}
	}
	t := lookupCertificateType(name)
	if t == nil {
		return nil, &UnknownTypeError{Type: string(name)}
	}
	c := &Certificate{typ: t, blob: blob}
	if err := c.parse(&r); err != nil {
		return nil, malformed(string(name), err)
	}
	return c, nil
}

func (c *Certificate) parse(r *wire.Reader) error {
	r.Bytes() // the nonce
	c.key = c.typ.parse(r)
	c.serial = r.Uint64()
	c.certType = CertificateType(r.Uint32())
	c.keyID = r.Text()
	principals := r.Bytes()
	c.validAfter, c.validBefore = r.Uint64(), r.Uint64()
	critical, extensions := r.Bytes(), r.Bytes()
	r.Bytes() // reserved
	ca := r.Bytes()
	signed := len(c.blob) - r.Len()
	signature := r.Bytes()
	switch err := r.End(); {
	case err != nil:
		return err
	case c.key == nil:
		return wire.ErrInvalid
	case c.certType != UserCertificate && c.certType != HostCertificate:
		return errCertificateType
	case hasZero(c.keyID):
		return errZeroByte
	}
	var err error
	if c.principals, err = parsePrincipals(principals); err != nil {
		return err
	}
	if c.critical, err = parseCertificateOptions(critical); err != nil {
		return err
	}
	if c.extensions, err = parseCertificateOptions(extensions); err != nil {
		return err
	}
	if c.ca, err = ParsePublicKey(ca); err != nil {
		return err
	}
	sig, err := ParseSignature(signature)
	if err != nil {
		return err
	}
	c.signatureFormat = sig.Format
	// Whether an authority that is a security key must be touched is the
	// authority's affair.
	_, err = verifyAssertion(c.ca, c.blob[:signed], sig)
	return err
}

func hasZero(s string) bool { return bytes.IndexByte([]byte(s), 0) >= 0 }

func parsePrincipals(b []byte) ([]string, error) {
	r := wire.NewReader(b)
	var names []string
	for r.Len() > 0 {
		if len(names) == maxPrincipals {
			return nil, errPrincipalCount
		}
		name := r.Text()
		if hasZero(name) {
			return nil, errZeroByte
		}
		names = append(names, name)
	}
	return names, r.Err()
}

// parseCertificateOptions copies nothing: the result aliases b.
func parseCertificateOptions(b []byte) ([]certificateOption, error) {
	r := wire.NewReader(b)
	var options []certificateOption
	seen := make(map[string]bool)
	for r.Len() > 0 {
		if len(options) == maxCertificateOptions {
			return nil, errOptionCount
		}
		o := certificateOption{name: r.Text(), data: r.Bytes()}
		if r.Err() != nil {
			break
		}
		if hasZero(o.name) {
			return nil, errZeroByte
		}
		if seen[o.name] {
			return nil, errOptionTwice
		}
		seen[o.name] = true
		options = append(options, o)
	}
	return options, r.Err()
}

// ParseKeyOrCertificate parses what a peer may show where either will do: a
// public key as [ParsePublicKey], or a [*Certificate] as [ParseCertificate].
func ParseKeyOrCertificate(blob []byte) (PublicKey, error) {
	r := wire.NewReader(blob)
	if lookupCertificateType(r.Bytes()) == nil {
		return ParsePublicKey(blob)
	}
	c, err := ParseCertificate(blob)
	if err != nil {
		return nil, err
	}
	return c, nil
}

// PlainKey returns the key that k certifies if k is a certificate, otherwise k.
func PlainKey(k PublicKey) PublicKey {
	if c, ok := k.(*Certificate); ok && c != nil {
		return c.key
	}
	return k
}

// Type returns the name of the certificate's format, such as
// ssh-ed25519-cert-v01@openssh.com.
func (c *Certificate) Type() string { return certificateName(c.typ.name) }

// Marshal returns the certificate's wire form, as it was parsed or issued. The
// caller must not change it.
func (c *Certificate) Marshal() []byte { return slices.Clip(c.blob) }

// Algorithms returns the names under which the certified key signs for its
// certificate, preferred first.
func (c *Certificate) Algorithms() []string { return certificateNames(c.typ.algorithms) }

// Verify returns nil only if sig is the certified key's signature of data. Its
// format is one of the plain key's.
func (c *Certificate) Verify(data []byte, sig *Signature) error { return c.key.Verify(data, sig) }

func (c *Certificate) verifyAssertion(data []byte, sig *Signature) (*Assertion, error) {
	return verifyAssertion(c.key, data, sig)
}

// Key returns the certified key.
func (c *Certificate) Key() PublicKey { return c.key }

// Authority returns the key that signed the certificate.
func (c *Certificate) Authority() PublicKey { return c.ca }

// SignatureAlgorithm returns the algorithm with which the authority signed.
func (c *Certificate) SignatureAlgorithm() string { return c.signatureFormat }

// CertificateType returns whether the certificate is for a user or a host.
func (c *Certificate) CertificateType() CertificateType { return c.certType }

// Serial returns the number that the authority gave the certificate, 0 if it
// gives none.
func (c *Certificate) Serial() uint64 { return c.serial }

// KeyID returns the authority's name for the certificate, for logs. It is
// text of the authority's: escape it before it is shown.
func (c *Certificate) KeyID() string { return c.keyID }

// Principals returns the names of the users or hosts that the certificate is
// for. The caller may change the result.
func (c *Certificate) Principals() []string { return slices.Clone(c.principals) }
