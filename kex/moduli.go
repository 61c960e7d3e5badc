package kex

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"strconv"
)

// ErrNoModuli is returned for a moduli file without a group that can be used.
var ErrNoModuli = errors.New("kex: moduli file has no usable group")

// Bounds of a moduli file. OpenSSH's own has some 400 groups.
const (
	maxModuliLine = 4096 // bytes; longer lines are skipped
	maxModuliFile = 64 << 20
	maxModuli     = 8192 // groups; what follows is ignored
)

// Moduli are the groups that a server chooses from in
// diffie-hellman-group-exchange-sha256. It is immutable, and safe for
// concurrent use. nil means the groups of RFC 3526.
type Moduli struct {
	groups []*group // smallest first
}

// ParseModuli reads a file in the format of moduli(5), such as
// /etc/ssh/moduli. Skipped are lines that do not parse, and those of groups
// that are no safe primes, are marked as untested or composite, or have less
// than 2048 or more than 8192 bits. That the others are prime is taken on the
// file's word. At most 64 MiB are read and 8192 groups kept. The error is r's,
// or [ErrNoModuli] where nothing is left.
func ParseModuli(r io.Reader) (*Moduli, error) {
	m := new(Moduli)
	lines := bufio.NewReaderSize(io.LimitReader(r, maxModuliFile), maxModuliLine)
	for len(m.groups) < maxModuli {
		line, err := lines.ReadSlice('\n')
		long := false
		for errors.Is(err, bufio.ErrBufferFull) {
			long = true
			line, err = lines.ReadSlice('\n')
		}
		if group := parseModulus(line); group != nil && !long {
			m.groups = append(m.groups, group)
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
	}
	if len(m.groups) == 0 {
		return nil, ErrNoModuli
	}
	slices.SortStableFunc(m.groups, func(a, b *group) int { return a.p.BitLen() - b.p.BitLen() })
	return m, nil
}

// parseModulus parses a line of moduli(5), nil where it has no group to use:
//
//	time type tests tries size generator modulus
func parseModulus(line []byte) *group {
	const (
		safe      = 2    // type: p and (p-1)/2 are prime
		composite = 0x01 // tests: p failed one
	)
	fields := bytes.Fields(line)
	if len(fields) != 7 || fields[0][0] == '#' {
		return nil
	}
	var numbers [4]uint64 // type, tests, tries, size
	for i := range numbers {
		var err error
		if numbers[i], err = strconv.ParseUint(string(fields[1+i]), 10, 32); err != nil {
			return nil
		}
	}
	kind, tests, tries, size := numbers[0], numbers[1], numbers[2], numbers[3]
	if kind != safe || tests&composite != 0 || tests == 0 || tries == 0 {
		return nil
	}
	g, p := unhex(fields[5]), bytes.TrimLeft(unhex(fields[6]), "\x00")
	group, err := newGroup(p, g)
	if err != nil || uint64(group.p.BitLen()) != size+1 {
		return nil
	}
	return group
}

// unhex decodes hexadecimal digits of any number, nil where it cannot.
func unhex(digits []byte) []byte {
	if len(digits)%2 == 1 {
		digits = append([]byte{'0'}, digits...)
	}
	b, err := hex.DecodeString(string(digits))
	if err != nil {
		return nil
	}
	return b
}

// choose returns a group of at least low and at most high bits: of the smallest
// size that is not below n, or else of the largest; one of that size at
// random, so that an attacker gains less by preparing for one. Where the file
// has none, the groups of RFC 3526 serve. It returns nil where they do not
// either.
func (m *Moduli) choose(low, n, high int64) *group {
	low, high = max(low, minGroupBits), min(high, maxGroupBits)
	n = min(max(n, low), high)
	if m != nil {
		if group := chooseFrom(m.groups, low, n, high); group != nil {
			return group
		}
	}
	groups := make([]*group, len(builtin))
	for i, m := range builtin {
		groups[i] = m()
	}
	return chooseFrom(groups, low, n, high)
}

// chooseFrom chooses from groups that are sorted by size.
func chooseFrom(groups []*group, low, n, high int64) *group {
	var best []*group
	for i := 0; i < len(groups); {
		bits := groups[i].p.BitLen()
		end := i
		for end < len(groups) && groups[end].p.BitLen() == bits {
			end++
		}
		if size := int64(bits); size >= low && size <= high {
			best = groups[i:end]
			if size >= n {
				break
			}
		}
		i = end
	}
	if len(best) == 0 {
		return nil
	}
	return best[rand.IntN(len(best))]
}
