package transport

import (
	"crypto/cipher"
	"fmt"
	"slices"

	"golang.org/x/sys/cpu"

	"github.com/fairlead-go/ssh/kex"
	"github.com/fairlead-go/ssh/keys"
	"github.com/fairlead-go/ssh/transport/internal/umac"
)

// A cipherMethod is one row of the table of ciphers. It has either aead, or
// block and mode, which a negotiated MAC completes.
type cipherMethod struct {
	name            string
	keySize, ivSize int
	// strength is what the key is worth in bytes, where that is less than
	// its size.
	strength int
	aead     func(key, iv []byte) (packetCipher, error)
	block    func(key []byte) (cipher.Block, error)
	mode     func(block cipher.Block, iv []byte) blockCipher
}

// A macMethod is one row of the table of MACs.
type macMethod struct {
	name    string
	keySize int
	size    int // of a tag
	etm     bool
	new     func(key []byte) packetMAC
}

// ciphers are all that a configuration can name without further ado, in the
// order of the default proposal on a CPU without AES instructions.
var ciphers = []cipherMethod{
	{name: "chacha20-poly1305@openssh.com", keySize: 64, aead: newChaCha20Poly1305},
	{name: "aes128-gcm@openssh.com", keySize: 16, ivSize: 12, aead: newGCM},
	{name: "aes256-gcm@openssh.com", keySize: 32, ivSize: 12, aead: newGCM},
	{name: "aes128-ctr", keySize: 16, ivSize: 16, block: newAES, mode: newCTR},
	{name: "aes192-ctr", keySize: 24, ivSize: 16, block: newAES, mode: newCTR},
	{name: "aes256-ctr", keySize: 32, ivSize: 16, block: newAES, mode: newCTR},
}

// macs are all that a configuration can name without further ado, in the order
// of the default proposal.
var macs = []macMethod{
	{name: "umac-64-etm@openssh.com", keySize: umac.KeySize, size: umac.Size64, etm: true, new: umac64},
	{name: "umac-128-etm@openssh.com", keySize: umac.KeySize, size: umac.Size128, etm: true, new: umac128},
	{name: "hmac-sha2-256-etm@openssh.com", keySize: 32, size: 32, etm: true, new: hmacSHA256},
	{name: "hmac-sha2-512-etm@openssh.com", keySize: 64, size: 64, etm: true, new: hmacSHA512},
	{name: "umac-64@openssh.com", keySize: umac.KeySize, size: umac.Size64, new: umac64},
	{name: "umac-128@openssh.com", keySize: umac.KeySize, size: umac.Size128, new: umac128},
	{name: "hmac-sha2-256", keySize: 32, size: 32, new: hmacSHA256},
	{name: "hmac-sha2-512", keySize: 64, size: 64, new: hmacSHA512},
}

// Ciphers returns the ciphers of the default proposal, preferred first. Where
// the CPU has AES and carry-less multiplication instructions, AES-GCM comes
// first: it is then constant-time, and as fast as ChaCha20-Poly1305 or faster on
// both sides of most connections. Elsewhere ChaCha20-Poly1305 is.
func Ciphers() []string { return cipherNames(hasAES()) }

func cipherNames(aes bool) []string {
	names := make([]string, len(ciphers))
	for i := range ciphers {
		names[i] = ciphers[i].name
	}
	if aes {
		slices.SortStableFunc(names, func(a, b string) int { return gcmRank(a) - gcmRank(b) })
	}
	return names
}

func gcmRank(name string) int {
	if name == "aes128-gcm@openssh.com" || name == "aes256-gcm@openssh.com" {
		return 0
	}
	return 1
}

func hasAES() bool {
	return cpu.X86.HasAES && cpu.X86.HasPCLMULQDQ || cpu.ARM64.HasAES && cpu.ARM64.HasPMULL ||
		cpu.S390X.HasAES && cpu.S390X.HasGHASH
}

// MACs returns the MACs of the default proposal, preferred first. Only the
// aes*-ctr ciphers use one.
func MACs() []string {
	names := make([]string, len(macs))
	for i := range macs {
		names[i] = macs[i].name
	}
	return names
}

// KeyExchanges returns the key exchange methods of a role's default proposal,
// preferred first. A client's ends with Diffie-Hellman in finite fields, for
// old servers. That is costly, and how often a server pays is up to strangers,
// so a server's has none of it.
func KeyExchanges(role kex.Role) []string { return kex.Proposal(role) }

// SupportedKeyExchanges returns all key exchange methods that Config can name,
// preferred first.
func SupportedKeyExchanges() []string { return kex.Methods() }

// HostKeyAlgorithms returns the host key algorithms that a client proposes by
// default, preferred first. Those of certificates come last: a certificate is
// of use to a verifier that knows its authority, and such a one, as a
// knownhosts.DB, says which algorithms it wants.
func HostKeyAlgorithms() []string {
	return append(keys.Algorithms(), keys.CertificateAlgorithms()...)
}

func cipherByName(name string) *cipherMethod {
	for _, table := range [][]cipherMethod{ciphers, legacyCiphers} {
		for i := range table {
			if table[i].name == name {
				return &table[i]
			}
		}
	}
	return nil
}

func macByName(name string) *macMethod {
	for _, table := range [][]macMethod{macs, legacyMACs} {
		for i := range table {
			if table[i].name == name {
				return &table[i]
			}
		}
	}
	return nil
}

// A UnknownAlgorithmError is a name in a configuration that this package does
// not know, or knows twice.
type UnknownAlgorithmError struct {
	Kind string // "key exchange", "cipher", "MAC", "compression" or "host key"
	Name string
}

func (e *UnknownAlgorithmError) Error() string {
	return fmt.Sprintf("transport: unknown or repeated %s algorithm %q", e.Kind, e.Name)
}

// newPacketCipher builds one direction's protection from the suite that was
// negotiated. derive returns n bytes of key material for one of the letters of
// RFC 4253 section 7.2.
func (d *suite) newPacketCipher(derive func(tag byte, n int) []byte, ivTag, keyTag, macTag byte) (packetCipher, error) {
	key := derive(keyTag, d.cipher.keySize)
	iv := derive(ivTag, d.cipher.ivSize)
	defer clear(key)
	if d.cipher.aead != nil {
		return d.cipher.aead(key, iv)
	}
	block, err := d.cipher.block(key)
	if err != nil {
		return nil, err
	}
	macKey := derive(macTag, d.mac.keySize)
	defer clear(macKey)
	return newMACCipher(d.cipher.mode(block, iv), block.BlockSize(), d.mac.new(macKey), d.mac), nil
}
