package agent

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"

	"github.com/fairlead-go/ssh/wire"
)

// Flow of a request: call puts it into queue; the writer puts it into
// unanswered, then writes it; the reader takes the next answer and gives it to
// the request that has been in unanswered for longest. A request whose caller
// has gone is not written any more, and its answer is dropped if it was.
//
// Locks: mu guards err alone.

// pipeline is how many requests may be on their way, and how many more may
// wait to be written; callers past that wait for their turn.
const pipeline = 64

// A Client is a connection to an agent. Its methods may be called from several
// goroutines at once; the requests do not wait for each other's answers.
// It has two goroutines until it is closed or the connection fails.
type Client struct {
	conn       io.ReadWriteCloser
	queue      chan *request
	unanswered chan *request
	dead       chan struct{} // closed once err is set

	mu  sync.Mutex
	err error // why the connection ended; the first cause
}

type request struct {
	frame  []byte          // with its length field; owned by the writer once queued
	gone   <-chan struct{} // closed when no one waits for the answer any more
	answer chan []byte     // has room for the answer
}

// ErrNoAgent: the environment names no agent.
var ErrNoAgent = errors.New("agent: SSH_AUTH_SOCK is not set")

// FromEnvironment connects to the agent whose socket the environment variable
// SSH_AUTH_SOCK names. If it names none, the error is [ErrNoAgent].
func FromEnvironment(ctx context.Context) (*Client, error) {
	socket := os.Getenv("SSH_AUTH_SOCK")
	if socket == "" {
		return nil, ErrNoAgent
	}
	return Dial(ctx, socket)
}

// Dial connects to the agent that listens on a Unix-domain socket. ctx bounds
// the connecting only.
func Dial(ctx context.Context, socket string) (*Client, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", socket)
	if err != nil {
		return nil, fmt.Errorf("agent: %w", err)
	}
	return New(conn), nil
}

// New returns a Client of the agent at the other end of conn, and owns conn
// from then on. Closing conn must end a Read or Write that is under way.
func New(conn io.ReadWriteCloser) *Client {
	c := &Client{
		conn:       conn,
		queue:      make(chan *request, pipeline),
		unanswered: make(chan *request, pipeline),
		dead:       make(chan struct{}),
	}
	go c.write()
	go c.read()
	return c
}

// Close ends the connection. Calls that wait fail with net.ErrClosed, as later
// ones do, unless the connection had failed before.
func (c *Client) Close() error { return c.fail(fmt.Errorf("agent: %w", net.ErrClosed)) }

// fail ends the connection. The first cause stays; only its call closes conn.
func (c *Client) fail(err error) error {
	c.mu.Lock()
	first := c.err == nil
	if first {
		c.err = err
		close(c.dead)
	}
	c.mu.Unlock()
	if !first {
		return nil
	}
	return c.conn.Close()
}

func (c *Client) cause() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// call sends the message in frame, which begins with four bytes for its length,
// and returns the answer to it.
func (c *Client) call(ctx context.Context, frame []byte) ([]byte, error) {
	n := len(frame) - 4
	if n > MaxMessage {
		return nil, ErrTooLarge
	}
	binary.BigEndian.PutUint32(frame, uint32(n))
	if ctx.Err() != nil {
		return nil, canceled(ctx)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r := &request{frame: frame, gone: ctx.Done(), answer: make(chan []byte, 1)}
	select {
	case <-c.dead: // before the queue, which may have room
		return nil, c.cause()
	default:
	}
	select {
	case c.queue <- r:
	case <-ctx.Done():
		return nil, canceled(ctx)
	case <-c.dead:
		return nil, c.cause()
	}
	select {
	case message := <-r.answer:
		return message, nil
	case <-ctx.Done():
		return nil, canceled(ctx)
	case <-c.dead:
	}
	select {
	case message := <-r.answer: // it came before the end
		return message, nil
	default:
		return nil, c.cause()
	}
}

func canceled(ctx context.Context) error { return fmt.Errorf("agent: %w", context.Cause(ctx)) }

// write is the only goroutine that writes, so that a request is written in
// full even if its caller gives up meanwhile.
func (c *Client) write() {
	for {
		var r *request
		select {
		case r = <-c.queue:
		case <-c.dead:
			return
		}
		select {
		case <-r.gone:
			continue
		default:
		}
		select {
		case c.unanswered <- r:
		case <-r.gone:
			continue
		case <-c.dead:
			return
		}
		if _, err := c.conn.Write(r.frame); err != nil {
			c.fail(fmt.Errorf("agent: %w", err))
			return
		}
		r.frame = nil // it may hold what others should not find in memory
	}
}

// read gives each answer to the oldest request without one.
func (c *Client) read() {
	for {
		message, err := readMessage(c.conn)
		if err != nil {
			c.fail(err)
			return
		}
		select {
		case r := <-c.unanswered:
			r.answer <- message
		default:
			c.fail(fmt.Errorf("%w: no request is open", ErrProtocol))
			return
		}
	}
}

// readMessage reads one message, and allocates nothing for one that is too
// long (draft-ietf-sshm-ssh-agent section 3).
func readMessage(r io.Reader) ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, readError(err)
	}
	length := binary.BigEndian.Uint32(head[:])
	if length > MaxMessage {
		return nil, ErrTooLarge
	}
	if length == 0 {
		return nil, fmt.Errorf("%w: empty message", ErrProtocol)
	}
	message := make([]byte, length)
	if _, err := io.ReadFull(r, message); err != nil {
		return nil, readError(err)
	}
	return message, nil
}

func readError(err error) error {
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF // an agent does not hang up first
	}
	return fmt.Errorf("agent: %w", err)
}

// newFrame returns an empty frame with room for n bytes of message.
func newFrame(n int) []byte { return wire.AppendUint32(make([]byte, 0, 4+n), 0) }
