package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh"
	"github.com/fairlead-go/ssh/auth"
	"github.com/fairlead-go/ssh/keys"
	"github.com/fairlead-go/ssh/keys/krl"
)

func TestCommands(t *testing.T) {
	s := newSite(t, nil)
	for _, c := range []struct {
		args  []string
		input string
		want  result
	}{
		{[]string{"echo", "a", "b"}, "", result{"a b\n", "", 0}},
		{[]string{"both"}, "", result{"out", "err", 44}},
		{[]string{"cat"}, "input\x00\xff~.\n~.", result{"input\x00\xff~.\n~.", "", 0}},
		{[]string{"-n", "cat"}, "unread", result{"", "", 0}},
		{[]string{"nosuch"}, "", result{"", "", 127}},
		{[]string{"signal"}, "", result{"", "", 255}},
		{[]string{"hangup"}, "", result{"", "Received disconnect from 127.0.0.1 port " + s.port + ":11: \r\nDisconnected from 127.0.0.1 port " + s.port + "\r\n", 255}},
		{[]string{"-s", "sftp"}, "", result{"", "subsystem request failed on channel 0\r\n", 255}},
		{[]string{"-s"}, "", result{"", "You must specify a subsystem to invoke.\r\n", 255}},
		{[]string{"-oRemoteCommand=echo remote"}, "", result{"remote\n", "", 0}},
		{[]string{"-oRemoteCommand=x", "y"}, "", result{"", "Cannot execute command-line and remote command.\r\n", 255}},
		{[]string{"-oPermitLocalCommand=yes", "-oLocalCommand=echo %r %h", "echo", "far"}, "", result{"ann 127.0.0.1\nfar\n", "", 0}},
		{[]string{"-c", "aes128-ctr", "-m", "hmac-sha2-512", "-oKexAlgorithms=ecdh-sha2-nistp256", "echo", "x"}, "", result{"x\n", "", 0}},
		{[]string{"-c", "nosuch", "echo"}, "", result{"", "Bad SSH2 cipher spec 'nosuch'.\r\n", 255}},
		{[]string{"-oNoSuchOption=1", "echo"}, "", result{"", "command-line: line 0: Bad configuration option: NoSuchOption\r\n", 255}},
		{[]string{"-oBatchMode=yes", "-oPubkeyAuthentication=no", "echo"}, "", result{"", "ann@127.0.0.1: Permission denied (publickey).\r\n", 255}},
		{[]string{"-f"}, "", result{"", "Cannot fork into background without a command to execute.\r\n", 255}},
		{[]string{"-tt", "-n"}, "", result{"xterm 0x0 echo=0\r\n> ", "Connection to 127.0.0.1 closed.\r\n", 0}},
		{[]string{"-t", "echo", "x"}, "", result{"x\n", "Pseudo-terminal will not be allocated because stdin is not a terminal.\r\n", 0}},
	} {
		t.Run(strings.Join(c.args, " "), func(t *testing.T) {
			require.Equal(t, c.want, execute(t, strings.NewReader(c.input), s.args(c.args...)...))
		})
	}
}

func TestDataUnharmedWhileKeysChange(t *testing.T) {
	s := newSite(t, nil)
	data := make([]byte, 5<<20)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(data)
	r := execute(t, bytes.NewReader(data), s.args("-v", "-oRekeyLimit=512k", "cat")...)
	require.Equal(t, 0, r.status)
	require.Equal(t, sha256.Sum256(data), sha256.Sum256([]byte(r.stdout)))
	require.Greater(t, strings.Count(r.stderr, "SSH2_MSG_NEWKEYS sent"), 5)
	require.Contains(t, r.stderr, "debug1: Offering public key: "+s.keyFile+" ED25519 "+keys.FingerprintSHA256(s.key.PublicKey())+" explicit\r\n")
	require.Contains(t, r.stderr, "debug1: Server accepts key: "+s.keyFile)
	require.Contains(t, r.stderr, "\nAuthenticated to 127.0.0.1 ([127.0.0.1]:"+s.port+") using \"publickey\".\r\n")
}

func TestEnvironment(t *testing.T) {
	s := newSite(t, nil)
	cmd := newProgram(t, s.args("-oSendEnv=LC_* HIDDEN", "-oSetEnv=LC_B=set LC_B=twice", "env")...)
	cmd.Env = append(cmd.Env, "LC_A=a b", "LC_B=sent", "HIDDEN=1")
	out, err := cmd.Output()
	require.NoError(t, err)
	require.Contains(t, string(out), "LC_B=set")
	require.Contains(t, string(out), "LC_A=a b")
	require.NotContains(t, string(out), "twice")
	require.NotContains(t, string(out), "sent")
	require.NotContains(t, string(out), "HIDDEN")
}

// What nobody reads any more ends the program, as in "ssh host yes | head -1".
func TestOutputClosed(t *testing.T) {
	s := newSite(t, nil)
	r, w, err := os.Pipe()
	require.NoError(t, err)
	cmd := newProgram(t, s.args("yes")...)
	cmd.Stdout = w
	require.NoError(t, cmd.Start())
	w.Close()
	_, err = r.Read(make([]byte, 10))
	require.NoError(t, err)
	r.Close()
	require.Error(t, cmd.Wait())
	require.Equal(t, 255, cmd.ProcessState.ExitCode(), "ended by itself, and not by SIGPIPE")
}

// Standard input that stays open keeps nothing alive.
func TestInputLeftOpen(t *testing.T) {
	s := newSite(t, nil)
	r, w, err := os.Pipe()
	require.NoError(t, err)
	defer r.Close()
	defer w.Close()
	got := execute(t, r, s.args("echo", "done")...)
	require.Equal(t, result{"done\n", "", 0}, got)
}

func TestKilled(t *testing.T) {
	s := newSite(t, nil)
	cmd := newProgram(t, s.args("-oLogLevel=VERBOSE", "wait")...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	_, err = out.Read(make([]byte, 10))
	require.NoError(t, err)
	require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
	require.Error(t, cmd.Wait())
	require.Equal(t, 255, cmd.ProcessState.ExitCode())
	require.Contains(t, stderr.String(), "Killed by signal 15.\r\n")
}

func TestLogFile(t *testing.T) {
	s := newSite(t, nil)
	log := filepath.Join(s.dir, "log")
	got := execute(t, nil, s.args("-v", "-E", log, "both")...)
	require.Equal(t, result{"out", "err", 44}, got)
	data, err := os.ReadFile(log)
	require.NoError(t, err)
	require.Contains(t, string(data), "debug1: SSH2_MSG_KEXINIT received\r\n")
	got = execute(t, nil, s.args("-E", s.dir, "both")...)
	require.Equal(t, 255, got.status)
	require.Contains(t, got.stderr, "Couldn't open logfile")
}

func TestBanner(t *testing.T) {
	s := newSite(t, func(srv *ssh.Server) { srv.Auth.Banner = "Hello \x1b[2J\r\nthere\n" })
	require.Equal(t, result{"", "Hello \\033[2J\nthere\n", 0}, execute(t, nil, s.args("echo")...).withoutOutput())
	require.Equal(t, result{"", "", 0}, execute(t, nil, s.args("-q", "echo")...).withoutOutput())
}

func (r result) withoutOutput() result { r.stdout = ""; return r }

func TestHostKeys(t *testing.T) {
	s := newSite(t, nil)
	known := func() string {
		data, err := os.ReadFile(s.known)
		require.NoError(t, err)
		return string(data)
	}
	t.Run("unknown and strict", func(t *testing.T) {
		require.NoError(t, os.Remove(s.known))
		got := execute(t, nil, s.args("-oStrictHostKeyChecking=yes", "echo")...)
		require.Equal(t, 255, got.status)
		require.Equal(t, "No ED25519 host key is known for [127.0.0.1]:"+s.port+" and you have requested strict checking.\r\nHost key verification failed.\r\n", got.stderr)
		require.NoFileExists(t, s.known)
	})
	t.Run("unknown and nobody to ask", func(t *testing.T) {
		got := execute(t, nil, s.args("-oBatchMode=yes", "echo")...)
		require.Equal(t, 255, got.status)
		require.NoFileExists(t, s.known)
	})
	t.Run("learned", func(t *testing.T) {
		got := execute(t, nil, s.args("-oStrictHostKeyChecking=accept-new", "-oHashKnownHosts=yes", "echo")...)
		require.Equal(t, result{"\n", "Warning: Permanently added '[127.0.0.1]:" + s.port + "' (ED25519) to the list of known hosts.\r\n", 0}, got)
		require.True(t, strings.HasPrefix(known(), "|1|"))
		require.Equal(t, result{"\n", "", 0}, execute(t, nil, s.args("-oStrictHostKeyChecking=yes", "echo")...))
	})
	t.Run("alias", func(t *testing.T) {
		got := execute(t, nil, s.args("-oHostKeyAlias=other", "-oStrictHostKeyChecking=no", "echo")...)
		require.Equal(t, 0, got.status)
		require.Contains(t, known(), "\nother ssh-ed25519 ")
	})
	t.Run("several files", func(t *testing.T) {
		empty := filepath.Join(s.dir, "empty")
		require.NoError(t, os.WriteFile(empty, nil, 0o600))
		args := append([]string{"-oUserKnownHostsFile=" + empty, "-oGlobalKnownHostsFile=" + s.known}, s.args("-oStrictHostKeyChecking=yes", "echo")...)
		require.Equal(t, result{"\n", "", 0}, execute(t, nil, args...))
	})
	t.Run("unreadable file", func(t *testing.T) {
		args := append([]string{"-oUserKnownHostsFile=" + s.keyFile + "/none"}, s.args("-oStrictHostKeyChecking=no", "echo")...)
		require.Equal(t, result{"", s.keyFile + "/none: Not a directory\r\n", 255}, execute(t, nil, args...))
	})
	t.Run("changed", func(t *testing.T) {
		other := newKey(t)
		s.learn(other.PublicKey())
		got := execute(t, nil, s.args("-oStrictHostKeyChecking=accept-new", "echo")...)
		require.Equal(t, 255, got.status)
		require.Empty(t, got.stdout)
		require.Contains(t, got.stderr, "WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!")
		require.Contains(t, got.stderr, keys.FingerprintSHA256(s.hostKey.PublicKey())+".\r\n")
		require.Contains(t, got.stderr, "Offending ED25519 key in "+s.known+":1\r\n")
		require.True(t, strings.HasSuffix(got.stderr, "Host key verification failed.\r\n"))
		got = execute(t, nil, s.args("-oStrictHostKeyChecking=no", "echo", "in")...)
		require.Equal(t, "in\n", got.stdout)
		require.Contains(t, got.stderr, "Password authentication is disabled")
	})
	t.Run("revoked", func(t *testing.T) {
		s.learn(s.hostKey.PublicKey())
		require.NoError(t, os.WriteFile(s.known, []byte("@revoked * "+string(keys.MarshalAuthorizedKey(s.hostKey.PublicKey(), ""))+known()), 0o600))
		got := execute(t, nil, s.args("-oStrictHostKeyChecking=no", "echo")...)
		require.Equal(t, 255, got.status)
		require.Contains(t, got.stderr, "REVOKED HOST KEY DETECTED")
		s.learn(s.hostKey.PublicKey())
		list := filepath.Join(s.dir, "revoked")
		revoked := new(krl.List)
		revoked.RevokeKey(s.hostKey.PublicKey())
		for _, c := range []struct {
			data   []byte
			status int
		}{
			{nil, 255}, // not there
			{keys.MarshalAuthorizedKey(s.hostKey.PublicKey(), ""), 255},
			{[]byte("# none\n"), 0},
			{[]byte("garbage\n"), 255},
			{revoked.Marshal(), 255},
			{new(krl.List).Marshal(), 0},
			{revoked.Marshal()[:50], 255},
		} {
			if c.data != nil {
				require.NoError(t, os.WriteFile(list, c.data, 0o600))
			}
			got := execute(t, nil, s.args("-oRevokedHostKeys="+list, "echo")...)
			require.Equal(t, c.status, got.status, got.stderr)
		}
	})
}

// What cannot be had is not left out in silence.
func TestVerifyHostKeyDNS(t *testing.T) {
	s := newSite(t, nil)
	s.learn(s.hostKey.PublicKey())
	for value, status := range map[string]int{"yes": 255, "ask": 255, "no": 0} {
		got := execute(t, nil, s.args("-oVerifyHostKeyDNS="+value, "echo")...)
		require.Equal(t, status, got.status, got.stderr)
		if status != 0 {
			require.Contains(t, got.stderr, "VerifyHostKeyDNS is not supported")
		}
	}
}

// A server whose key is not the known one gets no password, even where the
// user checks nothing.
func TestNoPasswordForChangedHost(t *testing.T) {
	given := make(chan string, 10)
	s := newSite(t, func(srv *ssh.Server) {
		srv.Auth.PublicKey = nil
		srv.Auth.Password = func(_ context.Context, _ *auth.Attempt, p []byte) (*auth.Permissions, error) {
			given <- string(p)
			return nil, nil
		}
	})
	askpass := filepath.Join(s.dir, "askpass")
	require.NoError(t, os.WriteFile(askpass, []byte("#!/bin/sh\necho secret\n"), 0o700))
	try := func() int {
		cmd := newProgram(t, s.args("-oStrictHostKeyChecking=no", "echo")...)
		cmd.Env = append(cmd.Env, "SSH_ASKPASS="+askpass, "SSH_ASKPASS_REQUIRE=force")
		_ = cmd.Run()
		return cmd.ProcessState.ExitCode()
	}
	require.Equal(t, 0, try())
	require.Equal(t, "secret", <-given)
	s.learn(newKey(t).PublicKey())
	require.Equal(t, 255, try())
	require.Empty(t, given)
}

func TestIdentities(t *testing.T) {
	s := newSite(t, nil)
	t.Run("the second of two", func(t *testing.T) {
		other := filepath.Join(s.dir, "other")
		writeKey(t, other, newKey(t), "")
		args := append([]string{"-v", "-i", other}, s.args("echo", "in")...)
		got := execute(t, nil, args...)
		require.Equal(t, "in\n", got.stdout)
		require.Less(t, strings.Index(got.stderr, "Offering public key: "+other), strings.Index(got.stderr, "Offering public key: "+s.keyFile))
	})
	t.Run("open to others", func(t *testing.T) {
		loose := filepath.Join(s.dir, "loose")
		writeKey(t, loose, s.key, "")
		require.NoError(t, os.Chmod(loose, 0o644))
		s := *s
		s.keyFile = loose
		got := execute(t, nil, s.args("-oBatchMode=yes", "echo")...)
		require.Equal(t, 255, got.status)
		require.Contains(t, got.stderr, "UNPROTECTED PRIVATE KEY FILE!")
	})
	t.Run("algorithm not accepted", func(t *testing.T) {
		got := execute(t, nil, s.args("-oBatchMode=yes", "-oPubkeyAcceptedAlgorithms=rsa-sha2-512", "echo")...)
		require.Equal(t, 255, got.status)
	})
	t.Run("not there", func(t *testing.T) {
		s := *s
		s.keyFile = filepath.Join(s.dir, "nothing")
		got := execute(t, nil, s.args("-oBatchMode=yes", "echo")...)
		require.Equal(t, 255, got.status)
		require.True(t, strings.HasPrefix(got.stderr, "Warning: Identity file "+s.keyFile+" not accessible: No such file or directory.\r\n"), got.stderr)
	})
}

// A server that vanishes is noticed.
func TestServerAlive(t *testing.T) {
	s := newSite(t, nil)
	gone, err := newHole(s.port)
	require.NoError(t, err)
	defer gone.Close()
	options := append([]string{"-p", gone.port, "-oHostKeyAlias=known", "-oServerAliveInterval=1", "-oServerAliveCountMax=2"}, s.args("wait")...)
	line := "known " + string(keys.MarshalAuthorizedKey(s.hostKey.PublicKey(), ""))
	require.NoError(t, os.WriteFile(s.known, []byte(line), 0o600))
	cmd := newProgram(t, options...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	_, err = out.Read(make([]byte, 10))
	require.NoError(t, err)
	gone.swallow()
	require.Error(t, cmd.Wait())
	require.Equal(t, 255, cmd.ProcessState.ExitCode())
	require.Equal(t, "Timeout, server 127.0.0.1 not responding.\r\n", stderr.String())
}

func TestConnectFailures(t *testing.T) {
	hole, err := newHole("1")
	require.NoError(t, err)
	defer hole.Close()
	for _, c := range []struct{ args, want string }{
		{"-p 1 127.0.0.1 true", "ssh: connect to host 127.0.0.1 port 1: Connection refused\r\n"},
		{"nosuch.invalid true", "ssh: Could not resolve hostname nosuch.invalid: "},
		{"-oProxyCommand=false host true", "Connection closed by UNKNOWN port 65535\r\n"},
		{"-oProxyCommand=echo%SSH-1.5-old host true", "banner exchange: Connection to UNKNOWN port 65535: invalid format"},
		{"-oConnectTimeout=1 -p " + hole.port + " 127.0.0.1 true", "Connection to 127.0.0.1 port " + hole.port + " timed out\r\n"},
		{"-J jump:0 host true", "Invalid -J argument jump:0\r\n"},
		{"-oProxyJump=a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a a", "jump loop via a"},
	} {
		start := time.Now()
		args := append([]string{"-F", "none"}, strings.Fields(c.args)...)
		for i := range args {
			args[i] = strings.ReplaceAll(args[i], "echo%", "echo ")
		}
		got := execute(t, nil, args...)
		require.Equal(t, 255, got.status, c.args)
		require.Contains(t, got.stderr, c.want)
		require.Less(t, time.Since(start), patience)
	}
}

func TestQuery(t *testing.T) {
	require.Contains(t, execute(t, nil, "-Q", "cipher").stdout, "aes128-ctr\n")
	require.NotContains(t, execute(t, nil, "-Q", "cipher-auth").stdout, "aes128-ctr\n")
	require.Contains(t, execute(t, nil, "-Q", "compression").stdout, "zlib@openssh.com\n")
	require.Contains(t, execute(t, nil, "-Q", "KexAlgorithms").stdout, "curve25519-sha256\n")
	require.Contains(t, execute(t, nil, "-Q", "help").stdout, "key-plain\n")
	require.Equal(t, 255, execute(t, nil, "-Q", "nosuch").status)
	t.Setenv(asked, "1")
	require.Contains(t, execute(t, nil, "-Q", "kex").stdout, "mlkem768x25519-sha256\n", "all, where no other OpenSSH is asked")
}

func TestVersionDumpAndUsage(t *testing.T) {
	require.Contains(t, execute(t, nil, "-V").stderr, "Fairlead")
	got := execute(t, nil, "-F", "none", "-G", "-p", "77", "bob@host")
	require.Contains(t, got.stdout, "\nport 77\n")
	require.Contains(t, got.stdout, "\nuser bob\n")
	got = execute(t, nil)
	require.Equal(t, 255, got.status)
	require.True(t, strings.HasPrefix(got.stderr, "usage: ssh "))
}

func TestReason(t *testing.T) {
	_, err := os.Open("/nonexistent")
	require.Equal(t, "No such file or directory", reason(err))
	require.Equal(t, "other", reason(errors.New("other")))
}
