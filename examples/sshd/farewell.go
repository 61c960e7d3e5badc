package main

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"syscall"

	"github.com/fairlead-go/ssh/auth"
	"github.com/fairlead-go/ssh/transport"
)

// ended logs why the connection has ended, in the words of OpenSSH, which
// programs such as fail2ban read, and returns the exit status.
func (c *connection) ended(err error) int {
	if c.grace != nil {
		c.grace.Stop()
	}
	c.cleanMu.Lock()
	defer c.cleanMu.Unlock()
	for _, f := range c.clean {
		f()
	}
	if c.done.Load() {
		return c.endedAfterLogin(err)
	}
	return c.endedBeforeLogin(err)
}

func (c *connection) endedBeforeLogin(err error) int {
	who := c.who("authenticating user")
	if d, ok := errors.AsType[*transport.DisconnectError](err); ok && d.Remote {
		c.log.infof("Received disconnect from %s:%d: %s [preauth]", c.peer(), d.Reason, d.Message)
		c.log.infof("Disconnected from %s [preauth]", who)
		return exitFatal
	}
	if n, ok := errors.AsType[*transport.NegotiationError](err); ok {
		c.log.infof("Unable to negotiate with %s: no matching %s found. Their offer: %s [preauth]",
			c.peer(), algorithmKind(n.Kind), strings.Join(n.Theirs, ","))
		return exitFatal
	}
	if v, ok := errors.AsType[*transport.VersionError](err); ok {
		if strings.HasPrefix(v.Line, "SSH-1.") {
			c.log.infof("Protocol major versions differ for %s: %s vs. SSH-2.0-%s", c.peer(), v.Line, softwareVersion(c.opts))
		} else {
			c.log.errorf("banner exchange: Connection from %s: invalid format", c.peer())
		}
		return exitFatal
	}
	switch {
	case errors.Is(err, errGrace):
		c.log.fatalf("Timeout before authentication for %s", c.peer())
	case errors.Is(err, auth.ErrTooManyAttempts):
		c.log.errorf("maximum authentication attempts exceeded for %s from %s ssh2 [preauth]", c.user(), c.peer())
		c.log.infof("Disconnecting %s: Too many authentication failures [preauth]", who)
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		c.log.infof("Connection reset by %s [preauth]", who)
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		c.log.infof("Connection closed by %s [preauth]", who)
	default:
		c.log.errorf("Disconnecting %s: %v [preauth]", who, err)
	}
	return exitFatal
}

func (c *connection) endedAfterLogin(err error) int {
	who := c.who("user")
	if d, ok := errors.AsType[*transport.DisconnectError](err); ok && d.Remote {
		c.log.infof("Received disconnect from %s:%d: %s", c.peer(), d.Reason, d.Message)
		c.log.infof("Disconnected from %s", who)
		return exitOK
	}
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		c.log.infof("Timeout, client not responding from %s", who)
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		c.log.infof("Connection reset by %s", who)
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		c.log.infof("Connection closed by %s", who)
		return exitOK
	case errors.Is(err, net.ErrClosed):
		c.log.infof("Disconnected from %s", who)
		return exitOK
	default:
		c.log.errorf("Disconnecting %s: %v", who, err)
	}
	return exitFatal
}

// who names the client: by its user, called as role says, where that is known.
func (c *connection) who(role string) string {
	switch {
	case c.name == "":
		return c.peer()
	case c.account == nil:
		role = "invalid user"
	}
	return role + " " + c.name + " " + c.peer()
}

// algorithmKind is what OpenSSH calls one of the lists that are negotiated.
func algorithmKind(kind string) string {
	for _, k := range [][2]string{
		{"key exchange", "key exchange method"}, {"host key", "host key type"}, {"cipher", "cipher"}, {"MAC", "MAC"},
		{"compression", "compression method"},
	} {
		if strings.HasPrefix(kind, k[0]) {
			return k[1]
		}
	}
	return kind
}

// endpointOf returns the zero value for what is no TCP address.
func endpointOf(a net.Addr) netip.AddrPort {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	at := tcp.AddrPort()
	return netip.AddrPortFrom(at.Addr().Unmap(), at.Port())
}

// address and port are OpenSSH's words for an end, also for one without address.
func address(a netip.AddrPort) string {
	if !a.IsValid() {
		return "UNKNOWN"
	}
	return a.Addr().String()
}

func port(a netip.AddrPort) uint16 {
	if !a.IsValid() {
		return 65535
	}
	return a.Port()
}

func portText(a netip.AddrPort) string { return strconv.Itoa(int(port(a))) }
