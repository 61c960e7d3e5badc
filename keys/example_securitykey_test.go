package keys_test

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"log"

	"github.com/fairlead-go/ssh/internal/fidotest"
	"github.com/fairlead-go/ssh/keys"
)

// A fidoDevice stands for what talks to a real one: it hands the request to
// the device, which waits for a touch, and returns what the device says.
type fidoDevice struct{ key ed25519.PrivateKey }

func (d fidoDevice) Assert(_ context.Context, r *keys.AssertionRequest) (*keys.AssertionResponse, error) {
	const counter = 42
	o := fidotest.Operation{Application: r.Application, Flags: r.Flags, Counter: counter, Hash: r.Hash}
	sig, err := o.Sign(d.key)
	return &keys.AssertionResponse{Flags: r.Flags, Counter: counter, Signature: sig}, err
}

// A security key signs through whatever reaches the device. Its file, as
// ssh-keygen -t ed25519-sk makes it, is opened by ParsePrivateKey.
func ExampleNewSecurityKeySigner() {
	public, private, err := ed25519.GenerateKey(nil) // inside of the device
	if err != nil {
		log.Fatal(err)
	}
	k, err := keys.NewSecurityKeyPublic(public, "ssh:")
	if err != nil {
		log.Fatal(err)
	}
	file, err := keys.NewSecurityKey(&keys.SecurityKey{PublicKey: k, Flags: keys.SKUserPresence, KeyHandle: []byte("from the device")})
	if err != nil {
		log.Fatal(err)
	}

	signer, err := keys.NewSecurityKeySigner(file, fidoDevice{private})
	if err != nil {
		log.Fatal(err)
	}
	data := []byte("what is signed")
	sig, err := signer.Sign(context.Background(), keys.KeySKEd25519, data)
	if err != nil {
		log.Fatal(err)
	}

	// Verify would do, and asks for a touch; VerifyAssertion also tells.
	a, err := keys.VerifyAssertion(signer.PublicKey(), keys.KeySKEd25519, data, sig.Marshal())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(a.UserPresent(), a.UserVerified(), a.Counter)
	fmt.Println(keys.SKPolicy{VerifyRequired: true}.Check(a))
	// Output:
	// true false 42
	// keys: the security key did not verify its user
}
