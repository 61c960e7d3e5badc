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
