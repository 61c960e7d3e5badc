package auth

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/fairlead-go/ssh/keys"
)

// A ServerConfig says how users prove who they are. At least one of None,
// Password, PublicKey, Certificate and KeyboardInteractive must be set; each is
// a method that is offered, PublicKey and Certificate the same one, and one
// proven method is enough unless Verified asks for more.
//
// The callbacks are called one at a time on the goroutine that called
// [Server]. Their context ends when Timeout passes or Server's own context
// ends; not when the client goes away, which is noticed only afterwards. Any
// error refuses the attempt and no part of it reaches the client. Permissions
// of nil allow all that the server's configuration does.
type ServerConfig struct {
	// None decides on the method none, which proves nothing. nil refuses it.
	// [AllowAnonymous] lets everybody in.
	None func(ctx context.Context, a *Attempt) (*Permissions, error)

	// Password decides on a password, which is the client's bytes as they
	// came, valid until the callback returns and wiped then. Compare hashes of
	// it. A [*PasswordChangeRequired] error asks the client for a new one, if
	// ChangePassword is set.
	Password func(ctx context.Context, a *Attempt, password []byte) (*Permissions, error)

	// ChangePassword decides on a request to change a password, which a client
	// may also send unasked. It must check the old password as Password does,
	// and may return [*PasswordChangeRequired] for a new one that is not good
	// enough. nil refuses such requests.
	ChangePassword func(ctx context.Context, a *Attempt, oldPassword, newPassword []byte) (*Permissions, error)

	// PublicKey decides whether key may log in as a.User. It is asked before
	// the client signs, with a.Query set, when nothing is proven and the
	// permissions returned are forgotten; and after its signature has been
	// verified, with a.Query not set.
	PublicKey func(ctx context.Context, a *Attempt, key keys.PublicKey) (*Permissions, error)

	// Certificate names the authorities that may say who logs in as a.User. It
	// is asked like PublicKey, about a certificate that someone has signed and
	// that nothing else is known of. The caller's part is to say who is
	// trusted: that the certificate is by one of them, for a user, valid now
	// and here, not revoked, and without critical options that are not known,
	// is checked afterwards, and what it restricts is in the login's
	// Permissions. nil refuses certificates. See [TrustedAuthorities].
	Certificate func(ctx context.Context, a *Attempt, c *keys.Certificate) (*Authority, error)

	// CASignatureAlgorithms are those that authorities may sign certificates
	// with. nil: [keys.CASignatureAlgorithms].
	CASignatureAlgorithms []string

	// Revoked, if set, is asked about each key before it lets anybody in: of a
	// certificate, about itself, the key that it certifies, and the authority's.
	// An error refuses the attempt.
	Revoked func(keys.PublicKey) error

	// KeyboardInteractive leads a dialogue with ask, which returns as many
	// answers as there are questions. Where ask fails the attempt is refused
	// whatever the callback returns. ask is valid until the callback returns.
	KeyboardInteractive func(ctx context.Context, a *Attempt, ask func(context.Context, *Challenge) ([]string, error)) (*Permissions, error)

	// Verified is called each time that a method has been proven, with all
	// that has been proven so far and its combined permissions. It returns the
	// methods of which one more is required, or none when authentication is
	// complete. It may add to the identity's permissions; what it takes from
	// them stays. An error, or next without a single method that is configured
	// here, refuses the attempt, which then proves nothing. nil: the first
	// proven method completes authentication.
	Verified func(ctx context.Context, id *Identity) (next []string, err error)

	// Banner is sent before the answer to the first request, if not empty: at
	// most 128 KiB.
	Banner string

	// MaxAuthTries is the number of refused requests after which the client is
	// disconnected, as with sshd: refused key queries count, a first request
	// for none does not. 0: 6.
	MaxAuthTries int
	// MaxAttempts bounds all messages of the client: requests of any outcome
	// and answers in dialogues. 0: 100.
	MaxAttempts int
	// Timeout bounds authentication as a whole. 0: 120 s; negative: none.
	Timeout time.Duration

	// PublicKeyAlgorithms are the signature algorithms accepted for method
	// publickey, those of certificates among them. nil: [PublicKeyAlgorithms],
	// and with Certificate [keys.CertificateAlgorithms]. What the transport is
	// to announce is what SignatureAlgorithms returns.
	PublicKeyAlgorithms []string
	// LegacyAlgorithms are those of what keys.LegacyAlgorithms returns that may
	// be used: they may stand in PublicKeyAlgorithms, which if nil ends with
	// them.
	LegacyAlgorithms []string

	// FailureDelay is the least time from a request to its refusal, for
	// requests that a callback or a signature check decided. One that takes
	// longer is rounded up to FailureDelay times a power of two, up to 5 s.
	// 0: 50 ms; negative: none.
	FailureDelay time.Duration

	// Log, if set, is told of each request once it is decided: with a nil error
	// when authentication completed or a query was answered with yes,
	// [ErrPartialSuccess] when a method was proven and more is required,
	// [*PasswordChangeRequired] when a new password was asked for, and
	// otherwise with why it was refused. It must not keep a.
	Log func(a *Attempt, err error)
}

// AllowAnonymous is a [ServerConfig.None] that lets everybody in, under any
// user name, without proof.
func AllowAnonymous(context.Context, *Attempt) (*Permissions, error) { return nil, nil }

// PublicKeyAlgorithms returns the signature algorithms that a server accepts
// for method publickey by default, preferred first. SHA-1 is not among them.
func PublicKeyAlgorithms() []string {
	return keys.Algorithms()
}

func checkLegacy(names []string) error {
	for _, name := range names {
		if !slices.Contains(keys.LegacyAlgorithms(), name) {
			return fmt.Errorf("auth: unknown legacy algorithm %q", name)
		}
	}
	return nil
}

// An Attempt is one request of a client, valid during the callback.
type Attempt struct {
	User      string // as the client sent it, up to 1024 bytes; escape before printing
	Session   *Session
	Method    string
	Algorithm string  // publickey: the signature algorithm
	Query     bool    // publickey: only asked whether the key would do; proves nothing
	Proven    []Proof // by earlier requests of this connection

	// Assertion is what a security key says of its signature; nil for other
	// keys and for queries. Whether the user must have touched it is for the
	// callback's Permissions to say.
	Assertion *keys.Assertion

	server *server
}

// SendBanner sends a text for the client to show. All banners of a connection
// together may be 32 in number and 128 KiB in size.
func (a *Attempt) SendBanner(message string) error {
	if a.server == nil {
		return errors.New("auth: the attempt is over")
	}
	return a.server.sendBanner(message)
}

// A Proof is one method that a client has proven.
type Proof struct {
	Method    string
	Key       keys.PublicKey // publickey only; a *keys.Certificate where the key came with one
	Algorithm string         // publickey only: the signature algorithm

	Assertion *keys.Assertion // publickey with a security key only: what it said
}

// An Identity is who a client has proven to be.
type Identity struct {
	User        string
	Methods     []Proof      // in the order proven, at least one
	Permissions *Permissions // of all methods, combined; nil: no restriction
}

// HasMethod reports whether a method is configured, so that somebody could log
// in.
func (c *ServerConfig) HasMethod() bool {
	return c != nil && slices.ContainsFunc(serverMethods, func(m serverMethod) bool { return m.configured(c) })
}

// SignatureAlgorithms returns what belongs in the server-sig-algs that the
// transport announces (RFC 8308 section 3.1): the algorithms by which keys and
// certified keys may sign.
func (c *ServerConfig) SignatureAlgorithms() []string {
	var formats []string
	for _, name := range c.publicKeyAlgorithms() {
		if format := keys.SignatureFormat(name); !slices.Contains(formats, format) {
			formats = append(formats, format)
		}
	}
	return formats
}

func (c *ServerConfig) publicKeyAlgorithms() []string {
	switch {
	case c.PublicKeyAlgorithms != nil:
		return slices.Clone(c.PublicKeyAlgorithms)
	case c.Certificate == nil:
		return append(PublicKeyAlgorithms(), c.LegacyAlgorithms...)
	}
	return slices.Concat(PublicKeyAlgorithms(), keys.CertificateAlgorithms(), c.LegacyAlgorithms)
}

// withDefaults returns a copy of c with its defaults filled in, or what is
// wrong with it.
func (c *ServerConfig) withDefaults() (*ServerConfig, error) {
	if !c.HasMethod() {
		return nil, errors.New("auth: no authentication method is configured")
	}
	d := *c
	if d.MaxAuthTries < 0 || d.MaxAttempts < 0 {
		return nil, errors.New("auth: MaxAuthTries and MaxAttempts cannot be negative")
	}
	d.MaxAuthTries = cmp.Or(d.MaxAuthTries, defaultMaxAuthTries)
	d.MaxAttempts = cmp.Or(d.MaxAttempts, defaultMaxAttempts)
	d.Timeout = cmp.Or(d.Timeout, defaultTimeout)
	d.FailureDelay = cmp.Or(d.FailureDelay, defaultFailureDelay)
	if len(d.Banner) > maxBannerBytes {
		return nil, fmt.Errorf("auth: Banner is longer than %d bytes", maxBannerBytes)
	}
	if err := checkLegacy(d.LegacyAlgorithms); err != nil {
		return nil, err
	}
	d.PublicKeyAlgorithms = c.publicKeyAlgorithms()
	for _, name := range d.PublicKeyAlgorithms {
		format := keys.SignatureFormat(name)
		switch {
		case slices.Contains(d.LegacyAlgorithms, name):
		case slices.Contains(keys.LegacyAlgorithms(), name):
			return nil, fmt.Errorf("auth: public key algorithm %q is not safe: it needs LegacyAlgorithms", name)
		case !slices.Contains(keys.SupportedAlgorithms(), format):
			return nil, fmt.Errorf("auth: unknown public key algorithm %q", name)
		case format != name && c.Certificate == nil:
			return nil, fmt.Errorf("auth: algorithm %q without Certificate, so that no authority is trusted", name)
		}
	}
	for _, name := range d.CASignatureAlgorithms {
		if !slices.Contains(keys.SupportedAlgorithms(), name) {
			return nil, fmt.Errorf("auth: unknown signature algorithm %q of authorities", name)
		}
	}
	d.CASignatureAlgorithms = slices.Clone(d.CASignatureAlgorithms)
	return &d, nil
}
