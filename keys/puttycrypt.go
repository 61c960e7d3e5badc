package keys

import (
	"bytes"
	"crypto/aes"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"hash"

	"github.com/fairlead-go/ssh/wire"
)

// A puttyVersion is what differs between the versions of a .ppk file.
type puttyVersion struct {
	hash func() hash.Hash // that of its HMAC
	// readKDF reads how the keys of an encrypted file are derived; nil if the
	// version knows but one way.
	readKDF func(l *puttyLines) (kdf, error)
	// secrets returns the cipher's key and initialization vector, where the
	// file is encrypted, and the MAC's key, for a file of this version.
	secrets func(f *puttyFile, passphrase []byte) (key, iv, macKey []byte, err error)
}

var puttyVersions = map[string]*puttyVersion{
	"2": {hash: sha1.New, secrets: puttySecrets2},
	"3": {hash: sha256.New, readKDF: readPuttyKDF, secrets: puttySecrets3},
}

const puttyKeySize = 32 // of AES-256 and of version 3's MAC

// readPuttyKDF reads the parameters of Argon2.
func readPuttyKDF(l *puttyLines) (kdf, error) {
	name := string(l.value("Key-Derivation"))
	memory, passes, lanes := l.number("Argon2-Memory"), l.number("Argon2-Passes"), l.number("Argon2-Parallelism")
	salt := l.hex("Argon2-Salt")
	if l.err != nil {
		return nil, malformedPutty(l.err)
	}
	// golang.org/x/crypto/argon2 has no Argon2d.
	if name != "Argon2id" && name != "Argon2i" {
		return nil, &UnsupportedError{What: "key derivation of a private key", Name: name}
	}
	return newArgon2(name == "Argon2id", salt, memory, passes, lanes)
}

func puttySecrets2(_ *puttyFile, passphrase []byte) (key, iv, macKey []byte, err error) {
	for i := range byte(2) {
		h := sha1.New()
		h.Write([]byte{0, 0, 0, i})
		h.Write(passphrase)
		key = h.Sum(key)
	}
	h := sha1.New()
	h.Write([]byte("putty-private-key-file-mac-key"))
	h.Write(passphrase)
	return key[:puttyKeySize], make([]byte, aes.BlockSize), h.Sum(nil), nil
}

func puttySecrets3(f *puttyFile, passphrase []byte) (key, iv, macKey []byte, err error) {
	if !f.encrypted {
		return nil, nil, nil, nil // an empty key makes the MAC a checksum
	}
	b, err := f.kdf.derive(passphrase, 2*puttyKeySize+aes.BlockSize)
	if err != nil {
		return nil, nil, nil, err
	}
	return b[:puttyKeySize], b[puttyKeySize : puttyKeySize+aes.BlockSize], b[puttyKeySize+aes.BlockSize:], nil
}

// open decrypts the private blob if need be, verifies the MAC and then parses
// the blob.
func (f *puttyFile) open(passphrase []byte) (*PrivateKey, error) {
	bad := error(ErrWrongPassphrase)
	if !f.encrypted {
		bad, passphrase = malformedPutty(errPuttyMAC), nil
	} else if len(passphrase) == 0 {
		return nil, &PassphraseNeededError{PublicKey: PlainKey(f.key)}
	}
	key, iv, macKey, err := f.version.secrets(f, passphrase)
	if err != nil {
		return nil, err
	}
	defer clear(key)
	defer clear(macKey)
	private := f.private
	if f.encrypted {
		if private, err = aesCBCOpen(key, iv, bytes.Clone(private)); err != nil {
			return nil, err
		}
		defer clear(private)
	}
	if !hmac.Equal(f.sum(macKey, private), f.mac) {
		return nil, bad
	}
	return f.parsePrivate(private)
}

// sum returns the MAC of all that the file says, with its private blob plain.
func (f *puttyFile) sum(key, private []byte) []byte {
	mac := hmac.New(f.version.hash, key)
	var length []byte
	for _, part := range [][]byte{[]byte(f.typ), []byte(f.cipher), f.comment, f.public, private} {
		length = wire.AppendUint32(length[:0], uint32(len(part)))
		mac.Write(length)
		mac.Write(part)
	}
	return mac.Sum(nil)
}
