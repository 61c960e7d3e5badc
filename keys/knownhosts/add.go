package knownhosts

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/fairlead-go/ssh/keys"
)

// AddOptions say how a key is written.
type AddOptions struct {
	// Hash writes the host's name as a salted hash, so that the file does not
	// tell where its owner goes (HashKnownHosts of ssh_config(5)).
	Hash bool
	// Comment follows the key.
	Comment string
}

// lockTimeout is how long another writer may keep the file locked.
const lockTimeout = 30 * time.Second

// Add records key as a key of the host at address, in the first file, beside
// those known already. A key that is known for exactly that name is not
// recorded again, and one that is revoked is a [*KeyError]. Of a certificate,
// the key that it certifies is recorded.
//
// The file is made with mode 0600 if it is missing, and its folder with 0700.
// The line is appended in one write, under a lock that all users of this
// package respect, and begins on a line of its own even if the file's last
// line has no end. A write that fails leaves no part of a line behind. Add
// waits up to 30 seconds for other writers.
func (db *DB) Add(address string, key keys.PublicKey, opts AddOptions) error {
	return db.add(context.Background(), address, key, opts, false)
}

// add records a key, if onlyFirst is set only while the host is unknown.
func (db *DB) add(ctx context.Context, address string, key keys.PublicKey, opts AddOptions, onlyFirst bool) error {
	if key == nil {
		return errNilKey
	}
	key = keys.PlainKey(key)
	if len(db.files) == 0 {
		return errNoFile
	}
	name, _, err := parseAddress(address)
	if err != nil {
		return err
	}
	line, err := formatLine(name, key, opts)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, lockTimeout)
	defer cancel()
	f, err := openLocked(ctx, db.files[0].path)
	if err != nil {
		return fmt.Errorf("knownhosts: %w", err)
	}
	defer f.Close() // and unlock

	// Another writer may have learned a key since the caller looked.
	now, err := db.lookup(name)
	if err != nil {
		return err
	}
	if r := find(now.revoked, key); r != nil {
		return &KeyError{Address: address, Got: key, Want: now.keys, Revoked: r}
	}
	if find(now.keys, key) != nil {
		return nil
	}
	if onlyFirst && len(now.keys) > 0 {
		return &KeyError{Address: address, Got: key, Want: now.keys}
	}
	if err := appendLine(f, line); err != nil {
		return fmt.Errorf("knownhosts: %w", err)
	}
	return nil
}

func formatLine(name string, key keys.PublicKey, opts AddOptions) ([]byte, error) {
	if err := checkWritable(name); err != nil {
		return nil, err
	}
	if opts.Hash {
		name = newHashedName(name).String()
	}
	return append([]byte(name+" "), keys.MarshalAuthorizedKey(key, opts.Comment)...), nil
}

// openLocked opens the file for appending and locks it, so that it is the file
// that path names while the lock is held: who edits known_hosts, ssh-keygen
// among them, puts a new file in the place of the old one.
func openLocked(ctx context.Context, path string) (*os.File, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	for {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_APPEND|os.O_CREATE, 0o600)
		if err != nil {
			return nil, err
		}
		current, err := lockCurrent(ctx, f, path)
		if current {
			return f, nil
		}
		f.Close()
		if err != nil {
			return nil, err
		}
	}
}

// lockCurrent locks f and reports whether path still names it.
func lockCurrent(ctx context.Context, f *os.File, path string) (bool, error) {
	if err := lock(ctx, f); err != nil {
		return false, err
	}
	opened, err := f.Stat()
	if err != nil {
		return false, err
	}
	named, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, ctx.Err()
	}
	if err != nil {
		return false, err
	}
	if !os.SameFile(opened, named) {
		return false, ctx.Err()
	}
	return true, nil
}

// lock takes the exclusive lock of f, which f's closing gives back. Locks
// belong to open files, so that goroutines exclude each other like processes.
func lock(ctx context.Context, f *os.File) error {
	wait := time.Millisecond
	for {
		taken, err := tryLock(f)
		if taken || err != nil {
			return err
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return fmt.Errorf("%s is locked by another process: %w", f.Name(), context.Cause(ctx))
		case <-timer.C:
		}
		wait = min(2*wait, 20*time.Millisecond)
	}
}

// appendLine writes line to the locked file f, after a newline if its last
// line has none.
func appendLine(f *os.File, line []byte) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	size := info.Size()
	if info.Mode().IsRegular() && size > 0 {
		var last [1]byte
		if _, err := f.ReadAt(last[:], size-1); err != nil {
			return err
		}
		if last[0] != '\n' {
			line = append([]byte{'\n'}, line...)
		}
	}
	n, err := f.Write(line)
	if err == nil {
		return nil
	}
	// Take back what was written, unless a writer that locks nothing has
	// written after it.
	if info, statErr := f.Stat(); statErr == nil && n > 0 && info.Mode().IsRegular() && info.Size() == size+int64(n) {
		err = errors.Join(err, f.Truncate(size))
	}
	return err
}

// TrustOnFirstUse returns a function to verify host keys with, which accepts a
// known key, refuses a changed or revoked one, and learns the key of a host that
// is not known yet, as [DB.Add] records it.
//
// Before it learns a key it calls ask, which says whether to, for instance by
// asking a person about the key's fingerprint; false refuses the host with the
// [*KeyError] that says it is not known, and an error with that error. A nil
// ask learns every unknown host's key: whoever answers the first connection is
// trusted, unless an authority is known for the host, which should have
// certified its key. A key that cannot be recorded is refused. So is one for
// whose host another key was learned while ask was running.
func (db *DB) TrustOnFirstUse(opts AddOptions, ask func(ctx context.Context, address string, key keys.PublicKey) (bool, error)) func(ctx context.Context, address string, remote net.Addr, key keys.PublicKey) error {
	return func(ctx context.Context, address string, remote net.Addr, key keys.PublicKey) error {
		unknown := db.Verify(ctx, address, remote, key)
		if !errors.Is(unknown, ErrUnknownHost) {
			return unknown
		}
		if e, ok := errors.AsType[*KeyError](unknown); ask == nil && ok && len(e.Authorities) > 0 {
			return unknown
		}
		if ask != nil {
			learn, err := ask(ctx, address, keys.PlainKey(key))
			if err != nil {
				return err
			}
			if !learn {
				return unknown
			}
		}
		return db.add(ctx, address, key, opts, true)
	}
}
