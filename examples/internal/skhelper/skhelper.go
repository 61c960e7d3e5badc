// Package skhelper has FIDO devices sign through OpenSSH's helper program,
// ssh-sk-helper, which reaches them by a library: its own, or another that
// implements OpenSSH's sk-api.h.
package skhelper

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"

	"github.com/fairlead-go/ssh/keys"
	"github.com/fairlead-go/ssh/wire"
)

// Internal is the provider that ssh-sk-helper has built in.
const Internal = "internal"

// The helper's protocol, as OpenSSH has it since 8.4.
const (
	version     = 5
	answerError = 0
	requestSign = 1

	wrongPassphrase = 43 // of the errors that it answers: a PIN is needed, or wrong

	maxAnswer = 64 << 10 // bytes; a signature has some hundred
)

// ErrPIN: the device wants a PIN, or another one.
var ErrPIN = errors.New("the security key needs a PIN")

// A Signer signs with a security key. It is a keys.Signer.
type Signer struct {
	key      *keys.SecurityKey
	provider string
	pin      func(ctx context.Context) (string, error)
}

// New returns a Signer for the private key of a security key. The provider is
// as SecurityKeyProvider has it: [Internal], the path of a library, or a dollar
// sign and the name of an environment variable with either. pin, if not nil, asks for a PIN where
// the device wants one.
func New(k *keys.PrivateKey, provider string, pin func(ctx context.Context) (string, error)) (*Signer, error) {
	key := k.SecurityKey()
	if key == nil {
		return nil, errors.New("not a security key")
	}
	if name, ok := strings.CutPrefix(provider, "$"); ok {
		provider = os.Getenv(name)
	}
	return &Signer{key: key, provider: cmp.Or(provider, Internal), pin: pin}, nil
}

func (s *Signer) PublicKey() keys.PublicKey { return s.key.PublicKey }

// Algorithms returns the one that devices sign with.
func (s *Signer) Algorithms() []string { return []string{s.key.PublicKey.Type()} }

// Sign waits for the user to touch the device.
func (s *Signer) Sign(ctx context.Context, algorithm string, data []byte) (*keys.Signature, error) {
	if !slices.Contains(s.Algorithms(), algorithm) {
		return nil, &keys.AlgorithmError{KeyType: s.key.PublicKey.Type(), Algorithm: algorithm}
	}
	sig, err := s.sign(ctx, data, "")
	if errors.Is(err, ErrPIN) && s.pin != nil {
		pin, perr := s.pin(ctx)
		if perr != nil {
			return nil, perr
		}
		sig, err = s.sign(ctx, data, pin)
	}
	return sig, err
}

func (s *Signer) sign(ctx context.Context, data []byte, pin string) (*keys.Signature, error) {
	cmd := exec.CommandContext(ctx, cmp.Or(os.Getenv("SSH_SK_HELPER"), helper()))
	cmd.Stdin = bytes.NewReader(s.request(data, pin))
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("ssh-sk-helper: %w", err)
	}
	return parseAnswer(out)
}

// helper returns where distributions put the program.
func helper() string {
	for _, path := range []string{"/usr/lib/openssh/ssh-sk-helper", "/usr/lib/ssh/ssh-sk-helper", "/usr/libexec/openssh/ssh-sk-helper"} {
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	return "/usr/libexec/ssh-sk-helper"
}

// request is the request to sign data, as a frame: its length, the version and
// what sort of request it is, how to log, the private key as its file has it,
// and what to sign with which PIN.
func (s *Signer) request(data []byte, pin string) []byte {
	public := s.key.PublicKey.Marshal() // its type, and the fields that the private key has too
	key := append(slices.Clone(public), s.key.Flags)
	key = wire.AppendString(key, s.key.KeyHandle)
	key = wire.AppendString(key, s.key.Reserved)

	b := []byte{0, 0, 0, 0, version}
	b = wire.AppendUint32(b, requestSign)
	b = wire.AppendBool(b, true) // log to standard error
	b = wire.AppendUint32(b, 0)  // nothing but what is fatal
	b = wire.AppendString(b, key)
	b = wire.AppendString(b, s.provider)
	b = wire.AppendString(b, data)
	b = wire.AppendString(b, "") // the algorithm that goes without saying
	b = wire.AppendUint32(b, 0)  // no compatibility flags
	b = wire.AppendString(b, pin)
	binary.BigEndian.PutUint32(b, uint32(len(b)-4))
	return b
}

func parseAnswer(frame []byte) (*keys.Signature, error) {
	bad := func(err error) error { return fmt.Errorf("ssh-sk-helper: malformed answer: %w", err) }
	if len(frame) > maxAnswer {
		return nil, bad(wire.ErrInvalid)
	}
	outer := wire.NewReader(frame)
	r := wire.NewReader(outer.Bytes())
	if err := outer.End(); err != nil {
		return nil, bad(err)
	}
	if v := r.Byte(); r.Err() == nil && v != version {
		return nil, fmt.Errorf("ssh-sk-helper: its protocol has version %d, not %d", v, version)
	}
	switch kind := r.Uint32(); {
	case r.Err() != nil:
		return nil, bad(r.Err())
	case kind == answerError:
		code := r.Uint32()
		if err := r.End(); err != nil {
			return nil, bad(err)
		}
		if code == wrongPassphrase {
			return nil, ErrPIN
		}
		return nil, fmt.Errorf("ssh-sk-helper: the security key did not sign: error %d", code)
	case kind != requestSign:
		return nil, bad(wire.ErrInvalid)
	}
	signature := r.Bytes()
	if err := r.End(); err != nil {
		return nil, bad(err)
	}
	return keys.ParseSignature(slices.Clone(signature))
}
