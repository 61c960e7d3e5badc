package config

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestParseLine(t *testing.T) {
	for _, c := range []struct{ in, keyword, rest string }{
		{"Port 22", "Port", "22"},
		{"\t Port\t22 \r", "Port", "22"},
		{"Port=22", "Port", "22"},
		{"Port = 22", "Port", "22"},
		{"Port ==22", "Port", "=22"},
		{`IdentityFile "/a b"`, "IdentityFile", `"/a b"`},
		{`IdentityFile"/a b"`, "IdentityFile", `"/a b"`},
		{`"Port" 22`, "Port", "22"},
		{"Port", "Port", ""},
		{"proxycommand nc %h %p # not a comment here", "proxycommand", "nc %h %p # not a comment here"},
		{"SetEnv A=b", "SetEnv", "A=b"},
	} {
		k, rest, ok := ParseLine(c.in)
		require.True(t, ok)
		require.Equal(t, c.keyword, k, "%q", c.in)
		require.Equal(t, c.rest, rest, "%q", c.in)
	}
	for _, in := range []string{"", "  \t", "# x", "   # Port 22", "\r"} {
		_, _, ok := ParseLine(in)
		require.False(t, ok, "%q", in)
	}
}

func TestSplit(t *testing.T) {
	for in, want := range map[string][]string{
		"":                       nil,
		"a b\tc":                 {"a", "b", "c"},
		`"a b" 'c d'`:            {"a b", "c d"},
		`a"b c"d`:                {"ab cd"},
		`a # comment "`:          {"a"},
		`a#b`:                    {"a#b"},
		`"#" '#'`:                {"#", "#"},
		`\"a \'b c\\d e\ f`:      {`"a`, `'b`, `c\d`, "e f"},
		`"a\"b" "c\\" 'd\'e'`:    {`a"b`, `c\`, `d'e`},
		`\n C:\x "a\ b"`:         {`\n`, `C:\x`, `a\ b`},
		`"" ''`:                  {"", ""},
		`PATH='/x y':/usr/bin z`: {"PATH=/x y:/usr/bin", "z"},
	} {
		got, err := Split(in)
		require.NoError(t, err, "%q", in)
		require.Equal(t, want, got, "%q", in)
	}
	for _, in := range []string{`"`, `a "b`, `'`, `'a"`, `"a\"`} {
		_, err := Split(in)
		require.ErrorIs(t, err, ErrQuotes, "%q", in)
	}
}

func FuzzSplit(f *testing.F) {
	for _, s := range []string{`a "b c" # d`, `'\'' \\ \ x`, `"`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		words, err := Split(s)
		if err != nil {
			return
		}
		// What was split can be quoted and split again.
		var quoted []string
		for _, w := range words {
			quoted = append(quoted, `"`+strings.NewReplacer(`\`, `\\`, `"`, `\"`, `'`, `\'`).Replace(w)+`"`)
		}
		again, err := Split(strings.Join(quoted, " "))
		require.NoError(t, err)
		require.Equal(t, words, again)
	})
}

func TestParseFile(t *testing.T) {
	lines, err := ParseFile("f", []byte("A 1\r\n\n# c\n  B=2"))
	require.NoError(t, err)
	require.Equal(t, []Line{{"f", 1, "A", "1"}, {"f", 4, "B", "2"}}, lines)
	_, err = ParseFile("f", []byte("A 1\nB \x00"))
	require.EqualError(t, err, "f: line 2: NUL byte in line")
	_, err = ParseFile("f", []byte("A "+strings.Repeat("x", maxLine)))
	require.Error(t, err)
}

type values struct {
	yes   bool
	name  string
	names []string
	more  []string
	n     int
	cmd   string
	kind  string
	algos List
}

var table = MakeTable(append([]Keyword[values]{
	Bool("Yes", func(v *values) *bool { return &v.yes }),
	String("Name", func(v *values) *string { return &v.name }),
	Strings("Names", false, func(v *values) *[]string { return &v.names }),
	Strings("More", true, func(v *values) *[]string { return &v.more }),
	Int("N", 1, 10, func(v *values) *int { return &v.n }),
	Command("Cmd", func(v *values) *string { return &v.cmd }),
	Enum("Kind", map[string]string{"a": "A", "b": "B"}, func(v *values) *string { return &v.kind }),
	Algorithms("Algos", func(v *values) *List { return &v.algos }),
}, Ignored[values]("Old")...), map[string]string{"Title": "Name"})

func TestKeywords(t *testing.T) {
	var v values
	seen := map[string]bool{}
	apply := func(s string, active bool) error {
		l, ok := CommandLine(s)
		require.True(t, ok)
		k, err := table.Find(&l)
		if err != nil {
			return err
		}
		return k.Apply(&l, &v, seen, active)
	}
	for _, s := range []string{
		"yes=true", "YES no", "name 'a b'", "Title other", "names a b", "names c", "more a b", "more c",
		"n 3", "cmd  printf \"%s\" # x ", "kind B", "algos +x,y", "old anything 'at all", "old", "old 1 2 3",
	} {
		err := apply(s, true)
		if s == "old anything 'at all" {
			require.ErrorIs(t, err, ErrQuotes)
			continue
		}
		require.NoError(t, err, s)
	}
	require.Equal(t, values{true, "a b", []string{"a", "b"}, []string{"a", "b", "c"}, 3, `printf "%s" # x`, "B", List{'+', []string{"x", "y"}}}, v)
	require.Equal(t, []string{"algos +x,y", `cmd printf "%s" # x`, "kind B", "more a", "more b", "more c", "n 3", "name a b", "names a b", "yes yes"}, table.Dump(&v))

	was := v
	require.NoError(t, apply("n 4", false), "a line that does not apply changes nothing")
	for _, bad := range []string{"yes maybe", "yes", "yes yes no", "n 0", "n 11", "n x", "kind c", "algos a,,b", "cmd", "cmd =", "name", "nosuch 1", "name '"} {
		for _, active := range []bool{true, false} {
			err := apply(bad, active)
			require.Error(t, err, bad)
			require.Contains(t, err.Error(), "command-line: line 0: ")
		}
	}
	require.Equal(t, was, v)
	require.ErrorIs(t, apply("nosuch 1", true), ErrUnknownKeyword)
	require.ErrorContains(t, apply("no\x1bsuch 1", true), `\x1b`)
	var e *Error
	require.True(t, errors.As(apply("n 0", true), &e))
}

func TestParseTime(t *testing.T) {
	for in, want := range map[string]time.Duration{
		"0": 0, "600": 600 * time.Second, "10m": 10 * time.Minute, "1h30m": 90 * time.Minute, "1W": 168 * time.Hour, "1d2S": 24*time.Hour + 2*time.Second,
	} {
		got, err := ParseTime(in)
		require.NoError(t, err, in)
		require.Equal(t, want, got, in)
	}
	for _, in := range []string{"", "m", "1x", "-1", "1.5", " 1", "99999999999", "1h m", "2147483647w2147483647w"} {
		_, err := ParseTime(in)
		require.Error(t, err, "%q", in)
	}
}

func TestParseRekey(t *testing.T) {
	for in, want := range map[string]Rekey{
		"default": {}, "none": {}, "default none": {}, "16": {Bytes: 16}, "1k": {Bytes: 1024}, "1M 1h": {1 << 20, time.Hour}, "8G": {Bytes: 8 << 30}, "default 30": {0, 30 * time.Second},
	} {
		got, err := ParseRekey(strings.Fields(in))
		require.NoError(t, err, in)
		require.Equal(t, want, got, in)
	}
	for _, in := range []string{"15", "1T", "K", "-1", "1M x", "1M 1 1", "99999999999G", "16 0x"} {
		_, err := ParseRekey(strings.Fields(in))
		require.Error(t, err, in)
	}
	require.Equal(t, "1048576 3600", Rekey{1 << 20, time.Hour}.String())
}

func TestList(t *testing.T) {
	defaults, supported := []string{"a1", "a2", "b"}, []string{"a1", "a2", "b", "c"}
	for in, want := range map[string]string{
		"c,a1": "c a1", "+c": "a1 a2 b c", "+a1": "a1 a2 b", "^c,b": "c b a1 a2", "-a*": "b", "-nosuch": "a1 a2 b", "-a?,c": "b", "c,c": "c",
	} {
		l, err := ParseList(in)
		require.NoError(t, err)
		require.Equal(t, in, l.String())
		got, err := l.Apply(defaults, supported)
		require.NoError(t, err, in)
		require.Equal(t, want, strings.Join(got, " "), in)
	}
	got, err := List{}.Apply(defaults, supported)
	require.NoError(t, err)
	require.Equal(t, defaults, got)
	for _, in := range []string{"d", "+d", "^d", "-*", "a*"} {
		l, err := ParseList(in)
		require.NoError(t, err)
		_, err = l.Apply(defaults, supported)
		require.Error(t, err, in)
	}
	for _, in := range []string{"", "+", "a,", ",a", "^,"} {
		_, err := ParseList(in)
		require.Error(t, err, "%q", in)
	}
}

func TestExpand(t *testing.T) {
	tokens := map[byte]string{'h': "host", 'p': "22"}
	got, err := Expand("%h:%p %%h %", nil)
	require.Error(t, err)
	require.Empty(t, got)
	got, err = Expand("%h:%p %%h", tokens)
	require.NoError(t, err)
	require.Equal(t, "host:22 %h", got)
	for _, in := range []string{"%", "%x", "%h%"} {
		_, err = Expand(in, tokens)
		require.Error(t, err, in)
	}
	lookup := func(n string) (string, bool) { return "v${N}", n == "N" }
	got, err = ExpandEnv("a${N}b$N", lookup)
	require.NoError(t, err)
	require.Equal(t, "av${N}b$N", got)
	for _, in := range []string{"${M}", "${N", "${}"} {
		_, err = ExpandEnv(in, lookup)
		require.Error(t, err, in)
	}
	require.Equal(t, "/h/", Tilde("~", "/h"))
	require.Equal(t, "/h/x", Tilde("~/x", "/h"))
	require.Equal(t, "~user/x", Tilde("~user/x", "/h"))
}

func TestPatterns(t *testing.T) {
	for _, c := range []struct {
		s, p string
		want bool
	}{
		{"", "", true}, {"a", "", false}, {"", "*", true}, {"abc", "a*c", true}, {"abc", "a?c", true}, {"ac", "a?c", false},
		{"abcbc", "a*bc", true}, {"abc", "*", true}, {"abc", "**b**", true}, {"abc", "abcd", false}, {"abcd", "abc", false},
		{strings.Repeat("a", 5000), strings.Repeat("*a", 50) + "b", false},
	} {
		require.Equal(t, c.want, MatchPattern(c.s, c.p), "%q %q", c.s, c.p)
	}
	require.Equal(t, 1, MatchList("b", "a,b"))
	require.Equal(t, -1, MatchList("b", "b,!b"))
	require.Equal(t, -1, MatchList("b", "!b,b"))
	require.Equal(t, 0, MatchList("c", "!b"))
	require.Equal(t, 0, MatchList("", ""))
	require.Equal(t, 1, MatchHost("Host.Example", "*.EXAMPLE"))

	addr := netip.MustParseAddr
	require.Equal(t, 1, MatchAddress(addr("10.1.2.3"), "192.168.0.0/16,10.0.0.0/8"))
	require.Equal(t, -1, MatchAddress(addr("10.1.2.3"), "10.0.0.0/8,!10.1.2.3"))
	require.Equal(t, 1, MatchAddress(addr("::ffff:10.1.2.3"), "10.*"))
	require.Equal(t, 1, MatchAddress(addr("2001:db8::1"), "2001:0DB8::/32"))
	require.Equal(t, 1, MatchAddress(addr("::1"), "0:0::1"))
	require.Equal(t, 0, MatchAddress(addr("10.1.2.3"), "10.1.2.3/99"))
	require.Equal(t, 0, MatchAddress(netip.Addr{}, "*"), "no address matches no list")
}

func TestForward(t *testing.T) {
	for _, c := range []struct {
		in                string
		dynamic, zero     bool
		listen, to, where string // where: the address bound without GatewayPorts
	}{
		{"8080:web:80", false, false, "8080", "web:80", "localhost"},
		{"*:8080:web:80", false, false, "*:8080", "web:80", ""},
		{":8080:web:80", false, false, ":8080", "web:80", ""},
		{"127.0.0.1:8080:[::1]:80", false, false, "127.0.0.1:8080", "[::1]:80", "127.0.0.1"},
		{"[::1]:8080:web:80", false, false, "[::1]:8080", "web:80", "::1"},
		{"8080:/run/sock", false, false, "8080", "/run/sock", "localhost"},
		{"/a:/b", false, false, "/a", "/b", ""},
		{"/a:h:1", false, false, "/a", "h:1", ""},
		{"lo:81:/b", false, false, "lo:81", "/b", "lo"},
		{`8080:/a\:b`, false, false, "8080", "/a:b", "localhost"},
		{"0:h:1", false, true, "0", "h:1", "localhost"},
		{"1080", true, false, "1080", "", "localhost"},
		{"[::1]:1080", true, false, "[::1]:1080", "", "::1"},
	} {
		f, err := ParseForward(c.in, c.dynamic, c.zero)
		require.NoError(t, err, c.in)
		require.Equal(t, c.listen, f.Listen(), c.in)
		require.Equal(t, c.to, f.Destination(), c.in)
		if f.Path == "" {
			require.Equal(t, c.where, f.BindAddress(false), c.in)
		}
	}
	for _, in := range []string{
		"", "1", "0:h:1", "70000:h:1", "1:h:0", "1:h:70000", "1:h", "x:h:1", "1::1", "a:1:h:x", "[::1:1:h:1", "[::1]x:1:h:1", "1:2:3:4:5", "-1:h:1", "+1:h:1",
	} {
		_, err := ParseForward(in, false, false)
		require.Error(t, err, in)
	}
	f, err := ParseForward("80:h:1", false, false)
	require.NoError(t, err)
	require.Equal(t, "", f.BindAddress(true))
}

func TestSplitHostPort(t *testing.T) {
	for in, want := range map[string]struct {
		host string
		port int
	}{"h": {"h", -1}, "h:1": {"h", 1}, "[::1]": {"::1", -1}, "[::1]:2": {"::1", 2}, "::1": {"::1", -1}, ":22": {"", 22}} {
		host, port, err := SplitHostPort(in)
		require.NoError(t, err, in)
		require.Equal(t, want.host, host)
		require.Equal(t, want.port, port)
	}
	for _, in := range []string{"h:", "h:x", "[::1", "[::1]2", "h:70000"} {
		_, _, err := SplitHostPort(in)
		require.Error(t, err, in)
	}
}
