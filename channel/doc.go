// Package channel is the SSH connection protocol, RFC 4254: many channels,
// each a flow-controlled pair of byte streams, over one authenticated
// connection, and the sessions and forwarded connections that they carry.
//
// [New] makes a [Mux] over a wire.PacketConn, and [Mux.Run] reads the
// connection until it ends. [Mux.Open] opens a [Channel], [Mux.Accept]
// returns those that the peer asks for. A Channel reads and writes like a
// net.Conn, with deadlines.
//
// A channel that nobody reads stalls once its window is full, and no other
// channel with it: the goroutine of Run never waits for a user of this
// package.
package channel

// The way of outgoing data:
//
//  1. stream.Write takes the stream's write turn, reserves window and a token
//     of the channel's lifecycle, and fills the stream's head. Where that takes
//     several packets, it holds them (wire.Holder) until the last, or until it
//     waits for window.
//  2. PacketConn.WritePacket gets the head and a part of the caller's slice.
//  3. The token goes back; if it was the last and EOF or CLOSE waits for it,
//     this goroutine queues them.
//
// The way of incoming data:
//
//  1. Mux.Run, or who has borrowed its turn (turn), reads a packet, which
//     aliases the transport's buffer, and finds the channel.
//  2. Channel.receiveData checks lifecycle and window, and copies the data,
//     once, into the slice of a Read that waits or into pooled chunks. That
//     Read is woken when the packets that were read from the network at once
//     are all dispatched.
//  3. Read copies from the chunks at the front, which it owns alone, and
//     credits the window when they are used up; credit that is due is queued
//     from the goroutine of Read.
//
// Locks, each a leaf that is never held with another, nor while anything is
// sent or waited for:
//
//	Mux.mu           the table of channels, global replies outstanding, the cause of the end
//	Channel.mu       lifecycle, windows, incoming buffers, replies outstanding
//	requestQueue.mu  requests that wait to be served
//	deadline.mu      one direction's deadline
//
// Turns (stream.reading, stream.writing, requestTurn) are channels of capacity
// 1. Their holders may wait, so they are taken in a select.
