package main

import (
	"context"
	"io"
	"net"

	"github.com/fairlead-go/ssh"
	"github.com/fairlead-go/ssh/auth"
	"github.com/fairlead-go/ssh/channel"
	"github.com/fairlead-go/ssh/keys"
	"github.com/fairlead-go/ssh/transport"
)

type fairleadClient struct{ c *ssh.Client }

func dialFairlead(ctx context.Context, t *target) (client, error) {
	key, err := parsedKey(t, func(file []byte) (keys.Signer, error) { return keys.ParsePrivateKey(file, nil) })
	if err != nil {
		return nil, err
	}
	c, err := ssh.Dial(ctx, "tcp", t.addr, &ssh.ClientConfig{
		User:          t.user,
		Auth:          []auth.Method{auth.PublicKeys(key)},
		VerifyHostKey: transport.InsecureAcceptAnyHostKey,

		GuessKeyExchange: t.guess,
		Transport: transport.Config{
			Ciphers:      list(t.cipher),
			MACs:         list(t.mac),
			KeyExchanges: list(t.kex),
			RekeyBytes:   t.rekey,
		},
	})
	if err != nil {
		return nil, err
	}
	return fairleadClient{c}, nil
}

func (f fairleadClient) Close() error { return f.c.Close() }

func (f fairleadClient) exec(command string) (stream, error) {
	cmd := f.c.Command(command)
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(context.Background()); err != nil {
		return nil, err
	}
	return fairleadStream{out, in, cmd}, nil
}

type fairleadStream struct {
	io.Reader
	in  io.WriteCloser
	cmd *ssh.Cmd
}

func (s fairleadStream) Write(p []byte) (int, error) { return s.in.Write(p) }
func (s fairleadStream) CloseWrite() error           { return s.in.Close() }
func (s fairleadStream) Wait() error                 { return s.cmd.Wait(context.Background()) }
func (s fairleadStream) Close() error                { return s.cmd.Close() }

// most is more than any measurement needs at once.
const most = 1 << 16

func serveFairlead(ctx context.Context, l net.Listener, rekey uint64) error {
	hostKey, err := newHostKey()
	if err != nil {
		return err
	}
	signer, err := keys.NewPrivateKey(hostKey)
	if err != nil {
		return err
	}
	s := &ssh.Server{
		HostKeys: []keys.Signer{signer},
		Auth: auth.ServerConfig{
			// Any login: the method none is not among them, since clients
			// begin with it and the others would never be measured.
			PublicKey: func(context.Context, *auth.Attempt, keys.PublicKey) (*auth.Permissions, error) { return nil, nil },
			Password:  func(context.Context, *auth.Attempt, []byte) (*auth.Permissions, error) { return nil, nil },
		},
		Handler:     ssh.HandlerFunc(func(s *ssh.Session) { s.Exit(execute(s, s.Command())) }),
		MaxSessions: most,
		MaxStartups: most,
		Transport:   transport.Config{RekeyBytes: rekey},
		Channels:    channel.Config{MaxChannels: most},
	}
	defer context.AfterFunc(ctx, func() { s.Close() })()
	return s.Serve(l)
}
