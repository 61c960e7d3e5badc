package main

import (
	"errors"

	"github.com/fairlead-go/ssh/keys"
	"github.com/fairlead-go/ssh/keys/krl"
)

// errRevokedKey refuses a key whose owner is told nothing of the reason.
var errRevokedKey = errors.New("key is revoked, or cannot be looked up")

// revoked holds a key or certificate against RevokedKeys. A file that cannot be
// read revokes everything.
func (c *connection) revoked(key keys.PublicKey) error {
	path := c.opts.RevokedKeys
	if path == "" {
		return nil
	}
	list, err := krl.Open(path) // each connection has a process: there is nothing to keep it for
	if err == nil {
		err = list.Check(key)
	}
	switch {
	case err == nil:
		return nil
	case errors.Is(err, krl.ErrRevoked):
		c.log.errorf("WARNING: authentication attempt with a revoked %s: %v", describeKey(key), err)
	default:
		c.log.errorf("Error checking authentication key %s in revoked keys file %s: %v", describeKey(key), path, err)
	}
	return errRevokedKey
}
