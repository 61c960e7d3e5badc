package config

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Printable returns s quoted if it holds anything but printable ASCII.
func Printable(s string) string {
	for _, c := range []byte(s) {
		if c < ' ' || c > '~' {
			return strconv.QuoteToASCII(s)
		}
	}
	return s
}

// ParseBool reads yes, true, no or false, without regard to case.
func ParseBool(s string) (bool, error) {
	switch strings.ToLower(s) {
	case "yes", "true":
		return true, nil
	case "no", "false":
		return false, nil
	}
	return false, fmt.Errorf("bad yes/no argument %s", Printable(s))
}

// YesNo is the opposite of ParseBool.
func YesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// ParseInt reads a decimal number from lo to hi.
func ParseInt(s string, lo, hi int) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil || s[0] == '+' {
		return 0, fmt.Errorf("bad number %s", Printable(s))
	}
	if n < lo || n > hi {
		return 0, fmt.Errorf("number %d is not from %d to %d", n, lo, hi)
	}
	return n, nil
}

// ParsePort reads a TCP port, by number only.
func ParsePort(s string) (int, error) {
	n, err := ParseInt(s, 0, 65535)
	if err != nil {
		return 0, fmt.Errorf("bad port number %s", Printable(s))
	}
	return n, nil
}

var units = map[byte]time.Duration{
	's': time.Second, 'm': time.Minute, 'h': time.Hour, 'd': 24 * time.Hour, 'w': 7 * 24 * time.Hour,
}

// ParseTime reads sshd_config's time format: numbers with an optional unit
// (s m h d w, seconds without one), added up: 600, 10m, 1h30m.
func ParseTime(s string) (time.Duration, error) {
	bad := fmt.Errorf("invalid time value %s", Printable(s))
	if s == "" {
		return 0, bad
	}
	var total time.Duration
	for i := 0; i < len(s); {
		start := i
		for i < len(s) && '0' <= s[i] && s[i] <= '9' {
			i++
		}
		n, err := strconv.ParseInt(s[start:i], 10, 32)
		if err != nil {
			return 0, bad
		}
		unit := time.Second
		if i < len(s) {
			var ok bool
			if unit, ok = units[s[i]|0x20]; !ok {
				return 0, bad
			}
			i++
		}
		if time.Duration(n) > (math.MaxInt64-total)/unit {
			return 0, bad
		}
		total += time.Duration(n) * unit
	}
	return total, nil
}

// A Rekey is RekeyLimit's value.
type Rekey struct {
	Bytes    uint64        // 0: the cipher's default
	Interval time.Duration // 0: never by time
}

// ParseRekey reads "default|none|BYTES[K|M|G] [none|TIME]".
func ParseRekey(args []string) (r Rekey, err error) {
	if len(args) > 2 {
		return r, errors.New("extra arguments at end of line")
	}
	if a := strings.ToLower(args[0]); a != "default" && a != "none" {
		if r.Bytes, err = parseSize(a); err != nil {
			return Rekey{}, err
		}
		if r.Bytes < 16 {
			return Rekey{}, errors.New("RekeyLimit too small")
		}
	}
	if len(args) == 2 && !strings.EqualFold(args[1], "none") {
		if r.Interval, err = ParseTime(args[1]); err != nil {
			return Rekey{}, err
		}
	}
	return r, nil
}

func (r Rekey) String() string {
	return fmt.Sprintf("%d %d", r.Bytes, int64(r.Interval/time.Second))
}

func parseSize(s string) (uint64, error) {
	digits, shift := s, 0
	if n := len(s); n > 0 {
		if i := strings.IndexByte("kmg", s[n-1]); i >= 0 {
			digits, shift = s[:n-1], 10*(i+1)
		}
	}
	n, err := strconv.ParseUint(digits, 10, 63)
	if err != nil || n > math.MaxInt64>>shift {
		return 0, fmt.Errorf("bad size %s", Printable(s))
	}
	return n << shift, nil
}

// Expand replaces each %x of s by tokens[x], and %% by a percent sign. A token
// that tokens does not have is an error.
func Expand(s string, tokens map[byte]string) (string, error) {
	var b strings.Builder
	for {
		i := strings.IndexByte(s, '%')
		if i < 0 {
			b.WriteString(s)
			return b.String(), nil
		}
		b.WriteString(s[:i])
		if i+1 == len(s) {
			return "", errors.New("percent sign at the end of the value")
		}
		if c := s[i+1]; c == '%' {
			b.WriteByte('%')
		} else if v, ok := tokens[c]; ok {
			b.WriteString(v)
		} else {
			return "", fmt.Errorf("unknown key %%%s", Printable(string(rune(c))))
		}
		s = s[i+2:]
	}
}

// ExpandEnv replaces each ${NAME} of s by getenv's value. A name that is not
// set is an error.
func ExpandEnv(s string, lookup func(string) (string, bool)) (string, error) {
	var b strings.Builder
	for {
		i := strings.Index(s, "${")
		if i < 0 {
			b.WriteString(s)
			return b.String(), nil
		}
		end := strings.IndexByte(s[i:], '}')
		if end < 0 {
			return "", errors.New("environment variable without a closing brace")
		}
		name := s[i+2 : i+end]
		v, ok := lookup(name)
		if !ok {
			return "", fmt.Errorf("env var ${%s} has no value", Printable(name))
		}
		b.WriteString(s[:i])
		b.WriteString(v)
		s = s[i+end+1:]
	}
}

// Tilde replaces a leading ~ or ~/ by home. ~user is left alone.
func Tilde(s, home string) string {
	if s == "~" {
		return home + "/"
	}
	if rest, ok := strings.CutPrefix(s, "~/"); ok {
		return strings.TrimSuffix(home, "/") + "/" + rest
	}
	return s
}
