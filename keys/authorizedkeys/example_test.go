package authorizedkeys_test

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/fairlead-go/ssh/keys"
	"github.com/fairlead-go/ssh/keys/authorizedkeys"
)

// A server looks for the key that a client has shown.
func ExampleFind() {
	file := strings.Join([]string{
		`restrict,command="/usr/bin/backup" ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIACw8LBoZyLluhUYQPF4cwObEIgDSitFs0ZvkLTWzQLw backup`,
		`sudo ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIACw8LBoZyLluhUYQPF4cwObEIgDSitFs0ZvkLTWzQLw`,
	}, "\n")
	entries, bad := authorizedkeys.Parse([]byte(file))
	for _, err := range bad {
		fmt.Println(err)
	}
	key, _, err := keys.ParsePublicKeyLine([]byte("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIACw8LBoZyLluhUYQPF4cwObEIgDSitFs0ZvkLTWzQLw"))
	if err != nil {
		panic(err)
	}
	entry, err := authorizedkeys.Find(entries, authorizedkeys.Login{Key: key, Remote: netip.MustParseAddr("192.0.2.1")})
	if err != nil {
		panic(err)
	}
	fmt.Println(entry.Comment, "runs", entry.Options.Command, "without a terminal:", entry.Options.NoPTY)
	// Output:
	// authorizedkeys: line 2: option "sudo": unknown option
	// backup runs /usr/bin/backup without a terminal: true
}
