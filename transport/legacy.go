package transport

import (
	"crypto/cipher"
	"crypto/des"
	"crypto/md5"
	"crypto/sha1"
	"fmt"
	"slices"

	"github.com/fairlead-go/ssh/kex"
	"github.com/fairlead-go/ssh/keys"
)

// Algorithms are names of algorithms by their kind.
type Algorithms struct {
	KeyExchanges []string
	Ciphers      []string
	MACs         []string
	Signatures   []string // of host keys, and of users' keys
}

// LegacyAlgorithms returns all algorithms that are there only for peers which
// have nothing better, preferred first. They are weak: SHA-1, MD5, a group of
// 1024 bits, and CBC, of which a peer that does not take care lets text be
// guessed. Nothing proposes or takes them unless Config.LegacyAlgorithms says so.
func LegacyAlgorithms() Algorithms {
	a := Algorithms{KeyExchanges: kex.LegacyMethods(), Signatures: keys.LegacyAlgorithms()}
	for i := range legacyCiphers {
		a.Ciphers = append(a.Ciphers, legacyCiphers[i].name)
	}
	for i := range legacyMACs {
		a.MACs = append(a.MACs, legacyMACs[i].name)
	}
	return a
}

// legacyCiphers and legacyMACs are rows like those of ciphers and macs.
var legacyCiphers = []cipherMethod{
	{name: "aes128-cbc", keySize: 16, ivSize: 16, block: newAES, mode: newCBC},
	{name: "aes192-cbc", keySize: 24, ivSize: 16, block: newAES, mode: newCBC},
	{name: "aes256-cbc", keySize: 32, ivSize: 16, block: newAES, mode: newCBC},
	{name: "3des-cbc", keySize: 24, ivSize: 8, strength: 14, block: des.NewTripleDESCipher, mode: newCBC},
}

var legacyMACs = []macMethod{
	{name: "hmac-sha1-etm@openssh.com", keySize: 20, size: 20, etm: true, new: hmacSHA1},
	{name: "hmac-sha1", keySize: 20, size: 20, new: hmacSHA1},
	{name: "hmac-sha1-96-etm@openssh.com", keySize: 20, size: 12, etm: true, new: hmacSHA1},
	{name: "hmac-sha1-96", keySize: 20, size: 12, new: hmacSHA1},
	{name: "hmac-md5-etm@openssh.com", keySize: 16, size: 16, etm: true, new: hmacMD5},
	{name: "hmac-md5", keySize: 16, size: 16, new: hmacMD5},
	{name: "hmac-md5-96-etm@openssh.com", keySize: 16, size: 12, etm: true, new: hmacMD5},
	{name: "hmac-md5-96", keySize: 16, size: 12, new: hmacMD5},
}

func hmacSHA1(key []byte) packetMAC { return newHMAC(sha1.New, key) }
func hmacMD5(key []byte) packetMAC  { return newHMAC(md5.New, key) }

// A LegacyAlgorithmError is a name in a configuration that needs
// Config.LegacyAlgorithms to have it, too.
type LegacyAlgorithmError struct {
	Kind string // as in UnknownAlgorithmError
	Name string
}

func (e *LegacyAlgorithmError) Error() string {
	return fmt.Sprintf("transport: %s algorithm %q is not safe: it needs LegacyAlgorithms", e.Kind, e.Name)
}

// A choice is one list of a configuration, and what may stand in it.
type choice struct {
	kind     string
	names    []string
	defaults []string
	known    func(string) bool
	legacy   []string // all there are
	admitted []string // those that Config.LegacyAlgorithms has
}

// list returns the names to propose, if every one of them is known, or legacy
// and admitted, and none stands there twice. The default ends with those
// admitted.
func (c choice) list() ([]string, error) {
	for i, name := range c.admitted {
		if !slices.Contains(c.legacy, name) || slices.Contains(c.admitted[:i], name) {
			return nil, &UnknownAlgorithmError{Kind: "legacy " + c.kind, Name: name}
		}
	}
	if c.names == nil {
		return slices.Concat(c.defaults, c.admitted), nil
	}
	if len(c.names) == 0 && c.kind != "MAC" { // which a cipher may do without
		return nil, fmt.Errorf("transport: the list of %s algorithms is empty; nil means the default", c.kind)
	}
	for i, name := range c.names {
		switch {
		case slices.Contains(c.names[:i], name):
			return nil, &UnknownAlgorithmError{Kind: c.kind, Name: name}
		case c.known(name), slices.Contains(c.admitted, name):
		case slices.Contains(c.legacy, name):
			return nil, &LegacyAlgorithmError{Kind: c.kind, Name: name}
		default:
			return nil, &UnknownAlgorithmError{Kind: c.kind, Name: name}
		}
	}
	return slices.Clone(c.names), nil
}

// signerAlgorithms returns those by which a host key can sign, legacy ones as
// far as they are admitted.
func signerAlgorithms(signer keys.Signer, admitted []string) []string {
	algorithms := signer.Algorithms()
	if old, ok := signer.(keys.LegacySigner); ok {
		for _, name := range old.LegacyAlgorithms() {
			if slices.Contains(admitted, name) {
				algorithms = append(algorithms, name)
			}
		}
	}
	return algorithms
}

// cbcCipher is CBC mode (RFC 4253 section
// 6.3): each packet goes on where the last one ended. One direction uses one of
// the two.
type cbcCipher struct {
	block    cipher.Block
	iv       []byte
	enc, dec cipher.BlockMode
}

func newCBC(block cipher.Block, iv []byte) blockCipher {
	return &cbcCipher{block: block, iv: slices.Clone(iv)}
}

func (c *cbcCipher) encrypt(b []byte) {
	if c.enc == nil {
		c.enc = cipher.NewCBCEncrypter(c.block, c.iv)
	}
	c.enc.CryptBlocks(b, b)
}

func (c *cbcCipher) decrypt(b []byte) {
	if c.dec == nil {
		c.dec = cipher.NewCBCDecrypter(c.block, c.iv)
	}
	c.dec.CryptBlocks(b, b)
}
