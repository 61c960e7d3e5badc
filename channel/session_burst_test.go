package channel

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh/wire"
)

// Window changes that a stall of the network held up are no flood, however
// slowly they are served: the last one counts.
func TestBurstOfWindowChanges(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newRawPeer(t, Config{})
		proceed := make(chan struct{})
		last := make(chan WindowSize, 1)
		c := p.accept(func(_ context.Context, r *Request) {
			<-proceed
			if size, _ := parseWindowChange(r.Payload); size.Columns == 999 {
				last <- size
			}
		})
		for i := range 1000 {
			p.send(channelRequest{c.number, requestWindowChange, false, appendWindowSize(nil, WindowSize{Columns: uint32(i)})}.append(nil))
		}
		p.send(globalRequest{name: "x", wantReply: true}.append(nil))
		p.next(wire.MsgRequestFailure)
		close(proceed)
		require.Equal(t, WindowSize{Columns: 999}, <-last)
	})
}
