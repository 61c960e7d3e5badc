package serverconfig

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/fairlead-go/ssh/examples/internal/config"
)

// A Conn is what Match blocks ask about a connection.
type Conn struct {
	User      string
	Host      string     // the client's name; "": its address
	Address   netip.Addr // the client's; zero over pipes, which matches no Address
	Local     netip.Addr
	LocalPort int
	RDomain   string // routing domain; connections here have none
	Invalid   bool   // there is no such user

	Groups func(user string) ([]string, error) // nil: the system's
}

// A File is the lines of sshd_config and of the files that it includes.
type File struct {
	lines []entry
}

type entry struct {
	line  config.Line
	match []*config.Line // the Match lines that it stands under; nil: global
	k     *config.Keyword[opts]
}

const maxInclude = 16

// Load reads the command line's "Keyword=value" options, which go first, and
// the file called name, or none if that is "none" or "". Every line is checked,
// whether it will hold for anyone or not.
func Load(name string, commandLine []string) (*File, error) {
	f := new(File)
	for _, s := range commandLine {
		line, ok := config.CommandLine(s)
		if !ok {
			continue
		}
		k, err := table.Find(&line)
		if err != nil {
			return nil, err
		}
		f.lines = append(f.lines, entry{line: line, k: k})
	}
	if name != "" && name != None {
		if _, err := f.read(name, nil, 0); err != nil {
			return nil, err
		}
	}
	// Every line is applied once, active or not, so that an error shows at start.
	seen := make(map[string]bool)
	o := Defaults()
	for i := range f.lines {
		e := &f.lines[i]
		if len(e.match) > 0 && !e.k.InMatch {
			return nil, e.line.Errorf("Directive '%s' is not allowed within a Match block", e.k.Name) //nolint:staticcheck // OpenSSH's words
		}
		if err := e.k.Apply(&e.line, o, seen, len(e.match) == 0); err != nil {
			return nil, err
		}
		for _, m := range e.match {
			if _, err := matches(m, nil); err != nil {
				return nil, err
			}
		}
	}
	return f, nil
}

// read appends the lines of a file and returns the Match lines in force at its end.
func (f *File) read(name string, match []*config.Line, depth int) ([]*config.Line, error) {
	if depth > maxInclude {
		return nil, fmt.Errorf("%s: too many recursive configuration includes", name)
	}
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	lines, err := config.ParseFile(name, data)
	if err != nil {
		return nil, err
	}
	outer := match
	var bad []error
	for i := range lines {
		line := &lines[i]
		switch strings.ToLower(line.Keyword) {
		case "match":
			if _, err := matches(line, nil); err != nil {
				return nil, err
			}
			match = append(slices.Clone(outer), line)
		case "include":
			if err := f.include(line, match, depth); err != nil {
				return nil, err
			}
		default:
			k, err := table.Find(line)
			if err != nil {
				bad = append(bad, err)
				continue
			}
			f.lines = append(f.lines, entry{line: *line, match: match, k: k})
		}
	}
	if len(bad) > 0 {
		return nil, errors.Join(append(bad, fmt.Errorf("%s: terminating, %d bad configuration options", name, len(bad)))...)
	}
	return match, nil
}

func (f *File) include(line *config.Line, match []*config.Line, depth int) error {
	args, err := line.Args()
	if err != nil {
		return line.Errorf("%w", err)
	}
	if len(args) == 0 {
		return line.Errorf("missing argument of Include")
	}
	for _, pattern := range args {
		if !filepath.IsAbs(pattern) {
			pattern = filepath.Join("/etc/ssh", pattern)
		}
		names, err := filepath.Glob(pattern)
		if err != nil {
			return line.Errorf("bad pattern %s", config.Printable(pattern))
		}
		for _, n := range names {
			// A Match block ends with the file that it stands in.
			if _, err := f.read(n, match, depth+1); err != nil {
				return err
			}
		}
	}
	return nil
}

// An encodedEntry is an entry in JSON.
type encodedEntry struct {
	Line  config.Line
	Match []*config.Line `json:",omitempty"`
}

// MarshalJSON gives the lines, so that another process can work by what this
// one has read.
func (f *File) MarshalJSON() ([]byte, error) {
	lines := make([]encodedEntry, len(f.lines))
	for i, e := range f.lines {
		lines[i] = encodedEntry{e.line, e.match}
	}
	return json.Marshal(lines)
}

// UnmarshalJSON takes what MarshalJSON gave.
func (f *File) UnmarshalJSON(data []byte) error {
	var lines []encodedEntry
	if err := json.Unmarshal(data, &lines); err != nil {
		return err
	}
	f.lines = make([]entry, len(lines))
	for i, l := range lines {
		k, err := table.Find(&l.Line)
		if err != nil {
			return err
		}
		f.lines[i] = entry{line: l.Line, match: l.Match, k: k}
	}
	return nil
}

// HasMatch says whether the options may differ from one login to another.
func (f *File) HasMatch() bool {
	return slices.ContainsFunc(f.lines, func(e entry) bool { return len(e.match) > 0 })
}

// Sets says whether a line, in a Match block or outside, gives the keyword
// another value than "none" or "no".
func (f *File) Sets(keyword string) bool {
	return slices.ContainsFunc(f.lines, func(e entry) bool {
		return strings.EqualFold(e.line.Keyword, keyword) && !strings.EqualFold(e.line.Rest, None) && !strings.EqualFold(e.line.Rest, No)
	})
}

// Options returns what holds before anyone is known: the lines outside Match blocks.
func (f *File) Options() *Options {
	o, _ := f.For(nil) // without a connection nothing can fail that Load did not find
	return o
}

// For returns the options of one connection. What a Match block that applies
// says goes before what stands outside; among each, the first line wins.
func (f *File) For(c *Conn) (*Options, error) {
	o := Defaults()
	inMatch, global := make(map[string]bool), make(map[string]bool)
	for i := range f.lines {
		e := &f.lines[i]
		if len(e.match) == 0 || c == nil {
			continue
		}
		ok := true
		for _, m := range e.match {
			holds, err := matches(m, c)
			if err != nil {
				return nil, err
			}
			ok = ok && holds
		}
		if ok {
			if err := e.k.Apply(&e.line, o, inMatch, true); err != nil {
				return nil, err
			}
		}
	}
	for i := range f.lines {
		e := &f.lines[i]
		if len(e.match) > 0 || inMatch[e.k.Name] {
			continue
		}
		if err := e.k.Apply(&e.line, o, global, true); err != nil {
			return nil, err
		}
	}
	o.fill()
	return o, nil
}

// matches evaluates a Match line; without a connection it only checks it.
func matches(line *config.Line, c *Conn) (bool, error) {
	args, err := line.Args()
	if err != nil {
		return false, line.Errorf("%w", err)
	}
	if len(args) == 0 {
		return false, line.Errorf("one or more attributes required for Match")
	}
	result := true
	for i := 0; i < len(args); i++ {
		attribute, value, joined := strings.Cut(args[i], "=")
		attribute = strings.ToLower(attribute)
		if attribute == "all" && !joined {
			if len(args) > 1 {
				return false, line.Errorf("'all' cannot be combined with other Match attributes")
			}
			return c != nil, nil
		}
		if attribute == "invalid-user" && !joined {
			result = result && c != nil && c.Invalid
			continue
		}
		if !joined {
			if i++; i == len(args) {
				return false, line.Errorf("Match criteria missing argument for %s", config.Printable(attribute))
			}
			value = args[i]
		}
		ok, err := matchOne(attribute, value, c)
		if err != nil {
			return false, line.Errorf("%w", err)
		}
		result = result && ok
	}
	return result && c != nil, nil
}

func matchOne(attribute, value string, c *Conn) (bool, error) {
	if c == nil {
		c = &Conn{Groups: func(string) ([]string, error) { return nil, nil }}
	}
	switch attribute {
	case "user":
		return config.MatchList(c.User, value) > 0, nil
	case "group":
		groups := c.Groups
		if groups == nil {
			groups = groupNames
		}
		names, err := groups(c.User)
		if err != nil {
			return false, nil //nolint:nilerr // no such user is in no group
		}
		found := false
		for _, n := range names {
			switch config.MatchList(n, value) {
			case -1:
				return false, nil
			case 1:
				found = true
			}
		}
		return found, nil
	case "host":
		if c.Host == "" {
			return config.MatchAddress(c.Address, value) > 0, nil
		}
		return config.MatchHost(c.Host, value) > 0, nil
	case "address":
		return config.MatchAddress(c.Address, value) > 0, nil
	case "localaddress":
		return config.MatchAddress(c.Local, value) > 0, nil
	case "localport":
		port, err := strconv.Atoi(value)
		if err != nil || port < 1 || port > 65535 {
			return false, fmt.Errorf("invalid port %s in Match", config.Printable(value))
		}
		return port == c.LocalPort, nil
	case "rdomain":
		return config.MatchList(c.RDomain, value) > 0, nil
	case "version":
		return false, nil
	}
	return false, fmt.Errorf("unsupported Match attribute %s", config.Printable(attribute))
}

// Dump returns the options as sshd -T prints them.
func (o *Options) Dump() []string { return table.Dump(o) }
