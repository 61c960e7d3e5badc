// Command chachapoly writes the assembly of that package. It is in a module of its
// own, so that nobody who imports the library gets avo with it.
//
// Each function works on 512 bytes at a time. ChaCha20 is computed in the vector
// registers, eight blocks at once, one state word of all eight in each
// register; Poly1305 in the general ones, one block of 16 bytes after the
// other. The two need different parts of the processor, so their instructions
// are interleaved: neither waits for the other.
package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

func main() {
	ConstraintExpr("!purego")

	tables()
	cipher("xorPoly", "xors dst with n×512 bytes of the key stream, and adds as many of msg to mac.", true, true)
	cipher("streamPoly", "writes n×512 bytes of the key stream to dst, and adds as many of msg to mac.", false, true)
	cipher("xor", "xors dst with n×512 bytes of the key stream.", true, false)
	authenticator()
	mixer()
	Generate()
}

// An op emits one instruction.
type op func()

// interleave emits both lists, each in its order, evenly mixed.
func interleave(a, b []op) {
	if len(b) > len(a) {
		a, b = b, a
	}
	done := 0
	for i, o := range a {
		o()
		for done*len(a) < (i+1)*len(b) {
			b[done]()
			done++
		}
	}
}

var rotate16, rotate8, lanes, eights Mem

func tables() {
	shuffle := func(name string, by int) Mem {
		m := GLOBL(name, RODATA|NOPTR)
		for lane := range 2 {
			for i := range 16 {
				// Byte i of a word comes from by bytes lower.
				DATA(lane*16+i, U8(i&^3|(i-by)&3))
			}
		}
		return m
	}
	rotate16 = shuffle("rotate16", 2)
	rotate8 = shuffle("rotate8", 1)
	lanes = GLOBL("lanes", RODATA|NOPTR)
	for i := range 8 {
		DATA(4*i, U32(i))
	}
	eights = GLOBL("eights", RODATA|NOPTR)
	for i := range 8 {
		DATA(4*i, U32(8))
	}
}

// state words 0 to 7 and 12 to 15 stay in their registers through the rounds.
// Of 8 to 11 two at a time are in Y8 and Y9, the others in memory, which leaves
// Y10 and Y11 for what is in between.
var (
	y  = [...]VecPhysical{Y0, Y1, Y2, Y3, Y4, Y5, Y6, Y7, Y8, Y9, Y10, Y11, Y12, Y13, Y14, Y15}
	t0 = Y10
	t1 = Y11
)

// quarters are two quarter rounds (RFC 8439 section 2.1), interleaved. Each is
// the registers of a, b, c, d, and one to spare.
func quarters(p, q [5]VecPhysical) []op {
	var ops []op
	both := func(f func(v [5]VecPhysical)) {
		ops = append(ops, func() { f(p) }, func() { f(q) })
	}
	step := func(a, b, d int, turn int) {
		both(func(v [5]VecPhysical) { VPADDD(v[b], v[a], v[a]) })
		both(func(v [5]VecPhysical) { VPXOR(v[a], v[d], v[d]) })
		switch turn {
		case 16:
			both(func(v [5]VecPhysical) { VPSHUFB(rotate16, v[d], v[d]) })
		case 8:
			both(func(v [5]VecPhysical) { VPSHUFB(rotate8, v[d], v[d]) })
		default:
			both(func(v [5]VecPhysical) { VPSLLD(U8(turn), v[d], v[4]) })
			both(func(v [5]VecPhysical) { VPSRLD(U8(32-turn), v[d], v[d]) })
			both(func(v [5]VecPhysical) { VPOR(v[4], v[d], v[d]) })
		}
	}
	const a, b, c, d = 0, 1, 2, 3
	step(a, b, d, 16)
	step(c, d, b, 12)
	step(a, b, d, 8)
	step(c, d, b, 7)
	return ops
}

// doubleRound is a column round and a diagonal round. It begins and ends with
// words 8 and 9 in Y8 and Y9; spilled has room for words 8 to 11.
func doubleRound(spilled Mem) []op {
	swap := func(out, in int) []op {
		return []op{
			func() { VMOVDQU(Y8, spilled.Offset(32*(out-8))) },
			func() { VMOVDQU(Y9, spilled.Offset(32*(out-7))) },
			func() { VMOVDQU(spilled.Offset(32*(in-8)), Y8) },
			func() { VMOVDQU(spilled.Offset(32*(in-7)), Y9) },
		}
	}
	quarter := func(a, b int, c VecPhysical, d int, t VecPhysical) [5]VecPhysical {
		return [5]VecPhysical{y[a], y[b], c, y[d], t}
	}
	var ops []op
	ops = append(ops, quarters(quarter(0, 4, Y8, 12, t0), quarter(1, 5, Y9, 13, t1))...)
	ops = append(ops, swap(8, 10)...)
	ops = append(ops, quarters(quarter(2, 6, Y8, 14, t0), quarter(3, 7, Y9, 15, t1))...)
	ops = append(ops, quarters(quarter(0, 5, Y8, 15, t0), quarter(1, 6, Y9, 12, t1))...)
	ops = append(ops, swap(10, 8)...)
	ops = append(ops, quarters(quarter(2, 7, Y8, 13, t0), quarter(3, 4, Y9, 14, t1))...)
	return ops
}

// transpose turns eight words of eight blocks in in, which are lost, into
// eight words each of the blocks, in out. The order of out is that of blocks.
func transpose(in, out [8]VecPhysical) []op {
	var ops []op
	add := func(o op) { ops = append(ops, o) }
	for i := 0; i < 8; i += 2 { // pairs of words
		add(func() { VPUNPCKLDQ(in[i+1], in[i], out[i]) })
		add(func() { VPUNPCKHDQ(in[i+1], in[i], out[i+1]) })
	}
	for i := 0; i < 8; i += 4 { // fours
		add(func() { VPUNPCKLQDQ(out[i+2], out[i], in[i]) })     // blocks 0 and 4
		add(func() { VPUNPCKHQDQ(out[i+2], out[i], in[i+1]) })   // 1 and 5
		add(func() { VPUNPCKLQDQ(out[i+3], out[i+1], in[i+2]) }) // 2 and 6
		add(func() { VPUNPCKHQDQ(out[i+3], out[i+1], in[i+3]) }) // 3 and 7
	}
	for i := range 4 {
		add(func() { VPERM2I128(U8(0x20), in[i+4], in[i], out[i]) })
		add(func() { VPERM2I128(U8(0x31), in[i+4], in[i], out[i+4]) })
	}
	return ops
}

// Where the numbers of a mac are.
const offsetH, offsetR0, offsetR1, offsetS1 = 0, 24, 32, 40

// The general registers, all of those that there are.
var (
	h0, h1, h2 = RSI, RDI, R8
	d0, d1     = R9, R10
	d2, d3     = R11, R12
	high       = R13
	lo, hi     = RAX, RBX
	msg        = RCX
)

// block adds 16 bytes of msg at an offset to h, and multiplies by r, modulo
// 2^130-5. With h = h0 + 2^64·h1 + 2^128·h2 and s1 = 5·r1/4, which is whole,
//
//	h·r = h0·r0 + h1·s1 + 2^64·(h0·r1 + h1·r0 + h2·s1) + 2^128·h2·r0
//
// since 2^130 is 5. What is then over 130 bits comes in again at the bottom,
// likewise. h2 is less than 8 at any time, so its products fit into 64 bits.
func block(mac Mem, offset int) []op {
	r0, r1, s1 := mac.Offset(0), mac.Offset(8), mac.Offset(16)
	return []op{
		func() { ADDQ(Mem{Base: msg, Disp: offset}, h0) },
		func() { ADCQ(Mem{Base: msg, Disp: offset + 8}, h1) },
		func() { ADCQ(Imm(1), h2) },

		func() { MOVQ(r0, RDX) },
		func() { MULXQ(h0, d0, d1) },
		func() { MULXQ(h1, d2, d3) },
		func() { IMULQ(h2, RDX) },
		func() { MOVQ(RDX, high) },

		func() { MOVQ(r1, RDX) },
		func() { MULXQ(h0, lo, hi) },
		func() { ADDQ(lo, d2) },
		func() { ADCQ(hi, d3) },

		func() { MOVQ(s1, RDX) },
		func() { MULXQ(h1, lo, hi) },
		func() { IMULQ(RDX, h2) },
		func() { ADDQ(lo, d0) },
		func() { ADCQ(hi, d1) },
		func() { ADDQ(h2, d2) },
		func() { ADCQ(Imm(0), d3) },

		func() { ADDQ(d1, d2) },
		func() { ADCQ(d3, high) },

		func() { MOVQ(high, h2) },
		func() { MOVQ(high, lo) },
		func() { ANDQ(Imm(3), h2) },
		func() { ANDQ(I8(-4), high) },
		func() { SHRQ(Imm(2), lo) },
		func() { ADDQ(lo, high) },
		func() { MOVQ(d0, h0) },
		func() { MOVQ(d2, h1) },
		func() { ADDQ(high, h0) },
		func() { ADCQ(Imm(0), h1) },
		func() { ADCQ(Imm(0), h2) },
	}
}

func blocks(mac Mem, from, n int) []op {
	var ops []op
	for i := range n {
		ops = append(ops, block(mac, 16*(from+i))...)
	}
	return ops
}

// loadMAC loads h, and copies r and s1 to mac on the stack.
func loadMAC(mac Mem) {
	Load(Param("mac"), R9)
	for i := range 3 {
		MOVQ(Mem{Base: R9, Disp: offsetR0 + 8*i}, RAX)
		MOVQ(RAX, mac.Offset(8*i))
	}
	MOVQ(Mem{Base: R9, Disp: offsetH}, h0)
	MOVQ(Mem{Base: R9, Disp: offsetH + 8}, h1)
	MOVQ(Mem{Base: R9, Disp: offsetH + 16}, h2)
	Load(Param("msg"), msg)
}

func storeMAC() {
	Load(Param("mac"), R9)
	MOVQ(h0, Mem{Base: R9, Disp: offsetH})
	MOVQ(h1, Mem{Base: R9, Disp: offsetH + 8})
	MOVQ(h2, Mem{Base: R9, Disp: offsetH + 16})
}

// cipher is a function of the cipher, with the authenticator or without.
func cipher(name, does string, xor, poly bool) {
	if poly {
		TEXT(name, 0, "func(dst *byte, state *[16]uint32, n int, msg *byte, mac *[6]uint64)")
	} else {
		TEXT(name, 0, "func(dst *byte, state *[16]uint32, n int)")
	}
	Doc(name+" "+does, "It advances the block counter in state.")
	Pragma("noescape")

	spilled := AllocLocal(4 * 32) // words 8 to 11
	half := AllocLocal(8 * 32)    // words 8 to 15, while 0 to 7 are transposed
	counter := AllocLocal(32)     // of the eight blocks
	mac := AllocLocal(3 * 8)      // r0, r1, s1
	rounds := AllocLocal(8)
	left := AllocLocal(8)
	to := AllocLocal(8)
	from := AllocLocal(8)

	pointer := RBX // to the state or the output; free between blocks
	Load(Param("n"), RAX)
	MOVQ(RAX, left)
	Load(Param("dst"), RAX)
	MOVQ(RAX, to)
	Load(Param("state"), pointer)
	MOVQ(pointer, from)
	VPBROADCASTD(Mem{Base: pointer, Disp: 4 * 12}, Y12)
	VPADDD(lanes, Y12, Y12)
	VMOVDQU(Y12, counter)
	if poly {
		loadMAC(mac)
	}

	Label("more")
	MOVQ(from, pointer)
	word := func(i int) Mem { return Mem{Base: pointer, Disp: 4 * i} }
	for _, i := range []int{10, 11} {
		VPBROADCASTD(word(i), t0)
		VMOVDQU(t0, spilled.Offset(32*(i-8)))
	}
	for _, i := range []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 13, 14, 15} {
		VPBROADCASTD(word(i), y[i])
	}
	VMOVDQU(counter, Y12)

	// 30 of the 32 blocks of the authenticator go with the rounds, 2 with
	// what comes after.
	MOVQ(U32(10), rounds)
	Label("round")
	var scalar []op
	if poly {
		scalar = blocks(mac, 0, 3)
	}
	interleave(doubleRound(spilled), scalar)
	if poly {
		ADDQ(Imm(3*16), msg)
	}
	DECQ(rounds)
	JNZ(LabelRef("round"))

	if poly {
		scalar = blocks(mac, 0, 2)
	}
	// Words 8 to 15 wait in memory, those of the state added.
	var vector []op
	add := func(o op) { vector = append(vector, o) }
	for i := 12; i < 16; i++ {
		add(func() { VMOVDQU(y[i], half.Offset(32*(i-8))) })
	}
	for i := 8; i < 10; i++ {
		add(func() { VMOVDQU(y[i], half.Offset(32*(i-8))) })
	}
	for i := 10; i < 12; i++ {
		add(func() { VMOVDQU(spilled.Offset(32*(i-8)), y[i+2]) })
		add(func() { VMOVDQU(y[i+2], half.Offset(32*(i-8))) })
	}
	interleave(vector, scalar)
	if poly {
		ADDQ(Imm(2*16), msg)
	}
	low, high := [8]VecPhysical(y[:8]), [8]VecPhysical(y[8:])
	for part := range 2 {
		MOVQ(from, pointer)
		if part == 1 {
			for i := range 8 {
				VMOVDQU(half.Offset(32*i), y[i])
			}
		}
		for i := range 8 {
			if part == 1 && i == 4 {
				VPADDD(counter, y[i], y[i])
				continue
			}
			VPBROADCASTD(word(8*part+i), t0)
			VPADDD(t0, y[i], y[i])
		}
		for _, o := range transpose(low, high) {
			o()
		}
		MOVQ(to, pointer)
		for i := range 8 {
			at := Mem{Base: pointer, Disp: 64*i + 32*part}
			if xor {
				VPXOR(at, high[i], high[i])
			}
			VMOVDQU(high[i], at)
		}
	}
	ADDQ(U32(512), pointer)
	MOVQ(pointer, to)
	VMOVDQU(counter, Y12)
	VPADDD(eights, Y12, Y12)
	VMOVDQU(Y12, counter)
	DECQ(left)
	JNZ(LabelRef("more"))

	MOVQ(from, pointer)
	VMOVD(X12, Mem{Base: pointer, Disp: 4 * 12})
	if poly {
		storeMAC()
	}
	VZEROUPPER()
	RET()
}

// authenticator is Poly1305 alone.
func authenticator() {
	TEXT("poly", 0, "func(msg *byte, n int, mac *[6]uint64)")
	Doc("poly adds n×16 bytes of msg to mac.")
	Pragma("noescape")
	mac := AllocLocal(3 * 8)
	left := AllocLocal(8)
	Load(Param("n"), RAX)
	MOVQ(RAX, left)
	loadMAC(mac)
	Label("more")
	for _, o := range block(mac, 0) {
		o()
	}
	ADDQ(Imm(16), msg)
	DECQ(left)
	JNZ(LabelRef("more"))
	storeMAC()
	RET()
}

// mixer applies what streamPoly has made.
func mixer() {
	TEXT("mix", 0, "func(dst, stream *byte, n int)")
	Doc("mix xors dst with n×512 bytes of stream.")
	Pragma("noescape")
	dst, stream, left := RDI, RSI, RCX
	Load(Param("dst"), dst)
	Load(Param("stream"), stream)
	Load(Param("n"), left)
	Label("more")
	for i := range 16 {
		VMOVDQU(Mem{Base: stream, Disp: 32 * i}, y[i])
	}
	for i := range 16 {
		VPXOR(Mem{Base: dst, Disp: 32 * i}, y[i], y[i])
	}
	for i := range 16 {
		VMOVDQU(y[i], Mem{Base: dst, Disp: 32 * i})
	}
	ADDQ(U32(512), dst)
	ADDQ(U32(512), stream)
	DECQ(left)
	JNZ(LabelRef("more"))
	VZEROUPPER()
	RET()
}
