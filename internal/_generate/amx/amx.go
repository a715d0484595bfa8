// Package amx writes the convolution kernels of nn/internal/kernel for the tile unit of amd64 (AMX),
// which neither avo nor Go's assembler knows.
package amx

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/ir"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"

	"github.com/c236555e/rehead/internal/_generate/avx"
)

// Offsets of tileUnit's fields, which amx_amd64.go declares.
const (
	argX = 8 * iota
	argW0
	argW1
	argScale
	argShift
	argOut
	argSteps
	argNSteps
	argDst
	argTiles
	argGroup0
	argGroup1
	argSums
	argShape
)

const (
	rows  = 16         // of a tile
	row   = 64         // bytes of one
	bytes = rows * row // of a tile
)

// Write adds the functions of amx_amd64.s.
func Write() {
	kernel{"byteTiles32x32", "of bytes, 64", multiplyBytes, byteSums}.generate()
	kernel{"pairTiles32x32", "of bfloat16, 32", multiplyPairs, pairSums}.generate()
}

// A kernel computes 32 pixels by 32 outputs at a time: tiles 0 to 3 hold sums, 4 and 5 pixels, 6 and 7
// weights.
type kernel struct {
	name, what string
	multiply   func(sum, a, b int)
	store      func(sums, to Mem, one, two VecPhysical) // 16 outputs of a pixel, by two vectors of theirs
}

// generate writes the kernel. Tiles belong to the thread and a goroutine may move to another, so one
// function configures, uses and releases them.
func (k kernel) generate() {
	name := k.name
	avx.Func(name, "a", "computes groups of 32 pixels by 32 output channels "+k.what+" input channels a step.")
	x, w0, w1, steps, left, stride, sums, at := R8, R9, R10, R11, R12, R13, R10, RAX

	MOVQ(avx.Arg(argShape), at)
	configure(at)
	MOVQ(U32(row), stride)
	MOVQ(avx.Arg(argX), x)
	Label(name + "_group")
	for t := range 4 {
		zero(t)
	}
	MOVQ(avx.Arg(argW0), w0)
	MOVQ(avx.Arg(argW1), w1)
	MOVQ(avx.Arg(argSteps), steps)
	MOVQ(avx.Arg(argNSteps), left)
	Label(name + "_step")
	MOVQ(Mem{Base: steps}, at)
	ADDQ(x, at)
	load(4, at, stride, 0)
	load(6, w0, stride, 0)
	load(7, w1, stride, 0)
	load(5, at, stride, bytes)
	k.multiply(0, 4, 6)
	k.multiply(1, 4, 7)
	k.multiply(2, 5, 6)
	k.multiply(3, 5, 7)
	ADDQ(U32(bytes), w0)
	ADDQ(U32(bytes), w1)
	ADDQ(Imm(8), steps)
	DECQ(left)
	JNE(LabelRef(name + "_step"))
	MOVQ(avx.Arg(argSums), sums)
	for t := range 4 {
		store(t, sums, stride, t*bytes)
	}
	k.storeSums(sums)
	ADDQ(U32(2*bytes), x)
	DECQ(avx.Arg(argTiles))
	JNE(LabelRef(name + "_group"))
	release()
	VZEROUPPER()
	RET()
}

// byteSums turns sums into bytes, round(sum*scale + shift) held to 0..255.
func byteSums(sums, to Mem, scale, shift VecPhysical) {
	v := Z0
	VCVTDQ2PS(sums, v)
	VMULPS(scale, v, v)
	VADDPS(shift, v, v)
	VMAXPS(Z2, v, v)
	VCVTPS2DQ(v, v) // to 2^31 where it is more
	VPMOVUSDB(v, to)
}

// pairSums turns sums into bfloat16, max(sum + bias, floor).
func pairSums(sums, to Mem, floor, bias VecPhysical) {
	v := Z0
	VADDPS(sums, bias, v)
	VMAXPS(v, floor, v) // in this order a NaN stays one
	VMOVDQU(avx.NarrowPairs(v), to)
}

// storeSums stores the sums of the pixels and groups whose place is not negative.
func (k kernel) storeSums(sums GPPhysical) {
	tmp, dst, left, out, pix, name := RAX, RDX, RCX, []GPPhysical{RBX, RDI}, R9, k.name
	VPXORD(Z2, Z2, Z2)
	MOVQ(avx.Arg(argDst), dst)
	for g := range 2 {
		scale, shift, to := Z3, Z4, out[g]
		next, skip, end := label(name, "pixel", g), label(name, "skip", g), label(name, "end", g)
		MOVQ(avx.Arg(argGroup0+8*g), to)
		TESTQ(to, to)
		JLT(LabelRef(end))
		ADDQ(avx.Arg(argOut), to)
		MOVQ(avx.Arg(argScale), tmp)
		VMOVUPS(Mem{Base: tmp, Disp: 64 * g}, scale)
		MOVQ(avx.Arg(argShift), tmp)
		VMOVUPS(Mem{Base: tmp, Disp: 64 * g}, shift)
		for half := range 2 { // of the pixels
			again, over := next+"_"+string(rune('a'+half)), skip+"_"+string(rune('a'+half))
			LEAQ(Mem{Base: sums, Disp: (2*half + g) * bytes}, tmp)
			MOVQ(U32(rows), left)
			Label(again)
			MOVLQSX(Mem{Base: dst}, pix)
			TESTQ(pix, pix)
			JLT(LabelRef(over))
			k.store(Mem{Base: tmp}, Mem{Base: to, Index: pix, Scale: 1}, scale, shift)
			Label(over)
			ADDQ(U32(row), tmp)
			ADDQ(Imm(4), dst)
			DECQ(left)
			JNE(LabelRef(again))
		}
		SUBQ(U32(4*2*rows), dst)
		Label(end)
	}
	ADDQ(U32(4*2*rows), avx.Arg(argDst))
}

func label(name, what string, g int) string { return name + "_" + what + string(rune('0'+g)) }

// configure loads the tiles' shapes from m.
func configure(m GPPhysical) {
	code(fmt.Sprintf("ldtilecfg (%s)", name(m)), 0xc4, vex1(0, m), 0x78, 0x49, low(m))
}

// release gives the tiles back.
func release() { code("tilerelease", 0xc4, 0xe2, 0x78, 0x49, 0xc0) }

// zero clears a tile.
func zero(t int) {
	code(fmt.Sprintf("tilezero %%tmm%d", t), 0xc4, 0xe2, 0x7b, 0x49, 0xc0|byte(t)<<3)
}

// load reads a tile whose rows lie a stride apart, store writes one.
func load(t int, base, stride GPPhysical, off int) {
	text := fmt.Sprintf("tileloadd %#x(%s,%s,1),%%tmm%d", off, name(base), name(stride), t)
	memory(text, t, base, stride, off, 0x7b)
}

func store(t int, base, stride GPPhysical, off int) {
	text := fmt.Sprintf("tilestored %%tmm%d,%#x(%s,%s,1)", t, off, name(base), name(stride))
	memory(text, t, base, stride, off, 0x7a)
}

func memory(text string, t int, base, stride GPPhysical, off int, prefix byte) {
	code(text, 0xc4, vex1(number(stride), base), prefix, 0x4b, 0x84|byte(t)<<3, low(stride)<<3|low(base),
		byte(off), byte(off>>8), byte(off>>16), byte(off>>24))
}

// multiplyBytes adds the products of the unsigned bytes of a and the signed ones of b, four at a time.
func multiplyBytes(sum, a, b int) {
	text := fmt.Sprintf("tdpbusd %%tmm%d,%%tmm%d,%%tmm%d", b, a, sum)
	code(text, 0xc4, 0xe2, byte(^b&15)<<3|0b01, 0x5e, 0xc0|byte(sum)<<3|byte(a))
}

// multiplyPairs adds the products of the bfloat16 of a and of b: first those of the even ones of a row among
// themselves and those of the odd ones, then both sums to each other, and that to sum.
func multiplyPairs(sum, a, b int) {
	text := fmt.Sprintf("tdpbf16ps %%tmm%d,%%tmm%d,%%tmm%d", b, a, sum)
	code(text, 0xc4, 0xe2, byte(^b&15)<<3|0b10, 0x5c, 0xc0|byte(sum)<<3|byte(a))
}

// vex1 is the second byte of an instruction of map 0F38 with that index and base.
func vex1(index byte, base GPPhysical) byte {
	return 1<<7 | (^index>>3&1)<<6 | (^number(base)>>3&1)<<5 | 0b010
}

func number(r GPPhysical) byte { return byte(r.PhysicalIndex()) }

func low(r GPPhysical) byte { return number(r) & 7 }

// name is what a disassembler calls the register.
func name(r GPPhysical) string {
	names := [...]string{"ax", "cx", "dx", "bx", "sp", "bp", "si", "di"}
	if n := number(r); n < 8 {
		return "%r" + names[n]
	}
	return fmt.Sprintf("%%r%d", number(r))
}

// code writes an instruction's bytes, with what a disassembler makes of them as a comment.
func code(text string, bytes ...byte) {
	Comment(text)
	for _, b := range bytes {
		Instruction(&ir.Instruction{Opcode: "BYTE", Operands: []Op{U8(b)}})
	}
}
