// Package backoff decides how often to try what is worth trying only where it
// has been of use lately.
package backoff

// A Backoff lets the first try be made, and every one after a try that was of
// use. After each that was not, twice as many as before are skipped. It belongs
// to one goroutine at a time; its zero value is ready.
type Backoff struct {
	skip    int // that many times before the next try
	penalty int // what skip was set to last; 0 after success
}

const (
	most = 1 << 12 // tries are skipped at most
	harm = 1 << 7  // at least after one that did harm
)

// Try reports whether a try is to be made now. What came of it is for Note.
func (b *Backoff) Try() bool {
	if b.skip > 0 {
		b.skip--
		return false
	}
	return true
}

// Note says whether the last try was of use.
func (b *Backoff) Note(useful bool) {
	if useful {
		b.penalty = 0
	} else {
		b.penalty = min(max(2*b.penalty, 1), most)
	}
	b.skip = b.penalty
}

// Harm says that the last try was worse than of no use.
func (b *Backoff) Harm() {
	b.penalty = max(b.penalty, harm/2)
	b.Note(false)
}
