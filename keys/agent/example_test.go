package agent_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/fairlead-go/ssh/keys"
	"github.com/fairlead-go/ssh/keys/agent"
)

// A client logs in with the keys of the user's agent, if there is one.
func ExampleFromEnvironment() {
	ctx := context.Background()
	client, err := agent.FromEnvironment(ctx)
	if errors.Is(err, agent.ErrNoAgent) {
		return
	}
	if err != nil {
		panic(err)
	}
	defer client.Close() // after the login
	signers, err := client.Signers(ctx)
	if err != nil {
		panic(err)
	}
	for _, s := range signers {
		fmt.Println(keys.FingerprintSHA256(s.PublicKey()))
	}
}
