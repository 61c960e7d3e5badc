package wire

import (
	"encoding/hex"
	"errors"
	"math/big"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A field is one type of RFC 4251 section 5 with a value: how the value is
// appended, how it is read, and the bytes in between.
type field struct {
	name   string
	hex    string
	append func(b []byte) []byte
	read   func(r *Reader) any
	want   any
	// zero is what read returns once the Reader has failed.
	zero any
}

func number(s string) *big.Int {
	v, ok := new(big.Int).SetString(s, 16)
	if !ok {
		panic(s)
	}
	return v
}

// An mpint is compared as text, so that nil and empty are one.
func mpintField(name, encoded, magnitude string) field {
	return field{
		"mpint " + name, encoded,
		func(b []byte) []byte { return AppendMpint(b, number("0"+magnitude).Bytes()) },
		func(r *Reader) any { return hex.EncodeToString(r.Mpint()) }, magnitude, "",
	}
}

func bigIntField(name, encoded, value string) field {
	return field{
		"big.Int " + name, encoded,
		func(b []byte) []byte { return AppendBigInt(b, number(value)) },
		func(r *Reader) any { return r.BigInt().Text(16) }, value, "0",
	}
}

func nameListField(encoded string, names ...string) field {
	return field{
		"name-list " + strings.Join(names, ","), encoded,
		func(b []byte) []byte { return AppendNameList(b, names) },
		func(r *Reader) any { return r.NameList() }, names, []string(nil),
	}
}

func textField(encoded, s string) field {
	return field{
		"text", encoded,
		func(b []byte) []byte { return AppendString(b, s) },
		func(r *Reader) any { return r.Text() }, s, "",
	}
}

func uint32Field(encoded string, v uint32) field {
	return field{
		"uint32", encoded,
		func(b []byte) []byte { return AppendUint32(b, v) },
		func(r *Reader) any { return r.Uint32() }, v, uint32(0),
	}
}

func uint64Field(encoded string, v uint64) field {
	return field{
		"uint64", encoded,
		func(b []byte) []byte { return AppendUint64(b, v) },
		func(r *Reader) any { return r.Uint64() }, v, uint64(0),
	}
}

func boolField(encoded string, v bool) field {
	return field{
		"boolean", encoded,
		func(b []byte) []byte { return AppendBool(b, v) },
		func(r *Reader) any { return r.Bool() }, v, false,
	}
}

var fields = []field{
	{
		"byte", "5e",
		func(b []byte) []byte { return append(b, 0x5e) },
		func(r *Reader) any { return r.Byte() }, byte(0x5e), byte(0),
	},
	{
		"raw", "00010203",
		func(b []byte) []byte { return append(b, 0, 1, 2, 3) },
		func(r *Reader) any { return string(r.Raw(4)) }, "\x00\x01\x02\x03", "",
	},
	{
		"bytes", "00000003ff00fe",
		func(b []byte) []byte { return AppendString(b, []byte{0xff, 0, 0xfe}) },
		func(r *Reader) any { return string(r.Bytes()) }, "\xff\x00\xfe", "",
	},
	boolField("00", false),
	boolField("01", true),
	uint32Field("29b7f4aa", 699921578), // RFC 4251 section 5
	uint32Field("ffffffff", 1<<32-1),
	uint64Field("0000000000000000", 0),
	uint64Field("0102030405060708", 0x0102030405060708),
	uint64Field("ffffffffffffffff", 1<<64-1),
	textField("00000007"+"74657374696e67", "testing"), // RFC 4251 section 5
	textField("00000000", ""),

	// RFC 4251 section 5; its two negative numbers are refused below.
	mpintField("0", "00000000", ""),
	mpintField("9a378f9b2e332a7", "0000000809a378f9b2e332a7", "09a378f9b2e332a7"),
	mpintField("80", "000000020080", "80"),
	mpintField("7f", "000000017f", "7f"),
	mpintField("ff00", "0000000300ff00", "ff00"),
	mpintField("100", "000000020100", "0100"),
	bigIntField("0", "00000000", "0"),
	bigIntField("9a378f9b2e332a7", "0000000809a378f9b2e332a7", "9a378f9b2e332a7"),
	bigIntField("80", "000000020080", "80"),

	// RFC 4251 section 5.
	nameListField("00000000"),
	nameListField("000000047a6c6962", "zlib"),
	nameListField("000000097a6c69622c6e6f6e65", "zlib", "none"),
	nameListField("0000000c7a6c6962406f70656e2c217e", "zlib@open", "!~"),
}

func TestFields(t *testing.T) {
	for _, f := range fields {
		t.Run(f.name, func(t *testing.T) {
			encoded, err := hex.DecodeString(f.hex)
			require.NoError(t, err)
			require.Equal(t, encoded, f.append(nil))
			require.Equal(t, append([]byte("before"), encoded...), f.append([]byte("before")))

			r := NewReader(encoded)
			require.Equal(t, len(encoded), r.Len())
			require.Equal(t, f.want, f.read(&r))
			require.Zero(t, r.Len())
			require.NoError(t, r.Err())
			require.NoError(t, r.End())

			for n := range len(encoded) {
				r := NewReader(encoded[:n:n])
				require.Equal(t, f.zero, f.read(&r), n)
				require.ErrorIs(t, r.Err(), ErrTruncated, n)
				require.ErrorIs(t, r.End(), ErrTruncated, n)
				require.Zero(t, r.Len(), n)
			}

			r = NewReader(append(encoded, 0))
			require.Equal(t, f.want, f.read(&r))
			require.Equal(t, 1, r.Len())
			require.NoError(t, r.Err())
			require.ErrorIs(t, r.End(), ErrTrailing)
		})
	}
}

// After a failure of any kind, every read gives a zero value and the error
// stays what it was.
func TestErrorSticks(t *testing.T) {
	own := errors.New("not allowed here")
	for name, fail := range map[string]struct {
		f    func(r *Reader)
		want error
	}{
		"truncated":   {func(r *Reader) { r.Raw(r.Len() + 1) }, ErrTruncated},
		"negative":    {func(r *Reader) { r.Raw(-1) }, ErrTruncated},
		"trailing":    {func(r *Reader) { _ = r.End() }, ErrTrailing},
		"caller's":    {func(r *Reader) { r.Fail(own) }, own},
		"first of it": {func(r *Reader) { r.Fail(own); r.Fail(ErrInvalid); r.Raw(99) }, own},
	} {
		for _, f := range fields {
			message := f.append(nil)
			r := NewReader(append(message, message...))
			fail.f(&r)
			require.ErrorIs(t, r.Err(), fail.want, name)
			require.Equal(t, f.zero, f.read(&r), "%s: %s", name, f.name)
			require.Empty(t, r.Rest(), name)
			require.Zero(t, r.Len(), name)
			require.ErrorIs(t, r.Err(), fail.want, name)
			require.ErrorIs(t, r.End(), fail.want, name)
		}
	}
}

func TestRefused(t *testing.T) {
	mpint := func(r *Reader) { r.Mpint() }
	bigInt := func(r *Reader) { r.BigInt() }
	nameList := func(r *Reader) { r.NameList() }
	bytes := func(r *Reader) { r.Bytes() }
	for _, tc := range []struct {
		name, hex string
		read      func(r *Reader)
		want      error
	}{
		{"-1234 of RFC 4251", "00000002edcc", mpint, ErrInvalid},
		{"-deadbeef of RFC 4251", "00000005ff21524111", mpint, ErrInvalid},
		{"-1", "00000001ff", mpint, ErrInvalid},
		{"-deadbeef", "00000005ff21524111", bigInt, ErrInvalid},
		{"zero in a byte", "0000000100", mpint, ErrInvalid},
		{"zero in two bytes", "000000020000", mpint, ErrInvalid},
		{"7f with a zero before it", "00000002007f", mpint, ErrInvalid},
		{"80 with two zeros before it", "00000003000080", bigInt, ErrInvalid},
		{"one comma", "000000012c", nameList, ErrInvalid},
		{"comma first", "000000022c61", nameList, ErrInvalid},
		{"comma last", "00000002612c", nameList, ErrInvalid},
		{"two commas", "00000004612c2c62", nameList, ErrInvalid},
		{"space", "0000000361" + "20" + "62", nameList, ErrInvalid},
		{"NUL", "0000000261" + "00", nameList, ErrInvalid},
		{"line feed", "0000000261" + "0a", nameList, ErrInvalid},
		{"escape", "000000021b63", nameList, ErrInvalid},
		{"DEL", "0000000261" + "7f", nameList, ErrInvalid},
		{"UTF-8", "00000002c3a9", nameList, ErrInvalid},
		{"length one over", "000000046162" + "63", bytes, ErrTruncated},
		{"length 2^31", "80000000616263", bytes, ErrTruncated},
		{"length 2^32-1", "ffffffff616263", bytes, ErrTruncated},
	} {
		message, err := hex.DecodeString(tc.hex)
		require.NoError(t, err)
		r := NewReader(message)
		tc.read(&r)
		require.ErrorIs(t, r.Err(), tc.want, tc.name)
		require.Zero(t, r.Len(), tc.name)
	}
}

// Every non-zero byte is true (RFC 4251 section 5).
func TestBoolIsAnyNonZero(t *testing.T) {
	for v := range 256 {
		r := NewReader([]byte{byte(v)})
		require.Equal(t, v != 0, r.Bool())
		require.NoError(t, r.End())
	}
}

func TestNameListBytes(t *testing.T) {
	for c := range 256 {
		r := NewReader(AppendString(nil, []byte{'a', byte(c), 'b'}))
		names := r.NameList()
		switch {
		case c == ',':
			require.Equal(t, []string{"a", "b"}, names)
		case c > ' ' && c <= '~':
			require.Equal(t, []string{string([]byte{'a', byte(c), 'b'})}, names)
		default:
			require.Nil(t, names)
			require.ErrorIs(t, r.Err(), ErrInvalid, c)
		}
	}
}

func TestRest(t *testing.T) {
	r := NewReader([]byte{1, 2, 3})
	require.Equal(t, byte(1), r.Byte())
	require.Equal(t, []byte{2, 3}, r.Rest())
	require.Zero(t, r.Len())
	require.NoError(t, r.End())
	require.Empty(t, r.Rest())
	require.NoError(t, r.End())
}

// What is appended to a slice that a Reader returned does not run into the
// message's next field.
func TestSlicesAreClipped(t *testing.T) {
	message := AppendString(AppendString(nil, "one"), "two")
	r := NewReader(message)
	_ = append(r.Bytes(), "overwritten"...)
	require.Equal(t, "two", r.Text())
	r = NewReader(message)
	_ = append(r.Raw(7), "overwritten"...)
	require.Equal(t, "two", r.Text())
}

func TestSlicesAlias(t *testing.T) {
	message := AppendString(AppendMpint(nil, []byte{0x80}), "text")
	r := NewReader(message)
	mpint, text := r.Mpint(), r.Bytes()
	require.NoError(t, r.End())
	clear(message)
	require.Equal(t, []byte{0}, mpint)
	require.Equal(t, make([]byte, 4), text)
}

// The zero Reader is over an empty message.
func TestZeroReader(t *testing.T) {
	var r Reader
	require.NoError(t, r.End())
	require.Zero(t, r.Byte())
	require.ErrorIs(t, r.End(), ErrTruncated)
}

func TestReaderAllocates(t *testing.T) {
	message := AppendUint32([]byte{MsgChannelData}, 7)
	message = AppendString(message, strings.Repeat("x", 32<<10))
	message = AppendBool(message, true)
	message = AppendUint64(message, 1)
	message = AppendMpint(message, []byte{0x80})
	require.Zero(t, testing.AllocsPerRun(100, func() {
		r := NewReader(message)
		r.Byte()
		r.Uint32()
		r.Bytes()
		r.Bool()
		r.Uint64()
		r.Mpint()
		if r.End() != nil {
			panic(r.End())
		}
	}))
	bad := message[:20]
	require.Zero(t, testing.AllocsPerRun(100, func() {
		r := NewReader(bad)
		r.Byte()
		r.Uint32()
		r.Bytes()
		r.Mpint()
		if r.End() == nil {
			panic("accepted")
		}
	}), "a refusal costs nothing either")
}
