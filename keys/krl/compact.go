package krl

import (
	"math"

	"github.com/fairlead-go/ssh/wire"
)

// Serial numbers can stand in a list in three ways. Which of them takes the
// least room for each range depends on its neighbours, since a list or bitmap
// that is open costs nothing to go on with. As in a shortest path, all that is
// kept of what came before is the cheapest way to end in each of the forms.

type form uint8

const (
	asList   form = iota // 64 bits a number
	asRange              // a section each
	asBitmap             // a bit a number, from the first one on
	forms
)

// What things cost, in bits.
const (
	sectionCost = 8 * (1 + 4)           // type and length
	rangeCost   = sectionCost + 2*64    // first and last
	bitmapCost  = sectionCost + 64 + 40 // offset, length, and a byte for the sign
	never       = math.MaxUint64 / 2
)

// maxBitmap is the length of the longest bitmap that OpenSSH reads, in bits.
const maxBitmap = 16384

// A step is the form of one range, and whether it goes on with what the range
// before it has begun.
type step struct {
	form form
	goOn bool
}

// A path is the cheapest way to write all ranges so far such that the last of
// them has a given form.
type path struct {
	cost  uint64
	start uint64 // where the open bitmap begins
}

// plan returns a step for each of the ranges.
func plan(ranges []Range) []step {
	if len(ranges) == 0 {
		return nil
	}
	type origin struct {
		from form
		goOn bool
	}
	origins := make([][forms]origin, len(ranges))
	paths := [forms]path{{cost: never}, {cost: 0}, {cost: never}} // as after a range
	for i, r := range ranges {
		best := asList
		for f := range forms {
			if paths[f].cost < paths[best].cost {
				best = f
			}
		}
		var next [forms]path
		// consider takes a way to a form if it is the cheapest so far.
		for f := range forms {
			next[f].cost = never
		}
		consider := func(f form, p path, o origin) {
			if p.cost < next[f].cost {
				next[f] = p
				origins[i][f] = o
			}
		}
		base := paths[best].cost
		consider(asRange, path{cost: base + rangeCost}, origin{best, false})
		// A longer one costs more than a range.
		if n := r.length(); n <= maxBitmap {
			consider(asList, path{cost: base + sectionCost + 64*n}, origin{best, false})
			consider(asList, path{cost: paths[asList].cost + 64*n}, origin{asList, true})
			consider(asBitmap, path{cost: base + bitmapCost + n, start: r.First}, origin{best, false})
			if b := paths[asBitmap]; b.cost < never && r.Last-b.start < maxBitmap {
				consider(asBitmap, path{cost: b.cost + r.Last - ranges[i-1].Last, start: b.start}, origin{asBitmap, true})
			}
		}
		paths = next
	}
	last := asList
	for f := range forms {
		if paths[f].cost < paths[last].cost {
			last = f
		}
	}
	steps := make([]step, len(ranges))
	for i := len(ranges) - 1; i >= 0; i-- {
		o := origins[i][last]
		steps[i] = step{form: last, goOn: o.goOn}
		last = o.from
	}
	return steps
}

// appendSerials appends the sections for normalized ranges.
func appendSerials(b []byte, ranges []Range) []byte {
	steps := plan(ranges)
	for len(ranges) > 0 {
		n := 1
		for n < len(steps) && steps[n].goOn {
			n++
		}
		section := appendSection[steps[0].form]
		b = section(b, ranges[:n])
		ranges, steps = ranges[n:], steps[n:]
	}
	return b
}

// appendSection appends one section that has all of the ranges.
var appendSection = [forms]func(b []byte, ranges []Range) []byte{
	asList: func(b []byte, ranges []Range) []byte {
		var section []byte
		for _, r := range ranges {
			for n := range r.length() {
				section = wire.AppendUint64(section, r.First+n)
			}
		}
		return wire.AppendString(append(b, certSerialList), section)
	},
	asRange: func(b []byte, ranges []Range) []byte {
		section := wire.AppendUint64(nil, ranges[0].First)
		section = wire.AppendUint64(section, ranges[0].Last)
		return wire.AppendString(append(b, certSerialRange), section)
	},
	asBitmap: func(b []byte, ranges []Range) []byte {
		offset := ranges[0].First
		bitmap := make([]byte, (ranges[len(ranges)-1].Last-offset)/8+1)
		for _, r := range ranges {
			for n := range r.length() {
				bit := r.First + n - offset
				bitmap[len(bitmap)-1-int(bit/8)] |= 1 << (bit % 8)
			}
		}
		section := wire.AppendUint64(nil, offset)
		section = wire.AppendMpint(section, bitmap)
		return wire.AppendString(append(b, certSerialBitmap), section)
	},
}
