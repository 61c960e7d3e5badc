package packettest

import (
	"errors"
	"io"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh/wire"
)

func TestPairBacklog(t *testing.T) {
	for _, backlog := range []int{0, 1, 2} {
		synctest.Test(t, func(t *testing.T) {
			a, b := Pair(backlog)
			for range backlog {
				require.NoError(t, a.WritePacket(nil, []byte{1}, []byte("x")))
			}
			done := make(chan error, 1)
			go func() { done <- a.WritePacket(nil, []byte{2}, nil) }()
			synctest.Wait()
			select {
			case <-done:
				t.Fatal("WritePacket did not wait")
			default:
			}
			require.NoError(t, a.QueuePacket([]byte{3}), "QueuePacket never waits")
			for range backlog {
				_, err := b.ReadPacket()
				require.NoError(t, err)
			}
			_, err := b.ReadPacket()
			require.NoError(t, err)
			require.NoError(t, <-done)
		})
	}
}

func TestPairCancelAndFail(t *testing.T) {
	a, b := Pair(1)
	require.NoError(t, a.WritePacket(nil, []byte{1}, nil))
	cancel := make(chan struct{})
	close(cancel)
	require.ErrorIs(t, a.WritePacket(cancel, []byte{1}, nil), wire.ErrCanceled)
	cause := errors.New("cause")
	a.Fail(cause)
	_, err := a.ReadPacket()
	require.ErrorIs(t, err, cause)
	_, err = b.ReadPacket()
	require.NoError(t, err, "what was sent before the failure still arrives")
	_, err = b.ReadPacket()
	require.ErrorIs(t, err, io.EOF)
}
