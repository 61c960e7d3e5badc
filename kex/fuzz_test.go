package kex

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// fuzzSteps feeds two messages to x, and checks what holds whatever they are:
// a result exactly when the exchange is complete, and no way back from either
// end.
func fuzzSteps(t *testing.T, x Exchange, messages ...[]byte) {
	complete, failed := false, false
	for _, in := range messages {
		_, done, err := x.Step(in)
		switch {
		case err != nil:
			require.False(t, done)
			failed = failed || !complete
		default:
			require.False(t, complete || failed, "a step after the end")
			complete = done
		}
		require.Equal(t, complete, x.Result() != nil)
	}
	if r := x.Result(); r != nil {
		require.Len(t, r.H, r.Hash.Size())
		require.Greater(t, len(r.K), 4)
		require.NotEmpty(t, r.HostKey)
		require.NotEmpty(t, r.Signature)
	}
}

func FuzzServer(f *testing.F) {
	for i, method := range twoMessages() {
		_, init := begin(f, method)
		f.Add(byte(i), init, init)
		f.Add(byte(i), init[:len(init)-1], []byte{msgECDHReply})
	}
	f.Add(byte(0), []byte{}, []byte(nil))
	f.Fuzz(func(t *testing.T, i byte, first, second []byte) {
		method := twoMessages()[int(i)%len(twoMessages())]
		fuzzSteps(t, newServer(t, method), first, second)
	})
}

func FuzzClient(f *testing.F) {
	var fixed []fixedOffer
	for i, method := range twoMessages() {
		fixed = append(fixed, fixOffer(f, method))
		_, init := begin(f, method)
		_, rep := answer(f, method, init)
		f.Add(byte(i), rep, rep)
		f.Add(byte(i), rep[:len(rep)-1], []byte{msgECDHInit})
	}
	f.Add(byte(0), []byte{}, []byte(nil))
	f.Fuzz(func(t *testing.T, i byte, first, second []byte) {
		n := int(i) % len(fixed)
		fuzzSteps(t, fixed[n].begin(t, twoMessages()[n]), first, second)
	})
}
