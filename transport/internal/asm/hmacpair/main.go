// Command hmacpair writes the assembly of that package: SHA-256 (FIPS 180-4
// section 6.2) of two messages at once.
//
// The processor's instruction for two rounds takes four cycles before its result
// can be used, and one can begin in every second. One message leaves half of
// them idle, two leave none.
package main

import (
	"math/big"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

func main() {
	ConstraintExpr("!purego")
	leaf7()
	blocks()
	Generate()
}

// leaf7 tells which instructions there are.
func leaf7() {
	TEXT("leaf7", NOSPLIT, "func() uint32")
	Doc("leaf7 returns what CPUID says in EBX for leaf 7.")
	MOVL(U32(7), EAX)
	XORL(ECX, ECX)
	CPUID()
	Store(EBX, ReturnIndex(0))
	RET()
}

// A lane has one message. The state is in two registers, in the order in which
// SHA256RNDS2 has it: words a, b, e, f and c, d, g, h, each from the highest down.
type lane struct {
	abef, cdgh VecPhysical
	w          [4]VecPhysical // the last 16 words of the message schedule
	t          VecPhysical
	saved      Mem // the state before the block
	p, state   GPPhysical
}

// pair is what SHA256RNDS2 takes its two words from.
var pair = X0

var constants, swap, joined Mem

func blocks() {
	constants = GLOBL("constants", RODATA|NOPTR)
	for i, k := range roundConstants {
		DATA(4*i, U32(k))
	}
	swap = GLOBL("swap", RODATA|NOPTR) // the bytes of each word
	for i := range 16 {
		DATA(i, U8(i^3))
	}

	TEXT("blocks", NOSPLIT, "func(s1, s2 *[8]uint32, p1, p2 *byte, n int)")
	Doc("blocks adds n blocks of 64 bytes of p1 to s1, and as many of p2 to s2.")
	Pragma("noescape")
	memory := AllocLocal(4 * 16)
	lanes := []lane{
		{X1, X2, [4]VecPhysical{X3, X4, X5, X6}, X7, memory, RAX, RCX},
		{X8, X9, [4]VecPhysical{X10, X11, X12, X13}, X14, memory.Offset(32), RBX, RDX},
	}
	each := func(f func(l *lane)) {
		for i := range lanes {
			f(&lanes[i])
		}
	}
	Load(Param("s1"), lanes[0].state)
	Load(Param("s2"), lanes[1].state)
	Load(Param("p1"), lanes[0].p)
	Load(Param("p2"), lanes[1].p)
	left := RSI
	Load(Param("n"), left)

	each(loadState)
	Label("more")
	each(func(l *lane) {
		VMOVDQU(l.abef, l.saved)
		VMOVDQU(l.cdgh, l.saved.Offset(16))
		for i, w := range l.w {
			VMOVDQU(Mem{Base: l.p, Disp: 16 * i}, w)
			VPSHUFB(swap, w, w)
		}
	})
	for g := range 16 { // four rounds each
		if g >= 4 {
			each(func(l *lane) { schedule(l, g) })
		}
		each(func(l *lane) {
			VPADDD(constants.Offset(16*g), l.w[g%4], l.t)
			VMOVDQA(l.t, pair)
			SHA256RNDS2(pair, l.abef, l.cdgh)
		})
		each(func(l *lane) {
			VPSHUFD(U8(0b1110), l.t, pair)
			SHA256RNDS2(pair, l.cdgh, l.abef)
		})
	}
	each(func(l *lane) {
		VPADDD(l.saved, l.abef, l.abef)
		VPADDD(l.saved.Offset(16), l.cdgh, l.cdgh)
		ADDQ(Imm(64), l.p)
	})
	DECQ(left)
	JNZ(LabelRef("more"))
	each(storeState)
	RET()
}

// schedule replaces words 4g-16 to 4g-13 of the message schedule by words 4g to
// 4g+3.
func schedule(l *lane, g int) {
	w, next, last := l.w[g%4], l.w[(g+1)%4], l.w[(g+3)%4]
	SHA256MSG1(next, w)
	VPALIGNR(U8(4), l.w[(g+2)%4], last, l.t)
	VPADDD(l.t, w, w)
	SHA256MSG2(last, w)
}

// loadState brings the words of the state into the registers' order.
func loadState(l *lane) {
	VMOVDQU(Mem{Base: l.state}, l.t)              // d c b a
	VMOVDQU(Mem{Base: l.state, Disp: 16}, l.cdgh) // h g f e
	VPUNPCKLQDQ(l.cdgh, l.t, l.abef)              // f e b a
	VPUNPCKHQDQ(l.cdgh, l.t, l.cdgh)              // h g d c
	VPSHUFD(U8(0b00_01_10_11), l.abef, l.abef)    // a b e f
	VPSHUFD(U8(0b00_01_10_11), l.cdgh, l.cdgh)    // c d g h
}

// storeState is the reverse.
func storeState(l *lane) {
	VPSHUFD(U8(0b00_01_10_11), l.abef, l.abef)
	VPSHUFD(U8(0b00_01_10_11), l.cdgh, l.cdgh)
	VPUNPCKLQDQ(l.cdgh, l.abef, l.t)
	VMOVDQU(l.t, Mem{Base: l.state})
	VPUNPCKHQDQ(l.cdgh, l.abef, l.t)
	VMOVDQU(l.t, Mem{Base: l.state, Disp: 16})
}

// roundConstants are those of FIPS 180-4 section 4.2.2: of the cube roots of the
// first 64 primes, 32 bits behind the point.
var roundConstants = cubeRoots()

func cubeRoots() (k [64]uint32) {
	n := 0
	for p := 2; n < len(k); p++ {
		if prime(p) {
			k[n] = fraction(p)
			n++
		}
	}
	return k
}

func prime(p int) bool {
	for d := 2; d*d <= p; d++ {
		if p%d == 0 {
			return false
		}
	}
	return true
}

// fraction is ⌊2^32·∛p⌋ modulo 2^32.
func fraction(p int) uint32 {
	cube := new(big.Int).Lsh(big.NewInt(int64(p)), 96)
	root := uint64(0)
	for bit := uint64(1) << 40; bit > 0; bit >>= 1 {
		x := new(big.Int).SetUint64(root | bit)
		if new(big.Int).Exp(x, big.NewInt(3), nil).Cmp(cube) <= 0 {
			root |= bit
		}
	}
	return uint32(root)
}
