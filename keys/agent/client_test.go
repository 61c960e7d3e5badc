package agent

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh/keys"
	"github.com/fairlead-go/ssh/wire"
)

func generate(t testing.TB, keyType string) *keys.PrivateKey {
	bits := 0
	if keyType == keys.KeyRSA {
		bits = 2048
	}
	k, err := keys.GenerateKey(keyType, bits)
	require.NoError(t, err)
	return k
}

func readFrame(t testing.TB, r io.Reader) []byte {
	var head [4]byte
	_, err := io.ReadFull(r, head[:])
	require.NoError(t, err)
	b := make([]byte, binary.BigEndian.Uint32(head[:]))
	_, err = io.ReadFull(r, b)
	require.NoError(t, err)
	return b
}

func frame(message []byte) []byte { return wire.AppendString(nil, message) }

func writeFrame(t testing.TB, w io.Writer, message []byte) {
	_, err := w.Write(frame(message))
	require.NoError(t, err)
}

// identities returns SSH_AGENT_IDENTITIES_ANSWER with the blobs, each with its
// number as comment.
func identities(blobs ...[]byte) []byte {
	b := wire.AppendUint32([]byte{msgIdentitiesAnswer}, uint32(len(blobs)))
	for i, blob := range blobs {
		b = wire.AppendString(b, blob)
		b = wire.AppendString(b, string(rune('0'+i)))
	}
	return b
}

func list(ctx context.Context, c *Client) error {
	_, err := c.List(ctx)
	return err
}

func TestListAndSign(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		c := New(ours)
		defer c.Close()
		k, rsa := generate(t, keys.KeyEd25519), generate(t, keys.KeyRSA)
		go func() {
			require.Equal(t, []byte{msgRequestIdentities}, readFrame(t, theirs))
			writeFrame(t, theirs, identities(k.PublicKey().Marshal(), []byte("\x00\x00\x00\x04what"), rsa.PublicKey().Marshal(), nil))
			for range 3 {
				r := wire.NewReader(readFrame(t, theirs))
				require.Equal(t, byte(msgSignRequest), r.Byte())
				blob, data, flags := r.Bytes(), r.Bytes(), r.Uint32()
				require.NoError(t, r.End())
				signer, algorithm := k, keys.KeyEd25519
				switch flags {
				case 2:
					signer, algorithm = rsa, keys.RSASHA256
				case 4:
					signer, algorithm = rsa, keys.RSASHA512
				}
				require.Equal(t, signer.PublicKey().Marshal(), blob)
				sig, err := signer.Sign(context.Background(), algorithm, data)
				require.NoError(t, err)
				writeFrame(t, theirs, wire.AppendString([]byte{msgSignResponse}, sig.Marshal()))
			}
		}()
		signers, err := c.Signers(t.Context())
		require.NoError(t, err)
		require.Len(t, signers, 2, "keys of unknown types are left out")
		require.Equal(t, "0", signers[0].(*Key).Comment)
		require.Equal(t, "2", signers[1].(*Key).Comment)
		for _, s := range signers {
			for _, algorithm := range s.Algorithms() {
				sig, err := s.Sign(t.Context(), algorithm, []byte("data"))
				require.NoError(t, err)
				require.NoError(t, keys.Verify(s.PublicKey(), algorithm, []byte("data"), sig.Marshal()))
			}
			_, err = s.Sign(t.Context(), "ssh-dss", nil)
			require.ErrorAs(t, err, new(*keys.AlgorithmError))
			_, err = s.Sign(t.Context(), s.Algorithms()[0], make([]byte, MaxMessage))
			require.ErrorIs(t, err, ErrTooLarge)
		}
	})
}

// An agent that ignores the flags, or its client, must not get through with
// SHA-1 or any other algorithm.
func TestDefect_SignsWithAnotherAlgorithm(t *testing.T) {
	for _, format := range []string{"ssh-rsa", keys.RSASHA256, keys.KeyEd25519} {
		ours, theirs := net.Pipe()
		c := New(ours)
		k := &Key{client: c, public: generate(t, keys.KeyRSA).PublicKey()}
		go func() {
			readFrame(t, theirs)
			sig := keys.Signature{Format: format, Blob: []byte("x")}
			writeFrame(t, theirs, wire.AppendString([]byte{msgSignResponse}, sig.Marshal()))
		}()
		_, err := k.Sign(t.Context(), keys.RSASHA512, []byte("data"))
		require.ErrorAs(t, err, new(*keys.AlgorithmError), format)
		require.NoError(t, c.Close())
	}
}

func TestBadAnswers(t *testing.T) {
	good := identities([]byte("a"), []byte("b"))
	sig := wire.AppendString([]byte{msgSignResponse}, (&keys.Signature{Format: "f", Blob: []byte("b")}).Marshal())
	k := generate(t, keys.KeyEd25519).PublicKey()
	check := func(answer []byte, sign bool, want error) {
		ours, theirs := net.Pipe()
		c := New(ours)
		defer c.Close()
		go func() {
			readFrame(t, theirs)
			writeFrame(t, theirs, answer)
		}()
		var err error
		if sign {
			_, err = (&Key{client: c, public: k}).Sign(t.Context(), keys.KeyEd25519, nil)
		} else {
			_, err = c.List(t.Context())
		}
		require.ErrorIs(t, err, want, "%x", answer)
	}
	for n := range good {
		if n > 0 {
			check(good[:n], false, ErrProtocol)
		}
	}
	for n := range sig {
		if n > 0 {
			check(sig[:n], true, ErrProtocol)
		}
	}
	check(append(good, 0), false, ErrProtocol)
	check(append(sig, 0), true, ErrProtocol)
	check(sig, false, ErrProtocol)
	check(good, true, ErrProtocol)
	check([]byte{msgFailure}, false, ErrRefused)
	check([]byte{msgFailure}, true, ErrRefused)
	check([]byte{msgFailure, 0}, true, ErrProtocol)
	check([]byte{6}, true, ErrProtocol)
	check([]byte{msgIdentitiesAnswer, 0xff, 0xff, 0xff, 0xff}, false, ErrProtocol)
	check(wire.AppendString([]byte{msgSignResponse}, "x"), true, ErrProtocol)
}

func TestFramesThatEndTheConnection(t *testing.T) {
	for name, c := range map[string]struct {
		answer []byte
		want   error
	}{
		"too long":    {[]byte{0, 4, 0, 1}, ErrTooLarge},
		"largest":     {[]byte{0xff, 0xff, 0xff, 0xff}, ErrTooLarge},
		"empty":       {[]byte{0, 0, 0, 0}, ErrProtocol},
		"half header": {[]byte{0, 0}, io.ErrUnexpectedEOF},
		"half":        {[]byte{0, 0, 0, 2, 5}, io.ErrUnexpectedEOF},
		"nothing":     {nil, io.ErrUnexpectedEOF},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ours, theirs := net.Pipe()
				client := New(ours)
				isWant := func(err error) bool {
					// The hang-up may be seen first by the one who writes.
					return errors.Is(err, c.want) || errors.Is(c.want, io.ErrUnexpectedEOF) && errors.Is(err, io.ErrClosedPipe)
				}
				errs := make(chan error, 3*pipeline) // more than can be on their way
				for range cap(errs) {
					go func() { errs <- list(t.Context(), client) }()
				}
				readFrame(t, theirs)
				go io.Copy(io.Discard, theirs)
				theirs.Write(c.answer)
				if c.want == io.ErrUnexpectedEOF {
					theirs.Close()
				}
				first := <-errs
				require.True(t, isWant(first), "%v", first)
				for range cap(errs) - 1 {
					require.Equal(t, first, <-errs)
				}
				require.NoError(t, client.Close())
				require.Equal(t, first, list(t.Context(), client), "the first cause stays")
				theirs.Close()
			})
		})
	}
}

// An answer that no one asked for could be taken for that to a later request.
func TestDefect_UnsolicitedAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		c := New(ours)
		writeFrame(t, theirs, identities())
		synctest.Wait()
		require.ErrorIs(t, list(t.Context(), c), ErrProtocol)
	})
}

func TestPipelined(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		c := New(ours)
		defer c.Close()
		k := &Key{client: c, public: generate(t, keys.KeyEd25519).PublicKey()}
		const n = pipeline // as many as may be on their way without an answer
		var wg sync.WaitGroup
		for i := range n {
			wg.Go(func() {
				sig, err := k.Sign(t.Context(), keys.KeyEd25519, []byte{byte(i)})
				require.NoError(t, err)
				require.Equal(t, []byte{byte(i)}, sig.Blob, "each gets its own answer")
			})
		}
		var asked [][]byte
		for range n {
			r := wire.NewReader(readFrame(t, theirs))
			r.Byte()
			r.Bytes()
			asked = append(asked, r.Bytes())
		}
		for _, data := range asked {
			sig := keys.Signature{Format: keys.KeyEd25519, Blob: data}
			writeFrame(t, theirs, wire.AppendString([]byte{msgSignResponse}, sig.Marshal()))
		}
		wg.Wait()
	})
}

// One who gives up while the request is queued, half written or unanswered
// leaves the others with their own answers.
func TestCancelKeepsStreamInSync(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		c := New(ours)
		defer c.Close()
		k := &Key{client: c, public: generate(t, keys.KeyEd25519).PublicKey()}
		cause := errors.New("user pressed Ctrl-C")
		sign := func(data byte) (cancel context.CancelCauseFunc, result chan error) {
			ctx, cancel := context.WithCancelCause(t.Context())
			result = make(chan error, 1)
			go func() {
				sig, err := k.Sign(ctx, keys.KeyEd25519, []byte{data})
				if err == nil && (len(sig.Blob) != 1 || sig.Blob[0] != data) {
					err = errors.New("another request's answer")
				}
				result <- err
			}()
			synctest.Wait()
			return cancel, result
		}
		answerNext := func(want byte) {
			r := wire.NewReader(readFrame(t, theirs))
			r.Byte()
			r.Bytes()
			require.Equal(t, []byte{want}, r.Bytes())
			sig := keys.Signature{Format: keys.KeyEd25519, Blob: []byte{want}}
			writeFrame(t, theirs, wire.AppendString([]byte{msgSignResponse}, sig.Marshal()))
		}

		cancelA, a := sign('a') // being written: a pipe takes it when it is read
		cancelB, b := sign('b') // queued
		_, last := sign('c')
		var half [5]byte
		_, err := io.ReadFull(theirs, half[:])
		require.NoError(t, err)
		cancelA(cause)
		require.ErrorIs(t, <-a, cause)
		cancelB(cause)
		require.ErrorIs(t, <-b, cause)
		rest := make([]byte, binary.BigEndian.Uint32(half[:])-1)
		_, err = io.ReadFull(theirs, rest)
		require.NoError(t, err, "what was begun is written in full")
		sig := keys.Signature{Format: keys.KeyEd25519, Blob: []byte{'a'}}
		writeFrame(t, theirs, wire.AppendString([]byte{msgSignResponse}, sig.Marshal()))
		answerNext('c') // b was never written
		require.NoError(t, <-last)

		cancelD, d := sign('d')
		_, e := sign('e')
		r := wire.NewReader(readFrame(t, theirs))
		r.Byte()
		synctest.Wait()
		cancelD(cause) // unanswered
		require.ErrorIs(t, <-d, cause)
		sig.Blob = []byte{'d'}
		writeFrame(t, theirs, wire.AppendString([]byte{msgSignResponse}, sig.Marshal()))
		answerNext('e')
		require.NoError(t, <-e)
	})
}

// An agent that reads nothing holds up no one whose context ends.
func TestHungAgent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		c := New(ours)
		start := time.Now()
		var wg sync.WaitGroup
		for range 4 * pipeline {
			wg.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				require.ErrorIs(t, list(ctx, c), context.DeadlineExceeded)
			})
		}
		wg.Wait()
		require.Equal(t, time.Minute, time.Since(start))
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		require.ErrorIs(t, list(ctx, c), context.Canceled)
		waiting := make(chan error, 1)
		go func() { waiting <- list(t.Context(), c) }()
		synctest.Wait()
		require.NoError(t, c.Close())
		require.ErrorIs(t, <-waiting, net.ErrClosed)
		require.ErrorIs(t, list(t.Context(), c), net.ErrClosed)
		require.NoError(t, c.Close())
		theirs.Close()
	})
}

func TestNoGoroutineLeft(t *testing.T) {
	before := runtime.NumGoroutine()
	for range 20 {
		ours, theirs := net.Pipe()
		c := New(ours)
		go io.Copy(io.Discard, theirs)
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		require.Error(t, list(ctx, c))
		cancel()
		require.NoError(t, c.Close())
	}
	deadline := time.Now().Add(10 * time.Second)
	for runtime.NumGoroutine() > before {
		require.True(t, time.Now().Before(deadline), "goroutines: %d before, %d after", before, runtime.NumGoroutine())
		time.Sleep(time.Millisecond)
	}
}

func TestFromEnvironment(t *testing.T) {
	t.Setenv("SSH_AUTH_SOCK", "")
	_, err := FromEnvironment(t.Context())
	require.ErrorIs(t, err, ErrNoAgent)
	t.Setenv("SSH_AUTH_SOCK", filepath.Join(t.TempDir(), "none"))
	_, err = FromEnvironment(t.Context())
	require.Error(t, err)
}

func FuzzAnswers(f *testing.F) {
	f.Add(identities([]byte("a"), []byte("b")))
	f.Add(wire.AppendString([]byte{msgSignResponse}, (&keys.Signature{Format: "f", Blob: []byte("b")}).Marshal()))
	f.Add([]byte{msgFailure})
	f.Fuzz(func(t *testing.T, message []byte) {
		list, err := parseIdentities(message)
		if err == nil {
			b := wire.AppendUint32([]byte{msgIdentitiesAnswer}, uint32(len(list)))
			for _, id := range list {
				b = wire.AppendString(wire.AppendString(b, id.blob), id.comment)
			}
			require.Equal(t, message, b)
		}
		if sig, err := parseSignature(message); err == nil {
			require.Equal(t, message, wire.AppendString([]byte{msgSignResponse}, sig.Marshal()))
		}
	})
}

func FuzzReadMessage(f *testing.F) {
	f.Add([]byte{0, 0, 0, 1, 5})
	f.Add([]byte{0, 4, 0, 1})
	f.Fuzz(func(t *testing.T, stream []byte) {
		r := wire.NewReader(stream)
		want := r.Bytes()
		got, err := readMessage(&oneByOne{stream})
		if err == nil {
			require.Equal(t, want, got)
		} else {
			require.True(t, r.Err() != nil || len(want) == 0 || len(want) > MaxMessage)
		}
	})
}

// oneByOne is a reader that gives a byte at a time.
type oneByOne struct{ rest []byte }

func (r *oneByOne) Read(p []byte) (int, error) {
	if len(r.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(1, len(p))], r.rest)
	r.rest = r.rest[n:]
	return n, nil
}
