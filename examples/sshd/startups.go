package main

import (
	"math/rand/v2"
	"net/netip"
	"sync"

	"github.com/fairlead-go/ssh/examples/internal/serverconfig"
)

// Startups counts the connections that have not logged in, for MaxStartups and
// PerSourceMaxStartups.
type startups struct {
	limit     serverconfig.Startups
	perSource int // 0: no limit

	mu     sync.Mutex
	all    int
	source map[netip.Addr]int
}

func newStartups(o *serverconfig.Options) *startups {
	return &startups{limit: o.MaxStartups, perSource: o.PerSourceMaxStartups, source: make(map[netip.Addr]int)}
}

// begin says whether a connection from addr may go on; then end must follow.
func (s *startups) begin(addr netip.Addr) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.drop(rand.IntN(100)) || s.perSource > 0 && s.source[addr] >= s.perSource {
		return false
	}
	s.all++
	s.source[addr]++
	return true
}

// drop decides by a die from 0 to 99. The chance rises in a line from the
// limit's rate at its beginning to certainty when it is full.
func (s *startups) drop(die int) bool {
	switch l := s.limit; {
	case s.all < l.Begin:
		return false
	case s.all >= l.Full || l.Rate == 100:
		return true
	default:
		return die < l.Rate+(100-l.Rate)*(s.all-l.Begin)/(l.Full-l.Begin)
	}
}

func (s *startups) end(addr netip.Addr) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all--
	if s.source[addr]--; s.source[addr] == 0 {
		delete(s.source, addr)
	}
}
