package knownhosts

import (
	"net"
	"slices"

	"github.com/fairlead-go/ssh/keys"
)

// HostKeyAlgorithms returns preferred, the host key algorithms that a client
// would propose, with those first for which a key of the host at address is
// known. A server that has several keys then shows one that can be compared,
// and not one that would seem to have changed. A nil preferred stands for
// [keys.Algorithms].
//
// If a key is known for the first algorithm, the order stays as it is, as
// OpenSSH has it: one who sees the proposal then cannot tell a known host from
// an unknown one. It stays as well where nothing can be found out; Check then
// says why. remote may be nil.
func (db *DB) HostKeyAlgorithms(address string, remote net.Addr, preferred []string) []string {
	if preferred == nil {
		preferred = keys.Algorithms()
	}
	preferred = slices.Clone(preferred)
	exact, plain, err := db.lookupAddress(address)
	if err != nil || len(preferred) == 0 {
		return preferred
	}
	var known []string
	for _, k := range append(exact.keys, plain.keys...) {
		if find(exact.revoked, k.Key) == nil && find(plain.revoked, k.Key) == nil {
			known = append(known, k.Key.Algorithms()...)
		}
	}
	if slices.Contains(known, preferred[0]) {
		return preferred
	}
	slices.SortStableFunc(preferred, func(a, b string) int {
		return unknown(known, a) - unknown(known, b)
	})
	return preferred
}

func unknown(known []string, algorithm string) int {
	if slices.Contains(known, algorithm) {
		return 0
	}
	return 1
}
