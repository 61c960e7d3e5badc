package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"

	"github.com/creack/pty"
	"github.com/pkg/sftp"

	"github.com/fairlead-go/ssh"
	"github.com/fairlead-go/ssh/channel"
)

// shell is the far side's. It runs with the rights of whoever runs this story:
// examples/sshd shows how a server becomes its users.
const shell = "/bin/sh"

// runProgram serves shells and commands: it is the server's Handler.
func (f *farSide) runProgram(s *ssh.Session) {
	cmd := exec.CommandContext(s.Context(), shell)
	if s.Kind() == channel.StartExec {
		cmd.Args = append(cmd.Args, "-c", s.Command())
	}
	cmd.Dir = filepath.Join(f.folder, "files")
	cmd.Env = append(cmd.Environ(), "HOME="+cmd.Dir, "ENV=") // no file of whoever runs this story is touched
	cmd.WaitDelay = time.Second                              // for what the program leaves behind
	var err error
	if s.PTY() != nil {
		err = runInTerminal(s, cmd)
	} else {
		err = runWithPipes(s, cmd)
	}
	s.Exit(exitStatus(s, cmd, err))
}

func runWithPipes(s *ssh.Session, cmd *exec.Cmd) error {
	cmd.Stdout, cmd.Stderr = s, s.Stderr()
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	go func() { // ends with the session
		io.Copy(stdin, s)
		stdin.Close()
	}()
	return cmd.Wait()
}

func runInTerminal(s *ssh.Session, cmd *exec.Cmd) error {
	cmd.Env = append(cmd.Env, "TERM="+s.PTY().Term, "PS1="+prompt)
	terminal, err := pty.StartWithSize(cmd, winsize(s.PTY().Size))
	if err != nil {
		return err
	}
	defer terminal.Close()
	ctx, cancel := context.WithCancel(s.Context())
	var following sync.WaitGroup
	defer following.Wait()
	defer cancel()
	following.Go(func() { followWindow(ctx, s, terminal) })
	go io.Copy(terminal, s) // ends with the session
	io.Copy(s, terminal)    // ends when nobody has the terminal open any more
	return cmd.Wait()
}

// followWindow gives the terminal each size that the client's takes.
func followWindow(ctx context.Context, s *ssh.Session, terminal *os.File) {
	for {
		select {
		case size := <-s.WindowChanges():
			pty.Setsize(terminal, winsize(size))
		case <-ctx.Done():
			return
		}
	}
}

// exitStatus is what a shell would give for how a program ended.
func exitStatus(s *ssh.Session, cmd *exec.Cmd, err error) int {
	switch {
	case cmd.ProcessState == nil: // it did not even start
		fmt.Fprintln(s.Stderr(), err)
		return 126
	case !cmd.ProcessState.Exited(): // a signal ended it
		return 128
	}
	return cmd.ProcessState.ExitCode()
}

// serveSFTP is the server's subsystem sftp.
func (f *farSide) serveSFTP(s *ssh.Session) {
	server, err := sftp.NewServer(s,
		sftp.WithServerWorkingDirectory(filepath.Join(f.folder, "files")),
		sftp.WithMaxTxPacket(sftpPacket),
		sftp.WithAllocator())
	if err != nil {
		fmt.Fprintln(s.Stderr(), err)
		s.Exit(1)
		return
	}
	if err := server.Serve(); err != nil && !errors.Is(err, io.EOF) {
		s.Exit(1)
	}
}

// echo is the server's subsystem echo: it says what it hears.
func echo(s *ssh.Session) { io.Copy(s, s) }
