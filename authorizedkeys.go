package ssh

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"net/netip"

	"github.com/fairlead-go/ssh/auth"
	"github.com/fairlead-go/ssh/keys"
	"github.com/fairlead-go/ssh/keys/authorizedkeys"
)

// AuthorizedKeys returns a PublicKey callback for auth.ServerConfig that lets
// users in by authorized_keys files, with every restriction of the line that
// has the key (see KeyPermissions). file names the file of a user, whose name
// is the client's and may be anything; "" is none. A file is read at each
// attempt, so that changes count at once. Lines that cannot be understood let
// nobody in.
//
// Who may write the file is not looked at: see authorizedkeys.CheckPermissions.
func AuthorizedKeys(file func(user string) string) func(context.Context, *auth.Attempt, keys.PublicKey) (*auth.Permissions, error) {
	return func(_ context.Context, a *auth.Attempt, key keys.PublicKey) (*auth.Permissions, error) {
		entry, err := findAuthorized(file(a.User), a, key)
		if err != nil {
			return nil, err
		}
		return KeyPermissions(entry.Options), nil
	}
}

// AuthorizedCertificates returns a Certificate callback for auth.ServerConfig
// that trusts the authorities of authorized_keys files: the cert-authority
// lines of the user's file, with all that they restrict. A certificate must
// have the user's name among its principals, or one of the line's option
// principals. Files are found and read as by AuthorizedKeys.
func AuthorizedCertificates(file func(user string) string) func(context.Context, *auth.Attempt, *keys.Certificate) (*auth.Authority, error) {
	return func(_ context.Context, a *auth.Attempt, c *keys.Certificate) (*auth.Authority, error) {
		entry, err := findAuthorized(file(a.User), a, c)
		if err != nil {
			return nil, err
		}
		return &auth.Authority{
			Keys:        []keys.PublicKey{entry.Key},
			Principals:  entry.Options.CertificatePrincipals(a.User),
			Permissions: KeyPermissions(entry.Options),
		}, nil
	}
}

// findAuthorized returns the line of a file that lets the key or certificate in.
func findAuthorized(path string, a *auth.Attempt, key keys.PublicKey) (*authorizedkeys.Entry, error) {
	if path == "" {
		return nil, authorizedkeys.ErrNotFound
	}
	entries, _, err := authorizedkeys.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, authorizedkeys.ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	return authorizedkeys.Find(entries, authorizedkeys.Login{Key: key, User: a.User, Remote: a.Session.RemoteIP()})
}

// addrOf returns the IP address of a, which is not valid where a has none.
func addrOf(a net.Addr) netip.Addr { return (&auth.Session{RemoteAddr: a}).RemoteIP() }

// KeyPermissions returns what the options of an authorized_keys line leave to
// a login. Its environment is left out, as sshd does unless told otherwise: a
// variable can change what programs do. From, ExpiryTime and Principals are
// authorizedkeys.Find's to check.
func KeyPermissions(o authorizedkeys.Options) *auth.Permissions {
	p := &auth.Permissions{
		NoPTY:             o.NoPTY,
		NoPortForwarding:  o.NoPortForwarding,
		NoAgentForwarding: o.NoAgentForwarding,
		NoX11Forwarding:   o.NoX11Forwarding,
		NoUserRC:          o.NoUserRC,
		PermitOpen:        o.PermitOpen,
		PermitListen:      o.PermitListen,
		VerifyRequired:    o.VerifyRequired,
		NoTouchRequired:   o.NoTouchRequired,
		Tunnel:            o.Tunnel,
	}
	if o.HasCommand {
		p.ForceCommand = o.Command
		if o.Command == "" {
			p.ForceCommand = auth.EmptyCommand
		}
	}
	return p
}
