package channel

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh/wire"
)

// TestDefect_ReplyBeforeRequest: a peer answers a request that still waits to
// be written, which then is given up.
func TestDefect_ReplyBeforeRequest(t *testing.T) {
	send := map[string]func(ctx context.Context, p *rawPeer, c *Channel) error{
		"global": func(ctx context.Context, p *rawPeer, _ *Channel) error {
			_, _, err := p.m.SendRequest(ctx, "test", true, nil)
			return err
		},
		"channel": func(ctx context.Context, _ *rawPeer, c *Channel) error {
			_, err := c.SendRequest(ctx, "test", true, nil)
			return err
		},
	}
	for name, send := range send {
		t.Run(name, func(t *testing.T) {
			bothRoles(t, Config{}, nil, func(t *testing.T, p *rawPeer, c *Channel) {
				// The peer reads nothing: the second packet waits.
				_, err := c.SendRequest(t.Context(), "fills the backlog", false, nil)
				require.NoError(t, err)
				ctx, cancel := context.WithCancel(t.Context())
				sent := make(chan error, 1)
				go func() { sent <- send(ctx, p, c) }()
				synctest.Wait()

				if name == "global" {
					p.send([]byte{wire.MsgRequestSuccess})
				} else {
					p.signal(wire.MsgChannelSuccess, c)
				}
				synctest.Wait()
				cancel()
				require.ErrorIs(t, <-sent, context.Canceled)
				p.fails()
			})
		})
	}
}
