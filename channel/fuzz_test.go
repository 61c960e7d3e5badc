package channel

import (
	"context"
	"encoding/binary"
	"io"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh/wire"
)

// A scriptConn is a connection on which the given packets arrive, and then
// the end.
type scriptConn struct {
	nullConn
	packets [][]byte
	ended   chan struct{}
	once    sync.Once
	started chan struct{} // reading begins when it is closed
}

func (c *scriptConn) ReadPacket() ([]byte, error) {
	<-c.started
	if len(c.packets) == 0 {
		return nil, io.EOF
	}
	p := c.packets[0]
	c.packets = c.packets[1:]
	return p, nil
}

func (c *scriptConn) WritePacket(_ <-chan struct{}, head, body []byte) error {
	select {
	case <-c.ended:
		return io.EOF
	default:
		return nil
	}
}
func (c *scriptConn) QueuePacket([]byte) error { return c.WritePacket(nil, nil, nil) }
func (c *scriptConn) Fail(error)               { c.once.Do(func() { close(c.ended) }) }

// script joins packets for FuzzMux.
func script(packets ...[]byte) (b []byte) {
	for _, p := range packets {
		b = binary.BigEndian.AppendUint16(b, uint16(len(p)))
		b = append(b, p...)
	}
	return b
}

// FuzzMux feeds a Mux, whose users do all that they can, arbitrary packets. It
// must end with the script, and all of its users with it.
func FuzzMux(f *testing.F) {
	for _, number := range []byte{wire.MsgChannelOpenConfirmation, wire.MsgChannelOpenFailure} {
		seed := [][]byte{wellFormed(number, 0), wellFormed(wire.MsgChannelOpen, 0), wellFormed(wire.MsgChannelOpen, 0)}
		for n := byte(wire.MsgGlobalRequest); n <= wire.MsgChannelFailure; n++ {
			if n != wire.MsgChannelClose {
				f.Add(script(append(seed, wellFormed(n, 0))...))
			}
			seed = append(seed, wellFormed(wire.MsgChannelData, 1), wellFormed(wire.MsgChannelRequest, 1), wellFormed(wire.MsgChannelExtendedData, 0))
		}
		f.Add(script(append(seed, wellFormed(wire.MsgChannelEOF, 0), wellFormed(wire.MsgChannelClose, 0), wellFormed(wire.MsgChannelClose, 1))...))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		pc := &scriptConn{ended: make(chan struct{}), started: make(chan struct{})}
		for len(data) >= 3 {
			n := int(binary.BigEndian.Uint16(data))
			data = data[2:]
			n = min(max(n, 1), len(data))
			pc.packets = append(pc.packets, data[:n:n])
			data = data[n:]
		}
		serve := func(ctx context.Context, r *Request) { r.Reply(len(r.Payload)%2 == 0, nil) }
		m := New(pc, Config{GlobalRequest: serve, MaxChannels: 8})
		var users sync.WaitGroup
		use := func(c *Channel) {
			users.Go(func() { io.Copy(io.Discard, c) })
			users.Go(func() { io.Copy(io.Discard, c.Stderr()) })
			users.Go(func() { c.Write(make([]byte, 100_000)); c.CloseWrite() })
			users.Go(func() { c.SendRequest(t.Context(), "x", true, nil) })
			users.Go(func() { <-c.Done(); c.Close() })
		}
		users.Go(func() {
			for i := 0; ; i++ {
				nc, err := m.Accept(t.Context())
				if err != nil {
					return
				}
				if i%4 == 3 {
					nc.Reject(ConnectFailed, "no")
				} else if c, err := nc.Accept(serve); err == nil {
					use(c)
				}
			}
		})
		users.Go(func() { m.SendRequest(t.Context(), "x", true, nil) })
		opened := make(chan struct{})
		users.Go(func() {
			close(opened)
			if c, err := m.Open(t.Context(), "x", nil, OpenOptions{Requests: serve}); err == nil {
				use(c)
			}
		})
		<-opened
		close(pc.started)
		require.Error(t, m.Run())
		users.Wait()
	})
}
