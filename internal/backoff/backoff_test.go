package backoff_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh/internal/backoff"
)

// skipped is how often b says no before it says yes.
func skipped(b *backoff.Backoff) int {
	for n := 0; ; n++ {
		if b.Try() {
			return n
		}
	}
}

func TestBackoff(t *testing.T) {
	var b backoff.Backoff
	require.Zero(t, skipped(&b), "the first try")
	for _, want := range []int{1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 4096} {
		b.Note(false)
		require.Equal(t, want, skipped(&b))
	}
	b.Note(true)
	require.Zero(t, skipped(&b), "after one of use")
	require.Zero(t, skipped(&b), "which nothing was said of")
	b.Note(false)
	require.Equal(t, 1, skipped(&b))
	for _, want := range []int{128, 256} {
		b.Harm()
		require.Equal(t, want, skipped(&b))
	}
	b.Note(true)
	require.Zero(t, skipped(&b))
}
