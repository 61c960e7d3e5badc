package krl

import (
	"bytes"
	"maps"
	"slices"
	"time"

	"github.com/fairlead-go/ssh/wire"
)

// Marshal returns the list in binary form, the same for the same list. Serial
// numbers take the room that they need at least: each range stands as numbers,
// as a range, or in a bitmap that may have others as well.
func (l *List) Marshal() []byte {
	generated := l.Generated
	if generated.IsZero() {
		generated = time.Now()
	}
	b := bytes.Clone(magic)
	b = wire.AppendUint32(b, formatVersion)
	b = wire.AppendUint64(b, l.Version)
	b = wire.AppendUint64(b, uint64(generated.Unix()))
	b = wire.AppendUint64(b, 0)  // flags
	b = wire.AppendString(b, "") // reserved
	b = wire.AppendString(b, l.Comment)
	for _, authority := range slices.Sorted(maps.Keys(l.certs)) {
		c := l.certs[authority]
		section := wire.AppendString(nil, authority)
		section = wire.AppendString(section, "") // reserved
		section = appendSerials(section, c.serials)
		section = appendSet(section, certKeyID, c.keyIDs)
		b = wire.AppendString(append(b, sectionCertificates), section)
	}
	b = appendSet(b, sectionKey, l.blobs)
	b = appendSet(b, sectionSHA1, l.sha1s)
	return appendSet(b, sectionSHA256, l.sha256s)
}

// appendSet appends a section that has all items in order, and nothing where
// there are none.
func appendSet(b []byte, kind byte, items set) []byte {
	if len(items) == 0 {
		return b
	}
	var section []byte
	for _, item := range slices.Sorted(maps.Keys(items)) {
		section = wire.AppendString(section, item)
	}
	return wire.AppendString(append(b, kind), section)
}
