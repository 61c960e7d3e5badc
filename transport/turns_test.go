package transport

import (
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh/internal/backoff"
	"github.com/fairlead-go/ssh/wire"
)

func sleep() wire.Wait { return wire.Sleep }

// TestReadPacketUntil: a read that is put off loses nothing, and the next one waits
// for as long as it takes.
func TestReadPacketUntil(t *testing.T) {
	a, b := tcpPair(t)
	client, server := authenticated(t, a, b, clientConfig(Config{}), serverConfig(Config{}))
	defer drop(client, server)
	require.True(t, client.TakesTurns())
	_, err := client.ReadPacketUntil(func() wire.Wait { return wire.PutOff }, 0)
	require.Equal(t, wire.ErrPutOff, err)
	for range 3 {
		_, err = client.ReadPacketUntil(sleep, 5*time.Millisecond)
		require.Equal(t, wire.ErrPutOff, err)
	}
	time.AfterFunc(50*time.Millisecond, func() { server.WritePacket(nil, data(100), nil) })
	got, err := client.ReadPacket()
	require.NoError(t, err)
	require.Equal(t, data(100), got)

	// In the middle of a packet, too.
	server.mu.Lock()
	server.seal(data(1000), nil)
	sealed := server.out.takePending(nil)
	server.mu.Unlock()
	_, err = b.Write(sealed[:500])
	require.NoError(t, err)
	_, err = client.ReadPacketUntil(sleep, 5*time.Millisecond)
	require.Equal(t, wire.ErrPutOff, err)
	_, err = b.Write(sealed[500:])
	require.NoError(t, err)
	got, err = client.ReadPacketUntil(sleep, time.Minute)
	require.NoError(t, err)
	require.Equal(t, data(1000), got)
}

// TestDefect_DeadlineOfATurnOutlivesIt: the read deadline that a limited read has
// set does not keep Close from waiting until the peer has taken what was written.
func TestDefect_DeadlineOfATurnOutlivesIt(t *testing.T) {
	a, b := tcpPair(t)
	client, server := authenticated(t, a, b, clientConfig(Config{}), serverConfig(Config{}))
	_, err := client.ReadPacketUntil(sleep, 5*time.Millisecond)
	require.Equal(t, wire.ErrPutOff, err)
	const packets = 20
	for range packets {
		require.NoError(t, client.WritePacket(nil, data(20000), nil))
	}
	closed := make(chan error)
	go func() { closed <- client.Close() }()
	time.Sleep(50 * time.Millisecond) // the server does not read yet, and sends
	for range 3 {
		require.NoError(t, server.WritePacket(nil, data(20000), nil))
		time.Sleep(10 * time.Millisecond)
	}
	for range packets {
		_, err := server.ReadPacket()
		require.NoError(t, err)
	}
	_, err = server.ReadPacket()
	var end *DisconnectError
	require.ErrorAs(t, err, &end)
	require.True(t, end.Remote)
	server.Close()
	require.NoError(t, <-closed)
}

// TestConcealingTakesNoTurns: where a failure must take its time, no read is put
// off, nor one begun that asks for it, also when keys change within one.
func TestConcealingTakesNoTurns(t *testing.T) {
	a, b := tcpPair(t)
	cfg := Config{
		LegacyAlgorithms: Algorithms{Ciphers: []string{"aes256-cbc"}},
		Ciphers:          []string{"aes256-ctr", "aes256-cbc"}, MACs: []string{"hmac-sha2-256"},
	}
	client, server := authenticated(t, a, b, clientConfig(cfg), serverConfig(cfg))
	defer drop(client, server)
	require.True(t, client.TakesTurns())
	server.mu.Lock()
	server.settings.Ciphers = []string{"aes256-cbc"}
	server.mu.Unlock()
	go func() {
		for {
			if _, err := server.ReadPacket(); err != nil {
				return
			}
		}
	}()
	rekeyed := make(chan error)
	go func() { rekeyed <- server.Rekey(t.Context()) }()
	_, err := client.ReadPacketUntil(sleep, time.Minute)
	require.Equal(t, wire.ErrPutOff, err, "once the keys are those of the other cipher")
	require.False(t, client.TakesTurns())
	require.NoError(t, <-rekeyed)
	_, err = client.ReadPacketUntil(sleep, time.Minute)
	require.Equal(t, wire.ErrPutOff, err)
}

// TestYield: who is ready runs before a read that yields, even where there is
// something to read.
func TestYield(t *testing.T) {
	a, b := tcpPair(t)
	client, server := authenticated(t, a, b, clientConfig(Config{}), serverConfig(Config{}))
	defer drop(client, server)
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	for _, how := range []wire.Wait{wire.YieldAndSleep, wire.YieldAndWatch} {
		// Now and then the scheduler takes who has just yielded before the others.
		yielded := false
		for tries := 0; tries < 4 && !yielded; tries++ {
			require.NoError(t, server.WritePacket(nil, data(50), nil))
			require.Eventually(t, func() bool { return idleWriter(server) }, time.Minute, time.Millisecond)
			client.in.yields = backoff.Backoff{}
			ran := make(chan struct{})
			go close(ran)
			_, err := client.ReadPacketUntil(func() wire.Wait { return how }, 0)
			require.NoError(t, err)
			select {
			case <-ran:
				yielded = true
			default:
			}
		}
		require.True(t, yielded)
	}
}
