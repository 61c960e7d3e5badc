package keyline

import (
	"errors"
	"strings"
	"time"
)

var errTime = errors.New("not a time of the form YYYYMMDD, YYYYMMDDHHMM or YYYYMMDDHHMMSS, with or without Z")

// ParseTime parses the time of an option, which is in local unless Z, or UTC,
// follows it. A day that its month does not have is refused, and so is 1970's
// first second, which OpenSSH takes for no time at all.
func ParseTime(s string, local *time.Location) (time.Time, error) {
	digits := strings.TrimRight(s, "UTCZutcz")
	switch strings.ToUpper(s[len(digits):]) {
	case "":
	case "Z", "UTC":
		local = time.UTC
	default:
		return time.Time{}, errTime
	}
	layout := "20060102150405"
	switch len(digits) {
	case 8, 12, 14:
		layout = layout[:len(digits)]
	default:
		return time.Time{}, errTime
	}
	t, err := time.ParseInLocation(layout, digits, local)
	if err != nil || t.Unix() <= 0 {
		return time.Time{}, errTime
	}
	return t, nil
}
