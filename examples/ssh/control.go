package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"time"

	"github.com/fairlead-go/ssh/examples/internal/clientconfig"
	"github.com/fairlead-go/ssh/wire"
)

// A master listens on its ControlPath as OpenSSH's does (PROTOCOL.mux of its
// sources) and answers -O check, stop and exit. It shares no sessions: who asks
// for one is refused and connects by itself.
const (
	muxVersion = 4

	muxHello      = 0x00000001
	muxAliveCheck = 0x10000004
	muxTerminate  = 0x10000005
	muxStop       = 0x10000009
	muxOK         = 0x80000001
	muxFailure    = 0x80000003
	muxAlive      = 0x80000005
)

// maxMux bounds a message on a control socket, in bytes.
const maxMux = 256 << 10

// errTerminated ends a master that was told to.
var errTerminated = fmt.Errorf("%w: told to exit by a control socket", errReported)

// listenControl makes the connection a master where the options want that.
// quit ends it.
func (c *connection) listenControl(quit func(error)) (stop func(), err error) {
	o := c.o
	if o.ControlMaster == clientconfig.No || o.ControlPath == "" || o.ControlPath == clientconfig.None {
		return func() {}, nil
	}
	before := syscall.Umask(0o177)
	l, err := net.Listen("unix", o.ControlPath)
	syscall.Umask(before)
	if err != nil {
		if errors.Is(err, syscall.EADDRINUSE) {
			c.log.infof("ControlSocket %s already exists, disabling multiplexing", o.ControlPath)
			return func() {}, nil
		}
		return nil, fmt.Errorf("unix_listener: cannot bind to path %s: %s", o.ControlPath, reason(err))
	}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				if err := serveControl(conn, l, quit); err != nil && !errors.Is(err, io.EOF) {
					c.log.debugf("control socket: %v", err)
				}
			}()
		}
	}()
	return func() { l.Close() }, nil
}

// serveControl serves one who has connected to l.
func serveControl(conn net.Conn, l net.Listener, quit func(error)) error {
	if err := writeMux(conn, muxHello, muxVersion); err != nil {
		return err
	}
	for {
		message, id, err := readMux(conn)
		if err != nil {
			return err
		}
		switch message {
		case muxHello:
			continue
		case muxAliveCheck:
			err = writeMux(conn, muxAlive, id, uint32(os.Getpid()))
		case muxStop:
			l.Close()
			err = writeMux(conn, muxOK, id)
		case muxTerminate:
			err = writeMux(conn, muxOK, id)
			quit(errTerminated)
		default:
			err = writeMuxText(conn, muxFailure, id, "not supported")
		}
		if err != nil {
			return err
		}
	}
}

// control is -O: it asks a master to do something.
func (p *program) control(ctx context.Context, o *clientconfig.Options) int {
	command, ok := map[string]struct {
		message uint32
		say     string
	}{
		"check": {muxAliveCheck, ""},
		"exit":  {muxTerminate, "Exit request sent."},
		"stop":  {muxStop, "Stop listening request sent."},
	}[p.flags.Control]
	switch {
	case !ok:
		p.log.errorf("Invalid or unsupported multiplex command.")
		return failure
	case o.ControlPath == "":
		p.log.errorf("No ControlPath specified for \"-O\" command")
		return failure
	}
	d := net.Dialer{Timeout: 10 * time.Second}
	conn, err := d.DialContext(ctx, "unix", o.ControlPath)
	if err != nil {
		p.log.errorf("Control socket connect(%s): %s", o.ControlPath, reason(err))
		return failure
	}
	defer conn.Close()
	pid, err := askMaster(conn, command.message)
	if err != nil {
		p.log.errorf("Control socket %s: %v", o.ControlPath, err)
		return failure
	}
	say := command.say
	if say == "" {
		say = fmt.Sprintf("Master running (pid=%d)", pid)
	}
	if p.log.at(levelInfo) {
		fmt.Fprintf(os.Stderr, "%s\r\n", say)
	}
	return 0
}

// askMaster sends one request, and returns what the answer holds.
func askMaster(conn net.Conn, message uint32) (value uint32, err error) {
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	if err := writeMux(conn, muxHello, muxVersion); err != nil {
		return 0, err
	}
	if err := writeMux(conn, message, 0); err != nil {
		return 0, err
	}
	for {
		payload, err := readMuxPayload(conn)
		if err != nil {
			return 0, err
		}
		r := wire.NewReader(payload)
		switch r.Uint32() {
		case muxHello:
		case muxOK:
			return 0, nil
		case muxAlive:
			r.Uint32() // our request
			return r.Uint32(), r.Err()
		default:
			return 0, errors.New("the master refused")
		}
	}
}

func writeMux(w io.Writer, fields ...uint32) error {
	b := wire.AppendUint32(nil, uint32(4*len(fields)))
	for _, f := range fields {
		b = wire.AppendUint32(b, f)
	}
	_, err := w.Write(b)
	return err
}

func writeMuxText(w io.Writer, message, id uint32, text string) error {
	b := wire.AppendString(wire.AppendUint32(wire.AppendUint32(nil, message), id), text)
	_, err := w.Write(wire.AppendString(nil, b))
	return err
}

// readMux reads a message's number and the field after it: a request's number,
// or the version of a hello.
func readMux(r io.Reader) (message, id uint32, err error) {
	payload, err := readMuxPayload(r)
	if err != nil {
		return 0, 0, err
	}
	f := wire.NewReader(payload)
	message, id = f.Uint32(), f.Uint32()
	return message, id, f.Err()
}

func readMuxPayload(r io.Reader) ([]byte, error) {
	var length [4]byte
	if _, err := io.ReadFull(r, length[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(length[:])
	if n > maxMux {
		return nil, errors.New("message is too long")
	}
	payload := make([]byte, n)
	_, err := io.ReadFull(r, payload)
	return payload, err
}
