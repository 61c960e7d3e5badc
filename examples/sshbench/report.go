package main

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
)

// A metric is the number by which contenders of an operation are compared.
type metric struct {
	unit string
	of   func(*result) float64
}

var (
	throughput = metric{"MB/s", func(r *result) float64 { return r.MBps }}
	latency    = metric{"µs", func(r *result) float64 { return r.P50 }}
	memory     = metric{"KiB", func(r *result) float64 { return r.Client.Heap / 1024 }}
)

// metricOf returns the metric of a row.
func metricOf(r row) metric {
	switch r.size {
	case byRepetitions:
		return latency
	case byConnections:
		return memory
	}
	return throughput
}

// median returns the middle of what f says of each; for an even number, the
// mean of the two in the middle.
func median[T any](of []T, f func(T) float64) float64 {
	if len(of) == 0 {
		return 0
	}
	v := make([]float64, len(of))
	for i, e := range of {
		v[i] = f(e)
	}
	slices.Sort(v)
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
}

// ended returns the results that there are.
func (m *measured) ended(contender int) []*result {
	return slices.DeleteFunc(slices.Clone(m.results[contender]), func(r *result) bool { return r == nil })
}

// ratio is the median of the first contender's number through that of
// another, each round by itself; 0 where it is not known.
func (m *measured) ratio(other int, of func(*result) float64) float64 {
	var rounds []int
	for i, theirs := range m.results[other] {
		if theirs != nil && m.results[0][i] != nil {
			rounds = append(rounds, i)
		}
	}
	return median(rounds, func(i int) float64 {
		theirs := of(m.results[other][i])
		if theirs == 0 {
			return 0
		}
		return of(m.results[0][i]) / theirs
	})
}

// report is the table in Markdown.
func (c *comparison) report(rows []measured) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s. Client and server are processes of their own. Medians of %d rounds in which the contenders took turns, "+
		"%.3g GB for each throughput. Ratios are medians of the rounds' ratios. sshd's CPU includes logging in.\n\n",
		machine(), c.rounds, float64(c.bytes)/1e9)
	b.WriteString("| work | who | median | least to most | client | server | first ÷ this | its CPU, client and server |\n")
	b.WriteString("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |\n")
	for _, m := range rows {
		for i, k := range m.contenders {
			work := ""
			if i == 0 {
				work = fmt.Sprintf("%s (goal: %s)", m.name, m.goal)
			}
			fmt.Fprintf(&b, "| %s | %s | %s |\n", work, k.name, strings.Join(m.cells(i), " | "))
		}
	}
	return b.String()
}

// cells are the numbers of a contender.
func (m *measured) cells(i int) []string {
	results, metric := m.ended(i), metricOf(m.row)
	stalled := len(m.results[i]) - len(results)
	if len(results) == 0 {
		return []string{"stalled", "", "", "", "", ""}
	}
	least, most := metric.of(results[0]), metric.of(results[0])
	for _, r := range results {
		least, most = min(least, metric.of(r)), max(most, metric.of(r))
	}
	value := number(median(results, metric.of)) + " " + metric.unit
	if m.op == "many" {
		value += fmt.Sprintf(", least share %.2f", median(results, func(r *result) float64 { return r.MinShare }))
	}
	if stalled > 0 {
		value += fmt.Sprintf(", and %d stalled", stalled)
	}
	cells := []string{value, number(least) + " to " + number(most),
		m.cost(results, clientSide), m.cost(results, serverSide), "", ""}
	if i > 0 {
		cells[4] = fmt.Sprintf("%.2f", m.ratio(i, metric.of))
		cells[5] = fmt.Sprintf("%.2f, %.2f", m.ratio(i, cpuOf(clientSide)), m.ratio(i, cpuOf(serverSide)))
	}
	return cells
}

func clientSide(r *result) *side { return &r.Client }

// serverSide is empty where the server did not tell.
func serverSide(r *result) *side {
	if r.Server == nil {
		return &side{}
	}
	return r.Server
}

// cpuOf is what a side spent, made comparable where the work differs in size.
func cpuOf(of func(*result) *side) func(*result) float64 {
	return func(r *result) float64 {
		if s := of(r); r.Bytes > 0 {
			return s.CPUPerGB
		}
		return of(r).CPU
	}
}

// cost describes what a side spent or holds.
func (m *measured) cost(results []*result, of func(*result) *side) string {
	of64 := func(f func(*side) float64) float64 {
		return median(results, func(r *result) float64 { return f(of(r)) })
	}
	switch m.size {
	case byRepetitions:
		return number(of64(func(s *side) float64 { return s.CPUPerOp })) + " µs CPU"
	case byConnections:
		return fmt.Sprintf("%s KiB heap, %s KiB RSS, %.1f goroutines",
			number(of64(func(s *side) float64 { return s.Heap / 1024 })),
			number(of64(func(s *side) float64 { return s.RSS / 1024 })),
			of64(func(s *side) float64 { return s.Goroutines }))
	}
	return fmt.Sprintf("%.2f s/GB", of64(func(s *side) float64 { return s.CPUPerGB }))
}

// number prints three digits, or as many as an integer has.
func number(f float64) string {
	switch {
	case f >= 100:
		return fmt.Sprintf("%.0f", f)
	case f >= 10:
		return fmt.Sprintf("%.1f", f)
	}
	return fmt.Sprintf("%.2f", f)
}

// machine says where and with what was measured.
func machine() string {
	parts := []string{fmt.Sprintf("%d cores, %s, %s/%s", runtime.NumCPU(), runtime.Version(), runtime.GOOS, runtime.GOARCH)}
	if info, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		if _, rest, ok := strings.Cut(string(info), "model name"); ok {
			line, _, _ := strings.Cut(rest, "\n")
			parts = append(parts, strings.Trim(line, ": \t"))
		}
	}
	if build, ok := debug.ReadBuildInfo(); ok {
		for _, d := range build.Deps {
			if d.Path == "golang.org/x/crypto" {
				parts = append(parts, "x/crypto "+d.Version)
			}
		}
	}
	if version, err := exec.Command("ssh", "-V").CombinedOutput(); err == nil {
		parts = append(parts, strings.TrimSpace(string(version)))
	}
	return strings.Join(parts, "; ")
}
