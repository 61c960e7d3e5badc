package kex

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"math/big"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh/wire"
)

func gexRequest(low, n, high uint32) []byte {
	return wire.AppendUint32(wire.AppendUint32(wire.AppendUint32([]byte{34}, low), n), high)
}

func gexGroup(p, g *big.Int) []byte {
	return wire.AppendBigInt(wire.AppendBigInt([]byte{31}, p), g)
}

// gexClient returns a client of group exchange that has sent its request.
func gexClient(t testing.TB) Exchange {
	client, request := begin(t, gex)
	require.Equal(t, gexRequest(2048, 3072, 8192), request)
	return client
}

// gexClientInit returns a client that has taken the smallest group and sent its value.
func gexClientInit(t testing.TB) (client Exchange, init []byte) {
	client = gexClient(t)
	out, done, err := client.Step(gexGroup(group14().p, group14().g))
	require.NoError(t, err)
	require.False(t, done)
	require.Len(t, out, 1)
	require.Equal(t, byte(32), out[0][0])
	return client, out[0]
}

// gexServerGroup returns a server that has sent the smallest group.
func gexServerGroup(t testing.TB) Exchange {
	server := newServer(t, gex)
	out, done, err := server.Step(gexRequest(2048, 2048, 2048))
	require.NoError(t, err)
	require.False(t, done)
	require.Equal(t, [][]byte{gexGroup(group14().p, group14().g)}, out)
	return server
}

// gexMessages are the four messages of one exchange, with what both sides got.
func gexMessages(t testing.TB, client, server Exchange) (messages [4][]byte) {
	from, to := client, server
	var in []byte
	for i := range messages {
		out, done, err := from.Step(in)
		require.NoError(t, err)
		require.Equal(t, i == 3, done)
		require.Len(t, out, 1)
		messages[i] = out[0]
		in = out[0]
		from, to = to, from
	}
	sent := bytes.Clone(in)
	out, done, err := from.Step(in)
	require.NoError(t, err)
	require.True(t, done)
	require.Empty(t, out)
	require.Equal(t, sent, in)
	require.Equal(t, server.Result(), client.Result())
	return messages
}

func TestGroupExchangeBothRolesAgree(t *testing.T) {
	for _, tc := range []struct {
		method     string
		asked, got int
	}{
		{gex, 0, 3072}, {gex, 2048, 2048}, {gex, 2049, 3072}, {gex, 3072, 3072}, {gex, 4096, 4096}, {gex, 7680, 8192}, {gex, 8192, 8192},
		{"diffie-hellman-group-exchange-sha1", 2048, 2048},
	} {
		client, err := New(tc.method, Config{Role: Client, Transcript: testTranscript, GroupBits: tc.asked})
		require.NoError(t, err)
		server := newServer(t, tc.method)
		messages := gexMessages(t, client, server)
		for i, number := range []byte{34, 31, 32, 33} {
			require.Equal(t, number, messages[i][0])
		}
		r := message(messages[1], 31)
		require.Equal(t, tc.got, r.BigInt().BitLen())
		require.Equal(t, tc.got, client.Result().GroupBits)
		require.Equal(t, cmp.Or(tc.asked, defaultGroupBits), client.Result().GroupAsked)
		for _, x := range []Exchange{client, server} {
			for _, m := range messages {
				_, _, err := x.Step(m)
				require.ErrorIs(t, err, ErrFinished)
			}
		}
	}
	for _, bits := range []int{-1, 1, 2047, 8193, 1 << 32} {
		_, err := New(gex, Config{Role: Client, Transcript: testTranscript, GroupBits: bits})
		require.Error(t, err, bits)
	}
}

// TestGroupExchangeAgainstHand plays each side by hand, with another prime and
// generator than the built-in ones: those of group 15, and 4.
func TestGroupExchangeAgainstHand(t *testing.T) {
	p, g := handPrime(3072, 1690314), big.NewInt(4)
	x, err := rand.Int(rand.Reader, p)
	require.NoError(t, err)
	ours := handMpint(new(big.Int).Exp(g, x, p).Bytes())
	k := func(theirs []byte) []byte {
		v := new(big.Int).SetBytes(theirs[4:])
		return handMpint(v.Exp(v, x, p).Bytes())
	}

	client := gexClient(t)
	parameters := slices.Concat(handMpint(p.Bytes()), handMpint(g.Bytes()))
	out, _, err := client.Step(append([]byte{31}, parameters...))
	require.NoError(t, err)
	theirs := out[0][1:]
	_, done, err := client.Step(slices.Concat([]byte{33}, handString([]byte("host key")), ours, handString([]byte("signature"))))
	require.NoError(t, err)
	require.True(t, done)
	require.Equal(t, k(theirs), client.Result().K)
	asked := []byte{0, 0, 8, 0, 0, 0, 12, 0, 0, 0, 32, 0}
	require.Equal(t, handHash(t, gex, handString([]byte("host key")), asked, parameters, theirs, ours, k(theirs)), client.Result().H)

	server, err := New(gex, Config{Role: Server, Transcript: testTranscript, HostKey: testHostKey(),
		Moduli: &Moduli{groups: []*group{{p, g}}}})
	require.NoError(t, err)
	asked = []byte{0, 0, 4, 0, 0, 0, 12, 0, 0xff, 0xff, 0xff, 0xff} // hashed as they were sent
	out, _, err = server.Step(append([]byte{34}, asked...))
	require.NoError(t, err)
	require.Equal(t, append([]byte{31}, parameters...), out[0])
	out, done, err = server.Step(append([]byte{32}, ours...))
	require.NoError(t, err)
	require.True(t, done)
	hostKey, value, _ := splitGexReply(t, out[0])
	theirs = handString(value)
	require.Equal(t, testPublic, hostKey)
	require.Equal(t, k(theirs), server.Result().K)
	require.Equal(t, handHash(t, gex, handString(testPublic), asked, parameters, ours, theirs, k(theirs)), server.Result().H)
}

func splitGexReply(t testing.TB, b []byte) (hostKey, value, signature []byte) {
	r := message(b, 33)
	hostKey, value, signature = r.Bytes(), r.Bytes(), r.Bytes()
	require.NoError(t, r.End())
	return hostKey, value, signature
}

func TestGroupExchangePrefixesAndTrailing(t *testing.T) {
	client, err := New(gex, Config{Role: Client, Transcript: testTranscript, GroupBits: 2048})
	require.NoError(t, err)
	messages := gexMessages(t, client, newServer(t, gex))
	for i, state := range []func() Exchange{
		func() Exchange { return newServer(t, gex) },
		func() Exchange { return gexClient(t) },
		func() Exchange { return gexServerGroup(t) },
		func() Exchange { c, _ := gexClientInit(t); return c },
	} {
		m := messages[i]
		for n := range len(m) {
			requireFailed(t, state(), m[:n:n], wire.ErrTruncated, "message %d, %d bytes", i, n)
		}
		requireFailed(t, state(), append(bytes.Clone(m), 0), wire.ErrTrailing, i)
	}
}

// TestDefect_GroupExchangeMessageInWrongState gives every message number, with
// the body of every message, to every state of both roles.
func TestDefect_GroupExchangeMessageInWrongState(t *testing.T) {
	client, err := New(gex, Config{Role: Client, Transcript: testTranscript, GroupBits: 2048})
	require.NoError(t, err)
	messages := gexMessages(t, client, newServer(t, gex))
	for name, state := range map[string]struct {
		next byte // 0: none
		make func() Exchange
	}{
		"client, nothing sent":   {0, func() Exchange { return newClient(t, gex) }},
		"client, request sent":   {31, func() Exchange { return gexClient(t) }},
		"client, value sent":     {33, func() Exchange { c, _ := gexClientInit(t); return c }},
		"server, nothing taken":  {34, func() Exchange { return newServer(t, gex) }},
		"server, group was sent": {32, func() Exchange { return gexServerGroup(t) }},
	} {
		for number := range 256 {
			if byte(number) == state.next && state.next != 0 {
				continue
			}
			body := bytes.Clone(messages[number%4])
			body[0] = byte(number)
			requireFailed(t, state.make(), body, ErrUnexpectedMessage, "%s: %d", name, number)
		}
		if state.next != 0 {
			requireFailed(t, state.make(), nil, wire.ErrTruncated, name)
		}
	}
}

// TestDefect_GroupExchangeSizeCap: the group that a server sends is judged by
// its size before anything is computed, and then for what it is.
func TestDefect_GroupExchangeSizeCap(t *testing.T) {
	one, two := big.NewInt(1), big.NewInt(2)
	p := group14().p
	power := func(n uint) *big.Int { return new(big.Int).Lsh(one, n) }
	odd := func(n uint) *big.Int { return new(big.Int).Sub(power(n), one) }
	minus := func(n int64) *big.Int { return new(big.Int).Sub(p, big.NewInt(n)) }
	for name, group := range map[string]struct{ p, g *big.Int }{
		"p is 0":            {new(big.Int), two},
		"p is 1":            {one, two},
		"p is 3":            {big.NewInt(3), two},
		"p of 1024 bits":    {odd(1024), two},
		"p of 2047 bits":    {odd(2047), two},
		"p of 8193 bits":    {odd(8193), two},
		"p of 16384 bits":   {odd(16384), two},
		"p of a megabit":    {odd(1 << 20), two},
		"p is even":         {new(big.Int).Add(p, one), two},
		"p is 2^4095":       {power(4095), two},
		"p is a square":     {new(big.Int).Mul(odd(1100), odd(1100)), two},
		"p is composite":    {new(big.Int).Add(p, two), two},
		"p times p":         {new(big.Int).Mul(p, p), two},
		"g is 0":            {p, new(big.Int)},
		"g is 1":            {p, one},
		"g is p-1":          {p, minus(1)},
		"g is p":            {p, p},
		"g is p+1":          {p, minus(-1)},
		"g is p+2":          {p, minus(-2)},
		"g of a megabit":    {p, odd(1 << 20)},
		"p and g the other": {two, p},
	} {
		requireFailed(t, gexClient(t), gexGroup(group.p, group.g), ErrGroup, name)
	}
	for name, m := range map[string][]byte{
		"negative p":    append([]byte{31, 0, 0, 1, 0}, append(bytes.Repeat([]byte{0xff}, 256), 0, 0, 0, 1, 2)...),
		"negative g":    append(wire.AppendBigInt([]byte{31}, p), 0, 0, 0, 1, 0xfe),
		"g not minimal": append(wire.AppendBigInt([]byte{31}, p), 0, 0, 0, 2, 0, 2),
	} {
		requireFailed(t, gexClient(t), m, wire.ErrInvalid, name)
	}
}

func TestGroupExchangePublicValues(t *testing.T) {
	for name, value := range badPublic(group14().p) {
		requireFailed(t, gexServerGroup(t), wire.AppendString([]byte{32}, value), ErrPublicValue, name)
		client, _ := gexClientInit(t)
		m := wire.AppendString(wire.AppendString([]byte{33}, "key"), value)
		requireFailed(t, client, wire.AppendString(m, "signature"), ErrPublicValue, name)
	}
	for _, m := range [][]byte{
		wire.AppendString(wire.AppendString(wire.AppendString([]byte{33}, ""), "value"), "signature"),
		wire.AppendString(wire.AppendString(wire.AppendString([]byte{33}, "key"), "value"), ""),
	} {
		client, _ := gexClientInit(t)
		requireFailed(t, client, m, ErrHostKey)
	}
}

// A generator whose powers are few leads to a value of our own that is refused.
func TestGroupExchangeSmallSubgroup(t *testing.T) {
	d := &group{p: group14().p, g: new(big.Int).Sub(group14().p, big.NewInt(1))}
	_, _, err := d.offer()
	require.ErrorIs(t, err, ErrGroup)
}

// TestDefect_GroupExchangeRequests: what a client asks for bounds what a server
// computes.
func TestDefect_GroupExchangeRequests(t *testing.T) {
	for _, tc := range []struct {
		low, n, high uint32
		bits         int // 0: refused
	}{
		{2048, 2048, 8192, 2048},
		{1024, 1024, 8192, 2048},
		{1024, 4096, 8192, 4096},
		{0, 0, 1<<32 - 1, 2048},
		{0, 1<<32 - 1, 1<<32 - 1, 8192},
		{2048, 5000, 8192, 6144},
		{2048, 5000, 6000, 4096}, // none that is larger: the largest
		{2048, 8192, 8192, 8192},
		{8192, 8192, 8192, 8192},
		{2048, 16384, 16384, 8192},
		{8193, 8193, 16384, 0},
		{16384, 16384, 16384, 0},
		{5000, 5000, 5000, 0},
		{1024, 1024, 1024, 0}, // RFC 8270
		{1024, 1024, 2047, 0},
		{4096, 2048, 8192, 0},
		{2048, 8192, 4096, 0},
		{8192, 4096, 2048, 0},
	} {
		server := newServer(t, gex)
		request := gexRequest(tc.low, tc.n, tc.high)
		if tc.bits == 0 {
			requireFailed(t, server, request, ErrGroup, tc)
			continue
		}
		out, _, err := server.Step(request)
		require.NoError(t, err, tc)
		r := message(out[0], 31)
		require.Equal(t, tc.bits, r.BigInt().BitLen(), tc)
	}
}

// Every byte of the negotiation and of the group is in the exchange hash.
func TestGroupExchangeParametersAreBound(t *testing.T) {
	client, init := gexClientInit(t) // asked for 2048, 3072, 8192
	server := gexServerGroup(t)      // was asked for 2048, 2048, 2048
	out, _, err := server.Step(init)
	require.NoError(t, err)
	_, done, err := client.Step(out[0])
	require.NoError(t, err)
	require.True(t, done)
	require.Equal(t, server.Result().K, client.Result().K)
	require.NotEqual(t, server.Result().H, client.Result().H)
}

func FuzzGroupExchange(f *testing.F) {
	client, err := New(gex, Config{Role: Client, Transcript: testTranscript, GroupBits: 2048})
	require.NoError(f, err)
	m := gexMessages(f, client, newServer(f, gex))
	for _, isServer := range []bool{true, false} {
		f.Add(isServer, m[0], m[2])
		f.Add(isServer, m[1], m[3])
	}
	f.Add(false, gexGroup(big.NewInt(15), big.NewInt(2)), []byte{})
	f.Fuzz(func(t *testing.T, isServer bool, first, second []byte) {
		if isServer {
			fuzzSteps(t, newServer(t, gex), first, second)
		} else {
			fuzzSteps(t, gexClient(t), first, second)
		}
	})
}
