package authorizedkeys

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh/internal/sshdtest"
	"github.com/fairlead-go/ssh/keys"
)

// sshdLines are lines in which <K> stands for a key and <S> for its base64
// alone. What each means to us is compared with a live sshd and with ssh-keygen.
var sshdLines = []string{
	"<K>", " <K>", "\t<K>", "<K> comment", "<K>\tcomment", "<K>\r", "<K> comment\r", "#<K>", "# <K>", " #<K>", "ssh-ed25519\t<S>", "ssh-ed25519 \t <S>", "<K> # x", "<K>#",
	"ssh-ed25519<S>", "ssh-rsa <S>", "SSH-ED25519 <S>", "ssh-ed25519 <S>=", "ssh-ed25519 <S>AAAA", "\"<K>\"", "ssh-ed25519 \"<S>\"", "<S>", "no-such-type <S>", "pty no-such-type <S>", "ssh-ed25519 <K>", "ssh-rsa <K>", "\ufeff<K>", "1024 65537 <K>", "<K>,<K>",
	"pty <K>", "no-pty <K>", "No-Pty <K>", "PTY\t<K>", "pty  <K>", "pty,no-pty <K>", "pty, no-pty <K>", "pty ,no-pty <K>", ",pty <K>", "pty, <K>", ",,pty,,no-pty,, <K>", ", <K>", "pty\v<K>", "pty\u00a0<K>", "pty # <K>", "pty #<K>",
	"unknown <K>", "pty,unknown <K>", "unknown,pty <K>", "ptyx <K>", "xpty <K>", "no- <K>", "no-unknown <K>", "no-no-pty <K>", "pty=\"x\" <K>", "pty= <K>", "\"pty\" <K>", "pty\"\" <K>", "pty;no-pty <K>", "no-restrict <K>", "restrict <K>", "restrict,pty <K>", "Restrict <K>", "no-cert-authority <K>", "cert-authority <K>",
	"agent-forwarding,port-forwarding,x11-forwarding,X11-forwarding,user-rc,touch-required,verify-required <K>", "no-agent-forwarding,no-port-forwarding,no-x11-forwarding,no-user-rc,no-touch-required,no-verify-required <K>",
	"command=\"x\" <K>", "Command=\"x\" <K>", "command=\"\" <K>", "command=x <K>", "command <K>", "command= \"x\" <K>", "command =\"x\" <K>", "command=\"x <K>", "command=\"x\\\" <K>", "command=\"x\\\\\" <K>", "command=\"x\\\\\"\" <K>", "command=\"a \\\"b\\\" c\" <K>", "command=\"x\"pty <K>", "command=\"x\"\"y\" <K>", "command=\"x\",command=\"y\" <K>", "command='x' <K>", "no-command=\"x\" <K>", "command=\"# x\" <K>", "command=\"a,b\",pty <K>", "command=\"x\",, <K>", "=\"x\" <K>", "command=\"\t\" <K>",
	"environment=\"A=1\" <K>", "environment=\"A=\" <K>", "environment=\"A\" <K>", "environment=\"=1\" <K>", "environment=\"A-B=1\" <K>", "environment=\"A B=1\" <K>", "environment=\"1_a=1\" <K>", "environment=\"A=1\",environment=\"A=2\" <K>", "environment=\"A==\" <K>", "environment=\"\" <K>",
	"from=\"127.0.0.1\" <K>", "from=\"127.0.0.2\" <K>", "from=\"127.0.0.0/8\" <K>", "from=\"127.0.0.1/32\" <K>", "from=\"127.0.0.1/8\" <K>", "from=\"127.0.0.0/33\" <K>", "from=\"0.0.0.0/0\" <K>", "from=\"::/0\" <K>", "from=\"*\" <K>", "from=\"?27.0.0.1\" <K>", "from=\"127.*\" <K>", "from=\"!127.0.0.1,*\" <K>", "from=\"*,!127.0.0.0/8\" <K>", "from=\"!10.0.0.1\" <K>", "from=\"!10.0.0.1,127.*\" <K>", "from=\"\" <K>", "from=\",127.0.0.1\" <K>", "from=\"127.0.0.1,\" <K>", "from=\"127.0.0.1, 10.0.0.1\" <K>", "from=\" 127.0.0.1\" <K>", "from=\"127.0.0.1,!\" <K>", "from=\"localhost\" <K>", "from=\"127.0.0.1\",from=\"*\" <K>", "from=127.0.0.1 <K>", "from=\"!!127.0.0.1,*\" <K>", "from=\"127.0.0.1,10.0.0.1/8\" <K>", "from=\"[127.0.0.1]\" <K>",
	"expiry-time=\"20991231\" <K>", "expiry-time=\"20010101\" <K>", "expiry-time=\"209912312359\" <K>", "expiry-time=\"20991231235959\" <K>", "expiry-time=\"20991231Z\" <K>", "expiry-time=\"20991231z\" <K>", "expiry-time=\"20010101Z\" <K>", "expiry-time=\"20991231UTC\" <K>", "expiry-time=\"20991231Utc\" <K>", "expiry-time=\"2099123123\" <K>", "expiry-time=\"20991331\" <K>", "expiry-time=\"20991231 \" <K>", "expiry-time=\"\" <K>", "expiry-time=\"Z\" <K>", "expiry-time=\"2099-12-31\" <K>", "expiry-time=\"20991231ZZ\" <K>", "expiry-time=\"19700101Z\" <K>", "expiry-time=\"20991231\",expiry-time=\"20010101\" <K>", "expiry-time=\"20010101\",expiry-time=\"20991231\" <K>", "expiry-time=20991231 <K>", "expiry-time=\"always\" <K>", "expiry-time=\"20991231T2359\" <K>",
	"permitopen=\"h:1\" <K>", "permitopen=\"h:*\" <K>", "permitopen=\"*:1\" <K>", "permitopen=\"[::1]:1\" <K>", "permitopen=\"h/1\" <K>", "permitopen=\"h\" <K>", "permitopen=\"1\" <K>", "permitopen=\"h:\" <K>", "permitopen=\"h:0\" <K>", "permitopen=\"h:65535\" <K>", "permitopen=\"h:65536\" <K>", "permitopen=\"h:-1\" <K>", "permitopen=\"::1:1\" <K>", "permitopen=\"[::1:1\" <K>", "permitopen=\"[::1]1\" <K>", "permitopen=\":1\" <K>", "permitopen=\"h:1,h:2\" <K>", "permitopen=\"none\" <K>", "permitopen=\"any\" <K>", "permitopen=\"h:1\",permitopen=\"h:2\" <K>", "permitopen=\"\" <K>", "permitopen=\"h:1 \" <K>", "permitopen=\"[]:1\" <K>", "permitopen=\"[h]/1\" <K>",
	"permitlisten=\"1\" <K>", "permitlisten=\"*\" <K>", "permitlisten=\"h:1\" <K>", "permitlisten=\"0\" <K>", "permitlisten=\"h\" <K>", "permitlisten=\"\" <K>", "permitlisten=\"h/1\" <K>", "permitlisten=\":1\" <K>", "permitlisten=\"none\" <K>",
	"tunnel=\"0\" <K>", "tunnel=\"any\" <K>", "tunnel=\"ANY\" <K>", "tunnel=\"x\" <K>", "tunnel=\"\" <K>", "tunnel=\"-1\" <K>", "tunnel=\"2147483645\" <K>", "tunnel=\"2147483646\" <K>", "tunnel=\"2147483647\" <K>", "tunnel=\"0:1\" <K>",
	"principals=\"a\" <K>", "principals=\"\" <K>", "principals=\"a\",principals=\"b\" <K>", "principals=a <K>",
}

// differences are lines that sshd accepts and we refuse. One that sshd refuses
// by now, or that we accept, belongs into the table.
var differences = map[string]string{
	"expiry-time=\"20990230\" <K>":        "sshd takes it for the 2nd of March",
	"permitopen=\"h:ssh\" <K>":            "names of services depend on the machine",
	"from=\"127.1\" <K>":                  "sshd reads what inet_aton reads",
	"from=\"127.0.0.1,10.0.0.0/999\" <K>": "sshd compares it as text",
	"<K>\x00":                             "what follows a zero byte is hidden from sshd",
	"permitopen=\"h:+1\" <K>":             "strtonum takes a sign",
}

func lineFor(odd string, k keys.PublicKey) string {
	return strings.NewReplacer("<K>", text(k), "<S>", strings.Fields(text(k))[1]).Replace(odd)
}

// Each line has a key of its own; one ssh offers all their public halves, of
// which sshd says whether it would take a signature.
func TestDefect_LinesSilentlyMisread(t *testing.T) {
	lines := sshdLines
	for odd := range differences {
		lines = append(lines, odd)
	}
	accepted := sshdAccepts(t, lines)
	for i, odd := range lines {
		line := lineFor(odd, ed(t, i))
		entries, _ := Parse([]byte(line))
		_, err := Find(entries, Login{Key: ed(t, i), Remote: netip.MustParseAddr("127.0.0.1")})
		if reason, differs := differences[odd]; differs {
			require.True(t, accepted[i], "%q: %s", odd, reason)
			require.Error(t, err, "%q: %s", odd, reason)
			continue
		}
		require.Equal(t, accepted[i], err == nil, "sshd accepts %q: %v; our error: %v", odd, accepted[i], err)
	}
}

// sshdAccepts returns for each line whether sshd accepts its key.
func sshdAccepts(t *testing.T, lines []string) map[int]bool {
	dir := t.TempDir()
	hostKey, err := keys.GenerateKey(keys.KeyEd25519, 0)
	require.NoError(t, err)
	pem, err := hostKey.MarshalOpenSSH(keys.MarshalOptions{})
	require.NoError(t, err)
	var file bytes.Buffer
	for i, odd := range lines {
		file.WriteString(lineFor(odd, ed(t, i)) + "\n")
		require.NoError(t, os.WriteFile(filepath.Join(dir, fmt.Sprintf("%d.pub", i)), keys.MarshalAuthorizedKey(ed(t, i), ""), 0o600))
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "authorized_keys"), file.Bytes(), 0o600))
	address := sshdtest.Start(t, pem, "AuthorizedKeysFile "+dir+"/authorized_keys")
	_, port, err := net.SplitHostPort(address)
	require.NoError(t, err)

	me, err := user.Current()
	require.NoError(t, err)
	offered := regexp.MustCompile(`Server accepts key: .*/(\d+)\.pub `)
	const batch = 90 // ssh takes 100 identity files
	accepted := make(map[int]bool)
	for first := 0; first < len(lines); first += batch {
		args := []string{"-v", "-F", "none", "-p", port, "-l", me.Username,
			"-o", "IdentitiesOnly=yes", "-o", "IdentityAgent=none", "-o", "BatchMode=yes", "-o", "PreferredAuthentications=publickey",
			"-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "GlobalKnownHostsFile=/dev/null"}
		for i := first; i < min(first+batch, len(lines)); i++ {
			args = append(args, "-i", filepath.Join(dir, fmt.Sprintf("%d.pub", i)))
		}
		out, _ := exec.Command("ssh", append(args, "127.0.0.1", "true")...).CombinedOutput()
		require.Contains(t, string(out), "No more authentication methods", "ssh: %s", out)
		for _, m := range offered.FindAllStringSubmatch(string(out), -1) {
			var i int
			fmt.Sscan(m[1], &i)
			accepted[i] = true
		}
	}
	return accepted
}

// ssh-keygen sees a key on the same lines, whatever it thinks of the options.
func TestLinesWithSSHKeygen(t *testing.T) {
	for _, format := range []string{"%s", " \t%s", "%s comment", "%s\r", "pty %s", "command=\"a b\" %s", "command=\"a \\\" b\" %s", "#%s", "\"%s", "command=\"a b %s"} {
		path := filepath.Join(t.TempDir(), "authorized_keys")
		line := fmt.Sprintf(format, text(ed(t, 0)))
		require.NoError(t, os.WriteFile(path, []byte(line+"\n"+text(ed(t, 1))+"\n"), 0o600))
		out, err := exec.Command("ssh-keygen", "-l", "-f", path).Output()
		require.NoError(t, err)
		e, err := ParseLine([]byte(line))
		require.Equal(t, strings.Contains(string(out), keys.FingerprintSHA256(ed(t, 0))), e != nil, "%q %v: %s", line, err, out)
		require.Contains(t, string(out), keys.FingerprintSHA256(ed(t, 1)))
	}
}
