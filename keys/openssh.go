package keys

import (
	"crypto/rand"
	"encoding/pem"
	"errors"
	"slices"

	"github.com/fairlead-go/ssh/wire"
)

// The openssh-key-v1 format is described in OpenSSH's PROTOCOL.key.

// MaxRounds is the greatest bcrypt work factor that a private key file may ask
// for, read or written. It bounds the time that a hostile file can cost: each
// round takes some ten milliseconds of a processor. OpenSSH writes 24.
const MaxRounds = 1024

const (
	defaultRounds  = 24
	opensshPEMType = "OPENSSH PRIVATE KEY"
	opensshMagic   = "openssh-key-v1\x00"
	saltSize       = 16
	// maxSalt bounds what is hashed for each block that is derived.
	maxSalt = 1024
	// maxPadding is how far padding of 1, 2, 3… can count in a byte. Writers
	// pad to their cipher's block, some to a larger one.
	maxPadding = 255
)

// MarshalOptions says how a private key is written. The zero value leaves it
// unencrypted.
type MarshalOptions struct {
	// Passphrase encrypts the key unless it is empty.
	Passphrase []byte
	// Cipher is what encrypts it: aes128-ctr, aes192-ctr, aes256-ctr, the same
	// three with -cbc, aes128-gcm@openssh.com, aes256-gcm@openssh.com or
	// chacha20-poly1305@openssh.com. "" means aes256-ctr, as in OpenSSH. It is
	// an error to name one without a passphrase.
	Cipher string
	// Rounds is the bcrypt work factor that makes each guess at the passphrase
	// dear, from 1 to [MaxRounds]; 0 means 24, as in OpenSSH.
	Rounds int
}

var (
	errMagic     = errors.New("not openssh-key-v1")
	errOneKey    = errors.New("file does not hold exactly one key")
	errCheck     = errors.New("check numbers differ")
	errPadding   = errors.New("padding is wrong")
	errKDF       = errors.New("cipher and key derivation do not fit each other")
	errBlockSize = errors.New("private section is not a multiple of the cipher's block size")
)

func malformedPrivate(err error) error { return malformed("OpenSSH private key", err) }

// opensshFile is an openssh-key-v1 file before its private section is opened.
type opensshFile struct {
	cipher  *opensshCipher
	salt    []byte
	rounds  int
	public  []byte // public key blob
	section []byte // private section, encrypted by cipher
	tag     []byte // that authenticates it, where cipher makes one
}

func parseOpenSSHFile(data []byte) (*opensshFile, error) {
	r := wire.NewReader(data)
	if magic := r.Raw(len(opensshMagic)); r.Err() == nil && string(magic) != opensshMagic {
		return nil, malformedPrivate(errMagic)
	}
	cipherName, kdfName, kdfOptions := r.Bytes(), r.Bytes(), r.Bytes()
	count := r.Uint32()
	if r.Err() == nil && count != 1 {
		return nil, malformedPrivate(errOneKey)
	}
	f := &opensshFile{public: r.Bytes(), section: r.Bytes()}
	if r.Err() != nil {
		return nil, malformedPrivate(r.Err())
	}
	f.cipher = lookupOpenSSHCipher(string(cipherName))
	if f.cipher == nil {
		return nil, &UnsupportedError{What: "cipher of a private key", Name: string(cipherName)}
	}
	// The tag is in no string of its own, nor within the section's.
	f.tag = r.Raw(f.cipher.tagSize)
	if err := r.End(); err != nil {
		return nil, malformedPrivate(err)
	}
	if err := f.parseKDF(string(kdfName), kdfOptions); err != nil {
		return nil, err
	}
	if len(f.section) == 0 || len(f.section)%f.cipher.block != 0 {
		return nil, malformedPrivate(errBlockSize)
	}
	return f, nil
}

func (f *opensshFile) parseKDF(name string, options []byte) error {
	r := wire.NewReader(options)
	switch name {
	case "none":
		if f.cipher != plainCipher {
			return malformedPrivate(errKDF)
		}
	case "bcrypt":
		salt, rounds := r.Bytes(), r.Uint32()
		if r.Err() == nil && (len(salt) == 0 || f.cipher == plainCipher) {
			return malformedPrivate(errKDF)
		}
		if r.Err() == nil && (rounds < 1 || rounds > MaxRounds) {
			return &LimitError{What: "bcrypt rounds of a private key", Value: uint64(rounds), Min: 1, Max: MaxRounds}
		}
		if len(salt) > maxSalt {
			return &LimitError{What: "bytes in the salt of a private key", Value: uint64(len(salt)), Min: 1, Max: maxSalt}
		}
		f.salt, f.rounds = salt, int(rounds)
	default:
		return &UnsupportedError{What: "key derivation of a private key", Name: name}
	}
	if err := r.End(); err != nil {
		return malformedPrivate(err)
	}
	return nil
}

func parseOpenSSH(data, passphrase []byte) (*PrivateKey, error) {
	f, err := parseOpenSSHFile(data)
	if err != nil {
		return nil, err
	}
	// The public half is parsed first: a key of an unknown type is told as
	// that, whether or not there is a passphrase.
	public, err := ParsePublicKey(f.public)
	if err != nil {
		return nil, err
	}
	section := f.section
	if f.cipher != plainCipher {
		if len(passphrase) == 0 {
			return nil, &PassphraseNeededError{PublicKey: public}
		}
		if section, err = f.cipher.decrypt(passphrase, f.salt, f.rounds, slices.Concat(f.section, f.tag)); err != nil {
			return nil, err
		}
		defer clear(section)
	}
	return f.parseSection(section, public)
}

// parseSection parses the private section once it is plain. The two check
// numbers agree by chance for one wrong passphrase in 2^32, which the fields
// after them then give away.
func (f *opensshFile) parseSection(section []byte, public PublicKey) (*PrivateKey, error) {
	r := wire.NewReader(section)
	check1, check2 := r.Uint32(), r.Uint32()
	if r.Err() == nil && check1 != check2 {
		if f.cipher != plainCipher {
			return nil, ErrWrongPassphrase
		}
		return nil, malformedPrivate(errCheck)
	}
	t := lookupKeyType(public.Type())
	if name := r.Bytes(); r.Err() == nil && string(name) != t.name {
		return nil, malformedPrivate(ErrKeyMismatch)
	}
	if t.parsePrivate == nil {
		return nil, &UnsupportedError{What: "type of a private key", Name: t.name}
	}
	k := t.parsePrivate(&r)
	comment := r.Bytes()
	padding := r.Raw(r.Len())
	if err := r.End(); err != nil {
		return nil, malformedPrivate(err)
	}
	if k == nil {
		return nil, malformedPrivate(wire.ErrInvalid)
	}
	if len(padding) > maxPadding {
		return nil, malformedPrivate(errPadding)
	}
	for i, v := range padding {
		if int(v) != i+1 {
			return nil, malformedPrivate(errPadding)
		}
	}
	key, err := NewPrivateKey(k)
	if err != nil {
		return nil, err
	}
	if !Equal(key.PublicKey(), public) {
		return nil, malformedPrivate(ErrKeyMismatch)
	}
	key.Comment = string(comment)
	return key, nil
}

// MarshalOpenSSH returns the key as a file in OpenSSH's own format, PEM with
// a newline at its end, which every OpenSSH since 6.5 reads. Keep it readable
// by its owner alone, or ssh refuses it. Two calls give different bytes.
func (k *PrivateKey) MarshalOpenSSH(o MarshalOptions) ([]byte, error) {
	if k.signer == nil {
		return nil, errNoKey
	}
	if o.Rounds == 0 {
		o.Rounds = defaultRounds
	}
	if o.Rounds < 1 || o.Rounds > MaxRounds {
		return nil, &LimitError{What: "bcrypt rounds of a private key", Value: uint64(max(o.Rounds, 0)), Min: 1, Max: MaxRounds}
	}
	c, err := o.cipher()
	if err != nil {
		return nil, err
	}
	section, err := k.appendSection(nil, c.block)
	if err != nil {
		return nil, err
	}
	defer clear(section)
	kdfName, kdfOptions, sealed := "none", []byte(nil), section
	if c != plainCipher {
		salt := make([]byte, saltSize)
		rand.Read(salt) // never fails: crypto/rand ends the program instead
		kdfName = "bcrypt"
		kdfOptions = wire.AppendUint32(wire.AppendString(nil, salt), uint32(o.Rounds))
		if sealed, err = c.encrypt(o.Passphrase, salt, o.Rounds, section); err != nil {
			return nil, err
		}
	}
	b := []byte(opensshMagic)
	b = wire.AppendString(b, c.name)
	b = wire.AppendString(b, kdfName)
	b = wire.AppendString(b, kdfOptions)
	b = wire.AppendUint32(b, 1)
	b = wire.AppendString(b, k.PublicKey().Marshal())
	b = wire.AppendString(b, sealed[:len(section)])
	b = append(b, sealed[len(section):]...)
	return pem.EncodeToMemory(&pem.Block{Type: opensshPEMType, Bytes: b}), nil
}

func (k *PrivateKey) appendSection(b []byte, block int) ([]byte, error) {
	// The check numbers are only compared with each other, but random ones
	// keep their bytes from being known plaintext.
	var check [4]byte
	rand.Read(check[:])
	b = append(b, check[:]...)
	b = append(b, check[:]...)
	b = wire.AppendString(b, k.signer.typ.name)
	b, err := k.signer.typ.appendPrivate(b, k.signer.key)
	if err != nil {
		return nil, err
	}
	b = wire.AppendString(b, k.Comment)
	for i := byte(1); len(b)%block != 0; i++ {
		b = append(b, i)
	}
	return b, nil
}
