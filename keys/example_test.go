package keys_test

import (
	"context"
	"fmt"
	"log"

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
