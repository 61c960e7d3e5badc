package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"

	"github.com/fairlead-go/ssh/auth"
	"github.com/fairlead-go/ssh/channel"
	"github.com/fairlead-go/ssh/examples/internal/config"
	"github.com/fairlead-go/ssh/transport"
	"github.com/fairlead-go/ssh/wire"
)

// peer is the server's address as messages have it.
func (c *connection) peer() string {
	if tcp, ok := c.remote.(*net.TCPAddr); ok {
		return fmt.Sprintf("%s port %d", tcp.IP, tcp.Port)
	}
	return "UNKNOWN port 65535"
}

// report tells the user, in OpenSSH's words where it has some, why a
// connection was not made or has ended. It returns errReported.
func (c *connection) report(err error) error {
	for _, line := range c.explain(err) {
		c.log.errorf("%s", line)
	}
	return errReported
}

func (c *connection) explain(err error) []string {
	if _, ok := errors.AsType[killedError](err); ok || errors.Is(err, errReported) {
		return nil
	}
	if _, ok := errors.AsType[*transport.HostKeyError](err); ok {
		if errors.Is(err, errHostKey) {
			return []string{"Host key verification failed."}
		}
		return []string{err.Error(), "Host key verification failed."}
	}
	if e, ok := errors.AsType[*transport.NegotiationError](err); ok {
		kind, _, _ := strings.Cut(e.Kind, " client")
		kind, _, _ = strings.Cut(kind, " server")
		kind = map[string]string{"key exchange": "key exchange method", "host key": "host key type"}[kind]
		if kind == "" {
			kind, _, _ = strings.Cut(e.Kind, " ")
		}
		return []string{fmt.Sprintf("Unable to negotiate with %s: no matching %s found. Their offer: %s",
			c.peer(), kind, strings.Join(e.Theirs, ","))}
	}
	if e, ok := errors.AsType[*auth.Error](err); ok {
		for _, cause := range e.Errs {
			c.log.debugf("%v", cause)
		}
		return []string{fmt.Sprintf("%s@%s: Permission denied (%s).", c.o.User, c.shownHost(), config.Printable(strings.Join(e.Allowed, ",")))}
	}
	if e, ok := errors.AsType[*transport.DisconnectError](err); ok && e.Remote {
		return []string{
			fmt.Sprintf("Received disconnect from %s:%d: %s", c.peer(), e.Reason, e.Message),
			"Disconnected from " + c.peer(),
		}
	}
	if e, ok := errors.AsType[*channel.OpenError](err); ok {
		return []string{fmt.Sprintf("channel 0: open failed: %s: %s", e.Reason, e.Message)}
	}
	return c.explainTransport(err)
}

// explainTransport is explain for what goes wrong below authentication.
func (c *connection) explainTransport(err error) []string {
	fatal := "ssh_dispatch_run_fatal: Connection to " + c.peer() + ": "
	if errors.Is(err, transport.ErrIntegrity) {
		return []string{"Corrupted MAC on input.", fatal + "message authentication code incorrect"}
	}
	if e, ok := errors.AsType[*wire.ProtocolError](err); ok {
		if n, bad := strings.CutPrefix(e.Message, "packet length "); bad {
			n, _, _ = strings.Cut(n, " ")
			return []string{"Bad packet length " + n + ".", fatal + "Connection corrupted"}
		}
		return []string{fatal + e.Message}
	}
	if e, ok := errors.AsType[*transport.VersionError](err); ok {
		return []string{"kex_exchange_identification: " + e.Error(), "banner exchange: Connection to " + c.peer() + ": invalid format"}
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		if c.client != nil {
			return []string{fmt.Sprintf("Timeout, server %s not responding.", c.o.HostName)}
		}
		return []string{"Connection to " + c.peer() + " timed out"}
	}
	if _, ok := errors.AsType[*transport.ConnectionError](err); ok {
		switch {
		case c.client != nil && errors.Is(err, io.ErrUnexpectedEOF):
			return []string{fmt.Sprintf("Connection to %s closed by remote host.", c.o.HostName)}
		case errors.Is(err, io.ErrUnexpectedEOF):
			return []string{"Connection closed by " + c.peer()}
		case errors.Is(err, syscall.ECONNRESET):
			return []string{"Connection reset by " + c.peer()}
		case errors.Is(err, syscall.EPIPE):
			return []string{"client_loop: send disconnect: Broken pipe"}
		}
	}
	return []string{err.Error()}
}
