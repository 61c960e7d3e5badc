package channel

import (
	"bytes"
	"math"
	"net"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh/wire"
)

func recodeTCPIPChannel(b []byte) ([]byte, error) {
	m, err := ParseTCPIPChannel(b)
	return m.Append(nil), err
}

func recodeTCPIPForward(b []byte) ([]byte, error) {
	m, err := parseTCPIPForward(b)
	return m.append(nil), err
}

var (
	tcpipChannelSeed = []byte("\x00\x00\x00\x0bdb.internal\x00\x00\x15\x38\x00\x00\x00\x09127.0.0.1\x00\x00\xc3\x50")
	tcpipForwardSeed = []byte("\x00\x00\x00\x09localhost\x00\x00\x1f\x90")
)

func TestForwardMessages(t *testing.T) {
	checkCodec(t, tcpipChannelSeed, recodeTCPIPChannel)
	m, err := ParseTCPIPChannel(tcpipChannelSeed)
	require.NoError(t, err)
	require.Equal(t, TCPIPChannel{"db.internal", 5432, "127.0.0.1", 50000}, m)

	checkCodec(t, tcpipForwardSeed, recodeTCPIPForward)
	fw, err := parseTCPIPForward(tcpipForwardSeed)
	require.NoError(t, err)
	require.Equal(t, tcpipForward{"localhost", 8080}, fw)
}

func TestForwardMessagesRefused(t *testing.T) {
	for _, host := range []string{"a b", "a\x00", "\x1b[2J", "a\n", strings.Repeat("a", maxHost+1)} {
		_, err := ParseTCPIPChannel(TCPIPChannel{Host: host, Port: 1}.Append(nil))
		require.ErrorIs(t, err, wire.ErrInvalid, "%q", host)
		_, err = ParseTCPIPChannel(TCPIPChannel{Host: "a", Port: 1, Originator: host}.Append(nil))
		require.ErrorIs(t, err, wire.ErrInvalid, "%q", host)
		_, err = parseTCPIPForward(tcpipForward{host, 1}.append(nil))
		require.ErrorIs(t, err, wire.ErrInvalid, "%q", host)
	}
	for _, port := range []uint32{65536, math.MaxUint32} {
		_, err := ParseTCPIPChannel(TCPIPChannel{Host: "a", Port: port}.Append(nil))
		require.ErrorIs(t, err, wire.ErrInvalid)
		_, err = parseTCPIPForward(tcpipForward{"a", port}.append(nil))
		require.ErrorIs(t, err, wire.ErrInvalid)
	}
}

func TestForwardAddresses(t *testing.T) {
	require.Equal(t, "127.0.0.1:80", tcpAddr("127.0.0.1", 80).String())
	require.IsType(t, (*net.TCPAddr)(nil), tcpAddr("::1", 80))
	require.Equal(t, "[::1]:80", tcpAddr("::1", 80).String())
	require.Equal(t, Addr{"tcp", "db:80"}, tcpAddr("db", 80))
	require.Equal(t, Addr{"tcp", "127.0.0.1:70000"}, tcpAddr("127.0.0.1", 70000), "an originator's port is not checked")

	host, port := originator(&net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 7})
	require.Equal(t, "192.0.2.1", host)
	require.EqualValues(t, 7, port)
	for _, a := range []net.Addr{nil, (*net.TCPAddr)(nil), &net.TCPAddr{Port: 1}, Addr{"ssh", "x"}} {
		host, port = originator(a)
		require.Equal(t, "0.0.0.0", host)
		require.Zero(t, port)
	}
}

func FuzzTCPIPChannel(f *testing.F) {
	f.Add(tcpipChannelSeed)
	f.Fuzz(func(t *testing.T, b []byte) {
		if again, err := recodeTCPIPChannel(b); err == nil && !bytes.Equal(b, again) {
			t.Fatalf("%x became %x", b, again)
		}
		if m, err := ParseTCPIPChannel(b); err == nil {
			_ = tcpAddr(m.Originator, m.OriginatorPort).String()
		}
	})
}

func FuzzTCPIPForward(f *testing.F) {
	f.Add(tcpipForwardSeed)
	f.Fuzz(func(t *testing.T, b []byte) {
		if again, err := recodeTCPIPForward(b); err == nil && !bytes.Equal(b, again) {
			t.Fatalf("%x became %x", b, again)
		}
	})
}
