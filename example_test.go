package ssh_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/fairlead-go/ssh"
	"github.com/fairlead-go/ssh/auth"
	"github.com/fairlead-go/ssh/channel"
	"github.com/fairlead-go/ssh/keys"
	"github.com/fairlead-go/ssh/keys/hostkeys"
	"github.com/fairlead-go/ssh/keys/knownhosts"
)

// hello and serveHello stand in README.md, letter by letter.

func hello(ctx context.Context, addr string, key keys.Signer, hosts *knownhosts.DB) ([]byte, error) {
	client, err := ssh.Dial(ctx, "tcp", addr, &ssh.ClientConfig{
		User:              "alice",
		Auth:              []auth.Method{auth.PublicKeys(key)},
		VerifyHostKey:     hosts.Verify,
		HostKeyAlgorithms: hosts.HostKeyAlgorithms(addr, nil, nil),
	})
	if err != nil {
		return nil, err
	}
	defer client.Close()
	return client.Command("hello").Output(ctx)
}

func serveHello(l net.Listener, hostKeys []keys.Signer, alice keys.PublicKey) error {
	server := &ssh.Server{
		HostKeys: hostKeys,
		Auth: auth.ServerConfig{
			PublicKey: func(_ context.Context, a *auth.Attempt, key keys.PublicKey) (*auth.Permissions, error) {
				if a.User == "alice" && keys.Equal(key, alice) {
					return nil, nil // no restrictions
				}
				return nil, errors.New("unknown key")
			},
		},
		Handler: ssh.HandlerFunc(func(s *ssh.Session) {
			fmt.Fprintf(s, "%s, %s\n", s.Command(), s.User())
		}),
	}
	return server.Serve(l)
}

// The client and the server of README.md talk to each other.
func Example() {
	folder, err := os.MkdirTemp("", "")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(folder)
	hosts, err := hostkeys.LoadOrCreate(folder) // ssh_host_ed25519_key and others
	if err != nil {
		log.Fatal(err)
	}
	known, err := knownhosts.Open(filepath.Join(folder, "known_hosts"))
	if err != nil {
		log.Fatal(err)
	}
	alice, err := keys.GenerateKey(keys.KeyEd25519, 0)
	if err != nil {
		log.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	defer l.Close()
	go serveHello(l, hostkeys.Signers(hosts), alice.PublicKey())

	addr := l.Addr().String()
	if err := known.Add(addr, hosts[0].Signer.PublicKey(), knownhosts.AddOptions{Hash: true}); err != nil {
		log.Fatal(err)
	}
	output, err := hello(context.Background(), addr, alice, known)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Print(string(output))
	// Output: hello, alice
}

// A farSide is a server for the examples below, and what alice needs to log in.
type farSide struct {
	addr   string
	key    keys.Signer
	known  *knownhosts.DB
	server *ssh.Server
	folder string
}

// startFarSide starts s, which alice may log in to.
func startFarSide(s *ssh.Server) *farSide {
	key, err := keys.GenerateKey(keys.KeyEd25519, 0)
	if err != nil {
		log.Fatal(err)
	}
	hostKey, err := keys.GenerateKey(keys.KeyEd25519, 0)
	if err != nil {
		log.Fatal(err)
	}
	folder, err := os.MkdirTemp("", "")
	if err != nil {
		log.Fatal(err)
	}
	known, err := knownhosts.Open(filepath.Join(folder, "known_hosts"))
	if err != nil {
		log.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	s.HostKeys = []keys.Signer{hostKey}
	s.Auth.PublicKey = func(_ context.Context, a *auth.Attempt, offered keys.PublicKey) (*auth.Permissions, error) {
		if a.User != "alice" || !keys.Equal(offered, key.PublicKey()) {
			return nil, errors.New("unknown key")
		}
		return nil, nil
	}
	go s.Serve(l)
	return &farSide{l.Addr().String(), key, known, s, folder}
}

func (f *farSide) stop() {
	f.server.Close()
	os.RemoveAll(f.folder)
}

func (f *farSide) config() *ssh.ClientConfig {
	return &ssh.ClientConfig{
		User:          "alice",
		Auth:          []auth.Method{auth.PublicKeys(f.key)},
		VerifyHostKey: f.known.TrustOnFirstUse(knownhosts.AddOptions{}, nil),
	}
}

func (f *farSide) dial() *ssh.Client {
	client, err := ssh.Dial(context.Background(), "tcp", f.addr, f.config())
	if err != nil {
		log.Fatal(err)
	}
	return client
}

func ExampleDial() {
	far := startFarSide(&ssh.Server{Handler: ssh.HandlerFunc(func(s *ssh.Session) {})})
	defer far.stop()

	client, err := ssh.Dial(context.Background(), "tcp", far.addr, &ssh.ClientConfig{
		User:          "alice",
		Auth:          []auth.Method{auth.PublicKeys(far.key)},
		VerifyHostKey: far.known.TrustOnFirstUse(knownhosts.AddOptions{Hash: true}, nil),
	})
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	fmt.Println("logged in by", client.Login().Method)
	fmt.Println("key exchange", client.ConnState().KeyExchange)
	// Output:
	// logged in by publickey
	// key exchange mlkem768x25519-sha256
}

// The first connection asks and remembers, later ones compare.
func ExampleDial_trustOnFirstUse() {
	far := startFarSide(&ssh.Server{})
	defer far.stop()
	hosts, err := knownhosts.Open(filepath.Join(far.folder, "alice", ".ssh", "known_hosts"))
	if err != nil {
		log.Fatal(err)
	}
	ask := func(_ context.Context, address string, key keys.PublicKey) (bool, error) {
		// Show address and keys.FingerprintSHA256(key) to a person who can
		// compare it with what the server's owner says.
		fmt.Println("an unknown", key.Type(), "key: trust it? yes")
		return true, nil
	}
	cfg := far.config()
	cfg.VerifyHostKey = hosts.TrustOnFirstUse(knownhosts.AddOptions{Hash: true}, ask)
	for range 2 {
		cfg.HostKeyAlgorithms = hosts.HostKeyAlgorithms(far.addr, nil, nil)
		client, err := ssh.Dial(context.Background(), "tcp", far.addr, cfg)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println("connected")
		client.Close()
	}
	// Output:
	// an unknown ssh-ed25519 key: trust it? yes
	// connected
	// connected
}

// Commands are run as those of os/exec are.
func ExampleClient_Command() {
	far := startFarSide(&ssh.Server{Handler: ssh.HandlerFunc(func(s *ssh.Session) {
		text, _ := io.ReadAll(s)
		fmt.Fprintf(s, "%s", strings.ToUpper(string(text)))
		fmt.Fprintln(s.Stderr(), "no such luck")
		s.Exit(3)
	})})
	defer far.stop()
	client := far.dial()
	defer client.Close()

	cmd := client.Command("shout")
	cmd.Stdin = strings.NewReader("land ahoy\n")
	output, err := cmd.Output(context.Background())
	fmt.Print(string(output))
	if exit, ok := errors.AsType[*ssh.ExitError](err); ok {
		fmt.Printf("status %d, stderr: %s", exit.ExitCode(), exit.Stderr)
	}
	// Output:
	// LAND AHOY
	// status 3, stderr: no such luck
}

// An HTTP request goes through the connection, to a server that the far side
// can reach.
func ExampleClient_Dial() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	defer l.Close()
	go http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, "the far side's page")
	}))
	far := startFarSide(&ssh.Server{Forward: channel.ForwardConfig{
		PermitDial: func(_ context.Context, to channel.TCPIPChannel) bool { return to.Host == "127.0.0.1" },
	}})
	defer far.stop()
	client := far.dial()
	defer client.Close()

	web := &http.Client{Transport: &http.Transport{DialContext: client.Dial}}
	response, err := web.Get("http://" + l.Addr().String())
	if err != nil {
		log.Fatal(err)
	}
	defer response.Body.Close()
	page, err := io.ReadAll(response.Body)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Print(string(page))
	// Output: the far side's page
}

// A web server of this program is reached at an address of the far side.
func ExampleClient_Listen() {
	far := startFarSide(&ssh.Server{Forward: channel.ForwardConfig{
		PermitListen: func(_ context.Context, host string, port uint32) bool { return host == "127.0.0.1" },
	}})
	defer far.stop()
	client := far.dial()
	defer client.Close()

	l, err := client.Listen(context.Background(), "tcp", "127.0.0.1:0") // at the far side
	if err != nil {
		log.Fatal(err)
	}
	defer l.Close()
	go http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, "this side's page")
	}))

	farWeb := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := farWeb.Get("http://" + l.Addr().String())
	if err != nil {
		log.Fatal(err)
	}
	defer response.Body.Close()
	page, err := io.ReadAll(response.Body)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Print(string(page))
	// Output: this side's page
}

// A server runs until Shutdown, which waits for the sessions that are under
// way.
func ExampleServer() {
	hostKey, err := keys.GenerateKey(keys.KeyEd25519, 0) // kept in a file by package hostkeys
	if err != nil {
		log.Fatal(err)
	}
	server := &ssh.Server{
		HostKeys: []keys.Signer{hostKey},
		Auth: auth.ServerConfig{
			Password: func(_ context.Context, a *auth.Attempt, password []byte) (*auth.Permissions, error) {
				if a.User == "alice" && string(password) == "rabbit" { // compare hashes, in earnest
					return &auth.Permissions{NoPortForwarding: true}, nil
				}
				return nil, errors.New("wrong password")
			},
		},
		Handler: ssh.HandlerFunc(func(s *ssh.Session) {
			fmt.Fprintf(s, "%s ran %q\n", s.User(), s.Command())
		}),
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	served := make(chan error)
	go func() { served <- server.Serve(l) }()

	client, err := ssh.Dial(context.Background(), "tcp", l.Addr().String(), &ssh.ClientConfig{
		User: "alice",
		Auth: []auth.Method{auth.Password("rabbit")},
		VerifyHostKey: func(_ context.Context, _ string, _ net.Addr, key keys.PublicKey) error {
			if !keys.Equal(key, hostKey.PublicKey()) {
				return errors.New("another server")
			}
			return nil
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	output, err := client.Command("backup").Output(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Print(string(output))
	client.Close()

	if err := server.Shutdown(context.Background()); err != nil {
		log.Fatal(err)
	}
	fmt.Println(<-served)
	// Output:
	// alice ran "backup"
	// ssh: server closed
}

// A handler provides the terminal that the client asks for, and follows its
// size. (Most open a pseudo-terminal of the system, as examples/quickstart does
// with creack/pty.)
func ExampleSession_PTY() {
	far := startFarSide(&ssh.Server{
		AllowPTY: true,
		Handler: ssh.HandlerFunc(func(s *ssh.Session) {
			if s.PTY() == nil {
				fmt.Fprintln(s.Stderr(), "this needs a terminal: ssh -t")
				s.Exit(1)
				return
			}
			fmt.Fprintf(s, "a %s of %d columns\r\n", s.PTY().Term, s.PTY().Size.Columns)
			select {
			case size := <-s.WindowChanges():
				fmt.Fprintf(s, "now of %d\r\n", size.Columns)
			case <-s.Context().Done():
			}
		}),
	})
	defer far.stop()
	client := far.dial()
	defer client.Close()
	ctx := context.Background()

	shell := client.Shell()
	shell.PTY = &channel.PTY{Term: "xterm", Size: channel.WindowSize{Columns: 80, Rows: 24}}
	stdout, err := shell.StdoutPipe()
	if err != nil {
		log.Fatal(err)
	}
	if err := shell.Start(ctx); err != nil {
		log.Fatal(err)
	}
	lines := bufio.NewScanner(stdout)
	lines.Scan()
	fmt.Println(lines.Text())
	if err := shell.Resize(ctx, channel.WindowSize{Columns: 132, Rows: 50}); err != nil {
		log.Fatal(err)
	}
	lines.Scan()
	fmt.Println(lines.Text())
	fmt.Println(shell.Wait(ctx))
	// Output:
	// a xterm of 80 columns
	// now of 132
	// <nil>
}
