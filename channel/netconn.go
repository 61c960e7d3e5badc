package channel

import (
	"io"
	"net"
	"time"
)

// A StreamConn is a channel as a net.Conn: Read and Write are the channel's
// data, deadlines are real, and CloseWrite sends EOF while Read goes on.
// Errors other than io.EOF are *net.OpError.
type StreamConn struct {
	ch            *Channel
	local, remote net.Addr
}

// NetConn returns ch as a net.Conn between the two addresses. A nil address
// stands for one that is not known.
func NetConn(ch *Channel, local, remote net.Addr) *StreamConn {
	unknown := Addr{Net: "ssh"}
	if local == nil {
		local = unknown
	}
	if remote == nil {
		remote = unknown
	}
	return &StreamConn{ch, local, remote}
}

// Channel returns the channel itself.
func (c *StreamConn) Channel() *Channel { return c.ch }

// Read implements net.Conn. It returns io.EOF only after the peer sent EOF.
func (c *StreamConn) Read(p []byte) (int, error) {
	n, err := c.ch.Read(p)
	return n, c.opError("read", err)
}

// Write implements net.Conn.
func (c *StreamConn) Write(p []byte) (int, error) {
	n, err := c.ch.Write(p)
	return n, c.opError("write", err)
}

// CloseWrite sends EOF; data can still be read.
func (c *StreamConn) CloseWrite() error { return c.opError("close", c.ch.CloseWrite()) }

// Close implements net.Conn. Data that Write has taken still arrives.
func (c *StreamConn) Close() error {
	return c.opError("close", c.ch.Close())
}

// LocalAddr implements net.Conn.
func (c *StreamConn) LocalAddr() net.Addr { return c.local }

// RemoteAddr implements net.Conn.
func (c *StreamConn) RemoteAddr() net.Addr { return c.remote }

// SetDeadline implements net.Conn.
func (c *StreamConn) SetDeadline(t time.Time) error {
	return c.opError("set", c.ch.SetDeadline(t))
}

// SetReadDeadline implements net.Conn.
func (c *StreamConn) SetReadDeadline(t time.Time) error {
	return c.opError("set", c.ch.SetReadDeadline(t))
}

// SetWriteDeadline implements net.Conn.
func (c *StreamConn) SetWriteDeadline(t time.Time) error {
	return c.opError("set", c.ch.SetWriteDeadline(t))
}

// opError wraps as package net does. io.EOF stays itself: readers compare it.
func (c *StreamConn) opError(op string, err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	return &net.OpError{Op: op, Net: c.remote.Network(), Source: c.local, Addr: c.remote, Err: err}
}
