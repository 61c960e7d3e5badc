package knownhosts

import (
	"net"
	"slices"

	"github.com/fairlead-go/ssh/keys"
)

// HostKeyAlgorithms returns preferred, the host key algorithms that a client
// would propose, with those first for which a key of the host at address is
// known. A server that has several keys then shows one that can be compared,
// and not one that would seem to have changed. Where an authority is known for
// the host, those of certificates come first of all. A nil preferred stands for
// [keys.CertificateAlgorithms] and then [keys.Algorithms].
//
// If a key or an authority is known for the first algorithm, the order stays as
// it is, as OpenSSH has it: one who sees the proposal then cannot tell a known
// host from an unknown one. It stays as well where nothing can be found out;
// Check then says why. remote may be nil.
func (db *DB) HostKeyAlgorithms(address string, remote net.Addr, preferred []string) []string {
	if preferred == nil {
		preferred = append(keys.CertificateAlgorithms(), keys.Algorithms()...)
	}
	preferred = slices.Clone(preferred)
	exact, plain, err := db.lookupAddress(address)
	if err != nil || len(preferred) == 0 {
		return preferred
	}
	var known []string
	for _, k := range append(exact.keys, plain.keys...) {
		if revocation(&exact, &plain, k.Key) == nil {
			known = append(known, k.Key.Algorithms()...)
		}
	}
	trusted := len(authorities(&exact, &plain)) > 0
	rank := func(name string) int {
		format := keys.SignatureFormat(name)
		switch {
		case trusted && format != name:
			return 0
		case slices.Contains(known, format): // a certificate's key may be known without it
			return 1
		}
		return 2
	}
	best := 1
	if trusted && slices.ContainsFunc(preferred, func(name string) bool { return rank(name) == 0 }) {
		best = 0
	}
	if rank(preferred[0]) > best {
		slices.SortStableFunc(preferred, func(a, b string) int { return rank(a) - rank(b) })
	}
	return preferred
}
