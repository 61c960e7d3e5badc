package kex

import (
	"bytes"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh/wire"
)

func reply(hostKey, value, signature []byte) []byte {
	b := wire.AppendString([]byte{msgECDHReply}, hostKey)
	b = wire.AppendString(b, value)
	return wire.AppendString(b, signature)
}

// splitReply returns the fields of a reply, as aliases.
func splitReply(t testing.TB, b []byte) (hostKey, value, signature []byte) {
	r := message(b, msgECDHReply)
	hostKey, value, signature = r.Bytes(), r.Bytes(), r.Bytes()
	require.NoError(t, r.End())
	return hostKey, value, signature
}

func TestEveryPrefixIsRefused(t *testing.T) {
	forEachMethod(t, func(t *testing.T, method string) {
		_, init := begin(t, method)
		for n := range len(init) {
			requireFailed(t, newServer(t, method), init[:n:n], wire.ErrTruncated, n)
		}
		_, rep := answer(t, method, init)
		fixed := fixOffer(t, method)
		for n := range len(rep) {
			requireFailed(t, fixed.begin(t, method), rep[:n:n], wire.ErrTruncated, n)
		}
	})
}

func TestTrailingBytesAreRefused(t *testing.T) {
	forEachMethod(t, func(t *testing.T, method string) {
		client, init := begin(t, method)
		requireFailed(t, newServer(t, method), append(bytes.Clone(init), 0), wire.ErrTrailing)
		_, rep := answer(t, method, init)
		requireFailed(t, client, append(rep, 0), wire.ErrTrailing)
	})
}

func TestReplyRemarshals(t *testing.T) {
	forEachMethod(t, func(t *testing.T, method string) {
		_, init := begin(t, method)
		_, rep := answer(t, method, init)
		require.Equal(t, rep, reply(splitReply(t, rep)))
	})
}

// TestDefect_MessageInWrongState gives every message number to every state of
// both roles: one is taken in each.
func TestDefect_MessageInWrongState(t *testing.T) {
	forEachMethod(t, func(t *testing.T, method string) {
		_, init := begin(t, method)
		_, rep := answer(t, method, init)
		fixed := fixOffer(t, method)
		for number := range 256 {
			for _, body := range [][]byte{init, rep} {
				in := bytes.Clone(body)
				in[0] = byte(number)
				if number != msgECDHInit {
					requireFailed(t, newServer(t, method), in, ErrUnexpectedMessage, number)
				}
				if number != msgECDHReply {
					requireFailed(t, fixed.begin(t, method), in, ErrUnexpectedMessage, number)
				}
				requireFailed(t, newClient(t, method), in, ErrUnexpectedMessage, number)
			}
		}
		// What was sent comes back, and what would be taken by the other role.
		requireFailed(t, fixed.begin(t, method), init, ErrUnexpectedMessage)
		requireFailed(t, newServer(t, method), rep, ErrUnexpectedMessage)
		requireFailed(t, fixed.begin(t, method), nil, wire.ErrTruncated)
		requireFailed(t, newServer(t, method), nil, wire.ErrTruncated)
		requireFailed(t, newClient(t, method), []byte{}, ErrUnexpectedMessage)
	})
}

func TestTamperedReply(t *testing.T) {
	forEachMethod(t, func(t *testing.T, method string) {
		size := len(mustValue(t, method))
		for _, tc := range []struct {
			name   string
			change func(hostKey, value, signature []byte) []byte
			want   error
		}{
			{"no host key", func(_, v, s []byte) []byte { return reply(nil, v, s) }, ErrHostKey},
			{"no signature", func(k, v, _ []byte) []byte { return reply(k, v, nil) }, ErrHostKey},
			{"no value", func(k, _, s []byte) []byte { return reply(k, nil, s) }, ErrPublicValue},
			{"value one short", func(k, v, s []byte) []byte { return reply(k, v[1:], s) }, ErrPublicValue},
			{"value one long", func(k, v, s []byte) []byte { return reply(k, append([]byte{0}, v...), s) }, ErrPublicValue},
			{"value twice", func(k, v, s []byte) []byte { return reply(k, slices.Concat(v, v), s) }, ErrPublicValue},
			{"value of zeros", func(k, v, s []byte) []byte { return reply(k, make([]byte, len(v)), s) }, ErrPublicValue},
			{"length of all bits", func(k, v, s []byte) []byte {
				b := reply(k, v, s)
				copy(b[1:], "\xff\xff\xff\xff")
				return b
			}, wire.ErrTruncated},
			{"length beyond a signed int", func(k, v, s []byte) []byte {
				b := reply(k, v, s)
				copy(b[1:], "\x80\x00\x00\x00")
				return b
			}, wire.ErrTruncated},
			{"two fields", func(k, v, _ []byte) []byte { return wire.AppendString(wire.AppendString([]byte{31}, k), v) }, wire.ErrTruncated},
			{"four fields", func(k, v, s []byte) []byte { return wire.AppendString(reply(k, v, s), s) }, wire.ErrTrailing},
		} {
			client, init := begin(t, method)
			_, rep := answer(t, method, init)
			hostKey, value, signature := splitReply(t, rep)
			if !finiteField(method) {
				require.Len(t, value, size)
			} else if tc.name == "value one short" {
				continue // a number like any other
			}
			requireFailed(t, client, tc.change(hostKey, value, signature), tc.want, tc.name)
		}
	})
}

// mustValue returns a server's public value.
func mustValue(t testing.TB, method string) []byte {
	_, init := begin(t, method)
	_, rep := answer(t, method, init)
	_, value, _ := splitReply(t, rep)
	return value
}

// A reply whose bytes were changed either fails, or gives another H than the
// server signed, save for the signature, which is not part of H.
func TestEveryByteOfTheReplyCounts(t *testing.T) {
	for _, method := range []string{"mlkem768x25519-sha256", "sntrup761x25519-sha512", "curve25519-sha256", "ecdh-sha2-nistp256", "diffie-hellman-group14-sha256"} {
		fixed := fixOffer(t, method)
		server, rep := answer(t, method, wire.AppendString([]byte{msgECDHInit}, fixed.value))
		_, _, signature := splitReply(t, rep)
		changed := 0
		for i := range len(rep) - 4 - len(signature) {
			tampered := bytes.Clone(rep)
			tampered[i] ^= 1 << (i % 8)
			client := fixed.begin(t, method)
			if _, done, err := client.Step(tampered); err == nil {
				require.True(t, done)
				require.NotEqual(t, server.Result().H, client.Result().H, i)
				changed++
			}
		}
		require.NotZero(t, changed, "the host key is the caller's to parse")
	}
}
