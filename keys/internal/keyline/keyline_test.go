package keyline

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh/keys"
)

const text = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIACw8LBoZyLluhUYQPF4cwObEIgDSitFs0ZvkLTWzQLw"

func TestCut(t *testing.T) {
	want, _, err := keys.ParsePublicKeyLine([]byte(text))
	require.NoError(t, err)
	for _, c := range []struct{ line, options, comment string }{
		{text, "", ""},
		{text + " a  comment ", "", "a  comment"},
		{"x " + text, "x", ""},
		{"x,y=\"a b\"\t " + text + " z", "x,y=\"a b\"", "z"},
		{`"a b" ` + text, `"a b"`, ""},
		{`x="\" " ` + text, `x="\" "`, ""},
	} {
		key, options, comment, err := Cut([]byte(c.line))
		require.NoError(t, err, "%q", c.line)
		require.True(t, keys.Equal(want, key))
		require.Equal(t, c.options, options)
		require.Equal(t, c.comment, comment)
	}
	for _, line := range []string{"", "x", "x y", "x y z", `x="y ` + text, text[:40], "x " + text[:40], "x x " + text} {
		key, _, _, err := Cut([]byte(line))
		require.Error(t, err, "%q", line)
		require.Nil(t, key)
	}
}

func TestOptions(t *testing.T) {
	for s, want := range map[string]string{
		"": "", ",": "", ",,a,,B,,": "a;b;",
		`A="x"`: "a=x;", `a="",b`: "a=;b;", `a="\"\\,"`: `a="\\,;`, `="x"`: "=x;",
	} {
		got := ""
		require.NoError(t, Options(s, func(name, value string, hasValue bool) error {
			got += name
			if hasValue {
				got += "=" + value
			}
			got += ";"
			return nil
		}), "%q", s)
		require.Equal(t, want, got)
	}
	for _, s := range []string{"a=", "a=x", `a="`, `a="\"`, `a="x"y`, `a="x" ,b`} {
		err := Options(s, func(string, string, bool) error { return nil })
		require.ErrorContains(t, err, `option "a"`, "%q", s)
	}
	err := Options(strings.Repeat("x", 1000), func(string, string, bool) error { return errQuote })
	require.ErrorIs(t, err, errQuote)
	require.Less(t, len(err.Error()), 100)
}
