package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os/exec"
	"regexp"
	"slices"
	"time"
)

// A comparison runs the rows of the table.
type comparison struct {
	bytes    int64
	n        int
	idle     int
	rounds   int
	only     string
	stall    time.Duration // a measurement that takes longer is given up
	progress *progressLine
}

// A measured is a row with the results of each contender, a result a round, nil
// where the measurement stalled.
type measured struct {
	row
	results [][]*result
}

var errNoRow = errors.New("no row has such a name")

func (c *comparison) run(ctx context.Context) ([]measured, error) {
	if c.bytes < 1 || c.n < 1 || c.idle < 1 || c.rounds < 1 || c.stall <= 0 {
		return nil, errors.New("sizes, rounds and times must be at least 1")
	}
	rows, err := c.rows()
	if err != nil {
		return nil, err
	}
	w, err := newWorkplace()
	if err != nil {
		return nil, err
	}
	defer w.remove()
	for i := range rows {
		if rows[i].rounds == 0 {
			rows[i].rounds = c.rounds
		}
		c.progress.total += rows[i].rounds * len(rows[i].contenders)
	}
	defer c.progress.end()
	var done []measured
	for _, r := range rows {
		m, err := c.measure(ctx, w, r)
		if ctx.Err() != nil && len(done) > 0 {
			return done, nil // interrupted: what there is
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", r.name, err)
		}
		done = append(done, m)
	}
	return done, nil
}

// rows picks those that are wanted and can be measured here.
func (c *comparison) rows() ([]row, error) {
	only, err := regexp.Compile(c.only)
	if err != nil {
		return nil, err
	}
	_, sshErr := exec.LookPath("ssh")
	_, sshdErr := sshdPath()
	openssh := sshErr == nil && sshdErr == nil
	rows := slices.DeleteFunc(table(), func(r row) bool {
		return !only.MatchString(r.name) || r.opensshIn() && !openssh
	})
	if len(rows) == 0 {
		return nil, errNoRow
	}
	return rows, nil
}

// measure runs the rounds of a row. The contenders take turns, and each round
// begins with another, so that what else happens on the machine strikes all.
func (c *comparison) measure(ctx context.Context, w *workplace, r row) (measured, error) {
	type place struct {
		impl  string
		rekey uint64
	}
	servers := map[place]*serverProcess{}
	defer func() {
		for _, s := range servers {
			s.stop()
		}
	}()
	server := func(k contender) (*serverProcess, error) {
		p := place{k.server, k.rekey}
		if s := servers[p]; s != nil {
			return s, nil
		}
		s, err := w.server(ctx, p.impl, p.rekey)
		if err == nil {
			servers[p] = s
		}
		return s, err
	}
	for _, k := range r.contenders { // before the first measurement
		if _, err := server(k); err != nil {
			return measured{}, err
		}
	}
	m := measured{r, make([][]*result, len(r.contenders))}
	for round := range r.rounds {
		for i := range r.contenders {
			i = (i + round) % len(r.contenders)
			k := r.contenders[i]
			c.progress.show(fmt.Sprintf("%s: %s, round %d of %d", r.name, k.name, round+1, r.rounds))
			s, err := server(k)
			if err != nil {
				return measured{}, err
			}
			one, err := c.once(ctx, w, r, k, s)
			if errors.Is(err, errStalled) {
				// The server may be stuck as well.
				delete(servers, place{k.server, k.rekey})
				s.stop()
			} else if err != nil {
				return measured{}, fmt.Errorf("%s: %w", k.name, err)
			}
			m.results[i] = append(m.results[i], one)
			c.progress.done++
		}
	}
	return m, nil
}

// sshdReaps is how long sshd needs to wait for a child that has ended.
const sshdReaps = 200 * time.Millisecond

// once measures a contender one time.
func (c *comparison) once(ctx context.Context, w *workplace, r row, k contender, s *serverProcess) (*result, error) {
	addr := s.addr
	if r.link != nil {
		relay, err := r.link.to(addr)
		if err != nil {
			return nil, err
		}
		defer relay.Close()
		addr = relay.Addr().String()
	}
	values := map[string]string{
		"addr": addr, "impl": k.client, "op": r.op, "key": w.userKey(),
		"cipher": r.cipher, "mac": r.mac, "kex": r.kex,
		"rekey": fmt.Sprint(k.rekey), "guess": fmt.Sprint(k.guess), "n": fmt.Sprint(c.count(r, k)), "bytes": fmt.Sprint(c.bytes / max(k.part, 1)),
	}
	if k.server == "openssh" {
		maps.Copy(values, map[string]string{
			"downcmd": "head -c %d /dev/zero", "upcmd": "cat >/dev/null", "echocmd": "cat", "usagecmd": "",
		})
	}
	var args []string
	for _, name := range slices.Sorted(maps.Keys(values)) {
		args = append(args, "-"+name+"="+values[name])
	}
	before := cpuSecondsOfTree(s.cmd.Process.Pid)
	result, err := w.measure(ctx, args, c.stall)
	if err != nil || k.server != "openssh" {
		return result, err
	}
	time.Sleep(sshdReaps)
	cpu := cpuSecondsOfTree(s.cmd.Process.Pid) - before
	result.Server = &side{CPU: cpu, CPUPerGB: cpu / (float64(result.Bytes) / 1e9)}
	return result, nil
}

// count is the -n of a contender; 0 lets the operation choose.
func (c *comparison) count(r row, k contender) int {
	switch {
	case k.n != 0:
		return k.n
	case r.size == byRepetitions:
		return c.n
	case r.size == byConnections:
		return c.idle
	}
	return 0
}
