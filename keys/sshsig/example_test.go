package sshsig_test

import (
	"context"
	"fmt"
	"strings"

	"github.com/fairlead-go/ssh/keys"
	"github.com/fairlead-go/ssh/keys/sshsig"
)

// Alice signs, and someone who knows her key verifies.
func Example() {
	key, err := keys.GenerateKey(keys.KeyEd25519, 0)
	if err != nil {
		panic(err)
	}
	signature, err := sshsig.Sign(context.Background(), key, "file", strings.NewReader("the message"), sshsig.SignOptions{})
	if err != nil {
		panic(err)
	}
	armored := signature.Armor() // goes along with the file

	file := "alice@example.com " + string(keys.MarshalAuthorizedKey(key.PublicKey(), ""))
	allowed, bad, err := sshsig.ReadAllowedSigners(strings.NewReader(file))
	if err != nil || len(bad) > 0 {
		panic("malformed file")
	}
	received, err := sshsig.ParseArmored(armored)
	if err != nil {
		panic(err)
	}
	v := &sshsig.Verifier{Allowed: allowed}
	fmt.Println(v.Verify("alice@example.com", "file", strings.NewReader("the message"), received))
	fmt.Println(v.Verify("alice@example.com", "file", strings.NewReader("another message"), received))
	// Output:
	// <nil>
	// keys: signature does not verify
}
