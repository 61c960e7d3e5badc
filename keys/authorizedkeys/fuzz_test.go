package authorizedkeys

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh/keys/internal/textfile"
)

func FuzzParse(f *testing.F) {
	for _, odd := range sshdLines {
		f.Add([]byte(lineFor(odd, ed(f, 0))))
	}
	for odd := range differences {
		f.Add([]byte("#\r\n" + lineFor(odd, ed(f, 0)) + "\n\n"))
	}
	addr := netip.MustParseAddr("127.0.0.1")
	f.Fuzz(func(t *testing.T, data []byte) {
		entries, bad := Parse(data)
		require.LessOrEqual(t, len(entries)+len(bad), strings.Count(string(data), "\n")+1)
		for _, e := range entries {
			require.NotNil(t, e.Key)
			found, err := Find([]Entry{e}, Login{Key: e.Key, Remote: addr})
			if e.Options.CertAuthority {
				require.ErrorIs(t, err, ErrNotFound)
			} else if err == nil {
				require.True(t, e.Options.AllowsFrom(addr, ""))
				require.Equal(t, e.Line, found.Line)
			}
		}
	})
}

// quoteOption writes what dequote reads, where that can be written.
func quoteOption(s string) string { return `"` + strings.ReplaceAll(s, `"`, `\"`) + `"` }

// A command comes back as it was written, and nothing in it is another option.
func FuzzCommand(f *testing.F) {
	for _, s := range []string{"", "ls -l", `echo "a, b"`, `a\`, `\\`, `",no-pty,environment="A=1`, " \t#"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, command string) {
		if strings.ContainsAny(command, "\x00\n") || len(command) > textfile.MaxLine/4 || strings.HasSuffix(command, `\`) || strings.Contains(command, `\"`) {
			return // a backslash before a quote cannot be written
		}
		e, err := ParseLine([]byte("command=" + quoteOption(command) + ",no-pty " + text(ed(t, 0))))
		require.NoError(t, err)
		require.Equal(t, Options{Command: command, HasCommand: true, NoPTY: true}, e.Options)
	})
}
