package kex_test

import (
	"bytes"
	"crypto/ed25519"
	"fmt"

	"github.com/fairlead-go/ssh/kex"
	"github.com/fairlead-go/ssh/wire"
)

// Two sides exchange keys. In a connection, what the transport sends and
// receives takes the place of the two variables.
func Example() {
	transcript := kex.Transcript{
		ClientVersion: []byte("SSH-2.0-Client"),
		ServerVersion: []byte("SSH-2.0-Server"),
		ClientKexInit: []byte{wire.MsgKexInit}, // and all that was proposed
		ServerKexInit: []byte{wire.MsgKexInit},
	}
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	hostKey := &kex.HostKey{
		Public: wire.AppendString(wire.AppendString(nil, "ssh-ed25519"), public),
		Sign: func(h []byte) ([]byte, error) {
			return wire.AppendString(wire.AppendString(nil, "ssh-ed25519"), ed25519.Sign(private, h)), nil
		},
	}

	method := kex.Methods()[0]
	client, err := kex.New(method, kex.Config{Role: kex.Client, Transcript: transcript})
	if err != nil {
		fmt.Println(err)
		return
	}
	server, err := kex.New(method, kex.Config{Role: kex.Server, Transcript: transcript, HostKey: hostKey})
	if err != nil {
		fmt.Println(err)
		return
	}

	toServer, _, err := client.Step(nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	toClient, _, err := server.Step(toServer[0])
	if err != nil {
		fmt.Println(err)
		return
	}
	_, done, err := client.Step(toClient[0])
	if err != nil {
		fmt.Println(err)
		return
	}

	// Before the client trusts its keys, it parses the host key, asks whether
	// it is this server's, and verifies the signature over H.
	result := client.Result()
	blob := wire.NewReader(result.Signature)
	blob.Bytes() // format
	fmt.Println("complete:", done)
	fmt.Println("signed:", ed25519.Verify(public, result.H, blob.Bytes()))

	key := result.DeriveKey('C', result.H, 32) // the first H is the session identifier
	fmt.Println("same key:", bytes.Equal(key, server.Result().DeriveKey('C', server.Result().H, 32)))
	// Output:
	// complete: true
	// signed: true
	// same key: true
}
