package inflate

import (
	"bytes"
	"compress/flate"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var header = []byte{0x78, 0x9c}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	require.NoError(t, err)
	return b
}

// text is n bytes that compress well, and not in the same way everywhere.
func text(n int) []byte {
	r := rand.New(rand.NewPCG(1, 2))
	var b []byte
	for len(b) < n {
		b = fmt.Appendf(b, "%d lines of %x; ", r.IntN(100), r.IntN(1<<uint(r.IntN(30))))
		if r.IntN(20) == 0 {
			b = append(b, b[r.IntN(len(b)):]...)
		}
	}
	return b[:n]
}

func noise(n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{7}).Read(b)
	return b
}

// TestZlib decompresses what zlib 1.2.13 made, flushing after each piece.
func TestZlib(t *testing.T) {
	pieces := []string{
		"hello, hello, hello", "x", "hello again",
		strings.Repeat(string(allBytes()), 3), strings.Repeat("The quick brown fox jumps over the lazy dog. ", 40),
	}
	for _, tt := range []struct {
		flush  string
		pieces []string
	}{
		{"partial flush", []string{
			"789cca48cdc9c9d751c840a20002",
			"a80220",
			"80c0a442627a62661e40",
			"0031303231b3b0b2b173707271f3f0f2f10b080a098b888a894b484a49cbc8cac92b282a29aba8aaa96b686a69ebe8ea" +
				"e91b181a199b989a995b585a59dbd8dad93b383a39bbb8bab97b787a79fbf8faf9070406058784868547444645c7c4c6" +
				"c527242625a7a4a6a567646665e7e4e6e5171416159794969557545655d7d4d6d537343635b7b4b6b577747675f7f4f6" +
				"f54f983869f294a9d3a6cf98396bf69cb9f3e62f58b868f192a5cb96af58b96af59ab5ebd66fd8b869f396addbb6efd8" +
				"b96bf79ebdfbf61f3878e8f091a3c78e9f3879eaf499b3e7ce5fb878e9f295abd7aedfb879ebf69dbbf7ee3f78f8e8f1" +
				"93a7cf9ebf78f9eaf59bb7efde7ff8f8e9f397afdfbefff8f9ebf79fbffffe8ffa7f64fb1f20",
			"80423252150a4b3393b315928af2cbf314d2f22b14b24a730b8a15f2cb528b144a80d2398955950a29f9e97a0aa38a47" +
				"158f2a1e553caa7854f130530c10",
		}},
		{"sync flush", []string{
			"789cca48cdc9c9d751c840a200000000ffff",
			"aa00000000ffff",
			"02930a89e989997900000000ffff",
			"6260646266616563e7e0e4e2e6e1e5e3171014121611151397909492969195935750545256515553d7d0d4d2d6d1d5d3" +
				"3730343236313533b7b0b4b2b6b1b5b37770747276717573f7f0f4f2f6f1f5f30f080c0a0e090d0b8f888c8a8e898d8b" +
				"4f484c4a4e494d4bcfc8cccacec9cdcb2f282c2a2e292d2bafa8acaaaea9adab6f686c6a6e696d6befe8eceaeee9edeb" +
				"9f3071d2e42953a74d9f3173d6ec3973e7cd5fb070d1e2254b972d5fb172d5ea356bd7addfb071d3e62d5bb76ddfb173" +
				"d7ee3d7bf7ed3f70f0d0e123478f1d3f71f2d4e93367cf9dbf70f1d2e52b57af5dbf71f3d6ed3b77efdd7ff0f0d1e327" +
				"4f9f3d7ff1f2d5eb376fdfbdfff0f1d3e72f5fbf7dfff1f3d7ef3f7ffffd1ff5ffc8f63f000000ffff",
			"0ac94855282ccd4cce56482aca2fcf5348cbaf50c82acd2d2856c82f4b2d5228014ae72456552aa4e4a7eb298c2a1e55" +
				"3caa7854f1a8e251c5c34c31000000ffff",
		}},
	} {
		t.Run(tt.flush, func(t *testing.T) {
			var d Decoder
			dst := make([]byte, 4096)
			for i, piece := range tt.pieces {
				n, err := d.Decode(dst, unhex(t, piece))
				require.NoError(t, err)
				require.Equal(t, pieces[i], string(dst[:n]), "piece %d", i)
			}
		})
	}
}

// allBytes is all values of a byte in order.
func allBytes() []byte {
	b := make([]byte, 256)
	for i := range b {
		b[i] = byte(i)
	}
	return b
}

// stream is data as compress/flate compresses it, flushed after every piece of
// size bytes.
func stream(t testing.TB, data []byte, level, size int) (pieces [][]byte) {
	t.Helper()
	var b bytes.Buffer
	b.Write(header)
	w, err := flate.NewWriter(&b, level)
	require.NoError(t, err)
	for len(data) > 0 {
		n := min(size, len(data))
		_, err := w.Write(data[:n])
		require.NoError(t, err)
		require.NoError(t, w.Flush())
		pieces = append(pieces, bytes.Clone(b.Bytes()))
		b.Reset()
		data = data[n:]
	}
	return pieces
}

func TestPieces(t *testing.T) {
	for name, data := range map[string][]byte{
		"text": text(300_000), "noise": noise(100_000), "zeros": make([]byte, 200_000),
		"text and noise": bytes.Join([][]byte{text(70_000), noise(1000), text(70_000)}, nil),
	} {
		for _, level := range []int{flate.HuffmanOnly, flate.NoCompression, flate.BestSpeed, 6, flate.BestCompression} {
			for _, size := range []int{1, 100, 32 << 10, 100_000} {
				if size == 1 {
					data = data[:5000]
				}
				var d Decoder
				dst := make([]byte, size)
				var got []byte
				for _, piece := range stream(t, data, level, size) {
					n, err := d.Decode(dst, piece)
					require.NoError(t, err, "%s, level %d, pieces of %d", name, level, size)
					got = append(got, dst[:n]...)
				}
				require.True(t, bytes.Equal(data, got), "%s, level %d, pieces of %d", name, level, size)
				require.LessOrEqual(t, cap(d.history.buf), windowSize)
				require.Nil(t, d.tables)
			}
		}
	}
}

// TestAnyCut: wherever a stream is cut, all that can be known comes out, and
// what follows continues it.
func TestAnyCut(t *testing.T) {
	data := append(text(3000), noise(300)...)
	for _, level := range []int{flate.HuffmanOnly, 6} {
		whole := bytes.Join(stream(t, data, level, 1500), nil)
		var d Decoder
		var got []byte
		dst := make([]byte, len(data))
		for i := range whole {
			n, err := d.Decode(dst, whole[i:i+1])
			require.NoError(t, err)
			got = append(got, dst[:n]...)
			want, _ := io.ReadAll(flate.NewReader(bytes.NewReader(whole[min(i+1, 2) : i+1])))
			require.True(t, bytes.HasPrefix(got, want), "%d bytes", i+1)
		}
		require.Equal(t, data, got)
	}
}

func TestTooLong(t *testing.T) {
	zeros := make([]byte, 1<<20)
	for level, data := range map[int][]byte{6: zeros, flate.NoCompression: zeros, flate.HuffmanOnly: text(1 << 20)} {
		bomb := stream(t, data, level, len(data))[0]
		for _, room := range []int{0, 1, 257, 1000, 1<<20 - 1} {
			var d Decoder
			dst := make([]byte, room)
			n, err := d.Decode(dst, bomb)
			require.ErrorIs(t, err, ErrTooLong)
			require.LessOrEqual(t, n, room)
			require.Equal(t, data[:n], dst[:n])
			n, err = d.Decode(make([]byte, 2<<20), nil)
			require.ErrorIs(t, err, ErrTooLong, "the error is final")
			require.Zero(t, n)
		}
		var d Decoder
		n, err := d.Decode(make([]byte, 1<<20), bomb)
		require.NoError(t, err)
		require.Equal(t, 1<<20, n)
	}
}

func TestCorrupt(t *testing.T) {
	for name, s := range map[string]string{
		"another method":            "7999",
		"window too large":          "8819",
		"header check":              "789d",
		"preset dictionary":         "78bb",
		"block of type 3":           "789c06",
		"stored length":             "789c000500ffff",
		"distance before the start": "789c4b04e200",
		"literal 286":               "789c1a03",
		"too many literal lengths":  "789cfcff00",
		"too many distances":        "789c041f00",
		"repeat of nothing":         "789c0480000000000000000000000012",
		"end, and more":             "789c030000000001",
	} {
		var d Decoder
		_, err := d.Decode(make([]byte, 100), unhex(t, s))
		require.ErrorIs(t, err, ErrCorrupt, name)
		_, err = d.Decode(make([]byte, 100), nil)
		require.ErrorIs(t, err, ErrCorrupt, name)
	}
}

// TestMemory: what a Decoder keeps is as much as came out, and never more than
// a window.
func TestMemory(t *testing.T) {
	var d Decoder
	require.Zero(t, cap(d.history.buf))
	dst := make([]byte, 300_000)
	for i, piece := range stream(t, text(300_000), 6, 1000) {
		_, err := d.Decode(dst, piece)
		require.NoError(t, err)
		require.LessOrEqual(t, cap(d.history.buf), min(2000*(i+1), windowSize))
	}
	require.Equal(t, windowSize, cap(d.history.buf))
	require.Nil(t, d.src)
	require.Nil(t, d.dst)
}

func TestNoAllocations(t *testing.T) {
	pieces := stream(t, text(3<<20), 6, 1000)
	dst := make([]byte, 1000)
	var d Decoder
	next := 0
	decode := func() {
		if n, err := d.Decode(dst, pieces[next]); err != nil || n == 0 {
			t.Error(n, err)
		}
		next++
	}
	for range 100 {
		decode()
	}
	runtime.GC()
	decode()
	require.Zero(t, testing.AllocsPerRun(1000, decode))
}

// FuzzDecode compares with compress/flate: the same comes out, and an error at
// the same place, however the stream is cut.
func FuzzDecode(f *testing.F) {
	for _, level := range []int{flate.HuffmanOnly, flate.NoCompression, 1, 6} {
		whole := bytes.Join(stream(f, append(text(600), noise(50)...), level, 400), nil)
		f.Add(whole[2:], uint16(100))
		f.Add(whole[2:len(whole)/2], uint16(1))
	}
	f.Add([]byte{3, 0}, uint16(1))
	f.Add([]byte("$`\x82\x00\x00"), uint16(0)) // the first length repeats the one before, and says not yet how often
	f.Fuzz(func(t *testing.T, in []byte, cut uint16) {
		const limit = 1 << 16
		want := make([]byte, limit+1)
		n, wantErr := io.ReadFull(flate.NewReader(bytes.NewReader(in)), want)
		want = want[:n]

		var d Decoder
		got := make([]byte, limit)
		_, err := d.Decode(nil, header)
		require.NoError(t, err)
		k := min(int(cut), len(in))
		n, err = d.Decode(got, in[:k])
		if err == nil {
			var m int
			m, err = d.Decode(got[n:], in[k:])
			n += m
		}
		got = got[:n]
		if len(want) > limit {
			require.ErrorIs(t, err, ErrTooLong)
			require.True(t, bytes.HasPrefix(want, got))
			return
		}
		if errors.Is(wantErr, io.ErrUnexpectedEOF) {
			// flate wants at least as many bits for a symbol as the block's
			// end has, so it may give fewer of them.
			require.True(t, bytes.HasPrefix(got, want))
			return
		}
		require.True(t, bytes.Equal(want, got))
		if _, corrupt := errors.AsType[flate.CorruptInputError](wantErr); !corrupt {
			require.Equal(t, atEnd, d.next)
		}
		require.ErrorIs(t, err, ErrCorrupt)
	})
}

func BenchmarkDecode(b *testing.B) {
	for _, size := range []int{100, 32 << 10} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			pieces := stream(b, text(4<<20), 6, size)
			dst := make([]byte, size)
			b.SetBytes(int64(size))
			var d Decoder
			next := 0
			for b.Loop() {
				if next == len(pieces) {
					d, next = Decoder{}, 0
				}
				if _, err := d.Decode(dst, pieces[next]); err != nil {
					b.Fatal(err)
				}
				next++
			}
		})
	}
}
