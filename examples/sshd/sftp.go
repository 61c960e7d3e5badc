package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/pkg/sftp"
)

// internalSFTP is the command that stands for the server of this program. It
// runs in a process of its own, since that must be the user's.
const internalSFTP = "internal-sftp"

func isInternalSFTP(command string) bool {
	first, _, _ := strings.Cut(strings.TrimSpace(command), " ")
	return first == internalSFTP
}

// serveSFTP is the life of such a process. The arguments are sftp-server's, as
// far as they mean anything here.
func serveSFTP() int {
	flags := flag.NewFlagSet(internalSFTP, flag.ContinueOnError)
	readOnly := flags.Bool("R", false, "read only")
	dir := flags.String("d", "", "start `directory`")
	for _, ignored := range []string{"f", "l", "u", "p", "P"} {
		flags.String(ignored, "", "accepted and ignored")
	}
	flags.Bool("e", false, "accepted and ignored")
	if err := flags.Parse(os.Args[min(2, len(os.Args)):]); err != nil {
		return exitError
	}
	var options []sftp.ServerOption
	if *readOnly {
		options = append(options, sftp.ReadOnly())
	}
	if *dir != "" {
		options = append(options, sftp.WithServerWorkingDirectory(*dir))
	}
	server, err := sftp.NewServer(standardStreams{}, options...)
	if err == nil {
		err = server.Serve()
	}
	if err != nil && !errors.Is(err, io.EOF) {
		fmt.Fprintln(os.Stderr, "sftp:", err)
		return exitError
	}
	return exitOK
}

type standardStreams struct{}

func (standardStreams) Read(b []byte) (int, error)  { return os.Stdin.Read(b) }
func (standardStreams) Write(b []byte) (int, error) { return os.Stdout.Write(b) }
func (standardStreams) Close() error                { return errors.Join(os.Stdin.Close(), os.Stdout.Close()) }
