package transport

import (
	"bytes"
	"context"
	"encoding/binary"
	"time"

	"github.com/fairlead-go/ssh/wire"
)

// ping is an SSH_MSG_PING that waits for its PONG. The peer answers in order.
type ping struct {
	data []byte
	done chan struct{} // closed by the PONG
}

// maxPings is how many pings may be unanswered.
const maxPings = 64

// Ping asks the peer to answer and returns how long that took
// (ping@openssh.com). It needs a goroutine in ReadPacket. The error is
// ErrPingUnsupported where the peer did not announce the extension; ctx's when
// that ended first.
func (c *Conn) Ping(ctx context.Context) (time.Duration, error) {
	if _, ok := c.Extension(extPing); !ok {
		return 0, ErrPingUnsupported
	}
	start := time.Now()
	p := ping{done: make(chan struct{})}
	p.data = binary.BigEndian.AppendUint64(nil, uint64(start.UnixNano()))
	c.mu.Lock()
	if len(c.pings) >= maxPings {
		c.mu.Unlock()
		return 0, &TimeoutError{Wait: "the peer does not answer pings"}
	}
	err := c.queueLocked(wire.AppendString([]byte{wire.MsgPing}, p.data))
	if err == nil {
		c.pings = append(c.pings, p)
	}
	c.flushAndUnlock(true)
	if err != nil {
		c.Fail(err)
		return 0, err
	}
	select {
	case <-p.done:
		return time.Since(start), nil
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	case <-c.dead:
		return 0, c.Err()
	}
}

// onPing answers SSH_MSG_PING with the same data.
func (c *Conn) onPing(payload []byte) error {
	r := wire.NewReader(payload[1:])
	data := r.Bytes()
	if err := r.End(); err != nil {
		return protocolErrorf("SSH_MSG_PING: %v", err)
	}
	return c.QueuePacket(wire.AppendString([]byte{wire.MsgPong}, data))
}

func (c *Conn) onPong(payload []byte) error {
	r := wire.NewReader(payload[1:])
	data := r.Bytes()
	if err := r.End(); err != nil {
		return protocolErrorf("SSH_MSG_PONG: %v", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.pings) == 0 || !bytes.Equal(c.pings[0].data, data) {
		return protocolErrorf("SSH_MSG_PONG that answers nothing")
	}
	close(c.pings[0].done)
	c.pings = c.pings[1:]
	return nil
}
