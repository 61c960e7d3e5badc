package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/fairlead-go/ssh/keys/knownhosts"
	"github.com/fairlead-go/ssh/transport"
	"github.com/fairlead-go/ssh/wire"
)

// refuseChangedHost lets a server with other host keys answer where the first
// one did.
func (s *story) refuseChangedHost(ctx context.Context) error {
	s.client.Close()
	if err := s.stopServer(); err != nil {
		return err
	}
	var heard messages
	folder := filepath.Join(s.folder, "impostor")
	impostor, err := startFarSide(folder, s.addr, s.key.PublicKey(), &transport.Trace{PacketReceived: heard.add})
	if err != nil {
		return err
	}
	client, refusal := s.connect(ctx, s.config(s.key))
	if refusal == nil {
		client.Close()
	}
	if err := impostor.stop(); err != nil {
		return err
	}
	if !errors.Is(refusal, knownhosts.ErrHostKeyChanged) {
		return fmt.Errorf("the client should have refused the server: %v", refusal)
	}
	s.say("The client refuses it:")
	s.sayError(refusal)
	if others := heard.beyondKeyExchange(); len(others) > 0 {
		return fmt.Errorf("the refused server got messages %v", others)
	}
	s.say("All that the server got of it: %s. No user name, no login attempt.", &heard)
	return s.startServer()
}

// messages are the numbers of those that a server has received.
type messages struct {
	mu      sync.Mutex
	numbers []byte
}

func (m *messages) add(number byte, _ int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.numbers = append(m.numbers, number)
}

// handshake names the messages that a client may send to a server which it does
// not trust yet.
var handshake = map[byte]string{
	wire.MsgKexInit:    "KEXINIT",
	wire.MsgKexFirst:   "its half of the key exchange",
	wire.MsgDisconnect: "DISCONNECT",
}

func (m *messages) beyondKeyExchange() []byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(m.numbers), func(n byte) bool { return handshake[n] != "" })
}

func (m *messages) String() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var names []string
	for _, n := range m.numbers {
		names = append(names, handshake[n])
	}
	return strings.Join(names, ", ")
}
