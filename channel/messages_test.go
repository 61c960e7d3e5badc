package channel

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh/wire"
)

// message is one kind of message with an example and its vector. decode
// parses and encodes again.
type message struct {
	name   string
	sample []byte
	vector string
	decode func(p []byte) ([]byte, error)
	open   bool // trailing bytes belong to the message
}

func decoder[M interface{ append([]byte) []byte }](parse func([]byte) (M, error)) func([]byte) ([]byte, error) {
	return func(p []byte) ([]byte, error) {
		m, err := parse(p)
		if err != nil {
			return nil, err
		}
		return m.append(nil), nil
	}
}

var messages = []message{
	{
		"global request", globalRequest{"tcpip-forward", true, []byte{1, 2}}.append(nil),
		"\x50\x00\x00\x00\x0dtcpip-forward\x01\x01\x02", decoder(parseGlobalRequest), true,
	},
	{
		"open", channelOpen{"session", 3, 0x200000, 0x8000, []byte("x")}.append(nil),
		"\x5a\x00\x00\x00\x07session\x00\x00\x00\x03\x00\x20\x00\x00\x00\x00\x80\x00x", decoder(parseChannelOpen), true,
	},
	{
		"open confirmation", openConfirmation{3, 4, 0x200000, 0x8000, []byte("x")}.append(nil),
		"\x5b\x00\x00\x00\x03\x00\x00\x00\x04\x00\x20\x00\x00\x00\x00\x80\x00x", decoder(parseOpenConfirmation), true,
	},
	{
		"open failure", openFailure{3, ConnectFailed, "no", "en"}.append(nil),
		"\x5c\x00\x00\x00\x03\x00\x00\x00\x02\x00\x00\x00\x02no\x00\x00\x00\x02en", decoder(parseOpenFailure), false,
	},
	{
		"window adjust", windowAdjust{3, 0xfffffffe}.append(nil),
		"\x5d\x00\x00\x00\x03\xff\xff\xff\xfe", decoder(parseWindowAdjust), false,
	},
	{
		"data", channelData{3, 0, []byte("hi")}.append(nil),
		"\x5e\x00\x00\x00\x03\x00\x00\x00\x02hi", decoder(parseChannelData), false,
	},
	{
		"extended data", channelData{3, 1, []byte("hi")}.append(nil),
		"\x5f\x00\x00\x00\x03\x00\x00\x00\x01\x00\x00\x00\x02hi", decoder(parseExtendedData), false,
	},
	{
		"EOF", channelSignal{wire.MsgChannelEOF, 3}.append(nil),
		"\x60\x00\x00\x00\x03", decoder(parseChannelSignal), false,
	},
	{
		"request", channelRequest{3, "shell", true, []byte("x")}.append(nil),
		"\x62\x00\x00\x00\x03\x00\x00\x00\x05shell\x01x", decoder(parseChannelRequest), true,
	},
}

func TestMessages(t *testing.T) {
	for _, m := range messages {
		t.Run(m.name, func(t *testing.T) {
			require.Equal(t, m.vector, string(m.sample))
			again, err := m.decode(m.sample)
			require.NoError(t, err)
			require.Equal(t, m.sample, again)

			fixed := len(m.sample)
			if m.open { // what is open at its end is shorter, not truncated
				fixed -= len(m.sample) - prefixLen(t, m)
			}
			for n := range fixed {
				_, err := m.decode(m.sample[:n])
				require.ErrorIs(t, err, wire.ErrTruncated, "prefix of %d", n)
			}
			again, err = m.decode(append(m.sample[:len(m.sample):len(m.sample)], 0))
			if m.open {
				require.NoError(t, err)
				require.Len(t, again, len(m.sample)+1)
			} else {
				require.ErrorIs(t, err, wire.ErrTrailing)
			}
			if m.name != "EOF" {
				wrong := append([]byte{200}, m.sample[1:]...)
				_, err = m.decode(wrong)
				require.ErrorIs(t, err, wire.ErrInvalid)
			}
		})
	}
}

// prefixLen returns the length of the shortest prefix that decodes.
func prefixLen(t *testing.T, m message) int {
	n := len(m.sample)
	for n > 0 {
		if _, err := m.decode(m.sample[:n-1]); err != nil {
			break
		}
		n--
	}
	require.Less(t, n, len(m.sample))
	return n
}

func TestExtendedDataOfNoType(t *testing.T) {
	p := appendDataHead([]byte{}, 3, 1, 0)
	p[8] = 0
	_, err := parseExtendedData(p)
	require.ErrorIs(t, err, wire.ErrInvalid)
}

func FuzzMessages(f *testing.F) {
	for i, m := range messages {
		f.Add(i, m.sample)
	}
	f.Fuzz(func(t *testing.T, i int, p []byte) {
		m := messages[uint(i)%uint(len(messages))]
		again, err := m.decode(p)
		if err != nil {
			return
		}
		// A boolean is the one field with more than one encoding.
		if m.name == "request" || m.name == "global request" {
			once, err := m.decode(again)
			require.NoError(t, err)
			require.Equal(t, again, once)
			require.Len(t, again, len(p))
			return
		}
		require.Equal(t, p, again)
	})
}
