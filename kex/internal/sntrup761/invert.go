package sntrup761

// Inverses are computed by division steps (Bernstein and Yang, Fast
// constant-time gcd computation and modular inversion, 2019): always 2p-1 of
// them, on f, which begins as the modulus reversed, and g, the operand reversed.
// Each step exchanges f and g where delta is above zero and g(0) is not zero,
// then replaces g by the combination of both whose constant term is zero, over
// x. The same steps on v and r, which begin as zero and one, find the inverse: v
// reversed, over f(0).
const divisionSteps = 2*p - 1

// trits is the number of words that hold a bit of each of p+1 coefficients.
const trits = (p + 1 + 63) / 64

// A sliced is a polynomial over the field of three elements: bit i of plus is
// set where coefficient i is 1, bit i of minus where it is -1.
type sliced struct{ plus, minus [trits]uint64 }

func (s *sliced) set(i int, x int8) {
	s.plus[i/64] |= uint64(x) & 1 &^ (uint64(x) >> 1) << (i % 64)
	s.minus[i/64] |= uint64(x) >> 63 << (i % 64)
}

func (s *sliced) get(i int) int8 {
	return int8(s.plus[i/64]>>(i%64)&1) - int8(s.minus[i/64]>>(i%64)&1)
}

// invert3 returns the inverse of a in R/3, and whether there is one.
func invert3(a *small) (out small, ok bool) {
	var f, g, v, r sliced
	f.set(0, 1)
	f.set(p-1, -1)
	f.set(p, -1)
	for i, x := range a {
		g.set(p-1-i, x)
	}
	r.set(0, 1)
	delta := int64(1)
	for range divisionSteps {
		gPlus, gMinus := g.plus[0]&1, g.minus[0]&1
		fPlus, fMinus := f.plus[0]&1, f.minus[0]&1
		swap := uint64(-delta>>63) & -(gPlus | gMinus)
		delta ^= int64(swap) & (delta ^ -delta)
		delta++
		// The factor of f is -g(0)/f(0), which is -g(0)f(0).
		factorPlus := -(gPlus&fMinus | gMinus&fPlus)
		factorMinus := -(gPlus&fPlus | gMinus&fMinus)

		var carryPlus, carryMinus uint64
		for i := range trits { // v times x
			p, m := v.plus[i], v.minus[i]
			v.plus[i], v.minus[i] = p<<1|carryPlus, m<<1|carryMinus
			carryPlus, carryMinus = p>>63, m>>63
		}
		f.combine(&g, swap, factorPlus, factorMinus)
		v.combine(&r, swap, factorPlus, factorMinus)
		for i := range trits - 1 { // g over x
			g.plus[i] = g.plus[i]>>1 | g.plus[i+1]<<63
			g.minus[i] = g.minus[i]>>1 | g.minus[i+1]<<63
		}
		g.plus[trits-1] >>= 1
		g.minus[trits-1] >>= 1
	}
	sign := f.get(0)
	for i := range out {
		out[i] = sign * v.get(p-1-i)
	}
	return out, delta == 0
}

// combine exchanges s and t where swap is all ones, then adds s times the factor
// to t.
func (s *sliced) combine(t *sliced, swap, factorPlus, factorMinus uint64) {
	for i := range trits {
		sp, sm, tp, tm := s.plus[i], s.minus[i], t.plus[i], t.minus[i]
		xp, xm := (sp^tp)&swap, (sm^tm)&swap
		sp, sm, tp, tm = sp^xp, sm^xm, tp^xp, tm^xm
		s.plus[i], s.minus[i] = sp, sm
		ap, am := sp&factorPlus|sm&factorMinus, sm&factorPlus|sp&factorMinus
		x := (ap | tm) ^ (am | tp)
		t.plus[i], t.minus[i] = (am|tm)^x, (ap|tp)^x
	}
}

// A lanes is a polynomial modulo q of p+1 coefficients, two in a word: i and
// i+(p+1)/2. They are not negative and below 2^19, not reduced.
type lanes [half]uint64

const (
	half = (p + 1) / 2
	lane = 32
)

func (l *lanes) set(i int, x uint32) { l[i%half] |= uint64(x) << (i / half * lane) }
func (l *lanes) get(i int) uint32    { return uint32(l[i%half] >> (i / half * lane)) }

// invertTriple returns the inverse of 3a in R/q, where a is not zero modulo q.
// There always is one, since x^p - x - 1 is irreducible modulo q.
func invertTriple(a *small) (out ringQ) {
	var f, g, v, r lanes
	f.set(0, 1)
	f.set(p-1, q-1)
	f.set(p, q-1)
	for i, x := range a {
		g.set(p-1-i, uint32(int32(x)+int32(x)>>31&q))
	}
	const third = (2*q + 1) / 3
	r.set(0, third)
	delta := int64(1)
	for step := range divisionSteps {
		f0, g0 := uint64(reduce(f.get(0))), uint64(reduce(g.get(0)))
		swap := uint64(-delta>>63) & -(-g0 >> 63)
		delta ^= int64(swap) & (delta ^ -delta)
		delta++
		// The new g is f(0)g - g(0)f, exchanged or not, but for a sign that r gets
		// too.
		g0 = q - g0

		// v times x, and r. Their degrees have grown by one in each step at most.
		n := min(step+2, half)
		above := v[half-1] << lane
		vs := v[:n]
		for i, t := range r[:n] {
			s := above
			above = vs[i]
			vs[i] = s ^ (s^t)&swap
			r[i] = reduceLanes(f0*t + g0*s)
		}
		// f, and g over x. As many coefficients matter as there are steps left.
		n = min(divisionSteps-step, half)
		first := reduceLanes(f0*g[0] + g0*f[0])
		f[0] ^= (f[0] ^ g[0]) & swap
		fs, to := f[1:n], g[:n-1]
		for i, t := range g[1:n] {
			s := fs[i]
			fs[i] = s ^ (s^t)&swap
			to[i] = reduceLanes(f0*t + g0*s)
		}
		g[half-1] = first >> lane
	}
	scale := inverse(reduce(f.get(0)))
	for i := range out {
		out[i] = modQ(int32(reduce(reduce(v.get(p-1-i)) * scale)))
	}
	return out
}

// reduceLanes subtracts multiples of q from both lanes of x, which leaves less
// than 2^18 + 5q: the quotient is found from the 14 high bits.
func reduceLanes(x uint64) uint64 {
	const lowest = 1<<lane + 1 // one, in both lanes
	const shift = 12
	const inverse = 1 << (18 + shift) / q
	quotient := x >> 18 & (lowest * (1<<14 - 1)) * inverse
	quotient = quotient >> shift & (lowest * (1<<(lane-shift) - 1))
	return x - quotient*q
}

// reduce returns x modulo q, for x below 2^31: the error of the inverse, which
// is below q in units of 2^-44/q, times x is below 2^44.
func reduce(x uint32) uint32 {
	const inverse = 1<<44/q + 1
	return x - uint32(uint64(x)*inverse>>44)*q
}

// inverse returns 1/x modulo q, as x to the power of q-2; x is below q.
func inverse(x uint32) uint32 {
	y := uint32(1)
	for bit := 12; bit >= 0; bit-- {
		y = reduce(y * y)
		if (q-2)>>bit&1 == 1 { // of a constant
			y = reduce(y * x)
		}
	}
	return y
}
