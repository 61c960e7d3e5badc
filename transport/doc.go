// Package transport is the SSH transport layer (RFC 4253): it turns a byte
// stream into a connection that is encrypted, authenticated both ways and
// bound to a host key.
//
// Use [Client] or [Server] on anything that reads, writes and closes. The
// result is a [Conn], a [wire.PacketConn] for the authentication and
// connection layers over it. Most programs never call this package: package
// ssh does.
//
// The host key must be judged: a [ClientConfig] without VerifyHostKey is an
// error. What was negotiated is in [Conn.State].
//
// # How a packet goes out
//
// WritePacket or QueuePacket seals it, under one lock, behind those that wait
// already; a goroutine of the connection's own hands all that waits to the
// connection underneath in one write. See outgoing.go.
//
// # How a packet comes in
//
// ReadPacket, called by one goroutine, reads large pieces, verifies and
// decrypts each packet where it lies, answers what belongs to this layer and
// returns the rest as an alias. See incoming.go and dispatch.go.
//
// # Changing keys
//
// Either side may begin, by bytes, packets or time, while data flows. See
// rekey.go.
package transport
