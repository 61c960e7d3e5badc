package wire

import (
	"bytes"
	"math/big"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAppendMpintDropsLeadingZeros(t *testing.T) {
	for _, tc := range []struct{ magnitude, want []byte }{
		{nil, []byte{0, 0, 0, 0}},
		{[]byte{0}, []byte{0, 0, 0, 0}},
		{[]byte{0, 0, 0}, []byte{0, 0, 0, 0}},
		{[]byte{0, 1}, []byte{0, 0, 0, 1, 1}},
		{[]byte{0, 0x80}, []byte{0, 0, 0, 2, 0, 0x80}},
		{[]byte{0, 0, 0x7f, 0}, []byte{0, 0, 0, 2, 0x7f, 0}},
		{[]byte{0xff, 0xff}, []byte{0, 0, 0, 3, 0, 0xff, 0xff}},
	} {
		given := bytes.Clone(tc.magnitude)
		require.Equal(t, tc.want, AppendMpint(nil, tc.magnitude))
		require.Equal(t, given, tc.magnitude, "not changed")
		require.Equal(t, tc.want, AppendBigInt(nil, new(big.Int).SetBytes(tc.magnitude)))
	}
}

func TestAppendStringTakesNamedTypes(t *testing.T) {
	type text string
	type blob []byte
	want := []byte{0, 0, 0, 2, 'o', 'k'}
	require.Equal(t, want, AppendString(nil, text("ok")))
	require.Equal(t, want, AppendString(nil, blob("ok")))
	require.Equal(t, []byte{0, 0, 0, 0}, AppendString[[]byte](nil, nil))
}

func TestAppendAllocates(t *testing.T) {
	buffer := make([]byte, 0, 1024)
	magnitude := bytes.Repeat([]byte{0xff}, 256)
	names := []string{"one", "two", "three"}
	require.Zero(t, testing.AllocsPerRun(100, func() {
		b := append(buffer, MsgChannelData)
		b = AppendUint32(b, 1)
		b = AppendUint64(b, 2)
		b = AppendBool(b, true)
		b = AppendString(b, "text")
		b = AppendString(b, magnitude)
		b = AppendMpint(b, magnitude)
		b = AppendNameList(b, names)
		if &b[0] != &buffer[:1][0] {
			panic("moved")
		}
	}))
}
