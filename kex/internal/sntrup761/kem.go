package sntrup761

import (
	"crypto"
	"crypto/rand"
	"crypto/sha512"
	"crypto/subtle"
	"errors"
)

// Lengths in bytes.
const (
	EncapsulationKeySize = 1158
	DecapsulationKeySize = 2*smallSize + EncapsulationKeySize + smallSize + hashSize
	CiphertextSize       = roundedSize + hashSize
	SharedKeySize        = 32

	hashSize    = 32
	roundedSize = 1007 // a rounded polynomial, without the confirmation
)

// What hashes begin with, so that they are different functions.
const (
	prefixReject  = 0 // the shared key where the ciphertext is not valid
	prefixSession = 1 // the shared key
	prefixConfirm = 2
	prefixInput   = 3 // an encoded input
	prefixKey     = 4 // a public key
)

var (
	errKeySize        = errors.New("sntrup761: key has the wrong length")
	errCiphertextSize = errors.New("sntrup761: ciphertext has the wrong length")
)

// An EncapsulationKey is a public key. It is safe for concurrent use.
type EncapsulationKey struct {
	encoded [EncapsulationKeySize]byte
	h       ringQ
	hash    [hashSize]byte
}

// A DecapsulationKey is a private key. It is safe for concurrent use.
type DecapsulationKey struct {
	public   EncapsulationKey
	f        small
	gInverse small           // in R/3
	rho      [smallSize]byte // what a ciphertext that is not valid is answered from
}

// A source fills b with random bytes.
type source func(b []byte)

func systemRandom(b []byte) { rand.Read(b) } // it never fails

// GenerateKey returns a new key.
func GenerateKey() *DecapsulationKey { return generate(systemRandom) }

func generate(random source) *DecapsulationKey {
	k := new(DecapsulationKey)
	var g small
	for {
		g = randomSmall(random)
		var invertible bool
		if k.gInverse, invertible = invert3(&g); invertible {
			break
		}
	}
	k.f = randomShort(random)
	h := invertTriple(&k.f)
	h = mulDense(&h, &g)
	encodeRing(k.public.encoded[:], &h)
	k.public.init()
	random(k.rho[:])
	return k
}

// NewDecapsulationKey parses a private key as Bytes returns it.
func NewDecapsulationKey(b []byte) (*DecapsulationKey, error) {
	if len(b) != DecapsulationKeySize {
		return nil, errKeySize
	}
	k := new(DecapsulationKey)
	k.f, b = decodeSmall(b), b[smallSize:]
	k.gInverse, b = decodeSmall(b), b[smallSize:]
	b = b[copy(k.public.encoded[:], b):]
	k.public.init()
	copy(k.rho[:], b)
	return k, nil
}

// Bytes returns the private key in the format of the specification: f, the
// inverse of g, the public key, rho, and the public key's hash.
func (k *DecapsulationKey) Bytes() []byte {
	b := make([]byte, 0, DecapsulationKeySize)
	b = appendSmall(b, &k.f)
	b = appendSmall(b, &k.gInverse)
	b = append(b, k.public.encoded[:]...)
	b = append(b, k.rho[:]...)
	return append(b, k.public.hash[:]...)
}

// EncapsulationKey returns the public key of k.
func (k *DecapsulationKey) EncapsulationKey() *EncapsulationKey { return &k.public }

// Encapsulator returns the public key of k, for [crypto.Decapsulator].
func (k *DecapsulationKey) Encapsulator() crypto.Encapsulator { return &k.public }

// NewEncapsulationKey parses a public key. The error is about its length
// alone: every string of [EncapsulationKeySize] bytes stands for some
// polynomial, and what is out of range is reduced as the specification says.
func NewEncapsulationKey(b []byte) (*EncapsulationKey, error) {
	if len(b) != EncapsulationKeySize {
		return nil, errKeySize
	}
	k := new(EncapsulationKey)
	copy(k.encoded[:], b)
	k.init()
	return k, nil
}

// init sets what follows from the encoding.
func (k *EncapsulationKey) init() {
	k.h = decodeRing(k.encoded[:])
	k.hash = hash(prefixKey, k.encoded[:])
}

// Bytes returns the encoded public key.
func (k *EncapsulationKey) Bytes() []byte { return append([]byte(nil), k.encoded[:]...) }

// Encapsulate returns a new shared key, and the ciphertext from which the
// private key's holder gets it.
func (k *EncapsulationKey) Encapsulate() (sharedKey, ciphertext []byte) {
	return k.encapsulate(systemRandom)
}

func (k *EncapsulationKey) encapsulate(random source) (sharedKey, ciphertext []byte) {
	r := randomShort(random)
	input := appendSmall(make([]byte, 0, smallSize), &r)
	inputHash := hash(prefixInput, input)
	ciphertext = k.hide(&r, inputHash[:])
	shared := hash(prefixSession, inputHash[:], ciphertext)
	return shared[:], ciphertext
}

// hide encrypts r and appends the confirmation, which binds it to the key.
func (k *EncapsulationKey) hide(r *small, inputHash []byte) []byte {
	ciphertext := make([]byte, CiphertextSize)
	c := mulShort(&k.h, r)
	encodeRounded(ciphertext[:roundedSize], &c)
	confirm := hash(prefixConfirm, inputHash, k.hash[:])
	copy(ciphertext[roundedSize:], confirm[:])
	return ciphertext
}

// Decapsulate returns the shared key of a ciphertext. One that no Encapsulate
// has made gives a key that nobody knows, in the same time; the error is about
// the length alone.
func (k *DecapsulationKey) Decapsulate(ciphertext []byte) (sharedKey []byte, err error) {
	if len(ciphertext) != CiphertextSize {
		return nil, errCiphertextSize
	}
	r := k.decrypt(ciphertext[:roundedSize])
	input := appendSmall(make([]byte, 0, smallSize), &r)
	inputHash := hash(prefixInput, input)
	valid := subtle.ConstantTimeCompare(ciphertext, k.public.hide(&r, inputHash[:]))
	rejected := hash(prefixInput, k.rho[:])
	subtle.ConstantTimeCopy(1-valid, inputHash[:], rejected[:])
	prefix := byte(subtle.ConstantTimeSelect(valid, prefixSession, prefixReject))
	shared := hash(prefix, inputHash[:], ciphertext)
	return shared[:], nil
}

// decrypt returns the input that c, the rounded multiple of the public key,
// was made from. Where there is none, it returns a constant of weight w, whose
// encryption c is not.
func (k *DecapsulationKey) decrypt(c []byte) small {
	rounded := decodeRounded(c)
	e := mod3Triple(mulShort(&rounded, &k.f))
	r := mul3(&e, &k.gInverse)
	weight := int32(0)
	for _, x := range r {
		weight += int32(x & 1) // of -1, 0 and 1
	}
	good := int8(subtle.ConstantTimeEq(weight, w))
	for i := range r {
		fixed := int8(0)
		if i < w { // the position, not a secret
			fixed = 1
		}
		r[i] = fixed ^ (-good & (fixed ^ r[i]))
	}
	return r
}

// hash returns the first half of SHA-512 over a prefix and parts.
func hash(prefix byte, parts ...[]byte) (sum [hashSize]byte) {
	h := sha512.New()
	h.Write([]byte{prefix})
	for _, part := range parts {
		h.Write(part)
	}
	var full [sha512.Size]byte
	copy(sum[:], h.Sum(full[:0]))
	return sum
}
