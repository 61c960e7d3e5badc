package krl_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/fairlead-go/ssh/keys"
	"github.com/fairlead-go/ssh/keys/krl"
)

// A server looks each key up before it accepts it.
func ExampleOpen() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	lost, err := keys.GenerateKey(keys.KeyEd25519, 0)
	if err != nil {
		panic(err)
	}

	// The administrator makes a list, as ssh-keygen -k does.
	var list krl.List
	list.RevokeKey(lost.PublicKey())
	path := filepath.Join(dir, "revoked_keys")
	if err := os.WriteFile(path, list.Marshal(), 0o644); err != nil {
		panic(err)
	}

	revoked, err := krl.Open(path)
	if err != nil {
		panic(err)
	}
	err = revoked.Check(lost.PublicKey())
	fmt.Println("may log in:", err == nil)
	fmt.Println("revoked:", errors.Is(err, krl.ErrRevoked))
	// Output:
	// may log in: false
	// revoked: true
}
