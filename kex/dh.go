package kex

import (
	"crypto/rand"
	"fmt"
	"math/big"
	"math/bits"

	"github.com/fairlead-go/ssh/wire"
)

// Sizes of groups in bits. RFC 8270 sets the minimum; the maximum bounds what
// a peer can make us compute.
const (
	minGroupBits = 2048
	maxGroupBits = 8192
)

// minBitsSet is how many bits of a public value have to be set. With fewer it
// is a sum of very few powers of two, which an honest peer never sends and
// whose logarithm may be plain to see.
const minBitsSet = 4

// A group is the agreement of RFC 4253 section 8 in the integers modulo p. A
// value is the content of an mpint, so that its messages and its exchange hash
// are those of ECDH to the byte.
//
// math/big is not constant-time: docs/security.md says what follows from it.
// The exponent is used for one exchange and one peer's value only.
type group struct {
	p *big.Int // prime, odd
	g *big.Int // generator
}

// exponentBits is the length of a secret exponent: twice the 256 bits of the
// longest cipher key (RFC 4419 section 6.2), and for the larger groups what RFC
// 3526 section 8 estimates that they are worth.
func (d *group) exponentBits() int {
	if d.p.BitLen() <= 4096 {
		return 512
	}
	return 640
}

// generate returns a secret exponent and its public value. The exponent's
// highest bit is set, so that its length, which sets how long an
// exponentiation takes, is no secret.
func (d *group) generate() (exponent, public *big.Int, err error) {
	b := make([]byte, d.exponentBits()/8)
	rand.Read(b)
	b[0] |= 0x80
	exponent = new(big.Int).SetBytes(b)
	clear(b)
	public = new(big.Int).Exp(d.g, exponent, d.p)
	if err := d.check(public); err != nil {
		return nil, nil, fmt.Errorf("%w: our own %w", ErrGroup, err) // g has a small order
	}
	return exponent, public, nil
}

func (d *group) offer() ([]byte, func([]byte) ([]byte, error), error) {
	x, public, err := d.generate()
	if err != nil {
		return nil, nil, err
	}
	agree := func(peer []byte) ([]byte, error) {
		theirs, err := d.parse(peer)
		if err != nil {
			return nil, err
		}
		return d.agree(x, theirs)
	}
	return mpintContent(public), agree, nil
}

// answer makes nothing ahead: a key costs so much that the client's value is
// looked at first.
func (d *group) answer() (respond, error) { return d.respond, nil }

func (d *group) respond(peer []byte) (value, secret []byte, err error) {
	theirs, err := d.parse(peer) // before anything costs time
	if err != nil {
		return nil, nil, err
	}
	y, public, err := d.generate()
	if err != nil {
		return nil, nil, err
	}
	secret, err = d.agree(y, theirs)
	if err != nil {
		return nil, nil, err
	}
	return mpintContent(public), secret, nil
}

// agree returns the shared secret, and clears the exponent.
func (d *group) agree(exponent, theirs *big.Int) ([]byte, error) {
	k := new(big.Int).Exp(theirs, exponent, d.p)
	clear(exponent.Bits())
	defer clear(k.Bits())
	// Nothing that is left of a safe prime's group leads here, but a group may
	// come from the peer.
	if d.outside(k) {
		return nil, fmt.Errorf("%w: it leads to a trivial secret", ErrPublicValue)
	}
	return k.FillBytes(make([]byte, d.size())), nil
}

// parse reads a peer's public value from the content of an mpint.
func (d *group) parse(content []byte) (*big.Int, error) {
	if len(content) > d.size()+1 {
		return nil, fmt.Errorf("%w: %d bytes modulo %d bits", ErrPublicValue, len(content), d.p.BitLen())
	}
	r := wire.NewReader(wire.AppendString(nil, content))
	v := r.BigInt()
	if err := r.End(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrPublicValue, err)
	}
	return v, d.check(v)
}

// check refuses public values that RFC 4253 section 8 and RFC 8268 section 4
// exclude, and those that give their exponent away.
func (d *group) check(v *big.Int) error {
	if d.outside(v) {
		return fmt.Errorf("%w: not between 1 and p-1", ErrPublicValue)
	}
	set := 0
	for _, word := range v.Bits() {
		set += bits.OnesCount(uint(word))
	}
	if set < minBitsSet {
		return fmt.Errorf("%w: %d bits are set", ErrPublicValue, set)
	}
	return nil
}

// outside reports whether v is not between 1 and p-1, both excluded.
func (d *group) outside(v *big.Int) bool {
	one := big.NewInt(1)
	return v.Cmp(one) <= 0 || v.Cmp(one.Sub(d.p, one)) >= 0
}

// size is the length of p in bytes.
func (d *group) size() int { return (d.p.BitLen() + 7) / 8 }

// mpintContent returns v as an mpint without its length.
func mpintContent(v *big.Int) []byte { return wire.AppendBigInt(nil, v)[4:] }
