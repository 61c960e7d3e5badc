package ssh_test

import (
	"context"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh"
	"github.com/fairlead-go/ssh/channel"
)

// A handler whose goroutine ends, as by a test's FailNow, ends its session.
func TestHandlerGoexit(t *testing.T) {
	c := dial(t, serve(t, &ssh.Server{Auth: anonymous(), Handler: ssh.HandlerFunc(func(*ssh.Session) { runtime.Goexit() })}))
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	var exit *ssh.ExitError
	require.ErrorAs(t, c.Shell().Run(ctx), &exit)
	require.Equal(t, 255, exit.ExitCode())
}

func TestMaxSessions(t *testing.T) {
	for name, s := range map[string]*ssh.Server{
		"of the server":     {MaxSessions: 2},
		"of the connection": {MaxSessions: -1, OnConnect: func(c *ssh.ServerConn) error { c.SetMaxSessions(2); return nil }},
	} {
		t.Run(name, func(t *testing.T) {
			s.Auth = anonymous()
			c := dial(t, serve(t, s))
			first, second := c.Command("wait"), c.Command("wait")
			require.NoError(t, first.Start(t.Context()))
			require.NoError(t, second.Start(t.Context()))
			var refused *channel.OpenError
			require.ErrorAs(t, c.Command("echo").Run(t.Context()), &refused)
			require.Equal(t, channel.ResourceShortage, refused.Reason)
		})
	}
	c := dial(t, serve(t, &ssh.Server{Auth: anonymous(), MaxSessions: -1}))
	var refused *channel.OpenError
	require.ErrorAs(t, c.Command("echo").Run(t.Context()), &refused)
}

// A client that knows of its session's end may open the next one, even if the
// handler has more to do.
func TestMaxSessionsOneAfterTheOther(t *testing.T) {
	release := make(chan struct{})
	addr := serve(t, &ssh.Server{Auth: anonymous(), MaxSessions: 1, Handler: ssh.HandlerFunc(func(s *ssh.Session) {
		switch s.Command() {
		case "exit":
			s.Exit(0)
		case "signal":
			s.ExitSignal(channel.ExitSignal{Signal: channel.SIGTERM})
		case "close":
			s.Close()
		}
		<-release
	})})
	t.Cleanup(func() { close(release) }) // before the server's Close
	c := dial(t, addr)
	var ended *ssh.ExitError
	require.NoError(t, c.Command("exit").Run(t.Context()))
	require.ErrorAs(t, c.Command("signal").Run(t.Context()), &ended)
	require.ErrorAs(t, c.Command("close").Run(t.Context()), &ended)
	open := c.Command("linger")
	require.NoError(t, open.Start(t.Context()))
	var refused *channel.OpenError
	require.ErrorAs(t, c.Command("exit").Run(t.Context()), &refused)
	require.NoError(t, open.Close())

	// Handlers that do not return are not without number.
	c = dial(t, addr)
	for range 10 {
		require.NoError(t, c.Command("exit").Run(t.Context()))
	}
	require.ErrorAs(t, c.Command("exit").Run(t.Context()), &refused)
}
