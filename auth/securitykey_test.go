package auth

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh/internal/fidotest"
	"github.com/fairlead-go/ssh/keys"
	"github.com/fairlead-go/ssh/wire"
)

// A device is a security key made of software. It does what its key's flags
// ask of its user and nothing more.
type device struct {
	key     crypto.Signer
	counter uint32
}

func (d *device) Assert(_ context.Context, r *keys.AssertionRequest) (*keys.AssertionResponse, error) {
	d.counter++
	o := fidotest.Operation{Application: r.Application, Flags: r.Flags, Counter: d.counter, Hash: r.Hash}
	sig, err := o.Sign(d.key)
	return &keys.AssertionResponse{Flags: r.Flags, Counter: d.counter, Signature: sig}, err
}

func newDevice(t *testing.T, keyType string, flags uint8) keys.Signer {
	t.Helper()
	var key crypto.Signer
	var err error
	if keyType == keys.KeySKEd25519 {
		_, key, err = ed25519.GenerateKey(nil)
	} else {
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	}
	require.NoError(t, err)
	public, err := keys.NewSecurityKeyPublic(key.Public(), "ssh:")
	require.NoError(t, err)
	private, err := keys.NewSecurityKey(&keys.SecurityKey{PublicKey: public, Flags: flags})
	require.NoError(t, err)
	s, err := keys.NewSecurityKeySigner(private, &device{key: key})
	require.NoError(t, err)
	return s
}

// A signature that nobody touched the security key for lets nobody in, unless
// the permissions say that it does; one without a PIN does not where they ask
// for it. Both roles are real.
func TestDefect_SecurityKeyTouch(t *testing.T) {
	const touched, verified = keys.SKUserPresence, keys.SKUserVerification
	for _, c := range []struct {
		flags       uint8
		permissions *Permissions
		want        error
	}{
		{touched, nil, nil},
		{touched, &Permissions{}, nil},
		{0, nil, keys.ErrUserPresence},
		{0, &Permissions{}, keys.ErrUserPresence},
		{0, &Permissions{NoTouchRequired: true}, nil},
		{verified, nil, keys.ErrUserPresence},
		{touched, &Permissions{VerifyRequired: true}, keys.ErrUserVerification},
		{touched, &Permissions{VerifyRequired: true, NoTouchRequired: true}, keys.ErrUserVerification},
		{verified, &Permissions{VerifyRequired: true}, keys.ErrUserPresence},
		{verified, &Permissions{VerifyRequired: true, NoTouchRequired: true}, nil},
		{touched | verified, &Permissions{VerifyRequired: true}, nil},
	} {
		for _, keyType := range []string{keys.KeySKEd25519, keys.KeySKECDSA256} {
			var seen []*keys.Assertion
			var logged []error
			sc := &ServerConfig{
				PublicKey: func(_ context.Context, a *Attempt, _ keys.PublicKey) (*Permissions, error) {
					require.Equal(t, a.Query, a.Assertion == nil)
					seen = append(seen, a.Assertion)
					return c.permissions, nil
				},
				Log:          func(_ *Attempt, err error) { logged = append(logged, err) },
				FailureDelay: -1,
			}
			r := login(t, 1, &ClientConfig{User: "bob", Methods: []Method{PublicKeys(newDevice(t, keyType, c.flags))}}, sc)
			require.Len(t, seen, 2, "a query and a signature")
			require.Equal(t, &keys.Assertion{Flags: c.flags, Counter: 1}, seen[1])
			if c.want != nil {
				require.Error(t, r.clientErr)
				require.Nil(t, r.id)
				require.ErrorIs(t, logged[len(logged)-1], c.want)
				continue
			}
			require.NoError(t, r.clientErr, "%+v", c)
			require.NoError(t, r.serverErr)
			require.Equal(t, seen[1], r.id.Methods[0].Assertion)
			require.Equal(t, keyType, r.id.Methods[0].Algorithm)
		}
	}
}

// One key's leniency is not another's, and Verified can ask for more than the
// callback, but not undo what it refused.
func TestSecurityKeysInARow(t *testing.T) {
	lenient, strict := newDevice(t, keys.KeySKEd25519, 0), newDevice(t, keys.KeySKEd25519, 0)
	sc := &ServerConfig{
		PublicKey: func(_ context.Context, _ *Attempt, k keys.PublicKey) (*Permissions, error) {
			return &Permissions{NoTouchRequired: keys.Equal(k, lenient.PublicKey())}, nil
		},
		Verified: func(_ context.Context, id *Identity) ([]string, error) {
			id.Permissions.NoTouchRequired = true
			if len(id.Methods) == 1 {
				return []string{MethodPublicKey}, nil
			}
			return nil, nil
		},
		FailureDelay: -1,
	}
	synctest.Test(t, func(t *testing.T) {
		r, end := serve(t, false, sc)
		r.sign(strict)
		require.False(t, r.failure().partial)
		r.sign(lenient)
		require.True(t, r.failure().partial)
		r.sign(strict)
		require.False(t, r.failure().partial)
		r.sign(keyA) // a plain key has nobody to ask
		r.recv(wire.MsgUserauthSuccess)
		_, err := end()
		require.NoError(t, err)
	})
	sc.Verified = func(_ context.Context, id *Identity) ([]string, error) {
		id.Permissions.VerifyRequired = true
		return nil, nil
	}
	synctest.Test(t, func(t *testing.T) {
		r, end := serve(t, false, sc)
		r.sign(lenient)
		r.failure()
		r.sign(newDevice(t, keys.KeySKECDSA256, keys.SKUserPresence))
		r.failure()
		r.sign(newDevice(t, keys.KeySKECDSA256, keys.SKUserPresence|keys.SKUserVerification))
		r.recv(wire.MsgUserauthSuccess)
		_, err := end()
		require.NoError(t, err)
	})
}
