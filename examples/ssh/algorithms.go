package main

import (
	"fmt"
	"slices"

	"github.com/fairlead-go/ssh/examples/internal/clientconfig"
	"github.com/fairlead-go/ssh/examples/internal/config"
	"github.com/fairlead-go/ssh/kex"
	"github.com/fairlead-go/ssh/keys"
	"github.com/fairlead-go/ssh/transport"
)

// algorithms are the lists of one connection, as the options change them.
type algorithms struct {
	kex, ciphers, macs, hostKeys, publicKeys, authorities []string
}

// keyAlgorithms are those of keys by default, with a certificate and without,
// in OpenSSH's order.
func keyAlgorithms() []string { return append(keys.CertificateAlgorithms(), keys.Algorithms()...) }

func supportedKeyAlgorithms() []string {
	return append(keys.SupportedCertificateAlgorithms(), keys.SupportedAlgorithms()...)
}

func (p *program) algorithms(o *clientconfig.Options) (a algorithms, err error) {
	old := transport.LegacyAlgorithms()
	for _, x := range []struct {
		to                  *[]string
		what                string
		list                config.List
		defaults, supported []string
		legacy              []string // supported where the list names it
	}{
		{&a.kex, "KexAlgorithms", o.KexAlgorithms, transport.KeyExchanges(kex.Client), transport.SupportedKeyExchanges(), old.KeyExchanges},
		{&a.ciphers, "cipher spec", o.Ciphers, transport.Ciphers(), transport.Ciphers(), old.Ciphers},
		{&a.macs, "MAC spec", o.MACs, transport.MACs(), transport.MACs(), old.MACs},
		{&a.hostKeys, "HostKeyAlgorithms", o.HostKeyAlgorithms, keyAlgorithms(), supportedKeyAlgorithms(), old.Signatures},
		{&a.publicKeys, "PubkeyAcceptedAlgorithms", o.PubkeyAcceptedAlgorithms, keyAlgorithms(), supportedKeyAlgorithms(), old.Signatures},
		{&a.authorities, "CASignatureAlgorithms", o.CASignatureAlgorithms, keys.CASignatureAlgorithms(), keys.SupportedAlgorithms(), nil},
	} {
		x.list.Names = config.ExpandPatterns(x.list.Names, x.supported)
		if *x.to, err = p.choose(x.what, x.list, x.defaults, slices.Concat(x.supported, x.legacy)); err != nil {
			return algorithms{}, err
		}
	}
	return a, nil
}

// compression is what to offer for the keyword of that name.
func compression(wanted bool) []string {
	if wanted {
		return []string{"zlib@openssh.com", "zlib", "none"}
	}
	return nil
}

// choose applies a list of the configuration, which is written for many
// clients: names that we do not have are passed over as long as one is left.
func (p *program) choose(what string, l config.List, defaults, supported []string) ([]string, error) {
	bad := fmt.Errorf("Bad SSH2 %s '%s'.", what, config.Printable(l.String())) //nolint:staticcheck // OpenSSH's words
	if l.Op != '-' {
		given := len(l.Names)
		l.Names = slices.DeleteFunc(slices.Clone(l.Names), func(name string) bool { return !slices.Contains(supported, name) })
		if len(l.Names) < given {
			p.log.debugf("%s: %d of %d names are not supported", what, given-len(l.Names), given)
		}
		if given > 0 && len(l.Names) == 0 {
			if l.Op == 0 {
				return nil, bad
			}
			return defaults, nil
		}
	}
	names, err := l.Apply(defaults, supported)
	if err != nil {
		return nil, bad
	}
	return names, nil
}
