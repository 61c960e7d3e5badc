package kex

import (
	"crypto"
	"crypto/mlkem"
	"fmt"
	"hash"

	"github.com/fairlead-go/ssh/kex/internal/sntrup761"
)

// A kem is a key encapsulation mechanism: the client's public key goes out, a
// ciphertext that holds the secret comes back.
type kem struct {
	publicSize     int // length of a public key in bytes
	ciphertextSize int
	generate       func() (crypto.Decapsulator, error)
	parse          func(public []byte) (crypto.Encapsulator, error) // checks the key
}

var mlkem768 = kem{
	publicSize:     mlkem.EncapsulationKeySize768,
	ciphertextSize: mlkem.CiphertextSize768,
	generate:       func() (crypto.Decapsulator, error) { return mlkem.GenerateKey768() },
	parse:          func(b []byte) (crypto.Encapsulator, error) { return mlkem.NewEncapsulationKey768(b) },
}

var mlkem1024 = kem{
	publicSize:     mlkem.EncapsulationKeySize1024,
	ciphertextSize: mlkem.CiphertextSize1024,
	generate:       func() (crypto.Decapsulator, error) { return mlkem.GenerateKey1024() },
	parse:          func(b []byte) (crypto.Encapsulator, error) { return mlkem.NewEncapsulationKey1024(b) },
}

var sntrup = kem{
	publicSize:     sntrup761.EncapsulationKeySize,
	ciphertextSize: sntrup761.CiphertextSize,
	generate:       func() (crypto.Decapsulator, error) { return sntrup761.GenerateKey(), nil },
	parse:          func(b []byte) (crypto.Encapsulator, error) { return sntrup761.NewEncapsulationKey(b) },
}

// A hybrid is the agreement of RFC 10042 section 2 and, with sntrup761, of RFC
// 9941 section 3: each value is the KEM's, followed by the curve's, and the
// secret is the hash of the KEM's secret followed by the curve's (K = HASH(K_PQ ‖
// K_CL), RFC 10042 section 2.4). It holds as long as one of the two does. Both
// are hashed as byte strings of fixed length: that of a NIST curve is the whole
// x-coordinate, leading zeros included, and not the mpint that RFC 5656 makes of
// it. The result is a string, no mpint, in the exchange hash and in key
// derivation (RFC 10042 section 2.5). Exchanges recorded with other
// implementations (recorded_test.go) have it the same for each method.
type hybrid struct {
	kem   kem
	curve curve
	hash  crypto.Hash
}

func (y hybrid) offer() ([]byte, func([]byte) ([]byte, error), error) {
	key, err := y.kem.generate()
	if err != nil {
		return nil, nil, err
	}
	classical, agreeClassical, err := y.curve.offer()
	if err != nil {
		return nil, nil, err
	}
	agree := func(peer []byte) ([]byte, error) { return y.agree(key, agreeClassical, peer) }
	return append(key.Encapsulator().Bytes(), classical...), agree, nil
}

func (y hybrid) agree(key crypto.Decapsulator, agreeClassical func([]byte) ([]byte, error), peer []byte) ([]byte, error) {
	ciphertext, peerClassical, err := y.split(peer, y.kem.ciphertextSize)
	if err != nil {
		return nil, err
	}
	secretClassical, err := agreeClassical(peerClassical)
	if err != nil {
		return nil, err
	}
	// A ciphertext that was tampered with gives no error but another secret,
	// and so another exchange hash than the server signed.
	secret, err := key.Decapsulate(ciphertext)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrPublicValue, err)
	}
	return y.combine(secret, secretClassical), nil
}

func (y hybrid) answer() (respond, error) {
	answerClassical, err := y.curve.answer()
	if err != nil {
		return nil, err
	}
	return func(peer []byte) (value, secret []byte, err error) { return y.respond(answerClassical, peer) }, nil
}

func (y hybrid) respond(answerClassical respond, peer []byte) (value, secret []byte, err error) {
	public, peerClassical, err := y.split(peer, y.kem.publicSize)
	if err != nil {
		return nil, nil, err
	}
	key, err := y.kem.parse(public)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrPublicValue, err)
	}
	classical, secretClassical, err := answerClassical(peerClassical)
	if err != nil {
		return nil, nil, err
	}
	secret, ciphertext := key.Encapsulate()
	return append(ciphertext, classical...), y.combine(secret, secretClassical), nil
}

// split cuts a peer's value into the KEM's part and the curve's.
func (y hybrid) split(peer []byte, kemSize int) (fromKEM, fromCurve []byte, err error) {
	if len(peer) != kemSize+y.curve.publicSize {
		return nil, nil, fmt.Errorf("%w: %d bytes in place of %d", ErrPublicValue, len(peer), kemSize+y.curve.publicSize)
	}
	return peer[:kemSize], peer[kemSize:], nil
}

// combine returns the shared secret, and clears the two that it is made of.
func (y hybrid) combine(secret, secretClassical []byte) []byte {
	h := y.hash.New()
	hashAndClear(h, secret)
	hashAndClear(h, secretClassical)
	return h.Sum(nil)
}

func hashAndClear(h hash.Hash, secret []byte) {
	h.Write(secret)
	clear(secret)
}
