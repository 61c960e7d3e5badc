package knownhosts_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/fairlead-go/ssh/keys"
	"github.com/fairlead-go/ssh/keys/knownhosts"
)

func hostKey() keys.PublicKey {
	k, err := keys.GenerateKey(keys.KeyEd25519, 0)
	if err != nil {
		panic(err)
	}
	return k.PublicKey()
}

// A host's key is learned when it is met first, and every other key refused
// from then on.
func ExampleDB_TrustOnFirstUse() {
	home, _ := os.MkdirTemp("", "")
	defer os.RemoveAll(home)
	db, err := knownhosts.Open(filepath.Join(home, ".ssh", "known_hosts"))
	if err != nil {
		panic(err)
	}
	verify := db.TrustOnFirstUse(knownhosts.AddOptions{Hash: true}, func(ctx context.Context, address string, key keys.PublicKey) (bool, error) {
		fmt.Println(address, "is not known. Ask whether to connect.")
		return true, nil
	})

	// A client calls verify during the handshake.
	ctx, first := context.Background(), hostKey()
	fmt.Println(verify(ctx, "host.example.com:22", nil, first))
	fmt.Println(verify(ctx, "host.example.com:22", nil, first))
	err = verify(ctx, "host.example.com:22", nil, hostKey())
	fmt.Println(errors.Is(err, knownhosts.ErrHostKeyChanged))
	// Output:
	// host.example.com:22 is not known. Ask whether to connect.
	// <nil>
	// <nil>
	// true
}

// The error of a refused host key says which line disagrees.
func ExampleKeyError() {
	dir, _ := os.MkdirTemp("", "")
	defer os.RemoveAll(dir)
	db, err := knownhosts.Open(filepath.Join(dir, "known_hosts"))
	if err != nil {
		panic(err)
	}
	if err := db.Add("host.example.com:2222", hostKey(), knownhosts.AddOptions{}); err != nil {
		panic(err)
	}
	err = db.Check("host.example.com:2222", nil, hostKey())
	if keyErr, ok := errors.AsType[*knownhosts.KeyError](err); ok && errors.Is(err, knownhosts.ErrHostKeyChanged) {
		for _, known := range keyErr.Want {
			fmt.Printf("%s line %d has another key\n", filepath.Base(known.File), known.Line)
		}
	}
	// Output:
	// known_hosts line 1 has another key
}

// A client proposes first what it can compare.
func ExampleDB_HostKeyAlgorithms() {
	db, err := knownhosts.Open("testdata/no_such_file")
	if err != nil {
		panic(err)
	}
	preferred := []string{keys.KeyEd25519, keys.RSASHA512}
	fmt.Println(db.HostKeyAlgorithms("host.example.com:22", nil, preferred))
	// Output:
	// [ssh-ed25519 rsa-sha2-512]
}
