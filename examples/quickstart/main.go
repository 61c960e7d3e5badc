// Quickstart tells what Fairlead does as a story in eight steps, each of which
// really happens, over TCP on 127.0.0.1:
//
//	go run -C examples ./quickstart
//
// It needs nothing but Go, writes only to a temporary folder that it removes,
// and exits with status 0 if every step went as it should. The step* files are
// the story, one a step; farside.go is the server, connect.go the client.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"time"

	"golang.org/x/term"
)

// patience bounds the whole story, so that a step which hangs is a failure.
const patience = 5 * time.Minute

func main() {
	size := flag.Int64("size", 256<<20, "size of the file that is transferred, in `bytes`")
	flag.Parse()
	if flag.NArg() > 0 || *size < 1 {
		flag.Usage()
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()

	s := &story{out: os.Stdout, size: *size, terminal: term.IsTerminal(int(os.Stdout.Fd()))}
	if s.terminal {
		s.width, _, _ = term.GetSize(int(os.Stdout.Fd()))
	}
	if err := s.tell(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "quickstart:", err)
		os.Exit(1)
	}
}
