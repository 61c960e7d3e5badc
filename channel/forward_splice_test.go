package channel

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// splicedConn is a channel whose far end is spliced to a conn.
func splicedConn(t *testing.T, client, server *Mux, conn net.Conn) (c *StreamConn, spliced <-chan error) {
	c, s, err := connPair(t.Context(), client, server)
	require.NoError(t, err)
	done := make(chan error, 1)
	go func() { done <- Splice(s, conn) }()
	return c, done
}

// halfPipe is a net.Pipe end with CloseWrite, and without it in the other
// direction's way.
type halfPipe struct {
	net.Conn // reads and deadlines
	w        net.Conn
}

func (p halfPipe) Write(b []byte) (int, error)        { return p.w.Write(b) }
func (p halfPipe) CloseWrite() error                  { return p.w.Close() }
func (p halfPipe) Close() error                       { return errors.Join(p.w.Close(), p.Conn.Close()) }
func (p halfPipe) SetWriteDeadline(t time.Time) error { return p.w.SetWriteDeadline(t) }
func newHalfPipes() (a, b halfPipe) {
	a1, b1 := net.Pipe()
	a2, b2 := net.Pipe()
	return halfPipe{a1, a2}, halfPipe{b2, b1}
}

func TestSpliceHalfClose(t *testing.T) {
	forBacklogs(t, func(t *testing.T, backlog int) {
		for _, first := range []string{"channel", "conn"} {
			client, server := muxPair(t, backlog, Config{}, Config{})
			near, far := newHalfPipes()
			c, spliced := splicedConn(t, client, server, near)
			ends := []interface {
				net.Conn
				CloseWrite() error
			}{c, far}
			if first == "conn" {
				ends[0], ends[1] = ends[1], ends[0]
			}
			_, err := io.WriteString(ends[0], "first")
			if err == nil {
				err = ends[0].CloseWrite()
			}
			require.NoError(t, err)
			got, err := io.ReadAll(ends[1])
			require.NoError(t, err)
			require.Equal(t, "first", string(got))
			time.Sleep(time.Hour)
			go func() {
				io.WriteString(ends[1], "second")
				ends[1].CloseWrite()
			}()
			got, err = io.ReadAll(ends[0])
			require.NoError(t, err)
			require.Equal(t, "second", string(got))
			require.NoError(t, <-spliced)
			c.Close()
			<-c.Channel().Done()
			far.Close()
		}
	})
}

// A channel that the peer closes ends the splice although the conn is silent,
// and what the channel had sent still reaches the conn.
func TestSpliceChannelCloses(t *testing.T) {
	forBacklogs(t, func(t *testing.T, backlog int) {
		client, server := muxPair(t, backlog, Config{}, Config{})
		near, far := newHalfPipes()
		c, spliced := splicedConn(t, client, server, near)
		wrote := make(chan error, 1)
		go func() {
			err := writePattern(c, 1, 100_000, 10_000)
			wrote <- errors.Join(err, c.Close())
		}()
		require.NoError(t, <-wrote)
		synctest.Wait()
		require.NoError(t, checkPattern(far, 1, 100_000, 1000))
		_, err := far.Read(make([]byte, 1))
		require.Equal(t, io.EOF, err)
		require.NoError(t, <-spliced)
		_, err = far.Write([]byte("x"))
		require.ErrorIs(t, err, io.ErrClosedPipe)
		far.Close()
	})
}

// The same where the whole connection ends; but a conn that takes nothing more
// does not hold it up for ever.
func TestSpliceConnectionEnds(t *testing.T) {
	for _, reads := range []bool{true, false} {
		forBacklogs(t, func(t *testing.T, backlog int) {
			client, server := muxPair(t, backlog, Config{}, Config{})
			near, far := newHalfPipes()
			defer far.Close()
			c, spliced := splicedConn(t, client, server, near)
			require.NoError(t, writePattern(c, 1, 100_000, 10_000))
			synctest.Wait()
			start := time.Now()
			cause := errors.New("cable cut")
			server.pc.Fail(cause)
			synctest.Wait()
			if !reads {
				require.Error(t, <-spliced)
				require.Equal(t, spliceDrain, time.Since(start))
				return
			}
			require.NoError(t, checkPattern(far, 1, 100_000, 1000))
			require.ErrorIs(t, <-spliced, cause)
			require.Zero(t, time.Since(start))
		})
	}
}

// readFails is a conn whose reads fail, and writes too if so told.
type failingConn struct {
	halfPipe
	read, write error
}

func (c failingConn) Read(p []byte) (int, error) {
	if c.read != nil {
		return 0, c.read
	}
	return c.halfPipe.Read(p)
}

func (c failingConn) Write(p []byte) (int, error) {
	if c.write != nil {
		return 0, c.write
	}
	return c.halfPipe.Write(p)
}

func TestSpliceReadError(t *testing.T) {
	forBacklogs(t, func(t *testing.T, backlog int) {
		client, server := muxPair(t, backlog, Config{}, Config{})
		near, far := newHalfPipes()
		defer far.Close()
		cause := errors.New("reset")
		c, spliced := splicedConn(t, client, server, failingConn{near, cause, nil})
		require.ErrorIs(t, <-spliced, cause)
		_, err := c.Write([]byte("x"))
		for err == nil {
			synctest.Wait()
			_, err = c.Write([]byte("x"))
		}
		require.ErrorIs(t, err, net.ErrClosed)
	})
}

// What the conn sent before it stopped taking data still arrives.
func TestSpliceWriteError(t *testing.T) {
	forBacklogs(t, func(t *testing.T, backlog int) {
		client, server := muxPair(t, backlog, Config{}, Config{})
		near, far := newHalfPipes()
		defer far.Close()
		cause := errors.New("broken pipe")
		c, spliced := splicedConn(t, client, server, failingConn{near, nil, cause})
		start := time.Now()
		_, err := c.Write([]byte("x"))
		require.NoError(t, err)
		synctest.Wait()
		_, err = io.WriteString(far, "last words")
		require.NoError(t, err)
		got, err := io.ReadAll(c)
		require.NoError(t, err)
		require.Equal(t, "last words", string(got))
		require.ErrorIs(t, <-spliced, cause)
		require.Equal(t, spliceDrain, time.Since(start), "it may not go on for ever")
	})
}

// bareConn has neither CloseWrite nor deadlines.
type bareConn struct{ net.Conn }

func (bareConn) SetDeadline(time.Time) error      { return errors.ErrUnsupported }
func (bareConn) SetReadDeadline(time.Time) error  { return errors.ErrUnsupported }
func (bareConn) SetWriteDeadline(time.Time) error { return errors.ErrUnsupported }

func TestSpliceBareConn(t *testing.T) {
	for _, how := range []string{"EOF", "close", "connection"} {
		forBacklogs(t, func(t *testing.T, backlog int) {
			client, server := muxPair(t, backlog, Config{}, Config{})
			near, far := net.Pipe()
			c, spliced := splicedConn(t, client, server, bareConn{near})
			switch how {
			case "EOF":
				require.NoError(t, c.CloseWrite())
			case "close":
				require.NoError(t, c.Close())
			case "connection":
				client.pc.Fail(errLinkOver)
			}
			_, err := far.Read(make([]byte, 1))
			require.Error(t, err)
			<-spliced
		})
	}
}

func TestSpliceTwoChannels(t *testing.T) {
	forBacklogs(t, func(t *testing.T, backlog int) {
		client, server := muxPair(t, backlog, Config{}, Config{})
		a1, a2, err := connPair(context.Background(), client, server)
		require.NoError(t, err)
		b1, b2, err := connPair(context.Background(), client, server)
		require.NoError(t, err)
		spliced := make(chan error, 1)
		go func() { spliced <- Splice(a2, b2) }()
		const n = 3 << 20
		wrote := make(chan error, 2)
		go func() { wrote <- errors.Join(writePattern(a1, 1, n, 9000), a1.CloseWrite()) }()
		go func() { wrote <- errors.Join(writePattern(b1, 2, n, 9000), b1.CloseWrite()) }()
		read := make(chan error, 1)
		go func() { read <- checkPattern(a1, 2, n, 5000) }()
		require.NoError(t, checkPattern(b1, 1, n, 5000))
		require.NoError(t, <-read)
		require.NoError(t, <-wrote)
		require.NoError(t, <-wrote)
		require.NoError(t, <-spliced)
	})
}

// A conn that takes nothing is left after the connection's end too where the
// peer had closed the channel long before.
func TestSpliceConnectionEndsAfterChannel(t *testing.T) {
	forBacklogs(t, func(t *testing.T, backlog int) {
		client, server := muxPair(t, backlog, Config{}, Config{})
		near, far := newHalfPipes()
		defer far.Close()
		c, spliced := splicedConn(t, client, server, near)
		require.NoError(t, writePattern(c, 1, 100_000, 10_000))
		require.NoError(t, c.Close())
		time.Sleep(time.Hour)
		start := time.Now()
		server.pc.Fail(errLinkOver)
		require.Error(t, <-spliced)
		require.Equal(t, spliceDrain, time.Since(start))
	})
}
