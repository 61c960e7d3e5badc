// Package fidotest is a FIDO security key made of software, for tests.
package fidotest

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
)

// An Operation is one signature of a device: WebAuthn level 2 section 6.3.3
// with the client data's hash given.
type Operation struct {
	Application string
	Flags       uint8
	Counter     uint32
	Extensions  []byte
	Hash        [sha256.Size]byte
}

// Sign returns what a device with key, an ed25519.PrivateKey or an
// *ecdsa.PrivateKey on P-256, answers.
func (o *Operation) Sign(key crypto.Signer) ([]byte, error) {
	application := sha256.Sum256([]byte(o.Application))
	message := append(application[:], o.Flags)
	message = binary.BigEndian.AppendUint32(message, o.Counter)
	message = append(message, o.Extensions...)
	message = append(message, o.Hash[:]...)
	if _, ok := key.(ed25519.PrivateKey); ok {
		return key.Sign(rand.Reader, message, crypto.Hash(0))
	}
	digest := sha256.Sum256(message)
	return key.Sign(rand.Reader, digest[:], crypto.SHA256)
}
