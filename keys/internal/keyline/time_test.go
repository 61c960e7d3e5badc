package keyline

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestParseTime(t *testing.T) {
	zone := time.FixedZone("", 3600)
	for s, want := range map[string]time.Time{
		"20300102":          time.Date(2030, 1, 2, 0, 0, 0, 0, zone),
		"203001020304":      time.Date(2030, 1, 2, 3, 4, 0, 0, zone),
		"20300102030405":    time.Date(2030, 1, 2, 3, 4, 5, 0, zone),
		"20300102z":         time.Date(2030, 1, 2, 0, 0, 0, 0, time.UTC),
		"203001020304Z":     time.Date(2030, 1, 2, 3, 4, 0, 0, time.UTC),
		"20300102030405Z":   time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC),
		"20300102030405UTC": time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC),
	} {
		got, err := ParseTime(s, zone)
		require.NoError(t, err, s)
		require.True(t, want.Equal(got), "%s: %v", s, got)
	}
	for _, s := range []string{"20300102C", "20300102TU", "20300102CTU", "+2030102", "2030-1-2", "202301020304.5", "99999999"} {
		_, err := ParseTime(s, zone)
		require.Error(t, err, s)
	}
}

func FuzzParseTime(f *testing.F) {
	for _, s := range []string{"20300102", "203001020304Z", "20300102030405UTC", "Z", "20300230"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, err := ParseTime(s, time.UTC)
		if err == nil {
			digits := strings.TrimRight(s, "UTCZutcz")
			require.Equal(t, digits, got.Format("20060102150405")[:len(digits)])
		}
	})
}
