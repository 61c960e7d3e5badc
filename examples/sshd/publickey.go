package main

import (
	"context"
	"errors"
	"slices"

	"github.com/fairlead-go/ssh/auth"
	"github.com/fairlead-go/ssh/examples/internal/serverconfig"
	"github.com/fairlead-go/ssh/keys"
	"github.com/fairlead-go/ssh/keys/authorizedkeys"
)

// publicKey decides on a key, by the user's authorized_keys files.
func (c *connection) publicKey(ctx context.Context, a *auth.Attempt, key keys.PublicKey) (*auth.Permissions, error) {
	if err := c.admitKey(a, key); err != nil {
		return nil, err
	}
	entry, err := c.findInFiles(a, key)
	if err != nil && c.opts.AuthorizedKeysCommand != "" {
		entry, err = c.findByCommand(ctx, key)
	}
	if err != nil {
		return nil, err
	}
	return c.grant(ctx, &entry.Options)
}

// admitKey decides whether a key or certificate may be tried at all.
func (c *connection) admitKey(a *auth.Attempt, key keys.PublicKey) error {
	c.lastKey = key
	// One key does not prove two methods of AuthenticationMethods.
	if slices.ContainsFunc(a.Proven, func(p auth.Proof) bool {
		return p.Key != nil && keys.Equal(keys.PlainKey(p.Key), keys.PlainKey(key))
	}) {
		return errKeyUsed
	}
	err := c.admit(a, func(o *serverconfig.Options) bool { return o.PubkeyAuthentication })
	if err != nil {
		return err
	}
	if err := c.acceptable(a.Algorithm, key); err != nil {
		return err
	}
	return c.revoked(key)
}

// findInFiles looks for a key, or a certificate's authority, in the user's
// authorized_keys files.
func (c *connection) findInFiles(a *auth.Attempt, key keys.PublicKey) (*authorizedkeys.Entry, error) {
	u := c.account
	files, err := c.opts.AuthorizedKeys(&serverconfig.User{Name: u.Name, Home: u.Home, UID: int(u.UID)})
	if err != nil {
		return nil, err
	}
	err = authorizedkeys.ErrNotFound
	for _, file := range files {
		entry, ferr := c.findKey(file, key)
		if ferr == nil {
			if !a.Query {
				c.log.debugf("%s:%d: matching key found: %s", file, entry.Line, describeKey(entry.Key))
			}
			return entry, nil
		}
		if !errors.Is(ferr, authorizedkeys.ErrNotFound) {
			err = ferr
		}
	}
	return nil, err
}

// findKey looks for the key in one file.
func (c *connection) findKey(file string, key keys.PublicKey) (*authorizedkeys.Entry, error) {
	var entries []authorizedkeys.Entry
	var bad []*authorizedkeys.LineError
	err := c.readUsers(file, "authorized keys", func() (err error) {
		entries, bad, err = authorizedkeys.ReadFile(file)
		return err
	})
	if err != nil {
		return nil, authorizedkeys.ErrNotFound
	}
	return c.findEntry(file, entries, bad, key)
}

// findEntry looks for the key among the lines of a file or command.
func (c *connection) findEntry(from string, entries []authorizedkeys.Entry, bad []*authorizedkeys.LineError, key keys.PublicKey) (*authorizedkeys.Entry, error) {
	for _, b := range bad {
		c.log.debugf("%v", b)
	}
	entry, err := authorizedkeys.Find(entries, authorizedkeys.Login{
		Key: key, User: c.account.Name, Remote: c.remote.Addr(), Host: c.host,
	})
	if r, ok := errors.AsType[*authorizedkeys.RefusedError](err); ok {
		c.log.infof("Authentication tried for %s with correct key but not from a permitted host or time (%s:%d): %v",
			c.account.Name, from, r.Line, r.Reason)
	}
	return entry, err
}
