package main

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"

	"github.com/fairlead-go/ssh/keys"
	"github.com/fairlead-go/ssh/transport"
)

func fixed(names ...string) func() []string { return func() []string { return names } }

var plainKeys = fixed(keys.KeyEd25519, keys.KeyECDSA256, keys.KeyECDSA384, keys.KeyECDSA521,
	keys.KeySKEd25519, keys.KeySKECDSA256, keys.KeyRSA)

// certifiedKeys are the types of certificates for plainKeys.
func certifiedKeys() []string {
	var names []string
	for _, name := range plainKeys() {
		names = append(names, keys.CertificateAlgorithm(name))
	}
	return names
}

func allKeys() []string { return append(plainKeys(), certifiedKeys()...) }

var legacy = transport.LegacyAlgorithms()

func signatures() []string { return append(keys.Algorithms(), legacy.Signatures...) }

func keySignatures() []string { return append(signatures(), keys.CertificateAlgorithms()...) }

// queries is what -Q can be asked, and the keywords that mean the same.
var queries = map[string]func() []string{
	"cipher":           func() []string { return append(transport.Ciphers(), legacy.Ciphers...) },
	"cipher-auth":      authenticatedCiphers,
	"compression":      transport.Compressions,
	"mac":              func() []string { return append(transport.MACs(), legacy.MACs...) },
	"kex":              func() []string { return append(transport.SupportedKeyExchanges(), legacy.KeyExchanges...) },
	"key":              allKeys,
	"key-cert":         certifiedKeys,
	"key-plain":        plainKeys,
	"key-ca-sign":      keys.CASignatureAlgorithms,
	"key-sig":          keySignatures,
	"sig":              signatures,
	"protocol-version": fixed("2"),
}

var queryAliases = map[string]string{
	"ciphers": "cipher", "macs": "mac", "kexalgorithms": "kex", "casignaturealgorithms": "key-ca-sign",
	"hostkeyalgorithms": "key-sig", "pubkeyacceptedalgorithms": "key-sig", "pubkeyacceptedkeytypes": "key-sig",
	"hostbasedkeytypes": "key-sig", "hostbasedacceptedkeytypes": "key-sig", "hostbasedacceptedalgorithms": "key-sig",
}

// authenticatedCiphers are the ciphers that need no MAC.
func authenticatedCiphers() []string {
	return slices.DeleteFunc(transport.Ciphers(), func(name string) bool {
		return !strings.Contains(name, "gcm") && !strings.Contains(name, "poly1305")
	})
}

// query is -Q: it lists what there is, one a line.
func query(what string) int {
	what = strings.ToLower(what)
	if what == "help" {
		for _, name := range slices.Sorted(maps.Keys(queries)) {
			fmt.Println(name)
		}
		return 0
	}
	if alias, ok := queryAliases[what]; ok {
		what = alias
	}
	list, ok := queries[what]
	if !ok {
		fmt.Fprintf(os.Stderr, "Unsupported query %q\r\n", what)
		return failure
	}
	for _, name := range known(what, list()) {
		fmt.Println(name)
	}
	return 0
}

// openSSH is the client whose sshd the lists are written for, and asked marks
// the question to it, lest this program is installed in its place.
const (
	openSSH = "/usr/bin/ssh"
	asked   = "FAIRLEAD_SSH_QUERY"
)

// known leaves out what the OpenSSH of this machine does not know. Scripts ask
// -Q in order to write the answer into an sshd_config beside us, and sshd
// refuses a file that names something newer than itself.
func known(what string, names []string) []string {
	if os.Getenv(asked) != "" || len(names) == 0 {
		return names
	}
	cmd := exec.Command(openSSH, "-Q", what)
	cmd.Env = append(os.Environ(), asked+"=1")
	out, err := cmd.Output()
	if err != nil {
		return names
	}
	theirs := strings.Fields(string(out))
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool { return !slices.Contains(theirs, name) })
}
