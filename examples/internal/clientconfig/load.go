package clientconfig

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/fairlead-go/ssh/examples/internal/config"
)

// A Source is where the options of one run come from.
type Source struct {
	Host string // as typed, without user

	// CommandLine is "Keyword=value" in the order of the command line, which goes before every file.
	CommandLine []string

	// File is -F's argument: "" reads the user's file and the system's, "none" reads none.
	File string

	LocalUser  string // who runs the program
	Home       string
	UserFile   string // "": Home/.ssh/config
	SystemFile string // "": /etc/ssh/ssh_config

	LookupEnv func(string) (string, bool) // nil: os.LookupEnv
}

const maxInclude = 16 // files deep

// Load returns the options for src.Host. Its errors name file and line. ctx
// bounds the commands of "Match exec".
func Load(ctx context.Context, src *Source) (*Options, error) {
	l := &loader{ctx: ctx, src: *src}
	if l.src.LookupEnv == nil {
		l.src.LookupEnv = os.LookupEnv
	}
	l.host = l.src.Host
	if err := l.pass(); err != nil {
		return nil, err
	}
	if l.hasFinal {
		// "Match final" blocks see the host name that the first pass found;
		// values of the first pass still win.
		l.final = true
		if err := l.pass(); err != nil {
			return nil, err
		}
	}
	return l.finish()
}

type loader struct {
	ctx      context.Context
	src      Source
	o        *Options
	seen     map[string]bool
	host     string // what Match host sees when no Hostname was read
	hasFinal bool
	final    bool
	bad      []error
}

// pass reads every source once. The second pass starts over with the same
// command line, so that lists which add up do not do so twice.
func (l *loader) pass() error {
	if l.final {
		l.host = l.hostName()
	}
	first := l.o
	l.o, l.seen, l.bad = Defaults(), make(map[string]bool), nil
	l.o.OriginalHost = l.src.Host
	if first != nil && first.HostName != "" {
		l.host = first.HostName
	}
	for _, s := range l.src.CommandLine {
		line, ok := config.CommandLine(s)
		if !ok {
			continue
		}
		k, err := table.Find(&line)
		if err != nil {
			if l.ignored(line.Keyword) {
				continue
			}
			return err
		}
		if err := k.Apply(&line, l.o, l.seen, true); err != nil {
			return err
		}
	}
	switch l.src.File {
	case None:
		return nil
	case "":
		user := l.src.UserFile
		if user == "" && l.src.Home != "" {
			user = filepath.Join(l.src.Home, ".ssh", "config")
		}
		system := l.src.SystemFile
		if system == "" {
			system = "/etc/ssh/ssh_config"
		}
		for i, f := range []string{user, system} {
			if f == "" {
				continue
			}
			if err := l.file(f, i == 0, true, 0); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
	default:
		if err := l.file(l.src.File, true, true, 0); err != nil {
			if _, ok := errors.AsType[*fs.PathError](err); ok {
				return fmt.Errorf("Can't open user config file %s: %w", l.src.File, errors.Unwrap(err)) //nolint:staticcheck // OpenSSH's words
			}
			return err
		}
	}
	return nil
}

func (l *loader) ignored(keyword string) bool {
	return l.o.IgnoreUnknown != "" && config.MatchList(strings.ToLower(keyword), strings.ToLower(l.o.IgnoreUnknown)) > 0
}

// file reads one file. parent is whether the block that includes it applies.
func (l *loader) file(name string, userFile, parent bool, depth int) error {
	if depth > maxInclude {
		return fmt.Errorf("%s: too many recursive configuration includes", name)
	}
	data, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	lines, err := config.ParseFile(name, data)
	if err != nil {
		return err
	}
	active := parent
	bad := 0
	for i := range lines {
		line := &lines[i]
		switch strings.ToLower(line.Keyword) {
		case "host":
			args, err := line.Args()
			if err != nil {
				return line.Errorf("%w", err)
			}
			if len(args) == 0 {
				return line.Errorf("missing argument of Host")
			}
			active = matchHosts(l.src.Host, args) && parent
			if l.final {
				active = (matchHosts(l.src.Host, args) || matchHosts(l.host, args)) && parent
			}
		case "match":
			m, err := l.match(line, parent)
			if err != nil {
				return line.Errorf("%w", err)
			}
			active = m && parent
		case "include":
			if err := l.include(line, userFile, active, depth); err != nil {
				return err
			}
		default:
			k, err := table.Find(line)
			if err != nil {
				if !l.ignored(line.Keyword) {
					l.bad = append(l.bad, err)
					bad++
				}
				continue
			}
			if err := k.Apply(line, l.o, l.seen, active); err != nil {
				return err
			}
		}
	}
	if bad > 0 {
		return errors.Join(append(l.bad, fmt.Errorf("%s: terminating, %d bad configuration options", name, bad))...)
	}
	return nil
}

func (l *loader) include(line *config.Line, userFile, active bool, depth int) error {
	args, err := line.Args()
	if err != nil {
		return line.Errorf("%w", err)
	}
	if len(args) == 0 {
		return line.Errorf("missing argument of Include")
	}
	for _, pattern := range args {
		if userFile {
			pattern = config.Tilde(pattern, l.src.Home)
		}
		if !filepath.IsAbs(pattern) {
			dir := "/etc/ssh"
			if userFile {
				dir = filepath.Join(l.src.Home, ".ssh")
			}
			pattern = filepath.Join(dir, pattern)
		}
		names, err := filepath.Glob(pattern)
		if err != nil {
			return line.Errorf("bad pattern %s", config.Printable(pattern))
		}
		for _, name := range names {
			if err := l.file(name, userFile, active, depth+1); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
	}
	return nil
}

func matchHosts(host string, patterns []string) bool {
	matched := false
	for _, p := range patterns {
		p, negated := strings.CutPrefix(p, "!")
		if config.MatchPattern(host, p) {
			if negated {
				return false
			}
			matched = true
		}
	}
	return matched
}

// hostName is the name to connect to as far as is known at this line.
func (l *loader) hostName() string {
	if l.o.HostName == "" {
		return l.host
	}
	name, err := config.Expand(l.o.HostName, map[byte]string{'h': l.host})
	if err != nil {
		return l.o.HostName
	}
	return name
}

func (l *loader) user() string {
	if l.o.User != "" {
		return l.o.User
	}
	return l.src.LocalUser
}

// match evaluates a Match line: every criterion must hold. live is false in
// an included file whose block does not apply: then no command runs.
func (l *loader) match(line *config.Line, live bool) (bool, error) {
	args, err := line.Args()
	if err != nil {
		return false, err
	}
	if len(args) == 0 {
		return false, errors.New("missing argument of Match")
	}
	if strings.EqualFold(args[0], "all") && len(args) > 1 {
		return false, errors.New("'all' cannot be combined with other Match attributes")
	}
	result := true
	for i := 0; i < len(args); i++ {
		criterion, value, joined := strings.Cut(args[i], "=")
		criterion, negated := strings.CutPrefix(strings.ToLower(criterion), "!")
		var ok bool
		switch criterion {
		case "all":
			ok = true
		case "canonical":
			ok = l.final
		case "final":
			l.hasFinal = true
			ok = l.final
		default:
			if !joined {
				if i++; i == len(args) {
					return false, fmt.Errorf("Match criteria missing argument for %s", config.Printable(criterion)) //nolint:staticcheck // OpenSSH's words
				}
				value = args[i]
			}
			switch criterion {
			case "host":
				ok = config.MatchHost(l.hostName(), value) > 0
			case "originalhost":
				ok = config.MatchHost(l.src.Host, value) > 0
			case "user":
				ok = config.MatchList(l.user(), value) > 0
			case "localuser":
				ok = config.MatchList(l.src.LocalUser, value) > 0
			case "tagged":
				ok = config.MatchList(l.o.Tag, value) > 0
			case "localnetwork":
				ok = localNetwork(value)
			case "exec":
				if !result || !live {
					continue
				}
				command, err := config.Expand(value, l.tokens())
				if err != nil {
					return false, err
				}
				ok = exec.CommandContext(l.ctx, userShell(l.src.LookupEnv), "-c", command).Run() == nil
			default:
				return false, fmt.Errorf("Unsupported Match attribute %s", config.Printable(criterion)) //nolint:staticcheck // OpenSSH's words
			}
		}
		if ok == negated {
			result = false
		}
	}
	return result, nil
}

func localNetwork(list string) bool {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return false
	}
	return slices.ContainsFunc(addrs, func(a net.Addr) bool {
		n, ok := a.(*net.IPNet)
		return ok && config.MatchAddress(addrOf(n.IP), list) > 0
	})
}

func userShell(lookup func(string) (string, bool)) string {
	if s, ok := lookup("SHELL"); ok && s != "" {
		return s
	}
	return "/bin/sh"
}
