package main

import (
	"context"
	"net"
	"slices"
	"strconv"

	"github.com/fairlead-go/ssh/auth"
	"github.com/fairlead-go/ssh/channel"
	"github.com/fairlead-go/ssh/examples/internal/serverconfig"
)

// forwardConfig follows AllowTcpForwarding, PermitOpen, PermitListen and
// GatewayPorts. What a key's line restricts is in the login's permissions.
func (c *connection) forwardConfig() channel.ForwardConfig {
	cfg := channel.ForwardConfig{
		PermitDial: func(_ context.Context, to channel.TCPIPChannel) bool {
			ok := c.allowsForwarding(serverconfig.Local) &&
				(&auth.Permissions{PermitOpen: permitList(c.opts.PermitOpen)}).AllowsOpen(to.Host, to.Port)
			if !ok {
				c.log.infof("refused local port forward: originator %s port %d, target %s port %d",
					to.Originator, to.OriginatorPort, to.Host, to.Port)
			}
			return ok
		},
		PermitListen: func(_ context.Context, host string, port uint32) bool {
			ok := c.allowsForwarding(serverconfig.Remote) && c.mayBind(port) &&
				(&auth.Permissions{PermitListen: permitList(c.opts.PermitListen)}).AllowsListen(host, port)
			if !ok {
				c.log.infof("refused remote port forward: %s", net.JoinHostPort(host, strconv.Itoa(int(port))))
			}
			return ok
		},
		GatewayPorts: c.opts.GatewayPorts != serverconfig.No,
	}
	if c.opts.GatewayPorts == serverconfig.Yes {
		// Whatever address the client asks for, it is every one.
		cfg.Listen = func(ctx context.Context, network, address string) (net.Listener, error) {
			_, port, err := net.SplitHostPort(address)
			if err != nil {
				return nil, err
			}
			return new(net.ListenConfig).Listen(ctx, network, net.JoinHostPort("", port))
		}
	}
	return cfg
}

// allowsForwarding says whether AllowTcpForwarding allows a direction, which
// is serverconfig.Local or Remote.
func (c *connection) allowsForwarding(direction string) bool {
	allowed := c.opts.AllowTCPForwarding
	return allowed == serverconfig.Yes || allowed == direction
}

// mayBind keeps low ports for root, for whom the server could bind them.
func (c *connection) mayBind(port uint32) bool {
	const reserved = 1024
	return port == 0 || port >= reserved || c.account.UID == 0
}

// permitList is the value of PermitOpen or PermitListen as package auth has it.
func permitList(words []string) []string {
	switch {
	case slices.Equal(words, []string{"any"}):
		return nil
	case slices.Equal(words, []string{serverconfig.None}):
		return []string{}
	}
	return words
}
