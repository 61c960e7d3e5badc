package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"

	"github.com/fairlead-go/ssh/keys"
	"github.com/fairlead-go/ssh/keys/knownhosts"
	"github.com/fairlead-go/ssh/transport"
)

// meetUnknownHost connects to a server that the known_hosts file does not have,
// learns its key, and shows what client and server have agreed on.
func (s *story) meetUnknownHost(ctx context.Context) (err error) {
	if s.known, err = knownhosts.Open(s.knownHosts()); err != nil {
		return err
	}
	cfg := s.config(s.key)
	cfg.VerifyHostKey = s.known.TrustOnFirstUse(knownhosts.AddOptions{Hash: true}, s.askAboutHost)
	client, err := s.connect(ctx, cfg)
	if err != nil {
		return err
	}
	defer client.Close()
	if err := s.showKnownHosts(); err != nil {
		return err
	}
	return s.showState(client.ConnState())
}

func (s *story) knownHosts() string { return filepath.Join(s.folder, knownHostsFile) }

// askAboutHost stands for the question to a person. This person has read the
// fingerprint on the server's own screen, in step 1.
func (s *story) askAboutHost(_ context.Context, address string, key keys.PublicKey) (bool, error) {
	s.say("%s is not known. It shows %s %s.", address, key.Type(), keys.FingerprintSHA256(key))
	for _, host := range s.server.hostKeys {
		if keys.Equal(host.Signer.PublicKey(), key) {
			s.say("That is what the server printed: trusted, and learned.")
			return true, nil
		}
	}
	return false, nil
}

// showKnownHosts shows that the key is recorded, and the name only as a hash.
func (s *story) showKnownHosts() error {
	content, err := os.ReadFile(s.knownHosts())
	if err != nil {
		return err
	}
	host, _, err := net.SplitHostPort(s.addr)
	if err != nil {
		return err
	}
	line := string(content)
	if !strings.HasPrefix(line, "|1|") || strings.Contains(line, host) {
		return fmt.Errorf("the name in %s is not hashed: %q", s.knownHosts(), line)
	}
	s.say("%s has a line for it, with the name hashed:", knownHostsFile)
	s.quote(line)
	return nil
}

func (s *story) showState(state transport.State) error {
	if !state.PostQuantum || !state.StrictKex {
		return errors.New("key exchange is not post-quantum and strict")
	}
	s.say("Agreed on, by %s and %s:", state.ClientVersion, state.ServerVersion)
	s.say("  key exchange      %s, which withstands quantum computers", state.KeyExchange)
	s.say("  host key          %s", state.HostKeyAlgorithm)
	s.say("  cipher            %s to the server, %s from it", state.Out.Cipher, state.In.Cipher)
	s.say("  strict kex        %s", yesNo(state.StrictKex))
	return nil
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
