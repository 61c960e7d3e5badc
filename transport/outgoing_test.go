package transport

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestGivesWay: who seals much while others wait for room gives way to them.
func TestGivesWay(t *testing.T) {
	var o outgoing
	for range 10 {
		require.False(t, o.givesWay(highWater), "nobody waits")
	}
	o.waiting = 1
	for range 3 {
		require.False(t, o.givesWay(highWater/2))
		require.False(t, o.givesWay(highWater/2-1))
		require.True(t, o.givesWay(1))
	}
	require.False(t, o.givesWay(highWater-1))
	o.waiting = 0
	require.False(t, o.givesWay(1))
	o.waiting = 1
	require.False(t, o.givesWay(1), "counted from the first who waits")
}

// TestWritePacketGivesWay: and is back, then.
func TestWritePacketGivesWay(t *testing.T) {
	a, b := tcpPair(t)
	client, server := authenticated(t, a, b, clientConfig(Config{}), serverConfig(Config{}))
	defer drop(client, server)
	server.mu.Lock()
	server.out.waiting, server.out.burst = 1, highWater-1
	server.mu.Unlock()
	require.NoError(t, server.WritePacket(nil, nil, data(50)))
	server.mu.Lock()
	defer server.mu.Unlock()
	require.Zero(t, server.out.burst)
	require.Zero(t, server.out.yielding)
}
