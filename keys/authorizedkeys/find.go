package authorizedkeys

import (
	"errors"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/fairlead-go/ssh/keys"
)

// Why [Find] found no entry.
var (
	ErrNotFound  = errors.New("authorizedkeys: key is not authorized")
	ErrExpired   = errors.New("authorizedkeys: key has expired")
	ErrFrom      = errors.New("authorizedkeys: key is not authorized from this address")
	ErrPrincipal = errors.New("authorizedkeys: certificate has no principal that is authorized")
	ErrCommand   = errors.New("authorizedkeys: certificate forces another command")
)

// A RefusedError is returned where a line has the key, but does not let it in.
type RefusedError struct {
	Line   int
	Reason error // [ErrExpired] and the others above, or what is wrong with a certificate's options
}

func (e *RefusedError) Error() string {
	return e.Reason.Error() + " (line " + strconv.Itoa(e.Line) + ")"
}
func (e *RefusedError) Unwrap() error { return e.Reason }

// A Login is who wants to log in.
type Login struct {
	Key    keys.PublicKey // a [*keys.Certificate] where the client showed one
	User   string         // whom a certificate must name, unless the line says otherwise
	Remote netip.Addr     // address of the client; the zero value matches no from option
	Host   string         // name of the client, if it was verified; see [Options.AllowsFrom]
	Time   time.Time      // zero: now
}

// Find returns the first entry that has the key and lets the client in. The
// error is [ErrNotFound], or a [*RefusedError] for the first line that has the
// key.
//
// For a certificate, an entry has the key if it is a certificate authority and
// the key is the authority's; the certificate must have one of
// [Options.CertificatePrincipals], and force no other command than the entry.
// That the certificate is valid, and from this address, is for
// [keys.Certificate.Check] to say.
func Find(entries []Entry, l Login) (*Entry, error) {
	if l.Time.IsZero() {
		l.Time = time.Now()
	}
	key := l.Key
	certificate, certified := key.(*keys.Certificate)
	if certified {
		key = certificate.Authority()
	}
	err := ErrNotFound
	for i := range entries {
		e := &entries[i]
		if e.Options.CertAuthority != certified || !keys.Equal(e.Key, key) {
			continue
		}
		reason := e.Options.admits(&l)
		if reason == nil && certified {
			reason = e.Options.admitsCertificate(certificate, l.User)
		}
		if reason == nil {
			return e, nil
		}
		if err == ErrNotFound {
			err = &RefusedError{Line: e.Line, Reason: reason}
		}
	}
	return nil, err
}

// admits returns nil if the client may log in now and from where it is.
func (o *Options) admits(l *Login) error {
	switch {
	case o.expired(l.Time):
		return ErrExpired
	case !o.AllowsFrom(l.Remote, l.Host):
		return ErrFrom
	}
	return nil
}

// admitsCertificate returns nil if the certificate names someone who may log in
// as user, and the two do not force different commands.
func (o *Options) admitsCertificate(c *keys.Certificate, user string) error {
	names := c.Principals()
	if !slices.ContainsFunc(o.CertificatePrincipals(user), func(name string) bool { return slices.Contains(names, name) }) {
		return ErrPrincipal
	}
	return o.admitsCommand(c)
}

// admitsCommand returns nil unless o and the certificate force two commands.
func (o *Options) admitsCommand(c *keys.Certificate) error {
	its, err := c.Options()
	if err != nil {
		return err
	}
	if o.HasCommand && its.HasForceCommand && o.Command != its.ForceCommand {
		return ErrCommand
	}
	return nil
}

// CertificatePrincipals returns the names of which a certificate must have one
// to log in as user: Principals, or where that is nil the user's. What follows
// an empty name in Principals is left out, as sshd does it.
func (o *Options) CertificatePrincipals(user string) []string {
	names := o.Principals
	if names == nil {
		names = []string{user}
	}
	if i := slices.Index(names, ""); i >= 0 {
		names = names[:i]
	}
	return slices.Clone(names)
}

// expired reports whether the key is no longer accepted at the time now.
func (o *Options) expired(now time.Time) bool {
	return !o.ExpiryTime.IsZero() && now.Unix() > o.ExpiryTime.Unix()
}
