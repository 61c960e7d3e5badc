package main

import (
	"errors"
	"sync"

	"github.com/fairlead-go/ssh/keys"
	"github.com/fairlead-go/ssh/keys/krl"
)

// errRevokedKey refuses a key whose owner is told nothing of the reason.
var errRevokedKey = errors.New("key is revoked, or cannot be looked up")

// revocations are the files that RevokedKeys has named, by their paths. They
// are read again when they have changed.
var revocations sync.Map

// revoked holds a key or certificate against RevokedKeys. A file that cannot be
// read revokes everything.
func (c *connection) revoked(key keys.PublicKey) error {
	path := c.opts.RevokedKeys
	if path == "" {
		return nil
	}
	err := checkRevoked(path, key)
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

func checkRevoked(path string, key keys.PublicKey) error {
	if f, ok := revocations.Load(path); ok {
		return f.(*krl.File).Check(key)
	}
	f, err := krl.Open(path)
	if err != nil {
		return err
	}
	revocations.Store(path, f)
	return f.Check(key)
}
