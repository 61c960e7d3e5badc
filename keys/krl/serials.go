package krl

import (
	"cmp"
	"math"
	"slices"
)

// A Range is all serial numbers from First to Last, both included.
type Range struct{ First, Last uint64 }

func (r Range) valid() bool { return r.First > 0 && r.First <= r.Last }

// length returns how many numbers the range has: no valid one has 2^64.
func (r Range) length() uint64 { return r.Last - r.First + 1 }

// normalize sorts ranges and makes one of those that overlap or touch.
func normalize(ranges []Range) []Range {
	slices.SortFunc(ranges, func(a, b Range) int { return cmp.Compare(a.First, b.First) })
	merged := ranges[:0]
	for _, r := range ranges {
		if n := len(merged); n > 0 && touches(merged[n-1], r) {
			merged[n-1].Last = max(merged[n-1].Last, r.Last)
			continue
		}
		merged = append(merged, r)
	}
	return merged
}

// touches reports whether b, which does not begin before a, leaves no gap to it.
func touches(a, b Range) bool { return a.Last == math.MaxUint64 || b.First <= a.Last+1 }

// contains looks for a serial number in what normalize returned.
func contains(ranges []Range, serial uint64) bool {
	_, found := slices.BinarySearchFunc(ranges, serial, func(r Range, serial uint64) int {
		switch {
		case r.Last < serial:
			return -1
		case r.First > serial:
			return 1
		default:
			return 0
		}
	})
	return found
}
