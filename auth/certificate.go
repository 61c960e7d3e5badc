package auth

import (
	"context"
	"errors"
	"slices"

	"github.com/fairlead-go/ssh/keys"
)

// An Authority says by whose word a certificate lets a user in. The zero value
// lets nobody in.
type Authority struct {
	// Keys are trusted; one of them must have signed the certificate.
	Keys []keys.PublicKey
	// Principals are names of which the certificate must have one. Often that
	// is the user's name alone; there is no default.
	Principals []string
	// Permissions are what logins by the authority's word may do. The
	// certificate's own restrictions add to them, by the rules of [Combine].
	Permissions *Permissions
}

// ErrNoAuthority: the Certificate callback named no authority.
var ErrNoAuthority = errors.New("auth: no authority is trusted for the user")

// TrustedAuthorities returns a [ServerConfig.Certificate] that trusts the
// authorities to say who any user is: a certificate must have the user's name
// among its principals.
func TrustedAuthorities(trusted ...keys.PublicKey) func(context.Context, *Attempt, *keys.Certificate) (*Authority, error) {
	trusted = slices.Clone(trusted)
	return func(_ context.Context, a *Attempt, _ *keys.Certificate) (*Authority, error) {
		return &Authority{Keys: trusted, Principals: []string{a.User}}, nil
	}
}

// EmptyCommand is a ForceCommand for an authorized_keys line or a certificate
// that forces the empty command: an empty ForceCommand forces none. It does
// nothing, in a shell.
const EmptyCommand = ":"

// CertificatePermissions returns what a user certificate leaves to a login: it
// forbids whatever the certificate does not permit. The option source-address
// is [keys.Certificate.Check]'s to enforce.
func CertificatePermissions(c *keys.Certificate) (*Permissions, error) {
	o, err := c.Options()
	if err != nil {
		return nil, err
	}
	p := &Permissions{
		NoPTY:             !o.PermitPTY,
		NoPortForwarding:  !o.PermitPortForwarding,
		NoAgentForwarding: !o.PermitAgentForwarding,
		NoX11Forwarding:   !o.PermitX11Forwarding,
		NoUserRC:          !o.PermitUserRC,
		VerifyRequired:    o.VerifyRequired,
		NoTouchRequired:   o.NoTouchRequired,
	}
	if p.ForceCommand = o.ForceCommand; o.HasForceCommand && o.ForceCommand == "" {
		p.ForceCommand = EmptyCommand
	}
	return p, nil
}

// judgeKey returns what a login by the key may do. What is said of a query is
// no more than that.
func (s *server) judgeKey(a *Attempt, key keys.PublicKey) (*Permissions, error) {
	c, ok := key.(*keys.Certificate)
	if ok {
		return s.judgeCertificate(a, c)
	}
	if s.cfg.PublicKey == nil {
		return nil, ErrNotOffered
	}
	if s.cfg.Revoked != nil {
		if err := s.cfg.Revoked(key); err != nil {
			return nil, err
		}
	}
	return s.cfg.PublicKey(s.ctx, a, key)
}

// judgeCertificate asks the callback who is trusted, and no more: whether the
// certificate holds here and now is decided here.
func (s *server) judgeCertificate(a *Attempt, c *keys.Certificate) (*Permissions, error) {
	if s.cfg.Certificate == nil {
		return nil, ErrNotOffered
	}
	authority, err := s.cfg.Certificate(s.ctx, a, c)
	if err != nil {
		return nil, err
	}
	if authority == nil {
		return nil, ErrNoAuthority
	}
	err = c.Check(&keys.CertificateCheck{
		Type:                keys.UserCertificate,
		Authorities:         authority.Keys,
		Principals:          authority.Principals,
		Address:             s.session.RemoteIP(),
		SignatureAlgorithms: s.cfg.CASignatureAlgorithms,
		Revoked:             s.cfg.Revoked,
	})
	if err != nil {
		return nil, err
	}
	own, err := CertificatePermissions(c)
	if err != nil {
		return nil, err
	}
	return Combine(own, authority.Permissions)
}
