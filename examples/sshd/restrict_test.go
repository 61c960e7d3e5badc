package main

import (
	"io"
	"net"
	"os"
	"strings"
	"testing"

	"github.com/pkg/sftp"
	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh"
	"github.com/fairlead-go/ssh/auth"
	"github.com/fairlead-go/ssh/channel"
	"github.com/fairlead-go/ssh/keys"
)

// greeter listens on a free port and says "hello" to whoever comes.
func greeter(t *testing.T) (address string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(conn, "hello")
			conn.Close()
		}
	}()
	return l.Addr().String()
}

func TestForwarding(t *testing.T) {
	target := greeter(t)
	_, port, err := net.SplitHostPort(target)
	require.NoError(t, err)
	for name, c := range map[string]struct {
		options      []string
		key          string
		dial, listen bool
	}{
		"by default":           {dial: true, listen: true},
		"forced command":       {key: `command="true"`, dial: true, listen: true},
		"no-port-forwarding":   {key: "no-port-forwarding"},
		"restrict":             {key: "restrict"},
		"permitopen":           {key: `permitopen="127.0.0.1:` + port + `"`, dial: true, listen: true},
		"permitopen elsewhere": {key: `permitopen="127.0.0.1:1"`, listen: true},
		"permitlisten":         {key: `permitlisten="1"`, dial: true},
		"AllowTcpForwarding":   {options: []string{"AllowTcpForwarding=no"}},
		"local":                {options: []string{"AllowTcpForwarding=local"}, dial: true},
		"remote":               {options: []string{"AllowTcpForwarding=remote"}, listen: true},
		"DisableForwarding":    {options: []string{"DisableForwarding=yes"}},
		"PermitOpen":           {options: []string{"PermitOpen=127.0.0.1:1"}, listen: true},
		"PermitOpen here":      {options: []string{"PermitOpen=127.0.0.1:" + port}, dial: true, listen: true},
		"PermitListen":         {options: []string{"PermitListen=none"}, dial: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, c.options...)
			s.authorize(t, c.key)
			client := s.start(t).dial(t)

			conn, err := client.Dial(t.Context(), "tcp", target)
			if c.dial {
				require.NoError(t, err)
				got, err := io.ReadAll(conn)
				require.NoError(t, err)
				require.Equal(t, "hello", string(got))
			} else {
				var refused *channel.OpenError
				require.ErrorAs(t, err, &refused)
				require.Equal(t, channel.AdministrativelyProhibited, refused.Reason)
			}

			l, err := client.Listen(t.Context(), "tcp", "127.0.0.1:0")
			if !c.listen {
				require.Error(t, err)
				return
			}
			require.NoError(t, err)
			out, err := net.Dial("tcp", l.Addr().String())
			require.NoError(t, err)
			defer out.Close()
			in, err := l.Accept()
			require.NoError(t, err)
			in.Close()
		})
	}
}

func TestForcedCommand(t *testing.T) {
	for name, c := range map[string]struct {
		options []string
		key     string
		want    string
	}{
		"of the key":                  {key: `command="echo key: $SSH_ORIGINAL_COMMAND"`, want: "key: client\n"},
		"of the configuration":        {options: []string{"ForceCommand=echo config: $SSH_ORIGINAL_COMMAND"}, want: "config: client\n"},
		"of both":                     {options: []string{"ForceCommand=echo config"}, key: `command="echo key"`, want: "config\n"},
		"empty":                       {key: `command=""`},
		"none, and none is inherited": {want: "none\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, c.options...)
			s.authorize(t, c.key)
			command := "client"
			if c.options == nil && c.key == "" {
				command = `echo none$SSH_ORIGINAL_COMMAND`
			}
			out, err := s.start(t).dial(t).Command(command).Output(t.Context())
			require.NoError(t, err)
			require.Equal(t, c.want, string(out))
		})
	}
}

func TestTerminalRefused(t *testing.T) {
	for name, c := range map[string]struct {
		options []string
		key     string
	}{
		"no-pty":    {key: "no-pty"},
		"restrict":  {key: "restrict"},
		"PermitTTY": {options: []string{"PermitTTY=no"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, c.options...)
			s.authorize(t, c.key)
			cmd := s.start(t).dial(t).Command("true")
			cmd.PTY = &channel.PTY{Term: "dumb"}
			require.Error(t, cmd.Run(t.Context()))
		})
	}
}

// TestRefused: logins that may not be, and what the log says of them.
func TestRefused(t *testing.T) {
	for name, c := range map[string]struct {
		options []string
		key     string
		user    string
		log     string
	}{
		"DenyUsers":  {options: []string{"DenyUsers=*"}, log: " from 127.0.0.1 not allowed because listed in DenyUsers"},
		"AllowUsers": {options: []string{"AllowUsers=somebody"}, log: " not allowed because not listed in AllowUsers"},
		"a name":     {key: `from="localhost"`, log: "not from a permitted host"},
		"its name":   {options: []string{"UseDNS=yes"}, key: `from="!localhost,*"`, log: "not from a permitted host"},
		"from":       {key: `from="192.0.2.0/24"`, log: "not from a permitted host"},
		"expired":    {key: `expiry-time="19990101"`, log: "Authentication tried for "},
		"unknown":    {user: "nobody-of-that-name", log: "Invalid user nobody-of-that-name from 127.0.0.1 port "},
		"two methods": {
			options: []string{"AuthenticationMethods=publickey,password"}, log: "Partial publickey for ",
		},
		"not the first": {
			options: []string{"AuthenticationMethods=password,publickey"}, log: "Failed publickey for ",
		},
		"no public keys": {options: []string{"PubkeyAuthentication=no"}, log: ":14: no more authentication methods [preauth]"},
		"PubkeyAcceptedAlgorithms": {
			options: []string{"PubkeyAcceptedAlgorithms=rsa-sha2-512"}, log: "Failed publickey for ",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, c.options...)
			s.authorize(t, c.key)
			r := s.start(t)
			cfg := r.clientConfig()
			if c.user != "" {
				cfg.User = c.user
			}
			_, err := ssh.Dial(t.Context(), "tcp", r.addr, cfg)
			var refused *auth.Error
			require.ErrorAs(t, err, &refused)
			r.log.wait(t, c.log)
			require.NotContains(t, r.log.String(), "Accepted ")
		})
	}
}

// TestUseDNS: a client's name counts where the server looks it up.
func TestUseDNS(t *testing.T) {
	for _, options := range [][]string{{"UseDNS=yes"}, {"UseDNS=yes", "AllowUsers=*@localhost"}} {
		s := newSite(t, options...)
		s.authorize(t, `from="localhost"`)
		require.NoError(t, s.start(t).dial(t).Command("true").Run(t.Context()))
	}
}

// TestMatchUser: what a block says for a user holds although the user is known
// only later.
func TestMatchUser(t *testing.T) {
	s := newSite(t)
	config := func(block string) {
		text := "MaxSessions 0\nMatch User " + s.user + "\n" + block + "\n"
		require.NoError(t, os.WriteFile(s.path("sshd_config"), []byte(text), 0o600))
	}
	s.args[1] = s.path("sshd_config")

	config("PermitTTY no\nAllowTcpForwarding no\nMaxSessions 1\nAcceptEnv LC_*\nBanner " + s.path("banner"))
	require.NoError(t, os.WriteFile(s.path("banner"), []byte("good day\n"), 0o600))
	r := s.start(t)
	cfg := r.clientConfig()
	var banner string
	cfg.Banner = func(message string) { banner = message }
	c, err := ssh.Dial(t.Context(), "tcp", r.addr, cfg)
	require.NoError(t, err)
	defer c.Close()
	require.Equal(t, "good day\n", banner)
	cmd := c.Command("echo $LC_TEST; cat")
	cmd.Env = []string{"LC_TEST=x"}
	stdin, err := cmd.StdinPipe()
	require.NoError(t, err)
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start(t.Context()))
	_, err = io.ReadFull(stdout, make([]byte, 2))
	require.NoError(t, err)
	require.Error(t, c.Command("true").Run(t.Context()), "a second session")
	require.NoError(t, stdin.Close())
	require.NoError(t, cmd.Wait(t.Context()))
	cmd = c.Command("true")
	cmd.PTY = &channel.PTY{Term: "dumb"}
	require.Error(t, cmd.Run(t.Context()))
	_, err = c.Dial(t.Context(), "tcp", greeter(t))
	require.Error(t, err)

	for _, block := range []string{"PubkeyAuthentication no", "PubkeyAcceptedAlgorithms rsa-sha2-512"} {
		config(block)
		r := s.start(t)
		_, err := ssh.Dial(t.Context(), "tcp", r.addr, r.clientConfig())
		var refused *auth.Error
		require.ErrorAs(t, err, &refused, block)
	}
}

func TestAuthorizedKeysCommand(t *testing.T) {
	s := newSite(t, "AuthorizedKeysCommandUser="+currentUser(t), "AuthorizedKeysFile=none")
	// A command is to be root's, in folders that only root can write to.
	for command, works := range map[string]bool{
		"/bin/echo " + strings.TrimSpace(string(keys.MarshalAuthorizedKey(s.key.PublicKey(), ""))): true,
		"/bin/echo %t %k": true,
		"/bin/echo %u":    false,
		"/bin/false":      false,
		"echo %t %k":      false,
		s.path("script"):  false,
	} {
		require.NoError(t, os.WriteFile(s.path("script"), []byte("#!/bin/sh\ncat "+s.path("authorized_keys")), 0o777))
		require.NoError(t, os.Chmod(s.path("script"), 0o777))
		with := *s
		with.args = append([]string{"-o", "AuthorizedKeysCommand=" + command}, s.args...)
		r := with.start(t)
		c, err := ssh.Dial(t.Context(), "tcp", r.addr, r.clientConfig())
		require.Equal(t, works, err == nil, "%s: %v", command, err)
		if err == nil {
			c.Close()
		}
	}
}

// TestFullDisk: an upload that does not fit fails, and only that.
func TestFullDisk(t *testing.T) {
	s := newSite(t)
	c := s.start(t).dial(t)
	cmd := c.Subsystem("sftp")
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start(t.Context()))
	client, err := sftp.NewClientPipe(out, in)
	require.NoError(t, err)
	full, err := client.OpenFile("/dev/full", os.O_WRONLY)
	require.NoError(t, err)
	_, err = full.Write(make([]byte, 1<<20))
	var status *sftp.StatusError
	require.ErrorAs(t, err, &status)
	require.Contains(t, err.Error(), "no space left on device")
	full.Close()

	other, err := client.Create(s.path("other"))
	require.NoError(t, err)
	_, err = other.Write([]byte("fits"))
	require.NoError(t, err)
	require.NoError(t, other.Close())
	require.NoError(t, client.Close())
	require.NoError(t, c.Command("true").Run(t.Context()))
}
