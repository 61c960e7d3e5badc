package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/fairlead-go/ssh/keys"
)

// A serverProcess is a server in a process of its own.
type serverProcess struct {
	cmd   *exec.Cmd
	addr  string
	ended chan struct{}
}

// newServerProcess takes a process over that has been started.
func newServerProcess(cmd *exec.Cmd, addr string) *serverProcess {
	s := &serverProcess{cmd: cmd, addr: addr, ended: make(chan struct{})}
	go func() {
		cmd.Wait()
		close(s.ended)
	}()
	return s
}

func (s *serverProcess) stop() error {
	err := s.cmd.Process.Kill()
	<-s.ended
	if errors.Is(err, os.ErrProcessDone) {
		return errors.New("the server has ended before its time")
	}
	return err
}

// A workplace is what the processes of a comparison share: this program and a
// folder with keys.
type workplace struct{ self, dir string }

func newWorkplace() (*workplace, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "sshbench")
	if err != nil {
		return nil, err
	}
	w := &workplace{self, dir}
	if err := w.writeKeys(); err != nil {
		w.remove()
		return nil, err
	}
	return w, nil
}

func (w *workplace) remove() { os.RemoveAll(w.dir) }

func (w *workplace) userKey() string { return filepath.Join(w.dir, "user_key") }

// writeKeys makes the keys of sshd's host and of the user, who may log in.
func (w *workplace) writeKeys() error {
	for _, name := range []string{"host_key", "user_key"} {
		file, err := newKey()
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(w.dir, name), file, 0o600); err != nil {
			return err
		}
		if name == "host_key" {
			continue
		}
		key, err := keys.ParsePrivateKey(file, nil)
		if err != nil {
			return err
		}
		line := keys.MarshalAuthorizedKey(key.PublicKey(), "")
		if err := os.WriteFile(filepath.Join(w.dir, "authorized_keys"), line, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// server starts a server of an implementation.
func (w *workplace) server(ctx context.Context, impl string, rekey uint64) (*serverProcess, error) {
	if impl == "openssh" {
		return startSSHD(ctx, w.dir, rekey)
	}
	cmd := exec.CommandContext(ctx, w.self, "serve", "-addr", "127.0.0.1:0", "-impl", impl, "-rekey", fmt.Sprint(rekey))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	addr, err := bufio.NewReader(out).ReadString('\n')
	s := newServerProcess(cmd, strings.TrimSpace(addr))
	if err != nil {
		s.stop()
		return nil, fmt.Errorf("%s has not said where it listens: %w", impl, err)
	}
	return s, nil
}

// errStalled is a measurement that did not end in time.
var errStalled = errors.New("no result in time")

// stopping is how long a client that stalled has to end its own processes.
const stopping = 2 * time.Second

// measure runs this program as a client, for no longer than stall.
func (w *workplace) measure(ctx context.Context, args []string, stall time.Duration) (*result, error) {
	limited, cancel := context.WithTimeout(ctx, stall)
	defer cancel()
	cmd := exec.CommandContext(limited, w.self, append([]string{"run"}, args...)...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = stopping
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if limited.Err() != nil && ctx.Err() == nil {
		return nil, errStalled
	}
	if err != nil {
		return nil, fmt.Errorf("sshbench run %s: %w", strings.Join(args, " "), err)
	}
	r := new(result)
	return r, json.Unmarshal(out, r)
}
