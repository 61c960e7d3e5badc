package transport

import (
	"bytes"
	"context"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh/wire"
)

// TestEverySuite sends packets of many sizes both ways under every cipher, MAC
// and key exchange method.
func TestEverySuite(t *testing.T) {
	check := func(t *testing.T, cfg Config) {
		a, b := tcpPair(t)
		client, server := authenticated(t, a, b, clientConfig(cfg), serverConfig(cfg))
		for _, pair := range [][2]*Conn{{client, server}, {server, client}} {
			for _, size := range []int{1, 2, 3, 7, 8, 9, 15, 16, 17, 255, 1024, 32768, 200000} {
				payload := bytes.Repeat([]byte{wire.MsgChannelData}, size)
				require.NoError(t, pair[0].WritePacket(nil, payload[:size/2], payload[size/2:]))
				got, err := pair[1].ReadPacket()
				require.NoError(t, err)
				require.True(t, bytes.Equal(payload, got), size)
			}
		}
		require.Equal(t, client.SessionID(), server.SessionID())
		require.True(t, client.State().StrictKex)
	}
	for _, cipher := range Ciphers() {
		if cipherByName(cipher).aead != nil {
			t.Run(cipher, func(t *testing.T) { check(t, Config{Ciphers: []string{cipher}}) })
			continue
		}
		for _, mac := range MACs() {
			t.Run(cipher+" "+mac, func(t *testing.T) {
				check(t, Config{Ciphers: []string{cipher}, MACs: []string{mac}})
			})
		}
	}
	for _, method := range SupportedKeyExchanges() {
		t.Run(method, func(t *testing.T) { check(t, Config{KeyExchanges: []string{method}}) })
	}
}

// TestRekeyUnderFullDuplexLoad has both sides write and read at once while
// keys change every 64 KiB, begun by either side.
func TestRekeyUnderFullDuplexLoad(t *testing.T) {
	cfg := Config{RekeyBytes: 64 << 10}
	a, b := tcpPair(t)
	client, server := authenticated(t, a, b, clientConfig(cfg), serverConfig(cfg))
	const packets, size = 500, 10000
	errs := make(chan error, 6)
	for _, c := range []*Conn{client, server} {
		go func() {
			body := bytes.Repeat([]byte{'x'}, size)
			for range packets {
				if err := c.WritePacket(nil, []byte{wire.MsgChannelData}, body); err != nil {
					errs <- err
					return
				}
			}
			errs <- nil
		}()
		go func() {
			for n := 0; ; n++ {
				if n == packets {
					errs <- nil // and on, for what is left of a key exchange
				}
				if _, err := c.ReadPacket(); err != nil {
					errs <- err
					return
				}
			}
		}()
	}
	for range 4 {
		require.NoError(t, <-errs)
	}
	require.Greater(t, client.State().KeyExchanges, uint64(20))
}

func TestCloseIsHeard(t *testing.T) {
	a, b := tcpPair(t)
	client, server := authenticated(t, a, b, clientConfig(Config{}), serverConfig(Config{}))
	go client.Disconnect(wire.DisconnectByApplication, "bye \x1b[2J")
	_, err := server.ReadPacket()
	var de *DisconnectError
	require.ErrorAs(t, err, &de)
	require.True(t, de.Remote)
	require.EqualValues(t, wire.DisconnectByApplication, de.Reason)
	require.NotContains(t, err.Error(), "\x1b")
	<-client.Done()
	require.ErrorIs(t, client.Err(), net.ErrClosed)
	require.ErrorIs(t, client.QueuePacket([]byte{wire.MsgIgnore}), net.ErrClosed)
}

// TestRekeyWithEveryMethod: both sides begin an exchange in turn, and that of
// many messages too gets by with a server that signs on a goroutine.
func TestRekeyWithEveryMethod(t *testing.T) {
	for _, method := range SupportedKeyExchanges() {
		a, b := tcpPair(t)
		cfg := Config{KeyExchanges: []string{method}}
		client, server := authenticated(t, a, b, clientConfig(cfg), serverConfig(cfg))
		go client.ReadPacket()
		go server.ReadPacket()
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		require.Eventually(t, func() bool { return len(client.ServerSigAlgs()) > 0 }, 10*time.Second, time.Millisecond)
		for _, c := range []*Conn{client, server} {
			require.NoError(t, c.Rekey(ctx), method)
			_, err := client.Ping(ctx) // the server is done too
			require.NoError(t, err, method)
		}
		require.EqualValues(t, 3, client.State().KeyExchanges)
		require.Equal(t, method, server.State().KeyExchange)
	}
}

func TestPing(t *testing.T) {
	a, b := tcpPair(t)
	client, server := authenticated(t, a, b, clientConfig(Config{}), serverConfig(Config{}))
	go client.ReadPacket()
	go server.ReadPacket()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	require.Eventually(t, func() bool { return len(client.ServerSigAlgs()) > 0 }, 10*time.Second, time.Millisecond)
	_, err := client.Ping(ctx)
	require.NoError(t, err)
	require.NoError(t, client.Rekey(ctx))
	_, err = server.Ping(ctx)
	require.NoError(t, err)
	require.EqualValues(t, 2, server.State().KeyExchanges)
}
