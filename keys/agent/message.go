package agent

import (
	"errors"

	"github.com/fairlead-go/ssh/keys"
	"github.com/fairlead-go/ssh/wire"
)

// Message numbers (draft-ietf-sshm-ssh-agent section 6.1).
const (
	msgFailure           = 5
	msgRequestIdentities = 11
	msgIdentitiesAnswer  = 12
	msgSignRequest       = 13
	msgSignResponse      = 14
)

// signFlags ask for an algorithm that is not what the agent would take by
// itself (draft-ietf-sshm-ssh-agent section 6.3).
var signFlags = map[string]uint32{
	keys.RSASHA256: 2,
	keys.RSASHA512: 4,
}

// MaxMessage is the length of the longest message in either direction, in bytes
// without its length field. OpenSSH's agent has the same limit.
const MaxMessage = 256 << 10

var (
	// ErrRefused: the agent answered that it does not do what it was asked,
	// without saying why. It may be locked, lack the key, or its user refused.
	ErrRefused = errors.New("agent: the agent refused")
	// ErrProtocol: the agent sent what is not an answer to the request.
	ErrProtocol = errors.New("agent: malformed answer")
	// ErrTooLarge: a message is longer than [MaxMessage].
	ErrTooLarge = errors.New("agent: message is longer than 256 KiB")
)

// identity is one key of SSH_AGENT_IDENTITIES_ANSWER.
type identity struct {
	blob    []byte
	comment string
}

// minIdentity is the length of an identity with nothing in it.
const minIdentity = 8

// parseIdentities parses SSH_AGENT_IDENTITIES_ANSWER
// (draft-ietf-sshm-ssh-agent section 3.5).
func parseIdentities(message []byte) ([]identity, error) {
	r, err := answer(message, msgIdentitiesAnswer)
	if err != nil {
		return nil, err
	}
	n := r.Uint32()
	if uint64(n) > uint64(r.Len()/minIdentity) {
		return nil, ErrProtocol
	}
	list := make([]identity, 0, n)
	for range n {
		list = append(list, identity{blob: r.Bytes(), comment: r.Text()})
	}
	if r.End() != nil {
		return nil, ErrProtocol
	}
	return list, nil
}

// appendSignRequest appends SSH_AGENTC_SIGN_REQUEST
// (draft-ietf-sshm-ssh-agent section 3.6).
func appendSignRequest(b, blob, data []byte, flags uint32) []byte {
	b = append(b, msgSignRequest)
	b = wire.AppendString(b, blob)
	b = wire.AppendString(b, data)
	return wire.AppendUint32(b, flags)
}

// parseSignature parses SSH_AGENT_SIGN_RESPONSE.
func parseSignature(message []byte) (*keys.Signature, error) {
	r, err := answer(message, msgSignResponse)
	if err != nil {
		return nil, err
	}
	blob := r.Bytes()
	if r.End() != nil {
		return nil, ErrProtocol
	}
	sig, err := keys.ParseSignature(blob)
	if err != nil {
		return nil, errors.Join(ErrProtocol, err)
	}
	return sig, nil
}

// answer returns a reader of what follows the message number, if that is want.
func answer(message []byte, want byte) (wire.Reader, error) {
	r := wire.NewReader(message)
	switch n := r.Byte(); {
	case r.Err() != nil:
		return r, ErrProtocol
	case n == want:
		return r, nil
	case n == msgFailure:
		if r.End() != nil {
			return r, ErrProtocol
		}
		return r, ErrRefused
	default:
		return r, ErrProtocol
	}
}
