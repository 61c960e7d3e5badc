package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/fairlead-go/ssh/keys"
)

// useOpenSSH runs the ssh program, where there is one, against the server, with
// the key and the known_hosts file of this story.
func (s *story) useOpenSSH(ctx context.Context) error {
	program, err := exec.LookPath("ssh")
	if err != nil {
		s.say("No ssh program is installed here: nothing to show.")
		return nil
	}
	keyFile := filepath.Join(s.folder, userKeyFile)
	file, err := s.key.MarshalOpenSSH(keys.MarshalOptions{})
	if err != nil {
		return err
	}
	if err := os.WriteFile(keyFile, file, 0o600); err != nil {
		return err
	}
	host, port, err := net.SplitHostPort(s.addr)
	if err != nil {
		return err
	}
	args := []string{
		"-F", "none", // not the configuration of whoever runs this
		"-o", "UserKnownHostsFile=" + s.knownHosts(),
		"-o", "StrictHostKeyChecking=yes",
		"-o", "BatchMode=yes",
		"-o", "IdentitiesOnly=yes",
		"-i", keyFile, "-p", port, user + "@" + host,
	}
	const text = "Hello from OpenSSH\n"
	const command = "cat; exit 5"
	ssh := exec.CommandContext(ctx, program, append(args, command)...)
	ssh.Stdin = strings.NewReader(text)
	var complaints bytes.Buffer
	ssh.Stderr = &complaints
	output, err := ssh.Output()
	if ssh.ProcessState.ExitCode() != 5 || string(output) != text {
		return fmt.Errorf("ssh gave %q and %q: %v", output, &complaints, err)
	}
	s.say("%s:", version(ctx, program))
	s.say("$ echo Hello from OpenSSH | ssh -i %s -p %s … %s@%s '%s'", userKeyFile, port, user, host, command)
	s.quote(string(output) + "exit status: 5")
	return nil
}

// version returns what an ssh program calls itself.
func version(ctx context.Context, program string) string {
	out, err := exec.CommandContext(ctx, program, "-V").CombinedOutput()
	if err != nil {
		return program
	}
	return strings.TrimSpace(string(out))
}
