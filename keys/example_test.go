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

func ExampleParsePublicKeyFile() {
	// What PuTTY and many servers write; ssh-keygen -e does it too.
	file := []byte(`---- BEGIN SSH2 PUBLIC KEY ----
Comment: "me@example.org"
AAAAC3NzaC1lZDI1NTE5AAAAINdamAGCsQq31Uv+08lkBzoO4XLz2qYjJa8CGmj3
B1Ea
---- END SSH2 PUBLIC KEY ----
`)
	key, comment, err := keys.ParsePublicKeyFile(file)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Print(string(keys.MarshalAuthorizedKey(key, comment)))
	// Output: ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINdamAGCsQq31Uv+08lkBzoO4XLz2qYjJa8CGmj3B1Ea me@example.org
}

func ExampleRandomArtSHA256() {
	key, comment, err := keys.ParsePublicKeyLine([]byte(examplePublic))
	if err != nil {
		log.Fatal(err)
	}
	// As ssh-keygen -lv shows it.
	fmt.Println(keys.Bits(key), keys.FingerprintSHA256(key), comment, "("+keys.ShortName(key)+")")
	fmt.Println(keys.RandomArtSHA256(key))
	// Output:
	// 256 SHA256:bbXpuKG6zhzdmnxq256TlqzFBzRl2f6OOg722cYNbU8 me@example.org (ED25519)
	// +--[ED25519 256]--+
	// |            oo   |
	// |           o. .  |
	// |          o ..   |
	// |         o o o.  |
	// |        S + o  o |
	// |       . + +  . E|
	// |      . ..Ooo. B.|
	// |     o o.BBB.o+ +|
	// |     .*+OB=o=+.  |
	// +----[SHA256]-----+
}
