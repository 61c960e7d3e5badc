package main

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"

	"github.com/fairlead-go/ssh"
	"github.com/fairlead-go/ssh/auth"
	"github.com/fairlead-go/ssh/channel"
	"github.com/fairlead-go/ssh/keys"
	"github.com/fairlead-go/ssh/keys/hostkeys"
	"github.com/fairlead-go/ssh/transport"
)

// A farSide is an SSH server, the folder that it works in, and the network
// behind it.
type farSide struct {
	folder   string
	hostKeys []hostkeys.Host
	addr     string // of the server, 127.0.0.1:port

	server   *ssh.Server
	served   chan error // what Serve returned
	intranet *intranet
}

// errUnknownKey refuses a login. The client is not told why.
var errUnknownKey = errors.New("not alice's key")

// startFarSide starts a server at addr, with the host keys in folder, which are
// made if they are missing. Whoever has the key may log in. The trace, where
// not nil, sees what arrives.
func startFarSide(folder, addr string, key keys.PublicKey, trace *transport.Trace) (*farSide, error) {
	if err := os.MkdirAll(filepath.Join(folder, "files"), 0o700); err != nil {
		return nil, err
	}
	hosts, err := hostkeys.LoadOrCreate(folder)
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, err
	}
	f := &farSide{
		folder:   folder,
		hostKeys: hosts,
		addr:     l.Addr().String(),
		served:   make(chan error, 1),
		intranet: startIntranet(),
	}
	f.server = &ssh.Server{
		HostKeys: hostkeys.Signers(hosts),
		Auth: auth.ServerConfig{
			PublicKey: func(_ context.Context, a *auth.Attempt, offered keys.PublicKey) (*auth.Permissions, error) {
				if a.User != user || !keys.Equal(offered, key) {
					return nil, errUnknownKey
				}
				return nil, nil // no restriction
			},
		},
		Handler:    ssh.HandlerFunc(f.runProgram),
		Subsystems: map[string]ssh.Handler{"sftp": ssh.HandlerFunc(f.serveSFTP), "echo": ssh.HandlerFunc(echo)},
		AllowPTY:   true,
		Forward: channel.ForwardConfig{
			PermitDial: func(_ context.Context, to channel.TCPIPChannel) bool {
				return to.Host == intranetHost && to.Port == intranetPort
			},
			Dial: f.intranet.dial,
		},
		Transport: transport.Config{Trace: trace},
	}
	go func() { f.served <- f.server.Serve(l) }()
	return f, nil
}

// stop ends the server and all its connections.
func (f *farSide) stop() error {
	err := f.server.Close()
	if served := <-f.served; !errors.Is(served, ssh.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	f.intranet.server.Close()
	return err
}

// startServer starts the story's own server: at a free port the first time, at
// the same one later.
func (s *story) startServer() (err error) {
	addr := s.addr
	if addr == "" {
		addr = "127.0.0.1:0"
	}
	s.server, err = startFarSide(s.serverFolder(), addr, s.key.PublicKey(), nil)
	if err == nil {
		s.addr = s.server.addr
	}
	return err
}

// stopServer stops it, if it runs.
func (s *story) stopServer() error {
	if s.server == nil {
		return nil
	}
	err := s.server.stop()
	s.server = nil
	return err
}

func (s *story) serverFolder() string { return filepath.Join(s.folder, "server") }
