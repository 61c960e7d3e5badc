package krl

import (
	"crypto/sha1"
	"crypto/sha256"
	"fmt"
	"time"

	"github.com/fairlead-go/ssh/keys"
)

// MaxRanges is how many separate ranges of serial numbers a list may have, of
// all authorities together. A bitmap has one for each run of ones.
const MaxRanges = 4 << 20

// A List is a key revocation list. The zero value revokes nothing. Several
// goroutines may ask it, as long as none changes it.
type List struct {
	// Version should grow with each change of the list; it means nothing here.
	Version uint64
	// Generated is when the list was made, in seconds. Zero: when it is written.
	Generated time.Time
	// Comment is text of the list's author: escape it before it is shown.
	Comment string

	blobs   set // public key blobs
	sha1s   set // of public key blobs
	sha256s set
	// certs has an entry for each authority, by its public key blob; that of
	// "" is for all authorities.
	certs  map[string]*certs
	ranges int // of all authorities
}

// certs are the certificates of one authority.
type certs struct {
	serials []Range // normalized
	keyIDs  set
}

type set map[string]struct{}

func (s *set) add(item string) {
	if *s == nil {
		*s = make(set)
	}
	(*s)[item] = struct{}{}
}

func (s set) has(item []byte) bool {
	_, ok := s[string(item)]
	return ok
}

// RevokeKey revokes a key, and all certificates for it and by it. Of a
// certificate, it revokes the certified key.
func (l *List) RevokeKey(k keys.PublicKey) { l.blobs.add(string(keys.PlainKey(k).Marshal())) }

// RevokeCertificate revokes one certificate of its authority's, by its serial
// number, or by its key ID if it has no number. All certificates of the
// authority with the same are revoked as well.
func (l *List) RevokeCertificate(c *keys.Certificate) error {
	if c.Serial() == 0 {
		l.RevokeKeyID(c.Authority(), c.KeyID())
		return nil
	}
	return l.RevokeSerials(c.Authority(), Range{c.Serial(), c.Serial()})
}

// RevokeSHA256 revokes the key whose blob has this hash, as RevokeKey does. It
// is what [keys.FingerprintSHA256] shows.
func (l *List) RevokeSHA256(sum [sha256.Size]byte) { l.sha256s.add(string(sum[:])) }

// RevokeSHA1 is RevokeSHA256 with the older hash, for readers before OpenSSH
// 7.9. Someone who can make SHA-1 collide can have two keys revoked by one
// hash, and no more.
func (l *List) RevokeSHA1(sum [sha1.Size]byte) { l.sha1s.add(string(sum[:])) }

// RevokeSerials revokes the certificates of an authority that have one of these
// serial numbers; a nil authority means all. Where a range is none, the error
// is [ErrSerial] and the list remains as it was. Many ranges in one call take
// less time than a call for each.
func (l *List) RevokeSerials(authority keys.PublicKey, ranges ...Range) error {
	return l.addSerials(authorityBlob(authority), ranges)
}

func (l *List) addSerials(authority string, ranges []Range) error {
	for _, r := range ranges {
		if !r.valid() {
			return fmt.Errorf("%w: %d to %d", ErrSerial, r.First, r.Last)
		}
	}
	var had []Range
	if c := l.certs[authority]; c != nil {
		had = c.serials
	}
	merged := make([]Range, 0, len(had)+len(ranges))
	merged = normalize(append(append(merged, had...), ranges...))
	total := l.ranges - len(had) + len(merged)
	if total > MaxRanges {
		return fmt.Errorf("%w: more than %d ranges of serial numbers", ErrTooLarge, MaxRanges)
	}
	l.ranges = total
	l.of(authority).serials = merged
	return nil
}

// RevokeKeyID revokes the certificates of an authority that have this key ID;
// a nil authority means all.
func (l *List) RevokeKeyID(authority keys.PublicKey, keyID string) {
	l.of(authorityBlob(authority)).keyIDs.add(keyID)
}

func authorityBlob(authority keys.PublicKey) string {
	if authority == nil {
		return ""
	}
	return string(keys.PlainKey(authority).Marshal())
}

func (l *List) of(authority string) *certs {
	if l.certs == nil {
		l.certs = make(map[string]*certs)
	}
	c := l.certs[authority]
	if c == nil {
		c = new(certs)
		l.certs[authority] = c
	}
	return c
}

// Check returns nil only if the list does not revoke k. The error is a
// [*RevokedError] if it does. A [*keys.Certificate] is revoked by its key, its
// authority's key, its serial number if that is not 0, or its key ID. Check is
// what [keys.CertificateCheck] asks, and it will do for plain keys as well.
func (l *List) Check(k keys.PublicKey) error {
	if l == nil {
		return errNilList
	}
	c, isCertificate := k.(*keys.Certificate)
	switch {
	case k == nil, isCertificate && c == nil:
		return errNilKey
	case !isCertificate:
		return l.checkKey(k)
	}
	if err := l.checkKey(c.Key()); err != nil {
		return err
	}
	if l.checkKey(c.Authority()) != nil {
		return &RevokedError{Key: c.Authority(), By: ByAuthority}
	}
	for _, authority := range []string{string(c.Authority().Marshal()), ""} {
		revoked := l.certs[authority]
		if revoked == nil {
			continue
		}
		if revoked.keyIDs.has([]byte(c.KeyID())) {
			return &RevokedError{Key: c, By: ByKeyID}
		}
		if contains(revoked.serials, c.Serial()) {
			return &RevokedError{Key: c, By: BySerial}
		}
	}
	return nil
}

func (l *List) checkKey(k keys.PublicKey) error {
	blob := k.Marshal()
	if l.blobs.has(blob) {
		return &RevokedError{Key: k, By: ByKey}
	}
	if sum := sha256.Sum256(blob); l.sha256s.has(sum[:]) {
		return &RevokedError{Key: k, By: BySHA256}
	}
	if sum := sha1.Sum(blob); l.sha1s.has(sum[:]) {
		return &RevokedError{Key: k, By: BySHA1}
	}
	return nil
}
