package ssh_test

import (
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh"
	"github.com/fairlead-go/ssh/transport"
)

// Whole connections over TCP on 127.0.0.1, both ends in this process.

func benchClient(b *testing.B, cfg transport.Config) *ssh.Client {
	addr := serve(b, &ssh.Server{Auth: anonymous(), Handler: ssh.HandlerFunc(func(s *ssh.Session) {
		switch s.Command() {
		case "source":
			buf := make([]byte, 64<<10)
			for {
				if _, err := s.Write(buf); err != nil {
					return
				}
			}
		case "sink":
			io.Copy(io.Discard, s)
		case "echo":
			io.Copy(s, s)
		}
	})})
	c, err := ssh.Dial(b.Context(), "tcp", addr, &ssh.ClientConfig{
		User: "alice", VerifyHostKey: transport.InsecureAcceptAnyHostKey, Transport: cfg,
	})
	require.NoError(b, err)
	b.Cleanup(func() { c.Close() })
	return c
}

// start runs a command and returns its pipes.
func start(b *testing.B, c *ssh.Client, command string) (io.WriteCloser, io.Reader) {
	cmd := c.Command(command)
	in, err := cmd.StdinPipe()
	require.NoError(b, err)
	out, err := cmd.StdoutPipe()
	require.NoError(b, err)
	require.NoError(b, cmd.Start(b.Context()))
	return in, out
}

func BenchmarkDownload(b *testing.B) {
	for _, cipher := range transport.Ciphers() {
		b.Run(cipher, func(b *testing.B) {
			_, out := start(b, benchClient(b, transport.Config{Ciphers: []string{cipher}}), "source")
			buf := make([]byte, 64<<10)
			b.SetBytes(int64(len(buf)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := io.ReadFull(out, buf); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkUpload(b *testing.B) {
	for _, cipher := range transport.Ciphers() {
		b.Run(cipher, func(b *testing.B) {
			in, _ := start(b, benchClient(b, transport.Config{Ciphers: []string{cipher}}), "sink")
			buf := make([]byte, 64<<10)
			b.SetBytes(int64(len(buf)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := in.Write(buf); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkRoundTrip sends one byte and waits for its echo.
func BenchmarkRoundTrip(b *testing.B) {
	in, out := start(b, benchClient(b, transport.Config{}), "echo")
	buf := []byte{'x'}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := in.Write(buf); err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(out, buf); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkCommand opens a session, runs a command that does nothing, and
// waits for its exit status.
func BenchmarkCommand(b *testing.B) {
	c := benchClient(b, transport.Config{})
	b.ReportAllocs()
	for b.Loop() {
		if err := c.Command("true").Run(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkDial connects, exchanges keys, logs in and closes.
func BenchmarkDial(b *testing.B) {
	for _, method := range transport.SupportedKeyExchanges() {
		b.Run(method, func(b *testing.B) {
			cfg := transport.Config{KeyExchanges: []string{method}}
			addr := serve(b, &ssh.Server{Auth: anonymous(), Transport: cfg})
			b.ReportAllocs()
			for b.Loop() {
				c, err := ssh.Dial(b.Context(), "tcp", addr, &ssh.ClientConfig{
					User: "alice", VerifyHostKey: transport.InsecureAcceptAnyHostKey,
					Transport: cfg,
				})
				if err != nil {
					b.Fatal(err)
				}
				c.Close()
			}
		})
	}
}
