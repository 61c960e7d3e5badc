package main

import (
	"context"
	"io"
	"net"

	xssh "golang.org/x/crypto/ssh"
)

type xcryptoClient struct{ c *xssh.Client }

func dialXCrypto(ctx context.Context, t *target) (client, error) {
	key, err := parsedKey(t, xssh.ParsePrivateKey)
	if err != nil {
		return nil, err
	}
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", t.addr)
	if err != nil {
		return nil, err
	}
	c, channels, requests, err := xssh.NewClientConn(conn, t.addr, &xssh.ClientConfig{
		User:            t.user,
		Auth:            []xssh.AuthMethod{xssh.PublicKeys(key)},
		HostKeyCallback: xssh.InsecureIgnoreHostKey(),
		Config: xssh.Config{
			Ciphers:        list(t.cipher),
			MACs:           list(t.mac),
			KeyExchanges:   list(t.kex),
			RekeyThreshold: t.rekey,
		},
	})
	if err != nil {
		conn.Close()
		return nil, err
	}
	return xcryptoClient{xssh.NewClient(c, channels, requests)}, nil
}

func (x xcryptoClient) Close() error { return x.c.Close() }

func (x xcryptoClient) exec(command string) (stream, error) {
	s, err := x.c.NewSession()
	if err != nil {
		return nil, err
	}
	in, err := s.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := s.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := s.Start(command); err != nil {
		s.Close()
		return nil, err
	}
	return xcryptoStream{out, in, s}, nil
}

type xcryptoStream struct {
	io.Reader
	in      io.WriteCloser
	session *xssh.Session
}

func (s xcryptoStream) Write(p []byte) (int, error) { return s.in.Write(p) }
func (s xcryptoStream) CloseWrite() error           { return s.in.Close() }
func (s xcryptoStream) Wait() error                 { return s.session.Wait() }
func (s xcryptoStream) Close() error                { return s.session.Close() }

func serveXCrypto(_ context.Context, l net.Listener, rekey uint64) error {
	hostKey, err := newHostKey()
	if err != nil {
		return err
	}
	signer, err := xssh.NewSignerFromKey(hostKey)
	if err != nil {
		return err
	}
	cfg := &xssh.ServerConfig{
		Config:            xssh.Config{RekeyThreshold: rekey},
		PublicKeyCallback: func(xssh.ConnMetadata, xssh.PublicKey) (*xssh.Permissions, error) { return nil, nil },
		PasswordCallback:  func(xssh.ConnMetadata, []byte) (*xssh.Permissions, error) { return nil, nil },
	}
	cfg.AddHostKey(signer)
	return acceptEach(l, func(c net.Conn) {
		_, channels, requests, err := xssh.NewServerConn(c, cfg)
		if err != nil {
			return
		}
		go xssh.DiscardRequests(requests)
		for n := range channels {
			if n.ChannelType() != "session" {
				n.Reject(xssh.UnknownChannelType, "")
				continue
			}
			go serveXCryptoSession(n)
		}
	})
}

func serveXCryptoSession(n xssh.NewChannel) {
	c, requests, err := n.Accept()
	if err != nil {
		return
	}
	defer c.Close()
	for r := range requests {
		var exec struct{ Command string }
		if r.Type != "exec" || xssh.Unmarshal(r.Payload, &exec) != nil {
			r.Reply(false, nil)
			continue
		}
		r.Reply(true, nil)
		go xssh.DiscardRequests(requests)
		status := struct{ Status uint32 }{uint32(execute(c, exec.Command))}
		c.CloseWrite()
		c.SendRequest("exit-status", false, xssh.Marshal(&status))
		return
	}
}
