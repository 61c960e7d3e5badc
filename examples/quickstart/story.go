package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/pprof"
	"strings"
	"time"

	"github.com/fairlead-go/ssh"
	"github.com/fairlead-go/ssh/keys"
	"github.com/fairlead-go/ssh/keys/knownhosts"
)

// user is the name that everybody logs in with.
const user = "alice"

// A story is what the steps share. Each leaves it as the next one needs it.
type story struct {
	out      io.Writer
	terminal bool // out is one
	width    int  // its columns, 0 where not known
	size     int64

	folder string // everything is in it; removed at the end

	server *farSide // nil while none runs
	addr   string   // its address, which stays when it starts again

	// The user's key, what the user knows of servers, and the connection that
	// steps 3 to 5 work with.
	key    *keys.PrivateKey
	known  *knownhosts.DB
	client *ssh.Client
}

// The near side's files, in the story's folder.
const (
	knownHostsFile = "known_hosts"
	userKeyFile    = "id_ed25519"
)

type step struct {
	title string
	run   func(*story, context.Context) error
}

var steps = []step{
	{"A server makes its host keys", (*story).makeHostKeys},
	{"A client meets a server that it does not know", (*story).meetUnknownHost},
	{"Public-key login, commands and a shell", (*story).runCommands},
	{"A tunnel to what only the far side can reach", (*story).tunnel},
	{"A file each way through SFTP", (*story).transferFile},
	{"New keys while data flows", (*story).rekey},
	{"Another server answers in the first one's place", (*story).refuseChangedHost},
	{"OpenSSH uses the same server with the same key", (*story).useOpenSSH},
}

// tell runs the steps, stops at the first that fails, and cleans up.
func (s *story) tell(ctx context.Context) (err error) {
	goroutines := runtime.NumGoroutine()
	s.folder, err = os.MkdirTemp("", "fairlead-quickstart-")
	if err != nil {
		return err
	}
	start := time.Now()
	err = s.runSteps(ctx)
	err = errors.Join(err, s.cleanUp())
	if err != nil {
		return err
	}
	now, err := waitForGoroutines(goroutines)
	if err != nil {
		return err
	}
	fmt.Fprintf(s.out, "\nAll %d steps worked, in %.1f s. Connections closed, %s removed;\ngoroutines: %d before, %d after.\n",
		len(steps), time.Since(start).Seconds(), s.folder, goroutines, now)
	return nil
}

func (s *story) runSteps(ctx context.Context) error {
	for i, step := range steps {
		fmt.Fprintf(s.out, "\n%d. %s\n", i+1, step.title)
		err := step.run(s, ctx)
		if ctx.Err() != nil { // whatever failed then failed because of that
			err = context.Cause(ctx)
		}
		if err != nil {
			return fmt.Errorf("step %d (%s) failed: %w", i+1, step.title, err)
		}
	}
	return nil
}

// cleanUp ends all connections and removes all files.
func (s *story) cleanUp() error {
	if s.client != nil {
		s.client.Close() // a step that needed it has failed already if it broke
	}
	err := s.stopServer()
	return errors.Join(err, os.RemoveAll(s.folder))
}

// waitForGoroutines waits until there are no more goroutines than before. Where
// some remain, the error shows what they do.
func waitForGoroutines(before int) (now int, err error) {
	for end := time.Now().Add(5 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		now = runtime.NumGoroutine()
		if now <= before {
			return now, nil
		}
		if time.Now().After(end) {
			var stacks strings.Builder
			pprof.Lookup("goroutine").WriteTo(&stacks, 1)
			return now, fmt.Errorf("%d goroutines before, %d after:\n%s", before, now, &stacks)
		}
	}
}

// say prints a line of a step.
func (s *story) say(format string, args ...any) {
	fmt.Fprintf(s.out, "   "+format+"\n", args...)
}

// sayError prints an error, wrapped to lines of some 90 columns.
func (s *story) sayError(err error) {
	var text strings.Builder
	column := 0
	for _, word := range strings.Fields(err.Error()) {
		if column > 0 && column+len(word) > 90 {
			text.WriteByte('\n')
			column = 0
		}
		n, _ := fmt.Fprint(&text, word, " ")
		column += n
	}
	s.quote(text.String())
}

// quote prints the lines of a text that somebody else has said.
func (s *story) quote(text string) {
	for line := range strings.Lines(strings.TrimSuffix(text, "\n")) {
		fmt.Fprintf(s.out, "   | %s\n", strings.TrimRight(line, " \r\n"))
	}
}
