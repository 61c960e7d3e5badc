package hostkeys_test

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/fairlead-go/ssh/keys/hostkeys"
)

// A server makes its host keys when it first starts, and uses them from then on.
func Example() {
	dir, _ := os.MkdirTemp("", "")
	defer os.RemoveAll(dir)
	for range 2 {
		hosts, err := hostkeys.LoadOrCreate(dir)
		if err != nil {
			panic(err)
		}
		for _, h := range hosts {
			fmt.Println(filepath.Base(h.Path), h.Signer.PublicKey().Type(), "made now:", h.Created)
		}
	}
	// Output:
	// ssh_host_ed25519_key ssh-ed25519 made now: true
	// ssh_host_ecdsa_key ecdsa-sha2-nistp256 made now: true
	// ssh_host_rsa_key ssh-rsa made now: true
	// ssh_host_ed25519_key ssh-ed25519 made now: false
	// ssh_host_ecdsa_key ecdsa-sha2-nistp256 made now: false
	// ssh_host_rsa_key ssh-rsa made now: false
}
