//go:build interop

package interop

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os/exec"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh"
	"github.com/fairlead-go/ssh/auth"
	"github.com/fairlead-go/ssh/keys"
	"github.com/fairlead-go/ssh/transport"
)

// Each combination carries matrixBytes both ways and changes keys on the way.
const (
	matrixBytes = 160 << 10
	matrixRekey = 100 << 10
)

// RekeyLimit that is matrixRekey, for OpenSSH.
const matrixRekeyLimit = "RekeyLimit 100K none"

// TestAlgorithms goes through all algorithms that the library and each of its
// peers both have, legacy ones included, so that every two of different kinds
// largeGroups are the key exchanges with the largest of finite fields.
var largeGroups = []string{"diffie-hellman-group16-sha512", "diffie-hellman-group18-sha512"}

// meet: some 280 connections for OpenSSH in each role.
func TestAlgorithms(t *testing.T) {
	t.Parallel()
	payload, everything := randomBytes(matrixBytes), everything(t)
	t.Run("server", func(t *testing.T) {
		for _, tt := range []struct {
			name   string
			client client
			rekeys bool     // it can be told when
			asks   []string // key exchanges that it wants confirmed by somebody
		}{
			{"OpenSSH", openSSH{peer(t, "ssh")}, true, nil},
			{"Dropbear", dbclient{}, false, nil},
			{"PuTTY", putty{}, false, []string{"diffie-hellman-group1-sha1"}},
		} {
			t.Run(tt.name, func(t *testing.T) {
				p := clientProposal(t, tt.client)
				p.kex = slices.DeleteFunc(p.kex, func(name string) bool {
					if _, slow := tt.client.(putty); slow && !exhaustive && slices.Contains(largeGroups, name) {
						return true // its arithmetic takes a second
					}
					return slices.Contains(tt.asks, name)
				})
				matrix(t, p.common(t, tt.rekeys), func(c combination) error {
					return serveCombination(t, tt.client, c, payload, everything)
				})
			})
		}
	})
	t.Run("client", func(t *testing.T) {
		for _, tt := range []struct {
			name   string
			server func(t testing.TB) *server
			rekeys func(t testing.TB) *server // the same, asking for new keys
		}{
			{"OpenSSH", func(t testing.TB) *server {
				return sshd(t, peer(t, "sshd"), append(everything, "LogLevel ERROR", "RekeyLimit default none")...)
			}, func(t testing.TB) *server {
				return sshd(t, peer(t, "sshd"), append(everything, "LogLevel ERROR", matrixRekeyLimit)...)
			}},
			{"Dropbear", func(t testing.TB) *server { return dropbear(t, "ed25519", "ecdsa256", "ecdsa384", "rsa") }, nil},
			// It offers rsa-sha2-256 whether it has such a key or not.
			{"DropbearWithAnotherKey", func(t testing.TB) *server { return dropbear(t, "ecdsa521", "rsa") }, nil},
		} {
			t.Run(tt.name, func(t *testing.T) {
				servers := map[bool]*server{false: tt.server(t)}
				if tt.rekeys != nil {
					servers[true] = tt.rekeys(t)
				}
				all := serverProposal(t, servers[false].address()).common(t, tt.rekeys != nil)
				matrix(t, all, func(c combination) error {
					return dialCombination(t.Context(), servers[c.peerRekeys], userKeys(t)[0].key, c, payload)
				})
			})
		}
	})
}

// matrix tries all combinations, three at a time: Dropbear closes the sixth
// connection that has not logged in yet.
func matrix(t *testing.T, all []combination, try func(c combination) error) {
	require.NotEmpty(t, all)
	failed := make(map[combination]error)
	var mu sync.Mutex
	var workers sync.WaitGroup
	queue := make(chan int, len(all))
	for i := range all {
		queue <- i
	}
	close(queue)
	for range 3 {
		workers.Go(func() {
			for i := range queue {
				if err := try(all[i]); err != nil {
					mu.Lock()
					failed[all[i]] = err
					mu.Unlock()
				}
			}
		})
	}
	workers.Wait()
	t.Log(table(all, failed))
	for c, err := range failed {
		t.Errorf("%v: %v", c, err)
	}
}

// serveCombination lets a client program log into a server that has no other
// algorithms than those of c.
func serveCombination(t *testing.T, program client, c combination, payload []byte, settings []string) error {
	conn := make(chan *ssh.ServerConn, 1)
	s := &ssh.Server{
		Auth: auth.ServerConfig{None: auth.AllowAnonymous},
		Handler: ssh.HandlerFunc(func(s *ssh.Session) {
			conn <- s.Conn()
			io.Copy(s, s)
		}),
		Transport: c.config(),
	}
	o := options{settings: slices.Clone(settings)}
	if c.compression != "none" {
		o.settings = append(o.settings, "Compression yes")
		if _, ok := program.(putty); ok {
			o.extra = []string{"-C"}
		}
	}
	limit := "RekeyLimit default none"
	if c.peerRekeys {
		limit = matrixRekeyLimit
	}
	o.settings = append(o.settings, limit)
	for _, k := range hostKeys(t) {
		if slices.Contains(append(k.key.Algorithms(), k.key.LegacyAlgorithms()...), c.hostKey) {
			s.HostKeys = append(s.HostKeys, oneAlgorithm{k.key, c.hostKey})
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	go s.Serve(l)
	defer s.Close()
	at := &server{port: l.Addr().(*net.TCPAddr).Port, user: login(t)}
	cmd := program.command(t, at, o, "cat")
	cmd.Stdin = bytes.NewReader(payload)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := within(cmd); err != nil {
		return fmt.Errorf("%w: %.500s", err, stderr.String())
	}
	if !bytes.Equal(stdout.Bytes(), payload) {
		return fmt.Errorf("%d bytes went out and %d others came back", len(payload), stdout.Len())
	}
	served := <-conn
	<-served.Done() // then all that the program sent is read
	return c.check(served.ConnState())
}

// within runs cmd for as long as patience allows.
func within(cmd *exec.Cmd) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := cmd.Start(); err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = cmd.Process.Kill() })
	defer stop()
	return cmd.Wait()
}

// oneAlgorithm is a host key that signs in one way only.
type oneAlgorithm struct {
	*keys.PrivateKey
	algorithm string
}

func (k oneAlgorithm) Algorithms() []string {
	return both([]string{k.algorithm}, k.PrivateKey.Algorithms())
}

func (k oneAlgorithm) LegacyAlgorithms() []string {
	return both([]string{k.algorithm}, k.PrivateKey.LegacyAlgorithms())
}

// config has the algorithms of c alone.
func (c combination) config() transport.Config {
	cfg := transport.Config{
		KeyExchanges: []string{c.kex}, Ciphers: []string{c.cipher}, Compression: []string{c.compression},
		LegacyAlgorithms: transport.LegacyAlgorithms(),
	}
	if c.mac != "" {
		cfg.MACs = []string{c.mac}
	}
	if !c.peerRekeys {
		cfg.RekeyBytes = matrixRekey
	}
	return cfg
}

// dialCombination logs into a server by the algorithms of c alone.
func dialCombination(ctx context.Context, s *server, key keys.Signer, c combination, payload []byte) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	cfg := &ssh.ClientConfig{
		User: s.user.name, Auth: []auth.Method{auth.PublicKeys(key)},
		VerifyHostKey:     transport.InsecureAcceptAnyHostKey,
		HostKeyAlgorithms: []string{c.hostKey},
		Transport:         c.config(),
	}
	conn, err := ssh.Dial(ctx, "tcp", s.address(), cfg)
	if err != nil {
		return err
	}
	defer conn.Close()
	cat := conn.Command("cat")
	cat.Stdin = bytes.NewReader(payload)
	out, err := cat.Output(ctx)
	if err != nil {
		return err
	}
	if !bytes.Equal(out, payload) {
		return fmt.Errorf("%d bytes went out and %d others came back", len(payload), len(out))
	}
	return c.check(conn.ConnState())
}

// check compares what was agreed with what was wanted.
func (c combination) check(s transport.State) error {
	var errs []error
	for _, pair := range [][2]string{
		{s.KeyExchange, c.kex}, {s.HostKeyAlgorithm, c.hostKey},
		{s.In.Cipher, c.cipher}, {s.Out.Cipher, c.cipher}, {s.In.MAC, c.mac}, {s.Out.MAC, c.mac},
		{s.In.Compression, c.compression}, {s.Out.Compression, c.compression},
	} {
		if pair[0] != pair[1] {
			errs = append(errs, fmt.Errorf("%q instead of %q", pair[0], pair[1]))
		}
	}
	if s.KeyExchanges < 2 {
		errs = append(errs, errors.New("no new keys on the way"))
	}
	return errors.Join(errs...)
}
