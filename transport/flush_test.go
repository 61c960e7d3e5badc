package transport

import (
	"context"
	"encoding/binary"
	"net"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh/kex"
	"github.com/fairlead-go/ssh/wire"
)

// idleWriter reports whether nobody writes, and nothing is pending.
func idleWriter(c *Conn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.out.writing && len(c.out.pending) == 0
}

// drop ends connections as if they had broken, which takes no time.
func drop(conns ...*Conn) {
	for _, c := range conns {
		c.Fail(&ConnectionError{Op: "read", Err: net.ErrClosed})
	}
}

// TestAnswerIsWrittenAtOnce: what answers the peer has left when WritePacket
// returns, with no other goroutine and no allocation. What follows it goes by a
// flusher, with more to come.
func TestAnswerIsWrittenAtOnce(t *testing.T) {
	for _, pair := range []func(testing.TB) (net.Conn, net.Conn){tcpPair, socketPair} {
		a, b := pair(t)
		client, server := authenticated(t, a, b, clientConfig(Config{}), serverConfig(Config{}))
		defer drop(client, server)
		body := data(100)
		answer := func() {
			if server.WritePacket(nil, body[:9], body[9:]) != nil || !idleWriter(server) {
				t.Error("not written")
			}
			if _, err := client.ReadPacket(); err != nil {
				t.Error(err)
			}
			if client.WritePacket(nil, body[:9], body[9:]) != nil || !idleWriter(client) {
				t.Error("not written")
			}
			if _, err := server.ReadPacket(); err != nil {
				t.Error(err)
			}
		}
		require.NoError(t, client.WritePacket(nil, body, nil))
		_, err := server.ReadPacket()
		require.NoError(t, err)
		answer()
		if n := testing.AllocsPerRun(100, answer); !raceEnabled {
			require.Zero(t, n)
		}
		require.NoError(t, client.WritePacket(nil, body, nil)) // nothing came since the last one
		_, err = server.ReadPacket()
		require.NoError(t, err)
	}
}

// TestStuckPeerHoldsUpNobodyButTheFlusher: answers to a peer that sends and
// never reads are taken without waiting until highWater, and then it is the peer
// that a timeout strikes.
func TestStuckPeerHoldsUpNobodyButTheFlusher(t *testing.T) {
	noLeaks(t)
	a, b := tcpPair(t)
	client, server := authenticated(t, a, b, clientConfig(Config{WriteTimeout: 300 * time.Millisecond}), serverConfig(Config{}))
	go func() {
		for server.WritePacket(nil, data(50), nil) == nil {
			time.Sleep(50 * time.Microsecond)
		}
	}()
	got := readAll(client)
	go func() { // as one who reads: readAll's channel has room for so many
		for range got {
		}
	}()
	var err error
	for err == nil {
		err = client.WritePacket(nil, data(3000), nil)
	}
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	<-client.flushed
	drop(server)
	<-server.flushed
}

// writeCounter counts Writes.
type writeCounter struct {
	net.Conn
	writes atomic.Int64
}

func (w *writeCounter) Write(b []byte) (int, error) {
	w.writes.Add(1)
	return w.Conn.Write(b)
}

// TestHold: what is sent between Hold and Release goes out together, and not
// before.
func TestHold(t *testing.T) {
	a, b := tcpPair(t)
	counted := &writeCounter{Conn: a}
	client, server := authenticated(t, counted, b, clientConfig(Config{}), serverConfig(Config{}))
	defer drop(client, server)
	require.Eventually(t, func() bool { return idleWriter(client) }, time.Minute, time.Millisecond)
	before := counted.writes.Load()
	client.Hold()
	client.Hold()
	for range 3 {
		require.NoError(t, client.WritePacket(nil, data(50), nil))
		require.NoError(t, client.QueuePacket(data(50)))
	}
	client.Release()
	require.Equal(t, before, counted.writes.Load())
	client.Release()
	for range 6 {
		_, err := server.ReadPacket()
		require.NoError(t, err)
	}
	require.Equal(t, before+1, counted.writes.Load())

	// Much is not held.
	client.Hold()
	defer client.Release()
	require.NoError(t, client.WritePacket(nil, data(batchBytes), nil))
	_, err := server.ReadPacket()
	require.NoError(t, err)
}

// TestHoldAcrossRekey: a writer who waits for new keys while holding does not
// keep them from being exchanged.
func TestHoldAcrossRekey(t *testing.T) {
	forRoles(t, func(t *testing.T, role kex.Role) {
		a, b := tcpPair(t)
		client, server := authenticated(t, a, b, clientConfig(Config{}), serverConfig(Config{}))
		holder := client
		if role == kex.Server {
			holder = server
		}
		ends := []chan []byte{readAll(client), readAll(server)}
		for range 20 {
			rekeyed := make(chan error, 1)
			go func() { rekeyed <- holder.Rekey(t.Context()) }()
			holder.Hold()
			require.NoError(t, holder.QueuePacket(data(20)))
			require.NoError(t, holder.WritePacket(nil, data(20), nil))
			holder.Release()
			require.NoError(t, <-rekeyed)
		}
		drop(client, server)
		for _, end := range ends {
			for range end {
			}
		}
	})
}

// TestHoldUnderSmallLimit: nor does one who waits because its new keys are used
// up already, before the peer has changed to its own.
func TestHoldUnderSmallLimit(t *testing.T) {
	forRoles(t, func(t *testing.T, role kex.Role) {
		a, b := tcpPair(t)
		limit := Config{RekeyBytes: 1}
		client, server := authenticated(t, a, b, clientConfig(limit), serverConfig(limit))
		holder := client
		if role == kex.Server {
			holder = server
		}
		ends := []chan []byte{readAll(client), readAll(server)}
		timeout, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		for range 20 {
			holder.Hold()
			for range 3 {
				require.NoError(t, holder.QueuePacket(data(50)))
				require.NoError(t, holder.WritePacket(timeout.Done(), data(50), nil))
			}
			holder.Release()
		}
		drop(client, server)
		for _, end := range ends {
			for range end {
			}
		}
	})
}

// TestFlusherIsOvertaken: what a flusher was started for and has not begun with
// may be written by whoever answers; then the flusher writes nothing, and a later
// one does.
func TestFlusherIsOvertaken(t *testing.T) {
	noLeaks(t)
	a, b := tcpPair(t)
	client, server := authenticated(t, a, b, clientConfig(Config{}), serverConfig(Config{}))
	starts := make(chan func(), 4)
	server.out.starter = func() { starts <- server.startFlusher }
	got := func() {
		t.Helper()
		_, err := client.ReadPacket()
		require.NoError(t, err)
	}
	more := func() {
		t.Helper()
		require.NoError(t, server.WritePacket(nil, data(50), nil))
	}
	more()
	require.Empty(t, starts, "an answer")
	got()

	more()
	late := <-starts // it takes its time
	require.False(t, idleWriter(server))
	server.Hold()
	more()
	server.Release()
	require.True(t, idleWriter(server), "both are written")
	got()
	got()
	late()
	require.True(t, idleWriter(server))

	more()
	second := <-starts
	late() // does the work of the second
	got()
	second()
	require.True(t, idleWriter(server))

	more()
	late = <-starts
	drop(client, server)
	late() // ends the connection
	<-server.flushed
}

// TestRoomIsPassedOn: whoever writes all that is pending, in place of a flusher that
// has not begun, wakes one of those who wait for room.
func TestRoomIsPassedOn(t *testing.T) {
	a, b := tcpPair(t)
	require.NoError(t, b.(*net.TCPConn).SetWriteBuffer(4*highWater)) // takes it all at once
	client, server := authenticated(t, a, b, clientConfig(Config{}), serverConfig(Config{}))
	got := readAll(client)
	const little, much = 60 << 10, 240 << 10
	require.NoError(t, server.WritePacket(nil, data(50), nil))
	require.Len(t, <-got, 50, "an answer, unlike what follows")
	starts := make(chan func(), 4)
	server.mu.Lock()
	server.out.starter = func() { starts <- server.startFlusher }
	server.out.waiting++ // somebody who has waited since before
	server.mu.Unlock()
	require.NoError(t, server.WritePacket(nil, data(little), nil))
	late := <-starts
	<-server.out.room // went to another, who writes
	require.NoError(t, server.WritePacket(nil, data(much), nil))
	require.Len(t, server.out.room, 1)
	late()
	require.Len(t, <-got, little)
	require.Len(t, <-got, much)
	drop(client, server)
	for range got {
	}
}

// TestNobodyIsHeldByWhoGivesWay: packets are not kept back for one who lets others
// run, though it holds.
func TestNobodyIsHeldByWhoGivesWay(t *testing.T) {
	a, b := tcpPair(t)
	client, server := authenticated(t, a, b, clientConfig(Config{}), serverConfig(Config{}))
	defer drop(client, server)
	server.Hold()
	server.mu.Lock()
	server.out.yielding++
	server.mu.Unlock()
	require.NoError(t, server.QueuePacket(data(50)))
	p, err := client.ReadPacket()
	require.NoError(t, err)
	require.Len(t, p, 50)
}

// TestHandshakeIsCollected: a server to which a client has said all that it can
// at first answers in one piece.
func TestHandshakeIsCollected(t *testing.T) {
	noLeaks(t)
	a, b := socketPair(t)
	first := offline(t, nil, nil)
	kexInit := first.settings.proposal(true)
	first.seal(kexInit.marshal(nil), nil)
	_, err := a.Write(append([]byte("SSH-2.0-x\r\n"), first.out.pending...))
	require.NoError(t, err)
	ended := make(chan error)
	go func() {
		_, err := Server(context.Background(), b, serverConfig(Config{}))
		ended <- err
	}()
	piece := make([]byte, 1<<16)
	n, err := a.Read(piece)
	require.NoError(t, err)
	ours := versionPrefix + DefaultSoftwareVersion + "\r\n"
	require.Equal(t, ours, string(piece[:len(ours)]))
	packet := piece[len(ours):n]
	require.EqualValues(t, wire.MsgKexInit, packet[headerSize])
	require.Len(t, packet, lengthSize+int(binary.BigEndian.Uint32(packet)))
	a.Close()
	require.Error(t, <-ended)
}
