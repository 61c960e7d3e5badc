package ssh_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh"
)

// Whoever waits for the end of a server hears of it, however many they are.
func TestShutdownAndCloseTogether(t *testing.T) {
	checkGoroutines(t)
	s := &ssh.Server{Auth: anonymous()}
	c := dial(t, serve(t, s))
	require.NoError(t, c.Command("wait").Start(t.Context()))
	const waiters = 8
	done := make(chan error, 2*waiters)
	for range waiters {
		go func() { done <- s.Shutdown(context.Background()) }()
	}
	time.Sleep(10 * time.Millisecond) // they wait for the session; any order is right
	for range waiters {
		go func() { done <- s.Close() }()
	}
	for range 2 * waiters {
		select {
		case err := <-done:
			require.NoError(t, err)
		case <-time.After(30 * time.Second):
			require.Fail(t, "one of them waits for ever")
		}
	}
}

// A handler that heeds no context keeps Shutdown no longer than its own.
func TestShutdownLeavesStuckHandlers(t *testing.T) {
	checkGoroutines(t)
	release := make(chan struct{})
	s := &ssh.Server{Auth: anonymous(), Handler: ssh.HandlerFunc(func(*ssh.Session) { <-release })}
	c := dial(t, serve(t, s))
	t.Cleanup(func() { close(release) }) // before the server's Close
	require.NoError(t, c.Shell().Start(t.Context()))
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- s.Shutdown(ctx) }()
	select {
	case err := <-done:
		require.ErrorIs(t, err, context.DeadlineExceeded)
	case <-time.After(30 * time.Second):
		require.Fail(t, "Shutdown waits for the handler")
	}
	require.Error(t, c.Wait())
}
