package transport_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"

	"github.com/fairlead-go/ssh/keys"
	"github.com/fairlead-go/ssh/transport"
	"github.com/fairlead-go/ssh/wire"
)

// serve is a server that takes one connection and answers its first message.
func serve(c net.Conn, hostKey keys.Signer) {
	conn, err := transport.Server(context.Background(), c, &transport.ServerConfig{
		HostKeys: []keys.Signer{hostKey},
	})
	if err != nil {
		log.Print(err)
		return
	}
	defer conn.Close()
	if _, err := conn.ReadPacket(); err != nil {
		log.Print(err)
		return
	}
	conn.QueuePacket(wire.AppendString([]byte{wire.MsgServiceAccept}, "ssh-userauth"))
	conn.ReadPacket() // until the client closes
}

func ExampleClient() {
	hostKey, err := keys.GenerateKey(keys.KeyEd25519, 0)
	if err != nil {
		log.Fatal(err)
	}
	ours, theirs := net.Pipe()
	go serve(theirs, hostKey)

	conn, err := transport.Client(context.Background(), ours, &transport.ClientConfig{
		Address: "example.org:22",
		VerifyHostKey: func(_ context.Context, address string, _ net.Addr, key keys.PublicKey) error {
			if !keys.Equal(key, hostKey.PublicKey()) {
				return errors.New("not the key that we know")
			}
			return nil
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()

	request := wire.AppendString([]byte{wire.MsgServiceRequest}, "ssh-userauth")
	if err := conn.WritePacket(nil, request, nil); err != nil {
		log.Fatal(err)
	}
	reply, err := conn.ReadPacket()
	if err != nil {
		log.Fatal(err)
	}
	state := conn.State()
	fmt.Println(reply[0] == wire.MsgServiceAccept, state.HostKeyAlgorithm, state.PostQuantum, state.StrictKex)
	// Output: true ssh-ed25519 true true
}

func ExampleServer() {
	hostKey, err := keys.GenerateKey(keys.KeyEd25519, 0)
	if err != nil {
		log.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	defer l.Close()
	go func() { // a client that accepts any server, as only a test may
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			log.Fatal(err)
		}
		conn, err := transport.Client(context.Background(), c, &transport.ClientConfig{
			VerifyHostKey: transport.InsecureAcceptAnyHostKey,
		})
		if err != nil {
			log.Fatal(err)
		}
		conn.Disconnect(wire.DisconnectByApplication, "just looking")
	}()

	c, err := l.Accept()
	if err != nil {
		log.Fatal(err)
	}
	conn, err := transport.Server(context.Background(), c, &transport.ServerConfig{
		HostKeys: []keys.Signer{hostKey},
	})
	if err != nil {
		log.Fatal(err)
	}
	_, err = conn.ReadPacket()
	var d *transport.DisconnectError
	fmt.Println(errors.As(err, &d), d)
	// Output: true transport: the peer disconnected: "just looking" (reason 11)
}

// A device that knows nothing newer gets a configuration of its own, so that
// no other connection is as weak as the one to it.
func ExampleLegacyAlgorithms() {
	legacy := transport.LegacyAlgorithms()
	cfg := transport.Config{
		Ciphers:          append(transport.Ciphers(), "aes256-cbc"),
		LegacyAlgorithms: legacy,
	}
	fmt.Println(len(cfg.Ciphers)-len(transport.Ciphers()), "more cipher; of the rest, after all others:")
	fmt.Println(legacy.KeyExchanges)
	fmt.Println(legacy.Signatures)
	// Output:
	// 1 more cipher; of the rest, after all others:
	// [diffie-hellman-group-exchange-sha1 diffie-hellman-group14-sha1 diffie-hellman-group1-sha1]
	// [ssh-rsa]
}
