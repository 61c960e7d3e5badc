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
		path := file(a.User)
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
		entry, err := authorizedkeys.Find(entries, authorizedkeys.Login{Key: key, Remote: addrOf(a.Session.RemoteAddr)})
		if err != nil {
			return nil, err
		}
		return KeyPermissions(entry.Options), nil
	}
}

// addrOf returns the IP address of a, which is not valid where a has none.
func addrOf(a net.Addr) netip.Addr {
	if tcp, ok := a.(*net.TCPAddr); ok {
		return tcp.AddrPort().Addr().Unmap()
	}
	return netip.Addr{}
}

// emptyCommand stands for command="", since an empty ForceCommand forces none.
// It does nothing in a shell.
const emptyCommand = ":"

// KeyPermissions returns what the options of an authorized_keys line leave to
// a login. Its environment is left out, as sshd does unless told otherwise: a
// variable can change what programs do. From and ExpiryTime are
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
	}
	if o.HasCommand {
		p.ForceCommand = o.Command
		if o.Command == "" {
			p.ForceCommand = emptyCommand
		}
	}
	return p
}
