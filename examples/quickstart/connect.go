package main

import (
	"context"

	"github.com/fairlead-go/ssh"
	"github.com/fairlead-go/ssh/auth"
	"github.com/fairlead-go/ssh/keys"
)

// config is that of a client which knows a server already: the key that the
// server shows must be the one in the known_hosts file.
func (s *story) config(key keys.Signer) *ssh.ClientConfig {
	return &ssh.ClientConfig{
		User:              user,
		Auth:              []auth.Method{auth.PublicKeys(key)},
		VerifyHostKey:     s.known.Verify,
		HostKeyAlgorithms: s.known.HostKeyAlgorithms(s.addr, nil, nil),
	}
}

// connect logs in at the server. The connection ends with ctx.
func (s *story) connect(ctx context.Context, cfg *ssh.ClientConfig) (*ssh.Client, error) {
	client, err := ssh.Dial(ctx, "tcp", s.addr, cfg)
	if err != nil {
		return nil, err
	}
	context.AfterFunc(ctx, func() { client.Close() })
	return client, nil
}
