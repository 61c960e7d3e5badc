package config

import (
	"net/netip"
	"strings"
)

// MatchPattern says whether all of s matches a pattern with * (any characters) and ? (one).
func MatchPattern(s, pattern string) bool {
	// Backtracking to the last star alone keeps this linear in len(s)*len(pattern).
	i, j, star, mark := 0, 0, -1, 0
	for i < len(s) {
		switch {
		case j < len(pattern) && pattern[j] == '*':
			star, mark = j, i
			j++
		case j < len(pattern) && (pattern[j] == '?' || pattern[j] == s[i]):
			i++
			j++
		case star >= 0:
			mark++
			i, j = mark, star+1
		default:
			return false
		}
	}
	return strings.Trim(pattern[j:], "*") == ""
}

// MatchList matches s against comma-separated patterns: 1 if one matches, -1
// if a negated one (!pattern) does, wherever it stands, 0 if none.
func MatchList(s, list string) int {
	result := 0
	for p := range strings.SplitSeq(list, ",") {
		p, negated := strings.CutPrefix(strings.TrimSpace(p), "!")
		if p == "" || !MatchPattern(s, p) {
			continue
		}
		if negated {
			return -1
		}
		result = 1
	}
	return result
}

// MatchHost is MatchList without regard to case.
func MatchHost(host, list string) int {
	return MatchList(strings.ToLower(host), strings.ToLower(list))
}

// MatchAddress is MatchList for an address: a list's member may also be
// address/bits. An invalid address matches nothing but negations of nothing.
func MatchAddress(addr netip.Addr, list string) int {
	if !addr.IsValid() {
		return 0
	}
	addr = addr.Unmap().WithZone("")
	result := 0
	for p := range strings.SplitSeq(list, ",") {
		p, negated := strings.CutPrefix(strings.TrimSpace(p), "!")
		match := false
		if prefix, err := netip.ParsePrefix(p); err == nil {
			match = prefix.Contains(addr)
		} else if a, err := netip.ParseAddr(p); err == nil {
			match = a.Unmap() == addr
		} else if p != "" {
			match = MatchPattern(addr.String(), strings.ToLower(p))
		}
		if !match {
			continue
		}
		if negated {
			return -1
		}
		result = 1
	}
	return result
}
