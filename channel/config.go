package channel

import (
	"context"
	"fmt"
	"log/slog"
)

// Defaults of [Config].
const (
	DefaultMaxChannels   = 1024
	DefaultMaxPacket     = 32 << 10
	DefaultInitialWindow = 2 << 20
	DefaultMaxWindow     = 64 << 20
	DefaultWindowBudget  = 128 << 20
	DefaultAcceptBacklog = 128
)

// MinMaxPacket is the smallest maximum packet size, in bytes, that a peer may
// offer, and that [Config] may. RFC 4254 sets none; below this a peer could
// make every byte cost a packet, and with 0 nothing could be sent at all.
const MinMaxPacket = 1 << 10

// minWindow is the receive window that every channel gets, whatever is left of
// the budget: two packets of the usual size, so that one can be on its way
// while the other is read.
const minWindow = 64 << 10

// initialShare is the part of what is left of the budget that a new channel may
// have. With a hundred channels the last still gets a window that is larger than
// its part of what is under way when all are busy, so that none falls behind.
const initialShare = 32

// maxMaxPacket is what the packets of common transports can carry.
const maxMaxPacket = 240 << 10

// maxQueuedRequests bounds the requests of one channel, and the global
// requests of one connection, that wait to be served. A client may send a
// request for each of its environment variables at once, so those that want no
// reply may be many.
const (
	maxQueuedReplies      = 64
	maxQueuedRequests     = 1024
	maxQueuedRequestBytes = 256 << 10
)

// maxOpenPayload bounds the CHANNEL_OPEN messages that wait for Accept.
const maxOpenPayload = 32 << 10

// Config holds the limits of a [Mux]. A zero field means its default. It is
// copied by [New].
//
// What unread data of one connection can amount to is at most
// WindowBudget + MaxChannels × 64 KiB, and each of its streams with any may
// waste part of a 32 KiB buffer.
type Config struct {
	// MaxChannels is how many channels may be open or being opened at once,
	// by either side. A channel that both sides closed still counts while
	// data that it received is neither read nor dropped by Close. The default
	// is 1024.
	MaxChannels int

	// MaxPacket is the largest amount of data, in bytes, that the peer may
	// put into one packet, from 1 KiB to 240 KiB; we send no larger ones
	// either, whatever the peer offers. The default is 32 KiB.
	MaxPacket uint32

	// InitialWindow is the receive window of a new channel, in bytes, from
	// 64 KiB. It takes at most a 32nd of what is left of the budget. The
	// default is 2 MiB.
	InitialWindow uint32

	// MaxWindow bounds the growth of receive windows, in bytes. Growth
	// happens where a peer uses a whole window within two round trips. The
	// default is 64 MiB, or InitialWindow where that is more.
	MaxWindow uint32

	// WindowBudget is what all receive windows of the connection together
	// may take over the first 64 KiB of each, in bytes. The default is
	// 128 MiB; a negative budget leaves every window at 64 KiB.
	WindowBudget int64

	// AcceptBacklog is how many opens of the peer may wait for
	// [Mux.Accept]; past it they are refused with [ResourceShortage]. The
	// default is 128. Negative, every open is refused with
	// [AdministrativelyProhibited].
	AcceptBacklog int

	// Context, where set, has the values of [Mux.Context] and of the contexts
	// that derive from it. Its end means nothing.
	Context context.Context

	// HandleOpen, where set, is given the peer's opens in the place of
	// [Mux.Accept], and AcceptBacklog but for its sign means nothing. It is
	// called by whoever reads the connection, most often [Mux.Run], and nothing
	// is read meanwhile: it must decide at once, or leave the channel to another
	// goroutine.
	HandleOpen func(*NewChannel)

	// GlobalRequest serves the peer's global requests, one after the other,
	// on a goroutine that lives while there are any. Nil refuses all.
	GlobalRequest RequestHandler

	// Logger is told at level debug what was opened and refused. Nil is
	// silent.
	Logger *slog.Logger
}

// Validate reports values out of range. A [Mux] whose Config is not valid
// fails its connection as soon as it runs.
func (c Config) Validate() error {
	c.setDefaults()
	switch {
	case c.MaxChannels < 1:
		return fmt.Errorf("channel: MaxChannels is %d, and must not be negative", c.MaxChannels)
	case c.MaxPacket < MinMaxPacket || c.MaxPacket > maxMaxPacket:
		return fmt.Errorf("channel: MaxPacket is %d, and must be from %d to %d", c.MaxPacket, MinMaxPacket, maxMaxPacket)
	case c.InitialWindow < minWindow:
		return fmt.Errorf("channel: InitialWindow is %d, and must be at least %d", c.InitialWindow, minWindow)
	case c.MaxWindow < c.InitialWindow:
		return fmt.Errorf("channel: MaxWindow is %d, less than InitialWindow, which is %d", c.MaxWindow, c.InitialWindow)
	}
	return nil
}

func (c *Config) setDefaults() {
	setDefault(&c.MaxChannels, DefaultMaxChannels)
	setDefault(&c.MaxPacket, DefaultMaxPacket)
	setDefault(&c.InitialWindow, DefaultInitialWindow)
	setDefault(&c.MaxWindow, max(DefaultMaxWindow, c.InitialWindow))
	setDefault(&c.WindowBudget, DefaultWindowBudget)
	setDefault(&c.AcceptBacklog, DefaultAcceptBacklog)
	if c.Context == nil {
		c.Context = context.Background()
	}
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}
