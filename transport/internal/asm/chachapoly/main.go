// Command chachapoly writes the assembly of that package. It is in a module of its
// own, so that nobody who imports the library gets avo with it.
//
// Most functions work on 512 bytes at a time. ChaCha20 is computed in the vector
// registers, eight blocks at once, one state word of all eight in each
// register; Poly1305 in the general ones, one block of 16 bytes after the
// other. The two need different parts of the processor, so their instructions
// are interleaved: neither waits for the other. Those for AVX-512, in wide.go, have
// larger registers and no need of that.
package main

import (
	"slices"

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
	wideCipher()
	wideAuthenticator()
	Generate()
}

// An op emits one instruction.
type op func()

func emit(ops []op) {
	for _, o := range ops {
		o()
	}
}

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

// State words 0 to 7 and 12 to 15 stay in their registers through the rounds.
// Of 8 to 11 two at a time are in Y8 and Y9, the others in memory, which leaves
// Y10 and Y11 for what is in between.
var y = [...]VecPhysical{Y0, Y1, Y2, Y3, Y4, Y5, Y6, Y7, Y8, Y9, Y10, Y11, Y12, Y13, Y14, Y15}

// frame is an aligned address in the stack frame.
var frame = R14

// words are vectors of eight state words each, in the frame from an offset on.
type words struct{ offset, first int }

func (w words) word(i int) Mem { return Mem{Base: frame, Disp: w.offset + 32*(i-w.first)} }

// A quarter is a quarter round (RFC 8439 section 2.1) of the words in four
// registers. Before it, c may be in memory. t is free.
type quarter struct {
	a, b, c, d VecPhysical
	before     Op // where c is
	t          VecPhysical
}

// quarters are two quarter rounds, interleaved.
func quarters(p, q quarter) []op {
	var ops []op
	both := func(f func(q quarter)) { ops = append(ops, func() { f(p) }, func() { f(q) }) }
	half := func(c func(quarter) Op, rotation Mem, turn int) {
		both(func(q quarter) { VPADDD(q.b, q.a, q.a) })
		both(func(q quarter) { VPXOR(q.a, q.d, q.d) })
		both(func(q quarter) { VPSHUFB(rotation, q.d, q.d) })

		both(func(q quarter) { VPADDD(c(q), q.d, q.c) })
		both(func(q quarter) { VPXOR(q.c, q.b, q.b) })
		both(func(q quarter) { VPSLLD(U8(turn), q.b, q.t) })
		both(func(q quarter) { VPSRLD(U8(32-turn), q.b, q.b) })
		both(func(q quarter) { VPOR(q.t, q.b, q.b) })
	}
	half(func(q quarter) Op { return q.before }, rotate16, 12)
	half(func(q quarter) Op { return q.c }, rotate8, 7)
	return ops
}

// doubleRound is a column round and a diagonal round. It begins and ends with
// words 8 and 9 in Y8 and Y9, and 10 and 11 in memory at upper.
func doubleRound(upper words) []op {
	inRegister := func(a, b, c, d int) quarter {
		return quarter{y[a], y[b], y[8+c%2], y[d], y[8+c%2], y[10+c%2]}
	}
	inMemory := func(a, b, c, d int) quarter {
		q := inRegister(a, b, c, d)
		q.before = upper.word(c)
		return q
	}
	store := func(c int) []op {
		return []op{
			func() { VMOVDQA(Y8, upper.word(c)) },
			func() { VMOVDQA(Y9, upper.word(c+1)) },
		}
	}
	return slices.Concat(
		quarters(inRegister(0, 4, 8, 12), inRegister(1, 5, 9, 13)),
		store(8),
		quarters(inMemory(2, 6, 10, 14), inMemory(3, 7, 11, 15)),
		quarters(inRegister(0, 5, 10, 15), inRegister(1, 6, 11, 12)),
		store(10),
		quarters(inMemory(2, 7, 8, 13), inMemory(3, 4, 9, 14)),
	)
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

// The general registers. h1 is in RDX, which MULX multiplies; h0 and d0 take
// turns, since what one block leaves in d0 is the next one's h0.
var (
	h0, d0     = RSI, RDI
	h1, h2     = RDX, R8
	d1, d2, d3 = R9, R10, R11
	lo, hi     = RAX, RBX
	msg        = RCX
	r0, s1     = R12, R13
)

// add16 adds the 16 bytes of msg at an offset, and 2^128, to a number in three parts.
func add16(offset int, low, middle, high Register) []op {
	return []op{
		func() { ADDQ(Mem{Base: msg, Disp: offset}, low) },
		func() { ADCQ(Mem{Base: msg, Disp: offset + 8}, middle) },
		func() { ADCQ(Imm(1), high) },
	}
}

// multiply multiplies h by r, modulo 2^130-5, and leaves h0 of the product in
// d0. With h = h0 + 2^64·h1 + 2^128·h2 and s1 = 5·r1/4, which is whole,
//
//	h·r = h0·r0 + h1·s1 + 2^64·(h0·r1 + h1·r0 + h2·s1) + 2^128·h2·r0
//
// since 2^130 is 5. What is then over 130 bits comes in again at the bottom,
// likewise. h2 is less than 8 at any time, so its products fit into 64 bits.
//
// The next block, more, is added to the product before it is reduced, where
// nothing waits for it: each block waits for the one before, and so the way
// from one h to the next is what counts, then the number of instructions.
func multiply(r1 Mem, h0, d0 Register, more []op) []op {
	ops := []op{
		func() { MULXQ(s1, d0, d1) },
		func() { MULXQ(r0, d2, d3) },
		func() { MOVQ(h0, RDX) },
		func() { MULXQ(r0, lo, hi) },
		func() { ADDQ(lo, d0) },
		func() { ADCQ(hi, d1) },
		func() { MULXQ(r1, RDX, hi) },
		func() { ADDQ(d2, RDX) },
		func() { ADCQ(hi, d3) },
		func() { MOVQ(h2, lo) },
		func() { IMULQ(r0, lo) },
		func() { IMULQ(s1, h2) },
	}
	ops = append(ops, more...)
	return append(ops, []op{
		// d0, RDX and d3 are the parts, and what is still to be added to the
		// last two is in h2, d1 and lo.
		func() { ADDQ(h2, RDX) },
		func() { ADCQ(Imm(0), d3) },
		func() { ADDQ(d1, RDX) },
		func() { ADCQ(lo, d3) },

		func() { MOVQ(d3, h2) },
		func() { ANDQ(Imm(3), h2) },
		func() { SHRQ(Imm(2), d3) },
		func() { LEAQ(Mem{Base: d3, Index: d3, Scale: 4}, d3) },
		func() { ADDQ(d3, d0) },
		func() { ADCQ(Imm(0), h1) },
		func() { ADCQ(Imm(0), h2) },
	}...)
}

// blocks adds n blocks of msg to h.
func blocks(r1 Mem, n int) []op {
	ops := add16(0, h0, h1, h2)
	from, to := h0, d0
	for i := range n {
		var more []op
		if i < n-1 {
			more = add16(16*(i+1), to, d1, d3)
		}
		ops = append(ops, multiply(r1, from, to, more)...)
		from, to = to, from
	}
	if from != h0 {
		ops = append(ops, func() { MOVQ(from, h0) })
	}
	return append(ops, func() { ADDQ(Imm(uint64(16*n)), msg) })
}

// loadMAC loads h and r, and copies r1 to the stack.
func loadMAC(r1 Mem) {
	Load(Param("mac"), R9)
	MOVQ(Mem{Base: R9, Disp: offsetR0}, r0)
	MOVQ(Mem{Base: R9, Disp: offsetR1}, RAX)
	MOVQ(RAX, r1)
	MOVQ(Mem{Base: R9, Disp: offsetS1}, s1)
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

	initial := words{0, 0}     // the state before the rounds
	upper := words{16 * 32, 8} // words 8 to 15, where they are not in registers
	AllocLocal((16+8)*32 + 32) // for both
	LEAQ(Mem{Base: StackPointer, Disp: 31}, frame)
	ANDQ(I8(-32), frame)
	r1 := AllocLocal(8)
	rounds := AllocLocal(8)
	left := AllocLocal(8)
	to := AllocLocal(8)

	pointer := RBX // to the state or the output; free between blocks
	Load(Param("n"), RAX)
	MOVQ(RAX, left)
	Load(Param("dst"), RAX)
	MOVQ(RAX, to)
	Load(Param("state"), pointer)
	for i := range 16 {
		VPBROADCASTD(Mem{Base: pointer, Disp: 4 * i}, Y0)
		if i == 12 {
			VPADDD(lanes, Y0, Y0)
		}
		VMOVDQA(Y0, initial.word(i))
	}
	if poly {
		loadMAC(r1)
	}

	Label("more")
	for i := 10; i < 12; i++ {
		VMOVDQA(initial.word(i), y[i])
		VMOVDQA(y[i], upper.word(i))
	}
	for i := range 16 {
		if i != 10 && i != 11 {
			VMOVDQA(initial.word(i), y[i])
		}
	}

	// 30 of the 32 blocks of the authenticator go with the rounds, 2 with
	// what comes after.
	authenticate := func(n int) []op {
		if !poly {
			return nil
		}
		return blocks(r1, n)
	}
	MOVQ(U32(10), rounds)
	Label("round")
	interleave(doubleRound(upper), authenticate(3))
	DECQ(rounds)
	JNZ(LabelRef("round"))

	var stores []op
	for _, i := range []int{12, 13, 14, 15, 8, 9} { // 10 and 11 are there
		stores = append(stores, func() { VMOVDQA(y[i], upper.word(i)) })
	}
	interleave(stores, authenticate(2))
	in, out := [8]VecPhysical(y[:8]), [8]VecPhysical(y[8:])
	for part := range 2 {
		for i := range 8 {
			if part == 1 {
				VMOVDQA(upper.word(8+i), in[i])
			}
			VPADDD(initial.word(8*part+i), in[i], in[i])
		}
		emit(transpose(in, out))
		MOVQ(to, pointer)
		for i := range 8 {
			at := Mem{Base: pointer, Disp: 64*i + 32*part}
			if xor {
				VPXOR(at, out[i], out[i])
			}
			VMOVDQU(out[i], at)
		}
	}
	ADDQ(U32(512), pointer)
	MOVQ(pointer, to)
	VMOVDQA(initial.word(12), Y12)
	VPADDD(eights, Y12, Y12)
	VMOVDQA(Y12, initial.word(12))
	DECQ(left)
	JNZ(LabelRef("more"))

	Load(Param("state"), pointer)
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
	r1 := AllocLocal(8)
	left := AllocLocal(8)
	Load(Param("n"), RAX)
	MOVQ(RAX, left)
	loadMAC(r1)
	Label("more")
	emit(blocks(r1, 1))
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
