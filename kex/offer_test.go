package kex

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func withOffer(t *testing.T, method string, o *Offer) Exchange {
	x, err := New(method, Config{Role: Client, Transcript: testTranscript, Offer: o})
	require.NoError(t, err)
	return x
}

// TestOffer: an offer that was made before is what the client says, once, and in
// an exchange of its method alone.
func TestOffer(t *testing.T) {
	forEachMethod(t, func(t *testing.T, method string) {
		o, err := NewOffer(method)
		require.NoError(t, err)
		require.True(t, CanOffer(method))
		value, first := string(o.value), o.Init()
		client := withOffer(t, method, o)
		init, done, err := client.Step(nil)
		require.NoError(t, err)
		require.False(t, done)
		require.Equal(t, first, init[0])
		require.Contains(t, string(init[0]), value)
		server, reply := answer(t, method, init[0])
		_, done, err = client.Step(reply)
		require.NoError(t, err)
		require.True(t, done)
		require.Equal(t, server.Result().H, client.Result().H)
		require.Equal(t, server.Result().K, client.Result().K)

		_, _, err = withOffer(t, method, o).Step(nil)
		require.ErrorIs(t, err, errOfferUsed)
	})

	o, err := NewOffer("curve25519-sha256")
	require.NoError(t, err)
	init, _, err := withOffer(t, "ecdh-sha2-nistp256", o).Step(nil)
	require.NoError(t, err)
	require.NotContains(t, string(init[0]), string(o.value))
	require.NotNil(t, o.value, "it may still be used")

	o, err = NewOffer("diffie-hellman-group-exchange-sha256")
	require.NoError(t, err)
	require.Nil(t, o)
	require.False(t, CanOffer("diffie-hellman-group-exchange-sha256"))
	require.False(t, CanOffer("rsa1024-sha1"))
	var unknown *UnknownMethodError
	_, err = NewOffer("rsa1024-sha1")
	require.ErrorAs(t, err, &unknown)
	_, err = New("curve25519-sha256", Config{Role: Server, Transcript: testTranscript, HostKey: testHostKey(), Offer: new(Offer)})
	require.ErrorContains(t, err, "a server makes no offer")
}

// TestAhead: a server may make its key before the client's message.
func TestAhead(t *testing.T) {
	forEachMethod(t, func(t *testing.T, method string) {
		client := newClient(t, method)
		server, err := New(method, Config{Role: Server, Transcript: testTranscript, HostKey: testHostKey(), Ahead: true})
		require.NoError(t, err)
		toServer, _, err := client.Step(nil)
		require.NoError(t, err)
		toClient, done, err := server.Step(toServer[0])
		require.NoError(t, err)
		require.True(t, done)
		_, done, err = client.Step(toClient[0])
		require.NoError(t, err)
		require.True(t, done)
		require.Equal(t, server.Result().H, client.Result().H)
		require.Equal(t, server.Result().K, client.Result().K)
	})
}
