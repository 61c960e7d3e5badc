package transport

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh/kex"
	"github.com/fairlead-go/ssh/keys"
	"github.com/fairlead-go/ssh/wire"
)

// The tests here need OpenSSH's sshd and ssh (Debian: openssh-server,
// openssh-client), and fail where they are not installed.

// algorithmsOf returns what this machine's ssh knows of a kind.
func algorithmsOf(t *testing.T, kind string) []string {
	t.Helper()
	out, err := exec.Command("ssh", "-Q", kind).Output()
	require.NoError(t, err, "OpenSSH's ssh is needed")
	return strings.Fields(string(out))
}

// variants are configurations that between them have every algorithm that we
// share with OpenSSH.
func variants(t *testing.T) map[string]Config {
	m := make(map[string]Config)
	has := algorithmsOf(t, "kex")
	for _, name := range SupportedKeyExchanges() {
		if slices.Contains(has, name) {
			m[name] = Config{KeyExchanges: []string{name}}
		}
	}
	require.NotEmpty(t, m)
	has = algorithmsOf(t, "cipher")
	for _, d := range testSuites() {
		require.Contains(t, has, d.cipher.name)
		cfg := Config{Ciphers: []string{d.cipher.name}}
		if d.mac != nil {
			cfg.MACs = []string{d.mac.name}
		}
		m[d.String()] = cfg
	}
	// Each legacy algorithm, with others that it does not depend on.
	legacy := LegacyAlgorithms()
	for _, name := range legacy.KeyExchanges {
		m[name] = Config{KeyExchanges: []string{name}, LegacyAlgorithms: legacy}
	}
	for _, d := range legacySuites() {
		m[d.String()] = Config{Ciphers: []string{d.cipher.name}, MACs: []string{d.mac.name}, LegacyAlgorithms: legacy}
	}
	return m
}

// sshd runs OpenSSH's server on a free port and returns its address and key.
func sshd(t *testing.T) (address string, hostKey keys.PublicKey) {
	t.Helper()
	const program = "/usr/sbin/sshd"
	_, err := os.Stat(program)
	require.NoError(t, err, "OpenSSH's sshd is needed")
	dir := t.TempDir()
	k, err := keys.GenerateKey(keys.KeyEd25519, 0)
	require.NoError(t, err)
	pem, err := k.MarshalOpenSSH(keys.MarshalOptions{})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "key"), pem, 0o600))
	os.MkdirAll("/run/sshd", 0o755) // sshd's, where it runs as root

	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address = l.Addr().String()
	l.Close()
	_, port, _ := net.SplitHostPort(address)
	config := fmt.Sprintf("ListenAddress 127.0.0.1\nPort %s\nHostKey %s/key\nPidFile none\nUsePAM no\n"+
		"PerSourcePenalties no\nMaxStartups 100\nCiphers %s\nMACs %s\nKexAlgorithms %s\n", port, dir,
		strings.Join(algorithmsOf(t, "cipher"), ","), strings.Join(algorithmsOf(t, "mac"), ","),
		strings.Join(algorithmsOf(t, "kex"), ","))
	if out, _ := exec.Command(program, "-V").CombinedOutput(); !bytes.Contains(out, []byte("OpenSSH_10")) {
		config = strings.Replace(config, "PerSourcePenalties no\n", "", 1) // since 9.8; not understood before
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "config"), []byte(config), 0o600))
	var log bytes.Buffer
	cmd := exec.Command(program, "-D", "-e", "-f", filepath.Join(dir, "config"))
	cmd.Stderr = &log
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		if t.Failed() {
			t.Log(log.String())
		}
	})
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		c, err := net.Dial("tcp", address)
		if err == nil {
			c.Close()
			return address, k.PublicKey()
		}
		require.True(t, time.Now().Before(deadline), "sshd does not listen: %v", err)
	}
}

func TestClientWithOpenSSH(t *testing.T) {
	address, hostKey := sshd(t)
	for name, cfg := range variants(t) {
		t.Run(name, func(t *testing.T) {
			noLeaks(t)
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			nc, err := net.Dial("tcp", address)
			require.NoError(t, err)
			cc := clientConfig(cfg)
			var seen keys.PublicKey
			cc.VerifyHostKey = func(_ context.Context, _ string, _ net.Addr, key keys.PublicKey) error {
				seen = key
				return nil
			}
			c, err := Client(ctx, nc, cc)
			require.NoError(t, err)
			defer c.Close()
			require.True(t, keys.Equal(hostKey, seen))
			require.NoError(t, c.WritePacket(nil, wire.AppendString([]byte{wire.MsgServiceRequest}, "ssh-userauth"), nil))
			payload, err := c.ReadPacket()
			require.NoError(t, err)
			require.Equal(t, wire.AppendString([]byte{wire.MsgServiceAccept}, "ssh-userauth"), payload)
			require.Contains(t, c.ServerSigAlgs(), keys.KeyEd25519)
			got := readAll(c)
			if _, ok := c.Extension(extPing); ok {
				_, err = c.Ping(ctx)
				require.NoError(t, err)
			}
			// Packets of many sizes; the answer comes after all of them.
			for _, size := range []int{1, 100, 10000} {
				require.NoError(t, c.WritePacket(nil, append([]byte{wire.MsgIgnore}, wire.AppendString(nil, data(size))...), nil))
			}
			require.NoError(t, c.WritePacket(nil, []byte{22}, nil)) // nobody's: UNIMPLEMENTED
			request := []byte{wire.MsgUserauthRequest}
			for _, s := range []string{"nobody-there", "ssh-connection", "none"} {
				request = wire.AppendString(request, s)
			}
			require.NoError(t, c.WritePacket(nil, request, nil))
			reply, ok := <-got
			require.True(t, ok, c.Err())
			require.Equal(t, byte(wire.MsgUserauthFailure), reply[0])
			require.NoError(t, c.Close())
			for range got {
			}
		})
	}
}

func TestServerWithOpenSSH(t *testing.T) {
	dir := t.TempDir()
	all := variants(t)
	all[compressionZlib] = Config{Compression: []string{compressionZlib}}
	for name, cfg := range all {
		t.Run(name, func(t *testing.T) {
			noLeaks(t)
			l, err := net.Listen("tcp", "127.0.0.1:0")
			require.NoError(t, err)
			defer l.Close()
			served := make(chan error, 1)
			go func() {
				nc, err := l.Accept()
				if err != nil {
					served <- err
					return
				}
				c, err := Server(context.Background(), nc, serverConfig(cfg))
				if err != nil {
					served <- err
					return
				}
				payload, err := c.ReadPacket()
				if err == nil && !bytes.Equal(payload, wire.AppendString([]byte{wire.MsgServiceRequest}, "ssh-userauth")) {
					err = fmt.Errorf("got %x", payload)
				}
				c.Disconnect(wire.DisconnectServiceNotAvailable, "no service here")
				served <- err
			}()
			host, port, _ := net.SplitHostPort(l.Addr().String())
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			cmd := exec.CommandContext(ctx, "ssh", "-F", "none", "-v", "-p", port, "-o", "StrictHostKeyChecking=no",
				"-o", "UserKnownHostsFile="+filepath.Join(dir, "known_hosts"), "-o", "GlobalKnownHostsFile=none",
				"-o", "HostKeyAlias=x", "-o", "BatchMode=yes", "-o", "Ciphers="+strings.Join(algorithmsOf(t, "cipher"), ","),
				"-o", "KexAlgorithms="+strings.Join(algorithmsOf(t, "kex"), ","), "-o", "MACs="+strings.Join(algorithmsOf(t, "mac"), ","), host, "true")
			out, err := cmd.CombinedOutput()
			require.Error(t, err) // nobody logs in here
			require.Contains(t, string(out), "SSH2_MSG_NEWKEYS received")
			require.Contains(t, string(out), "no service here", "our DISCONNECT")
			require.NoError(t, <-served)
		})
	}
}

// TestGroupExchangeWithOpenSSH asks OpenSSH's server for groups of all sizes,
// by way of the ciphers, and serves its client groups from its moduli file.
func TestGroupExchangeWithOpenSSH(t *testing.T) {
	gex := []string{"diffie-hellman-group-exchange-sha256"}
	address, _ := sshd(t)
	for cipher, size := range map[string]int{"3des-cbc": 3072, "aes128-ctr": 3072, "aes192-ctr": 7680, "aes256-ctr": 8192} {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		nc, err := net.Dial("tcp", address)
		require.NoError(t, err)
		c, err := Client(ctx, nc, clientConfig(Config{KeyExchanges: gex, Ciphers: []string{cipher}, LegacyAlgorithms: LegacyAlgorithms()}))
		require.NoError(t, err, cipher)
		s := c.State()
		require.Equal(t, gex[0], s.KeyExchange)
		require.Equal(t, size, s.GroupAsked)
		require.GreaterOrEqual(t, s.GroupBits, size)
		c.Close()
	}

	file, err := os.Open("/etc/ssh/moduli")
	require.NoError(t, err)
	defer file.Close()
	moduli, err := kex.ParseModuli(file)
	require.NoError(t, err)
	for cipher, size := range map[string]int{"aes128-gcm@openssh.com": 3072, "aes256-gcm@openssh.com": 8192} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		defer l.Close()
		served := make(chan error, 1)
		go func() {
			nc, err := l.Accept()
			if err != nil {
				served <- err
				return
			}
			sc := serverConfig(Config{KeyExchanges: gex})
			sc.Moduli = moduli
			c, err := Server(context.Background(), nc, sc)
			if err == nil {
				_, err = c.ReadPacket() // what is encrypted with the new keys
				c.Close()
			}
			served <- err
		}()
		host, port, _ := net.SplitHostPort(l.Addr().String())
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		out, err := exec.CommandContext(ctx, "ssh", "-F", "none", "-vvv", "-p", port, "-o", "StrictHostKeyChecking=no",
			"-o", "UserKnownHostsFile=/dev/null", "-o", "GlobalKnownHostsFile=none", "-o", "BatchMode=yes",
			"-o", "KexAlgorithms="+gex[0], "-o", "Ciphers="+cipher, host, "true").CombinedOutput()
		require.Error(t, err)
		require.Contains(t, string(out), fmt.Sprintf("SSH2_MSG_KEX_DH_GEX_REQUEST(2048<%d<8192) sent", size))
		require.NoError(t, <-served, cipher)
	}
}
