package wire

import "strconv"

// MaxShown is how much of a peer's text an error message shows, in bytes,
// where less would not do.
const MaxShown = 1 << 10

// Escape returns text of a peer's as an error message may show it: printable
// US-ASCII is as it is, everything else, which could drive a terminal or forge
// a line of a log, is in Go's escapes. Of a text longer than most bytes the
// rest is left out, which "..." stands for.
func Escape(s string, most int) string {
	cut := s[:min(len(s), most)]
	if !printable(cut) {
		q := strconv.QuoteToASCII(cut)
		cut = q[1 : len(q)-1]
	}
	if len(s) > most {
		return cut + "..."
	}
	return cut
}

// Quote is Escape in quotation marks, for text that could be taken for the
// message's own.
func Quote(s string, most int) string {
	if len(s) > most {
		return strconv.QuoteToASCII(s[:most]) + "..."
	}
	return strconv.QuoteToASCII(s)
}

func printable(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}
