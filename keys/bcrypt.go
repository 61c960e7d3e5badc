package keys

import (
	"crypto/sha512"
	"encoding/binary"

	"golang.org/x/crypto/blowfish"
)

// bcryptBlock is how many bytes one bcrypt hash gives.
const bcryptBlock = 32

// bcryptPBKDF derives n bytes from a passphrase and a salt, neither of them
// empty, as bcrypt_pbkdf(3) of OpenBSD does: PBKDF2 whose pseudo-random
// function is bcrypt of SHA-512 hashes. Its time is proportional to rounds and
// to the number of blocks of 32 bytes that n takes. rounds must be at least 1.
func bcryptPBKDF(passphrase, salt []byte, rounds, n int) []byte {
	// Successive bytes of a block go to places a number of blocks apart, so
	// that no part of the result can be had for less than all of it.
	blocks := (n + bcryptBlock - 1) / bcryptBlock
	out := make([]byte, n)
	password := sha512.Sum512(passphrase)
	defer clear(password[:])
	for block := range blocks {
		first := make([]byte, 0, len(salt)+4)
		first = append(first, salt...)
		first = binary.BigEndian.AppendUint32(first, uint32(block+1))
		u := bcryptHash(&password, sha512.Sum512(first))
		sum := u
		for range rounds - 1 {
			u = bcryptHash(&password, sha512.Sum512(u[:]))
			for i := range sum {
				sum[i] ^= u[i]
			}
		}
		for i, v := range sum {
			if at := i*blocks + block; at < n {
				out[at] = v
			}
		}
	}
	return out
}

// bcryptHash is bcrypt with a cost of 6, a salt of 64 bytes, a longer constant
// to encrypt, and the words of its result in little-endian order.
func bcryptHash(password *[sha512.Size]byte, salt [sha512.Size]byte) [bcryptBlock]byte {
	c, err := blowfish.NewSaltedCipher(password[:], salt[:])
	if err != nil {
		panic(err) // only for a key of no bytes
	}
	for range 64 {
		blowfish.ExpandKey(salt[:], c)
		blowfish.ExpandKey(password[:], c)
	}
	out := [bcryptBlock]byte([]byte("OxychromaticBlowfishSwatDynamite"))
	for at := 0; at < len(out); at += blowfish.BlockSize {
		for range 64 {
			c.Encrypt(out[at:], out[at:])
		}
	}
	for at := 0; at < len(out); at += 4 {
		binary.LittleEndian.PutUint32(out[at:], binary.BigEndian.Uint32(out[at:]))
	}
	return out
}
