package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/fairlead-go/ssh/examples/internal/skhelper"
	"github.com/fairlead-go/ssh/keys"
	"github.com/fairlead-go/ssh/keys/agent"
	"github.com/fairlead-go/ssh/keys/hostkeys"
)

// loadHostKeys loads the host keys that the configuration names, or those at
// the default place, where they are made if there are none; and certificates
// for them. As with OpenSSH, what cannot be loaded is left out.
func (s *settings) loadHostKeys() error {
	if len(s.opts.HostKey) == 0 {
		hosts, err := s.defaultHostKeys()
		if err != nil {
			return err
		}
		s.hostKeys = hostkeys.Signers(hosts)
	} else {
		held := s.agentKeys()
		for _, name := range s.opts.HostKey {
			signer, err := s.loadHostKey(name, held)
			if err != nil {
				s.log.errorf("Unable to load host key: %v", err)
				continue
			}
			s.hostKeys = append(s.hostKeys, signer)
		}
		if len(s.hostKeys) == 0 {
			return errors.New("no hostkeys available -- exiting.") //nolint:staticcheck,revive // OpenSSH's words
		}
	}
	var certified []keys.Signer
	for _, name := range s.opts.HostCertificate {
		signer, err := hostkeys.LoadCertificate(name, s.hostKeys...)
		if err != nil {
			s.log.errorf("Could not load host certificate: %v", err)
			continue
		}
		certified = append(certified, signer)
	}
	s.hostKeys = append(certified, s.hostKeys...)
	return nil
}

// loadHostKey loads a key of HostKey. Where there is only its public half, one
// of the agent's must be the other. A security key signs through OpenSSH's
// helper.
func (s *settings) loadHostKey(name string, held []keys.Signer) (keys.Signer, error) {
	host, err := hostkeys.Load(name)
	if err == nil {
		if k, ok := host.Signer.(*keys.PrivateKey); ok && k.SecurityKey() != nil {
			key := k.SecurityKey()
			key.Flags &^= keys.SKUserPresence // nobody is there to touch it
			if k, err = keys.NewSecurityKey(key); err != nil {
				return nil, err
			}
			return skhelper.New(k, s.opts.SecurityKeyProvider, nil)
		}
	}
	if err == nil || len(held) == 0 {
		return host.Signer, err
	}
	for _, path := range []string{name, name + ".pub"} {
		data, perr := os.ReadFile(path)
		if perr != nil {
			continue
		}
		public, _, perr := keys.ParsePublicKeyLine(data)
		if perr != nil {
			continue
		}
		for _, k := range held {
			if keys.Equal(k.PublicKey(), public) {
				return k, nil
			}
		}
		return nil, fmt.Errorf("%s: the agent does not hold the key", path)
	}
	return nil, err
}

// hostAgentTimeout bounds the wait for HostKeyAgent at start.
const hostAgentTimeout = 10 * time.Second

// agentKeys returns what HostKeyAgent holds: nothing where there is none.
func (s *settings) agentKeys() []keys.Signer {
	socket := s.opts.HostKeyAgent
	if socket == "" {
		return nil
	}
	if socket == "SSH_AUTH_SOCK" {
		socket = os.Getenv(socket)
	}
	ctx, cancel := context.WithTimeout(context.Background(), hostAgentTimeout)
	defer cancel()
	client, err := agent.Dial(ctx, socket) // open for as long as this process signs
	var held []keys.Signer
	if err == nil {
		held, err = client.Signers(ctx)
	}
	if err != nil {
		s.log.errorf("Could not connect to agent %q: %v", socket, err)
	}
	return held
}

func (s *settings) defaultHostKeys() ([]hostkeys.Host, error) {
	dir := configDir
	if os.Geteuid() != 0 {
		home, err := os.UserHomeDir()
		if err != nil {
			return nil, err
		}
		dir = filepath.Join(home, ".ssh", "sshd")
	}
	there, err := filepath.Glob(filepath.Join(dir, "ssh_host_*_key"))
	if err != nil {
		return nil, err
	}
	if len(there) == 0 && s.flags.Test {
		return nil, nil // they will be made at the first start
	}
	if len(there) == 0 {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, err
		}
		hosts, err := hostkeys.LoadOrCreate(dir)
		for _, h := range hosts {
			if h.Created {
				s.log.infof("Made host key %s %s", h.Path, keys.FingerprintSHA256(h.Signer.PublicKey()))
			}
		}
		return hosts, err
	}
	var hosts []hostkeys.Host
	for _, name := range there {
		h, err := hostkeys.Load(name)
		if err != nil {
			s.log.errorf("Unable to load host key: %v", err)
			continue
		}
		hosts = append(hosts, h)
	}
	if len(hosts) == 0 {
		return nil, fmt.Errorf("no hostkeys available in %s -- exiting", dir)
	}
	return hosts, nil
}
