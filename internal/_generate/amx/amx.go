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

// Offsets of tileUnit's fields, which amx.go declares.
const (
	argX = 8 * iota
	argW
	argScale
	argShift
	argOut
	argSteps
	argNSteps
	argDst
	argTiles
	argLone
	argOut0
	argOut1
	argSums
	argShape
	argNext
	argAhead
	argFew
	argApart
	argPlane
)

// And of tileJoin's.
const (
	joinTo = 8 * iota
	joinEven
	joinOdd
	joinFrom
	joinN
	joinPlane
	joinApart
)

const (
	rows  = 16         // of a tile
	row   = 64         // bytes of one
	bytes = rows * row // of a tile

	fetch = 4 // lines of the next weights that 2 KB of them fetch, and that many times as many for few pixels
	few   = 4
)

// Write adds the functions of amx_amd64.s.
func Write() {
	for outs := 1; outs <= 2; outs++ {
		kernel{fmt.Sprintf("byteTiles%d", rows*outs), "of bytes, 64", outs, 1, multiplyBytes, byteSums}.generate()
		kernel{fmt.Sprintf("pairTiles%d", rows*outs), "of bfloat16, 32", outs, 1, multiplyPairs, pairSums}.generate()
		kernel{fmt.Sprintf("floatTiles%d", rows*outs), "of float32 in three bfloat16, 32", outs, 3, multiplyPairs,
			floatSums}.generate()
	}
	joinPixels()
	splitPixels()
	splitFloats()
}

// A kernel computes 32 pixels by 16 or 32 outputs at a time: tiles 0 to 3 hold sums, 4 and 5 pixels, 6 and 7
// weights.
type kernel struct {
	name, what string
	outs       int // sixteens of outputs
	parts      int // that each number comes in: the sum is of their products but the three smallest
	multiply   func(sum, a, b int)
	// stores 16 outputs of a pixel, by two vectors of theirs
	store func(sums Mem, to, place GPPhysical, one, two VecPhysical)
}

// Registers of a kernel.
var (
	x, weights, steps, left, stride = R8, R9, R11, R12, R13
	next, onward                    = R14, R15 // weights to fetch, and how far each step moves on
	places                          = RDX
)

// generate writes the kernel. Tiles belong to the thread and a goroutine may move to another, so one
// function configures, uses and releases them.
func (k kernel) generate() {
	name := k.name
	avx.Func(name, "a", fmt.Sprintf("computes groups of 32 pixels, and of 16, by %d output channels %s input channels a step.",
		rows*k.outs, k.what))
	MOVQ(avx.Arg(argShape), RAX)
	configure(RAX)
	MOVQ(U32(row), stride)
	MOVQ(avx.Arg(argX), x)
	MOVQ(avx.Arg(argNext), next)
	MOVQ(avx.Arg(argDst), places)
	MOVQ(U32(uint32(fetch*k.parts*row)), onward)
	CMPQ(avx.Arg(argFew), Imm(0))
	JE(LabelRef(name + "_begin"))
	IMUL3Q(Imm(few), onward, onward)
	Label(name + "_begin")
	VPXORD(Z2, Z2, Z2)
	for o := range k.outs {
		MOVQ(avx.Arg(argScale), RAX)
		VMOVUPS(Mem{Base: RAX, Disp: row * o}, Z(4+o))
		MOVQ(avx.Arg(argShift), RAX)
		VMOVUPS(Mem{Base: RAX, Disp: row * o}, Z(6+o))
	}
	CMPQ(avx.Arg(argTiles), Imm(0))
	JE(LabelRef(name + "_lone"))
	Label(name + "_group")
	k.tiles(2)
	ADDQ(U32(2*bytes), x)
	DECQ(avx.Arg(argAhead))
	JNE(LabelRef(name + "_more"))
	XORQ(onward, onward)
	Label(name + "_more")
	DECQ(avx.Arg(argTiles))
	JNE(LabelRef(name + "_group"))
	Label(name + "_lone")
	CMPQ(avx.Arg(argLone), Imm(0))
	JE(LabelRef(name + "_end"))
	k.tiles(1)
	Label(name + "_end")
	release()
	VZEROUPPER()
	RET()
}

// Z is the vector register of that number.
func Z(i int) VecPhysical { return avx.Z[i] }

// tiles computes that many tiles of pixels.
func (k kernel) tiles(pixels int) {
	again := fmt.Sprintf("%s_step%d", k.name, pixels)
	sum := func(p, o int) int { return k.outs*p + o }
	for t := range pixels * k.outs {
		zero(t)
	}
	MOVQ(avx.Arg(argW), weights)
	MOVQ(avx.Arg(argSteps), steps)
	MOVQ(avx.Arg(argNSteps), left)
	Label(again)
	MOVQ(Mem{Base: steps}, RAX)
	ADDQ(x, RAX)
	loadPixels := func(from GPPhysical) {
		for p := range pixels {
			load(4+p, from, stride, p*bytes)
		}
	}
	loadWeights := func(part int) {
		for o := range k.outs {
			load(6+o, weights, stride, (part*k.outs+o)*bytes)
		}
	}
	multiply := func() {
		for o := range k.outs {
			for p := range pixels {
				k.multiply(sum(p, o), 4+p, 6+o)
			}
		}
	}
	loadPixels(RAX)
	if k.parts > 1 {
		k.smallProducts(loadPixels, loadWeights, multiply)
		loadPixels(RAX)
	} else {
		loadWeights(0)
	}
	multiply()
	for i := range fetch * k.parts {
		PREFETCHT1(Mem{Base: next, Disp: row * i})
	}
	CMPQ(avx.Arg(argFew), Imm(0))
	JE(LabelRef(again + "_fetched"))
	for i := fetch * k.parts; i < few*fetch*k.parts; i++ {
		PREFETCHT1(Mem{Base: next, Disp: row * i})
	}
	Label(again + "_fetched")
	ADDQ(onward, next)
	ADDQ(U32(uint32(k.parts*k.outs*bytes)), weights)
	ADDQ(Imm(8), steps)
	DECQ(left)
	JNE(LabelRef(again))
	MOVQ(avx.Arg(argSums), RAX)
	for t := range pixels * k.outs {
		store(t, RAX, stride, t*bytes)
	}
	k.storeSums(pixels)
}

// smallProducts adds the products of three parts but the largest, the smaller ones first, and leaves the largest
// parts of the weights loaded. Those of the pixels lie apart.
func (k kernel) smallProducts(loadPixels func(GPPhysical), loadWeights func(part int), multiply func()) {
	middle, small := RBX, RDI
	MOVQ(avx.Arg(argApart), small)
	LEAQ(Mem{Base: RAX, Index: small, Scale: 1}, middle)
	ADDQ(middle, small)
	loadWeights(2)
	multiply()
	loadWeights(1)
	multiply()
	loadPixels(middle)
	multiply()
	loadWeights(0)
	multiply()
	loadPixels(small)
	multiply()
}

// storeSums stores the sums of the pixels whose place is not negative.
func (k kernel) storeSums(pixels int) {
	sums, to, place, left := RAX, []GPPhysical{RBX, RDI}, R9, RCX
	for o := range k.outs {
		MOVQ(avx.Arg(argOut), to[o])
		ADDQ(avx.Arg(argOut0+8*o), to[o])
	}
	for p := range pixels {
		again := fmt.Sprintf("%s_store%d%d", k.name, pixels, p)
		const unroll = 4
		MOVQ(U32(rows/unroll), left)
		Label(again)
		for r := range unroll {
			skip := fmt.Sprintf("%s_skip%d%d%d", k.name, pixels, p, r)
			MOVLQSX(Mem{Base: places, Disp: 4 * r}, place)
			TESTQ(place, place)
			JLT(LabelRef(skip))
			for o := range k.outs {
				k.store(Mem{Base: sums, Disp: o*bytes + r*row}, to[o], place, Z(4+o), Z(6+o))
			}
			Label(skip)
		}
		ADDQ(U32(unroll*row), sums)
		ADDQ(Imm(4*unroll), places)
		DECQ(left)
		JNE(LabelRef(again))
		if p+1 < pixels && k.outs > 1 {
			ADDQ(U32(bytes), sums) // those of the other outputs
		}
	}
}

// byteSums turns sums into bytes, round(sum*scale + shift) held to 0..255.
func byteSums(sums Mem, to, place GPPhysical, scale, shift VecPhysical) {
	v := Z0
	VCVTDQ2PS(sums, v)
	VMULPS(scale, v, v)
	VADDPS(shift, v, v)
	VMAXPS(Z2, v, v)
	VCVTPS2DQ(v, v) // to 2^31 where it is more
	VPMOVUSDB(v, Mem{Base: to, Index: place, Scale: 1})
}

// pairSums turns sums into bfloat16, max(sum + bias, floor).
func pairSums(sums Mem, to, place GPPhysical, floor, bias VecPhysical) {
	v := Z0
	VADDPS(sums, bias, v)
	VMAXPS(v, floor, v) // in this order a NaN stays one
	VMOVDQU(avx.NarrowPairs(v), Mem{Base: to, Index: place, Scale: 1})
}

// floatSums turns sums into two blocks of float32, max(sum + bias, floor).
func floatSums(sums Mem, to, place GPPhysical, floor, bias VecPhysical) {
	v := Z0
	VADDPS(sums, bias, v)
	VMAXPS(v, floor, v)
	VMOVUPS(Y0, Mem{Base: to, Index: place, Scale: 1})
	VEXTRACTF64X4(Imm(1), v, Y0)
	MOVQ(avx.Arg(argPlane), R10)
	ADDQ(place, R10)
	VMOVUPS(Y0, Mem{Base: to, Index: R10, Scale: 1})
}

// pixelsLoop runs body, which may use RAX for the next pixel's place, for each pixel.
func pixelsLoop(name string, body func(at GPPhysical)) {
	Label(name)
	MOVLQSX(Mem{Base: R9}, RAX)
	body(RAX)
	ADDQ(Imm(4), R9)
	ADDQ(Imm(row), RDI)
	DECQ(RCX)
	JNE(LabelRef(name))
}

// joinArgs reads the fields of tileJoin.
func joinArgs() (even, odd GPPhysical) {
	MOVQ(avx.Arg(joinTo), RDI)
	MOVQ(avx.Arg(joinEven), R10)
	MOVQ(avx.Arg(joinOdd), R11)
	MOVQ(avx.Arg(joinFrom), R9)
	MOVQ(avx.Arg(joinN), RCX)
	return R10, R11
}

// joinPixels writes the function that copies pixels.
func joinPixels() {
	avx.Func("joinPixels", "a", "copies 32 bytes of each pixel and 32 others, or zeros, side by side.")
	even, odd := joinArgs()
	TESTQ(odd, odd)
	JE(LabelRef("joinPixels_alone"))
	pixelsLoop("joinPixels_both", func(at GPPhysical) {
		VMOVUPS(Mem{Base: even, Index: at, Scale: 1}, Y0)
		VINSERTF64X4(Imm(1), Mem{Base: odd, Index: at, Scale: 1}, Z0, Z0)
		VMOVUPS(Z0, Mem{Base: RDI})
	})
	VZEROUPPER()
	RET()
	Label("joinPixels_alone")
	pixelsLoop("joinPixels_even", func(at GPPhysical) {
		VMOVUPS(Mem{Base: even, Index: at, Scale: 1}, Y0) // the rest becomes zero
		VMOVUPS(Z0, Mem{Base: RDI})
	})
	VZEROUPPER()
	RET()
}

// splitPixels writes the function that takes float32 apart.
func splitPixels() {
	avx.Func("splitPixels", "a",
		"turns 16 float32 of each pixel into the nearest bfloat16 and, behind these, that of what they leave.")
	even, odd := joinArgs()
	pixelsLoop("splitPixels_pixel", func(at GPPhysical) {
		VMOVUPS(Mem{Base: even, Index: at, Scale: 1}, Y0)
		VINSERTF64X4(Imm(1), Mem{Base: odd, Index: at, Scale: 1}, Z0, Z0)
		VMOVAPS(Z0, Z1)
		VMOVDQU(avx.NarrowPairs(Z1), Mem{Base: RDI})
		VPMOVZXWD(Y1, Z2)
		VPSLLD(Imm(16), Z2, Z2)
		VSUBPS(Z2, Z0, Z0)
		VMOVDQU(avx.NarrowPairs(Z0), Mem{Base: RDI, Disp: row / 2})
	})
	VZEROUPPER()
	RET()
}

// splitFloats writes the function that takes float32 apart to the last bit.
func splitFloats() {
	avx.Func("splitFloats", "a",
		"turns 32 float32 of each pixel into the nearest bfloat16, and apart from these that of what is left, twice.")
	even, plane := joinArgs()
	MOVQ(avx.Arg(joinPlane), plane)
	MOVQ(avx.Arg(joinApart), R12)
	pixelsLoop("splitFloats_pixel", func(at GPPhysical) {
		ADDQ(even, at)
		MOVQ(RDI, R13)
		for half := range 2 {
			VMOVUPS(Mem{Base: at}, Y(half))
			ADDQ(plane, at)
			VINSERTF64X4(Imm(1), Mem{Base: at}, Z(half), Z(half))
			ADDQ(plane, at)
		}
		for part := range 3 {
			for half := range 2 {
				left, rounded := Z(half), Z(2+half)
				VMOVAPS(left, rounded)
				to := Mem{Base: R13, Disp: half * row / 2}
				VMOVDQU(avx.NarrowPairs(rounded), to)
				if part < 2 {
					VPMOVZXWD(Y(2+half), rounded)
					VPSLLD(Imm(16), rounded, rounded)
					VSUBPS(rounded, left, left)
				}
			}
			ADDQ(R12, R13)
		}
	})
	VZEROUPPER()
	RET()
}

// Y is the lower half of Z.
func Y(i int) VecPhysical { return avx.Y[i] }

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
