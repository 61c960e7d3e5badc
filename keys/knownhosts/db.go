package knownhosts

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"slices"

	"github.com/fairlead-go/ssh/keys"
	"github.com/fairlead-go/ssh/keys/internal/filecache"
)

// A DB is a list of known_hosts files. It reads them again when they have
// changed. All methods may be called from several goroutines, and other
// processes may write to the files meanwhile.
type DB struct {
	// CASignatureAlgorithms are those that authorities may sign hosts'
	// certificates with. Nil: [keys.CASignatureAlgorithms]. It must not change
	// while the DB is used.
	CASignatureAlgorithms []string

	files []*file
}

// Open returns a DB of the named files. All of them are consulted; keys are
// learned into the first. A file that does not exist is empty; one that cannot
// be read is an error here, and refuses every host later.
func Open(files ...string) (*DB, error) {
	if len(files) == 0 {
		return nil, errNoFile
	}
	db := new(DB)
	for _, path := range files {
		f := newFile(path)
		if _, err := f.load(); err != nil {
			return nil, err
		}
		db.files = append(db.files, f)
	}
	return db, nil
}

var (
	errNoFile = errors.New("knownhosts: no file given")
	errNilKey = errors.New("knownhosts: no host key given")
)

// A file is one of the files, which is read again when it has changed.
type file struct {
	path   string
	cached *filecache.File[*content]
}

// content is what a file held. It never changes.
type content struct {
	entries []entry
	bad     []*LineError
}

func newFile(path string) *file {
	return &file{path: path, cached: filecache.New(path, func(r io.Reader) (c *content, err error) {
		c = new(content)
		c.entries, c.bad, err = parseFile(r, path)
		return c, err
	})}
}

func (f *file) load() (*content, error) {
	c, err := f.cached.Load()
	if errors.Is(err, fs.ErrNotExist) {
		return new(content), nil
	}
	if err != nil {
		return nil, fmt.Errorf("knownhosts: %w", err)
	}
	return c, nil
}

// found is what the files say about one name.
type found struct {
	keys, authorities, revoked []Known
}

func (db *DB) lookup(name string) (f found, err error) {
	for _, file := range db.files {
		c, err := file.load()
		if err != nil {
			return found{}, err
		}
		for i := range c.entries {
			e := &c.entries[i]
			if !e.matches(name) {
				continue
			}
			known := Known{Key: e.key, File: file.path, Line: e.line}
			switch e.marker {
			case plainKey:
				f.keys = append(f.keys, known)
			case authority:
				f.authorities = append(f.authorities, known)
			case revoked:
				f.revoked = append(f.revoked, known)
			}
		}
	}
	return f, nil
}

// lookupAddress returns what is known of the name for address and, where that
// has a port of its own and nothing is known of it, of the host without a port.
// OpenSSH also goes by the host's key then.
func (db *DB) lookupAddress(address string) (exact, plain found, err error) {
	name, host, err := parseAddress(address)
	if err != nil {
		return found{}, found{}, err
	}
	if exact, err = db.lookup(name); err != nil {
		return found{}, found{}, err
	}
	if name != host && len(exact.keys) == 0 {
		plain, err = db.lookup(host)
	}
	return exact, plain, err
}

// find returns the first of list that is key.
func find(list []Known, key keys.PublicKey) *Known {
	for i := range list {
		if keys.Equal(list[i].Key, key) {
			return &list[i]
		}
	}
	return nil
}

// Check compares the key that a host has shown with those known of it. Only nil
// means that it is known; any disagreement is a [*KeyError], and a failure to
// read the files another error.
//
// address is "host:port" as it was dialled, or a host name or alias alone. The
// case of letters does not matter. Port 22 stands in the files as "host", any
// other as "[host]:port". A host met on another port where no key is known for
// that port may show a key that the host is known by on port 22. A key of a
// type for which none is known, where keys of other types are, counts as
// changed. remote is for the records only and may be nil.
//
// A [*keys.Certificate] is accepted where a @cert-authority line for the host
// has its authority, and the certificate names the host, without port, and is
// valid now. Otherwise the key that it certifies is compared as if it had come
// alone. A certificate whose key or authority is revoked is refused.
func (db *DB) Check(address string, remote net.Addr, key keys.PublicKey) error {
	if key == nil {
		return errNilKey
	}
	exact, plain, err := db.lookupAddress(address)
	if err != nil {
		return err
	}
	e := &KeyError{Address: address, Got: keys.PlainKey(key), Authorities: authorities(&exact, &plain)}
	c, certified := key.(*keys.Certificate)
	e.Revoked = revocation(&exact, &plain, e.Got)
	if e.Revoked == nil && certified {
		e.Revoked = revocation(&exact, &plain, c.Authority())
	}
	if e.Revoked == nil {
		if certified {
			if e.Certificate = db.checkCertificate(address, c, e.Authorities); e.Certificate == nil {
				return nil
			}
		}
		if find(exact.keys, e.Got) != nil || find(plain.keys, e.Got) != nil {
			return nil
		}
	}
	e.Want = slices.Clone(exact.keys)
	slices.SortStableFunc(e.Want, func(a, b Known) int {
		return otherType(a, e.Got) - otherType(b, e.Got)
	})
	return e
}

// revocation returns the line that revokes key, nil if there is none.
func revocation(exact, plain *found, key keys.PublicKey) *Known {
	if r := find(exact.revoked, key); r != nil {
		return r
	}
	return find(plain.revoked, key)
}

// checkCertificate returns nil if one of the authorities vouches for the host
// at address by c.
func (db *DB) checkCertificate(address string, c *keys.Certificate, trusted []Known) error {
	_, host, err := parseAddress(address)
	if err != nil {
		return err
	}
	check := keys.CertificateCheck{
		Type:                keys.HostCertificate,
		Principals:          []string{host},
		SignatureAlgorithms: db.CASignatureAlgorithms,
	}
	for _, k := range trusted {
		check.Authorities = append(check.Authorities, k.Key)
	}
	return c.Check(&check)
}

func otherType(k Known, key keys.PublicKey) int {
	if k.Key.Type() == key.Type() {
		return 0
	}
	return 1
}

// Verify accepts a host key if [DB.Check] does. It is what a client is given
// to verify host keys with.
func (db *DB) Verify(ctx context.Context, address string, remote net.Addr, key keys.PublicKey) error {
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	return db.Check(address, remote, key)
}

// Authorities returns the keys that @cert-authority lines trust to certify the
// keys of the host at address, without those that are revoked for it. They are
// never accepted as the host's own keys.
func (db *DB) Authorities(address string) ([]Known, error) {
	exact, plain, err := db.lookupAddress(address)
	if err != nil {
		return nil, err
	}
	return authorities(&exact, &plain), nil
}

func authorities(exact, plain *found) []Known {
	trusted := exact.authorities
	if len(trusted) == 0 {
		trusted = plain.authorities
	}
	return slices.DeleteFunc(slices.Clone(trusted), func(k Known) bool { return revocation(exact, plain, k.Key) != nil })
}

// BadLines returns the lines of the files that are passed over because they
// cannot be read.
func (db *DB) BadLines() ([]*LineError, error) {
	var bad []*LineError
	for _, f := range db.files {
		c, err := f.load()
		if err != nil {
			return nil, err
		}
		bad = append(bad, c.bad...)
	}
	return bad, nil
}
