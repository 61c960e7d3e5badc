package ssh_test

import (
	"context"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh"
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
