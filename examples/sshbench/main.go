// Command sshbench measures SSH: how fast data goes through, how long small
// things take, and what a connection costs.
//
//	sshbench serve      a server for it, on a loopback address
//	sshbench run        one measurement of any SSH server: one line of JSON
//	sshbench compare    a table of measurements, ours beside other programs'
//
// Client and server are always processes of their own, so that what each side
// spends can be told; compare starts this program again for each of them.
//
//	implementation.go   what is measured, behind one interface; a file for each
//	commands.go         the programs that a server runs: source, sink, echo
//	ops.go              what is done with a connection; bench.go, how it is timed
//	table.go            the rows of compare; compare.go runs them, report.go and
//	                    plot.go print what came out
package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"os/user"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "sshbench:", err)
		os.Exit(1)
	}
}

// errUsage is what a command line that names no command gets.
var errUsage = errors.New("usage: sshbench serve|run|compare [flags]; -h after each lists them")

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	if len(args) == 0 {
		return errUsage
	}
	flags := flag.NewFlagSet("sshbench "+args[0], flag.ContinueOnError)
	flags.SetOutput(stderr)
	var profile string
	profiled := func() { flags.StringVar(&profile, "cpuprofile", "", "write a CPU profile to this `file`") }
	var command func() error
	switch args[0] {
	case "serve":
		command = serveCommand(ctx, flags, stdout)
		profiled()
	case "run":
		command = runCommand(ctx, flags, stdout)
		profiled()
	case "compare":
		command = compareCommand(ctx, flags, stdout, stderr)
	default:
		return errUsage
	}
	if err := flags.Parse(args[1:]); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("%q is no flag", flags.Arg(0))
	}
	return withProfile(profile, command)
}

func serveCommand(ctx context.Context, flags *flag.FlagSet, stdout io.Writer) func() error {
	addr := flags.String("addr", "127.0.0.1:2222", "loopback `address` to listen on; port 0 is any")
	impl := flags.String("impl", "fairlead", "`implementation`: "+names(implementations, canServe))
	rekey := flags.Uint64("rekey", 0, "change keys after this many `bytes`; 0 is the implementation's default")
	return func() error { return serve(ctx, *impl, *addr, *rekey, stdout) }
}

func runCommand(ctx context.Context, flags *flag.FlagSet, stdout io.Writer) func() error {
	b := &bench{}
	t := &b.target
	flags.StringVar(&t.addr, "addr", "127.0.0.1:2222", "`address` of the server, whose host key is not verified")
	flags.StringVar(&t.user, "user", userName(), "`name` to log in with")
	flags.StringVar(&t.keyFile, "key", "", "private key `file` to log in with; none: a new key")
	flags.StringVar(&t.cipher, "cipher", "", "`name` of the cipher; none: what the two sides prefer")
	flags.StringVar(&t.mac, "mac", "", "`name` of the MAC")
	flags.StringVar(&t.kex, "kex", "", "`name` of the key exchange method")
	flags.Uint64Var(&t.rekey, "rekey", 0, "change keys after this many `bytes`; 0 is the implementation's default")
	flags.BoolVar(&t.guess, "guess", false, "send the first message of the key exchange at once, as a guess; only fairlead can")
	impl := flags.String("impl", "fairlead", "`implementation`: "+names(implementations, canDial))
	op := flags.String("op", "down", "what to do: "+names(ops, nil))
	flags.Int64Var(&b.bytes, "bytes", 1<<30, "how much to transfer, in all")
	flags.IntVar(&b.n, "n", 0, "how many: channels of duplex and many, connections of idle, else repetitions")
	flags.StringVar(&b.commands.down, "downcmd", "source %d", "remote `command` that writes %d bytes")
	flags.StringVar(&b.commands.up, "upcmd", "sink", "remote `command` that reads to EOF")
	flags.StringVar(&b.commands.echo, "echocmd", "echo", "remote `command` that writes what it reads")
	flags.StringVar(&b.commands.usage, "usagecmd", "usage", "remote `command` that tells what the server's process used; none: it is not asked")
	return func() error {
		var err error
		if b.impl, err = find(implementations, *impl); err != nil {
			return err
		}
		if b.op, err = find(ops, *op); err != nil {
			return err
		}
		if t.guess && b.impl.name != ours.name {
			return fmt.Errorf("%s cannot guess", b.impl.name)
		}
		r, err := b.run(ctx)
		if err != nil {
			return err
		}
		return json.NewEncoder(stdout).Encode(r)
	}
}

func compareCommand(ctx context.Context, flags *flag.FlagSet, stdout, stderr io.Writer) func() error {
	c := &comparison{progress: newProgressLine(stderr)}
	flags.Int64Var(&c.bytes, "bytes", 1<<30, "how much to transfer in each measurement of throughput")
	flags.IntVar(&c.n, "n", 2000, "repetitions in each measurement of latency")
	flags.IntVar(&c.idle, "idle", 10000, "idle connections")
	flags.IntVar(&c.rounds, "rounds", 5, "how often each row is measured; medians are told")
	flags.StringVar(&c.only, "only", "", "only rows whose name matches this regular `expression`")
	flags.DurationVar(&c.stall, "stall", 5*time.Minute, "give a single measurement up after this `time`; the others go on")
	markdown := flags.String("md", "", "write the table to this `file`, not to standard output")
	svg := flags.String("svg", "", "write a plot to this `file`")
	return func() error {
		done, err := c.run(ctx)
		if err != nil {
			return err
		}
		if *svg != "" {
			if err := os.WriteFile(*svg, []byte(plot(done)), 0o644); err != nil {
				return err
			}
		}
		if *markdown != "" {
			return os.WriteFile(*markdown, []byte(c.report(done)), 0o644)
		}
		_, err = io.WriteString(stdout, c.report(done))
		return err
	}
}

func userName() string {
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return cmp.Or(os.Getenv("USER"), "bench")
}
