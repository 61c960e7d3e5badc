package wire

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
)

// The kinds of field that a fuzzed program names by a byte each. take reads
// one and appends to b what was read.
var kinds = []func(r *Reader, b []byte) []byte{
	func(r *Reader, b []byte) []byte { return append(b, r.Byte()) },
	func(r *Reader, b []byte) []byte { return AppendUint32(b, r.Uint32()) },
	func(r *Reader, b []byte) []byte { return AppendUint64(b, r.Uint64()) },
	func(r *Reader, b []byte) []byte { return AppendString(b, r.Bytes()) },
	func(r *Reader, b []byte) []byte { return AppendString(b, r.Text()) },
	func(r *Reader, b []byte) []byte { return AppendMpint(b, r.Mpint()) },
	func(r *Reader, b []byte) []byte { return AppendBigInt(b, r.BigInt()) },
	func(r *Reader, b []byte) []byte { return AppendNameList(b, r.NameList()) },
	func(r *Reader, b []byte) []byte { return append(b, r.Raw(3)...) },
	func(r *Reader, b []byte) []byte { return AppendBool(b, r.Bool()) },
}

const boolKind = 9 // the one type that has several encodings of a value

func addPrograms(f *testing.F) {
	for i, field := range fields {
		f.Add([]byte{byte(i % len(kinds))}, field.append(nil))
	}
	f.Add([]byte{0, 1, 3}, AppendString(AppendUint32([]byte{MsgChannelData}, 1), "data"))
	f.Add([]byte{0, 9, 2, 5, 6, 7}, AppendNameList(AppendMpint(AppendMpint(AppendUint64(
		[]byte{0, 1}, 7), []byte{0x80}), nil), []string{"a", "b"}))
	f.Add([]byte{3, 3}, []byte("\xff\xff\xff\xffx"))
	f.Add([]byte{5}, []byte("\x00\x00\x00\x01\x80"))
}

// FuzzReader checks what holds of a Reader whatever it reads: it changes
// nothing, consumes in order, fails once and for all, and returns only slices
// of the message.
func FuzzReader(f *testing.F) {
	addPrograms(f)
	f.Fuzz(func(t *testing.T, program, message []byte) {
		original := bytes.Clone(message)
		r := NewReader(message)
		var first error
		for _, k := range program {
			before := r.Len()
			kinds[int(k)%len(kinds)](&r, nil)
			require.LessOrEqual(t, r.Len(), before)
			if first != nil {
				require.Equal(t, first, r.Err())
			}
			if first = r.Err(); first != nil {
				require.Zero(t, r.Len())
			}
		}
		left := r.Len()
		err := r.End()
		switch {
		case first != nil:
			require.Equal(t, first, err)
		case left > 0:
			require.ErrorIs(t, err, ErrTrailing)
		default:
			require.NoError(t, err)
		}
		require.Equal(t, err, r.End())
		require.Equal(t, original, message)
	})
}

// FuzzAppend checks that what a Reader accepts is appended again as the same
// bytes: no value but a boolean has two encodings.
func FuzzAppend(f *testing.F) {
	addPrograms(f)
	f.Fuzz(func(t *testing.T, program, message []byte) {
		r := NewReader(message)
		var again []byte
		for _, k := range program {
			kind := int(k) % len(kinds)
			at := len(message) - r.Len()
			start := len(again)
			again = kinds[kind](&r, again)
			if r.Err() != nil {
				return
			}
			if kind == boolKind && message[at] > 1 {
				require.Equal(t, byte(1), again[start])
				again[start] = message[at]
			}
		}
		again = append(again, r.Rest()...)
		require.NoError(t, r.End())
		require.True(t, bytes.Equal(message, again), "%x became %x", message, again)
	})
}
