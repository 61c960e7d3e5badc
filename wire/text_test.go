package wire

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestText(t *testing.T) {
	for _, test := range []struct{ text, escaped, quoted string }{
		{"", ``, `""`},
		{"plain", `plain`, `"plain"`},
		{`"hi" \o/`, `"hi" \o/`, `"\"hi\" \\o/"`},
		{"\x1b[2J", `\x1b[2J`, `"\x1b[2J"`},
		{"a\r\nb", `a\r\nb`, `"a\r\nb"`},
		{"\u202e\u00e9", `\u202e\u00e9`, `"\u202e\u00e9"`},
		{"\xff", `\xff`, `"\xff"`},
		{"exactly ten", `exactly te...`, `"exactly te"...`},
		{"0123456789", `0123456789`, `"0123456789"`},
	} {
		require.Equal(t, test.escaped, Escape(test.text, 10))
		require.Equal(t, test.quoted, Quote(test.text, 10))
	}
}
