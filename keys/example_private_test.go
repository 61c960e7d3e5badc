//go:build !race

// Passphrases are made to take time, and the race detector multiplies it.

package keys_test

import (
	"errors"
	"fmt"
	"log"
	"strings"

	"github.com/fairlead-go/ssh/keys"
)

func ExampleGenerateKey() {
	key, err := keys.GenerateKey(keys.KeyEd25519, 0)
	if err != nil {
		log.Fatal(err)
	}
	key.Comment = "me@example.org"
	private, err := key.MarshalOpenSSH(keys.MarshalOptions{Passphrase: []byte("correct horse")})
	if err != nil {
		log.Fatal(err)
	}
	public := keys.MarshalAuthorizedKey(key.PublicKey(), key.Comment)

	// Write them as id_ed25519 with mode 0600 and id_ed25519.pub.
	fmt.Println(strings.SplitN(string(private), "\n", 2)[0])
	fmt.Println(strings.Fields(string(public))[0])
	// Output:
	// -----BEGIN OPENSSH PRIVATE KEY-----
	// ssh-ed25519
}

func ExampleParsePrivateKey() {
	made, err := keys.GenerateKey(keys.KeyECDSA256, 0)
	if err != nil {
		log.Fatal(err)
	}
	file, err := made.MarshalOpenSSH(keys.MarshalOptions{Passphrase: []byte("correct horse")})
	if err != nil {
		log.Fatal(err)
	}

	// Ask for a passphrase only if the file needs one.
	key, err := keys.ParsePrivateKey(file, nil)
	if _, ok := errors.AsType[*keys.PassphraseNeededError](err); ok {
		key, err = keys.ParsePrivateKey(file, []byte("correct horse"))
	}
	if errors.Is(err, keys.ErrWrongPassphrase) {
		log.Fatal("try again")
	}
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(key.PublicKey().Type())
	// Output: ecdsa-sha2-nistp256
}
