package authorizedkeys

import (
	"errors"
	"net/netip"
	"strconv"
	"time"

	"github.com/fairlead-go/ssh/keys"
)

// Why [Find] found no entry.
var (
	ErrNotFound = errors.New("authorizedkeys: key is not authorized")
	ErrExpired  = errors.New("authorizedkeys: key has expired")
	ErrFrom     = errors.New("authorizedkeys: key is not authorized from this address")
)

// A RefusedError is returned where a line has the key, but does not let it in.
type RefusedError struct {
	Line   int
	Reason error // [ErrExpired] or [ErrFrom]
}

func (e *RefusedError) Error() string {
	return e.Reason.Error() + " (line " + strconv.Itoa(e.Line) + ")"
}
func (e *RefusedError) Unwrap() error { return e.Reason }

// A Login is who wants to log in.
type Login struct {
	Key    keys.PublicKey
	Remote netip.Addr // address of the client; the zero value matches no from option
	Host   string     // name of the client, if it was verified; see [Options.AllowsFrom]
	Time   time.Time  // zero: now
}

// Find returns the first entry that has the key and lets the client in. Entries
// that are certificate authorities have no key of their own to log in with. The
// error is [ErrNotFound], or a [*RefusedError] for the first line that has the
// key.
func Find(entries []Entry, l Login) (*Entry, error) {
	if l.Time.IsZero() {
		l.Time = time.Now()
	}
	err := ErrNotFound
	for i := range entries {
		e := &entries[i]
		if e.Options.CertAuthority || !keys.Equal(e.Key, l.Key) {
			continue
		}
		reason := ErrFrom
		switch {
		case e.Options.expired(l.Time):
			reason = ErrExpired
		case e.Options.AllowsFrom(l.Remote, l.Host):
			return e, nil
		}
		if err == ErrNotFound {
			err = &RefusedError{Line: e.Line, Reason: reason}
		}
	}
	return nil, err
}

// expired reports whether the key is no longer accepted at the time now.
func (o *Options) expired(now time.Time) bool {
	return !o.ExpiryTime.IsZero() && now.Unix() > o.ExpiryTime.Unix()
}
