package knownhosts

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh/keys"
)

func TestParseAddress(t *testing.T) {
	for _, c := range []struct{ address, name, host string }{
		{"example.com", "example.com", "example.com"},
		{"Example.COM:22", "example.com", "example.com"},
		{"example.com:0", "example.com", "example.com"},
		{"example.com:", "example.com", "example.com"},
		{"example.com:ssh", "example.com", "example.com"},
		{"example.com:0022", "example.com", "example.com"},
		{"example.com:2222", "[example.com]:2222", "example.com"},
		{"[example.com]:2222", "[example.com]:2222", "example.com"},
		{"[example.com]", "example.com", "example.com"},
		{"192.0.2.1:22", "192.0.2.1", "192.0.2.1"},
		{"[2001:DB8::1]:22", "2001:db8::1", "2001:db8::1"},
		{"[2001:db8::1]:2222", "[2001:db8::1]:2222", "2001:db8::1"},
		{"2001:db8::1", "2001:db8::1", "2001:db8::1"},
		{"[fe80::1%eth0]:22", "fe80::1%eth0", "fe80::1%eth0"},
	} {
		name, host, err := parseAddress(c.address)
		require.NoError(t, err, c.address)
		require.Equal(t, c.name, name, c.address)
		require.Equal(t, c.host, host, c.address)
	}
	for _, address := range []string{"", ":22", "[]:22", "[", "[a", "a]", "[[a]]:22", "a:65536", "a:-1", "a:no-such-service", "[a]b:22"} {
		_, _, err := parseAddress(address)
		require.Error(t, err, address)
	}
}

func TestCheck(t *testing.T) {
	k, other, rsa := ed(t, 0), ed(t, 1), generate(t, keys.KeyRSA, 0)
	for _, c := range []struct {
		name, file, address string
		want                error
	}{
		{"empty", "", "h", ErrUnknownHost},
		{"known", "h K", "h:22", nil},
		{"case of address", "h K", "H:22", nil},
		{"case of file", "H K", "h:22", nil},
		{"other host", "g K", "h:22", ErrUnknownHost},
		{"changed", "h OTHER", "h:22", ErrHostKeyChanged},
		{"other type is known", "h RSA", "h:22", ErrHostKeyChanged},
		{"several keys", "h RSA\nh OTHER\nh K", "h:22", nil},
		{"list", "a,h,b K", "h:22", nil},
		{"wildcard", "*.example.com K", "h.example.com:22", nil},
		{"wildcard needs the dot", "*.example.com K", "example.com:22", ErrUnknownHost},
		{"question mark", "h? K", "h1:22", nil},
		{"negated", "*,!h K", "h:22", ErrUnknownHost},
		{"only negated", "!g K", "h:22", ErrUnknownHost},
		{"port", "[h]:2222 K", "h:2222", nil},
		{"port of the line only", "[h]:2222 K", "h:22", ErrUnknownHost},
		{"port 22 in brackets never matches", "[h]:22 K", "h:22", ErrUnknownHost},
		{"wildcard port", "[h]:* K", "h:2222", nil},
		{"star matches any port", "* K", "h:2222", nil},
		{"known without port", "h K", "h:2222", nil},
		{"another key without port", "h OTHER", "h:2222", ErrUnknownHost},
		{"known without port, changed with", "h K\n[h]:2222 OTHER", "h:2222", ErrHostKeyChanged},
		{"revoked", "@revoked h K", "h:22", ErrRevoked},
		{"revoked and known", "h K\n@revoked h K", "h:22", ErrRevoked},
		{"revoked everywhere", "h K\n@revoked * K", "h:22", ErrRevoked},
		{"revoked everywhere, port", "[h]:2222 K\n@revoked * K", "h:2222", ErrRevoked},
		{"revoked without port", "h K\n@revoked h K", "h:2222", ErrRevoked},
		{"revoked with a tab", "h K\n@revoked\th K", "h:22", ErrRevoked},
		{"other key revoked", "h K\n@revoked h OTHER", "h:22", nil},
		{"revoked for another host", "h K\n@revoked g K", "h:22", nil},
		{"authority is no host key", "@cert-authority h K", "h:22", ErrUnknownHost},
		{"authority does not count as another key", "@cert-authority h OTHER\nh K", "h:22", nil},
		{"IPv6", "2001:db8::1 K", "[2001:DB8::1]:22", nil},
		{"IPv6 with port", "[2001:db8::1]:2222 K", "[2001:db8::1]:2222", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			content := strings.NewReplacer("K", text(k), "OTHER", text(other), "RSA", text(rsa)).Replace(c.file)
			db := open(t, write(t, content))
			err := db.Verify(t.Context(), c.address, somewhere, k)
			require.ErrorIs(t, err, c.want)
			if c.want == nil {
				require.NoError(t, err)
				return
			}
			for _, kind := range []error{ErrUnknownHost, ErrHostKeyChanged, ErrRevoked} {
				require.Equal(t, kind == c.want, errors.Is(err, kind), "%v", kind)
			}
			var keyErr *KeyError
			require.ErrorAs(t, err, &keyErr)
			require.Equal(t, c.address, keyErr.Address)
			require.True(t, keys.Equal(k, keyErr.Got))
		})
	}
}

func TestCheckErrors(t *testing.T) {
	db := open(t, filepath.Join(t.TempDir(), "none"))
	require.Error(t, db.Check("h", nil, nil), "no key")
	require.Error(t, db.Check("", nil, ed(t, 0)), "no host")
	require.ErrorIs(t, new(DB).Check("h", nil, ed(t, 0)), ErrUnknownHost, "the zero DB knows no host")
	require.Error(t, new(DB).Add("h", ed(t, 0), AddOptions{}))
	require.Error(t, db.Add("h", nil, AddOptions{}))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, db.Verify(ctx, "h", nil, ed(t, 0)), context.Canceled)
	_, err := Open()
	require.Error(t, err)
}

// A file that cannot be read must refuse a host, not make it unknown: unknown
// hosts can be learned.
func TestDefect_UnreadableFileRefuses(t *testing.T) {
	dir := t.TempDir()
	_, err := Open(dir)
	require.Error(t, err)
	require.ErrorContains(t, err, dir)

	path := filepath.Join(dir, "known_hosts")
	db := open(t, path)
	require.NoError(t, db.Add("h", ed(t, 0), AddOptions{}))
	require.NoError(t, os.Remove(path))
	require.NoError(t, os.Mkdir(path, 0o700))
	for _, verify := range []func() error{
		func() error { return db.Check("h", nil, ed(t, 0)) },
		func() error { return db.TrustOnFirstUse(AddOptions{}, nil)(t.Context(), "h", nil, ed(t, 0)) },
	} {
		err = verify()
		require.Error(t, err)
		require.NotErrorIs(t, err, ErrUnknownHost)
	}
	_, err = db.BadLines()
	require.Error(t, err)
	_, err = db.Authorities("h")
	require.Error(t, err)
	require.Equal(t, []string{"b", "a"}, db.HostKeyAlgorithms("h", nil, []string{"b", "a"}))
}

func TestKeyErrorText(t *testing.T) {
	k, other, rsa := ed(t, 0), ed(t, 1), generate(t, keys.KeyRSA, 0)
	first := write(t, "# comment\nh "+text(rsa)+"\n")
	second := write(t, "\n\nh "+text(other)+"\n@revoked * "+text(k)+"\n")

	err := open(t, first).Check("h\x1b:2222", nil, k)
	require.EqualError(t, err, `knownhosts: host h\x1b:2222 is not known; it has shown ssh-ed25519 `+keys.FingerprintSHA256(k))

	third := ed(t, 2)
	err = open(t, first, second).Check("h:22", nil, third)
	require.EqualError(t, err, "knownhosts: the key of h:22 has changed: it has shown ssh-ed25519 "+keys.FingerprintSHA256(third)+
		", but known is ssh-ed25519 "+keys.FingerprintSHA256(other)+" at "+second+":3"+
		", ssh-rsa "+keys.FingerprintSHA256(rsa)+" at "+first+":2"+
		"; either someone is in between, or the host has a new key and those lines are to be removed")
	var keyErr *KeyError
	require.ErrorAs(t, err, &keyErr)
	require.Len(t, keyErr.Want, 2)
	require.Equal(t, second, keyErr.Want[0].File, "keys of the same type come first")
	require.Equal(t, 3, keyErr.Want[0].Line)

	err = open(t, first, second).Check("h:22", nil, k)
	require.EqualError(t, err, "knownhosts: the key of h:22 is revoked by "+second+":4; it has shown ssh-ed25519 "+keys.FingerprintSHA256(k))
	require.ErrorAs(t, err, &keyErr)
	require.Equal(t, 4, keyErr.Revoked.Line)
	require.NotPanics(t, func() { _ = new(KeyError).Error() })
}

func TestAuthorities(t *testing.T) {
	a, b, c := ed(t, 0), ed(t, 1), ed(t, 2)
	path := write(t, "@cert-authority *.example.com "+text(a)+"\n@cert-authority h.example.com "+text(b)+
		"\n@cert-authority other "+text(c)+"\n@revoked * "+text(b)+"\nh.example.com "+text(c)+"\n")
	for _, address := range []string{"h.example.com:22", "h.example.com:2222"} {
		got, err := open(t, path).Authorities(address)
		require.NoError(t, err)
		require.Len(t, got, 1, address)
		require.True(t, keys.Equal(a, got[0].Key))
		require.Equal(t, 1, got[0].Line)
	}
}

func TestHostKeyAlgorithms(t *testing.T) {
	const e, p, p5, r5, r2 = keys.KeyEd25519, keys.KeyECDSA256, keys.KeyECDSA521, keys.RSASHA512, keys.RSASHA256
	preferred := []string{e, p, p5, r5, r2}
	for _, c := range []struct {
		name, file string
		want       []string
	}{
		{"nothing known", "", preferred},
		{"first known", "h E\nh R", preferred},
		{"ecdsa", "h P", []string{p, e, p5, r5, r2}},
		{"another curve", "h P5", []string{p5, e, p, r5, r2}},
		{"rsa", "h R", []string{r5, r2, e, p, p5}},
		{"rsa and ecdsa", "h R\nh P", []string{p, r5, r2, e, p5}},
		{"another host", "g P", preferred},
		{"revoked", "h P\n@revoked h P", preferred},
		{"authority", "@cert-authority h P", preferred},
		{"of the host without port", "h P", []string{p, e, p5, r5, r2}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var lines []string
			for line := range strings.Lines(c.file) {
				i := strings.LastIndexByte(line, ' ') + 1
				keyType := map[string]string{"E": e, "P": p, "P5": p5, "R": keys.KeyRSA}[strings.TrimSpace(line[i:])]
				lines = append(lines, line[:i]+text(generate(t, keyType, 0)))
			}
			db := open(t, write(t, strings.Join(lines, "\n")))
			address := "h:22"
			if c.name == "of the host without port" {
				address = "h:2222"
			}
			before := append([]string(nil), preferred...)
			require.Equal(t, c.want, db.HostKeyAlgorithms(address, somewhere, preferred))
			require.Equal(t, before, preferred, "the argument stays as it is")
		})
	}
	db := open(t, write(t, "h "+text(generate(t, keys.KeyRSA, 0))))
	require.Equal(t, keys.CertificateAlgorithm(r5), db.HostKeyAlgorithms("h", nil, nil)[0])
	require.Empty(t, db.HostKeyAlgorithms("h", nil, []string{}))
	require.Equal(t, []string{r5, e}, db.HostKeyAlgorithms("h", nil, []string{e, r5}))
}

func TestSeesChanges(t *testing.T) {
	k := ed(t, 0)
	path := write(t, "")
	db := open(t, path)
	require.ErrorIs(t, db.Check("h", nil, k), ErrUnknownHost)
	require.NoError(t, os.WriteFile(path, []byte("h "+text(k)), 0o600))
	require.NoError(t, db.Check("h", nil, k))
	// The same size and the same time, as within one tick of the clock.
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, []byte("g "+text(k)), 0o600))
	require.NoError(t, os.Chtimes(path, info.ModTime(), info.ModTime()))
	require.ErrorIs(t, db.Check("h", nil, k), ErrUnknownHost)
	require.NoError(t, os.Remove(path))
	require.ErrorIs(t, db.Check("g", nil, k), ErrUnknownHost)
}

func TestCached(t *testing.T) {
	path := write(t, "h "+text(ed(t, 0)))
	old := time.Now().Add(-time.Hour)
	require.NoError(t, os.Chtimes(path, old, old))
	f := newFile(path)
	first, err := f.load()
	require.NoError(t, err)
	second, err := f.load()
	require.NoError(t, err)
	require.Same(t, first, second)
	require.NoError(t, os.WriteFile(path, []byte("h2 "+text(ed(t, 0))), 0o600))
	third, err := f.load()
	require.NoError(t, err)
	require.NotSame(t, first, third)
}

func TestTrustOnFirstUse(t *testing.T) {
	k, other := ed(t, 0), ed(t, 1)
	ctx := t.Context()
	path := filepath.Join(t.TempDir(), "home", ".ssh", "known_hosts")
	db := open(t, path)
	asked := 0
	answer, failure := false, error(nil)
	verify := db.TrustOnFirstUse(AddOptions{Hash: true, Comment: "met\nhere"}, func(_ context.Context, address string, key keys.PublicKey) (bool, error) {
		asked++
		require.Equal(t, "Host.example:2222", address)
		return answer, failure
	})

	require.ErrorIs(t, verify(ctx, "Host.example:2222", somewhere, k), ErrUnknownHost)
	failure = errors.New("no terminal")
	require.ErrorIs(t, verify(ctx, "Host.example:2222", somewhere, k), failure)
	require.NoFileExists(t, path)

	answer, failure = true, nil
	require.NoError(t, verify(ctx, "Host.example:2222", somewhere, k))
	require.Equal(t, 3, asked)
	require.NoError(t, verify(ctx, "host.example:2222", somewhere, k), "known by now")
	require.ErrorIs(t, verify(ctx, "host.example:2222", somewhere, other), ErrHostKeyChanged)
	require.Equal(t, 3, asked)

	content := read(t, path)
	require.True(t, strings.HasPrefix(content, "|1|"), content)
	require.True(t, strings.HasSuffix(content, " met here\n"), content)
	require.Equal(t, 1, strings.Count(content, "\n"))
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, fs.FileMode(0o600), info.Mode().Perm())
	info, err = os.Stat(filepath.Dir(path))
	require.NoError(t, err)
	require.Equal(t, fs.FileMode(0o700), info.Mode().Perm())

	require.NoError(t, os.WriteFile(path, []byte("@revoked * "+text(k)), 0o600))
	require.ErrorIs(t, verify(ctx, "Host.example:2222", somewhere, k), ErrRevoked)
	require.ErrorIs(t, db.Add("h", k, AddOptions{}), ErrRevoked)
}

// While a person thinks about one key, another connection learns another.
func TestTrustOnFirstUseRace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "known_hosts")
	db := open(t, path)
	verify := db.TrustOnFirstUse(AddOptions{}, func(context.Context, string, keys.PublicKey) (bool, error) {
		return true, open(t, path).Add("h:22", ed(t, 1), AddOptions{})
	})
	require.ErrorIs(t, verify(t.Context(), "h:22", somewhere, ed(t, 0)), ErrHostKeyChanged)
	require.Equal(t, "h "+text(ed(t, 1))+"\n", read(t, path))
}

func TestTrustOnFirstUseCannotWrite(t *testing.T) {
	dir := write(t, "") // not a folder
	db := &DB{files: []*file{newFile(filepath.Join(dir, "known_hosts"))}}
	require.Error(t, db.TrustOnFirstUse(AddOptions{}, nil)(t.Context(), "h", nil, ed(t, 0)))
}
