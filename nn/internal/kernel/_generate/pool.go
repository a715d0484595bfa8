package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// Offsets of poolArgs's fields, which pool_amd64.go declares.
const (
	poolX = 8 * iota
	poolOut
	poolTaps
	poolNTaps
	poolSrc
	poolDst
	poolPixels
	poolScale
	poolBias
	poolFloor
)

// poolPrologue loads what both pools keep in registers, starts the loop over
// pixels and leaves x at the pixel's first tap and the tap list reset.
func poolPrologue(name string) (args, x, taps, left, tap GPPhysical) {
	args, x, taps, left, tap = RSI, RBX, RCX, RDX, RAX
	TEXT(name, NOSPLIT, "func(a *byte)")
	Load(Param("a"), args)
	MOVQ(Mem{Base: args, Disp: poolSrc}, R8)
	MOVQ(Mem{Base: args, Disp: poolDst}, R9)
	MOVQ(Mem{Base: args, Disp: poolPixels}, R10)
	MOVQ(Mem{Base: args, Disp: poolX}, R11)
	MOVQ(Mem{Base: args, Disp: poolOut}, R12)
	MOVQ(Mem{Base: args, Disp: poolTaps}, R13)
	return
}

// poolPixel starts the loop body: one output pixel.
func poolPixel(name string, x, taps, left GPPhysical, args GPPhysical) {
	Label(name + "_pixel")
	MOVLQSX(Mem{Base: R8}, x)
	ADDQ(R11, x)
	MOVQ(R13, taps)
	MOVQ(Mem{Base: args, Disp: poolNTaps}, left)
}

// poolEnd stores the result and closes the loop over pixels.
func poolEnd(name string, result VecPhysical) {
	MOVLQSX(Mem{Base: R9}, RDI)
	VMOVUPS(result, Mem{Base: R12, Index: RDI, Scale: 1})
	ADDQ(Imm(4), R8)
	ADDQ(Imm(4), R9)
	DECQ(R10)
	JNE(LabelRef(name + "_pixel"))
	VZEROUPPER()
	RET()
}

// generateMaxPool writes the kernel of one channel block's max pool. A NaN
// among the taps makes the result NaN.
func generateMaxPool() {
	const name = "poolMaxAVX2"
	args, x, taps, left, tap := poolPrologue(name)
	Doc(name + " takes the largest of each pixel's taps.")
	poolPixel(name, x, taps, left, args)
	MOVQ(Mem{Base: taps}, tap)
	VMOVUPS(Mem{Base: x, Index: tap, Scale: 1}, Y0)
	VCMPPS(Imm(3), Y0, Y0, Y1)
	JMP(LabelRef(name + "_next"))
	Label(name + "_tap")
	MOVQ(Mem{Base: taps}, tap)
	VMOVUPS(Mem{Base: x, Index: tap, Scale: 1}, Y2)
	VCMPPS(Imm(3), Y2, Y2, Y3)
	VMAXPS(Y2, Y0, Y0)
	VORPS(Y3, Y1, Y1)
	Label(name + "_next")
	ADDQ(Imm(8), taps)
	DECQ(left)
	JNE(LabelRef(name + "_tap"))
	VORPS(Y1, Y0, Y0)
	poolEnd(name, Y0)
}

// generateAvgPool writes the kernel of one channel block's average pool:
// max(sum*scale + bias, floor).
func generateAvgPool() {
	const name = "poolAvgAVX2"
	args, x, taps, left, tap := poolPrologue(name)
	Doc(name + " averages each pixel's taps, adds a bias and clamps below.")
	MOVQ(Mem{Base: args, Disp: poolBias}, RDI)
	VMOVUPS(Mem{Base: RDI}, Y5)
	VBROADCASTSS(Mem{Base: args, Disp: poolScale}, Y4)
	VBROADCASTSS(Mem{Base: args, Disp: poolFloor}, Y6)
	poolPixel(name, x, taps, left, args)
	VXORPS(Y0, Y0, Y0)
	Label(name + "_tap")
	MOVQ(Mem{Base: taps}, tap)
	VADDPS(Mem{Base: x, Index: tap, Scale: 1}, Y0, Y0)
	ADDQ(Imm(8), taps)
	DECQ(left)
	JNE(LabelRef(name + "_tap"))
	VFMADD213PS(Y5, Y4, Y0)
	VMAXPS(Y0, Y6, Y0)
	poolEnd(name, Y0)
}
