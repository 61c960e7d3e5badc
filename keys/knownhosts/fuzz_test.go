package knownhosts

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh/keys/internal/textfile"
)

func FuzzParseFile(f *testing.F) {
	k := text(ed(f, 0))
	for _, line := range oddLines {
		f.Add([]byte(strings.ReplaceAll(line, "<K>", k)), "h")
	}
	f.Add([]byte("a "+k+"\r\n\n@revoked * "+k+"\n"+newHashedName("h").String()+" "+k), "h")
	f.Fuzz(func(t *testing.T, data []byte, name string) {
		entries, bad, err := parseFile(bytes.NewReader(data), "file")
		require.NoError(t, err)
		last := 0
		for _, e := range entries {
			require.Greater(t, e.line, last)
			last = e.line
			require.NotNil(t, e.key)
			if e.hashed != nil {
				again, err := parseHashedName(e.hashed.String())
				require.NoError(t, err)
				require.Equal(t, e.hashed, again)
			} else {
				require.NotEmpty(t, e.hosts)
			}
			require.Equal(t, e.matches(name), e.matches(textfile.Lower(name)) || e.hashed != nil && e.matches(name))
		}
		require.LessOrEqual(t, len(entries)+len(bad), bytes.Count(data, []byte("\n"))+1)
	})
}

func FuzzHashedName(f *testing.F) {
	f.Add("|1|AAAA|AAAA")
	f.Add(newHashedName("h").String())
	f.Fuzz(func(t *testing.T, field string) {
		h, err := parseHashedName(field)
		if err == nil {
			require.Equal(t, field, h.String())
		}
	})
}

// What Add writes for any name, Check finds, and it is one line.
func FuzzAdd(f *testing.F) {
	for _, address := range []string{"h:22", "H:2222", "[::1]:22", "2001:db8::1", "a,b", "*:22", "|1|", "h\n", "\u212a"} {
		f.Add(address, "comment", true)
		f.Add(address, "a\nb", false)
	}
	f.Fuzz(func(t *testing.T, address, comment string, hash bool) {
		name, _, err := parseAddress(address)
		if err != nil {
			return
		}
		k := ed(t, 0)
		line, err := formatLine(name, k, AddOptions{Hash: hash, Comment: comment})
		if err != nil {
			return
		}
		require.Equal(t, 1, bytes.Count(line, []byte("\n")))
		require.True(t, bytes.HasSuffix(line, []byte("\n")))
		e, err := parseLine(bytes.TrimSuffix(line, []byte("\n")))
		require.NoError(t, err)
		require.True(t, e.matches(name))
		require.Equal(t, plainKey, e.marker)
		require.Equal(t, hash, e.hashed != nil)
	})
}
