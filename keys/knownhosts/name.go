package knownhosts

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"

	"github.com/fairlead-go/ssh/keys/internal/textfile"
)

const defaultPort = "22"

var errAddress = errors.New("not a host name, or host and port")

// parseAddress splits what was dialled into the name under which known_hosts
// files have the host, and the host alone, which is the same for port 22. Both
// are in lower case.
func parseAddress(address string) (name, host string, err error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil { // no port: a host alias, or an IP address
		host, port = address, defaultPort
		if inner, ok := strings.CutPrefix(host, "["); ok {
			host, ok = strings.CutSuffix(inner, "]")
			if !ok {
				return "", "", addressError(address, errAddress)
			}
		}
	}
	if host == "" || strings.ContainsAny(host, "[]") {
		return "", "", addressError(address, errAddress)
	}
	host = textfile.Lower(host)
	number, err := portNumber(port)
	if err != nil {
		return "", "", addressError(address, err)
	}
	if number == defaultPort {
		return host, host, nil
	}
	return "[" + host + "]:" + number, host, nil
}

// portNumber returns a port as known_hosts files write it. An empty port and
// port 0 mean the default one.
func portNumber(port string) (string, error) {
	if port == "" {
		return defaultPort, nil
	}
	n, err := net.LookupPort("tcp", port) // numbers and the names that Dial takes
	if err != nil {
		return "", err
	}
	if n == 0 {
		return defaultPort, nil
	}
	return strconv.Itoa(n), nil
}

func addressError(address string, err error) error {
	return fmt.Errorf("knownhosts: address %s: %w", strconv.QuoteToASCII(address), err)
}

// checkWritable refuses a name that would mean something else, or end the
// field, if it stood in a file.
func checkWritable(name string) error {
	for i := range len(name) {
		if c := name[i]; c <= ' ' || c == 0x7f || strings.IndexByte("*?!,|#@", c) >= 0 {
			return addressError(name, fmt.Errorf("%q cannot stand in a known_hosts file", rune(c)))
		}
	}
	return nil
}
