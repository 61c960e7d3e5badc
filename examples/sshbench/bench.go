package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
)

// A bench is one measurement of a server by one client.
type bench struct {
	impl     implementation
	op       operation
	target   target
	bytes    int64
	n        int // 0: the operation's own
	commands struct{ down, up, echo, usage string }

	result result
}

// A result is what run prints. MB and GB are powers of ten. What does not apply
// is left out.
type result struct {
	Impl   string `json:"impl"`
	Op     string `json:"op"`
	Cipher string `json:"cipher,omitempty"` // as asked for
	MAC    string `json:"mac,omitempty"`
	Kex    string `json:"kex,omitempty"`
	N      int    `json:"n"`

	// Of a transfer, and of its slowest channel, that one's part of an equal
	// share. Both directions of duplex count.
	Bytes    int64   `json:"bytes,omitempty"`
	Seconds  float64 `json:"seconds"`
	MBps     float64 `json:"mb_per_s,omitempty"`
	MinShare float64 `json:"min_share,omitempty"`

	// Of many small operations.
	Mean float64 `json:"us_mean,omitempty"`
	P50  float64 `json:"us_p50,omitempty"`
	P99  float64 `json:"us_p99,omitempty"`

	Client side  `json:"client"`
	Server *side `json:"server,omitempty"` // where it answers usage
}

// A side is what one process spent or holds.
type side struct {
	CPU        float64 `json:"cpu_s"`
	CPUPerGB   float64 `json:"cpu_s_per_gb,omitempty"`
	CPUPerOp   float64 `json:"cpu_us_per_op,omitempty"`
	Heap       float64 `json:"heap_per_conn,omitempty"` // bytes
	RSS        float64 `json:"rss_per_conn,omitempty"`  // bytes
	Goroutines float64 `json:"goroutines_per_conn,omitempty"`
}

func (b *bench) run(ctx context.Context) (*result, error) {
	if b.n == 0 {
		b.n = b.op.n
	}
	if b.n < 1 || b.bytes < int64(b.n) {
		return nil, errors.New("-n must be at least 1, and -bytes at least -n")
	}
	b.result = result{
		Impl: b.impl.name, Op: b.op.name, N: b.n,
		Cipher: b.target.cipher, MAC: b.target.mac, Kex: b.target.kex,
	}
	c, err := b.dial(ctx)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	if err := b.op.run(ctx, b, c); err != nil {
		return nil, fmt.Errorf("%s: %w", b.op.name, err)
	}
	return &b.result, nil
}

func (b *bench) dial(ctx context.Context) (client, error) { return b.impl.dial(ctx, &b.target) }

// timed does the work, and notes how long it took and what both sides spent.
func (b *bench) timed(c client, work func() error) error {
	serverBefore, err := b.serverUsage(c, "")
	if err != nil {
		return err
	}
	before := ownCPU() + childrenCPU()
	start := time.Now()
	if err := work(); err != nil {
		return err
	}
	b.result.Seconds = time.Since(start).Seconds()
	b.result.Client.CPU = ownCPU() + childrenCPU() - before
	if serverBefore == nil {
		return nil
	}
	serverAfter, err := b.serverUsage(c, "")
	if err != nil {
		return err
	}
	b.result.Server = &side{CPU: serverAfter.CPU - serverBefore.CPU}
	return nil
}

// transfer is timed for work that moves this many bytes.
func (b *bench) transfer(c client, bytes int64, work func() error) error {
	if err := b.timed(c, work); err != nil {
		return err
	}
	if each, ok := c.(loginEach); ok {
		r, less := &b.result, each.overhead()
		r.Seconds = max(r.Seconds-less.seconds, 1e-6)
		r.Client.CPU = max(r.Client.CPU-less.cpu, 0)
	}
	b.moved(bytes)
	return nil
}

// moved notes how many bytes were moved in the time that was noted.
func (b *bench) moved(bytes int64) {
	r := &b.result
	r.Bytes = bytes
	r.MBps = float64(bytes) / 1e6 / r.Seconds
	for _, s := range r.sides() {
		s.CPUPerGB = s.CPU / (float64(bytes) / 1e9)
	}
}

// repeat is timed for doing something n times, after a few that do not count.
func (b *bench) repeat(c client, do func() error) error {
	for range b.n/10 + 1 {
		if err := do(); err != nil {
			return err
		}
	}
	took := make([]time.Duration, 0, b.n)
	err := b.timed(c, func() error {
		for range b.n {
			start := time.Now()
			if err := do(); err != nil {
				return err
			}
			took = append(took, time.Since(start))
		}
		return nil
	})
	if err != nil {
		return err
	}
	slices.Sort(took)
	r := &b.result
	r.Mean = r.Seconds * 1e6 / float64(b.n)
	r.P50 = microseconds(took[b.n/2])
	r.P99 = microseconds(took[b.n*99/100])
	for _, s := range r.sides() {
		s.CPUPerOp = s.CPU * 1e6 / float64(b.n)
	}
	return nil
}

// sides returns those whose usage is known.
func (r *result) sides() []*side {
	if r.Server == nil {
		return []*side{&r.Client}
	}
	return []*side{&r.Client, r.Server}
}

func microseconds(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e3 }

// serverUsage asks the server what it has used, nil where it is not to be asked.
func (b *bench) serverUsage(c client, argument string) (*usage, error) {
	if b.commands.usage == "" {
		return nil, nil
	}
	command := b.commands.usage
	if argument != "" {
		command += " " + argument
	}
	s, err := c.exec(command)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	var answer bytes.Buffer
	if _, err := answer.ReadFrom(s); err != nil {
		return nil, err
	}
	var u usage
	if err := json.Unmarshal(answer.Bytes(), &u); err != nil {
		return nil, fmt.Errorf("the server does not answer %q (give -usagecmd): %w", command, err)
	}
	return &u, s.Wait()
}
