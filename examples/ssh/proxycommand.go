package main

import (
	"errors"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// A proxy is the standard input and output of a ProxyCommand as a connection.
type proxy struct {
	in, out *os.File // the program's input, which we write, and its output
	cmd     *exec.Cmd
	ended   chan struct{}
}

// startProxy runs a command line by the user's shell. Its errors go to ours.
func startProxy(command string) (*proxy, error) {
	theirIn, in, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	out, theirOut, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, theirIn.Close(), in.Close())
	}
	cmd := exec.Command(shell(), "-c", "exec "+command)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = theirIn, theirOut, os.Stderr
	err = cmd.Start()
	theirIn.Close()
	theirOut.Close()
	if err != nil {
		in.Close()
		out.Close()
		return nil, err
	}
	p := &proxy{in: in, out: out, cmd: cmd, ended: make(chan struct{})}
	go func() {
		defer close(p.ended)
		_ = cmd.Wait() // how it ends tells nothing: the connection's end does
	}()
	return p, nil
}

func shell() string {
	if s := os.Getenv("SHELL"); s != "" {
		return s
	}
	return "/bin/sh"
}

func (p *proxy) Read(b []byte) (int, error)  { return p.out.Read(b) }
func (p *proxy) Write(b []byte) (int, error) { return p.in.Write(b) }

// Close ends the program: by the end of its input, or by SIGHUP.
func (p *proxy) Close() error {
	err := errors.Join(p.in.Close(), p.out.Close())
	select {
	case <-p.ended:
	case <-time.After(20 * time.Millisecond):
		_ = p.cmd.Process.Signal(syscall.SIGHUP)
	}
	return err
}
