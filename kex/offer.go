package kex

import "errors"

// An Offer is what a client says first, made before it is known whether its
// method will be agreed on: while the client waits for the server, say. It
// holds the ephemeral key, and serves one exchange.
type Offer struct {
	method *method
	value  []byte // nil once it is used
	agree  func(peer []byte) (secret []byte, err error)
}

// NewOffer makes the Offer of the method of that name, nil for a group exchange,
// which begins with a question. The error is an [*UnknownMethodError], or an
// [*Error].
func NewOffer(name string) (*Offer, error) {
	m := lookup(name)
	switch {
	case m == nil:
		return nil, &UnknownMethodError{Method: name}
	case m.agreement == nil:
		return nil, nil
	}
	value, agree, err := m.agreement.offer()
	if err != nil {
		return nil, &Error{m.name, err}
	}
	return &Offer{m, value, agree}, nil
}

// CanOffer reports whether NewOffer makes an Offer of the method of that name.
func CanOffer(name string) bool {
	m := lookup(name)
	return m != nil && m.agreement != nil
}

// Init returns the first message of the exchange, which its Step(nil) will return
// too, for a client that guesses (RFC 4253 section 7). It is for an Offer that is
// not used yet. The slice is the caller's.
func (o *Offer) Init() []byte { return initMessage(msgECDHInit, o.value) }

// take is agreement.offer, once.
func (o *Offer) take() (value []byte, agree func(peer []byte) (secret []byte, err error), err error) {
	value, agree = o.value, o.agree
	if value == nil {
		return nil, nil, errOfferUsed
	}
	o.value, o.agree = nil, nil
	return value, agree, nil
}

var errOfferUsed = errors.New("the offer was used in another exchange")
