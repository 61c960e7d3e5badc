package kex

import (
	"crypto/ecdh"
	"fmt"
)

// A curve is the agreement of RFC 5656 section 4 on a NIST curve, and of RFC
// 8731 section 3 on Curve25519. A public value is an uncompressed point, or
// the 32 bytes of a u-coordinate. crypto/ecdh refuses points that are
// compressed, at infinity or not on the curve, and an X25519 result of zero.
type curve struct {
	ecdh.Curve
	publicSize int  // length of a public value in bytes
	quick      bool // a key is made in less than 0.1 ms
}

func (c curve) offer() ([]byte, func([]byte) ([]byte, error), error) {
	key, err := c.GenerateKey(nil) // nil: the system's random source
	if err != nil {
		return nil, nil, err
	}
	agree := func(peer []byte) ([]byte, error) { return c.agree(key, peer) }
	return key.PublicKey().Bytes(), agree, nil
}

func (c curve) answer() (respond, error) {
	if !c.quick {
		return c.respond, nil
	}
	key, err := c.GenerateKey(nil)
	if err != nil {
		return nil, err
	}
	return func(peer []byte) (value, secret []byte, err error) { return c.respondWith(key, peer) }, nil
}

func (c curve) respond(peer []byte) (value, secret []byte, err error) {
	key, err := c.GenerateKey(nil)
	if err != nil {
		return nil, nil, err
	}
	return c.respondWith(key, peer)
}

func (c curve) respondWith(key *ecdh.PrivateKey, peer []byte) (value, secret []byte, err error) {
	secret, err = c.agree(key, peer)
	if err != nil {
		return nil, nil, err
	}
	return key.PublicKey().Bytes(), secret, nil
}

func (c curve) agree(key *ecdh.PrivateKey, peer []byte) ([]byte, error) {
	if len(peer) != c.publicSize {
		return nil, fmt.Errorf("%w: %d bytes in place of %d", ErrPublicValue, len(peer), c.publicSize)
	}
	public, err := c.NewPublicKey(peer)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrPublicValue, err)
	}
	secret, err := key.ECDH(public)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrPublicValue, err)
	}
	return secret, nil
}
