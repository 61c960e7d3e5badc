package channel

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh/wire"
)

// allowAll is a policy that grants everything.
var allowAll = SessionPolicy{
	PTY:   func(PTY) bool { return true },
	Env:   func(string, string) bool { return true },
	Start: func(context.Context, *Start) bool { return true },
	Break: func(time.Duration) bool { return true },
}

// An acceptedSession is what became of AcceptSession.
type acceptedSession struct {
	*ServerSession
	err error
}

// sessionPair opens a session. The server's end comes from the channel once
// the client has started something, or AcceptSession has failed.
func sessionPair(t *testing.T, client, server *Mux, policy SessionPolicy) (*Session, <-chan acceptedSession) {
	accepted := make(chan acceptedSession, 1)
	go func() {
		nc, err := server.Accept(t.Context())
		if err != nil {
			accepted <- acceptedSession{err: err}
			return
		}
		s, err := AcceptSession(t.Context(), nc, policy)
		accepted <- acceptedSession{s, err}
	}()
	s, err := OpenSession(t.Context(), client)
	require.NoError(t, err)
	return s, accepted
}

func TestSessionExec(t *testing.T) {
	forBacklogs(t, func(t *testing.T, backlog int) {
		client, server := muxPair(t, backlog, Config{}, Config{})
		policy := allowAll
		policy.Env = func(name, _ string) bool { return strings.HasPrefix(name, "LC_") }
		s, accepted := sessionPair(t, client, server, policy)

		pty := PTY{"xterm", WindowSize{80, 24, 640, 480}, TerminalModes{{ECHO, 0}, {VINTR, 3}}}
		require.NoError(t, s.RequestPTY(t.Context(), pty))
		require.NoError(t, s.Setenv(t.Context(), "LC_ALL", "C"))
		var refused *RequestError
		require.ErrorAs(t, s.Setenv(t.Context(), "LD_PRELOAD", "x"), &refused)
		require.NoError(t, s.SendEnv(t.Context(), "LC_CTYPE", "C.UTF-8"))
		require.NoError(t, s.SendEnv(t.Context(), "LD_AUDIT", "x"))
		require.Equal(t, "env", refused.Type)
		require.NoError(t, s.WindowChange(t.Context(), WindowSize{Columns: 132, Rows: 50}))
		require.NoError(t, s.Exec(t.Context(), "cat; echo done >&2"))

		program := <-accepted
		require.NoError(t, program.err)
		pty.Size = WindowSize{Columns: 132, Rows: 50}
		require.Equal(t, Start{Kind: StartExec, Command: "cat; echo done >&2", PTY: &pty, Env: []string{"LC_ALL=C", "LC_CTYPE=C.UTF-8"}}, program.Start())
		ran := make(chan error, 1)
		go func() {
			if _, err := io.Copy(program, program); err != nil { // ends with the client's EOF
				ran <- err
				return
			}
			io.WriteString(program.Stderr(), "done\n")
			ran <- program.Exit(context.Background(), 3)
		}()

		const n = 3 << 20 // more than a window
		wrote := make(chan error, 1)
		go func() {
			err := writePattern(s, 1, n, 10_000)
			wrote <- errors.Join(err, s.CloseWrite())
		}()
		require.NoError(t, checkPattern(s, 1, n, 7777))
		require.NoError(t, <-wrote)
		rest, err := io.ReadAll(s)
		require.NoError(t, err)
		require.Empty(t, rest)
		text, err := io.ReadAll(s.Stderr())
		require.NoError(t, err)
		require.Equal(t, "done\n", string(text))

		exit, err := s.Wait(t.Context())
		require.NoError(t, err)
		require.Equal(t, ExitStatus{Code: 3}, exit)
		require.NoError(t, <-ran)
		require.NoError(t, s.Close())
	})
}

func TestSessionStartKinds(t *testing.T) {
	tests := []struct {
		start func(*Session, context.Context) error
		want  Start
	}{
		{(*Session).Shell, Start{Kind: StartShell}},
		{func(s *Session, ctx context.Context) error { return s.Exec(ctx, "") }, Start{Kind: StartExec}},
		{func(s *Session, ctx context.Context) error { return s.Subsystem(ctx, "sftp") }, Start{Kind: StartSubsystem, Subsystem: "sftp"}},
	}
	forBacklogs(t, func(t *testing.T, backlog int) {
		client, server := muxPair(t, backlog, Config{}, Config{})
		for _, test := range tests {
			s, accepted := sessionPair(t, client, server, allowAll)
			require.NoError(t, test.start(s, t.Context()))
			program := <-accepted
			require.NoError(t, program.err)
			require.Equal(t, test.want, program.Start(), test.want.Kind)
			require.ErrorIs(t, s.Exec(t.Context(), "again"), ErrSessionStarted)
			require.NoError(t, program.Exit(t.Context(), 0))
			exit, err := s.Wait(t.Context())
			require.NoError(t, err)
			require.True(t, exit.Success())
		}
	})
}

func TestSessionExitSignal(t *testing.T) {
	forBacklogs(t, func(t *testing.T, backlog int) {
		client, server := muxPair(t, backlog, Config{}, Config{})
		s, accepted := sessionPair(t, client, server, allowAll)
		require.NoError(t, s.Shell(t.Context()))
		program := <-accepted
		require.ErrorIs(t, program.SendExitSignal(t.Context(), ExitSignal{Signal: "\x1b"}), wire.ErrInvalid)
		require.NoError(t, program.ExitSignal(t.Context(), ExitSignal{Signal: SIGSEGV, CoreDumped: true, Message: "\x1b[2J"}))
		exit, err := s.Wait(t.Context())
		require.NoError(t, err)
		require.Equal(t, ExitStatus{Signal: "SEGV", CoreDumped: true, Message: "\x1b[2J"}, exit)
		require.False(t, exit.Success())
		require.Equal(t, `signal SEGV (core dumped): "\x1b[2J"`, exit.String())
	})
}

func TestExitStatusString(t *testing.T) {
	require.Equal(t, "no exit status", ExitStatus{None: true}.String())
	require.Equal(t, "exit status 1", ExitStatus{Code: 1}.String())
	require.Equal(t, "signal HUP", ExitStatus{Signal: SIGHUP}.String())
	require.False(t, ExitStatus{None: true}.Success())
	require.True(t, ExitStatus{}.Success())
}

// rawSession opens a session against a peer played by the test.
func rawSession(t *testing.T, p *rawPeer) *Session {
	opened := make(chan *Session, 1)
	go func() {
		s, _ := OpenSession(t.Context(), p.m)
		opened <- s
	}()
	open, err := parseChannelOpen(p.next(wire.MsgChannelOpen))
	require.NoError(t, err)
	require.Equal(t, "session", open.channelType)
	require.Empty(t, open.extra)
	p.send(openConfirmation{recipient: open.sender, sender: rawNumber, window: rawWindow, maxPacket: rawMaxPacket}.append(nil))
	return <-opened
}

// The exit status counts wherever it stands before the peer's CLOSE.
func TestSessionExitStatusInAnyOrder(t *testing.T) {
	status := func(p *rawPeer, s *Session) {
		p.send(channelRequest{s.number, "exit-status", false, []byte{0, 0, 0, 7}}.append(nil))
	}
	eof := func(p *rawPeer, s *Session) { p.signal(wire.MsgChannelEOF, s.Channel) }
	closed := func(p *rawPeer, s *Session) { p.signal(wire.MsgChannelClose, s.Channel) }
	closeHere := func(p *rawPeer, s *Session) { s.Close() }
	data := func(p *rawPeer, s *Session) { p.data(s.Channel, 0, []byte("data")) }
	second := func(p *rawPeer, s *Session) {
		p.send(channelRequest{s.number, "exit-status", false, []byte{0, 0, 0, 9}}.append(nil))
	}
	malformed := func(p *rawPeer, s *Session) {
		p.send(channelRequest{s.number, "exit-status", false, []byte{0, 0, 0, 0, 9}}.append(nil))
		p.send(channelRequest{s.number, "exit-signal", false, []byte("\x00\x00\x00\x01\x1b\x00\x00\x00\x00\x00\x00\x00\x00\x00")}.append(nil))
	}
	none := ExitStatus{None: true}
	tests := []struct {
		name  string
		steps []func(*rawPeer, *Session)
		want  ExitStatus
	}{
		{"status, EOF, CLOSE", []func(*rawPeer, *Session){data, status, eof, closed}, ExitStatus{Code: 7}},
		{"EOF, status, CLOSE", []func(*rawPeer, *Session){data, eof, status, closed}, ExitStatus{Code: 7}},
		{"status, data, CLOSE", []func(*rawPeer, *Session){status, data, closed}, ExitStatus{Code: 7}},
		{"after our CLOSE", []func(*rawPeer, *Session){closeHere, status, closed}, ExitStatus{Code: 7}},
		{"twice", []func(*rawPeer, *Session){status, second, closed}, ExitStatus{Code: 7}},
		{"none", []func(*rawPeer, *Session){eof, closed}, none},
		{"malformed", []func(*rawPeer, *Session){malformed, closed}, none},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				p := newRawPeer(t, Config{})
				s := rawSession(t, p)
				for _, step := range test.steps {
					step(p, s)
				}
				p.next(wire.MsgChannelClose)
				exit, err := s.Wait(t.Context())
				require.NoError(t, err)
				require.Equal(t, test.want, exit)
			})
		})
	}
}

func TestSessionWaitIsCutShort(t *testing.T) {
	forBacklogs(t, func(t *testing.T, backlog int) {
		client, server := muxPair(t, backlog, Config{}, Config{})
		s, accepted := sessionPair(t, client, server, allowAll)
		require.NoError(t, s.Shell(t.Context()))
		<-accepted
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		exit, err := s.Wait(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.True(t, exit.None)

		cause := errors.New("cable cut")
		client.pc.Fail(cause)
		exit, err = s.Wait(t.Context())
		require.ErrorIs(t, err, cause)
		require.True(t, exit.None)
	})
}

// A status that arrived counts even where the connection ends before CLOSE.
func TestSessionStatusBeforeConnectionEnds(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newRawPeer(t, Config{})
		s := rawSession(t, p)
		p.send(channelRequest{s.number, "exit-status", false, []byte{0, 0, 0, 7}}.append(nil))
		p.pc.Fail(errLinkOver)
		exit, err := s.Wait(t.Context())
		require.NoError(t, err)
		require.Equal(t, ExitStatus{Code: 7}, exit)
	})
}

func TestSessionAnswersRequestsOfTheServer(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newRawPeer(t, Config{})
		s := rawSession(t, p)
		for _, name := range []string{"keepalive@openssh.com", "exec", "pty-req", "", "exit-status"} {
			p.send(channelRequest{s.number, name, true, nil}.append(nil))
			p.next(wire.MsgChannelFailure)
		}
		p.send(channelRequest{s.number, "eow@openssh.com", false, nil}.append(nil))
		p.quiet()
	})
}

// OpenSSH's client wants the status before EOF and both before CLOSE.
func TestServerSessionExitOrder(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newRawPeer(t, Config{})
		p.send(channelOpen{channelType: "session", sender: rawNumber, window: rawWindow, maxPacket: rawMaxPacket}.append(nil))
		nc, err := p.m.Accept(t.Context())
		require.NoError(t, err)
		accepted := make(chan *ServerSession, 1)
		go func() {
			s, _ := AcceptSession(t.Context(), nc, allowAll)
			accepted <- s
		}()
		confirmation, err := parseOpenConfirmation(p.next(wire.MsgChannelOpenConfirmation))
		require.NoError(t, err)
		p.send(channelRequest{confirmation.sender, "shell", true, nil}.append(nil))
		p.next(wire.MsgChannelSuccess)
		s := <-accepted
		ended := make(chan error, 1)
		go func() {
			_, err := io.WriteString(s, "out")
			ended <- errors.Join(err, s.Exit(t.Context(), 2))
		}()
		p.next(wire.MsgChannelData)
		request, err := parseChannelRequest(p.next(wire.MsgChannelRequest))
		require.NoError(t, err)
		require.Equal(t, channelRequest{rawNumber, "exit-status", false, []byte{0, 0, 0, 2}}, request)
		p.next(wire.MsgChannelEOF)
		p.next(wire.MsgChannelClose)
		require.NoError(t, <-ended)
		p.signal(wire.MsgChannelClose, s.Channel)
		<-s.Done()
		require.NoError(t, s.Exit(t.Context(), 3), "a second Exit is harmless")
		p.quiet()
	})
}

func TestServerSessionClientClosesFirst(t *testing.T) {
	forBacklogs(t, func(t *testing.T, backlog int) {
		client, server := muxPair(t, backlog, Config{}, Config{})
		s, accepted := sessionPair(t, client, server, allowAll)
		require.NoError(t, s.Shell(t.Context()))
		program := <-accepted
		require.NoError(t, s.Close())
		n, err := program.Read(make([]byte, 1))
		require.Zero(t, n)
		require.ErrorIs(t, err, io.EOF)
		_, err = program.Write([]byte("x"))
		require.ErrorIs(t, err, net.ErrClosed)
		require.NoError(t, program.Exit(t.Context(), 1))
		exit, err := s.Wait(t.Context())
		require.NoError(t, err)
		require.True(t, exit.None)
	})
}

func TestAcceptSessionWithoutStart(t *testing.T) {
	forBacklogs(t, func(t *testing.T, backlog int) {
		client, server := muxPair(t, backlog, Config{}, Config{})
		s, accepted := sessionPair(t, client, server, allowAll)
		require.NoError(t, s.RequestPTY(t.Context(), PTY{Term: "xterm"}))
		require.NoError(t, s.Close())
		require.ErrorIs(t, (<-accepted).err, ErrNotStarted)
		<-s.Done()

		_, accepted = sessionPair(t, client, server, allowAll)
		client.pc.Fail(errLinkOver)
		require.ErrorIs(t, (<-accepted).err, ErrNotStarted)
	})
}

func TestAcceptSessionTimeout(t *testing.T) {
	forBacklogs(t, func(t *testing.T, backlog int) {
		client, server := muxPair(t, backlog, Config{}, Config{})
		ended := make(chan error, 1)
		go func() {
			nc, _ := server.Accept(t.Context())
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			_, err := AcceptSession(ctx, nc, allowAll)
			ended <- err
		}()
		s, err := OpenSession(t.Context(), client)
		require.NoError(t, err)
		require.ErrorIs(t, <-ended, context.DeadlineExceeded)
		<-s.Done()
		require.ErrorIs(t, s.Shell(t.Context()), net.ErrClosed)
	})
}

// Nothing is started for a client that was given up while its request was on
// the way.
func TestAcceptSessionStartTooLate(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newRawPeer(t, Config{})
		p.send(channelOpen{channelType: "session", sender: rawNumber, window: rawWindow, maxPacket: rawMaxPacket}.append(nil))
		nc, err := p.m.Accept(t.Context())
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		policy := allowAll
		policy.Start = func(context.Context, *Start) bool { panic("started") }
		_, err = AcceptSession(ctx, nc, policy)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		confirmation, err := parseOpenConfirmation(p.next(wire.MsgChannelOpenConfirmation))
		require.NoError(t, err)
		p.next(wire.MsgChannelClose)
		p.send(channelRequest{confirmation.sender, "shell", true, nil}.append(nil))
		p.quiet()
	})
}

func TestServerSessionEvents(t *testing.T) {
	forBacklogs(t, func(t *testing.T, backlog int) {
		client, server := muxPair(t, backlog, Config{}, Config{})
		policy := allowAll
		breaks := make(chan time.Duration, 1)
		policy.Break = func(d time.Duration) bool {
			select {
			case breaks <- d:
				return true
			default:
				return false
			}
		}
		policy.Other = func(_ context.Context, r *Request) { r.Reply(r.Type == "x11-req", nil) }
		s, accepted := sessionPair(t, client, server, policy)
		refused := new(RequestError)
		require.ErrorAs(t, s.Break(t.Context(), time.Second), &refused, "nothing runs yet")
		require.NoError(t, s.Signal(t.Context(), SIGHUP), "lost, for nothing runs yet")
		require.NoError(t, s.RequestPTY(t.Context(), PTY{Term: "vt100"}))
		require.NoError(t, s.Shell(t.Context()))
		program := <-accepted

		require.NoError(t, s.Break(t.Context(), 1500*time.Millisecond))
		require.Equal(t, 1500*time.Millisecond, <-breaks)
		require.NoError(t, s.Signal(t.Context(), SIGINT))
		require.Equal(t, SIGINT, <-program.Signals())
		require.ErrorIs(t, s.Signal(t.Context(), "INT\n"), wire.ErrInvalid)
		require.NoError(t, s.WindowChange(t.Context(), WindowSize{Columns: 100, Rows: 30}))
		require.Equal(t, WindowSize{Columns: 100, Rows: 30}, <-program.WindowChanges())

		ok, err := s.SendRequest(t.Context(), "x11-req", true, nil)
		require.NoError(t, err)
		require.True(t, ok)
		ok, err = s.SendRequest(t.Context(), "auth-agent-req@openssh.com", true, nil)
		require.NoError(t, err)
		require.False(t, ok)
	})
}

// Events that nobody takes are bounded and stall nothing.
func TestServerSessionEventsUnread(t *testing.T) {
	forBacklogs(t, func(t *testing.T, backlog int) {
		client, server := muxPair(t, backlog, Config{}, Config{})
		s, accepted := sessionPair(t, client, server, allowAll)
		require.NoError(t, s.RequestPTY(t.Context(), PTY{}))
		require.NoError(t, s.Shell(t.Context()))
		program := <-accepted
		for i := range 1000 {
			require.NoError(t, s.WindowChange(t.Context(), WindowSize{Columns: uint32(i)}))
			require.NoError(t, s.Signal(t.Context(), fmt.Sprint("s", i, "@example.com")))
			synctest.Wait()
		}
		require.Equal(t, WindowSize{Columns: 999}, <-program.WindowChanges())
		for i := range maxQueuedSignals {
			require.Equal(t, fmt.Sprint("s", i, "@example.com"), <-program.Signals())
		}
		require.Empty(t, program.Signals())
		require.Empty(t, program.WindowChanges())
		_, err := io.WriteString(program, "alive")
		require.NoError(t, err)
		buf := make([]byte, 5)
		_, err = io.ReadFull(s, buf)
		require.NoError(t, err)
	})
}

// No size is of use without a terminal.
func TestWindowChangeWithoutPTY(t *testing.T) {
	forBacklogs(t, func(t *testing.T, backlog int) {
		client, server := muxPair(t, backlog, Config{}, Config{})
		s, accepted := sessionPair(t, client, server, allowAll)
		require.NoError(t, s.WindowChange(t.Context(), WindowSize{Columns: 1}))
		require.NoError(t, s.Shell(t.Context()))
		program := <-accepted
		require.NoError(t, s.WindowChange(t.Context(), WindowSize{Columns: 2}))
		synctest.Wait()
		require.Nil(t, program.Start().PTY)
		require.Empty(t, program.WindowChanges())
	})
}

func TestDefect_SessionRefusedByDefault(t *testing.T) {
	forBacklogs(t, func(t *testing.T, backlog int) {
		client, server := muxPair(t, backlog, Config{}, Config{})
		s, accepted := sessionPair(t, client, server, SessionPolicy{})
		for name, payload := range sessionRequestsWithPayload() {
			ok, err := s.SendRequest(t.Context(), name, true, payload)
			require.NoError(t, err)
			require.False(t, ok, name)
		}
		require.NoError(t, s.Close())
		require.ErrorIs(t, (<-accepted).err, ErrNotStarted)
	})
}

func sessionRequestsWithPayload() map[string][]byte {
	return map[string][]byte{
		"pty-req":                    sessionSeeds[requestPTY],
		"env":                        sessionSeeds[requestEnv],
		"shell":                      nil,
		"exec":                       sessionSeeds[requestExec],
		"subsystem":                  wire.AppendString(nil, "sftp"),
		"window-change":              sessionSeeds[requestWindowChange],
		"signal":                     sessionSeeds[requestSignal],
		"break":                      {0, 0, 0, 0},
		"x11-req":                    nil,
		"auth-agent-req@openssh.com": nil,
		"exit-status":                {0, 0, 0, 0},
		"unheard-of@example.com":     nil,
	}
}

// One channel runs one program, and what it runs with is settled before.
func TestDefect_SecondStartRefused(t *testing.T) {
	for first := range map[string]bool{"shell": true, "exec": true, "subsystem": true} {
		t.Run(first, func(t *testing.T) {
			forBacklogs(t, func(t *testing.T, backlog int) {
				client, server := muxPair(t, backlog, Config{}, Config{})
				starts := 0
				policy := allowAll
				policy.Start = func(context.Context, *Start) bool { starts++; return true }
				s, accepted := sessionPair(t, client, server, policy)
				requests := sessionRequestsWithPayload()
				ok, err := s.SendRequest(t.Context(), first, true, requests[first])
				require.NoError(t, err)
				require.True(t, ok)
				program := <-accepted
				before := program.Start()
				for _, name := range []string{"shell", "exec", "subsystem", "pty-req", "env"} {
					ok, err := s.SendRequest(t.Context(), name, true, requests[name])
					require.NoError(t, err)
					require.False(t, ok, name)
				}
				require.Equal(t, before, program.Start())
				require.Equal(t, 1, starts)
			})
		})
	}
}

// A refused start leaves the session as it was, and another may be tried.
func TestSessionStartAfterRefusal(t *testing.T) {
	forBacklogs(t, func(t *testing.T, backlog int) {
		client, server := muxPair(t, backlog, Config{}, Config{})
		policy := allowAll
		policy.Start = func(_ context.Context, s *Start) bool { return s.Kind == StartExec }
		s, accepted := sessionPair(t, client, server, policy)
		var refused *RequestError
		require.ErrorAs(t, s.Subsystem(t.Context(), "sftp"), &refused)
		require.ErrorAs(t, s.Shell(t.Context()), &refused)
		require.NoError(t, s.Exec(t.Context(), "sftp-server"))
		require.Equal(t, Start{Kind: StartExec, Command: "sftp-server"}, (<-accepted).Start())
	})
}

func TestDefect_SecondPTYRefused(t *testing.T) {
	forBacklogs(t, func(t *testing.T, backlog int) {
		client, server := muxPair(t, backlog, Config{}, Config{})
		s, accepted := sessionPair(t, client, server, allowAll)
		require.NoError(t, s.RequestPTY(t.Context(), PTY{Term: "first"}))
		var refused *RequestError
		require.ErrorAs(t, s.RequestPTY(t.Context(), PTY{Term: "second"}), &refused)
		require.NoError(t, s.Shell(t.Context()))
		require.Equal(t, "first", (<-accepted).Start().PTY.Term)
	})
}

func TestServerSessionEnvIsBounded(t *testing.T) {
	forBacklogs(t, func(t *testing.T, backlog int) {
		client, server := muxPair(t, backlog, Config{}, Config{})
		var refused *RequestError
		s, _ := sessionPair(t, client, server, allowAll)
		for range MaxSessionEnv {
			require.NoError(t, s.Setenv(t.Context(), "A", "b"))
		}
		require.ErrorAs(t, s.Setenv(t.Context(), "A", "b"), &refused)
		require.NoError(t, s.Close())

		s, accepted := sessionPair(t, client, server, allowAll)
		value := strings.Repeat("v", 16<<10-1)
		for range MaxSessionEnvBytes / (16 << 10) {
			require.NoError(t, s.Setenv(t.Context(), "A", value))
		}
		require.ErrorAs(t, s.Setenv(t.Context(), "A", ""), &refused)
		require.NoError(t, s.Shell(t.Context()))
		require.Len(t, (<-accepted).Start().Env, 4)
	})
}

// Malformed requests are refused, run nothing, and harm nothing.
func TestServerSessionMalformedRequests(t *testing.T) {
	forBacklogs(t, func(t *testing.T, backlog int) {
		client, server := muxPair(t, backlog, Config{}, Config{})
		s, accepted := sessionPair(t, client, server, allowAll)
		malformed := func(names ...string) {
			for _, name := range names {
				payload := sessionRequestsWithPayload()[name]
				wrong := [][]byte{append(payload[:len(payload):len(payload)], 0)}
				if len(payload) > 0 {
					wrong = append(wrong, nil, payload[:len(payload)-1])
				}
				for _, payload := range wrong {
					ok, err := s.SendRequest(t.Context(), name, true, payload)
					require.NoError(t, err)
					require.False(t, ok, "%s %x", name, payload)
				}
			}
		}
		malformed("pty-req", "env", "shell", "exec", "subsystem")
		require.NoError(t, s.RequestPTY(t.Context(), PTY{}))
		malformed("window-change")
		require.NoError(t, s.Shell(t.Context()))
		malformed("window-change", "signal", "break")
		program := <-accepted
		require.Equal(t, StartShell, program.Start().Kind)
		require.Empty(t, program.Start().Env)
		require.Empty(t, program.Signals())
		require.Empty(t, program.WindowChanges())
	})
}

func TestDefect_SessionsLeaveNothingBehind(t *testing.T) {
	forBacklogs(t, func(t *testing.T, backlog int) {
		client, server := muxPair(t, backlog, Config{MaxChannels: 4}, Config{MaxChannels: 4})
		for i := range 200 {
			s, accepted := sessionPair(t, client, server, allowAll)
			require.NoError(t, s.Exec(t.Context(), "true"))
			program := <-accepted
			switch i % 3 {
			case 0:
				require.NoError(t, program.Exit(t.Context(), 0))
			case 1:
				require.NoError(t, program.Close())
			}
			require.NoError(t, s.Close())
			_, err := s.Wait(t.Context())
			require.NoError(t, err)
			require.NoError(t, program.Close())
			<-program.Done()
		}
		require.Zero(t, client.Stats().Channels)
		require.Zero(t, server.Stats().Channels)
	})
}
