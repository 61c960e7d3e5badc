package sshfp_test

import (
	"fmt"

	"github.com/fairlead-go/ssh/keys"
	"github.com/fairlead-go/ssh/keys/sshfp"
)

// The lines of a zone file for a host's key.
func ExampleRecords() {
	key, _, err := keys.ParsePublicKeyLine([]byte("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIACw8LBoZyLluhUYQPF4cwObEIgDSitFs0ZvkLTWzQLw"))
	if err != nil {
		panic(err)
	}
	records, err := sshfp.Records(key)
	if err != nil {
		panic(err)
	}
	for _, r := range records {
		fmt.Println("host.example. IN SSHFP", r)
	}
	// Output:
	// host.example. IN SSHFP 4 1 deb34b7a2dbf1fba30b341ad3b4a2b54ad69403b
	// host.example. IN SSHFP 4 2 9792d081a8bbd05b4dcf4bca9a20ef317e5a7018b980128432d2d1784e382940
}
