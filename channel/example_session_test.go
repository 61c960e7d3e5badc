package channel_test

import (
	"context"
	"fmt"
	"io"
	"net"

	"github.com/fairlead-go/ssh/channel"
	"github.com/fairlead-go/ssh/internal/packettest"
)

// connect stands for two authenticated ends of one connection.
func connect(client, server channel.Config) (c, s *channel.Mux) {
	pc, ps := packettest.Pair(1)
	c, s = channel.New(pc, client), channel.New(ps, server)
	go c.Run()
	go s.Run()
	return c, s
}

// A server that upper-cases the standard input of the command "upper", and a
// client that runs it.
func ExampleOpenSession() {
	ctx := context.Background()
	client, server := connect(channel.Config{}, channel.Config{})

	go func() {
		nc, err := server.Accept(ctx)
		if err != nil || nc.Type() != "session" {
			return
		}
		s, err := channel.AcceptSession(ctx, nc, channel.SessionPolicy{
			Start: func(_ context.Context, s *channel.Start) bool {
				return s.Kind == channel.StartExec && s.Command == "upper"
			},
		})
		if err != nil {
			return
		}
		input, _ := io.ReadAll(s)
		for i, b := range input {
			if 'a' <= b && b <= 'z' {
				input[i] = b - 'a' + 'A'
			}
		}
		s.Write(input)
		s.Exit(ctx, 0)
	}()

	s, err := channel.OpenSession(ctx, client)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer s.Close()
	if err := s.Exec(ctx, "upper"); err != nil {
		fmt.Println(err)
		return
	}
	io.WriteString(s, "hello, harbour")
	s.CloseWrite()
	output, _ := io.ReadAll(s)
	status, _ := s.Wait(ctx)
	fmt.Printf("%s: %v\n", output, status)
	// Output: HELLO, HARBOUR: exit status 0
}

// A connection to a host that the server reaches and the client does not.
func ExampleDialTCP() {
	ctx := context.Background()
	client, server := connect(channel.Config{}, channel.Config{})

	// On the server: forward to one place, and to no other.
	inner, _ := net.Listen("tcp", "127.0.0.1:0")
	defer inner.Close()
	port := uint32(inner.Addr().(*net.TCPAddr).Port)
	forwards := channel.NewForwardServer(server, channel.ForwardConfig{
		PermitDial: func(_ context.Context, to channel.TCPIPChannel) bool {
			return to.Host == "127.0.0.1" && to.Port == port
		},
	})
	go func() {
		for {
			nc, err := server.Accept(ctx)
			if err != nil {
				return
			}
			if !forwards.HandleChannel(nc) {
				nc.Reject(channel.UnknownChannelType, "")
			}
		}
	}()
	go func() {
		c, err := inner.Accept()
		if err == nil {
			io.WriteString(c, "from the inside")
			c.Close()
		}
	}()

	conn, err := channel.DialTCP(ctx, client, "127.0.0.1", port, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.Close()
	text, _ := io.ReadAll(conn)
	fmt.Printf("%s\n", text)

	_, err = channel.DialTCP(ctx, client, "192.0.2.1", 80, nil)
	fmt.Println(err)
	// Output:
	// from the inside
	// channel: open refused: administratively prohibited: "forwarding is not permitted"
}

// A listener on the server's side whose connections the client serves.
func ExampleRemoteForwards_ListenTCP() {
	ctx := context.Background()
	var forwards *channel.ForwardServer
	client, server := connect(channel.Config{}, channel.Config{
		GlobalRequest: func(ctx context.Context, r *channel.Request) { forwards.HandleRequest(ctx, r) },
	})
	forwards = channel.NewForwardServer(server, channel.ForwardConfig{
		PermitListen: func(_ context.Context, host string, port uint32) bool { return host == "localhost" },
	})

	remote := channel.NewRemoteForwards(client)
	go func() {
		for {
			nc, err := client.Accept(ctx)
			if err != nil {
				return
			}
			if !remote.HandleChannel(nc) {
				nc.Reject(channel.UnknownChannelType, "")
			}
		}
	}()
	listener, err := remote.ListenTCP(ctx, "localhost", 0)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer listener.Close()
	go func() {
		c, err := listener.Accept()
		if err == nil {
			io.WriteString(c, "from the client")
			c.Close()
		}
	}()

	// On the server's machine:
	conn, err := net.Dial("tcp", fmt.Sprint("127.0.0.1:", listener.Port()))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.Close()
	text, _ := io.ReadAll(conn)
	fmt.Printf("%s\n", text)
	// Output: from the client
}
