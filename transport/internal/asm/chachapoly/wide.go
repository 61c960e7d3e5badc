package main

import (
	"slices"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// For processors with AVX-512 there are functions for long packets. They have 32
// registers of twice the size, a rotation that is one instruction, and a
// multiplication made for numbers in parts (IFMA), so that Poly1305 is in vectors
// as well, and nothing is gained by interleaving it with the cipher.

// z are the registers.
var z = [...]VecPhysical{
	Z0, Z1, Z2, Z3, Z4, Z5, Z6, Z7, Z8, Z9, Z10, Z11, Z12, Z13, Z14, Z15,
	Z16, Z17, Z18, Z19, Z20, Z21, Z22, Z23, Z24, Z25, Z26, Z27, Z28, Z29, Z30, Z31,
}

// wideCipher computes 32 blocks at a time: two sets of 16 registers, each with one
// state word of 16 blocks. One set alone would wait for its own results half of the
// time.
func wideCipher() {
	const set = 16
	counters := GLOBL("counters", RODATA|NOPTR) // of the blocks of both sets
	for i := range 2 * set {
		DATA(4*i, U32(i))
	}

	TEXT("xorWide", 0, "func(dst *byte, state *[16]uint32, n int)")
	Doc("xorWide xors dst with n×2048 bytes of the key stream.", "It advances the block counter in state.")
	Pragma("noescape")
	AllocLocal(set*64 + 64) // the second set, while the first is transposed
	LEAQ(Mem{Base: StackPointer, Disp: 63}, frame)
	ANDQ(I8(-64), frame)
	saved := func(i int) Mem { return Mem{Base: frame, Disp: 64 * i} }
	dst, state, left, rounds := RDI, RSI, RCX, RAX
	Load(Param("dst"), dst)
	Load(Param("state"), state)
	Load(Param("n"), left)
	word := func(i int) Mem { return Mem{Base: state, Disp: 4 * i} }

	Label("more")
	for i := range 2 * set {
		VPBROADCASTD(word(i%set), z[i])
	}
	VPADDD(counters, z[12], z[12])
	VPADDD(counters.Offset(64), z[set+12], z[set+12])
	MOVQ(U32(10), rounds)
	Label("round")
	for diagonal := range 2 {
		var quarters []wideQuarter
		for _, at := range []int{0, set} {
			for i := range 4 {
				row := func(n int) VecPhysical { return z[at+4*n+(i+n*diagonal)%4] }
				quarters = append(quarters, wideQuarter{row(0), row(1), row(2), row(3)})
			}
		}
		wideQuarters(quarters)
	}
	DECQ(rounds)
	JNZ(LabelRef("round"))

	// What the rounds began with is added, which for the counters is two things.
	for i := range 2 * set {
		VPADDD_BCST(word(i%set), z[i], z[i])
	}
	VPADDD(counters, z[12], z[12])
	VPADDD(counters.Offset(64), z[set+12], z[set+12])

	for i := range set {
		VMOVDQA32(z[set+i], saved(i))
	}
	for at := range 2 {
		if at == 1 {
			for i := range set {
				VMOVDQA32(saved(i), z[i])
			}
		}
		in, out := [set]VecPhysical(z[:set]), [set]VecPhysical(z[set:])
		wideTranspose(in, out)
		for i := range set {
			at := Mem{Base: dst, Disp: 64 * (set*at + i)}
			VPXORD(at, in[i], in[i])
			VMOVDQU32(in[i], at)
		}
	}
	ADDQ(U32(2*set*64), dst)
	ADDL(Imm(2*set), word(12))
	DECQ(left)
	JNZ(LabelRef("more"))
	VZEROUPPER()
	RET()
}

// A wideQuarter is a quarter round of the words in four registers.
type wideQuarter struct{ a, b, c, d VecPhysical }

// wideQuarters emits them, interleaved.
func wideQuarters(quarters []wideQuarter) {
	each := func(f func(q wideQuarter)) {
		for _, q := range quarters {
			f(q)
		}
	}
	for _, turn := range [][2]uint8{{16, 12}, {8, 7}} {
		each(func(q wideQuarter) { VPADDD(q.b, q.a, q.a) })
		each(func(q wideQuarter) { VPXORD(q.a, q.d, q.d) })
		each(func(q wideQuarter) { VPROLD(U8(turn[0]), q.d, q.d) })

		each(func(q wideQuarter) { VPADDD(q.d, q.c, q.c) })
		each(func(q wideQuarter) { VPXORD(q.c, q.b, q.b) })
		each(func(q wideQuarter) { VPROLD(U8(turn[1]), q.b, q.b) })
	}
}

// wideTranspose turns sixteen words of sixteen blocks in in into the blocks.
// What out has is lost.
func wideTranspose(in, out [16]VecPhysical) {
	for i := 0; i < 16; i += 2 { // pairs of words
		VPUNPCKLDQ(in[i+1], in[i], out[i])
		VPUNPCKHDQ(in[i+1], in[i], out[i+1])
	}
	for i := 0; i < 16; i += 4 { // fours: in[i+n] has those of block n, n+4, n+8 and n+12
		VPUNPCKLQDQ(out[i+2], out[i], in[i])
		VPUNPCKHQDQ(out[i+2], out[i], in[i+1])
		VPUNPCKLQDQ(out[i+3], out[i+1], in[i+2])
		VPUNPCKHQDQ(out[i+3], out[i+1], in[i+3])
	}
	const evens, odds = 0b10_00_10_00, 0b11_01_11_01
	for n := range 4 { // eights: of blocks n and n+8, then of n+4 and n+12
		VSHUFI32X4(U8(evens), in[4+n], in[n], out[n])
		VSHUFI32X4(U8(odds), in[4+n], in[n], out[4+n])
		VSHUFI32X4(U8(evens), in[12+n], in[8+n], out[8+n])
		VSHUFI32X4(U8(odds), in[12+n], in[8+n], out[12+n])
	}
	for n := range 8 {
		VSHUFI32X4(U8(evens), out[8+n], out[n], in[n])
		VSHUFI32X4(U8(odds), out[8+n], out[n], in[8+n])
	}
}

// In vectors, a number modulo 2^130-5 is in three parts of 44, 44 and 42 bits, or a
// few more: eight numbers in three registers. The blocks of a message are dealt
// out to sixteen sums. Each is multiplied by r^16 before the next block comes to it.
type sums struct {
	part   [3]VecPhysical
	lo, hi [3]VecPhysical // of a product, 52 bits each
}

var (
	groups = [2]sums{ // of eight blocks each
		{[3]VecPhysical{Z0, Z1, Z2}, [3]VecPhysical{Z3, Z4, Z5}, [3]VecPhysical{Z6, Z7, Z8}},
		{[3]VecPhysical{Z9, Z10, Z11}, [3]VecPhysical{Z12, Z13, Z14}, [3]VecPhysical{Z15, Z16, Z17}},
	}
	// factor is a power of r: its parts, and twenty times the last two.
	factor                   = [5]VecPhysical{Z18, Z19, Z20, Z21, Z22}
	mask44, mask42, blockEnd = Z23, Z24, Z25
)

// Offsets into powers, in bytes: factors of which all eight numbers are the
// same, and the one of which they are not.
const (
	offsetR16   = 0
	offsetR8    = 5 * 8
	offsetLanes = 2 * 5 * 8
)

// wideAuthenticator is Poly1305 of many blocks, in vectors.
func wideAuthenticator() {
	constant := func(name string, value uint64) Mem {
		m := GLOBL(name, RODATA|NOPTR)
		DATA(0, U64(value))
		return m
	}
	low44 := constant("low44", 1<<44-1)
	low42 := constant("low42", 1<<42-1)
	bit128 := constant("bit128", 1<<(128-88))

	TEXT("polyWide", NOSPLIT, "func(msg *byte, n int, powers *[2*5 + 5*8]uint64, result *[3][8]uint64)")
	Doc("polyWide computes Poly1305 of n×256 bytes of msg, in eight numbers that are to be added.")
	Pragma("noescape")
	message, left, powers, result := RDI, RCX, RSI, RDX
	Load(Param("msg"), message)
	Load(Param("n"), left)
	Load(Param("powers"), powers)
	VPBROADCASTQ(low44, mask44)
	VPBROADCASTQ(low42, mask42)
	VPBROADCASTQ(bit128, blockEnd)
	broadcast := func(offset int) {
		for i, f := range factor {
			VPBROADCASTQ(Mem{Base: powers, Disp: offset + 8*i}, f)
		}
	}
	for _, s := range groups {
		for _, part := range s.part {
			VPXORQ(part, part, part)
		}
	}
	broadcast(offsetR16)
	DECQ(left)
	JZ(LabelRef("last"))
	Label("more")
	interleave(addBlocks(groups[0], message, 0), addBlocks(groups[1], message, 128))
	interleave(wideMultiply(groups[0]), wideMultiply(groups[1]))
	ADDQ(U32(256), message)
	DECQ(left)
	JNZ(LabelRef("more"))

	// Of the last blocks, the first eight are multiplied by r^8, and the sums by
	// r^8 to r.
	Label("last")
	broadcast(offsetR8)
	interleave(addBlocks(groups[0], message, 0), addBlocks(groups[1], message, 128))
	emit(wideMultiply(groups[0]))
	for i := range 3 {
		VPADDQ(groups[1].part[i], groups[0].part[i], groups[0].part[i])
	}
	for i, f := range factor {
		VMOVDQU64(Mem{Base: powers, Disp: offsetLanes + 64*i}, f)
	}
	emit(wideMultiply(groups[0]))
	Load(Param("result"), result)
	for i := range 3 {
		VMOVDQU64(groups[0].part[i], Mem{Base: result, Disp: 64 * i})
	}
	VZEROUPPER()
	RET()
}

// orThenAnd is how VPTERNLOGQ makes of its last operand that or the one before,
// and the first: bit 4·last + 2·before + first of it.
const orThenAnd = 0b10101000

// addBlocks adds 128 bytes of message to s: blocks 0, 4, 1, 5, 2, 6, 3 and 7, in
// this order, as the unpacking has it.
func addBlocks(s sums, message Register, offset int) []op {
	low, high, t := s.lo[0], s.lo[1], s.lo[2]
	at := func(n int) Mem { return Mem{Base: message, Disp: offset + n} }
	return []op{
		func() { VMOVDQU64(at(0), low) },
		func() { VMOVDQU64(at(64), high) },
		func() { VPUNPCKHQDQ(high, low, t) },
		func() { VPUNPCKLQDQ(high, low, low) },

		func() { VPSLLQ(U8(20), t, high) },
		func() { VPSRLQ(U8(24), t, t) },
		func() { VPADDQ(blockEnd, s.part[2], s.part[2]) },
		func() { VPADDQ(t, s.part[2], s.part[2]) },
		func() { VPSRLQ(U8(44), low, t) },
		func() { VPTERNLOGQ(U8(orThenAnd), mask44, t, high) },
		func() { VPADDQ(high, s.part[1], s.part[1]) },
		func() { VPANDQ(mask44, low, low) },
		func() { VPADDQ(low, s.part[0], s.part[0]) },
	}
}

// wideMultiply multiplies s by factor. Of parts of s less than 2^46, 2^46 and 2^45,
// and of factor less than 2^44 and a little, 2^44 and 2^42, the products are less than
// 2^95: the upper 52 bits of the three that are added fit into 45, and the lower
// into 54. It leaves parts less than 2^44, 2^44 and a little, and 2^42.
func wideMultiply(s sums) (ops []op) {
	add := func(o op) { ops = append(ops, o) }
	for i := range 3 {
		add(func() { VPXORQ(s.lo[i], s.lo[i], s.lo[i]) })
		add(func() { VPXORQ(s.hi[i], s.hi[i], s.hi[i]) })
	}
	for j := range 3 { // part j of s with part k of factor: 2^(44·(j+k)), and 2^132 is 20
		for i := range 3 { // part i of the product
			k := i - j
			if k < 0 {
				k += 5 // twenty times parts 1 and 2 are factors 3 and 4
			}
			add(func() { VPMADD52LUQ(factor[k], s.part[j], s.lo[i]) })
			add(func() { VPMADD52HUQ(factor[k], s.part[j], s.hi[i]) })
		}
	}
	// What is over the 44 bits of one part goes to the next, and what is over
	// 2^130, five times, to the first. An upper half counts 2^8 there.
	carry := func(i int, mask VecPhysical, bits, up int) {
		add(func() { VPANDQ(mask, s.lo[i], s.part[i]) })
		add(func() { VPSRLQ(U8(bits), s.lo[i], s.lo[i]) })
		add(func() { VPSLLQ(U8(up), s.hi[i], s.hi[i]) })
		add(func() { VPADDQ(s.lo[i], s.hi[i], s.hi[i]) })
	}
	carry(0, mask44, 44, 8)
	add(func() { VPADDQ(s.hi[0], s.lo[1], s.lo[1]) })
	carry(1, mask44, 44, 8)
	add(func() { VPADDQ(s.hi[1], s.lo[2], s.lo[2]) })
	carry(2, mask42, 42, 10)
	return slices.Concat(ops, []op{
		func() { VPADDQ(s.hi[2], s.part[0], s.part[0]) },
		func() { VPSLLQ(U8(2), s.hi[2], s.hi[2]) },
		func() { VPADDQ(s.hi[2], s.part[0], s.part[0]) },
		func() { VPSRLQ(U8(44), s.part[0], s.lo[0]) },
		func() { VPANDQ(mask44, s.part[0], s.part[0]) },
		func() { VPADDQ(s.lo[0], s.part[1], s.part[1]) },
	})
}
