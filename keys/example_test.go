package keys_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"strings"

	"github.com/fairlead-go/ssh/keys"
)

const examplePublic = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINdamAGCsQq31Uv+08lkBzoO4XLz2qYjJa8CGmj3B1Ea me@example.org\n"

func ExampleParsePublicKeyLine() {
	key, comment, err := keys.ParsePublicKeyLine([]byte(examplePublic))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(key.Type(), comment)
	fmt.Println(keys.FingerprintSHA256(key))
	fmt.Println(keys.FingerprintMD5(key))
	// Output:
	// ssh-ed25519 me@example.org
	// SHA256:bbXpuKG6zhzdmnxq256TlqzFBzRl2f6OOg722cYNbU8
	// MD5:cf:07:be:9d:68:ae:65:54:6d:a0:93:c3:6f:bd:0d:82
}

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

func ExampleVerify() {
	key, err := keys.GenerateKey(keys.KeyRSA, 0)
	if err != nil {
		log.Fatal(err)
	}
	data := []byte("what is signed")
	signature, err := key.Sign(context.Background(), keys.RSASHA512, data)
	if err != nil {
		log.Fatal(err)
	}

	// The other side has the public key's blob and the signature's bytes.
	public, err := keys.ParsePublicKey(key.PublicKey().Marshal())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(keys.Verify(public, keys.RSASHA512, data, signature.Marshal()))
	fmt.Println(keys.Verify(public, keys.RSASHA512, []byte("something else"), signature.Marshal()))
	// Output:
	// <nil>
	// keys: signature does not verify
}
