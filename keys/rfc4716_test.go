package keys

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The first example of RFC 4716 section 3.6.
var rfc4716Example = []byte(`---- BEGIN SSH2 PUBLIC KEY ----
Comment: "1024-bit RSA, converted from OpenSSH by me@example.com"
x-command: /home/me/bin/lock-in-guest.sh
AAAAB3NzaC1yc2EAAAABIwAAAIEA1on8gxCGJJWSRT4uOrR13mUaUk0hRf4RzxSZ1zRb
YYFw8pfGesIFoEuVth4HKyF8k1y4mRUnYHP1XNMNMJl1JcEArC2asV8sHf6zSPVffozZ
5TT4SfsUu/iKy9lUcCfXzwre4WWZSXXcPff+EHtWshahu3WzBdnGxm5Xoi89zcE=
---- END SSH2 PUBLIC KEY ----
`)

// The last one, which has a header that is continued.
var rfc4716Continued = []byte(`---- BEGIN SSH2 PUBLIC KEY ----
Subject: me
Comment: 1024-bit rsa, created by me@example.com Mon Jan 15 \
08:31:24 2001
AAAAB3NzaC1yc2EAAAABJQAAAIEAiPWx6WM4lhHNedGfBpPJNPpZ7yKu+dnn1SJejgt4
596k6YjzGGphH2TUxwKzxcKDKKezwkpfnxPkSMkuEspGRt/aZZ9wa++Oi7Qkr8prgHc4
soW6NUlfDzpvZK2H5E7eQaSeP3SAwGmQKUFHCddNaP0L+hM7zhFNzjFvpaMgJw0=
---- END SSH2 PUBLIC KEY ----
`)

func TestRFC4716Examples(t *testing.T) {
	for _, c := range []struct {
		file    []byte
		comment string
	}{
		{rfc4716Example, "1024-bit RSA, converted from OpenSSH by me@example.com"},
		{rfc4716Continued, "1024-bit rsa, created by me@example.com Mon Jan 15 08:31:24 2001"},
	} {
		for _, ending := range []string{"\n", "\r\n", "\r"} {
			key, comment, err := ParsePublicKeyFile(bytes.ReplaceAll(c.file, []byte("\n"), []byte(ending)))
			require.NoError(t, err)
			require.Equal(t, 1024, Bits(key))
			require.Equal(t, c.comment, comment)
		}
		text := bytes.TrimSpace(c.file)
		for n := range text {
			require.Error(t, third(ParsePublicKeyFile(text[:n])), "%d bytes", n)
		}
	}
}

func TestRFC4716RoundTrip(t *testing.T) {
	forEachType(t, func(t *testing.T, k *PrivateKey) {
		comments := map[string]string{
			"":                           "",
			"a comment":                  "a comment",
			`"quoted" back\slash\`:       `"quoted" back\slash\`,
			"two\nlines":                 "two lines",
			"  spaces ":                  "spaces",
			": :":                        ": :",
			strings.Repeat("x", 1022):    strings.Repeat("x", 1022),
			strings.Repeat("x", 1023):    strings.Repeat("x", 1022),
			strings.Repeat("\\", 1022):   strings.Repeat("\\", 1022),
			strings.Repeat("ü", 512):     strings.Repeat("ü", 511),
			strings.Repeat("\\", 1<<16):  strings.Repeat("\\", 1022),
			"---- END SSH2 PUBLIC KEY -": "---- END SSH2 PUBLIC KEY -",
		}
		for n := 40; n < 160; n++ { // every place where a line can break
			comment := strings.Repeat("y", n)
			comments[comment] = comment
		}
		for comment, want := range comments {
			file := MarshalRFC4716(k.PublicKey(), comment)
			for line := range strings.Lines(string(file)) {
				require.LessOrEqual(t, len(strings.TrimSuffix(line, "\n")), 72, "%q", line)
			}
			key, got, err := ParsePublicKeyFile(file)
			require.NoError(t, err, "%q", file)
			require.True(t, Equal(k.PublicKey(), key))
			require.Equal(t, want, got)
			require.Equal(t, file, MarshalRFC4716(key, got))
		}
	})
}

func TestRFC4716Refused(t *testing.T) {
	file := string(rfc4716Example)
	for name, c := range map[string]struct {
		old, new string
		is       error
	}{
		"end":                {"END SSH2", "STOP SSH2", errMarker},
		"text on begin":      {"KEY ----\nC", "KEY ---- \nC", errMarker},
		"text after end":     {"KEY ----\n", "KEY ----\nx\n", errMarker},
		"no tag":             {"x-command", "", errHeader},
		"space in tag":       {"x-command", "x command", errHeader},
		"no space":           {"x-command: ", "x-command:", errHeader},
		"long tag":           {"x-command", strings.Repeat("x", 65), errHeader},
		"long value":         {"/home", strings.Repeat("x", 1024), errHeader},
		"endless value":      {"/home", strings.Repeat("x", 1<<16), errLongLine},
		"endless lines":      {"/home", strings.Repeat("xxxxxxx\\\n", 1<<12), errLongLine},
		"two comments":       {"x-command", "comment", errComments},
		"long line":          {"zRb\nYYF", "zRbYYF", errLongLine},
		"blank line":         {"zRb\nYYF", "zRb\n\nYYF", nil},
		"header after body":  {"zRb\nYYF", "zRb\nx: y\nYYF", nil},
		"not base64":         {"zRb\nYYF", "zR!\nYYF", nil},
		"continues at end":   {"guest.sh", `guest.sh\`, nil},
		"nothing but header": {file[strings.Index(file, "AAAA"):strings.Index(file, "---- END")], "", nil},
	} {
		changed := strings.ReplaceAll(file, c.old, c.new)
		require.NotEqual(t, file, changed, name)
		k, comment, err := ParsePublicKeyFile([]byte(changed))
		require.Nil(t, k)
		require.Empty(t, comment)
		require.ErrorAs(t, err, new(*MalformedError), name)
		if c.is != nil {
			require.ErrorIs(t, err, c.is, name)
		}
	}
	// At the bounds.
	for _, change := range [][2]string{{"x-command", strings.Repeat("x", 64)}, {"/home/me/bin/lock-in-guest.sh", strings.Repeat("y", 1024)}} {
		require.NoError(t, third(ParsePublicKeyFile([]byte(strings.Replace(file, change[0], change[1], 1)))))
	}
}
