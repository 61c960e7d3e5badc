package kex

import (
	"fmt"
	"slices"

	"github.com/fairlead-go/ssh/wire"
)

// Messages of the methods that are shaped like ECDH (RFC 5656 section 7.1); the
// hybrid methods and Diffie-Hellman use the same numbers under other names.
const (
	msgECDHInit  = 30
	msgECDHReply = 31
)

// An agreement is the mathematics of a method that is shaped like ECDH: the
// client sends one value, the server answers with one, and both then hold the
// same secret. Errors about a peer's value wrap ErrPublicValue.
type agreement interface {
	// offer is the client's half. It returns what to send, and the function
	// that turns the server's value into the secret.
	offer() (value []byte, agree func(peer []byte) (secret []byte, err error), err error)
	// answer is the server's half. It may make an ephemeral key, and returns the
	// function that turns the client's value into what to send, and the secret.
	answer() (respond, error)
}

// A respond is the rest of the server's half, once the client's value is there.
type respond func(peer []byte) (value, secret []byte, err error)

// begin sets x.next to the first step of x.role.
func (m *method) begin(x *machine, ahead bool) error {
	if m.agreement == nil {
		groupExchange(x)
		return nil
	}
	return ecdhShaped(x, m.agreement, ahead)
}

// ecdhShaped is the start of a method with the two messages of RFC 5656
// section 4. Those of Diffie-Hellman (RFC 4253 section 8) are the same, their
// mpints being strings of a certain content.
func ecdhShaped(x *machine, a agreement, ahead bool) (err error) {
	d := &dialogue{agreement: a, init: msgECDHInit, reply: msgECDHReply}
	if x.role == Client {
		x.next = func(in []byte) ([][]byte, error) { return d.sendInit(x, in) }
		return nil
	}
	var answer respond
	if ahead {
		answer, err = d.answer()
	}
	x.next = func(in []byte) ([][]byte, error) { return d.answerInit(x, answer, in) }
	return err
}

// A dialogue is an agreement in two messages:
//
//	client to server: byte INIT, string Q_C
//	server to client: byte REPLY, string K_S, string Q_S, string signature
//
// with the exchange hash over V_C, V_S, I_C, I_S, K_S, the parameters, Q_C, Q_S
// and K.
type dialogue struct {
	agreement
	init, reply byte   // message numbers
	parameters  []byte // as they are hashed; group exchange only
}

var errSpeaksFirst = fmt.Errorf("%w: the client speaks first", ErrUnexpectedMessage)

// sendInit is the client's first step of a dialogue.
func (d *dialogue) sendInit(x *machine, in []byte) ([][]byte, error) {
	if in != nil {
		return nil, errSpeaksFirst
	}
	offer := d.offer
	if x.offer != nil {
		offer = x.offer.take
		x.offer = nil
	}
	ours, agree, err := offer()
	if err != nil {
		return nil, err
	}
	x.next = func(in []byte) ([][]byte, error) { return nil, d.takeReply(x, ours, agree, in) }
	return [][]byte{initMessage(d.init, ours)}, nil
}

func initMessage(number byte, value []byte) []byte {
	m := make([]byte, 0, 1+4+len(value))
	m = append(m, number)
	return wire.AppendString(m, value)
}

// takeReply is the client's last step.
func (d *dialogue) takeReply(x *machine, ours []byte, agree func(peer []byte) ([]byte, error), in []byte) error {
	r := message(in, d.reply)
	hostKey, theirs, signature := r.Bytes(), r.Bytes(), r.Bytes()
	if err := r.End(); err != nil {
		return err
	}
	if len(hostKey) == 0 || len(signature) == 0 {
		return ErrHostKey
	}
	secret, err := agree(theirs)
	if err != nil {
		return err
	}
	writeString(x.hash, hostKey)
	x.hash.Write(d.parameters)
	writeString(x.hash, ours)
	writeString(x.hash, theirs)
	x.complete(hostKey, secret)
	x.result.Signature = slices.Clone(signature)
	return nil
}

// answerInit is the server's last step. answer is nil where nothing was made ahead.
func (d *dialogue) answerInit(x *machine, answer respond, in []byte) ([][]byte, error) {
	r := message(in, d.init)
	theirs := r.Bytes()
	if err := r.End(); err != nil {
		return nil, err
	}
	if answer == nil {
		var err error
		if answer, err = d.answer(); err != nil {
			return nil, err
		}
	}
	ours, secret, err := answer(theirs)
	if err != nil {
		return nil, err
	}
	hostKey := x.hostKey.Public
	writeString(x.hash, hostKey)
	x.hash.Write(d.parameters)
	writeString(x.hash, theirs)
	writeString(x.hash, ours)
	x.complete(hostKey, secret)
	signature, err := x.sign(x.result.H)
	if err != nil {
		return nil, err
	}
	x.result.Signature = slices.Clone(signature)
	reply := make([]byte, 0, 1+3*4+len(hostKey)+len(ours)+len(signature))
	reply = append(reply, d.reply)
	reply = wire.AppendString(reply, hostKey)
	reply = wire.AppendString(reply, ours)
	reply = wire.AppendString(reply, signature)
	return [][]byte{reply}, nil
}
