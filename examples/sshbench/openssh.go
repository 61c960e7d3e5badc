package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os/exec"
	"strconv"
	"time"
)

// An opensshClient starts an ssh for each command. What connecting and logging
// in take is measured once and taken off, since it does not count for the others.
type opensshClient struct {
	ctx  context.Context
	args []string
	each spent // by a command that does nothing
}

var errNeedsKey = errors.New("ssh needs a -key file")

// logins is how often logging in is measured; the median counts.
const logins = 5

func dialOpenSSH(ctx context.Context, t *target) (client, error) {
	if t.keyFile == "" {
		return nil, errNeedsKey
	}
	host, port, err := net.SplitHostPort(t.addr)
	if err != nil {
		return nil, err
	}
	args := []string{"-F", "none", "-i", t.keyFile, "-l", t.user, "-p", port}
	for _, option := range []struct{ name, value string }{
		{"BatchMode", "yes"},
		{"IdentitiesOnly", "yes"},
		{"StrictHostKeyChecking", "no"},
		{"UserKnownHostsFile", "/dev/null"},
		{"LogLevel", "ERROR"},
		{"Ciphers", t.cipher},
		{"MACs", t.mac},
		{"KexAlgorithms", t.kex},
		{"RekeyLimit", rekeyLimit(t.rekey)},
	} {
		if option.value != "" {
			args = append(args, "-o", option.name+"="+option.value)
		}
	}
	o := &opensshClient{ctx: ctx, args: append(args, host)}
	var all []spent
	for range logins {
		before, start := childrenCPU(), time.Now()
		if out, err := o.command("true").CombinedOutput(); err != nil {
			return nil, fmt.Errorf("ssh: %w: %q", err, out)
		}
		all = append(all, spent{time.Since(start).Seconds(), childrenCPU() - before})
	}
	o.each = spent{
		median(all, func(s spent) float64 { return s.seconds }),
		median(all, func(s spent) float64 { return s.cpu }),
	}
	return o, nil
}

// rekeyLimit is the option's value for a number of bytes.
func rekeyLimit(bytes uint64) string {
	if bytes == 0 {
		return ""
	}
	return strconv.FormatUint(bytes, 10)
}

func (o *opensshClient) command(line string) *exec.Cmd {
	return exec.CommandContext(o.ctx, "ssh", append(o.args[:len(o.args):len(o.args)], line)...)
}

func (o *opensshClient) drain(line string) error { return o.command(line).Run() }
func (o *opensshClient) overhead() spent         { return o.each }
func (o *opensshClient) Close() error            { return nil }

func (o *opensshClient) exec(line string) (stream, error) {
	cmd := o.command(line)
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return &opensshStream{Reader: out, in: in, cmd: cmd}, nil
}

type opensshStream struct {
	io.Reader
	in     io.WriteCloser
	cmd    *exec.Cmd
	waited bool
}

func (s *opensshStream) Write(p []byte) (int, error) { return s.in.Write(p) }
func (s *opensshStream) CloseWrite() error           { return s.in.Close() }

func (s *opensshStream) Wait() error {
	s.waited = true
	return s.cmd.Wait()
}

func (s *opensshStream) Close() error {
	if s.waited {
		return nil
	}
	s.cmd.Process.Kill()
	s.Wait()
	return nil
}
