package textfile

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
)

func TestMatch(t *testing.T) {
	for _, c := range []struct {
		pattern, s string
		want       bool
	}{
		{"", "", true}, {"", "a", false}, {"a", "", false}, {"a", "a", true},
		{"*", "", true}, {"*", "abc", true}, {"**", "abc", true}, {"?", "", false}, {"?", "a", true},
		{"a*", "abc", true}, {"*c", "abc", true}, {"a*c", "abc", true}, {"a*d", "abc", false},
		{"*b*", "abc", true}, {"a?c", "abc", true}, {"a?c", "ac", false}, {"*?", "a", true},
		{"*ab", "aab", true}, {"*abab", "abaabab", true}, {"[a]", "a", false}, {`\*`, "*", false},
		{"10.0.?.*", "10.0.1.200", true}, {"10.0.?.*", "10.0.11.200", false},
	} {
		require.Equal(t, c.want, Match(c.pattern, c.s), "%q %q", c.pattern, c.s)
	}
}

func TestMatchList(t *testing.T) {
	for _, c := range []struct {
		list, name string
		want       Verdict
	}{
		{"a", "a", Matched}, {"A", "a", Matched}, {"a", "A", Matched}, {"a,b", "b", Matched},
		{"a,b", "c", NoMatch}, {"!a", "b", NoMatch}, {"!a", "a", Excluded},
		{"*,!a", "a", Excluded}, {"!a,*", "a", Excluded}, {"*,!a", "b", Matched},
		{"", "", Matched}, {"", "a", NoMatch}, {",,a", "a", Matched}, {"!", "a", NoMatch},
		{"!!a,*", "!a", Excluded}, {"\u212a", "k", NoMatch},
	} {
		require.Equal(t, c.want, MatchList(c.list, c.name), "%q %q", c.list, c.name)
	}
	require.Equal(t, NoMatch, MatchExactList("A", "a"))
	require.Equal(t, NoMatch, MatchExactList("a", "A"))
	require.Equal(t, Excluded, MatchExactList("*,!A", "A"))
	require.Equal(t, Matched, MatchExactList("*,!A", "a"))
}

// A matcher that backtracks by recursion would not end here.
func TestDefect_CostlyPattern(t *testing.T) {
	require.False(t, Match(strings.Repeat("*a", 2000)+"b", strings.Repeat("a", 4000)))
}

func TestLines(t *testing.T) {
	long := strings.Repeat("x", MaxLine)
	for name, c := range map[string]struct {
		in   string
		want []string // "!" marks a line that is too long
	}{
		"empty":                {"", nil},
		"one":                  {"a\n", []string{"a"}},
		"no newline":           {"a\nb", []string{"a", "b"}},
		"CRLF":                 {"a\r\nb\r\n\r\n", []string{"a", "b", ""}},
		"longest":              {long + "\nb\n", []string{long, "b"}},
		"longest, CRLF":        {long + "\r\nb\n", []string{long, "b"}},
		"longest, no newline":  {long, []string{long}},
		"too long":             {long + "x\nb\n", []string{"!", "b"}},
		"much too long":        {"a\n" + long + long + long + " tail\nb\n", []string{"a", "!", "b"}},
		"too long, no newline": {"a\n" + long + "xyz", []string{"a", "!"}},
	} {
		t.Run(name, func(t *testing.T) {
			l := NewLines(iotest.HalfReader(strings.NewReader(c.in)))
			var got []string
			for l.Next() {
				require.Equal(t, len(got)+1, l.Number())
				if l.TooLong() {
					require.Empty(t, l.Line())
					got = append(got, "!")
				} else {
					got = append(got, string(l.Line()))
				}
			}
			require.NoError(t, l.Err())
			require.Equal(t, c.want, got)
		})
	}
}

func TestLinesError(t *testing.T) {
	cause := errors.New("disk on fire")
	l := NewLines(io.MultiReader(strings.NewReader("a\nhalf a li"), iotest.ErrReader(cause)))
	require.True(t, l.Next())
	require.False(t, l.Next(), "half a line must not be seen as a line")
	require.ErrorIs(t, l.Err(), cause)
}
