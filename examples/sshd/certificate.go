package main

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"strconv"

	"github.com/fairlead-go/ssh/auth"
	"github.com/fairlead-go/ssh/examples/internal/serverconfig"
	"github.com/fairlead-go/ssh/keys"
	"github.com/fairlead-go/ssh/keys/authorizedkeys"
)

// certificate says by whose word a certificate lets the user in: that of a
// cert-authority line of the user's files, of TrustedUserCAKeys, or of a
// cert-authority line that AuthorizedKeysCommand prints. Whether it holds is
// the library's to check.
func (c *connection) certificate(ctx context.Context, a *auth.Attempt, cert *keys.Certificate) (*auth.Authority, error) {
	if err := c.admitKey(a, cert); err != nil {
		return nil, err
	}
	entry, err := c.findInFiles(a, cert)
	if err == nil {
		return c.lineAuthority(ctx, cert, entry)
	}
	trusted, terr := c.trustedAuthority(ctx, cert)
	if terr == nil {
		return trusted, nil
	}
	if !errors.Is(terr, authorizedkeys.ErrNotFound) {
		c.log.infof("Refusing certificate %s: %v", describeKey(cert), terr)
		err = terr
	}
	if c.opts.AuthorizedKeysCommand == "" {
		return nil, err
	}
	if entry, err = c.findByCommand(ctx, cert); err != nil {
		return nil, err
	}
	return c.lineAuthority(ctx, cert, entry)
}

// lineAuthority is the authority of a cert-authority line.
func (c *connection) lineAuthority(ctx context.Context, cert *keys.Certificate, entry *authorizedkeys.Entry) (*auth.Authority, error) {
	return c.authority(ctx, cert, entry.Options.CertificatePrincipals(c.account.Name), &entry.Options)
}

// authority trusts who signed the certificate to name one of the principals,
// under the restrictions of a line, if there is one.
func (c *connection) authority(ctx context.Context, cert *keys.Certificate, principals []string, line *authorizedkeys.Options) (*auth.Authority, error) {
	p, err := c.grant(ctx, line)
	if err != nil {
		return nil, err
	}
	own, err := cert.Options()
	if err != nil {
		return nil, err
	}
	if own.HasForceCommand && c.opts.ForceCommand != "" {
		p.ForceCommand = "" // ForceCommand goes before the certificate's when a session starts
	}
	if line == nil {
		p.NoTouchRequired = !c.opts.TouchRequired // the certificate says
	}
	return &auth.Authority{Keys: []keys.PublicKey{cert.Authority()}, Principals: principals, Permissions: p}, nil
}

// trustedAuthority looks for who signed the certificate in TrustedUserCAKeys,
// and for whom it may name.
func (c *connection) trustedAuthority(ctx context.Context, cert *keys.Certificate) (*auth.Authority, error) {
	if c.opts.TrustedUserCAKeys == "" {
		return nil, authorizedkeys.ErrNotFound
	}
	trusted, err := keyInFile(c.opts.TrustedUserCAKeys, cert.Authority())
	if err != nil {
		c.log.errorf("TrustedUserCAKeys: %v", err)
	}
	if !trusted {
		return nil, authorizedkeys.ErrNotFound
	}
	if c.opts.AuthorizedPrincipalsFile == "" && c.opts.AuthorizedPrincipalsCommand == "" {
		return c.authority(ctx, cert, []string{c.account.Name}, nil)
	}
	p, err := c.principal(ctx, cert)
	if err != nil {
		return nil, err
	}
	return c.authority(ctx, cert, []string{p.Name}, &p.Options)
}

// principal returns the line of AuthorizedPrincipalsFile, or of what
// AuthorizedPrincipalsCommand prints, that has one of the certificate's names.
func (c *connection) principal(ctx context.Context, cert *keys.Certificate) (*authorizedkeys.Principal, error) {
	err := error(authorizedkeys.ErrPrincipal)
	if c.opts.AuthorizedPrincipalsFile != "" {
		u := c.account
		path, perr := serverconfig.UserPath(c.opts.AuthorizedPrincipalsFile, &serverconfig.User{Name: u.Name, Home: u.Home, UID: int(u.UID)})
		if perr != nil {
			return nil, perr
		}
		var principals []authorizedkeys.Principal
		var bad []*authorizedkeys.LineError
		ferr := c.readUsers(path, "authorized principals", func() (err error) {
			principals, bad, err = authorizedkeys.ReadPrincipalsFile(path)
			return err
		})
		if ferr == nil {
			var p *authorizedkeys.Principal
			if p, err = c.findPrincipal(principals, bad, cert); !errors.Is(err, authorizedkeys.ErrPrincipal) {
				return p, err
			}
		}
	}
	if c.opts.AuthorizedPrincipalsCommand == "" {
		return nil, err
	}
	ca := cert.Authority()
	out, err := c.userCommand(ctx, "AuthorizedPrincipalsCommand", c.opts.AuthorizedPrincipalsCommand, c.opts.AuthorizedPrincipalsCmdUser, map[byte]string{
		't': cert.Type(), 'k': base64Of(cert), 'f': keys.FingerprintSHA256(cert),
		'T': ca.Type(), 'K': base64Of(ca), 'F': keys.FingerprintSHA256(ca),
		'i': cert.KeyID(), 's': strconv.FormatUint(cert.Serial(), 10),
	})
	if err != nil {
		return nil, authorizedkeys.ErrPrincipal
	}
	principals, bad := authorizedkeys.ParsePrincipals(out)
	return c.findPrincipal(principals, bad, cert)
}

func (c *connection) findPrincipal(principals []authorizedkeys.Principal, bad []*authorizedkeys.LineError, cert *keys.Certificate) (*authorizedkeys.Principal, error) {
	for _, b := range bad {
		c.log.debugf("%v", b)
	}
	return authorizedkeys.FindPrincipal(principals, authorizedkeys.Login{Key: cert, Remote: c.remote.Addr(), Host: c.host})
}

// keyInFile reports whether one of the lines of a file is the key. Lines that
// are no key are passed over, as OpenSSH does it.
func keyInFile(path string, key keys.PublicKey) (bool, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return false, err
	}
	for line := range bytes.Lines(data) {
		if k, _, err := keys.ParsePublicKeyLine(line); err == nil && keys.Equal(k, key) {
			return true, nil
		}
	}
	return false, nil
}

// readUsers reads a file of the user's with read, with the user's rights, and
// after looking at who can write it where StrictModes says so. An error has
// been logged.
func (c *connection) readUsers(path, what string, read func() error) error {
	err := asUser(c.account, func() error {
		if c.opts.StrictModes {
			if err := authorizedkeys.CheckPermissions(path, c.account.Home, int(c.account.UID)); err != nil {
				return err
			}
		}
		return read()
	})
	switch {
	case errors.Is(err, fs.ErrNotExist):
		c.log.debugf("Could not open %s '%s': %v", what, path, err)
	case err != nil:
		c.log.infof("Authentication refused: %v", err)
	}
	return err
}
