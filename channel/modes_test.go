package channel

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh/wire"
)

func TestTerminalModes(t *testing.T) {
	tests := []struct {
		name    string
		encoded string
		want    TerminalModes
		err     error
	}{
		{"empty", "", nil, nil},
		{"end only", "\x00", nil, nil},
		{"speed and echo", "\x80\x00\x00\x96\x00\x35\x00\x00\x00\x01\x00",
			TerminalModes{{TTY_OP_ISPEED, 38400}, {ECHO, 1}}, nil},
		{"without an end", "\x35\x00\x00\x00\x00", TerminalModes{{ECHO, 0}}, nil},
		{"unnamed opcode", "\x9f\x00\x00\x00\x07\x00", TerminalModes{{159, 7}}, nil},
		{"opcode 160 ends it", "\x01\x00\x00\x00\x03\xa0\x01\x02", TerminalModes{{VINTR, 3}}, nil},
		{"opcode 255 ends it", "\xff", nil, nil},
		{"opcode without a value", "\x01", nil, wire.ErrTruncated},
		{"value cut short", "\x01\x00\x00\x00", nil, wire.ErrTruncated},
		{"bytes after the end", "\x00\x00", nil, wire.ErrTrailing},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := ParseTerminalModes([]byte(test.encoded))
			require.ErrorIs(t, err, test.err)
			require.Equal(t, test.want, got)
			if err == nil {
				again, err := ParseTerminalModes(got.Append(nil))
				require.NoError(t, err)
				require.Equal(t, got, again)
			}
		})
	}
}

func TestTerminalModesAreBounded(t *testing.T) {
	var encoded []byte
	for range MaxTerminalModes {
		encoded = append(encoded, byte(ECHO), 0, 0, 0, 1)
	}
	modes, err := ParseTerminalModes(encoded)
	require.NoError(t, err)
	require.Len(t, modes, MaxTerminalModes)
	_, err = ParseTerminalModes(append(encoded, byte(ECHO), 0, 0, 0, 1))
	require.ErrorIs(t, err, wire.ErrInvalid)
}

func TestTerminalModesGetAndAppend(t *testing.T) {
	modes := TerminalModes{{VINTR, 3}, {ECHO, 1}, {ECHO, 0}, {TTY_OP_END, 9}, {200, 9}}
	v, ok := modes.Get(VINTR)
	require.True(t, ok)
	require.EqualValues(t, 3, v)
	v, ok = modes.Get(ECHO)
	require.True(t, ok)
	require.EqualValues(t, 0, v, "the later one counts")
	_, ok = modes.Get(ICANON)
	require.False(t, ok)
	require.Equal(t, "\x01\x00\x00\x00\x03\x35\x00\x00\x00\x01\x35\x00\x00\x00\x00\x00", string(modes.Append(nil)),
		"what would end the modes early is left out")
}

// The numbers of RFC 4254 section 8 and RFC 8160.
func TestTerminalOpcodeNames(t *testing.T) {
	want := map[TerminalOpcode]string{
		1: "VINTR", 18: "VDISCARD", 30: "IGNPAR", 42: "IUTF8", 50: "ISIG", 53: "ECHO", 62: "PENDIN",
		70: "OPOST", 75: "ONLRET", 90: "CS7", 93: "PARODD", 128: "TTY_OP_ISPEED", 129: "TTY_OP_OSPEED",
		19: "terminal opcode 19", 160: "terminal opcode 160", 255: "terminal opcode 255",
	}
	for op, name := range want {
		require.Equal(t, name, op.String())
	}
	named := 0
	for op := range 256 {
		if s := TerminalOpcode(op).String(); s[0] != 't' {
			named++
		}
	}
	require.Equal(t, 57, named, "55 modes, IUTF8 and TTY_OP_END")
}

func FuzzTerminalModes(f *testing.F) {
	f.Add([]byte(""))
	f.Add([]byte("\x80\x00\x00\x96\x00\x35\x00\x00\x00\x01\x00"))
	f.Add([]byte("\x01\x00\x00\x00\x03\xa0\x01\x02"))
	f.Fuzz(func(t *testing.T, encoded []byte) {
		modes, err := ParseTerminalModes(encoded)
		if err != nil {
			return
		}
		require.LessOrEqual(t, len(modes), MaxTerminalModes)
		again, err := ParseTerminalModes(modes.Append(nil))
		require.NoError(t, err)
		require.Equal(t, modes, again)
	})
}
