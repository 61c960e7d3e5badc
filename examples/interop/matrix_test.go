//go:build interop

package interop

import (
	"bytes"
	"cmp"
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
	matrixBytes = 2 << 20
	matrixRekey = 1 << 20
)

// TestAlgorithms goes through the algorithms that the library and each of its
// peers both have.
func TestAlgorithms(t *testing.T) {
	t.Parallel()
	payload, everything := randomBytes(matrixBytes), everything(t)
	t.Run("server", func(t *testing.T) {
		for _, tt := range []struct {
			name   string
			client client
		}{
			{"OpenSSH", openSSH{peer(t, "ssh")}},
			{"Dropbear", dbclient{}},
			{"PuTTY", putty{}},
		} {
			t.Run(tt.name, func(t *testing.T) {
				matrix(t, clientProposal(t, tt.client).common(t), func(c combination, number int) error {
					return serveCombination(t, tt.client, c, number, payload, everything)
				})
			})
		}
	})
	t.Run("client", func(t *testing.T) {
		for _, tt := range []struct {
			name   string
			server func(t testing.TB) *server
		}{
			{"OpenSSH", func(t testing.TB) *server {
				return sshd(t, peer(t, "sshd"), append(everything, "LogLevel ERROR", "RekeyLimit default none")...)
			}},
			{"Dropbear", func(t testing.TB) *server { return dropbear(t, "ed25519", "ecdsa256", "ecdsa384", "rsa") }},
			// It offers rsa-sha2-256 whether it has such a key or not.
			{"DropbearWithAnotherKey", func(t testing.TB) *server { return dropbear(t, "ecdsa521", "rsa") }},
		} {
			t.Run(tt.name, func(t *testing.T) {
				s := tt.server(t)
				matrix(t, serverProposal(t, s.address()).common(t), func(c combination, _ int) error {
					return dialCombination(t.Context(), s, userKeys(t)[0].key, c, payload)
				})
			})
		}
	})
}

// matrix tries all combinations, three at a time: Dropbear closes the sixth
// connection that has not logged in yet.
func matrix(t *testing.T, all []combination, try func(c combination, number int) error) {
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
				if err := try(all[i], i); err != nil {
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
func serveCombination(t *testing.T, program client, c combination, number int, payload []byte, settings []string) error {
	var mu sync.Mutex
	var state transport.State
	s := &ssh.Server{
		Auth: auth.ServerConfig{None: auth.AllowAnonymous},
		Handler: ssh.HandlerFunc(func(s *ssh.Session) {
			io.Copy(s, s)
			mu.Lock()
			defer mu.Unlock()
			state = s.Conn().ConnState()
		}),
		Transport: transport.Config{
			KeyExchanges: []string{c.kex}, Ciphers: []string{c.cipher}, RekeyBytes: matrixRekey,
		},
	}
	if c.mac != "" {
		s.Transport.MACs = []string{c.mac}
	}
	o := options{settings: settings}
	if c.compression != "" {
		s.Transport.Compression = []string{c.compression}
		o.settings = append(slices.Clone(settings), "Compression yes")
		if _, ok := program.(putty); ok {
			o.extra = []string{"-C"}
		}
	}
	if _, ok := program.(openSSH); ok && number%2 == 0 {
		s.Transport.RekeyBytes = 0 // it is the program that asks for new keys
	}
	for _, k := range hostKeys(t) {
		for _, algorithm := range k.key.Algorithms() {
			if algorithm == c.hostKey {
				s.HostKeys = append(s.HostKeys, oneAlgorithm{k.key, algorithm})
			}
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
	mu.Lock()
	defer mu.Unlock()
	return c.check(state)
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

func (k oneAlgorithm) Algorithms() []string { return []string{k.algorithm} }

// dialCombination logs into a server by the algorithms of c alone.
func dialCombination(ctx context.Context, s *server, key keys.Signer, c combination, payload []byte) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	cfg := &ssh.ClientConfig{
		User: s.user.name, Auth: []auth.Method{auth.PublicKeys(key)},
		VerifyHostKey:     transport.InsecureAcceptAnyHostKey,
		HostKeyAlgorithms: []string{c.hostKey},
		Transport: transport.Config{
			KeyExchanges: []string{c.kex}, Ciphers: []string{c.cipher}, RekeyBytes: matrixRekey,
		},
	}
	if c.mac != "" {
		cfg.Transport.MACs = []string{c.mac}
	}
	if c.compression != "" {
		cfg.Transport.Compression = []string{c.compression}
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
		{s.In.Compression, cmp.Or(c.compression, "none")}, {s.Out.Compression, cmp.Or(c.compression, "none")},
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
