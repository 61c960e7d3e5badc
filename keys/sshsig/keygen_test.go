package sshsig

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh/keys"
	"github.com/fairlead-go/ssh/keys/agent"
	"github.com/fairlead-go/ssh/keys/krl"
)

// ssh-keygen, ssh-agent and git are the peers of these tests, which fail where
// one is missing.

func TestKeygenReadsOurs(t *testing.T) {
	for _, typ := range keyTypes {
		for _, hash := range []string{SHA256, SHA512} {
			for _, namespace := range []string{"file", "git", "name@example.com"} {
				t.Run(typ+" "+hash+" "+namespace, func(t *testing.T) {
					dir := t.TempDir()
					k := generated()[typ]
					s, err := Sign(t.Context(), k, namespace, strings.NewReader(message), SignOptions{Hash: hash})
					require.NoError(t, err)
					sig := writeFile(t, filepath.Join(dir, "sig"), s.Armor())
					allowed := writeFile(t, filepath.Join(dir, "allowed"), []byte("alice "+line(k.PublicKey())+"\n"))
					out, err := sshKeygen(t, message, "-Y", "verify", "-f", allowed, "-I", "alice", "-n", namespace, "-s", sig)
					require.NoError(t, err)
					require.Contains(t, out, fmt.Sprintf("Good %q signature for alice", namespace))
					_, err = sshKeygen(t, message, "-Y", "check-novalidate", "-n", namespace, "-s", sig)
					require.NoError(t, err)
					_, err = sshKeygen(t, "another", "-Y", "check-novalidate", "-n", namespace, "-s", sig)
					require.Error(t, err)
				})
			}
		}
	}
}

func TestKeygenSignsForUs(t *testing.T) {
	for _, typ := range keyTypes {
		for _, hash := range []string{SHA256, SHA512} {
			t.Run(typ+" "+hash, func(t *testing.T) {
				k := generated()[typ]
				armored, err := sshKeygen(t, message, "-Y", "sign", "-f", writeKey(t, t.TempDir(), k), "-n", "file", "-O", "hashalg="+hash)
				require.NoError(t, err)
				s, err := ParseArmored([]byte(armored))
				require.NoError(t, err)
				require.Equal(t, hash, s.Hash)
				require.Equal(t, armored, string(s.Armor()))
				v := &Verifier{Allowed: signers(t, "alice "+line(k.PublicKey()))}
				require.NoError(t, v.Verify("alice", "file", strings.NewReader(message), s))

				ours, err := Sign(t.Context(), k, "file", strings.NewReader(message), SignOptions{Hash: hash})
				require.NoError(t, err)
				if typ == keys.KeyEd25519 || typ == keys.KeyRSA { // the others' signatures are never the same
					require.Equal(t, armored, string(ours.Armor()))
				}
			})
		}
	}
}

// An agent's key signs for both, and a certificate of its is shown by both.
func TestKeygenAgent(t *testing.T) {
	dir := t.TempDir()
	socket := filepath.Join(dir, "agent")
	daemon := exec.Command("ssh-agent", "-D", "-a", socket)
	require.NoError(t, daemon.Start())
	defer func() { daemon.Process.Kill(); daemon.Wait() }()
	require.Eventually(t, func() bool { _, err := os.Stat(socket); return err == nil }, 10*time.Second, 5*time.Millisecond)
	t.Setenv("SSH_AUTH_SOCK", socket)
	for _, typ := range []string{keys.KeyEd25519, keys.KeyRSA} {
		keyDir := t.TempDir()
		path := writeKey(t, keyDir, generated()[typ])
		c, _ := certify(t, generated()[typ], 100, nil)
		writeFile(t, path+"-cert.pub", keys.MarshalAuthorizedKey(c, ""))
		out, err := exec.Command("ssh-add", path).CombinedOutput()
		require.NoError(t, err, "%s", out)
		require.NoError(t, os.Remove(path), "the agent alone has it")

		allowed := []string{"alice " + line(generated()[typ].PublicKey()), "alice cert-authority " + line(public(t, 100))}
		file := writeFile(t, filepath.Join(keyDir, "allowed"), []byte(strings.Join(allowed, "\n")))
		verify := func(s *Signature) {
			t.Helper()
			require.NoError(t, (&Verifier{Allowed: signers(t, allowed...)}).Verify("alice", "file", strings.NewReader(message), s))
			sig := writeFile(t, filepath.Join(keyDir, "sig"), s.Armor())
			_, err := sshKeygen(t, message, "-Y", "verify", "-f", file, "-I", "alice", "-n", "file", "-s", sig)
			require.NoError(t, err)
		}
		for _, public := range []string{path + ".pub", path + "-cert.pub"} {
			armored, err := sshKeygen(t, message, "-Y", "sign", "-U", "-f", public, "-n", "file")
			require.NoError(t, err)
			s, err := ParseArmored([]byte(armored))
			require.NoError(t, err)
			_, isCertificate := s.Key.(*keys.Certificate)
			require.Equal(t, strings.HasSuffix(public, "-cert.pub"), isCertificate)
			verify(s)
		}

		client, err := agent.FromEnvironment(t.Context())
		require.NoError(t, err)
		defer client.Close()
		held, err := client.Signers(t.Context())
		require.NoError(t, err)
		for _, k := range held {
			if keys.Equal(keys.PlainKey(k.PublicKey()), generated()[typ].PublicKey()) {
				verify(sign(t, k, "file", message))
				certified, err := keys.NewCertificateSigner(c, k)
				if _, already := k.PublicKey().(*keys.Certificate); !already {
					require.NoError(t, err)
					verify(sign(t, certified, "file", message))
				}
			}
		}
	}
}

// git makes and takes the same signatures.
func TestGit(t *testing.T) {
	dir := t.TempDir()
	path := writeKey(t, dir, ed(t, 0))
	allowed := writeFile(t, filepath.Join(dir, "allowed"), []byte("alice@example.com "+line(public(t, 0))+"\n"))
	git := func(args ...string) string {
		t.Helper()
		cmd := exec.Command("git", append([]string{"-C", dir, "-c", "user.name=A", "-c", "user.email=alice@example.com", "-c", "gpg.format=ssh",
			"-c", "user.signingkey=" + path, "-c", "gpg.ssh.allowedSignersFile=" + allowed}, args...)...)
		cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null", "SSH_AUTH_SOCK=")
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "git %q: %s", args, out)
		return string(out)
	}
	git("init", "-q")
	git("commit", "-q", "--allow-empty", "-S", "-m", "signed by git")
	commit := git("cat-file", "commit", "HEAD")
	before, rest, ok := strings.Cut(commit, "gpgsig ")
	require.True(t, ok)
	armored, after, ok := strings.Cut(rest, footer+"\n")
	require.True(t, ok)
	armored = strings.ReplaceAll(armored+footer, "\n ", "\n")
	s, err := ParseArmored([]byte(armored))
	require.NoError(t, err)
	v := &Verifier{Allowed: signers(t, "alice@example.com "+line(public(t, 0)))}
	require.NoError(t, v.Verify("alice@example.com", "git", strings.NewReader(before+after), s))
	require.Error(t, v.Verify("alice@example.com", "git", strings.NewReader(before+after+"\n"), s))

	unsigned := strings.Replace(before+after, "signed by git", "signed here", 1)
	ours := strings.TrimSpace(string(sign(t, ed(t, 0), "git", unsigned).Armor()))
	signed := strings.Replace(unsigned, "\n\n", "\ngpgsig "+strings.ReplaceAll(ours, "\n", "\n ")+"\n\n", 1)
	object := writeFile(t, filepath.Join(dir, "object"), []byte(signed))
	id := strings.TrimSpace(git("hash-object", "-t", "commit", "-w", object))
	require.Contains(t, git("verify-commit", "-v", id), `Good "git" signature for alice@example.com`)
}

// allowedLines are lines in which <K> stands for the key that signs, <C> for the
// authority of a certificate that signs as well, and <O> for another key. What
// each means to us is compared with ssh-keygen.
var allowedLines = []string{
	"<K>", "alice <K>", " alice <K>", "\talice\t<K>", "alice  <K>", "alice <K> comment", "# alice <K>", "#alice <K>", " # alice <K>", "alice <O>", "alice\n<K>",
	"alice,bob <K>", "bob,alice <K>", "bob <K>", "Alice <K>", "* <K>", "al* <K>", "?lice <K>", "*,!alice <K>", "!alice,* <K>", "!bob <K>", "!bob,* <K>", ",alice <K>", "alice, <K>", "alice, bob <K>", "alice ,bob <K>",
	`"alice" <K>`, `"alice,bob" <K>`, `"alice bob" <K>`, `"alice <K>`, `alice" <K>`, `"alice"<K>`, `"alice",bob <K>`, `"al*" <K>`, `"" <K>`,
	"alice\r <K>", "alice <K>\r", "alice ssh-ed25519 <O>", "alice x <K>", "alice <K> <O>", "alice <O> <K>",
	"alice namespaces=\"file\" <K>", "alice namespaces=\"git\" <K>", "alice namespaces=\"git,file\" <K>", "alice namespaces=\"f*\" <K>", "alice namespaces=\"*,!file\" <K>", "alice namespaces=\"FILE\" <K>", "alice namespaces=\"\" <K>", "alice namespaces=file <K>", "alice namespaces <K>", "alice NameSpaces=\"file\" <K>", "alice namespaces=\"file\",namespaces=\"file\" <K>", "alice namespaces=\"git, file\" <K>", "alice namespaces=\"a\\\"b,file\" <K>", "alice namespaces=\"file <K>", "alice namespaces=\"file\"x <K>", "alice namespace=\"file\" <K>",
	"alice valid-after=\"20200101\" <K>", "alice valid-after=\"20200101Z\" <K>", "alice valid-after=\"20990101\" <K>", "alice valid-after=\"202001010000\" <K>", "alice valid-after=\"20200101000000Z\" <K>", "alice valid-after=\"x\" <K>", "alice valid-after=\"\" <K>", "alice valid-after=20200101 <K>", "alice valid-after <K>", "alice valid-after=\"20200101\",valid-after=\"20200101\" <K>",
	"alice valid-before=\"20200101\" <K>", "alice valid-before=\"20990101\" <K>", "alice valid-before=\"20990101Z\",valid-after=\"20200101Z\" <K>", "alice valid-before=\"20200101Z\",valid-after=\"20990101Z\" <K>", "alice valid-before=\"20990101Z\",valid-after=\"20990101Z\" <K>",
	"alice cert-authority <K>", "alice cert-authority <C>", "alice Cert-Authority <C>", "alice no-cert-authority <C>", "alice no-cert-authority <K>", "alice <C>", "* cert-authority <C>", "bob cert-authority <C>", "*@example.com cert-authority <C>", "alice cert-authority,namespaces=\"file\" <C>", "alice cert-authority,namespaces=\"git\" <C>", "alice cert-authority,valid-before=\"20200101\" <C>", "alice cert-authority=\"x\" <C>", "alice,cert-authority <C>",
	"alice ,cert-authority <C>", "alice ,, <K>", "alice cert-authority, <C>", "alice cert-authority,, <C>", "alice unknown <K>", "alice unknown,cert-authority <C>", "alice cert-authority,unknown <C>", "alice no-pty <K>",
	"bob <K>\nalice <K>", "alice namespaces=\"git\" <K>\nalice <K>", "alice <O>\nalice cert-authority <C>\nalice <K>", "alice unknown <K>\nalice <K>", "x\nalice <K>", "alice\nalice <K>",
}

// differences are lines of which ssh-keygen makes more than we do, or less.
var differences = map[string]string{
	"alice\r <K>": "a carriage return is no blank here",
	",alice <K>":  "ssh-keygen prints the names before the first empty one",
	"alice, <K>":  "ssh-keygen prints no empty name",
}

func TestDefect_AllowedSignersMisread(t *testing.T) {
	dir := t.TempDir()
	plain := sign(t, ed(t, 0), "file", message)
	_, certified := certify(t, ed(t, 1), 100, nil)
	signatures := []*Signature{plain, sign(t, certified, "file", message)}
	var paths []string
	for i, s := range signatures {
		paths = append(paths, writeFile(t, filepath.Join(dir, fmt.Sprintf("sig%d", i)), s.Armor()))
	}
	fill := strings.NewReplacer("<K>", line(public(t, 0)), "<C>", line(public(t, 100)), "<O>", line(public(t, 9)))
	for _, odd := range allowedLines {
		text := fill.Replace(odd) + "\n"
		file := writeFile(t, filepath.Join(dir, "allowed"), []byte(text))
		allowed, bad, err := ReadAllowedSigners(strings.NewReader(text))
		require.NoError(t, err)
		var theirs, ours []string
		for i, s := range signatures {
			_, refused := sshKeygen(t, message, "-Y", "verify", "-f", file, "-I", "alice", "-n", "file", "-s", paths[i])
			err := (&Verifier{Allowed: allowed}).Verify("alice", "file", strings.NewReader(message), s)
			found, _ := sshKeygen(t, "", "-Y", "find-principals", "-f", file, "-s", paths[i])
			theirs = append(theirs, fmt.Sprint(refused == nil), strings.TrimSuffix(found, "\n"))
			ours = append(ours, fmt.Sprint(err == nil), strings.Join(allowed.FindPrincipals(s.Key, time.Time{}), "\n"))
		}
		if len(bad) == 0 { // otherwise ssh-keygen finds no match at all
			matched, _ := sshKeygen(t, "", "-Y", "match-principals", "-f", file, "-I", "alice")
			theirs = append(theirs, strings.TrimSuffix(matched, "\n"))
			ours = append(ours, strings.Join(allowed.MatchPrincipals("alice"), "\n"))
		}
		if reason, differs := differences[odd]; differs {
			require.NotEqual(t, theirs, ours, "%q: %s", odd, reason)
			continue
		}
		require.Equal(t, theirs, ours, "%q", odd)
	}
}

func TestKeygenRevoked(t *testing.T) {
	dir := t.TempDir()
	allowed := "alice " + line(public(t, 0)) + "\nalice cert-authority " + line(public(t, 100)) + "\n"
	file := writeFile(t, filepath.Join(dir, "allowed"), []byte(allowed))
	c, certified := certify(t, ed(t, 1), 100, nil)
	binary := func(fill func(l *krl.List)) []byte {
		l := new(krl.List)
		fill(l)
		return l.Marshal()
	}
	for name, list := range map[string][]byte{
		"nothing":          nil,
		"comment":          []byte("# none\n"),
		"key":              []byte(line(public(t, 0)) + "\n"),
		"authority":        []byte(line(public(t, 100)) + "\n"),
		"certified key":    []byte(line(public(t, 1)) + "\n"),
		"certificate":      []byte(line(c) + "\n"),
		"another":          []byte(line(public(t, 9)) + "\n"),
		"misread":          []byte("no-pty " + line(public(t, 9)) + "\n"),
		"list of nothing":  binary(func(*krl.List) {}),
		"list of a key":    binary(func(l *krl.List) { l.RevokeKey(public(t, 0)) }),
		"list of a serial": binary(func(l *krl.List) { require.NoError(t, l.RevokeCertificate(c)) }),
		"list of a key ID": binary(func(l *krl.List) { l.RevokeKeyID(nil, "test") }),
		"half a list":      binary(func(l *krl.List) { l.RevokeKey(public(t, 9)) })[:60],
	} {
		revoked := writeFile(t, filepath.Join(dir, "revoked"), list)
		v := &Verifier{Allowed: signers(t, allowed), Revoked: func(k keys.PublicKey) error {
			f, err := krl.Open(revoked)
			if err != nil {
				return err
			}
			return f.Check(k)
		}}
		for _, s := range []*Signature{sign(t, ed(t, 0), "file", message), sign(t, certified, "file", message)} {
			sig := writeFile(t, filepath.Join(dir, "sig"), s.Armor())
			_, theirs := sshKeygen(t, message, "-Y", "verify", "-f", file, "-I", "alice", "-n", "file", "-s", sig, "-r", revoked)
			ours := v.Verify("alice", "file", strings.NewReader(message), s)
			require.Equal(t, theirs == nil, ours == nil, "%s: %s: %v", name, s.Key.Type(), ours)
		}
	}
}

// A time that is given is that of the signature for both.
func TestKeygenVerifyTime(t *testing.T) {
	dir := t.TempDir()
	_, certified := certify(t, ed(t, 1), 100, func(c *keys.CertificateClaims) {
		c.ValidAfter, c.ValidBefore = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2021, 1, 1, 0, 0, 0, 0, time.UTC)
	})
	text := `alice valid-after="20200101Z",valid-before="20210101Z" ` + line(public(t, 0)) + "\nalice cert-authority " + line(public(t, 100)) + "\n"
	file := writeFile(t, filepath.Join(dir, "allowed"), []byte(text))
	for _, at := range []time.Time{
		time.Date(2019, 12, 31, 23, 59, 59, 0, time.UTC), time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2020, 6, 1, 0, 0, 0, 0, time.UTC),
		time.Date(2020, 12, 31, 23, 59, 59, 0, time.UTC), time.Date(2021, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2021, 1, 1, 0, 0, 1, 0, time.UTC),
	} {
		for _, s := range []*Signature{sign(t, ed(t, 0), "file", message), sign(t, certified, "file", message)} {
			sig := writeFile(t, filepath.Join(dir, "sig"), s.Armor())
			_, theirs := sshKeygen(t, message, "-Y", "verify", "-f", file, "-I", "alice", "-n", "file", "-s", sig, "-O", "verify-time="+at.Format("20060102150405")+"Z")
			ours := (&Verifier{Allowed: signers(t, text), Time: at}).Verify("alice", "file", strings.NewReader(message), s)
			require.Equal(t, theirs == nil, ours == nil, "%v: %s: %v", at, s.Key.Type(), ours)
		}
	}
}
