package main

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// childVariable, when set, makes the test binary the program itself, which
// compare starts for each client and server.
const childVariable = "SSHBENCH_TEST_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(childVariable) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// startServer runs a server in this process until the test ends.
func startServer(t *testing.T, impl string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	out, in := io.Pipe()
	served := make(chan error, 1)
	go func() {
		served <- run(ctx, append([]string{"serve", "-addr", "127.0.0.1:0", "-impl", impl}, args...), in, io.Discard)
		in.CloseWithError(errors.New("serve has ended"))
	}()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-served)
	})
	var addr string
	_, err := fmt.Fscanln(out, &addr)
	require.NoError(t, err)
	return addr
}

func measure(t *testing.T, args ...string) result {
	t.Helper()
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), append([]string{"run"}, args...), &out, io.Discard))
	require.Equal(t, 1, strings.Count(out.String(), "\n"), "one line")
	var r result
	require.NoError(t, json.Unmarshal(out.Bytes(), &r))
	return r
}

func TestOperations(t *testing.T) {
	for _, impl := range implementations {
		if impl.serve == nil {
			continue
		}
		t.Run(impl.name, func(t *testing.T) {
			addr := startServer(t, impl.name)
			for _, op := range ops {
				t.Run(op.name, func(t *testing.T) {
					r := measure(t, "-addr", addr, "-impl", impl.name, "-op", op.name, "-bytes", "300000", "-n", "3")
					require.Equal(t, impl.name, r.Impl)
					require.Equal(t, op.name, r.Op)
					require.Equal(t, 3, r.N)
					require.Positive(t, r.Seconds)
					require.NotNil(t, r.Server)
					switch op.name {
					case "down", "up", "duplex", "many":
						require.EqualValues(t, 300000, r.Bytes)
						require.Positive(t, r.MBps)
					case "rtt", "handshake", "chan":
						require.Positive(t, r.P50)
						require.LessOrEqual(t, r.P50, r.P99)
					case "idle":
						// Of so few, what they hold is less than what else comes and goes.
						require.Positive(t, r.Server.Goroutines)
						require.NotZero(t, r.Server.Heap)
					}
				})
			}
		})
	}
}

func TestAlgorithmsAreThoseAskedFor(t *testing.T) {
	addr := startServer(t, "fairlead", "-rekey", "65536")
	for _, client := range []string{"fairlead", "xcrypto"} {
		r := measure(t, "-addr", addr, "-impl", client, "-bytes", "1000000", "-cipher", "aes128-ctr", "-mac", etm,
			"-kex", "curve25519-sha256", "-rekey", "100000")
		require.Equal(t, [3]string{"aes128-ctr", etm, "curve25519-sha256"}, [3]string{r.Cipher, r.MAC, r.Kex})
		var out bytes.Buffer
		require.Error(t, run(t.Context(), []string{"run", "-addr", addr, "-impl", client, "-cipher", "none"}, &out, io.Discard))
		require.Empty(t, out.String())
	}
}

// Numbers would mean nothing if less had been transferred than was asked for.
func TestShortTransfersFail(t *testing.T) {
	addr := startServer(t, "fairlead")
	for _, args := range [][]string{
		{"-op", "down", "-downcmd", "source 10 "},
		{"-op", "down", "-downcmd", "missing %d"},
		{"-op", "up", "-upcmd", "missing"},
		{"-op", "duplex", "-echocmd", "true"},
		{"-op", "many", "-n", "2", "-downcmd", "true %d"},
		{"-op", "rtt", "-echocmd", "true"},
		{"-op", "rtt", "-usagecmd", "true"},
		{"-op", "down", "-n", "-1"},
		{"-op", "none"},
		{"-impl", "none"},
		{"-impl", "xcrypto", "-guess"},
		{"-impl", "openssh"}, // without a key
	} {
		var out bytes.Buffer
		args = append([]string{"run", "-addr", addr, "-bytes", "500000"}, args...)
		require.Error(t, run(t.Context(), args, &out, io.Discard), "%q", args)
		require.Empty(t, out.String())
	}
}

func TestServeListensOnLoopbackAlone(t *testing.T) {
	for _, addr := range []string{":0", "0.0.0.0:0", "[::]:0"} {
		err := run(t.Context(), []string{"serve", "-addr", addr}, io.Discard, io.Discard)
		require.ErrorIs(t, err, errNotLoopback, addr)
	}
}

func TestCommandLines(t *testing.T) {
	for _, args := range [][]string{nil, {"measure"}, {"run", "file"}, {"serve", "-impl", "openssh"},
		{"compare", "-only", "no such row"}, {"compare", "-only", "("}, {"compare", "-rounds", "0"}} {
		require.Error(t, run(t.Context(), args, io.Discard, io.Discard), "%q", args)
	}
}

// The rows together have every implementation and operation in them, and OpenSSH
// where it is installed.
func TestCompare(t *testing.T) {
	t.Setenv(childVariable, "1")
	dir := t.TempDir()
	var out, progress bytes.Buffer
	require.NoError(t, run(t.Context(), []string{"compare", "-bytes", "400000", "-n", "2", "-idle", "3", "-rounds", "1",
		"-only", "^(down|up) (aes128-gcm|chacha20-poly1305)$|^down aes256-gcm, |^(round|hand|sess|idle|100|10 )", "-svg", dir + "/plot.svg"}, &out, &progress))

	for _, who := range []string{"fairlead", "x/crypto/ssh", "crypto/tls 1.3", "TCP", "100 busy channels"} {
		require.Contains(t, out.String(), who)
	}
	for line := range strings.Lines(out.String()) {
		if strings.HasPrefix(line, "|") {
			require.Equal(t, 9, strings.Count(line, "|"), line)
			require.NotContains(t, line, "NaN")
		}
	}
	require.Contains(t, progress.String(), "[1/")

	svg, err := os.ReadFile(dir + "/plot.svg")
	require.NoError(t, err)
	for d := xml.NewDecoder(bytes.NewReader(svg)); ; {
		_, err := d.Token()
		if err == io.EOF {
			break
		}
		require.NoError(t, err)
	}
}

// A measurement that does not end leaves the others alone.
func TestStall(t *testing.T) {
	t.Setenv(childVariable, "1")
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), []string{"compare", "-bytes", "1000000000000", "-rounds", "1", "-stall", "300ms",
		"-only", "^down aes128-gcm$"}, &out, io.Discard))
	require.Contains(t, out.String(), "| stalled |")
	require.NotContains(t, out.String(), "MB/s")
}

func TestLink(t *testing.T) {
	k := link{bytesPerSecond: 10e6, delay: 20 * time.Millisecond}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	go acceptEach(l, func(c net.Conn) { echo(c) })
	relay, err := k.to(l.Addr().String())
	require.NoError(t, err)
	defer relay.Close()

	c, err := net.Dial("tcp", relay.Addr().String())
	require.NoError(t, err)
	defer c.Close()
	// Less time than the line takes would mean that it is none.
	start := time.Now()
	const size = 1 << 20
	go func() {
		writeZeros(c, size)
		c.(*net.TCPConn).CloseWrite()
	}()
	n, err := discard(c, -1)
	require.NoError(t, err)
	require.EqualValues(t, size, n)
	require.Greater(t, time.Since(start), 2*k.delay+time.Duration(size/k.bytesPerSecond*float64(time.Second)))
}

func TestMedianAndRatio(t *testing.T) {
	id := func(f float64) float64 { return f }
	require.Zero(t, median(nil, id))
	require.Equal(t, 2.0, median([]float64{9, 1, 2}, id))
	require.Equal(t, 1.5, median([]float64{9, 1, 2, 0}, id))

	at := func(v ...float64) []*result {
		var all []*result
		for _, f := range v {
			all = append(all, &result{MBps: f})
		}
		return all
	}
	m := measured{results: [][]*result{at(10, 40, 90), at(5, 10, 10), at(0, 0, 0)}}
	require.Equal(t, 4.0, m.ratio(1, throughput.of))
	require.Zero(t, m.ratio(2, throughput.of))

	m = measured{results: [][]*result{append(at(10, 40), nil), append([]*result{nil}, at(10, 10)...)}}
	require.Equal(t, 4.0, m.ratio(1, throughput.of))
	require.Contains(t, m.cells(0)[0], "1 stalled")
	m = measured{results: [][]*result{{nil}, at(10)}}
	require.Equal(t, "stalled", m.cells(0)[0])
	require.Zero(t, m.ratio(1, throughput.of))
}
