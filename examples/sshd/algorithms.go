package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/fairlead-go/ssh/auth"
	"github.com/fairlead-go/ssh/examples/internal/config"
	"github.com/fairlead-go/ssh/examples/internal/serverconfig"
	"github.com/fairlead-go/ssh/kex"
	"github.com/fairlead-go/ssh/keys"
	"github.com/fairlead-go/ssh/transport"
)

// Names that OpenSSH 9.2 knows. Those of them that the library lacks are left
// out of a list, so that an existing configuration goes on working, and only a
// list of nothing else is refused. A name that is not here either is an error.
const (
	knownKex = "diffie-hellman-group1-sha1 diffie-hellman-group14-sha1 diffie-hellman-group14-sha256 " +
		"diffie-hellman-group16-sha512 diffie-hellman-group18-sha512 diffie-hellman-group-exchange-sha1 " +
		"diffie-hellman-group-exchange-sha256 sntrup761x25519-sha512 sntrup761x25519-sha512@openssh.com " +
		"ecdh-sha2-nistp256 ecdh-sha2-nistp384 ecdh-sha2-nistp521 curve25519-sha256 curve25519-sha256@libssh.org"
	knownCiphers = "3des-cbc aes128-cbc aes192-cbc aes256-cbc rijndael-cbc@lysator.liu.se aes128-ctr aes192-ctr aes256-ctr " +
		"aes128-gcm@openssh.com aes256-gcm@openssh.com chacha20-poly1305@openssh.com"
	knownMACs = "hmac-sha1 hmac-sha1-96 hmac-sha2-256 hmac-sha2-512 hmac-md5 hmac-md5-96 umac-64@openssh.com umac-128@openssh.com " +
		"hmac-sha1-etm@openssh.com hmac-sha1-96-etm@openssh.com hmac-sha2-256-etm@openssh.com hmac-sha2-512-etm@openssh.com " +
		"hmac-md5-etm@openssh.com hmac-md5-96-etm@openssh.com umac-64-etm@openssh.com umac-128-etm@openssh.com"
	knownSignatures = "ssh-ed25519 sk-ssh-ed25519@openssh.com ecdsa-sha2-nistp256 ecdsa-sha2-nistp384 ecdsa-sha2-nistp521 " +
		"sk-ecdsa-sha2-nistp256@openssh.com webauthn-sk-ecdsa-sha2-nistp256@openssh.com ssh-dss ssh-rsa rsa-sha2-256 rsa-sha2-512 " +
		"ssh-ed25519-cert-v01@openssh.com sk-ssh-ed25519-cert-v01@openssh.com ecdsa-sha2-nistp256-cert-v01@openssh.com " +
		"ecdsa-sha2-nistp384-cert-v01@openssh.com ecdsa-sha2-nistp521-cert-v01@openssh.com sk-ecdsa-sha2-nistp256-cert-v01@openssh.com " +
		"ssh-dss-cert-v01@openssh.com ssh-rsa-cert-v01@openssh.com rsa-sha2-256-cert-v01@openssh.com rsa-sha2-512-cert-v01@openssh.com"
)

// algorithms are the lists of a connection, each preferred first.
type algorithms struct {
	kex, ciphers, macs, hostKey, publicKey, authority []string
}

// keyAlgorithms are those of keys by default, with a certificate and without,
// in OpenSSH's order.
func keyAlgorithms() []string {
	return append(keys.CertificateAlgorithms(), auth.PublicKeyAlgorithms()...)
}

func supportedKeyAlgorithms() []string {
	return append(keys.SupportedCertificateAlgorithms(), keys.SupportedAlgorithms()...)
}

// chooseAlgorithms works out the lists. missing says what was left out.
func chooseAlgorithms(o *serverconfig.Options) (a algorithms, missing []string, err error) {
	old := transport.LegacyAlgorithms()
	for _, l := range []struct {
		keyword  string
		complain string // OpenSSH's words for an unknown name
		list     config.List
		defaults []string
		more     []string // what is supported, where that is more
		legacy   []string // what else is supported where the list names it
		known    string
		to       *[]string
	}{
		{"KexAlgorithms", "Bad SSH2 KexAlgorithms", o.KexAlgorithms, transport.KeyExchanges(kex.Server), transport.SupportedKeyExchanges(), old.KeyExchanges, knownKex, &a.kex},
		{"Ciphers", "Bad SSH2 cipher spec", o.Ciphers, transport.Ciphers(), nil, old.Ciphers, knownCiphers, &a.ciphers},
		{"MACs", "Bad SSH2 mac spec", o.MACs, transport.MACs(), nil, old.MACs, knownMACs, &a.macs},
		{"HostKeyAlgorithms", "Bad key types", o.HostKeyAlgorithms, keyAlgorithms(), supportedKeyAlgorithms(), old.Signatures, knownSignatures, &a.hostKey},
		{"PubkeyAcceptedAlgorithms", "Bad key types", o.PubkeyAcceptedAlgorithms, keyAlgorithms(), supportedKeyAlgorithms(), old.Signatures, knownSignatures, &a.publicKey},
		{"CASignatureAlgorithms", "Bad key types", o.CASignatureAlgorithms, keys.CASignatureAlgorithms(), keys.SupportedAlgorithms(), nil, knownSignatures, &a.authority},
	} {
		supported := l.defaults
		if l.more != nil {
			supported = l.more
		}
		given := config.ExpandPatterns(l.list.Names, supported)
		supported = slices.Concat(supported, l.legacy)
		list := l.list
		if list.Op != '-' {
			list.Names = nil
			for _, name := range given {
				switch {
				case slices.Contains(supported, name):
					list.Names = append(list.Names, name)
				case slices.ContainsFunc(strings.Fields(l.known), func(known string) bool { return config.MatchPattern(known, name) }):
					missing = append(missing, fmt.Sprintf("%s: %s is not supported by this server and left out", l.keyword, name))
				default:
					return a, nil, fmt.Errorf("%s: %s '%s'.", l.keyword, l.complain, config.Printable(name)) //nolint:revive // OpenSSH's words
				}
			}
			if list.Op == 0 && list.Names == nil && l.list.Names != nil {
				if l.to == &a.publicKey || l.to == &a.authority { // nobody logs in by those, but others may by what a Match block has
					*l.to = []string{}
					continue
				}
				return a, nil, fmt.Errorf("%s: this server supports none of %s; it has %s",
					l.keyword, strings.Join(l.list.Names, ","), strings.Join(supported, ","))
			}
		}
		if *l.to, err = list.Apply(l.defaults, supported); err != nil {
			return a, nil, fmt.Errorf("%s: %w", l.keyword, err)
		}
	}
	return a, missing, nil
}

// compression is what to take for the keyword of that name.
func compression(o *serverconfig.Options) []string {
	if o.Compression == serverconfig.No {
		return nil
	}
	return []string{"none", "zlib@openssh.com"}
}

// moduli reads ModuliFile where one of the methods makes use of it. Without a
// file that can be used there are still the library's own groups.
func (c *connection) moduli(methods []string) *kex.Moduli {
	if !slices.ContainsFunc(methods, func(name string) bool { return strings.HasPrefix(name, "diffie-hellman-group-exchange") }) {
		return nil
	}
	file, err := os.Open(c.opts.ModuliFile)
	if err != nil {
		c.log.infof("WARNING: %v, using fixed modulus", err)
		return nil
	}
	defer file.Close()
	m, err := kex.ParseModuli(file)
	if err != nil {
		c.log.infof("WARNING: %s: %v, using fixed modulus", c.opts.ModuliFile, err)
	}
	return m
}

// show puts the lists into o, for -T.
func (a *algorithms) show(o *serverconfig.Options) {
	o.KexAlgorithms = config.List{Names: a.kex}
	o.Ciphers = config.List{Names: a.ciphers}
	o.MACs = config.List{Names: a.macs}
	o.HostKeyAlgorithms = config.List{Names: a.hostKey}
	o.PubkeyAcceptedAlgorithms = config.List{Names: a.publicKey}
	o.CASignatureAlgorithms = config.List{Names: a.authority}
}

// A narrowSigner signs with some of its key's algorithms only.
type narrowSigner struct {
	keys.Signer
	algorithms []string
	old        keys.LegacySigner // nil where legacy is empty
	legacy     []string
}

func (s narrowSigner) Algorithms() []string       { return s.algorithms }
func (s narrowSigner) LegacyAlgorithms() []string { return s.legacy }

func (s narrowSigner) Sign(ctx context.Context, algorithm string, data []byte) (*keys.Signature, error) {
	if !slices.Contains(s.algorithms, algorithm) {
		return nil, &keys.AlgorithmError{KeyType: s.PublicKey().Type(), Algorithm: algorithm}
	}
	return s.Signer.Sign(ctx, algorithm, data)
}

// SignLegacy is Sign with one of LegacyAlgorithms.
func (s narrowSigner) SignLegacy(ctx context.Context, algorithm string, data []byte) (*keys.Signature, error) {
	if !slices.Contains(s.legacy, algorithm) {
		return nil, &keys.AlgorithmError{KeyType: s.PublicKey().Type(), Algorithm: algorithm}
	}
	return s.old.SignLegacy(ctx, algorithm, data)
}

// narrow returns the signers that can use one of the algorithms, held to those.
func narrow(signers []keys.Signer, allowed []string) []keys.Signer {
	some := func(algorithms []string) []string {
		return slices.DeleteFunc(slices.Clone(algorithms), func(a string) bool { return !slices.Contains(allowed, a) })
	}
	var out []keys.Signer
	for _, s := range signers {
		n := narrowSigner{Signer: s, algorithms: some(s.Algorithms())}
		if old, ok := s.(keys.LegacySigner); ok {
			n.old, n.legacy = old, some(old.LegacyAlgorithms())
		}
		if len(n.algorithms)+len(n.legacy) > 0 {
			out = append(out, n)
		}
	}
	return out
}
