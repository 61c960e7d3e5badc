package channel

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh/internal/packettest"
	"github.com/fairlead-go/ssh/wire"
)

var errLinkOver = errors.New("the test is over")

// testTimeout is far more than any wait of these tests takes.
const testTimeout = 30 * time.Second

// A testLink is a connection with a Mux at both ends. Nothing runs before run.
type testLink struct {
	client, server     *Mux
	clientPC, serverPC *packettest.Conn
	ended              chan struct{}
}

func newTestLink(backlog int, client, server Config) *testLink {
	l := &testLink{ended: make(chan struct{})}
	l.clientPC, l.serverPC = packettest.Pair(backlog)
	l.client = New(l.clientPC, client)
	l.server = New(l.serverPC, server)
	return l
}

func (l *testLink) run() {
	serverEnded := make(chan struct{})
	go func() { l.server.Run(); close(serverEnded) }()
	go func() { l.client.Run(); <-serverEnded; close(l.ended) }()
}

// end fails the connection and waits for both Runs.
func (l *testLink) end() {
	l.clientPC.Fail(errLinkOver)
	<-l.ended
}

// withLink runs the test over both backlogs, and checks that no goroutine is
// left after the connection has ended.
func withLink(t *testing.T, client, server Config, test func(t *testing.T, l *testLink)) {
	for _, backlog := range []int{0, 1} {
		t.Run(fmt.Sprintf("backlog %d", backlog), func(t *testing.T) {
			noLeaks(t)
			l := newTestLink(backlog, client, server)
			l.run()
			t.Cleanup(l.end)
			test(t, l)
		})
	}
}

// noLeaks fails the test if it leaves more goroutines than there were. Cleanups
// that are registered later run before.
func noLeaks(t *testing.T) {
	before := runtime.NumGoroutine()
	t.Cleanup(func() {
		deadline := time.Now().Add(5 * time.Second)
		for runtime.NumGoroutine() > before {
			if time.Now().After(deadline) {
				buf := make([]byte, 1<<20)
				t.Fatalf("goroutines are left:\n%s", buf[:runtime.Stack(buf, true)])
			}
			time.Sleep(time.Millisecond)
		}
	})
}

func testContext(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), testTimeout)
	t.Cleanup(cancel)
	return ctx
}

// acceptAll gives every channel that the peer opens to handle, until the
// connection ends.
func acceptAll(m *Mux, handle func(*NewChannel)) {
	go func() {
		for {
			nc, err := m.Accept(context.Background())
			if err != nil {
				return
			}
			handle(nc)
		}
	}()
}

// checkCodec checks that encoded is what a decoder takes and gives back, that
// no strict prefix of it is, and nothing longer.
func checkCodec(t *testing.T, encoded []byte, recode func([]byte) ([]byte, error)) {
	t.Helper()
	again, err := recode(encoded)
	require.NoError(t, err)
	require.Equal(t, encoded, again)
	for i := range encoded {
		_, err := recode(encoded[:i])
		require.ErrorIs(t, err, wire.ErrTruncated, "prefix of %d bytes", i)
	}
	_, err = recode(append(encoded[:len(encoded):len(encoded)], 0))
	require.ErrorIs(t, err, wire.ErrTrailing)
}
