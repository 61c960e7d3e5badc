// Command ssh is a client that takes the place of OpenSSH's: the same flags,
// configuration files, questions and exit status, as far as the library has
// what they ask for. What it lacks is accepted and does nothing where that is
// safe: X11, GSSAPI, tunnel devices, sharing a connection over ControlPath.
//
// The protocol is all in the library. This program reads flags and files, talks
// to its user, and copies bytes:
//
//	main.go         from the command line to the exit status
//	connect.go      name lookup, TCP, ProxyCommand, ProxyJump
//	hostkey.go      known_hosts and the question about an unknown key
//	login.go        methods and their prompts; identity.go, the keys
//	session.go      the remote program; tty.go, its terminal and the escapes
//	forward.go      -L, -R, -D, -W; socks.go, the proxy protocol of -D
//	background.go   -f; control.go, -M and -O
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"os/user"
	"runtime"
	"strings"
	"syscall"

	"github.com/fairlead-go/ssh/examples/internal/clientconfig"
	"github.com/fairlead-go/ssh/examples/internal/cmdline"
	"github.com/fairlead-go/ssh/examples/internal/terminal"
	"github.com/fairlead-go/ssh/transport"
)

// failure is the exit status of everything that goes wrong on this side.
const failure = 255

func main() { os.Exit(run(os.Args[1:])) }

// A program is one run.
type program struct {
	flags  *cmdline.SSH
	log    *logger
	prompt *terminal.Prompter
	user   string // who runs the program
	home   string
}

// errReported is an error about which the user has been told.
var errReported = errors.New("reported already")

func run(args []string) int {
	flags, err := cmdline.ParseSSH(args)
	if err != nil {
		if usage, ok := errors.AsType[*cmdline.UsageError](err); ok {
			if usage.Message != "" {
				fmt.Fprintf(os.Stderr, "ssh: %s\n", usage.Message)
			}
			fmt.Fprint(os.Stderr, cmdline.SSHUsage)
		} else {
			fmt.Fprintf(os.Stderr, "%v\r\n", err)
		}
		return failure
	}
	switch {
	case flags.Version:
		fmt.Fprintf(os.Stderr, "%s, %s\n", transport.DefaultSoftwareVersion, runtime.Version())
		return 0
	case flags.Query != "":
		return query(flags.Query)
	}

	second := inBackground()
	p := &program{flags: flags, prompt: &terminal.Prompter{}, home: os.Getenv("HOME")}
	if p.log, err = openLog(flags.LogFile); err != nil {
		fmt.Fprintf(os.Stderr, "Couldn't open logfile %s: %v\r\n", flags.LogFile, errors.Unwrap(err))
		return failure
	}
	if u, err := user.Current(); err == nil {
		p.user = u.Username
		if u.HomeDir != "" {
			p.home = u.HomeDir
		}
	}
	ctx, stop := untilKilled()
	defer stop()
	o, err := p.load(ctx, flags.Host, flags.Config)
	if err != nil {
		for line := range strings.SplitSeq(err.Error(), "\n") {
			p.log.errorf("%s", line)
		}
		return failure
	}
	p.log.setLevel(o.LogLevel)
	if flags.Dump {
		fmt.Println(strings.Join(o.Dump(), "\n"))
		return 0
	}
	if err := p.check(o); err != nil {
		p.log.errorf("%v", err)
		return failure
	}
	if flags.Control != "" {
		return p.control(ctx, o)
	}
	if o.ForkAfterAuthentication && !second {
		return background(ctx, args)
	}
	status, err := p.main(ctx, o)
	if killed, ok := errors.AsType[killedError](context.Cause(ctx)); ok {
		p.log.verbosef("Killed by signal %d.", killed.signal)
		return failure
	}
	if err != nil {
		if !errors.Is(err, errReported) {
			p.log.errorf("%v", err)
		}
		return failure
	}
	return status
}

// load reads the options for host. They are those of the files and of config.
func (p *program) load(ctx context.Context, host string, config []string) (*clientconfig.Options, error) {
	return clientconfig.Load(ctx, &clientconfig.Source{
		Host: host, CommandLine: config, File: p.flags.ConfigFile, LocalUser: p.user, Home: p.home,
	})
}

// check refuses what contradicts itself, and warns of keys that are not there.
func (p *program) check(o *clientconfig.Options) error {
	if o.VerifyHostKeyDNS != "" && o.VerifyHostKeyDNS != clientconfig.No {
		return errors.New("VerifyHostKeyDNS is not supported: this client has no resolver that validates what the DNS says")
	}
	if o.RemoteCommand != "" && p.flags.Command != "" {
		return errors.New("Cannot execute command-line and remote command.") //nolint:staticcheck // OpenSSH's words
	}
	if o.SessionType == clientconfig.Subsystem && p.command(o) == "" {
		return errors.New("You must specify a subsystem to invoke.") //nolint:staticcheck // OpenSSH's words
	}
	if o.ForkAfterAuthentication && o.SessionType == clientconfig.Default && p.command(o) == "" {
		return errors.New("Cannot fork into background without a command to execute.") //nolint:staticcheck // OpenSSH's words
	}
	for _, path := range p.flags.Identities {
		if _, err := os.Stat(path); err != nil && !strings.HasPrefix(path, "~") && !strings.Contains(path, "%") {
			if _, pub := os.Stat(path + ".pub"); pub != nil {
				p.log.infof("Warning: Identity file %s not accessible: %s.", path, reason(err))
			}
		}
	}
	return nil
}

// command is what to run at the far side, "" for a shell.
func (p *program) command(o *clientconfig.Options) string {
	if p.flags.Command != "" {
		return p.flags.Command
	}
	return o.RemoteCommand
}

// main connects and does what the options say.
func (p *program) main(ctx context.Context, o *clientconfig.Options) (status int, err error) {
	c, err := p.connect(ctx, o, 0)
	if err != nil {
		return failure, err
	}
	defer c.client.Close()
	return c.serve(ctx)
}

// killedError is the cause with which the program's context ends.
type killedError struct{ signal syscall.Signal }

func (e killedError) Error() string { return "killed by signal " + e.signal.String() }

// untilKilled returns a context that ends when a signal asks the program to
// end, unless that signal was ignored from the start, as under nohup. A write
// to a closed pipe is an error and no signal.
func untilKilled() (ctx context.Context, stop func()) {
	// Caught and not ignored, for the programs that we start would inherit that.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	caught := make(chan os.Signal, 1)
	for _, s := range []os.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT} {
		if !signal.Ignored(s) {
			signal.Notify(caught, s)
		}
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	go func() {
		select {
		case s := <-caught:
			cancel(killedError{s.(syscall.Signal)})
		case <-ctx.Done():
		}
	}()
	return ctx, func() { cancel(nil) }
}

// reason is the operating system's words for err, without the names before it.
func reason(err error) string {
	if errno, ok := errors.AsType[syscall.Errno](err); ok {
		s := errno.Error()
		return strings.ToUpper(s[:1]) + s[1:]
	}
	return err.Error()
}
