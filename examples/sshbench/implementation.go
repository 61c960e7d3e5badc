package main

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"

	"github.com/fairlead-go/ssh/keys"
)

// An implementation is something to measure. OpenSSH has no serve: compare
// starts its sshd as it is.
type implementation struct {
	name  string
	dial  func(ctx context.Context, t *target) (client, error)
	serve func(ctx context.Context, l net.Listener, rekey uint64) error // until l is closed
}

var implementations = []implementation{
	{"fairlead", dialFairlead, serveFairlead},
	{"xcrypto", dialXCrypto, serveXCrypto},
	{"openssh", dialOpenSSH, nil},
	{"tls", dialTLS, serveTLS},
	{"tcp", dialTCP, serveTCP},
}

// A client is a connection that is logged in.
type client interface {
	exec(command string) (stream, error)
	Close() error
}

// A stream is a remote program: Read is its output, Write its input.
type stream interface {
	io.ReadWriter
	CloseWrite() error // the program reads EOF
	Wait() error       // until it has ended, which must be with status 0
	Close() error
}

// A drainer is a client that cannot be read without a detour, and which lets
// a program's output end where it arrives.
type drainer interface{ drain(command string) error }

// A loginEach is a client that logs in for each command.
type loginEach interface{ overhead() spent }

// A spent is what something took.
type spent struct{ seconds, cpu float64 }

// A target says where to connect, and how.
type target struct {
	addr, user       string
	keyFile          string
	cipher, mac, kex string // "" is the implementation's choice
	rekey            uint64 // bytes; 0 likewise
	guess            bool   // the first message of the key exchange

	mu     sync.Mutex
	parsed any // the key of keyFile, or a new one; nil before the first use
}

// parsedKey returns the private key to log in with, which all connections share:
// what a program does once is not measured with each.
func parsedKey[K any](t *target, parse func(file []byte) (K, error)) (key K, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if key, ok := t.parsed.(K); ok {
		return key, nil
	}
	var file []byte
	if t.keyFile != "" {
		file, err = os.ReadFile(t.keyFile)
	} else {
		file, err = newKey()
	}
	if err != nil {
		return key, err
	}
	if key, err = parse(file); err == nil {
		t.parsed = key
	}
	return key, err
}

func newKey() ([]byte, error) {
	k, err := keys.GenerateKey(keys.KeyEd25519, 0)
	if err != nil {
		return nil, err
	}
	return k.MarshalOpenSSH(keys.MarshalOptions{})
}

// newHostKey returns a key that lasts as long as the server.
func newHostKey() (ed25519.PrivateKey, error) {
	_, private, err := ed25519.GenerateKey(nil)
	return private, err
}

// list is a name as a list that has it, nil for no name.
func list(name string) []string {
	if name == "" {
		return nil
	}
	return []string{name}
}

var errNotLoopback = errors.New("this server lets everybody in, so it listens on loopback addresses alone")

// serve serves until ctx ends. The address is printed first.
func serve(ctx context.Context, name, addr string, rekey uint64, stdout io.Writer) error {
	impl, err := find(implementations, name)
	if err != nil {
		return err
	}
	if impl.serve == nil {
		return fmt.Errorf("%s has no server here", name)
	}
	// The name is looked up once, so that what is checked is what is used.
	a, err := net.ResolveTCPAddr("tcp", addr)
	if err != nil {
		return err
	}
	if !a.IP.IsLoopback() {
		return errNotLoopback
	}
	l, err := net.ListenTCP("tcp", a)
	if err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { l.Close() })()
	fmt.Fprintln(stdout, l.Addr())
	err = impl.serve(ctx, l, rekey)
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// acceptEach calls handle for each connection, on a goroutine of its own.
func acceptEach(l net.Listener, handle func(net.Conn)) error {
	for {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer c.Close()
			handle(c)
		}()
	}
}

type named interface{ id() string }

func (i implementation) id() string { return i.name }

func canDial(i implementation) bool  { return i.dial != nil }
func canServe(i implementation) bool { return i.serve != nil }

// find returns the entry of a table that has a name.
func find[T named](table []T, name string) (T, error) {
	for _, e := range table {
		if e.id() == name {
			return e, nil
		}
	}
	var zero T
	return zero, fmt.Errorf("there is no %q among %s", name, names(table, nil))
}

// names lists those of a table that pass, for a person.
func names[T named](table []T, pass func(T) bool) string {
	var all []string
	for _, e := range table {
		if pass == nil || pass(e) {
			all = append(all, e.id())
		}
	}
	return strings.Join(all, ", ")
}
