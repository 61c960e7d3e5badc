//go:build interop

package interop

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// pairwise returns rows of one value of each factor, in which each two values
// of two factors stand together at least once, if they are compatible. Factor
// i has sizes[i] values, numbered from 0. Each value must be compatible with
// some value of each other factor.
func pairwise(sizes []int, compatible func(i, a, j, b int) bool) (rows [][]int) {
	type pair struct{ i, a, j, b int }
	left := make(map[pair]bool)
	var order []pair
	for i := range sizes {
		for j := range i {
			for a := range sizes[i] {
				for b := range sizes[j] {
					if p := (pair{i, a, j, b}); compatible(j, b, i, a) {
						left[p] = true
						order = append(order, p)
					}
				}
			}
		}
	}
	between := func(i, a, j, b int) pair {
		if i < j {
			i, a, j, b = j, b, i, a
		}
		return pair{i, a, j, b}
	}
	for _, p := range order {
		if !left[p] {
			continue
		}
		row := slices.Repeat([]int{-1}, len(sizes))
		row[p.i], row[p.j] = p.a, p.b
		// Each further value is that which makes the most pairs that are left
		// with those there are.
		for i := range row {
			if row[i] >= 0 {
				continue
			}
			best := -1
			for n := range sizes[i] {
				a := (n + len(rows)) % sizes[i] // in turn, where it does not matter
				gain := 0
				for j, b := range row {
					switch {
					case b < 0:
					case !compatible(min(i, j), pick(i < j, a, b), max(i, j), pick(i < j, b, a)):
						gain = -len(row)
					case left[between(i, a, j, b)]:
						gain++
					}
				}
				if gain > best {
					row[i], best = a, gain
				}
			}
		}
		for i, a := range row {
			for j, b := range row[:i] {
				delete(left, pair{i, a, j, b})
			}
		}
		rows = append(rows, row)
	}
	return rows
}

func pick(first bool, a, b int) int {
	if first {
		return a
	}
	return b
}

func TestPairwise(t *testing.T) {
	sizes := []int{4, 3, 7, 2, 1}
	// Value 0 of the first factor goes with value 0 of the second and no other.
	compatible := func(i, a, j, b int) bool { return i != 0 || j != 1 || (a == 0) == (b == 0) }
	rows := pairwise(sizes, compatible)
	require.LessOrEqual(t, len(rows), 4*7+5)
	for i := range sizes {
		for j := i + 1; j < len(sizes); j++ {
			for a := range sizes[i] {
				for b := range sizes[j] {
					found := slices.ContainsFunc(rows, func(row []int) bool { return row[i] == a && row[j] == b })
					require.Equal(t, compatible(i, a, j, b), found, "%d=%d %d=%d", i, a, j, b)
				}
			}
		}
	}
}
