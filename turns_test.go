package ssh_test

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh"
	"github.com/fairlead-go/ssh/transport"
)

// TestTurns: over sockets, on which users read for themselves where they speak by
// turns with the peer, everything that can end a wait or go on beside it does so
// in time: commands, echoes with pauses and deadlines, pings, and new keys all the
// time. At the end Close finds somebody waiting.
func TestTurns(t *testing.T) {
	checkGoroutines(t)
	rekey := transport.Config{RekeyBytes: 32 << 10}
	addr := serve(t, &ssh.Server{Auth: anonymous(), Transport: rekey})
	for _, users := range []int{1, 2, 5} {
		t.Run(fmt.Sprint(users, " users"), func(t *testing.T) {
			c := dial(t, addr)
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			until := time.Now().Add(700 * time.Millisecond)
			var wg sync.WaitGroup
			for user := range users {
				wg.Go(func() {
					rng := rand.New(rand.NewPCG(uint64(user), 1))
					cat := c.Command("cat")
					in, err := cat.StdinPipe()
					require.NoError(t, err)
					out, err := cat.StdoutPipe()
					require.NoError(t, err)
					require.NoError(t, cat.Start(ctx))
					for time.Now().Before(until) {
						switch rng.IntN(8) {
						case 0:
							text, err := c.Command("echo hello").Output(ctx)
							require.NoError(t, err)
							require.Equal(t, "hello\n", string(text))
						case 1:
							_, err := c.Ping(ctx)
							require.NoError(t, err)
						case 2:
							time.Sleep(time.Duration(rng.IntN(12)) * time.Millisecond)
						case 3:
							channel := cat.Session().Channel
							wait := time.Duration(rng.IntN(4)) * time.Millisecond
							start := time.Now()
							channel.SetReadDeadline(start.Add(wait))
							_, err := out.Read(make([]byte, 1))
							require.ErrorIs(t, err, os.ErrDeadlineExceeded)
							require.Less(t, time.Since(start), 10*time.Second)
							channel.SetReadDeadline(time.Time{})
						default:
							for range rng.IntN(50) {
								b := make([]byte, 1+rng.IntN(3000))
								_, err := in.Write(b)
								require.NoError(t, err)
								_, err = io.ReadFull(out, b)
								require.NoError(t, err)
							}
						}
					}
					require.NoError(t, in.Close())
					_, err = out.Read(make([]byte, 1))
					require.Equal(t, io.EOF, err)
					require.NoError(t, cat.Wait(ctx))
				})
			}
			wg.Wait()
			require.Greater(t, c.ConnState().KeyExchanges, uint64(2))

			waits := c.Command("wait")
			out, err := waits.StdoutPipe()
			require.NoError(t, err)
			require.NoError(t, waits.Start(ctx))
			read := make(chan error)
			go func() {
				_, err := out.Read(make([]byte, 1))
				read <- err
			}()
			time.Sleep(time.Duration(users) * time.Millisecond)
			start := time.Now()
			require.NoError(t, c.Close())
			require.Error(t, <-read)
			require.Less(t, time.Since(start), 10*time.Second)
		})
	}
}
