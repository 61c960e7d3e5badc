package knownhosts

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh/keys"
)

// oddLines are lines in which <K> stands for a key, <S> for its base64 alone,
// <T> for the key with a tab in it, and <HASH> and <GHASH> for hashed names.
var oddLines = []string{
	"h <K>", "H <K>", "  h <K>", "\th\t<K>", "\th\t<K>\t", "h  <K>", "h <K> comment", "h <K>  a  long comment ", "h <K> #", "h <K>\r", "h <K> comment\r",
	"", " ", "\t", "\r", "#", "#h <K>", " #h <K>", "\t# h <K>", "h #<K>", "h # <K>",
	"h", "h ", "h ssh-ed25519", "h ssh-ed25519 ", "h <S>", "h ssh-ed25519<S>", "<K>", " <K>", "ssh-ed25519", "h <K>\x00junk", "\x00h <K>", "h ssh-ed25519\x00 <S>",
	"h ssh-rsa <S>", "h ssh-ed25519 AAAA", "h ssh-ed25519 <S>=", "h ssh-ed25519 <S>AAAA", "h SSH-ED25519 <S>", "h ed25519 <S>", "h no-such-type <S>",
	"h ssh-ed25519 \"<S>\"", "h ssh-ed25519,<S>", "h,<K>", "h, <K>", ",h <K>", "h,,g <K>", "g,h <K>", "g, h <K>", "g ,h <K>", "h\v<K>", "h\u00a0<K>", "\ufeffh <K>",
	"1024 35 12345", "h 1024 35 12345",
	"* <K>", "? <K>", "h* <K>", "*h <K>", "h? <K>", "** <K>", "[h] <K>", "[h]:22 <K>", "h:22 <K>", "!h <K>", "!g <K>", "*,!h <K>", "!h,* <K>", "*,!g <K>", "!*,h <K>", "!!h,* <K>", "! <K>", "h,! <K>", "*,!H <K>", "\"h\" <K>", "'h' <K>", `\h <K>`, "[ah] <K>",
	"@revoked h <K>", "@revoked  h  <K>", "@revoked g <K>", "@revoked * <K>", "@revoked *,!h <K>", "@revoked", "@revoked ", "@revoked h", "@REVOKED h <K>", "@revokedh <K>", "@revoked# h <K>",
	"@cert-authority h <K>", "@cert-authority * <K> comment", "@cert-authority", "@Cert-Authority h <K>", "@ h <K>", "@foo h <K>", "@ revoked h <K>", "@revoked @cert-authority h <K>", "@revoked @h <K>", "@cert-authority,@revoked h <K>", "h @revoked <K>", "@revoked\th\t<T>",
	"|1| <K>", "| <K>", "|1|AAAA|AAAA <K>", "|2|AAAA|AAAA <K>", "|1|h <K>", "h,|1| <K>", "|1||  <K>",
	"<HASH> <K>", "<HASH>x <K>", "<HASH>,h <K>", "h,<HASH> <K>", " <HASH> <K>", "@revoked <HASH> <K>", "@cert-authority <HASH> <K>", "<GHASH> <K>", "!<HASH> <K>",
}

// keygenFinds asks ssh-keygen what it takes line for as a line for host h: "",
// "KEY", "REVOKED" or "CA". It must be able to read the key.
func keygenFinds(t testing.TB, path, host string) string {
	out, _ := sshKeygen(t, "-l", "-F", host, "-f", path)
	switch first, _, _ := strings.Cut(out, "\n"); {
	case out == "":
		return ""
	case strings.HasSuffix(first, " REVOKED"):
		return "REVOKED"
	case strings.HasSuffix(first, " CA"):
		return "CA"
	default:
		return "KEY"
	}
}

// weFind is keygenFinds by this package.
func weFind(t testing.TB, path, name string, key keys.PublicKey) string {
	f, err := open(t, path).lookup(name)
	require.NoError(t, err)
	switch {
	case find(f.keys, key) != nil:
		return "KEY"
	case find(f.revoked, key) != nil:
		return "REVOKED"
	case find(f.authorities, key) != nil:
		return "CA"
	default:
		return ""
	}
}

// Odd lines mean to us what they mean to OpenSSH.
func TestDefect_LinesSilentlyMisread(t *testing.T) {
	k := ed(t, 0)
	blob := strings.Fields(text(k))[1]
	r := strings.NewReplacer("<GHASH>", newHashedName("g").String(), "<HASH>", newHashedName("h").String(),
		"<K>", text(k), "<S>", blob, "<T>", strings.ReplaceAll(text(k), " ", "\t"))
	for i, odd := range oddLines {
		line := r.Replace(odd)
		for _, end := range []string{"\n", "", "\nother " + text(ed(t, 1)) + "\n"} {
			path := write(t, line+end)
			want := keygenFinds(t, path, "h")
			require.Equal(t, want, weFind(t, path, "h", k), "line %d: %q", i, line+end)
		}
	}
}

// Where we differ from OpenSSH. A case that no longer does belongs into the table.
func TestDifferences(t *testing.T) {
	k := ed(t, 0)
	blob := strings.Fields(text(k))[1]
	for _, c := range []struct{ reason, line, openSSH, ours string }{
		{"a revocation must not get lost by a tab", "@revoked\th " + text(k), "", "REVOKED"},
		{"nor any other marker", "@cert-authority\th " + text(k), "", "CA"},
		{"nothing is seen after a zero byte", "h\x00 " + text(k), "KEY", ""},
		{"base64 holds no white space", "h ssh-ed25519 " + blob[:20] + "\r" + blob[20:], "KEY", ""},
	} {
		path := write(t, c.line+"\n")
		require.Equal(t, c.openSSH, keygenFinds(t, path, "h"), c.reason)
		require.Equal(t, c.ours, weFind(t, path, "h", k), c.reason)
	}
}

// A line that is too long is no line, and what its tail looks like is none.
func TestDefect_LongLine(t *testing.T) {
	k := ed(t, 0)
	for _, n := range []int{64<<10 - 100, 64 << 10, 128 << 10, 1 << 20} {
		path := write(t, strings.Repeat("x", n)+" h "+text(k)+"\ng "+text(k)+"\n")
		db := open(t, path)
		require.ErrorIs(t, db.Check("h", nil, k), ErrUnknownHost)
		require.NoError(t, db.Check("g", nil, k))
		bad, err := db.BadLines()
		require.NoError(t, err)
		require.Len(t, bad, 1)
		require.Equal(t, 1, bad[0].Line)
		require.ErrorContains(t, bad[0], path+":1: ")
	}
}

func TestBadLines(t *testing.T) {
	k := text(ed(t, 0))
	path := write(t, "# comment\n\nh "+k+"\nh\n@foo h "+k+"\nh ssh-ed25519 AAAA\n|1|x h\n|1|x|y "+k+"\nh made-up-type AAAA\n"+k)
	bad, err := open(t, path).BadLines()
	require.NoError(t, err)
	var numbers []int
	for _, b := range bad {
		require.Equal(t, path, b.File)
		require.Error(t, b.Unwrap())
		numbers = append(numbers, b.Line)
	}
	require.Equal(t, []int{4, 5, 6, 7, 8, 9, 10}, numbers)
	var unknownType *keys.UnknownTypeError
	require.ErrorAs(t, bad[5], &unknownType)
}

// ssh-keygen finds and removes what we learn, and we find what it has hashed.
func TestWithSSHKeygen(t *testing.T) {
	for _, keyType := range []string{keys.KeyEd25519, keys.KeyECDSA256, keys.KeyECDSA384, keys.KeyECDSA521, keys.KeyRSA} {
		for _, hash := range []bool{false, true} {
			t.Run(fmt.Sprint(keyType, hash), func(t *testing.T) {
				k := generate(t, keyType, 0)
				path := write(t, "")
				db := open(t, path)
				addresses := map[string]string{
					"Host.example.com:22": "host.example.com", "host.example.com:2222": "[host.example.com]:2222",
					"192.0.2.1:22": "192.0.2.1", "[2001:db8::1]:22": "2001:db8::1", "[2001:db8::1]:2222": "[2001:db8::1]:2222",
				}
				for address := range addresses {
					require.NoError(t, db.Add(address, k, AddOptions{Hash: hash}))
				}
				for _, name := range addresses {
					out, err := sshKeygen(t, "-l", "-F", name, "-f", path)
					require.NoError(t, err, name)
					require.Contains(t, out, keys.FingerprintSHA256(k))
				}
				_, err := sshKeygen(t, "-H", "-f", path)
				require.NoError(t, err)
				require.NotContains(t, read(t, path), "example")
				for address, name := range addresses {
					require.NoError(t, db.Check(address, nil, k), "hashed by ssh-keygen")
					_, err := sshKeygen(t, "-R", name, "-f", path)
					require.NoError(t, err)
				}
				require.Empty(t, read(t, path), "ssh-keygen removed all")
				info, err := os.Stat(path)
				require.NoError(t, err)
				require.Zero(t, info.Size())
			})
		}
	}
}
