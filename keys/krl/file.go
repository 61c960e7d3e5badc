package krl

import (
	"errors"
	"fmt"

	"github.com/fairlead-go/ssh/keys"
	"github.com/fairlead-go/ssh/keys/internal/filecache"
)

// A File is a list in a file of either form (see [Read]), which is read again
// when it has changed. Its methods may be called from several goroutines.
type File struct {
	cache *filecache.File[*List]
}

// Open returns a File that has been read once, so that mistakes show early. As
// long as it cannot be read later, everything is refused.
func Open(path string) (*File, error) {
	f := &File{cache: filecache.New(path, Read)}
	if _, err := f.List(); err != nil {
		return nil, err
	}
	return f, nil
}

// List returns what the file holds now, which must not be changed.
func (f *File) List() (*List, error) {
	l, err := f.cache.Load()
	if err != nil {
		return nil, fmt.Errorf("krl: cannot read %s: %w", f.cache.Path(), err)
	}
	return l, nil
}

// Check does what [List.Check] does. Any error means that the key must not be
// accepted.
func (f *File) Check(k keys.PublicKey) error {
	l, err := f.List()
	if err != nil {
		return err
	}
	err = l.Check(k)
	if r, ok := errors.AsType[*RevokedError](err); ok {
		r.File = f.cache.Path()
	}
	return err
}
