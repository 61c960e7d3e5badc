package kex

import (
	"encoding/binary"
	"fmt"
	"hash"
	"slices"

	"github.com/fairlead-go/ssh/wire"
)

// A machine is an exchange under way. What differs between methods is the
// chain of steps: each takes one message, and sets next to the step that takes
// the following one, or completes the exchange and leaves next nil.
type machine struct {
	method  *method
	role    Role
	hostKey HostKey // server only
	moduli  *Moduli // server only, for group exchange
	offer   *Offer  // client only; nil once it is used
	// groupBits is what a client prefers in a group exchange.
	groupBits int
	// gexAsked and gexBits are of the group exchange under way.
	gexAsked, gexBits int
	hash              hash.Hash // of the exchange hash; what comes before K_S is in it from the start

	next   func(in []byte) (out [][]byte, err error)
	result *Result
	err    error // the first failure, which is final
}

func (x *machine) Step(in []byte) (out [][]byte, done bool, err error) {
	if x.err != nil {
		return nil, false, x.err
	}
	step := x.next
	if step == nil {
		return nil, false, &Error{x.method.name, ErrFinished}
	}
	// Dropped first: a step's closure is all that holds an ephemeral key.
	x.next = nil
	out, err = step(in)
	if err != nil {
		if x.result != nil { // the secret was there, but no signature
			clear(x.result.K)
		}
		x.next, x.result, x.hash = nil, nil, nil
		x.err = &Error{x.method.name, err}
		return nil, false, x.err
	}
	return out, x.next == nil, nil
}

func (x *machine) Result() *Result { return x.result }

// sign has the host key sign the exchange hash.
func (x *machine) sign(h []byte) ([]byte, error) {
	signature, err := x.hostKey.Sign(h)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSign, err)
	}
	if len(signature) == 0 {
		return nil, fmt.Errorf("%w: signature is empty", ErrSign)
	}
	return signature, nil
}

// complete computes the exchange hash, whose part before K is in x.hash
// already, and sets the result but for the signature. It clears secret.
func (x *machine) complete(hostKey, secret []byte) {
	// Room for a length and the sign byte of an mpint, so that no outgrown
	// copy of the secret stays behind.
	k := x.method.appendSecret(make([]byte, 0, 4+1+len(secret)), secret)
	clear(secret)
	x.hash.Write(k)
	x.result = &Result{
		Hash:    x.method.hash,
		H:       x.hash.Sum(nil),
		K:       k,
		HostKey: slices.Clone(hostKey),

		GroupAsked: x.gexAsked, GroupBits: x.gexBits,
	}
	x.hash = nil
}

// message returns a reader of the fields of in, a message that must have the
// given number. Where it has not, the reader has failed.
func message(in []byte, number byte) wire.Reader {
	r := wire.NewReader(in)
	if got := r.Byte(); r.Err() == nil && got != number {
		r.Fail(fmt.Errorf("%w: number %d in place of %d", ErrUnexpectedMessage, got, number))
	}
	return r
}

// writeString hashes s as an SSH string.
func writeString(h hash.Hash, s []byte) {
	var length [4]byte
	binary.BigEndian.PutUint32(length[:], uint32(len(s)))
	h.Write(length[:])
	h.Write(s)
}
