package ssh_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh"
	"github.com/fairlead-go/ssh/auth"
	"github.com/fairlead-go/ssh/keys"
	"github.com/fairlead-go/ssh/transport"
)

// TestThousandClients has a thousand clients log in by key and stay, then each
// run a command at once. It bounds what an idle connection costs.
func TestThousandClients(t *testing.T) {
	checkGoroutines(t)
	const clients = 1000
	key := newKey(t)
	addr := serve(t, &ssh.Server{MaxStartups: clients, MaxStartupsPerSource: clients, Transport: transport.Config{HandshakeTimeout: -1}, Auth: auth.ServerConfig{
		PublicKey: func(_ context.Context, _ *auth.Attempt, k keys.PublicKey) (*auth.Permissions, error) {
			if !keys.Equal(k, key.PublicKey()) {
				return nil, errors.New("unknown key")
			}
			return nil, nil
		},
	}})
	heapBefore, goroutinesBefore := heap(), runtime.NumGoroutine()

	conns := make([]*ssh.Client, clients)
	each := func(f func(i int) error) {
		var wg sync.WaitGroup
		errs := make([]error, clients)
		for i := range clients {
			wg.Go(func() { errs[i] = f(i) })
		}
		wg.Wait()
		require.NoError(t, errors.Join(errs...))
	}
	each(func(i int) (err error) {
		conns[i], err = ssh.Dial(t.Context(), "tcp", addr, &ssh.ClientConfig{
			User: "alice", Auth: []auth.Method{auth.PublicKeys(key)}, VerifyHostKey: transport.InsecureAcceptAnyHostKey,
			// Logging in a thousand times at once takes what it takes.
			Transport: transport.Config{HandshakeTimeout: -1},
		})
		return err
	})
	bytes, goroutines := (int64(heap())-int64(heapBefore))/clients, float64(runtime.NumGoroutine()-goroutinesBefore)/clients
	t.Logf("an idle connection, both sides: %d bytes of heap, %.1f goroutines", bytes, goroutines)
	require.LessOrEqual(t, goroutines, 2.1) // and flushers that are about to end
	if !raceEnabled {
		require.LessOrEqual(t, bytes, int64(2*16<<10))
	}
	each(func(i int) error {
		out, err := conns[i].Command(fmt.Sprint("echo ", i)).Output(t.Context())
		if err == nil && string(out) != fmt.Sprintln(i) {
			err = fmt.Errorf("client %d got %q", i, out)
		}
		return err
	})
	each(func(i int) error { return conns[i].Close() })
}

// heap returns the bytes of live objects.
func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
