package channel_test

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/fairlead-go/ssh/channel"
	"github.com/fairlead-go/ssh/internal/packettest"
)

// muxes stands for a transport that both sides have authenticated over.
func muxes(a, b channel.Config) (ma, mb *channel.Mux, stop func()) {
	ca, cb := packettest.Pair(1)
	ma, mb = channel.New(ca, a), channel.New(cb, b)
	go ma.Run()
	go mb.Run()
	return ma, mb, func() {
		ca.Fail(errors.New("stopped"))
		<-ma.Done()
		<-mb.Done()
	}
}

func ExampleMux() {
	ctx := context.Background()
	client, server, stop := muxes(channel.Config{}, channel.Config{})
	defer stop()

	go func() {
		for {
			offer, err := server.Accept(ctx)
			if err != nil {
				return // the connection has ended
			}
			if offer.Type() != "echo@example.com" {
				offer.Reject(channel.UnknownChannelType, "only echo is known here")
				continue
			}
			c, err := offer.Accept(nil)
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				io.Copy(c, c)
				c.CloseWrite()
			}()
		}
	}()

	c, err := client.Open(ctx, "echo@example.com", nil, channel.OpenOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	fmt.Fprint(c, "hello")
	c.CloseWrite()
	answer, err := io.ReadAll(c)
	fmt.Printf("%s %v\n", answer, err)

	_, err = client.Open(ctx, "x11", nil, channel.OpenOptions{})
	fmt.Println(err)
	// Output:
	// hello <nil>
	// channel: open refused: unknown channel type: "only echo is known here"
}

func ExampleRequestHandler() {
	ctx := context.Background()
	server := channel.Config{GlobalRequest: func(_ context.Context, r *channel.Request) {
		if r.Type == "greet@example.com" {
			r.Reply(true, append([]byte("hello "), r.Payload...))
		}
		// A request that wants a reply and gets none is refused.
	}}
	client, _, stop := muxes(channel.Config{}, server)
	defer stop()

	ok, answer, err := client.SendRequest(ctx, "greet@example.com", true, []byte("world"))
	fmt.Printf("%v %q %v\n", ok, answer, err)
	ok, answer, err = client.SendRequest(ctx, "unheard-of@example.com", true, nil)
	fmt.Printf("%v %q %v\n", ok, answer, err)
	// Output:
	// true "hello world" <nil>
	// false "" <nil>
}
