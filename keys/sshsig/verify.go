package sshsig

import (
	"io"
	"strings"
	"time"

	"github.com/fairlead-go/ssh/keys"
	"github.com/fairlead-go/ssh/keys/internal/textfile"
)

// A Verifier says whose signatures count. The zero value accepts none.
type Verifier struct {
	// Allowed says which keys sign for whom.
	Allowed AllowedSigners
	// Revoked, where it is set, is asked about the key or certificate of a
	// signature, then about the certificate's authority, and refuses with any
	// error. The method Check of krl.File is one.
	Revoked func(keys.PublicKey) error
	// Time is when the key must be allowed to sign, and its certificate be
	// valid: the time of the signature where that is known, such as that of a
	// commit. Zero: now.
	Time time.Time
	// SecurityKeys is what a security key must have asked of its user. The zero
	// value is a touch, which ssh-keygen does not ask for.
	SecurityKeys keys.SKPolicy
}

// Verify returns nil only if s is a signature of the message for the namespace,
// by a key that is allowed to sign for the principal, and is not revoked. The
// error is one of this package, [keys.ErrBadSignature] or another of package
// keys, that of Revoked, or a failure to read the message.
//
// A certificate must name the principal as well, and have no critical option
// that does not hold for signatures.
func (v *Verifier) Verify(principal, namespace string, message io.Reader, s *Signature) error {
	assertion, err := s.CheckSignature(namespace, message)
	if err != nil {
		return err
	}
	if err := v.SecurityKeys.Check(assertion); err != nil {
		return err
	}
	if err := v.checkRevoked(s.Key); err != nil {
		return err
	}
	if err := v.Allowed.check(principal, namespace, s.Key, v.time()); err != nil {
		return err
	}
	return v.checkOptions(s.Key, assertion)
}

func (v *Verifier) time() time.Time {
	if v.Time.IsZero() {
		return time.Now()
	}
	return v.Time
}

func (v *Verifier) checkRevoked(key keys.PublicKey) error {
	if v.Revoked == nil {
		return nil
	}
	if err := v.Revoked(key); err != nil {
		return err
	}
	if c, ok := key.(*keys.Certificate); ok {
		return v.Revoked(c.Authority())
	}
	return nil
}

// checkOptions enforces what a certificate asks of a security key.
func (v *Verifier) checkOptions(key keys.PublicKey, assertion *keys.Assertion) error {
	c, ok := key.(*keys.Certificate)
	if !ok {
		return nil
	}
	options, err := c.Options()
	if err != nil {
		return err
	}
	return keys.SKPolicy{NoTouchRequired: true, VerifyRequired: options.VerifyRequired}.Check(assertion)
}

// check returns nil if a line allows the key to sign.
func (a AllowedSigners) check(principal, namespace string, key keys.PublicKey, at time.Time) error {
	if principal == "" {
		return ErrNotAllowed
	}
	err := ErrNotAllowed
	for i := range a {
		s := &a[i]
		if !s.names(principal) || !s.has(key) {
			continue
		}
		reason := s.admits(key, principal, at)
		if reason == nil && !s.signsFor(namespace) {
			reason = ErrNamespace
		}
		if reason == nil {
			return nil
		}
		if err == ErrNotAllowed {
			err = &RefusedError{Line: s.Line, Reason: reason}
		}
	}
	return err
}

func (s *AllowedSigner) names(principal string) bool {
	return textfile.MatchExactList(s.Principals, principal) == textfile.Matched
}

func (s *AllowedSigner) signsFor(namespace string) bool {
	return !s.HasNamespaces || textfile.MatchExactList(s.Namespaces, namespace) == textfile.Matched
}

// has reports whether the line is for the key, or for the authority of the
// certificate that it is.
func (s *AllowedSigner) has(key keys.PublicKey) bool {
	if !s.CertAuthority {
		return keys.Equal(s.Key, key)
	}
	c, ok := key.(*keys.Certificate)
	return ok && keys.Equal(s.Key, c.Authority())
}

// admits returns nil if the line lets a key that it is for sign at a time for
// one of these principals.
func (s *AllowedSigner) admits(key keys.PublicKey, principal string, at time.Time) error {
	if c, ok := key.(*keys.Certificate); ok {
		if err := s.checkCertificate(c, []string{principal}, at); err != nil {
			return err
		}
	}
	return s.checkTime(at)
}

func (s *AllowedSigner) checkTime(at time.Time) error {
	switch now := at.Unix(); {
	case !s.ValidAfter.IsZero() && now < s.ValidAfter.Unix():
		return ErrNotYetValid
	case !s.ValidBefore.IsZero() && now > s.ValidBefore.Unix():
		return ErrExpired
	}
	return nil
}

func (s *AllowedSigner) checkCertificate(c *keys.Certificate, principals []string, at time.Time) error {
	return c.Check(&keys.CertificateCheck{
		Type:        keys.UserCertificate,
		Authorities: []keys.PublicKey{s.Key},
		Principals:  principals,
		Time:        at,
	})
}

// FindPrincipals returns whom the key or certificate signs for at a time, now
// if that is zero, by the first line that is for it: the line's patterns for a
// key, and for a certificate those of its own principals that they match. It
// does not look at namespaces. Nil: no one.
func (a AllowedSigners) FindPrincipals(key keys.PublicKey, at time.Time) []string {
	if at.IsZero() {
		at = time.Now()
	}
	for i := range a {
		s := &a[i]
		if !s.has(key) || s.checkTime(at) != nil {
			continue
		}
		c, ok := key.(*keys.Certificate)
		if !ok {
			return strings.Split(s.Principals, ",")
		}
		var names []string
		for _, name := range c.Principals() {
			if s.names(name) && s.checkCertificate(c, []string{name}, at) == nil {
				names = append(names, name)
			}
		}
		if names != nil {
			return names
		}
	}
	return nil
}

// MatchPrincipals returns the patterns of each line that is for the principal,
// as they stand there.
func (a AllowedSigners) MatchPrincipals(principal string) []string {
	var matched []string
	for i := range a {
		if a[i].names(principal) {
			matched = append(matched, a[i].Principals)
		}
	}
	return matched
}
