package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/fairlead-go/ssh"
	"github.com/fairlead-go/ssh/auth"
	"github.com/fairlead-go/ssh/channel"
	"github.com/fairlead-go/ssh/keys"
)

// runCommands logs in, runs commands, and works in a shell.
func (s *story) runCommands(ctx context.Context) (err error) {
	if err := s.showWrongKey(ctx); err != nil {
		return err
	}
	if s.client, err = s.connect(ctx, s.config(s.key)); err != nil {
		return err
	}
	login := s.client.Login()
	s.say("Logged in as %s by %s with %s.", user, login.Method, keys.FingerprintSHA256(login.Key))
	if _, err := os.Stat(shell); err != nil {
		s.say("There is no %s here, so no commands are run.", shell)
		return nil
	}
	for _, show := range []func(context.Context) error{s.showOutput, s.showFailure, s.showStdin, s.showShell} {
		if err := show(ctx); err != nil {
			return err
		}
	}
	return nil
}

// showWrongKey tries to log in with a key that the server does not know.
func (s *story) showWrongKey(ctx context.Context) error {
	wrong, err := keys.GenerateKey(keys.KeyEd25519, 0)
	if err != nil {
		return err
	}
	client, err := s.connect(ctx, s.config(wrong))
	if err == nil {
		client.Close()
		return errors.New("an unknown key could log in")
	}
	if _, refused := errors.AsType[*auth.Error](err); !refused {
		return err
	}
	s.say("A key that the server does not know is refused:")
	s.sayError(err)
	return nil
}

func (s *story) showOutput(ctx context.Context) error {
	const command = "echo Hello from the far side"
	output, err := s.client.Command(command).Output(ctx)
	if err != nil {
		return err
	}
	s.say("$ %s", command)
	s.quote(string(output))
	return nil
}

// showFailure runs a command that complains and fails.
func (s *story) showFailure(ctx context.Context) error {
	const command = "echo fine; echo trouble >&2; exit 3"
	var stdout, stderr bytes.Buffer
	cmd := s.client.Command(command)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run(ctx)
	exit, ok := errors.AsType[*ssh.ExitError](err)
	if !ok || exit.ExitCode() != 3 {
		return fmt.Errorf("%q should have ended with status 3: %v", command, err)
	}
	s.say("$ %s", command)
	s.quote(fmt.Sprintf("stdout: %sstderr: %sexit status: %d", &stdout, &stderr, exit.ExitCode()))
	return nil
}

// showStdin pipes text through a command.
func (s *story) showStdin(ctx context.Context) error {
	const command = "sort"
	cmd := s.client.Command(command)
	cmd.Stdin = strings.NewReader("mooring\nanchor\nfairlead\n")
	output, err := cmd.Output(ctx)
	if err != nil {
		return err
	}
	if string(output) != "anchor\nfairlead\nmooring\n" {
		return fmt.Errorf("%q gave %q", command, output)
	}
	s.say("$ printf 'mooring\\nanchor\\nfairlead\\n' | %s", command)
	s.quote(string(output))
	return nil
}

// showShell works in a shell as a person does, whose terminal window then
// becomes larger.
func (s *story) showShell(ctx context.Context) error {
	sh, err := s.openShell(ctx, channel.WindowSize{Columns: 80, Rows: 24})
	if err != nil {
		return err
	}
	defer sh.cmd.Close()
	err = sh.typeLine("tty; stty size; until stty size | grep '50 132'; do sleep 0.1; done")
	if err := errors.Join(err, sh.waitFor("24 80")); err != nil {
		return err
	}
	err = sh.cmd.Resize(ctx, channel.WindowSize{Columns: 132, Rows: 50})
	if err := errors.Join(err, sh.waitFor(prompt)); err != nil {
		return err
	}
	if err := sh.exit(ctx, 7); err != nil {
		return err
	}
	s.say("A shell in a terminal, whose window grows from 24x80 to 50x132 meanwhile; it ends with status 7:")
	s.quote(sh.text())
	return nil
}
