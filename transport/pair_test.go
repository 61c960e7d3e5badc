package transport

import (
	"context"
	"io"
	"net"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh/keys"
)

var testHostKey = func() *keys.PrivateKey {
	k, err := keys.GenerateKey(keys.KeyEd25519, 0)
	if err != nil {
		panic(err)
	}
	return k
}()

// tcpPair returns the two ends of a TCP connection over 127.0.0.1.
func tcpPair(t testing.TB) (client, server net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	client, err = net.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	server, err = l.Accept()
	require.NoError(t, err)
	return client, server
}

func clientConfig(c Config) *ClientConfig {
	return &ClientConfig{Config: c, Address: "test:22", VerifyHostKey: InsecureAcceptAnyHostKey}
}

func serverConfig(c Config) *ServerConfig {
	return &ServerConfig{Config: c, HostKeys: []keys.Signer{testHostKey}}
}

// connect runs both handshakes over a pair of streams.
func connect(t testing.TB, a, b io.ReadWriteCloser, cc *ClientConfig, sc *ServerConfig) (client, server *Conn) {
	t.Helper()
	var serverErr error
	done := make(chan struct{})
	go func() {
		defer close(done)
		server, serverErr = Server(context.Background(), b, sc)
	}()
	client, err := Client(context.Background(), a, cc)
	<-done
	require.NoError(t, err)
	require.NoError(t, serverErr)
	t.Cleanup(func() {
		go server.Close()
		client.Close()
		server.Close()
	})
	return client, server
}

// authenticated is connect for connections that the connection protocol uses.
func authenticated(t testing.TB, a, b io.ReadWriteCloser, cc *ClientConfig, sc *ServerConfig) (client, server *Conn) {
	t.Helper()
	client, server = connect(t, a, b, cc, sc)
	client.SetAuthenticated()
	server.SetAuthenticated()
	return client, server
}
