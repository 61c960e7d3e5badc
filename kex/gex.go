package kex

import (
	"encoding/binary"
	"fmt"
	"math/big"
	"math/bits"

	"github.com/fairlead-go/ssh/wire"
)

// Messages of group exchange (RFC 4419 section 5). Number 30, the request of
// drafts that knew no bounds, is refused.
const (
	msgGexGroup   = 31
	msgGexInit    = 32
	msgGexReply   = 33
	msgGexRequest = 34
)

// groupExchange is the start of a method by RFC 4419 section 3:
//
//	client to server: byte REQUEST, uint32 min, uint32 n, uint32 max
//	server to client: byte GROUP, mpint p, mpint g
//
// after which the two messages of Diffie-Hellman follow, under numbers of
// their own, and the exchange hash has all five numbers after K_S.
func groupExchange(x *machine) {
	if x.role == Client {
		x.next = x.sendRequest
	} else {
		x.next = x.answerRequest
	}
}

// sendRequest is the client's first step.
func (x *machine) sendRequest(in []byte) ([][]byte, error) {
	if in != nil {
		return nil, errSpeaksFirst
	}
	request := make([]byte, 0, 1+3*4)
	request = append(request, msgGexRequest)
	request = wire.AppendUint32(request, minGroupBits)
	request = wire.AppendUint32(request, uint32(x.groupBits))
	request = wire.AppendUint32(request, maxGroupBits)
	x.next = func(in []byte) ([][]byte, error) { return x.takeGroup(request[1:], in) }
	return [][]byte{request}, nil
}

// takeGroup is the client's second step. asked are the three numbers of its
// request.
func (x *machine) takeGroup(asked, in []byte) ([][]byte, error) {
	r := message(in, msgGexGroup)
	p, g := r.Mpint(), r.Mpint()
	if err := r.End(); err != nil {
		return nil, err
	}
	group, err := newGroup(p, g)
	if err != nil {
		return nil, err
	}
	if !group.plausible() {
		return nil, fmt.Errorf("%w: p is not prime", ErrGroup)
	}
	return x.gexDialogue(asked, group).sendInit(x, nil)
}

// answerRequest is the server's first step.
func (x *machine) answerRequest(in []byte) ([][]byte, error) {
	r := message(in, msgGexRequest)
	low, n, high := r.Uint32(), r.Uint32(), r.Uint32()
	if err := r.End(); err != nil {
		return nil, err
	}
	asked := wire.AppendUint32(wire.AppendUint32(wire.AppendUint32(nil, low), n), high)
	if low > n || n > high {
		return nil, fmt.Errorf("%w: asked for %d bits between %d and %d", ErrGroup, n, low, high)
	}
	group := x.moduli.choose(int64(low), int64(n), int64(high))
	if group == nil {
		return nil, fmt.Errorf("%w: there is none of %d bits between %d and %d", ErrGroup, n, low, high)
	}
	d := x.gexDialogue(asked, group)
	x.next = func(in []byte) ([][]byte, error) { return d.answerInit(x, nil, in) }
	reply := []byte{msgGexGroup}
	reply = wire.AppendBigInt(reply, group.p)
	reply = wire.AppendBigInt(reply, group.g)
	return [][]byte{reply}, nil
}

// gexDialogue is what follows once there is a group.
func (x *machine) gexDialogue(asked []byte, group *group) *dialogue {
	x.gexAsked, x.gexBits = int(binary.BigEndian.Uint32(asked[4:])), group.p.BitLen()
	return &dialogue{
		agreement: group, init: msgGexInit, reply: msgGexReply,
		parameters: wire.AppendBigInt(wire.AppendBigInt(asked, group.p), group.g),
	}
}

// newGroup checks the cheap properties of a group: that p is odd and of a size
// that we compute with, looked at before any arithmetic, and that g is not one
// of the elements that generate next to nothing. p and g are magnitudes
// without leading zero bytes.
func newGroup(p, g []byte) (*group, error) {
	if n := bitLen(p); n < minGroupBits || n > maxGroupBits {
		return nil, fmt.Errorf("%w: p has %d bits, not %d to %d", ErrGroup, n, minGroupBits, maxGroupBits)
	}
	if p[len(p)-1]&1 == 0 {
		return nil, fmt.Errorf("%w: p is even", ErrGroup)
	}
	d := &group{p: new(big.Int).SetBytes(p)}
	if len(g) > d.size() {
		return nil, fmt.Errorf("%w: g is larger than p", ErrGroup)
	}
	d.g = new(big.Int).SetBytes(g)
	if d.outside(d.g) {
		return nil, fmt.Errorf("%w: g is not between 1 and p-1", ErrGroup)
	}
	return d, nil
}

// bitLen is the length in bits of a magnitude.
func bitLen(b []byte) int {
	if len(b) == 0 {
		return 0
	}
	return 8*len(b) - bits.LeadingZeros8(b[0])
}

// plausible reports whether p is one of our own primes, or passes Euler's test
// to base 2. That finds the mistakes of a server, in one exponentiation. It is
// no proof against one that means ill, which needs none: it knows the secret.
func (d *group) plausible() bool {
	for _, m := range builtin {
		if d.p.Cmp(m().p) == 0 {
			return true
		}
	}
	one := big.NewInt(1)
	minusOne := new(big.Int).Sub(d.p, one)
	half := new(big.Int).Rsh(minusOne, 1)
	v := half.Exp(big.NewInt(2), half, d.p)
	return v.Cmp(one) == 0 || v.Cmp(minusOne) == 0
}
