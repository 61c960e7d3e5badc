package config

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// A Keyword says how the lines of one keyword are read into an O.
type Keyword[O any] struct {
	Name string // as the manual writes it

	// Set takes the line's words. Nil: the keyword is accepted and means nothing here.
	Set func(o *O, args []string) error
	// Show gives the value back as lines for -G and -T, each without the keyword.
	Show func(o *O) []string

	Raw     bool // the rest of the line is the one word, quotes and "#" included
	Many    bool // more than one word is allowed
	Repeat  bool // every line adds to the value; otherwise the first line wins
	InMatch bool // sshd: may stand in a Match block
}

// A Table is the keywords of one file, by lower-case name. Two names may share a Keyword.
type Table[O any] map[string]*Keyword[O]

// MakeTable indexes keywords by name, and by the older names of alias (old to new).
func MakeTable[O any](keywords []Keyword[O], alias map[string]string) Table[O] {
	t := make(Table[O], len(keywords)+len(alias))
	for i := range keywords {
		t[strings.ToLower(keywords[i].Name)] = &keywords[i]
	}
	for from, to := range alias {
		t[strings.ToLower(from)] = t[strings.ToLower(to)]
	}
	return t
}

// ErrUnknownKeyword is wrapped by the error about a keyword that is not in the table.
var ErrUnknownKeyword = errors.New("Bad configuration option") //nolint:staticcheck // OpenSSH's words, which scripts look for

// Find returns the keyword of l.
func (t Table[O]) Find(l *Line) (*Keyword[O], error) {
	if k := t[strings.ToLower(l.Keyword)]; k != nil {
		return k, nil
	}
	return nil, l.Errorf("%w: %s", ErrUnknownKeyword, Printable(l.Keyword))
}

// Words returns the line's arguments as k wants them.
func (k *Keyword[O]) Words(l *Line) ([]string, error) {
	if k.Raw {
		if l.Rest == "" {
			return nil, l.Errorf("missing argument of %s", k.Name)
		}
		return []string{l.Rest}, nil
	}
	args, err := l.Args()
	if err != nil {
		return nil, l.Errorf("%w", err)
	}
	if k.Set == nil {
		return args, nil
	}
	if len(args) == 0 {
		return nil, l.Errorf("missing argument of %s", k.Name)
	}
	if len(args) > 1 && !k.Many {
		return nil, l.Errorf("keyword %s extra arguments at end of line", strings.ToLower(l.Keyword))
	}
	return args, nil
}

// Apply reads the line into o unless k, being no Repeat keyword, is in seen,
// which records it. The value is checked either way, against a scratch O.
func (k *Keyword[O]) Apply(l *Line, o *O, seen map[string]bool, active bool) error {
	args, err := k.Words(l)
	if err != nil || k.Set == nil {
		return err
	}
	if !active || seen[k.Name] && !k.Repeat {
		o = new(O)
	}
	if active {
		seen[k.Name] = true
	}
	if err := k.Set(o, args); err != nil {
		return l.Errorf("%s: %w", k.Name, err)
	}
	return nil
}

// Dump returns "keyword value" lines of all that the table can show of o,
// keywords in lower case and sorted.
func (t Table[O]) Dump(o *O) []string {
	var lines []string
	for _, name := range slices.Sorted(maps.Keys(t)) {
		k := t[name]
		if k.Show == nil || strings.ToLower(k.Name) != name {
			continue
		}
		for _, v := range k.Show(o) {
			lines = append(lines, name+" "+v)
		}
	}
	return lines
}

// Bool gives a Keyword whose value is yes or no.
func Bool[O any](name string, field func(*O) *bool) Keyword[O] {
	return Keyword[O]{
		Name: name,
		Set:  func(o *O, a []string) (err error) { *field(o), err = ParseBool(a[0]); return err },
		Show: func(o *O) []string { return []string{YesNo(*field(o))} },
	}
}

// String gives a Keyword whose value is one word.
func String[O any](name string, field func(*O) *string) Keyword[O] {
	return Keyword[O]{
		Name: name,
		Set:  func(o *O, a []string) error { *field(o) = a[0]; return nil },
		Show: func(o *O) []string {
			if v := *field(o); v != "" {
				return []string{v}
			}
			return nil
		},
	}
}

// Command gives a Keyword whose value is the rest of the line as it stands.
func Command[O any](name string, field func(*O) *string) Keyword[O] {
	k := String(name, field)
	k.Raw = true
	return k
}

// Strings gives a Keyword whose value is all the words of the first line or,
// with repeat, of every line.
func Strings[O any](name string, repeat bool, field func(*O) *[]string) Keyword[O] {
	return Keyword[O]{
		Name: name, Many: true, Repeat: repeat,
		Set: func(o *O, a []string) error { *field(o) = append(*field(o), a...); return nil },
		Show: func(o *O) []string {
			if repeat {
				return *field(o)
			}
			if v := *field(o); len(v) > 0 {
				return []string{strings.Join(v, " ")}
			}
			return nil
		},
	}
}

// Int gives a Keyword whose value is a number from lo to hi.
func Int[O any](name string, lo, hi int, field func(*O) *int) Keyword[O] {
	return Keyword[O]{
		Name: name,
		Set:  func(o *O, a []string) (err error) { *field(o), err = ParseInt(a[0], lo, hi); return err },
		Show: func(o *O) []string { return []string{fmt.Sprint(*field(o))} },
	}
}

// Enum gives a Keyword whose value is one of a few words, without regard to
// case. means maps each to what is stored.
func Enum[O any](name string, means map[string]string, field func(*O) *string) Keyword[O] {
	k := String(name, field)
	k.Set = func(o *O, a []string) error {
		v, ok := means[strings.ToLower(a[0])]
		if !ok {
			return fmt.Errorf("unsupported option %s", Printable(a[0]))
		}
		*field(o) = v
		return nil
	}
	return k
}

// Algorithms gives a Keyword whose value is an algorithm list.
func Algorithms[O any](name string, field func(*O) *List) Keyword[O] {
	return Keyword[O]{
		Name: name,
		Set:  func(o *O, a []string) (err error) { *field(o), err = ParseList(a[0]); return err },
		Show: func(o *O) []string {
			if v := field(o).String(); v != "" {
				return []string{v}
			}
			return nil
		},
	}
}

// Ignored gives Keywords that are accepted and mean nothing here.
func Ignored[O any](names ...string) []Keyword[O] {
	out := make([]Keyword[O], len(names))
	for i, n := range names {
		out[i] = Keyword[O]{Name: n, Many: true, InMatch: true}
	}
	return out
}
