package knownhosts

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh/keys"
)

func TestAdd(t *testing.T) {
	k, other := ed(t, 0), ed(t, 1)
	for _, c := range []struct{ name, before, address, after string }{
		{"empty file", "", "h:22", "h K\n"},
		{"port", "", "H:2222", "[h]:2222 K\n"},
		{"IPv6", "", "[2001:db8::1]:22", "2001:db8::1 K\n"},
		{"beside others", "g O\n", "h:22", "g O\nh K\n"},
		{"no final newline", "g O", "h:22", "g O\nh K\n"},
		{"no final newline in CRLF file", "g O\r\n# x", "h:22", "g O\r\n# x\nh K\n"},
		{"second key", "h O\n", "h:22", "h O\nh K\n"},
		{"known already", "h K\n", "h:22", "h K\n"},
		{"known without port", "h K\n", "h:2222", "h K\n[h]:2222 K\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := strings.NewReplacer("K", text(k), "O", text(other))
			path := write(t, r.Replace(c.before))
			db := open(t, path)
			require.NoError(t, db.Add(c.address, k, AddOptions{}))
			require.Equal(t, r.Replace(c.after), read(t, path))
			require.NoError(t, db.Check(c.address, nil, k))
			require.NoError(t, db.Add(c.address, k, AddOptions{Hash: true}))
			require.Equal(t, r.Replace(c.after), read(t, path))
		})
	}
}

// A name that would end its field, or be a pattern, never reaches the file.
func TestDefect_AddRefusesNames(t *testing.T) {
	path := write(t, "")
	db := open(t, path)
	for _, host := range []string{"*", "a,b", "a b", "a\tb", "a\nb", "!a", "h?", "|1|a", "#a", "@revoked", "a\x00", "a\x7f"} {
		for _, hash := range []bool{false, true} {
			require.Error(t, db.Add(host+":22", ed(t, 0), AddOptions{Hash: hash}), "%q", host)
		}
	}
	require.Empty(t, read(t, path))
}

// A file put in the place of the one that was opened must be the one written.
func TestAddFollowsReplacement(t *testing.T) {
	path := write(t, "")
	held, err := openLocked(t.Context(), path)
	require.NoError(t, err)
	done := make(chan error, 1)
	go func() { done <- open(t, path).Add("h", ed(t, 0), AddOptions{}) }()
	select {
	case err := <-done:
		t.Fatal("written in spite of the lock", err)
	case <-time.After(50 * time.Millisecond):
	}
	other := write(t, "# new file\n")
	require.NoError(t, os.Rename(other, path))
	require.NoError(t, held.Close())
	require.NoError(t, <-done)
	require.Equal(t, "# new file\nh "+text(ed(t, 0))+"\n", read(t, path))
}

func TestLockTimeout(t *testing.T) {
	path := write(t, "")
	synctest.Test(t, func(t *testing.T) {
		held, err := openLocked(t.Context(), path)
		require.NoError(t, err)
		defer held.Close()
		start := time.Now()
		err = open(t, path).Add("h", ed(t, 0), AddOptions{})
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorContains(t, err, path)
		require.Equal(t, lockTimeout, time.Since(start))

		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, errors.New("gave up"))
		defer cancel()
		err = open(t, path).TrustOnFirstUse(AddOptions{}, nil)(ctx, "h", nil, ed(t, 0))
		require.ErrorContains(t, err, "gave up")
	})
}

const (
	writers    = 6
	goroutines = 3
	perWriter  = 6
)

// nameOf returns a host name's part that no other key has.
func nameOf(k keys.PublicKey) string {
	blob := k.Marshal()
	return hex.EncodeToString(blob[len(blob)-8:])
}

// writer learns keys from several goroutines, some of them shared with all
// other writers. key is of that process alone.
func writer(path, key string) error {
	blob, err := base64.StdEncoding.DecodeString(key)
	if err != nil {
		return err
	}
	k, err := keys.ParsePublicKey(blob)
	if err != nil {
		return err
	}
	db, err := Open(path)
	if err != nil {
		return err
	}
	errs := make([]error, goroutines)
	var wg sync.WaitGroup
	for g := range goroutines {
		wg.Go(func() {
			for i := range perWriter {
				host := fmt.Sprintf("%s-%d-%d.example.com:2222", nameOf(k), g, i)
				errs[g] = errors.Join(errs[g], db.Add(host, k, AddOptions{Hash: i%2 == 0}))
			}
			// Only one of all the writers' keys may win.
			err := db.TrustOnFirstUse(AddOptions{}, nil)(context.Background(), "shared.example.com", nil, k)
			if err != nil && !errors.Is(err, ErrHostKeyChanged) {
				errs[g] = errors.Join(errs[g], err)
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

func TestDefect_ConcurrentWriters(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "known_hosts")
	var wg sync.WaitGroup
	for i := range writers {
		k := ed(t, 100+i)
		wg.Go(func() {
			cmd := exec.Command(os.Args[0], base64.StdEncoding.EncodeToString(k.Marshal()))
			cmd.Env = append(os.Environ(), writerEnv+"="+path)
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Errorf("writer: %v\n%s", err, out)
			}
		})
	}
	wg.Wait()
	db := open(t, path)
	bad, err := db.BadLines()
	require.NoError(t, err)
	require.Empty(t, bad)
	content := read(t, path)
	require.Equal(t, writers*goroutines*perWriter+1, strings.Count(content, "\n"), "each name once")
	require.Equal(t, 1, strings.Count(content, "shared.example.com "))
	for i := range writers {
		k := ed(t, 100+i)
		for g := range goroutines {
			for j := range perWriter {
				host := fmt.Sprintf("%s-%d-%d.example.com:2222", nameOf(k), g, j)
				require.NoError(t, db.Check(host, nil, k))
			}
		}
	}
}
