package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/fairlead-go/ssh/keys"
	"github.com/fairlead-go/ssh/keys/hostkeys"
)

// makeHostKeys starts a server in an empty folder, starts it again, and shows
// what happens to a file that is no key.
func (s *story) makeHostKeys(context.Context) (err error) {
	if s.key, err = keys.GenerateKey(keys.KeyEd25519, 0); err != nil {
		return err
	}
	if err := s.startServer(); err != nil {
		return err
	}
	s.say("It listens on %s. Its folder was empty; now it has:", s.addr)
	first := s.server.hostKeys
	for _, host := range first {
		if !host.Created {
			return fmt.Errorf("%s was there already", host.Path)
		}
		if err := s.showHostKey(host); err != nil {
			return err
		}
	}
	if err := s.restartServer(first); err != nil {
		return err
	}
	s.say("Started again, it uses the same files.")
	return s.showBrokenHostKey()
}

func (s *story) showHostKey(host hostkeys.Host) error {
	private, err := os.Stat(host.Path)
	if err != nil {
		return err
	}
	public, err := os.Stat(host.Path + ".pub")
	if err != nil {
		return err
	}
	s.say("  %-20s %#o  .pub %#o  %s", filepath.Base(host.Path), private.Mode().Perm(), public.Mode().Perm(),
		keys.FingerprintSHA256(host.Signer.PublicKey()))
	return nil
}

// restartServer stops the server, starts it again and compares its host keys
// with those that it had.
func (s *story) restartServer(had []hostkeys.Host) error {
	if err := s.stopServer(); err != nil {
		return err
	}
	if err := s.startServer(); err != nil {
		return err
	}
	for i, host := range s.server.hostKeys {
		if host.Created || !keys.Equal(host.Signer.PublicKey(), had[i].Signer.PublicKey()) {
			return fmt.Errorf("%s has another key after a restart", host.Path)
		}
	}
	return nil
}

// showBrokenHostKey tries to start a server where a host key file cannot be
// parsed.
func (s *story) showBrokenHostKey() error {
	folder := filepath.Join(s.folder, "broken")
	file := filepath.Join(folder, filepath.Base(s.server.hostKeys[0].Path))
	content := []byte("this is no key\n")
	if err := os.Mkdir(folder, 0o700); err != nil {
		return err
	}
	if err := os.WriteFile(file, content, 0o600); err != nil {
		return err
	}
	broken, refusal := startFarSide(folder, "127.0.0.1:0", s.key.PublicKey(), nil)
	if refusal == nil {
		return errors.Join(errors.New("a server started with a broken host key file"), broken.stop())
	}
	if !strings.Contains(refusal.Error(), file) {
		return fmt.Errorf("the error does not name %s: %w", file, refusal)
	}
	after, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if !bytes.Equal(after, content) {
		return fmt.Errorf("%s was overwritten", file)
	}
	s.say("Where a file holds no key, the server does not start, and leaves the file as it is:")
	s.sayError(refusal)
	return nil
}
