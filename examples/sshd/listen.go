package main

import (
	"context"
	"errors"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// listen accepts connections until a signal ends it. With -d it serves one, in
// this process.
func (s *settings) listen() int {
	if err := s.loadHostKeys(); err != nil {
		s.log.fatalf("%v", err)
		return exitError
	}
	listeners := s.bind()
	if len(listeners) == 0 {
		s.log.fatalf("Cannot bind any address.")
		return exitFatal
	}
	closeAll := func() {
		for _, l := range listeners {
			l.Close()
		}
	}
	if s.flags.Debug > 0 {
		defer closeAll()
		return s.serveOne(listeners)
	}
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGHUP)
	if err := s.writePID(); err != nil {
		s.log.errorf("Couldn't create pid file %q: %v", s.opts.PidFile, err)
	}
	adoptChildren()
	reportReady()
	children := newChildren(s)
	for _, l := range listeners {
		go children.accept(l)
	}
	for sig := range signals {
		if sig == syscall.SIGHUP {
			// A configuration that is not right must not end the service.
			if _, err := load(s.flags); err != nil {
				s.log.errorf("Received SIGHUP; not restarting: %v", err)
				continue
			}
			s.log.infof("Received SIGHUP; restarting.")
			closeAll()
			s.log.fatalf("RESTART FAILED: %v", restart(children.pids()))
			s.removePID()
			return exitError
		}
		s.log.infof("Received signal %d; terminating.", sig)
		closeAll()
		s.removePID()
		// The connections that there are go on, each in its own process.
		if sig != syscall.SIGTERM {
			return exitFatal
		}
		break
	}
	return exitOK
}

// bind listens on all configured addresses that can be had.
func (s *settings) bind() []net.Listener {
	network, addresses := s.opts.Listen()
	cfg := net.ListenConfig{KeepAlive: -1} // each connection decides on its own
	var listeners []net.Listener
	for _, address := range addresses {
		for _, n := range networks(network, address) {
			l, err := cfg.Listen(context.Background(), n, address)
			if err != nil {
				s.log.errorf("Bind to %s failed: %v.", address, err)
				continue
			}
			at := endpointOf(l.Addr())
			s.log.infof("Server listening on %s port %d.", at.Addr(), at.Port())
			listeners = append(listeners, l)
		}
	}
	return listeners
}

// networks returns the networks to listen on for address. One without a host
// has a listener for each family, as with OpenSSH, so that one may be missing.
func networks(network, address string) []string {
	if host, _, err := net.SplitHostPort(address); err != nil || host != "" || network != "tcp" {
		return []string{network}
	}
	return []string{"tcp4", "tcp6"}
}

// serveOne serves the first connection that comes.
func (s *settings) serveOne(listeners []net.Listener) int {
	conns := make(chan net.Conn)
	done := make(chan struct{})
	defer close(done)
	for _, l := range listeners {
		go func() {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			select {
			case conns <- conn:
			case <-done:
				conn.Close()
			}
		}()
	}
	return s.serveConn(<-conns, nil)
}

// accept starts a process for each connection that l has.
func (c *children) accept(l net.Listener) {
	delay := time.Duration(0)
	for {
		conn, err := l.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil: // out of descriptors, and the like, which passes
			delay = min(max(2*delay, 5*time.Millisecond), time.Second)
			c.settings.log.errorf("accept: %v", err)
			time.Sleep(delay)
			continue
		}
		delay = 0
		c.take(conn.(*net.TCPConn))
	}
}
