package ssh_test

import (
	"context"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh"
	"github.com/fairlead-go/ssh/auth"
	"github.com/fairlead-go/ssh/keys"
	"github.com/fairlead-go/ssh/transport"
)

// The post-quantum signature is used by both roles, for hosts and users, where
// both ends name it, and nowhere else.
func TestCompositeSignatureByName(t *testing.T) {
	const name = keys.KeyMLDSA44Ed25519
	checkGoroutines(t)
	host, err := keys.GenerateKey(name, 0)
	require.NoError(t, err)
	user, err := keys.GenerateKey(name, 0)
	require.NoError(t, err)
	let := auth.ServerConfig{
		FailureDelay: -1,
		PublicKey:    func(context.Context, *auth.Attempt, keys.PublicKey) (*auth.Permissions, error) { return nil, nil },
	}
	named := let
	named.PublicKeyAlgorithms = []string{name}
	byName := serve(t, &ssh.Server{HostKeys: []keys.Signer{host}, Auth: named})
	byDefault := serve(t, &ssh.Server{HostKeys: []keys.Signer{host, newKey(t)}, Auth: let})

	login := func(addr string, key keys.Signer, hostKeys ...string) (transport.State, error) {
		c, err := ssh.Dial(t.Context(), "tcp", addr, &ssh.ClientConfig{
			User: "alice", Auth: []auth.Method{auth.PublicKeys(key)},
			VerifyHostKey: transport.InsecureAcceptAnyHostKey, HostKeyAlgorithms: hostKeys,
		})
		if err != nil {
			return transport.State{}, err
		}
		defer c.Close()
		return c.ConnState(), nil
	}
	state, err := login(byName, user, name)
	require.NoError(t, err)
	require.Equal(t, name, state.HostKeyAlgorithm)
	require.True(t, keys.Equal(host.PublicKey(), state.HostKey))

	var negotiation *transport.NegotiationError
	_, err = login(byName, user)
	require.ErrorAs(t, err, &negotiation, "a client does not propose it")
	var denied *auth.Error
	_, err = login(byDefault, user, name)
	require.ErrorAs(t, err, &denied, "a server does not take it of users")
	state, err = login(byDefault, newKey(t), slices.Concat(transport.HostKeyAlgorithms(), []string{name})...)
	require.NoError(t, err)
	require.Equal(t, keys.KeyEd25519, state.HostKeyAlgorithm)
}
