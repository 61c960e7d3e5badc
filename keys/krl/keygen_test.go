package krl

import (
	"bytes"
	"crypto/sha1"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh/keys"
)

// ssh-keygen is the peer of these tests. They fail where it is missing.

func sshKeygen(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.Command("ssh-keygen", args...).CombinedOutput()
	require.NoError(t, err, "ssh-keygen %q: %s", args, out)
	return string(out)
}

func writeFile(t *testing.T, path string, data []byte) string {
	t.Helper()
	require.NoError(t, os.WriteFile(path, data, 0o600))
	return path
}

// A cert is a certificate that ssh-keygen has made.
type cert struct {
	*keys.Certificate
	path string
}

// world is what lists are made of and asked about: plain keys, and certificates
// of two authorities.
type world struct {
	dir   string
	keys  []string // paths of .pub files, by the numbers of ed
	certs []cert
}

const (
	plainKeys    = 6
	authorityOne = 100
	authorityTwo = 101
)

func newWorld(t *testing.T) *world {
	w := &world{dir: t.TempDir()}
	for n := range plainKeys {
		w.keys = append(w.keys, writeFile(t, filepath.Join(w.dir, fmt.Sprintf("key%d.pub", n)), []byte(line(t, n))))
	}
	for _, authority := range []int{authorityOne, authorityTwo} {
		private, err := ed(t, authority).MarshalOpenSSH(keys.MarshalOptions{})
		require.NoError(t, err)
		path := writeFile(t, filepath.Join(w.dir, fmt.Sprintf("ca%d", authority)), private)
		writeFile(t, path+".pub", []byte(line(t, authority)))
		for i, c := range []struct {
			key    int
			serial uint64
			id     string
		}{
			{0, 0, "alice"}, {0, 1, "alice"}, {0, 2, "bob"}, {0, 3, "alice"}, {0, 15, "alice"}, {0, 16, "alice"}, {0, 17, "alice"},
			{0, 1000, "alice"}, {0, 1<<63 + 1, "alice"}, {0, 1<<64 - 1, "alice"}, {1, 5, "carol"}, {2, 5, "carol"}, {3, 5, "carol"}, {4, 0, "bob"},
		} {
			name := filepath.Join(w.dir, fmt.Sprintf("cert-%d-%d", authority, i))
			writeFile(t, name+".pub", []byte(line(t, c.key)))
			sshKeygen(t, "-q", "-s", path, "-I", c.id, "-z", strconv.FormatUint(c.serial, 10), "-n", "x", name+".pub")
			made, _, err := keys.ParseCertificateLine([]byte(readFile(t, name+"-cert.pub")))
			require.NoError(t, err)
			w.certs = append(w.certs, cert{made, name + "-cert.pub"})
		}
	}
	return w
}

func (w *world) authority(n int) string { return filepath.Join(w.dir, fmt.Sprintf("ca%d.pub", n)) }

// agree requires that the list revokes what ssh-keygen says it does, by its
// file, and returns how many of all that is.
func (w *world) agree(t *testing.T, l *List, file string) (revoked int) {
	t.Helper()
	files := slices.Clone(w.keys)
	var ours []error
	for n := range w.keys {
		ours = append(ours, l.Check(public(t, n)))
	}
	for _, c := range w.certs {
		files = append(files, c.path)
		ours = append(ours, l.Check(c.Certificate))
	}
	out, err := exec.Command("ssh-keygen", append([]string{"-Q", "-f", file}, files...)...).Output()
	_, refused := errors.AsType[*exec.ExitError](err)
	require.True(t, err == nil || refused, "%v", err)
	said := map[string]string{}
	for l := range strings.Lines(string(out)) {
		name, verdict, ok := strings.Cut(strings.TrimSpace(l), ": ")
		require.True(t, ok, "%q", out)
		name, _, _ = strings.Cut(name, " (")
		said[name] = verdict
	}
	for i, file := range files {
		want := "ok"
		if ours[i] != nil {
			require.ErrorIs(t, ours[i], ErrRevoked)
			want = "REVOKED"
			revoked++
		}
		require.Equal(t, want, said[file], "%s: %v", file, ours[i])
	}
	require.Equal(t, revoked > 0, refused)
	return revoked
}

func TestKeygenLists(t *testing.T) {
	w := newWorld(t)
	for name, c := range map[string]struct {
		authority string // as -s has it
		spec      string
		revoked   int
	}{
		"nothing":            {"none", "", 0},
		"keys":               {"none", "key: " + line(t, 1) + "sha1: " + line(t, 2) + "sha256: " + line(t, 3) + "hash: " + keys.FingerprintSHA256(public(t, 4)) + "\n", 4 + 8},
		"authority":          {"none", "key: " + line(t, authorityOne), 14},
		"authority, SHA-1":   {"none", "sha1: " + line(t, authorityOne), 14},
		"authority, SHA-256": {"none", "sha256: " + line(t, authorityOne), 14},
		"one serial":         {w.authority(authorityOne), "serial: 2\n", 1},
		"range":              {w.authority(authorityOne), "serial: 2-16\n", 7},
		"mixed":              {w.authority(authorityOne), "serial: 1\nserial: 3\nserial: 15-1000\nserial: 18446744073709551615\n", 7},
		"bitmap":             {w.authority(authorityOne), "serial: 1\nserial: 3\nserial: 5\nserial: 15\nserial: 17\n", 7},
		"all":                {w.authority(authorityTwo), "serial: 1-18446744073709551615\n", 12},
		"key ID":             {w.authority(authorityTwo), "id: bob\n", 2},
		"any, key ID":        {"none", "id: bob\nid: dave\n", 4},
		"any, serials":       {"none", "serial: 1-2\nid: carol\n", 2 * (2 + 3)},
		"certificate":        {"none", "key: " + readFile(t, w.certs[1].path), 1 + 2*10},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "krl")
			spec := writeFile(t, file+".spec", []byte(c.spec))
			args := []string{"-q", "-k", "-f", file, "-z", "12", "-s", c.authority, spec}
			sshKeygen(t, args...)
			data := []byte(readFile(t, file))
			l, err := Parse(data)
			require.NoError(t, err)
			require.Equal(t, uint64(12), l.Version)
			require.Equal(t, c.revoked, w.agree(t, l, file))

			ours := l.Marshal()
			require.LessOrEqual(t, len(ours), len(data))
			require.Equal(t, c.revoked, w.agree(t, l, writeFile(t, file, ours)))
		})
	}
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(data)
}

// Plain files name keys and certificates for ssh-keygen -k as well.
func TestKeygenListOfFiles(t *testing.T) {
	w := newWorld(t)
	file := filepath.Join(t.TempDir(), "krl")
	sshKeygen(t, "-q", "-k", "-f", file, w.keys[1], w.certs[0].path)
	sshKeygen(t, "-q", "-k", "-u", "-f", file, "-s", w.authority(authorityTwo), w.keys[2], w.certs[15].path)
	l, err := Parse([]byte(readFile(t, file)))
	require.NoError(t, err)
	w.agree(t, l, file)
}

func TestKeygenReadsOurs(t *testing.T) {
	w := newWorld(t)
	one, two := public(t, authorityOne), public(t, authorityTwo)
	for name, make := range map[string]func(l *List) error{
		"nothing": func(*List) error { return nil },
		"key":     func(l *List) error { l.RevokeKey(public(t, 1)); return nil },
		"SHA-1":   func(l *List) error { l.RevokeSHA1(sha1.Sum(public(t, 1).Marshal())); return nil },
		"SHA-256": func(l *List) error { l.RevokeSHA256(sha256.Sum256(public(t, 1).Marshal())); return nil },
		"serials": func(l *List) error { return l.RevokeSerials(one, Range{2, 2}, Range{1 << 63, 1<<64 - 1}) },
		"bitmap":  func(l *List) error { return l.RevokeSerials(one, Range{1, 1}, Range{3, 3}, Range{16, 16}) },
		"any":     func(l *List) error { return l.RevokeSerials(nil, Range{1, 1}, Range{3, 3}, Range{16, 16}) },
		"key IDs": func(l *List) error { l.RevokeKeyID(two, "bob"); l.RevokeKeyID(nil, "carol"); return nil },
		"certificates": func(l *List) error {
			return errors.Join(l.RevokeCertificate(w.certs[0].Certificate), l.RevokeCertificate(w.certs[7].Certificate))
		},
		"all of it": func(l *List) error {
			l.Comment = "made here"
			for _, k := range []int{1, 2, authorityTwo} {
				l.RevokeKey(public(t, k))
			}
			for _, k := range []int{3, 4} {
				l.RevokeSHA256(sha256.Sum256(public(t, k).Marshal()))
			}
			l.RevokeKeyID(one, "bob")
			return l.RevokeSerials(one, Range{15, 16})
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := new(List)
			require.NoError(t, make(l))
			file := writeFile(t, filepath.Join(t.TempDir(), "krl"), l.Marshal())
			require.Equal(t, name != "nothing", w.agree(t, l, file) > 0)
		})
	}
}

// ssh-keygen lists the same serial numbers as we have, and needs no less room
// for them.
func TestKeygenSerials(t *testing.T) {
	dir := t.TempDir()
	authority := writeFile(t, filepath.Join(dir, "ca.pub"), []byte(line(t, authorityOne)))
	random := rand.New(rand.NewPCG(3, 4))
	for i := range 24 {
		var ranges []Range
		var spec bytes.Buffer
		// From dense to sparse, from single numbers to long ranges.
		gap, length := uint64(1)<<(1+i%12*2), uint64(1)<<(i/3*2)
		next := random.Uint64N(1000)
		for range 1 + random.IntN(300) {
			first := next + 2 + random.Uint64N(gap)
			next = first + random.Uint64N(length)
			ranges = append(ranges, Range{first, next})
			fmt.Fprintf(&spec, "serial: %d", first)
			if next > first {
				fmt.Fprintf(&spec, "-%d", next)
			}
			spec.WriteByte('\n')
		}
		file := filepath.Join(dir, "theirs")
		sshKeygen(t, "-q", "-k", "-f", file, "-s", authority, writeFile(t, file+".spec", spec.Bytes()))
		theirs := readFile(t, file)
		l, err := Parse([]byte(theirs))
		require.NoError(t, err)
		require.Equal(t, ranges, l.certs[string(public(t, authorityOne).Marshal())].serials)

		ours := l.Marshal()
		require.LessOrEqual(t, len(ours), len(theirs))
		var listed []Range
		for text := range strings.Lines(sshKeygen(t, "-Q", "-l", "-f", writeFile(t, filepath.Join(dir, "ours"), ours))) {
			text, ok := strings.CutPrefix(strings.TrimSpace(text), "serial: ")
			if !ok {
				continue
			}
			first, last, isRange := strings.Cut(text, "-")
			if !isRange {
				last = first
			}
			var r Range
			_, err := fmt.Sscan(first+" "+last, &r.First, &r.Last)
			require.NoError(t, err)
			listed = append(listed, r)
		}
		require.Equal(t, ranges, listed)
	}
}
