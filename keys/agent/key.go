package agent

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/fairlead-go/ssh/keys"
)

// A Key is a key that the agent holds. It is a [keys.Signer], which asks the
// agent for each signature, and is of use as long as its Client is open.
type Key struct {
	// Comment is the agent's text about the key, often a file name. It comes
	// from the agent: escape it before it reaches a terminal.
	Comment string

	client *Client
	public keys.PublicKey
}

var _ keys.Signer = (*Key)(nil)

// List returns the keys that the agent holds, in its order. One that it holds
// with a certificate has a [*keys.Certificate] as its public key. Keys of types
// that the package keys does not support are left out. A locked agent has none.
func (c *Client) List(ctx context.Context) ([]*Key, error) {
	message, err := c.call(ctx, append(newFrame(1), msgRequestIdentities))
	if err != nil {
		return nil, err
	}
	identities, err := parseIdentities(message)
	if err != nil {
		return nil, err
	}
	var list []*Key
	for _, id := range identities {
		if public, err := keys.ParseKeyOrCertificate(id.blob); err == nil {
			list = append(list, &Key{Comment: id.comment, client: c, public: public})
		}
	}
	return list, nil
}

// Signers returns the keys of [Client.List] in the form that logins take.
func (c *Client) Signers(ctx context.Context) ([]keys.Signer, error) {
	list, err := c.List(ctx)
	if err != nil {
		return nil, err
	}
	signers := make([]keys.Signer, len(list))
	for i, k := range list {
		signers[i] = k
	}
	return signers, nil
}

// PublicKey returns the public half of the key.
func (k *Key) PublicKey() keys.PublicKey { return k.public }

// Algorithms returns the signature algorithms of the public key that an agent
// can be asked for: not those of browsers, for which its protocol has no word.
// An agent that does not know the newer ones of RSA keys makes Sign fail.
func (k *Key) Algorithms() []string {
	return slices.DeleteFunc(k.public.Algorithms(), func(name string) bool { return strings.HasPrefix(name, "webauthn-") })
}

// Sign has the agent sign data with the algorithm, which must be one of
// Algorithms. If the agent refuses, the error is [ErrRefused]. A signature of
// another algorithm than was asked for is an error, a [*keys.AlgorithmError].
// data may have a little less than [MaxMessage] bytes.
//
// If ctx ends first, Sign returns and what the agent answers later is dropped;
// it cannot be kept from asking its user.
func (k *Key) Sign(ctx context.Context, algorithm string, data []byte) (*keys.Signature, error) {
	if !slices.Contains(k.Algorithms(), algorithm) {
		return nil, &keys.AlgorithmError{KeyType: k.public.Type(), Algorithm: algorithm}
	}
	return k.sign(ctx, algorithm, data)
}

// LegacyAlgorithms implements [keys.LegacySigner].
func (k *Key) LegacyAlgorithms() []string { return keys.LegacyAlgorithmsOf(k.public) }

// SignLegacy implements [keys.LegacySigner]: it is Sign with one of
// LegacyAlgorithms.
func (k *Key) SignLegacy(ctx context.Context, algorithm string, data []byte) (*keys.Signature, error) {
	if !slices.Contains(k.LegacyAlgorithms(), algorithm) {
		return nil, &keys.AlgorithmError{KeyType: k.public.Type(), Algorithm: algorithm}
	}
	return k.sign(ctx, algorithm, data)
}

func (k *Key) sign(ctx context.Context, algorithm string, data []byte) (*keys.Signature, error) {
	blob := k.public.Marshal()
	if len(data) > MaxMessage-len(blob)-13 { // what appendSignRequest adds to both
		return nil, ErrTooLarge
	}
	frame := appendSignRequest(newFrame(len(data)+len(blob)+13), blob, data, signFlags[keys.SignatureFormat(algorithm)])
	message, err := k.client.call(ctx, frame)
	if err != nil {
		return nil, err
	}
	sig, err := parseSignature(message)
	if err != nil {
		return nil, err
	}
	if sig.Format != keys.SignatureFormat(algorithm) {
		return nil, fmt.Errorf("agent: signed with another algorithm than asked: %w", &keys.AlgorithmError{KeyType: k.public.Type(), Algorithm: sig.Format})
	}
	return sig, nil
}
