package textfile

import "strings"

// Match reports whether s matches pattern, in which '*' stands for any bytes,
// also none, and '?' for one byte. It takes time in proportion to the product
// of the lengths at most, whatever the pattern.
func Match(pattern, s string) bool {
	star, mark := -1, 0 // the last '*', and where in s what it stands for ends
	p, i := 0, 0
	for i < len(s) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, mark = p, i
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == s[i]):
			p++
			i++
		case star >= 0:
			mark++
			p, i = star+1, mark
		default:
			return false
		}
	}
	for p < len(pattern) && pattern[p] == '*' {
		p++
	}
	return p == len(pattern)
}

// A Verdict is what a list of patterns says about a name.
type Verdict int

const (
	NoMatch Verdict = iota
	Matched
	Excluded // a pattern with '!' before it matches
)

// MatchList compares a host name with a comma separated list of patterns,
// without regard to the case of ASCII letters. A negated pattern that matches
// decides, wherever it stands; without a positive one, nothing matches.
func MatchList(list, name string) Verdict { return MatchExactList(Lower(list), Lower(name)) }

// MatchExactList is MatchList with regard to case.
func MatchExactList(list, name string) Verdict {
	verdict := NoMatch
	for pattern := range strings.SplitSeq(list, ",") {
		pattern, negated := strings.CutPrefix(pattern, "!")
		if !Match(pattern, name) {
			continue
		}
		if negated {
			return Excluded
		}
		verdict = Matched
	}
	return verdict
}

// Lower returns s with ASCII letters in lower case and all else as it is.
// Unicode's rules would make one name of two: the Kelvin sign becomes a k.
func Lower(s string) string {
	for i := range len(s) {
		if 'A' <= s[i] && s[i] <= 'Z' {
			b := []byte(s)
			for j := i; j < len(b); j++ {
				if 'A' <= b[j] && b[j] <= 'Z' {
					b[j] += 'a' - 'A'
				}
			}
			return string(b)
		}
	}
	return s
}

// CutBlank returns b up to its first run of spaces and tabs, and what follows it.
func CutBlank(b []byte) (before, after []byte) {
	i := 0
	for i < len(b) && b[i] != ' ' && b[i] != '\t' {
		i++
	}
	return b[:i], TrimBlank(b[i:])
}

// TrimBlank returns b without the spaces and tabs that it begins with.
func TrimBlank(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t') {
		b = b[1:]
	}
	return b
}
