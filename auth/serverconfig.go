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
// Password, PublicKey and KeyboardInteractive must be set; each is a method
// that is offered, and one proven method is enough unless Verified asks for
// more.
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
	// publickey. nil: [PublicKeyAlgorithms]. The same list belongs in the
	// server-sig-algs that the transport announces.
	PublicKeyAlgorithms []string

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
	Key       keys.PublicKey // publickey only
	Algorithm string         // publickey only: the signature algorithm

	Assertion *keys.Assertion // publickey with a security key only: what it said
}

// An Identity is who a client has proven to be.
type Identity struct {
	User        string
	Methods     []Proof      // in the order proven, at least one
	Permissions *Permissions // of all methods, combined; nil: no restriction
}

// withDefaults returns a copy of c with its defaults filled in, or what is
// wrong with it.
func (c *ServerConfig) withDefaults() (*ServerConfig, error) {
	if c == nil || c.None == nil && c.Password == nil && c.PublicKey == nil && c.KeyboardInteractive == nil {
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
	if d.PublicKeyAlgorithms == nil {
		d.PublicKeyAlgorithms = PublicKeyAlgorithms()
	} else {
		d.PublicKeyAlgorithms = slices.Clone(d.PublicKeyAlgorithms)
		known := keys.SupportedAlgorithms()
		for _, name := range d.PublicKeyAlgorithms {
			if !slices.Contains(known, name) {
				return nil, fmt.Errorf("auth: unknown public key algorithm %q", name)
			}
		}
	}
	return &d, nil
}
