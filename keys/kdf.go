package keys

import (
	"crypto/md5"
	"crypto/pbkdf2"
	"errors"
	"hash"
	"math"
	"math/bits"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/scrypt"
)

// What a private key file may ask for before its passphrase can be tried. Each
// bound is checked when the file is parsed, costs some ten seconds of one
// processor where it is reached, and is many times what the tools use that
// write such files. That of bcrypt is [MaxRounds].
const (
	maxPBKDF2Rounds = 10_000_000
	maxScryptWork   = 1 << 24 // N*r*p; OpenSSL's default is 2^17
	maxArgon2Work   = 1 << 23 // memory in KiB times passes; PuTTY's default is some 2^17
	maxKDFMemory    = 256 << 20
	maxArgon2Lanes  = 64
)

var errKDFParameters = errors.New("parameters are not those that the function has")

// A kdf makes a key out of a passphrase. Its parameters are within bounds.
type kdf interface {
	derive(passphrase []byte, n int) ([]byte, error)
}

// pbkdf2KDF is PBKDF2 with HMAC (RFC 8018 section 5.2).
type pbkdf2KDF struct {
	salt   []byte
	rounds int
	hash   func() hash.Hash
}

func newPBKDF2(salt []byte, rounds uint64, h func() hash.Hash) (*pbkdf2KDF, error) {
	if err := checkSalt(salt); err != nil {
		return nil, err
	}
	if rounds < 1 || rounds > maxPBKDF2Rounds {
		return nil, &LimitError{What: "PBKDF2 rounds of a private key", Value: rounds, Min: 1, Max: maxPBKDF2Rounds}
	}
	return &pbkdf2KDF{salt, int(rounds), h}, nil
}

func (k *pbkdf2KDF) derive(passphrase []byte, n int) ([]byte, error) {
	return pbkdf2.Key(k.hash, string(passphrase), k.salt, k.rounds, n)
}

// scryptKDF is scrypt (RFC 7914).
type scryptKDF struct {
	salt    []byte
	n, r, p int
}

func newScrypt(salt []byte, n, r, p uint64) (*scryptKDF, error) {
	if err := checkSalt(salt); err != nil {
		return nil, err
	}
	if n < 2 || n&(n-1) != 0 || r < 1 || p < 1 {
		return nil, &MalformedError{What: "scrypt parameters of a private key", Err: errKDFParameters}
	}
	if work := product(n, r, p); work > maxScryptWork {
		return nil, &LimitError{What: "scrypt work (N*r*p) of a private key", Value: work, Min: 1, Max: maxScryptWork}
	}
	if memory := 128 * r * (n + p); memory > maxKDFMemory {
		return nil, &LimitError{What: "bytes of memory for a private key's scrypt", Value: memory, Max: maxKDFMemory}
	}
	return &scryptKDF{salt, int(n), int(r), int(p)}, nil
}

// product multiplies, up to what fits.
func product(factors ...uint64) uint64 {
	out := uint64(1)
	for _, f := range factors {
		high, low := bits.Mul64(out, f)
		if high != 0 {
			return math.MaxUint64
		}
		out = low
	}
	return out
}

func (k *scryptKDF) derive(passphrase []byte, n int) ([]byte, error) {
	return scrypt.Key(passphrase, k.salt, k.n, k.r, k.p, n)
}

// argon2KDF is Argon2id or Argon2i (RFC 9106).
type argon2KDF struct {
	id             bool
	salt           []byte
	memory, passes uint32 // memory in KiB
	lanes          uint8
}

func newArgon2(id bool, salt []byte, memory, passes, lanes uint64) (*argon2KDF, error) {
	if err := checkSalt(salt); err != nil {
		return nil, err
	}
	if lanes < 1 || lanes > maxArgon2Lanes {
		return nil, &LimitError{What: "Argon2 parallelism of a private key", Value: lanes, Min: 1, Max: maxArgon2Lanes}
	}
	if memory < 8*lanes || memory > maxKDFMemory>>10 { // section 3.1 has the minimum
		return nil, &LimitError{What: "KiB of memory for a private key's Argon2", Value: memory, Min: 8 * lanes, Max: maxKDFMemory >> 10}
	}
	if most := maxArgon2Work / memory; passes < 1 || passes > most {
		return nil, &LimitError{What: "Argon2 passes of a private key", Value: passes, Min: 1, Max: most}
	}
	return &argon2KDF{id, salt, uint32(memory), uint32(passes), uint8(lanes)}, nil
}

func (k *argon2KDF) derive(passphrase []byte, n int) ([]byte, error) {
	if k.id {
		return argon2.IDKey(passphrase, k.salt, k.passes, k.memory, k.lanes, uint32(n)), nil
	}
	return argon2.Key(passphrase, k.salt, k.passes, k.memory, k.lanes, uint32(n)), nil
}

// md5KDF is what OpenSSL has for PEM files of the old kind: MD5 of all that
// went before, the passphrase and the salt, until there is enough. A guess at
// such a passphrase costs next to nothing.
type md5KDF struct{ salt []byte }

func (k *md5KDF) derive(passphrase []byte, n int) ([]byte, error) {
	h := md5.New()
	var out, last []byte
	for len(out) < n {
		h.Reset()
		h.Write(last)
		h.Write(passphrase)
		h.Write(k.salt)
		out = h.Sum(out)
		last = out[len(out)-md5.Size:]
	}
	return out[:n], nil
}

func checkSalt(salt []byte) error {
	if len(salt) > maxSalt {
		return &LimitError{What: "bytes in the salt of a private key", Value: uint64(len(salt)), Max: maxSalt}
	}
	return nil
}
