package transport

import (
	"github.com/fairlead-go/ssh/kex"
	"github.com/fairlead-go/ssh/wire"
)

const (
	// maxUseless is how many messages in a row may ask nothing of us
	// (IGNORE, DEBUG, UNIMPLEMENTED, PING and the like). New keys begin a
	// new row, so that an idle connection may be kept alive with them.
	maxUseless = 1 << 20

	// What an unauthenticated peer may send in all. A login takes a few
	// kilobytes for each key that is tried. The bytes are those received and
	// those that they decompress to.
	maxPreAuthBytes   = 2 << 20
	maxPreAuthPackets = 4096
	// Each key exchange costs a server a signature.
	maxPreAuthExchanges = 4
)

// dispatch handles one message. It reports whether the message belongs to a
// higher layer. What is not in its table for the state that the connection is
// in ends the connection.
func (c *Conn) dispatch(payload []byte) (deliver bool, err error) {
	message := payload[0]
	if f := c.settings.Trace.PacketReceived; f != nil {
		f(message, len(payload))
	}
	if !c.keyed {
		return false, c.dispatchFirst(message, payload)
	}
	if !c.authenticated {
		if c.received.bytes.Load()+c.in.inflated > maxPreAuthBytes || c.received.packets.Load() > maxPreAuthPackets {
			return false, wire.ProtocolErrorf(wire.DisconnectByApplication, "too much sent before authentication")
		}
	} else if c.in.usage.over(c.settings) {
		c.startRekey()
	}
	switch layerOf(message) {
	case layerConnection:
		if !c.authenticated {
			return false, c.unexpected(message)
		}
		// RFC 4253 section 7.1 forbids these between the peer's KEXINIT and
		// its NEWKEYS. Peers exist that let some slip through when we begin
		// (docs/architecture.md); they are authenticated under the old keys,
		// and bounded by the windows that we granted, so they pass.
		c.useless = 0
		return true, nil
	case layerAuthentication:
		if c.authenticated {
			return false, c.lateAuthentication(message)
		}
		if c.kx != nil {
			return false, c.unexpected(message)
		}
		c.useless = 0
		return true, nil
	case layerKex:
		return false, c.onKexMessage(payload)
	}
	switch message {
	case wire.MsgKexInit:
		return false, c.onKexInit(payload)
	case wire.MsgNewKeys:
		return false, c.onNewKeys(payload)
	case wire.MsgDisconnect:
		return false, parseDisconnect(payload)
	case wire.MsgPing:
		if err := c.onPing(payload); err != nil {
			return false, err
		}
	case wire.MsgPong:
		if err := c.onPong(payload); err != nil {
			return false, err
		}
	case wire.MsgExtInfo:
		if err := c.onExtInfo(payload); err != nil {
			return false, err
		}
	case wire.MsgIgnore, wire.MsgDebug, wire.MsgUnimplemented:
		// Nothing to do; their content is of no use, so it is not parsed.
	default:
		// RFC 4253 section 11.4.
		if err := c.QueuePacket(appendUnimplemented(nil, c.in.seq-1)); err != nil {
			return false, err
		}
	}
	if c.useless++; c.useless > maxUseless {
		return false, protocolErrorf("too many messages that ask for nothing")
	}
	return false, nil
}

// dispatchFirst handles a message that comes before the first NEWKEYS of the
// peer's, so that anybody can have written it. With strict key
// exchange (OpenSSH's PROTOCOL section 1.10) nothing may come that is not part
// of it: what a man in the middle slips in would shift sequence numbers.
func (c *Conn) dispatchFirst(message byte, payload []byte) error {
	if c.received.bytes.Load() > maxPreAuthBytes || c.received.packets.Load() > maxPreAuthPackets {
		return protocolErrorf("too much sent before the first keys")
	}
	switch {
	case message == wire.MsgKexInit:
		return c.onKexInit(payload)
	case message == wire.MsgNewKeys:
		return c.onNewKeys(payload)
	case layerOf(message) == layerKex:
		return c.onKexMessage(payload)
	case message == wire.MsgDisconnect:
		return parseDisconnect(payload)
	case message == wire.MsgIgnore, message == wire.MsgDebug, message == wire.MsgUnimplemented:
		if !c.strict {
			return nil
		}
	}
	return c.unexpected(message)
}

// lateAuthentication handles authentication messages after success. Requests
// that a client sent ahead of it are silently ignored (RFC 4252 section 5.1).
func (c *Conn) lateAuthentication(message byte) error {
	if c.role != kex.Server || message != wire.MsgUserauthRequest {
		return c.unexpected(message)
	}
	if c.useless++; c.useless > maxUseless {
		return protocolErrorf("too many messages that ask for nothing")
	}
	return nil
}

func (c *Conn) unexpected(message byte) error {
	return protocolErrorf("message %d is not allowed now", message)
}

type layer int

const (
	layerTransport layer = iota // and unassigned numbers
	layerKex
	layerAuthentication
	layerConnection
)

// layerOf sorts message numbers by the layer that owns them. Numbers that
// nobody owns count as the transport's, which answers them.
func layerOf(message byte) layer {
	switch {
	case message == wire.MsgServiceRequest, message == wire.MsgServiceAccept:
		return layerAuthentication
	case message >= wire.MsgKexFirst && message <= wire.MsgKexLast:
		return layerKex
	case message >= wire.MsgUserauthRequest && message <= wire.MsgUserauthMethodLast:
		return layerAuthentication
	case message >= wire.MsgGlobalRequest && message <= wire.MsgRequestFailure,
		message >= wire.MsgChannelOpen && message <= wire.MsgChannelFailure:
		return layerConnection
	}
	return layerTransport
}

func appendDisconnect(b []byte, reason uint32, message string) []byte {
	b = append(b, wire.MsgDisconnect)
	b = wire.AppendUint32(b, reason)
	b = wire.AppendString(b, message)
	return wire.AppendString(b, "") // language tag
}

// parseDisconnect returns the *DisconnectError that SSH_MSG_DISCONNECT is.
// Some peers leave out the strings; the connection is over either way.
func parseDisconnect(payload []byte) error {
	r := wire.NewReader(payload[1:])
	return &DisconnectError{Reason: r.Uint32(), Message: r.Text(), Remote: true}
}

func appendUnimplemented(b []byte, seq uint32) []byte {
	return wire.AppendUint32(append(b, wire.MsgUnimplemented), seq)
}
