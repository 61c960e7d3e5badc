package channel

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh/wire"
)

// A startResult is what became of StartSession.
type startResult struct {
	s   *Session
	err error
}

// startAgainst starts a session against a peer played by the test, which has
// taken the open.
func startAgainst(t *testing.T, ctx context.Context, p *rawPeer, start Start) (open channelOpen, started chan startResult) {
	started = make(chan startResult, 1)
	go func() {
		s, err := StartSession(ctx, p.m, start, true)
		started <- startResult{s, err}
	}()
	open, err := parseChannelOpen(p.next(wire.MsgChannelOpen))
	require.NoError(t, err)
	return open, started
}

func (p *rawPeer) confirm(open channelOpen) {
	p.send(openConfirmation{recipient: open.sender, sender: rawNumber, window: rawWindow, maxPacket: rawMaxPacket}.append(nil))
}

func (p *rawPeer) request(t *testing.T) channelRequest {
	r, err := parseChannelRequest(p.next(wire.MsgChannelRequest))
	require.NoError(t, err)
	return r
}

// TestStartSession: variables and the program follow the confirmation at once,
// and a terminal is waited for.
func TestStartSession(t *testing.T) {
	start := Start{Kind: StartExec, Command: "ls", Env: []string{"A=b", "C=d=e"}}
	bubble(t, func(t *testing.T) {
		p := newRawPeer(t, Config{})
		open, started := startAgainst(t, t.Context(), p, start)
		p.confirm(open)
		for _, want := range [][2]string{{"A", "b"}, {"C", "d=e"}} {
			r := p.request(t)
			require.Equal(t, "env", r.name)
			require.False(t, r.wantReply)
			require.Equal(t, appendEnv(nil, want[0], want[1]), r.payload)
		}
		r := p.request(t)
		require.Equal(t, "exec", r.name)
		require.True(t, r.wantReply)
		p.send(channelSignal{wire.MsgChannelSuccess, open.sender}.append(nil))
		got := <-started
		require.NoError(t, got.err)
		require.ErrorIs(t, got.s.Shell(t.Context()), ErrSessionStarted)
	})

	start.PTY = &PTY{Term: "xterm"}
	for _, granted := range []bool{true, false} {
		bubble(t, func(t *testing.T) {
			p := newRawPeer(t, Config{})
			open, started := startAgainst(t, t.Context(), p, start)
			p.confirm(open)
			require.Equal(t, "pty-req", p.request(t).name)
			p.quiet()
			if !granted {
				p.send(channelSignal{wire.MsgChannelFailure, open.sender}.append(nil))
				var refused *RequestError
				require.ErrorAs(t, (<-started).err, &refused)
				require.Equal(t, "pty-req", refused.Type)
				p.next(wire.MsgChannelClose)
				return
			}
			p.send(channelSignal{wire.MsgChannelSuccess, open.sender}.append(nil))
			require.Equal(t, "env", p.request(t).name)
			require.Equal(t, "env", p.request(t).name)
			require.Equal(t, "exec", p.request(t).name)
			p.send(channelSignal{wire.MsgChannelSuccess, open.sender}.append(nil))
			require.NoError(t, (<-started).err)
		})
	}
}

// TestStartSessionFails: whatever the peer does in the place of a reply.
func TestStartSessionFails(t *testing.T) {
	start := Start{Kind: StartSubsystem, Subsystem: "sftp"}
	bubble(t, func(t *testing.T) {
		p := newRawPeer(t, Config{})
		open, started := startAgainst(t, t.Context(), p, start)
		p.send(openFailure{recipient: open.sender, reason: AdministrativelyProhibited, message: "no"}.append(nil))
		var refused *OpenError
		require.ErrorAs(t, (<-started).err, &refused)
		p.quiet()

		open, started = startAgainst(t, t.Context(), p, start)
		p.send(openConfirmation{recipient: open.sender, sender: rawNumber, window: 1, maxPacket: MinMaxPacket - 1}.append(nil))
		require.ErrorIs(t, (<-started).err, errMaxPacket)
		p.next(wire.MsgChannelClose)
		p.send(channelSignal{wire.MsgChannelClose, open.sender}.append(nil))

		open, started = startAgainst(t, t.Context(), p, start)
		p.confirm(open)
		require.Equal(t, "subsystem", p.request(t).name)
		p.send(channelSignal{wire.MsgChannelFailure, open.sender}.append(nil))
		var no *RequestError
		require.ErrorAs(t, (<-started).err, &no)
		require.Equal(t, "subsystem", no.Type)
		p.next(wire.MsgChannelClose)
		p.send(channelSignal{wire.MsgChannelClose, open.sender}.append(nil))

		open, started = startAgainst(t, t.Context(), p, start)
		p.confirm(open)
		p.request(t)
		p.send(channelSignal{wire.MsgChannelClose, open.sender}.append(nil))
		require.ErrorIs(t, (<-started).err, errPeerClosed)
		p.next(wire.MsgChannelClose)

		// Given up before the confirmation, which is then answered by CLOSE alone.
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		open, started = startAgainst(t, ctx, p, start)
		require.ErrorIs(t, (<-started).err, context.DeadlineExceeded)
		p.confirm(open)
		p.next(wire.MsgChannelClose)
		p.send(channelSignal{wire.MsgChannelClose, open.sender}.append(nil))

		// And after it.
		ctx, cancel = context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		open, started = startAgainst(t, ctx, p, start)
		p.confirm(open)
		p.request(t)
		require.ErrorIs(t, (<-started).err, context.DeadlineExceeded)
		p.next(wire.MsgChannelClose)
		p.send(channelSignal{wire.MsgChannelClose, open.sender}.append(nil))

		synctest.Wait()
		require.Zero(t, p.m.Stats().Channels)
		_, started = startAgainst(t, t.Context(), p, start)
		p.m.pc.Fail(errLinkOver)
		require.ErrorIs(t, (<-started).err, errLinkOver)
	})

	for _, bad := range []Start{{}, {Kind: StartExec, Env: []string{"A"}}, {Kind: StartExec, Env: []string{"=b"}}} {
		_, err := StartSession(t.Context(), nil, bad, false)
		require.ErrorIs(t, err, wire.ErrInvalid)
	}
}

// TestStartSessionLarge: what is too much to be sent without waiting for room is
// sent with waiting.
func TestStartSessionLarge(t *testing.T) {
	forBacklogs(t, func(t *testing.T, backlog int) {
		client, server := muxPair(t, backlog, Config{}, Config{})
		command := strings.Repeat("x", 2*maxFirst)
		served := make(chan *ServerSession, 1)
		go func() {
			nc, _ := server.Accept(t.Context())
			ServeSession(nc, allowAll, func(s *ServerSession) { served <- s })
		}()
		s, err := StartSession(t.Context(), client, Start{Kind: StartExec, Command: command}, false)
		require.NoError(t, err)
		require.Equal(t, command, (<-served).Start().Command)
		require.NoError(t, s.Close())
	})
}

// TestServeSession: it is called once, with what was started or that nothing was,
// and until then there is no goroutine.
func TestServeSession(t *testing.T) {
	forBacklogs(t, func(t *testing.T, backlog int) {
		client, server := muxPair(t, backlog, Config{}, Config{})
		accept := func() (s *Session, served chan *ServerSession) {
			served = make(chan *ServerSession, 2)
			accepted := make(chan error, 1)
			go func() {
				nc, err := server.Accept(t.Context())
				if err == nil {
					err = ServeSession(nc, allowAll, func(s *ServerSession) { served <- s })
				}
				accepted <- err
			}()
			s, err := OpenSession(t.Context(), client)
			require.NoError(t, err)
			require.NoError(t, <-accepted)
			return s, served
		}
		s, served := accept()
		require.NoError(t, s.Setenv(t.Context(), "A", "b"))
		require.NoError(t, s.Shell(t.Context()))
		session := <-served
		require.Equal(t, Start{Kind: StartShell, Env: []string{"A=b"}}, session.Start())
		require.NoError(t, s.Signal(t.Context(), SIGINT), "requests are served while the program runs")
		require.Equal(t, SIGINT, <-session.Signals())
		require.NoError(t, session.Exit(t.Context(), 0))
		<-s.Done()
		<-session.Done()
		require.Empty(t, served)

		s, served = accept()
		require.NoError(t, s.Setenv(t.Context(), "A", "b"))
		_, err := s.Write([]byte("what nothing reads"))
		require.NoError(t, err)
		require.Empty(t, served)
		require.NoError(t, s.Close())
		require.Nil(t, <-served)
		synctest.Wait()
		require.LessOrEqual(t, server.Stats().Channels, 1, "its place is free again")

		_, served = accept()
		client.pc.Fail(errLinkOver)
		require.Nil(t, <-served)
	})
}

// TestConfirmedBeforeOpened: a peer may guess the number of a channel and confirm
// it early; it gains nothing.
func TestConfirmedBeforeOpened(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newRawPeer(t, Config{})
		for range 20 {
			requests := []channelRequest{{name: "shell", wantReply: true}}
			c, err := p.m.prepare(t.Context(), typeSession, 0, requestServer{}, func(c *Channel) {
				c.first, c.firstReply = requests, make(chan reply, 1)
			})
			require.NoError(t, err)
			go c.confirm(openConfirmation{recipient: c.number, sender: rawNumber, window: rawWindow, maxPacket: rawMaxPacket})
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			opened := make(chan error)
			go func() { opened <- c.openWithFirst(ctx, "shell") }()
			for range 2 { // the open and the request, in either order
				_, err := p.pc.ReadPacket()
				require.NoError(t, err)
			}
			p.send(channelSignal{wire.MsgChannelSuccess, c.number}.append(nil))
			require.NoError(t, <-opened)
		}
	})
}
