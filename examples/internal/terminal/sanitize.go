package terminal

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Sanitize makes text from a peer (a banner, a prompt, a reason) safe to show:
// tabs and newlines stay, every other control character and every byte that
// is not UTF-8 is written as \ooo in octal, and what turns the direction of
// text is escaped too.
func Sanitize(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == '\n' || r == '\t':
			b.WriteRune(r)
		case r == '\r' && strings.HasPrefix(s[i+1:], "\n"): // CR LF becomes LF
		case r == utf8.RuneError && n == 1, unicode.IsControl(r), unicode.Is(unicode.Cf, r):
			for _, c := range []byte(s[i : i+n]) {
				b.WriteByte('\\')
				b.WriteByte('0' + c>>6)
				b.WriteByte('0' + c>>3&7)
				b.WriteByte('0' + c&7)
			}
		default:
			b.WriteString(s[i : i+n])
		}
		i += n
	}
	return b.String()
}
