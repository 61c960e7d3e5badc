package keys

import (
	"encoding/pem"
	"testing"
)

// cheap tells whether a derivation may be run for each input of a fuzz target.
func cheap(k kdf) bool {
	switch k := k.(type) {
	case *pbkdf2KDF:
		return k.rounds <= 100
	case *scryptKDF:
		return k.n*k.r*k.p <= 1<<10
	case *argon2KDF:
		return k.memory*k.passes <= 1<<10
	}
	return true
}

// FuzzEncryptedPEM tries a passphrase on what costs little to try.
func FuzzEncryptedPEM(f *testing.F) {
	for _, path := range []string{"testdata/openssl.txt", "testdata/openssl-unsupported.txt"} {
		for _, v := range readVectors(f, path) {
			f.Add(v.file)
		}
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		defer watch(t)()
		block, _ := pem.Decode(file)
		if block == nil {
			return
		}
		encrypted, err := parseLegacyPEM(block)
		parse := parseSEC1
		if block.Type == "ENCRYPTED PRIVATE KEY" {
			encrypted, err = parsePBES2(block.Bytes)
			parse = parsePKCS8
		}
		if err != nil {
			_ = err.Error()
			return
		}
		if _, err := encrypted.open(nil, parse); !isPassphraseNeeded(err) {
			t.Fatalf("needs no passphrase: %v", err)
		}
		if !cheap(encrypted.kdf) {
			return
		}
		if k, err := encrypted.open(correctHorse, parse); err == nil {
			exercise(t, k.PublicKey())
		} else if k != nil {
			t.Fatal("both a key and an error")
		}
		if _, err := encrypted.open([]byte("correct hors"), parse); err == nil {
			t.Fatal("opened by a wrong passphrase")
		}
	})
}
