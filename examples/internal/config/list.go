package config

import (
	"fmt"
	"slices"
	"strings"
)

// A List is the value of Ciphers, MACs, KexAlgorithms and their like: names
// that replace the default, or change it. The zero List leaves it as it is.
type List struct {
	Op    byte // 0: replaces; '+' appends; '-' removes, patterns allowed; '^' puts first
	Names []string
}

// ParseList reads a comma-separated list with an optional +, - or ^ before it.
func ParseList(s string) (List, error) {
	var l List
	rest := s
	if s != "" && strings.IndexByte("+-^", s[0]) >= 0 {
		l.Op, rest = s[0], s[1:]
	}
	for name := range strings.SplitSeq(rest, ",") {
		if name == "" {
			return List{}, fmt.Errorf("bad algorithm list %s", Printable(s))
		}
		l.Names = append(l.Names, name)
	}
	return l, nil
}

// IsZero says that the list was not given.
func (l List) IsZero() bool { return l.Names == nil }

func (l *List) String() string {
	s := strings.Join(l.Names, ",")
	if l.Op != 0 {
		s = string(rune(l.Op)) + s
	}
	return s
}

// ExpandPatterns replaces each of names that is a pattern, with '*' or '?', by
// those of supported that match it. One that matches none stays as it is.
func ExpandPatterns(names, supported []string) []string {
	var out []string
	for _, name := range names {
		if !strings.ContainsAny(name, "*?") {
			out = append(out, name)
			continue
		}
		matched := false
		for _, s := range supported {
			if MatchPattern(s, name) {
				out, matched = append(out, s), true
			}
		}
		if !matched {
			out = append(out, name)
		}
	}
	return out
}

// Apply returns defaults as changed by the list. A name that is not in
// supported is an error, except one to remove, which may be a pattern. What
// it returns is never empty without an error.
func (l List) Apply(defaults, supported []string) ([]string, error) {
	if l.IsZero() {
		return slices.Clone(defaults), nil
	}
	if l.Op != '-' {
		for _, n := range l.Names {
			if !slices.Contains(supported, n) {
				return nil, fmt.Errorf("unsupported algorithm %s", Printable(n))
			}
		}
	}
	var out []string
	add := func(names []string) {
		for _, n := range names {
			if !slices.Contains(out, n) {
				out = append(out, n)
			}
		}
	}
	switch l.Op {
	case '+':
		add(defaults)
		add(l.Names)
	case '^':
		add(l.Names)
		add(defaults)
	case '-':
		pattern := strings.Join(l.Names, ",")
		for _, n := range defaults {
			if MatchList(n, pattern) <= 0 {
				out = append(out, n)
			}
		}
	default:
		add(l.Names)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("algorithm list %s leaves nothing", Printable(l.String()))
	}
	return out, nil
}
