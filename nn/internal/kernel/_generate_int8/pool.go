package main

import (
	"math"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// Offsets of bytePoolArgs's fields, which int8_amd64.go declares.
const (
	poolX = 8 * iota
	poolOut
	poolTaps
	poolNTaps
	poolSrc
	poolDst
	poolPixels
	poolScale
)

// The registers of a pool.
var (
	poolArgs, poolPtr, poolTap       = RSI, RBX, RAX
	poolTapList, poolLeft, poolPlace = RCX, RDX, RDI
)

// poolBegin loads the arguments and starts the loop over pixels.
func poolBegin(name, doc string) {
	TEXT(name, NOSPLIT, "func(a *byte)")
	Doc(name + " " + doc)
	Load(Param("a"), poolArgs)
	for _, f := range []struct {
		off int
		to  GPPhysical
	}{{poolSrc, R8}, {poolDst, R9}, {poolPixels, R10}, {poolX, R11}, {poolOut, R12}, {poolTaps, R13}} {
		MOVQ(Mem{Base: poolArgs, Disp: f.off}, f.to)
	}
}

// poolPixel is the beginning of the loop body: one output pixel.
func poolPixel(name string) {
	Label(name + "_pixel")
	MOVLQSX(Mem{Base: R8}, poolPtr)
	ADDQ(R11, poolPtr)
	MOVQ(R13, poolTapList)
	MOVQ(Mem{Base: poolArgs, Disp: poolNTaps}, poolLeft)
}

// poolEnd stores ymm register 0 and closes the loop over pixels.
func poolEnd(name string) {
	MOVLQSX(Mem{Base: R9}, poolPlace)
	VMOVDQU(Y0, Mem{Base: R12, Index: poolPlace, Scale: 1})
	ADDQ(Imm(4), R8)
	ADDQ(Imm(4), R9)
	DECQ(R10)
	JNE(LabelRef(name + "_pixel"))
	VZEROUPPER()
	RET()
}

// generateMaxPool writes the kernel of one channel block's max pool.
func generateMaxPool() {
	const name = "bytePoolMaxAVX2"
	poolBegin(name, "takes the largest of each pixel's taps.")
	poolPixel(name)
	VPXOR(Y0, Y0, Y0)
	Label(name + "_tap")
	MOVQ(Mem{Base: poolTapList}, poolTap)
	VPMAXUB(Mem{Base: poolPtr, Index: poolTap, Scale: 1}, Y0, Y0)
	ADDQ(Imm(8), poolTapList)
	DECQ(poolLeft)
	JNE(LabelRef(name + "_tap"))
	poolEnd(name)
}

// generateMeanPool writes the kernel of one channel block's average pool:
// round(sum*scale) held to 255. The sum has 32 bits.
func generateMeanPool() {
	const name = "bytePoolMeanAVX2"
	poolBegin(name, "adds up each pixel's taps and scales the sum.")
	VBROADCASTSS(Mem{Base: poolArgs, Disp: poolScale}, Y8)
	MOVL(U32(math.Float32bits(255)), EAX)
	VMOVD(EAX, X9)
	VPBROADCASTD(X9, Y9)
	poolPixel(name)
	for i := range 4 {
		VPXOR(ymm(i), ymm(i), ymm(i))
	}
	Label(name + "_tap")
	MOVQ(Mem{Base: poolTapList}, poolTap)
	for i := range 4 {
		VPMOVZXBD(Mem{Base: poolPtr, Index: poolTap, Scale: 1, Disp: 8 * i}, ymm(4+i))
		VPADDD(ymm(4+i), ymm(i), ymm(i))
	}
	ADDQ(Imm(8), poolTapList)
	DECQ(poolLeft)
	JNE(LabelRef(name + "_tap"))
	for i := range 4 {
		VCVTDQ2PS(ymm(i), ymm(i))
		VMULPS(Y8, ymm(i), ymm(i))
		VMINPS(Y9, ymm(i), ymm(i))
		VCVTPS2DQ(ymm(i), ymm(i))
	}
	packBytes(0, 1)
	packBytes(2, 3)
	VINSERTI128(Imm(1), X2, Y0, Y0)
	poolEnd(name)
}
